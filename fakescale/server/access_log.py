"""The access log: one line for each exchange."""

import contextlib
import logging
import re
import time
from typing import TYPE_CHECKING

from fakescale.values.environ import Reported
from fakescale.values.keys import masked

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

log = logging.getLogger("fakescale")

_TELLS_KEY = re.compile(r"/_fakescale/[\w.]+_key(\?|$)")  # a control call whose result is a key


def log_exchange(exchange: Reported) -> None:
    """Log an exchange at level ``INFO``; with level ``DEBUG`` on, the line has the bodies too."""
    if log.isEnabledFor(logging.INFO):
        log.info("%s", _line(exchange, bodies=log.isEnabledFor(logging.DEBUG)))


class AccessLog:
    """Writes the lines to a stream, with the time in the format of ``logging``.

    It does not use ``logging``, which would cost a third of the time of a request.
    """

    def __init__(self, stream: "SupportsWrite[str]", *, bodies: bool) -> None:
        self._stream = stream
        self._bodies = bodies
        self._second = (0, "")  # the latest second, and its text

    def __call__(self, exchange: Reported) -> None:
        """Write the line for an exchange."""
        now = time.time()
        second, text = self._second
        if second != int(now):
            second = int(now)
            text = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
            self._second = second, text
        line = _line(exchange, bodies=self._bodies)
        with contextlib.suppress(OSError, ValueError):  # nobody reads the stream any more
            self._stream.write(f"{text},{int(1000 * (now - second)):03} {line}\n")


def _line(exchange: Reported, *, bodies: bool) -> str:
    line = f"{exchange.method} {exchange.target} {exchange.status or 'reset'}"
    if exchange.fault:
        line += f" (fault: {exchange.fault})"
    if bodies:
        body, answer = (text.decode(errors="replace") for text in (exchange.body, exchange.answer))
        if _TELLS_KEY.match(exchange.target):
            answer = "***"
        line += f" {masked(body)} -> {masked(answer)}"
    # Escaped, so that a client cannot send control characters to a terminal, or extra lines.
    return line.encode("unicode_escape").decode()
