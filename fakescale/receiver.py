"""A receiver of callbacks for tests: a URL on loopback, and what was sent there."""

import contextlib
import http
import json
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from werkzeug.datastructures import EnvironHeaders, Headers

from fakescale.server.server import serving

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request to the receiver.

    ``path`` is as it was sent, with the query if there was one; the names of ``headers``
    may be spelled in any case.
    """

    method: str
    path: str
    headers: Headers
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON; raises ValueError when it is none."""
        return json.loads(self.body)


class Receiver:
    """Records what is sent to ``url``, and any URL below, and answers 200 unless told otherwise."""

    def __init__(self) -> None:
        #: The URL to give as ``callback_url``.
        self.url = ""
        self._lock = threading.Lock()
        self._received: list[Received] = []
        self._answers: deque[tuple[int, bytes]] = deque()
        self._waiting: list[tuple[int, threading.Event]] = []

    @property
    def received(self) -> list[Received]:
        """What was received, in order."""
        with self._lock:
            return list(self._received)

    def wait_for(self, number: int, timeout: float = 10) -> list[Received]:
        """Wait until ``number`` requests were received in all, and return them.

        ``timeout`` is in seconds of real time, also where time is frozen; raises
        TimeoutError when they are over. The answers may not have arrived yet; when
        ``fakescale.callbacks.deliver()`` returns, they have.
        """
        enough = threading.Event()
        with self._lock:
            self._waiting.append((number, enough))
            self._tell()
        enough.wait(timeout)
        received = self.received
        if len(received) < number:
            got = ", ".join(f"{it.method} {it.path}" for it in received) or "none"
            raise TimeoutError(
                f"{number} callbacks were awaited, {len(received)} came in {timeout} s: {got}"
            )
        return received

    def answer(self, status: int, body: bytes | str = b"", *, times: int = 1) -> None:
        """Answer the next ``times`` requests so, after the answers that are set already."""
        status = http.HTTPStatus(status)
        if status < 200:
            raise ValueError(f"{status:d} is no final answer")
        content = body.encode() if isinstance(body, str) else body
        with self._lock:
            self._answers.extend([(status, content)] * times)

    def clear(self) -> None:
        """Forget what was received, and what was to be answered."""
        with self._lock:
            self._received.clear()
            self._answers.clear()

    def __repr__(self) -> str:
        return f"<Receiver at {self.url}, {len(self.received)} received>"

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Record a request, and answer it (WSGI); one that breaks off is not recorded."""
        try:
            body = environ["wsgi.input"].read()
        except OSError:
            start_response("400 Bad Request", [("Content-Length", "0")])
            return []
        fields = {
            name: value
            for name, value in environ.items()
            if name.startswith("HTTP_") or name in ("CONTENT_TYPE", "CONTENT_LENGTH")
        }
        received = Received(
            method=environ["REQUEST_METHOD"],
            path=environ["REQUEST_URI"],
            headers=EnvironHeaders(fields),
            body=body,
        )
        with self._lock:
            self._received.append(received)
            status, content = self._answers.popleft() if self._answers else (200, b"")
            self._tell()
        phrase = http.HTTPStatus(status).phrase
        start_response(f"{status:d} {phrase}", [("Content-Length", str(len(content)))])
        return [content]

    def _is_quick(self, environ: "WSGIEnvironment") -> bool:
        """Return True: what comes is recorded at once."""
        return True

    def _tell(self) -> None:
        """Tell those that wait for no more than there is."""
        for number, enough in self._waiting:
            if number <= len(self._received):
                enough.set()
        self._waiting = [item for item in self._waiting if not item[1].is_set()]


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    """Give a receiver on a port of its own, for the length of a ``with`` block."""
    receiver = Receiver()
    with serving(receiver, "127.0.0.1", 0) as origin:
        receiver.url = f"{origin}/callback"
        yield receiver
