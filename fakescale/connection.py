"""A connection: HTTP/1.1 with keep-alive, on werkzeug's request handler.

Of that it replaces what costs a client time or can hang it: the connection that is always
closed, and an answer in several segments (40 ms each, through Nagle and delayed ACK).
"""

import http
import io
import logging
import socket
import struct
from typing import TYPE_CHECKING, Any

from werkzeug.serving import DechunkedInput, WSGIRequestHandler
from werkzeug.wsgi import LimitedStream

from fakescale import access, wire

if TYPE_CHECKING:
    from fakescale.server import Server

log = logging.getLogger("fakescale")

IDLE_SECONDS = 60  # how long a connection may stay silent
_LINGER_SECONDS = 1  # how long a client may take to notice that it was refused
_DRAIN = 64 * 1024  # unread bytes of a body up to which a connection is worth keeping


class Handler(WSGIRequestHandler):
    """Serves the requests of one connection."""

    server: "Server"
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS

    def setup(self) -> None:
        """Prepare the streams."""
        super().setup()
        self.rfile: _Lines = _Lines(self.rfile.detach())

    def handle_expect_100(self) -> bool:
        """Leave it to the body: a client is told to go on when it is asked for, if ever."""
        return True

    def run_wsgi(self) -> None:
        """Serve one request, whose head was read."""
        if self.rfile.latest.strip() or not self.rfile.latest:
            self.close_connection = True  # the client went away within the head
            return
        if self.request_version != "HTTP/1.1":
            self.close_connection = True
        try:
            body = _Body(self)
            environ = self.make_environ()
        except ValueError as error:
            self.send_error(400, str(error))
            return
        # As it was sent: the base class folds slashes, and werkzeug encodes twice.
        environ |= {"wsgi.input": body, "REQUEST_URI": self.requestline.split()[1]}
        environ[wire.STOPPED] = self.server.stopped
        environ[access.BOUND_HOST] = self.server.named
        environ |= self.about()
        head: list[Any] = []
        start_response: Any = lambda *given: head.extend(given)  # noqa: E731
        try:
            content = b"".join(self.server.app(environ, start_response))
        except wire.BrokenOff as broken:
            if head:
                self._send(head[0], head[1], broken.content)
            self._reset()
            return
        unread = body.unread()
        if unread is None or unread > _DRAIN or (unread and body.awaited):
            self.close_connection = True
        self._send(head[0], head[1], content)
        if self.close_connection and unread != 0:
            self._linger()
        elif unread:
            self.rfile.read(unread)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is not HTTP/1.1; called by the base class too."""
        phrase = http.HTTPStatus(code).phrase
        content = wire.answer(
            {"status_code": code, "error": f"This is not HTTP/1.1: {message or phrase}"}
        ).body
        self.close_connection = True
        self._send(f"{code} {phrase}", wire.headers(content), content)
        log.info("a request that is not HTTP/1.1 %s", code)

    def about(self) -> dict[str, Any]:
        """Return what the environment of each request says of the connection."""
        return {"wsgi.url_scheme": "http"}

    def _send(self, status: str, fields: list[tuple[str, str]], content: bytes) -> None:
        if self.close_connection:
            fields = [*fields, ("Connection", "close")]
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in fields), "", ""]
        head = "\r\n".join(lines).encode("latin-1")
        # In one piece, or else the second waits until the first is acknowledged.
        self.connection.sendall(head if self.command == "HEAD" else head + content)

    def _reset(self) -> None:
        """End the connection as a crash does, not in order."""
        self.close_connection = True
        no_linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        self.connection.close()  # once `rfile` is closed too, and before anybody shuts it down

    def _linger(self) -> None:
        """Let the client read its answer: to close over unread bytes would reset it."""
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(_LINGER_SECONDS)
        for _ in range(1000):
            if not self.connection.recv(1024 * 1024):
                return

    def log(self, type: str, message: str, *args: Any) -> None:
        """Drop what werkzeug would print; requests are logged by the application."""


class _Lines(io.BufferedReader):
    """A connection's input that remembers its latest line, to tell an end from a beginning."""

    latest = b""

    def readline(self, size: int | None = -1, /) -> bytes:
        self.latest = super().readline(size)
        return self.latest


class _Body(io.RawIOBase):
    """A request's body and no byte more; asks the client to go on when it is first read.

    Raises ValueError when nobody can tell where it ends.
    """

    def __init__(self, handler: Handler) -> None:
        fields = handler.headers
        lengths = set(fields.get_all("Content-Length", ["0"]))
        encodings = fields.get_all("Transfer-Encoding", [])
        if encodings and (encodings[0].lower() != "chunked" or encodings[1:] or lengths != {"0"}):
            raise ValueError("bad Transfer-Encoding")
        [text] = lengths if len(lengths) == 1 else [""]
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise ValueError("bad Content-Length")
        self._length = None if encodings else int(text)
        self._stream: Any = (
            DechunkedInput(handler.rfile) if encodings else LimitedStream(handler.rfile, int(text))
        )
        self._connection = handler.connection
        #: Whether the client waits for a word before it sends the body.
        self.awaited = fields.get("Expect", "").lower() == "100-continue" and self._length != 0

    def unread(self) -> int | None:
        """Return how many bytes are left, or None where nobody can tell."""
        return None if self._length is None else self._length - self._stream.tell()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.awaited:
            self._connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.awaited = False
        read: int | None = self._stream.readinto(buffer)
        return read
