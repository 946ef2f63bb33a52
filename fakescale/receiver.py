"""A receiver of callbacks for tests: a URL on loopback that records requests."""

import http
import json
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from werkzeug.datastructures import EnvironHeaders, Headers

from fakescale.server.server import serving
from fakescale.values.blocks import block

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request to the receiver."""

    #: The HTTP method.
    method: str
    #: The path as it was sent, followed by ``?`` and the query if there was one.
    path: str
    #: The header fields; names match in any case.
    headers: Headers
    #: The body.
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed as JSON; raises ValueError if it is not JSON."""
        return json.loads(self.body)


class Receiver:
    """Records the requests to ``url`` and all URLs below it, and answers 200 by default."""

    def __init__(self) -> None:
        #: The URL to give as ``callback_url``.
        self.url = ""
        self._lock = threading.Lock()
        self._received: list[Received] = []
        self._answers: deque[tuple[int, bytes]] = deque()
        self._waiting: list[tuple[int, threading.Event]] = []

    @property
    def received(self) -> list[Received]:
        """All requests received so far, oldest first."""
        with self._lock:
            return list(self._received)

    def wait_for(self, number: int, timeout: float = 10) -> list[Received]:
        """Wait until the receiver has got ``number`` requests in all, and return all of them.

        Requests that came before the call count too. Raises TimeoutError after ``timeout``
        seconds of real time, even if the clock is frozen.

        The fake may not have the answers yet. It has them when ``fakescale.callbacks.deliver()``
        returns.
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
                f"expected {number} callbacks, but {len(received)} came in {timeout} s: {got}"
            )
        return received

    def answer(self, status: int, body: bytes | str = b"", *, times: int = 1) -> None:
        """Set the status and body of the answers to the next ``times`` requests.

        Answers that you set earlier come first. Then the receiver answers 200 again. Raises
        ValueError if ``status`` is unknown or below 200.
        """
        status = http.HTTPStatus(status)
        if status < 200:
            raise ValueError(
                f"status must be the status of a final answer, 200 or more (got {status:d})"
            )
        content = body.encode() if isinstance(body, str) else body
        with self._lock:
            self._answers.extend([(status, content)] * times)

    def clear(self) -> None:
        """Forget all received requests and all answers that are set."""
        with self._lock:
            self._received.clear()
            self._answers.clear()

    def __repr__(self) -> str:
        return f"<Receiver at {self.url}, {len(self.received)} received>"

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Record and answer a request (WSGI); a request that breaks off is not recorded."""
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
        """Return True: the receiver answers every request at once."""
        return True

    def _tell(self) -> None:
        """Wake the waiting threads that have enough requests now."""
        for number, enough in self._waiting:
            if number <= len(self._received):
                enough.set()
        self._waiting = [item for item in self._waiting if not item[1].is_set()]


@block
def receiving() -> Iterator[Receiver]:
    """Run a receiver on a free port of 127.0.0.1 for a ``with`` block, which gets the receiver."""
    receiver = Receiver()
    with serving(receiver, "127.0.0.1", 0) as origin:
        receiver.url = f"{origin}/callback"
        yield receiver
