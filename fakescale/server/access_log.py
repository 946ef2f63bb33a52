"""The access log: one line for each exchange."""

import contextlib
import datetime as dt
import json
import logging
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fakescale.values.clock import stamp
from fakescale.values.environ import Reported
from fakescale.values.keys import masked

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

log = logging.getLogger("fakescale")

_TELLS_KEY = re.compile(r"/_fakescale/[\w.]+_key(\?|$)")  # a control call whose result is a key
# Control calls that only look, and may come several times a second.
_LOOKS = re.compile(
    r"/_fakescale/(health|now|accounts|ui.*|summary|next_due|nearest|explain"
    r"|[\w.]+\.(list|get|page|drawing|wait_for|total))"
)
_TASK = re.compile(r"/v1/task/([0-9a-f]{24})(?![0-9a-f])")
_ANSWERED_TASK = re.compile(rb'\{(?:"result": ?\{)?"task_id": ?"([^"]+)"')


def log_exchange(exchange: Reported, seconds: float) -> None:
    """Log an exchange at level ``INFO``; with level ``DEBUG`` on, the line has the bodies too.

    ``seconds`` is the time that the answer took.
    """
    if log.isEnabledFor(logging.INFO):
        bodies = log.isEnabledFor(logging.DEBUG)
        log.info("%s", _line(exchange, seconds, bodies=bodies))


class AccessLog:
    """Writes the lines to a stream, with the time in the format of ``logging``.

    With ``as_json``, each line is a JSON object. Unless ``bodies`` are written too, control calls
    that only look leave no line. It does not use ``logging``, which would cost a third of the time
    of a request.
    """

    def __init__(
        self, stream: "SupportsWrite[str]", *, bodies: bool, as_json: bool = False
    ) -> None:
        self._stream = stream
        self._bodies = bodies
        self._as_json = as_json
        self._second = (0, "")  # the latest second, and its text

    def __call__(self, exchange: Reported, seconds: float) -> None:
        """Write the line for an exchange, whose answer took ``seconds``."""
        if (
            _LOOKS.fullmatch(exchange.target)
            and exchange.status in (200, 404, 408)
            and not self._bodies
        ):
            return
        now = time.time()
        if self._as_json:
            facts = _facts(exchange, seconds, bodies=self._bodies)
            line = json_line(now, "info", {"event": "request", **facts})
        else:
            line = f"{self._text(now)} {_line(exchange, seconds, bodies=self._bodies)}\n"
        with contextlib.suppress(OSError, ValueError):  # nobody reads the stream any more
            self._stream.write(line)

    def _text(self, now: float) -> str:
        second, text = self._second
        if second != int(now):
            second = int(now)
            text = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
            self._second = second, text
        return f"{text},{int(1000 * (now - second)):03}"


def json_line(now: float, level: str, facts: Mapping[str, Any]) -> str:
    """Return a line of a log for machines; ``now`` is a time as ``time.time()`` gives it."""
    moment = stamp(dt.datetime.fromtimestamp(now, dt.UTC))
    return json.dumps({"time": moment, "level": level, **facts}) + "\n"


def _facts(exchange: Reported, seconds: float, *, bodies: bool) -> dict[str, Any]:
    """Return the parts of an exchange that a line for machines tells."""
    facts: dict[str, Any] = {
        "method": exchange.method,
        "target": exchange.target,
        "status": exchange.status,
        "ms": round(1000 * seconds, 1),
        "account": exchange.account,
        "task": _task(exchange),
        "error": _error(exchange),
        "fault": exchange.fault,
    }
    if bodies:
        facts["body"], facts["answer"] = _bodies(exchange)
    return {name: value for name, value in facts.items() if value is not None}


def _line(exchange: Reported, seconds: float, *, bodies: bool) -> str:
    """Return the same parts as text."""
    status = exchange.status or "reset"
    line = f"{exchange.method} {exchange.target} {status} {1000 * seconds:.1f}ms"
    if exchange.account is not None:
        line += f" account={exchange.account}"
    if (task := _task(exchange)) is not None:
        line += f" task={task}"
    if exchange.fault:
        line += f" (fault: {exchange.fault})"
    elif error := _error(exchange):
        line += f": {error}"
    if bodies:
        line += " {} -> {}".format(*_bodies(exchange))
    # Escaped, so that a client cannot send control characters to a terminal, or extra lines.
    return line.encode("unicode_escape").decode()


def _error(exchange: Reported) -> str | None:
    error = exchange.error if exchange.status >= 400 else None
    return error and masked(error)


def _bodies(exchange: Reported) -> tuple[str, str]:
    """Return the bodies of the request and of the answer, with keys masked."""
    body, answer = (text.decode(errors="replace") for text in (exchange.body, exchange.answer))
    return masked(body), "***" if _TELLS_KEY.match(exchange.target) else masked(answer)


def _task(exchange: Reported) -> str | None:
    """Return the id of the task that an exchange is about, or None."""
    if found := _TASK.match(exchange.target):
        return found[1]
    if exchange.method != "POST":
        return None
    answered = _ANSWERED_TASK.match(exchange.answer)
    return answered[1].decode(errors="replace") if answered else None
