"""HTTP/1.1 with keep-alive, on werkzeug's server classes.

Of those it replaces what costs a test time or can hang it: the connection that is always
closed, an answer in several segments (40 ms each, through Nagle and delayed ACK), the stop
that waits for the next poll. No wait here depends on a clock that can be frozen.
"""

import contextlib
import email.message
import http
import io
import json
import logging
import selectors
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from werkzeug.serving import DechunkedInput, ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.wsgi import LimitedStream

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = logging.getLogger("fakescale")

IDLE_SECONDS = 60  # how long a connection may stay silent
_LINGER_SECONDS = 1  # how long a client may take to notice that it was refused
_DRAIN = 64 * 1024  # unread bytes of a body up to which a connection is worth keeping

# Ports that were picked for someone here. One that is picked again could still be talked to
# by a straggler of its earlier life.
_picked: set[int] = set()


@contextlib.contextmanager
def serving(app: "WSGIApplication", host: str, port: int) -> Iterator[str]:
    """Serve ``app`` on a thread for the length of a ``with`` block, which gets its origin."""
    server = Server(app, host, port)
    thread = threading.Thread(target=server.serve_forever, name="fakescale", daemon=True)
    thread.start()
    try:
        yield server.origin
    finally:
        server.stop()
        thread.join()


class Server(ThreadedWSGIServer):
    """A server that listens once it is made. Raises OSError when the address can't be had."""

    def __init__(self, app: "WSGIApplication", host: str, port: int) -> None:
        with _listen(host, port) as listener:
            numbers, picked = listener.getsockname()[:2]
            # Handed over by its descriptor, since werkzeug exits when a port is in use, and
            # as numbers, since it looks up names.
            super().__init__(numbers, picked, app, _Handler, fd=listener.fileno())
        self.socket.settimeout(1)  # for a client that is gone before it is accepted
        self._woken, self._wake = socket.socketpair()
        self._connections: dict[threading.Thread, socket.socket] = {}

    @property
    def origin(self) -> str:
        """The URL of the server, without a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def serve_forever(self, poll_interval: float = 0) -> None:
        """Serve until ``stop`` is called, from any thread or a signal handler."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while all(key.fileobj is not self._woken for key, _ in selector.select()):
                self.handle_one_connection()
        self.server_close()
        connections = list(self._connections.items())
        for _, connection in connections:  # an idle one would outlive the server
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread, _ in connections:
            thread.join(timeout=1)
        self._woken.close()
        self._wake.close()

    def stop(self) -> None:
        """Make ``serve_forever`` end, and every connection with it."""
        with contextlib.suppress(OSError):  # it has ended already
            self._wake.send(b"x")

    def handle_one_connection(self) -> None:
        """Accept a connection and give it a thread of its own."""
        with contextlib.suppress(OSError):  # the client has gone away already
            connection, address = self.get_request()
            thread = threading.Thread(
                target=self.process_request_thread, args=(connection, address), daemon=True
            )
            self._connections[thread] = connection
            thread.start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection to its end (called by its thread)."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            del self._connections[threading.current_thread()]


def _listen(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    while True:
        listener = socket.create_server(address[:2], family=family, backlog=128)
        picked = listener.getsockname()[1]
        if port != 0 or picked not in _picked or len(_picked) > 10_000:
            _picked.add(picked)
            return listener
        listener.close()


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS
    headers: email.message.Message

    def handle_expect_100(self) -> bool:
        return True  # a client is told to go on when its body is asked for, if it ever is

    def run_wsgi(self) -> None:
        try:
            environ, body = self._open()
        except ValueError as error:
            self.send_error(400, str(error))
            return
        status, fields, content = _run(self.server.app, environ)
        unread = body.unread
        if unread is None or unread > _DRAIN or (unread and body.awaited):
            self.close_connection = True
        self._send(status, fields, content)
        if unread:
            if self.close_connection:
                self._linger()
            else:
                self.rfile.read(unread)

    def _open(self) -> tuple[dict[str, Any], "_Body"]:
        """Return the environment, and the stream in it; raises ValueError for bad framing."""
        lengths = set(self.headers.get_all("Content-Length", []))
        chunked = self.headers.get("Transfer-Encoding")
        if chunked is not None and (chunked.strip().lower() != "chunked" or lengths):
            raise ValueError("bad Transfer-Encoding")
        if len(lengths) > 1 or not all(text.isascii() and text.isdigit() for text in lengths):
            raise ValueError("bad Content-Length")
        environ = self.make_environ()
        # As it was sent: the base class folds slashes, and werkzeug encodes twice.
        environ["REQUEST_URI"] = self.requestline.split()[1]
        length = None if chunked else int(next(iter(lengths), "0"))
        go_on = self.headers.get("Expect", "").lower() == "100-continue" and length != 0
        body = _Body(self.rfile, length, self.connection if go_on else None)
        environ["wsgi.input"] = body
        return environ, body

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is not HTTP; called by the base class too."""
        status = http.HTTPStatus(code)
        text = message or status.phrase
        content = json.dumps({"status_code": code, "error": f"Not HTTP/1.1: {text}"}).encode()
        fields = [("Content-Type", "application/json"), ("Content-Length", str(len(content)))]
        self.close_connection = True
        self._send(f"{code} {status.phrase}", fields, content)

    def _send(self, status: str, fields: list[tuple[str, str]], content: bytes) -> None:
        if self.close_connection:
            fields = [*fields, ("Connection", "close")]
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields), "", ""]
        head = "\r\n".join(lines).encode("latin-1")
        # In one piece, or else the second waits until the first is acknowledged.
        self.connection.sendall(head if self.command == "HEAD" else head + content)

    def _linger(self) -> None:
        """Let the client read its answer: to close over unread bytes would reset it."""
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(_LINGER_SECONDS)
        for _ in range(1000):
            if not self.connection.recv(1024 * 1024):
                return

    def log(self, type: str, message: str, *args: Any) -> None:
        """Log at a low level what werkzeug would print; requests are logged by the app."""
        log.debug(message.replace("%", "%%") if not args else message, *args)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Leave it to the application."""


class _Body(io.RawIOBase):
    """A request's body and no byte more; asks the client to go on when it is first read."""

    def __init__(self, source: Any, length: int | None, awaited: socket.socket | None) -> None:
        self.awaited = awaited
        self._length = length
        self._stream: Any = (
            DechunkedInput(source) if length is None else LimitedStream(source, length)
        )

    @property
    def unread(self) -> int | None:
        """How many bytes are left, or None where nobody can tell."""
        return None if self._length is None else self._length - self._stream.tell()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.awaited is not None:
            self.awaited.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.awaited = None
        read: int | None = self._stream.readinto(buffer)
        return read


def _run(
    app: "WSGIApplication", environ: dict[str, Any]
) -> tuple[str, list[tuple[str, str]], bytes]:
    started: list[Any] = []

    def start_response(status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started[:] = [status, fields]
        return None

    content = b"".join(app(environ, start_response))
    status, fields = started
    return status, fields, content
