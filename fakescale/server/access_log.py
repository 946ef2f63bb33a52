"""The access log: a line about each exchange."""

import contextlib
import logging
import time
from typing import TextIO

from fakescale.values.environ import Reported

log = logging.getLogger("fakescale")


def log_exchange(exchange: Reported) -> None:
    """Log an exchange as ``INFO``, or with the bodies as ``DEBUG``."""
    if log.isEnabledFor(logging.INFO):
        log.info("%s", _line(exchange, bodies=log.isEnabledFor(logging.DEBUG)))


class AccessLog:
    """Writes the lines to a stream, with the time, as ``logging`` writes its own.

    Not by it, since that costs a third of what a request does.
    """

    def __init__(self, stream: TextIO, *, bodies: bool) -> None:
        self._stream = stream
        self._bodies = bodies
        self._second = (0, "")  # the latest, and how it is written

    def __call__(self, exchange: Reported) -> None:
        """Write about an exchange."""
        now = time.time()
        second, text = self._second
        if second != int(now):
            second = int(now)
            text = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
            self._second = second, text
        line = _line(exchange, bodies=self._bodies)
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            self._stream.write(f"{text},{int(1000 * (now - second)):03} {line}\n")


def _line(exchange: Reported, *, bodies: bool) -> str:
    line = f"{exchange.method} {exchange.target} {exchange.status or 'reset'}"
    if exchange.fault:
        line += f" (fault: {exchange.fault})"
    if bodies:
        body, answer = (text.decode(errors="replace") for text in (exchange.body, exchange.answer))
        line += f" {body} -> {answer}"
    # What a client sends must not reach a terminal as control characters, or as a line more.
    return line.encode("unicode_escape").decode()
