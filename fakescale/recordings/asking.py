"""The fake that gets the recorded requests, and its clock."""

import datetime as dt
import io
import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, unquote, urlsplit

from fakescale.account.world import World
from fakescale.fake import FakeScale
from fakescale.recordings.differences import Answered
from fakescale.recordings.exchanges import Recorded
from fakescale.recordings.keys import key_of, text_of
from fakescale.recordings.spots import Spot
from fakescale.values.clock import read_moment
from fakescale.values.environ import REPORT, STANDS_IN
from fakescale.values.hosts import HOST
from fakescale.values.ids import TaskIds
from fakescale.values.keys import read_key

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

#: The mode of requests whose key the recording does not show.
Mode = Literal["live", "test"]

_ACCOUNT = "recorded"  # the account of exchanges without a readable key
_MADE = re.compile("[0-9a-f]{24}")
# A moment in an answer may lie this much before the clock, since threads overlap.
_BACK = dt.timedelta(minutes=1)
# The clocks of client and server differ by this much at most.
_APART = dt.timedelta(minutes=10)
_ASCII = bytes(range(128))  # the bytes of a URL that are not quoted
# A part of a multipart body that lacks the content of its file.
_EMPTY_FILE = re.compile(rb'filename="[^\r\n]*"(?:\r\n[^\r\n]+)*\r\n\r\n(?=\r\n--)')
_MOST_FILLED = 16 * 2**20  # bytes to put there
# The header fields of a request that the API heeds.
_HEEDED = ("content-type", "idempotency-key", "accept")


class _RecordedIds(TaskIds):
    """Makes the id that the recording has next, so that ids sort as they did there."""

    def __init__(self) -> None:
        super().__init__(0)
        self.next: str | None = None

    def make(self, now: dt.datetime) -> str:
        """Return the recorded id if there is one, or else a new one."""
        if (wanted := self.next) is None:
            return super().make(now)
        self.next = None
        self.reserve([wanted])
        return wanted


class Asked:
    """A fake that answers the recorded requests, without a socket.

    It sends no callbacks. ``mode`` is that of requests whose key cannot be read; None is the mode
    that the answers tell.
    """

    def __init__(self, mode: Mode | None) -> None:
        self.fake = FakeScale(account=_ACCOUNT)
        self._mode = mode
        self._default = f"{mode or 'live'}_{_ACCOUNT}"
        self._ids = _RecordedIds()
        self.fake._state._ids = self._ids
        self.fake.stop_clock()
        self._is_set = False  # whether the clock shows a recorded time
        self._silent: set[str] = set()  # the accounts whose callbacks are not owed

    def key(self, exchange: Recorded, spot: Spot) -> str | None:
        """Return the API key of a request, or a made-up key of its mode if it is not readable.

        Return None if the API refused the key.
        """
        if exchange.status == 401:
            return None
        if key_of(exchange.headers) is not None:
            return text_of(exchange.headers)
        if self._mode is None and spot.is_test is not None:  # else the mode stays
            self._default = f"{'test' if spot.is_test else 'live'}_{_ACCOUNT}"
        return self._default

    def world(self, key: str | None) -> World:
        """Return the world of a key."""
        name, is_test = read_key(key or self._default)
        account = self.fake.account(name)
        if name not in self._silent:
            self._silent.add(name)
            for world in (account.world(is_test=False), account.world(is_test=True)):
                world._owe_by = lambda **_: None
        return account.world(is_test=is_test)

    def now(self) -> dt.datetime:
        """Return the time of the fake's clock."""
        return self.fake.now()

    def stand_at(self, when: dt.datetime | None, shown: str | None = None) -> None:
        """Let the clock stand at the time of a request; it moves forward only.

        ``shown`` is the moment of the effect, as the answer tells it. It is exact, so the clock
        stands there instead if that is near the time of the request.
        """
        if shown is not None:
            moment = read_moment(shown)
            is_near = when is None or abs(moment - when) <= _APART
            if is_near and (not self._is_set or moment >= self.now() - _BACK):
                self.set_clock(moment)
                return
        if when is not None and (not self._is_set or when > self.now()):
            self.set_clock(when)

    def set_clock(self, moment: dt.datetime) -> None:
        """Let the clock stand at ``moment``."""
        self._is_set = True
        by = moment - self.now()
        self.fake._state.clock.advance(
            days=by.days, seconds=by.seconds, microseconds=by.microseconds
        )

    def ask(
        self,
        exchange: Recorded,
        key: str | None,
        target: str,
        body: bytes,
        made: str | None = None,
    ) -> Answered:
        """Return the fake's answer to a request; a task that it creates gets the id ``made``."""
        path, _, query = target.partition("?")
        environ: WSGIEnvironment = {
            "REQUEST_METHOD": exchange.method,
            "REQUEST_URI": target,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": HOST,
            "SERVER_PORT": "443",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": HOST,
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            STANDS_IN: True,
            REPORT: lambda *_: None,
        }
        if body:
            environ["CONTENT_LENGTH"] = str(len(body))
        for name, value in exchange.headers:
            if name.lower() in _HEEDED:
                field = name.upper().replace("-", "_")
                environ[field if field == "CONTENT_TYPE" else f"HTTP_{field}"] = value
        if key is not None:
            environ["HTTP_AUTHORIZATION"] = f"Bearer {key}"
        begun: list[Any] = []
        self._ids.next = made if made and _MADE.fullmatch(made) else None
        answer = b"".join(self.fake(environ, lambda *given: begun.extend(given)))  # type: ignore[arg-type]
        self._ids.next = None
        return Answered(int(begun[0][:3]), media_type(begun[1]), answer)


def media_type(headers: Iterable[tuple[str, str]]) -> str:
    """Return the media type in header fields, without parameters, or ""."""
    found = next((it for name, it in headers if name.lower() == "content-type"), "")
    return found.partition(";")[0].strip().lower()


def target_of(url: str) -> str:
    """Return the path and query of a URL, as they were sent."""
    parts = urlsplit(quote(url, safe=_ASCII))
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"


def filled(body: bytes, spot: Spot) -> bytes:
    """Return a body in which zeros stand for the content of an upload, which a HAR may lack."""
    size = spot.answer.get("size") if isinstance(spot.answer, dict) else None
    if spot.noun != "file" or type(size) is not int or not 0 < size <= _MOST_FILLED:
        return body
    return _EMPTY_FILE.sub(lambda found: found[0] + bytes(size), body, count=1)
