"""A receiver of callbacks for tests: a URL on loopback that records requests."""

import contextlib
import http
import inspect
import io
import json
import logging
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit

from werkzeug.datastructures import EnvironHeaders, Headers

from fakescale.server.server import serving
from fakescale.values.blocks import block
from fakescale.waiting import in_thread

if TYPE_CHECKING:
    import asyncio

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger("fakescale")

# The server sets these fields of an answer itself.
_OF_SERVER = ("connection", "content-length", "date", "server", "transfer-encoding")


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


class _Answer(NamedTuple):
    """The answer to a request."""

    status: int
    content: bytes
    headers: list[tuple[str, str]]


class Receiver:
    """Records the requests to ``url`` and to all other paths, and answers 200 by default."""

    def __init__(self) -> None:
        #: The URL to give as ``callback_url``.
        self.url = ""
        self._lock = threading.Lock()
        self._received: list[Received] = []
        self._answers: deque[tuple[int, bytes]] = deque()
        self._waiting: list[tuple[int, threading.Event]] = []
        self._app: Any = None
        self._runner: asyncio.Runner | None = None  # of an ASGI application
        self._runner_lock = threading.Lock()

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

    async def until(self, number: int, timeout: float = 10) -> list[Received]:
        """Wait as ``wait_for`` does, in async code, while the event loop runs on."""
        return await in_thread(lambda: self.wait_for(number, timeout))

    def forward_to(self, app: Any, path: str = "/callback") -> str:
        """Hand each request to an application too, and answer with its answer.

        ``app`` is a WSGI or an ASGI application, for example of Flask, Django or FastAPI; None
        ends the forwarding. Returns the URL to give as ``callback_url``, with ``path``: a route
        of the application. The application gets the path of each request as it is.

        The application runs in a thread of the receiver, and an ASGI application in an event
        loop of its own, without lifespan events. ``received`` has a request when the application
        has answered it. Answers that ``answer`` sets come first: then the application does not
        get the request. An exception of the application is logged, and answered with 500.

        Raises TypeError for an application that cannot be called, and ValueError for a path that
        does not begin with ``/``.
        """
        if app is not None and not callable(app):
            raise TypeError(f"an application must be a WSGI or ASGI application, not {app!r}")
        if not path.startswith("/"):
            raise ValueError(f"path must begin with / (got {path!r})")
        self._app = app
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}{quote(path, safe='/%?=&')}"

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
        app = self._app
        with self._lock:
            given = self._answers.popleft() if self._answers else None
        if given is not None or app is None:
            answer = _Answer(*(given or (200, b"")), [])
        else:
            answer = self._forwarded(app, environ, body)
        with self._lock:
            self._received.append(received)
            self._tell()
        known = http.HTTPStatus.__members__.values()
        phrase = next((it.phrase for it in known if it == answer.status), "Unknown")
        own = [(name, it) for name, it in answer.headers if name.lower() not in _OF_SERVER]
        length = "Content-Length", str(len(answer.content))
        start_response(f"{answer.status:d} {phrase}", [*own, length])
        return [answer.content]

    def _is_quick(self, environ: "WSGIEnvironment") -> bool:
        """Return whether the receiver answers at once; an application may take long."""
        return self._app is None

    def _forwarded(self, app: Any, environ: "WSGIEnvironment", body: bytes) -> _Answer:
        """Return the application's answer, or 500 if it raises an exception."""
        try:
            if _is_asgi(app):
                import asyncio

                with self._runner_lock:
                    self._runner = self._runner or asyncio.Runner()
                    return self._runner.run(_call_asgi(app, environ, body))
            return _call_wsgi(app, environ, body)
        except Exception:
            log.exception("the application raised an exception for a callback")
            return _Answer(500, b"", [])

    def _close(self) -> None:
        if self._runner is not None:
            self._runner.close()

    def _tell(self) -> None:
        """Wake the waiting threads that have enough requests now."""
        for number, enough in self._waiting:
            if number <= len(self._received):
                enough.set()
        self._waiting = [item for item in self._waiting if not item[1].is_set()]


def _is_asgi(app: Any) -> bool:
    """Return whether an application is an ASGI 3 application, by the rule of asgiref."""
    return inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(
        getattr(app, "__call__", None)  # noqa: B004  # of its class
    )


def _environ(environ: "WSGIEnvironment", body: bytes) -> "WSGIEnvironment":
    """Return the environ of a request whose body is ``body``, with its length."""
    fields = {name: it for name, it in environ.items() if name != "HTTP_TRANSFER_ENCODING"}
    return {**fields, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}


def _call_wsgi(app: Any, environ: "WSGIEnvironment", body: bytes) -> _Answer:
    from werkzeug.test import run_wsgi_app

    chunks, status, headers = run_wsgi_app(app, _environ(environ, body), buffered=True)
    return _Answer(int(status.split()[0]), b"".join(chunks), list(headers))


async def _call_asgi(app: Any, environ: "WSGIEnvironment", body: bytes) -> _Answer:
    import asyncio

    uri = urlsplit(environ["REQUEST_URI"])
    fields = EnvironHeaders(_environ(environ, body))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": environ["REQUEST_METHOD"],
        "scheme": environ["wsgi.url_scheme"],
        "path": environ["PATH_INFO"].encode("latin-1").decode(errors="replace"),
        "raw_path": uri.path.encode(),
        "root_path": "",
        "query_string": uri.query.encode(),
        "headers": [(name.lower().encode(), it.encode("latin-1")) for name, it in fields],
        "client": (environ.get("REMOTE_ADDR", "127.0.0.1"), 0),
        "server": (environ["SERVER_NAME"], int(environ["SERVER_PORT"])),
    }
    messages = deque([{"type": "http.request", "body": body, "more_body": False}])
    ended = asyncio.Event()
    status, headers, chunks = 500, [], list[bytes]()

    async def receive() -> dict[str, Any]:
        if not messages:
            await ended.wait()
            return {"type": "http.disconnect"}
        return messages.popleft()

    async def send(message: dict[str, Any]) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status = message["status"]
            headers = [
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in message.get("headers", ())
            ]
        elif message["type"] == "http.response.body":
            chunks.append(bytes(message.get("body", b"")))
            if not message.get("more_body", False):
                ended.set()

    await app(scope, receive, send)
    return _Answer(status, b"".join(chunks), headers)


@block
def receiving() -> Iterator[Receiver]:
    """Run a receiver on a free port of 127.0.0.1 for a ``with`` block, which gets the receiver."""
    receiver = Receiver()
    with contextlib.ExitStack() as after:
        after.callback(receiver._close)  # when no request is served any more
        origin = after.enter_context(serving(receiver, "127.0.0.1", 0))
        receiver.url = f"{origin}/callback"
        yield receiver
