"""A connection: HTTP/1.1 with keep-alive, step by step.

Each step returns how to go on. The loop takes the steps that do not wait. A worker takes the
steps that may take long, with the same code and a blocking socket. A short answer is sent in one
piece, since a second piece would wait 40 ms for Nagle and delayed ACK.

The file is long because the steps share the state of the connection.
"""

import contextlib
import enum
import io
import logging
import math
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from fakescale.server.body import Body
from fakescale.server.http11 import BodyReader, Head, Reader, Refused
from fakescale.server.limits import Limits
from fakescale.values.answer import header_fields, json_answer
from fakescale.values.clock import steady
from fakescale.values.environ import IS_QUICK, BrokenOff
from fakescale.values.keys import masked

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = logging.getLogger("fakescale")

#: The most bytes to receive at once, or to send at once on a worker.
PIECE = 64 * 1024
_LINGER_SECONDS = 1  # of silence, after the last answer


class Step(enum.Enum):
    """The next step of a connection."""

    WAIT = "when more can be received, or when the connection is due"
    AGAIN = "at once, after the others"
    LEAVE = "on a worker"
    END = "not at all"


class Entrance(NamedTuple):
    """The entrance of a port where not all clients begin with HTTP."""

    #: The scheme in the URL of the port.
    scheme: str
    #: Returns whether a client that sends this first byte uses the entrance.
    is_for: Callable[[bytes], bool]
    #: Lets a client in, on a worker; raises OSError or Refused if the client may not come in.
    enter: Callable[["Connection"], None]
    #: The longest first silence of a client, in seconds, unless the limits allow less.
    silent_seconds: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """All that the connections of a server share."""

    #: The application that answers the requests.
    app: "WSGIApplication"
    #: The limits on requests and connections.
    limits: Limits
    #: The entries of the environ that are the same for all requests.
    environ: Mapping[str, Any]
    #: Whether the loop answers quick requests; otherwise each request goes to a worker.
    in_place: bool
    #: The entrance, or None if all clients begin with HTTP.
    entrance: Entrance | None
    #: Set when the server stops.
    stopped: threading.Event = field(default_factory=threading.Event)

    def is_quick(self, environ: dict[str, Any]) -> bool:
        """Return whether the loop may answer a request: the application must call it quick."""
        is_quick: Callable[[dict[str, Any]], bool] | None = getattr(self.app, IS_QUICK, None)
        return is_quick is not None and self.in_place and is_quick(environ)


class Connection:
    """The connection of one client, over any socket, including TLS.

    Each method that returns a ``Step`` is a step. It raises OSError if the client breaks off.
    ``refusal`` is the answer to a client over the limit of connections. ``on_close`` is called
    once the connection is closed.
    """

    def __init__(
        self,
        client: socket.socket,
        address: Any,
        site: Site,
        on_close: Callable[["Connection"], None] = lambda _: None,
        refusal: Refused | None = None,
    ) -> None:
        self.socket = client
        self.site = site
        #: The entries of the environ that are the same for all requests of the connection.
        self.environ = dict(site.environ, REMOTE_ADDR=address[0], REMOTE_PORT=address[1])
        #: Called once nothing more will be sent.
        self.farewell: Callable[[], None] = lambda: None
        #: The time at which the client has been silent or slow for too long, on ``steady``.
        self.due = math.inf
        #: The thread of the worker that serves the connection, or None.
        self.worker: int | None = None
        self._on_close = on_close
        self._refusal = refusal
        self._entrance = site.entrance  # None once the client is in
        self._reader = Reader(site.limits)
        self._head: Head | None = None  # of the next request
        self._unsent: list[memoryview] = []  # the pieces that are left of an answer
        self._is_last = False  # whether the latest answer is the last
        self._is_old = False  # whether the latest request is HTTP/1.0
        self._is_lingering = False
        self._until = math.inf  # the deadline of the current head or body
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # The steps.

    def begin(self) -> Step:
        """Take the first step."""
        self.socket.setblocking(False)
        if self._entrance is None:
            return self._come_in()
        self._wait()
        self.due = min(self.due, steady() + self._entrance.silent_seconds)
        return Step.WAIT

    def on_readable(self) -> Step:
        """Go on when the socket is readable."""
        if self._is_lingering:
            return self._wait() if self.socket.recv(PIECE) else Step.END
        if self._entrance is not None:
            if self._entrance.is_for(self.socket.recv(1, socket.MSG_PEEK)):
                return Step.LEAVE
            self._entrance = None
            if self._refusal is not None:
                return self._refuse(self._refusal)
        if self._receive():
            return self.go_on()
        # A request that breaks off in its head is dropped. One that breaks off in its body goes
        # on, so that the application learns of it.
        return Step.END if self._head is None else Step.LEAVE

    def on_due(self) -> Step:
        """Go on when the client was silent or slow for too long."""
        if self._head is not None:
            self._until = -math.inf  # makes the next read of the body fail
            return Step.LEAVE
        if self._is_lingering or self._entrance is not None or not self._reader.available:
            return Step.END
        return self._refuse(Refused(408, "The head of the request took too long to arrive."))

    def go_on(self) -> Step:
        """Answer the next request if it has arrived and is quick."""
        try:
            head = self._head = self._head or self._read_head()
        except Refused as error:
            return self._refuse(error)
        if head is None:
            return self._wait()
        if not _is_small(head) or not self.site.is_quick(head.environ):
            return Step.LEAVE
        if (head.length or 0) > self._reader.available:
            self._allow(self.site.limits.body_seconds)
            return self._wait()
        return self._answer(head)

    def serve(self) -> Step:
        """Serve with blocking calls, on a worker; return the first step that is not a worker's."""
        self.worker = threading.get_ident()
        try:
            if self._entrance is not None:
                return self._serve_for_life(self._entrance)
            return self._serve_slowly()
        finally:
            self.worker = None

    def take_back(self) -> Step:
        """Go on without blocking calls."""
        self.socket.setblocking(False)
        return self._wait() if self._is_lingering else self.go_on()

    def feed(self, piece: bytes) -> None:
        """Add bytes of the client that were received elsewhere."""
        self._reader.feed(piece)

    def close(self) -> None:
        """Close the connection."""
        self.farewell()
        self.socket.close()
        self._on_close(self)

    def shut(self) -> None:
        """Make the blocking calls of a worker fail or return."""
        with contextlib.suppress(OSError):
            # Not through TLS, whose state belongs to its thread. eventlet's sockets are others.
            if isinstance(self.socket, socket.SocketType):
                socket.SocketType.shutdown(self.socket, socket.SHUT_RDWR)
            else:
                self.socket.shutdown(socket.SHUT_RDWR)

    # Inside.

    def _serve_for_life(self, entrance: Entrance) -> Step:
        """Serve the connection to its end, since a selector cannot see inside TLS."""
        self._entrance = None
        try:
            entrance.enter(self)
            step = self._come_in()
        except Refused as error:
            step = self._refuse(error)
        while step is not Step.END:
            if step is Step.WAIT:
                self.socket.settimeout(max(0.001, self.due - steady()))
                try:
                    step = self.on_readable()
                except TimeoutError:
                    step = self.on_due()
            else:
                step = self.go_on() if step is Step.AGAIN else self._serve_slowly()
        return step

    def _serve_slowly(self) -> Step:
        """Answer the next request, or send the rest of an answer."""
        if self._head is not None:
            return self._answer(self._head)
        self._send_all(self._unsent)
        return self._end_answer()

    def _come_in(self) -> Step:
        return self._wait() if self._refusal is None else self._refuse(self._refusal)

    def _wait(self) -> Step:
        idle = _LINGER_SECONDS if self._is_lingering else self.site.limits.idle_seconds
        self.due = min(steady() + idle, self._until)
        return Step.WAIT

    def _allow(self, seconds: float) -> None:
        """Set the deadline of the current head or body, unless it has one."""
        if self._until == math.inf:
            self._until = steady() + seconds

    def _receive(self) -> bool:
        piece = self.socket.recv(PIECE)
        self._reader.feed(piece)
        return piece != b""

    def _receive_body(self) -> bool:
        """Receive bytes of a body; return False at the end, raise TimeoutError if they are late."""
        left = self._until - steady()
        if left <= 0:
            raise TimeoutError
        self.socket.settimeout(min(left, self.site.limits.idle_seconds))
        return self._receive()

    def _read_head(self) -> Head | None:
        head = self._reader.head()
        if head is not None:
            self._until = math.inf
        elif self._reader.available:
            self._allow(self.site.limits.head_seconds)
        return head

    def _answer(self, head: Head) -> Step:
        """Answer a request."""
        self._head = None
        environ = self.environ | head.environ
        body = None
        if head.length is not None and head.length <= self._reader.available:
            environ["wsgi.input"] = io.BytesIO(self._reader.take(head.length))
        else:
            self._allow(self.site.limits.body_seconds)
            reader = BodyReader(self._reader, head.length, self.site.limits)
            body = Body(reader, self._receive_body, self._ask if head.awaits else None)
            environ["wsgi.input"] = io.BufferedReader(body)
        given: list[Any] = []
        start_response: Any = lambda *it: given.extend(it)  # noqa: E731
        try:
            content = b"".join(self.site.app(environ, start_response))
        except BrokenOff as broken:
            if given:
                self._send(given[0], given[1], broken.content)
            self._reset()
            return Step.END
        except Exception:
            log.exception("a bug in fakescale")
            return self._refuse(Refused(500, "Something went wrong inside fakescale."))
        self._is_last = head.is_last or (body is not None and not body.is_worth_reading)
        self._is_old = head.environ["SERVER_PROTOCOL"] == "HTTP/1.0"
        if not self._send(given[0], given[1], content):
            return Step.LEAVE
        if body is not None and not self._is_last:
            self._is_last = not body.skip()
        return self._end_answer()

    def _ask(self) -> None:
        self._send_all([memoryview(b"HTTP/1.1 100 Continue\r\n\r\n")])

    def _refuse(self, error: Refused) -> Step:
        """Answer the current request with ``error``, and end the connection."""
        log.info("refused: %s %s", error.status, masked(str(error)))
        answer = json_answer({"status_code": error.status, "error": str(error)})
        self._is_last = True
        status = f"{error.status} {error.phrase}"
        is_sent = self._send(status, header_fields(answer.body), answer.body)
        return self._end_answer() if is_sent else Step.LEAVE

    def _send(self, status: str, fields: list[tuple[str, str]], content: bytes) -> bool:
        """Send an answer; return False if a worker must send the rest."""
        lines = [f"{name}: {value}\r\n" for name, value in fields]
        if self._is_last:
            lines.append("Connection: close\r\n")
        elif self._is_old:  # such a client takes the connection for closed unless it is told
            lines.append("Connection: keep-alive\r\n")
        head = f"HTTP/1.1 {status}\r\n{''.join(lines)}\r\n".encode("latin-1")
        body = b"" if self._reader.is_head else content
        # In one piece, since a second piece would wait until the first is acknowledged. A long
        # body is not copied, since the client may read slowly, or not at all.
        self._unsent = [memoryview(head + body[:PIECE])]
        if len(body) > PIECE:
            self._unsent.append(memoryview(body)[PIECE:])
        if self.worker is not None:
            self._send_all(self._unsent)
            return True
        with contextlib.suppress(BlockingIOError):
            while self._unsent:
                self._send_some(self._unsent)
        return not self._unsent

    def _send_all(self, pieces: list[memoryview]) -> None:
        """Send ``pieces`` on a worker; a slow client is fine, a silent one is not."""
        self.socket.settimeout(self.site.limits.idle_seconds)
        try:
            while pieces:
                self._send_some(pieces, PIECE)
        except TimeoutError as error:  # a TimeoutError would mean that nothing was received
            raise ConnectionAbortedError from error

    def _send_some(self, pieces: list[memoryview], most: int | None = None) -> None:
        """Send as much of the first piece as the socket takes, and remove it from ``pieces``."""
        rest = pieces[0][self.socket.send(pieces[0][:most]) :]
        pieces[:1] = [rest] if rest else []

    def _end_answer(self) -> Step:
        """Go on after an answer."""
        self._until = math.inf
        if self._is_last:
            return self._begin_linger()
        if not self._reader.available:
            return self._wait()
        self.due = math.inf  # the server, not the client, is late
        return Step.AGAIN

    def _begin_linger(self) -> Step:
        """Let the client read its answer; closing with unread bytes would reset the connection."""
        self._is_lingering = True
        self.farewell()
        self.socket.shutdown(socket.SHUT_WR)
        self._allow(10 * _LINGER_SECONDS)
        return self._wait()

    def _reset(self) -> None:
        """Make the end of the connection a reset, as after a crash."""
        self.farewell = lambda: None  # or TLS would end in an orderly way
        no_linger = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)


def _is_small(head: Head) -> bool:
    """Return whether the body has a known, short length, so that the loop may wait for it."""
    if head.length is None or head.length > PIECE or head.awaits:
        return False
    return not str(head.environ.get("CONTENT_TYPE", "")).lower().startswith("multipart/")
