"""A connection: HTTP/1.1 with keep-alive, step by step.

Each step says how to go on. The loop takes the steps that do not wait; a worker takes those
that may take long, with the same code and a socket that blocks. An answer leaves in one piece,
since a second one waits 40 ms for Nagle and delayed ACK.

One job, though the file is long: the steps of a connection share all that it knows.
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

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = logging.getLogger("fakescale")

#: How many bytes are received at once, or sent by a worker.
PIECE = 64 * 1024
_LINGER_SECONDS = 1  # how long a client may stay silent that was told to go


class Step(enum.Enum):
    """How a connection goes on."""

    WAIT = "when more can be received, or when it is due"
    AGAIN = "at once, after the others"
    LEAVE = "on a worker"
    END = "not at all"


class Entrance(NamedTuple):
    """The way in to a port where not all clients begin with HTTP."""

    #: The scheme of the URL of such a port.
    scheme: str
    #: Whether a client that sends this first byte comes in this way.
    is_for: Callable[[bytes], bool]
    #: Lets a client in, on a worker; raises OSError or Refused where it may not come in.
    enter: Callable[["Connection"], None]
    #: How long a client may be silent at first, unless the limits allow less.
    silent_seconds: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """All that the connections of a server share."""

    app: "WSGIApplication"
    limits: Limits
    #: The entries of the environ that are the same for all requests.
    environ: Mapping[str, Any]
    #: Whether the loop answers requests that are quick; else each goes to a worker.
    in_place: bool
    entrance: Entrance | None
    stopped: threading.Event = field(default_factory=threading.Event)

    def is_quick(self, environ: dict[str, Any]) -> bool:
        """Return whether the application says that it answers a request at once."""
        is_quick: Callable[[dict[str, Any]], bool] | None = getattr(self.app, IS_QUICK, None)
        return is_quick is not None and self.in_place and is_quick(environ)


class Connection:
    """One client, over any socket, TLS too; each method that returns a Step is a step of it.

    A step raises OSError when the client breaks off. ``refusal`` is the answer to a client
    for whom there is no room. ``on_close`` is called once it is closed.
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
        #: The entries of the environ that are the same for all its requests.
        self.environ = dict(site.environ, REMOTE_ADDR=address[0], REMOTE_PORT=address[1])
        #: Called before nothing more is sent.
        self.farewell: Callable[[], None] = lambda: None
        #: When it has waited too long, in seconds of ``steady``.
        self.due = math.inf
        #: The thread of the worker that serves it, if one does.
        self.worker: int | None = None
        self._on_close = on_close
        self._refusal = refusal
        self._entrance = site.entrance  # until the client is in
        self._reader = Reader(site.limits)
        self._head: Head | None = None  # of the request that is next
        self._unsent = memoryview(b"")
        self._is_last = False  # whether nothing follows the latest answer
        self._is_lingering = False
        self._until = math.inf  # when the present head or body is too late
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
        """Go on where something can be received."""
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
        # A request that breaks off in its head is not carried out. The application is told of
        # a body that does.
        return Step.END if self._head is None else Step.LEAVE

    def on_due(self) -> Step:
        """Go on where the client was silent, or slow, for too long."""
        if self._head is not None:
            self._until = -math.inf  # whoever reads the body is told
            return Step.LEAVE
        if self._is_lingering or self._entrance is not None or not self._reader.available:
            return Step.END
        return self._refuse(Refused(408, "The head of the request took too long to arrive."))

    def go_on(self) -> Step:
        """Answer the next request if it is there, and is quick."""
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
        """Go on with calls that block, on a worker; return the first step that is not its own."""
        self.worker = threading.get_ident()
        try:
            if self._entrance is not None:
                return self._serve_for_life(self._entrance)
            return self._serve_slowly()
        finally:
            self.worker = None

    def take_back(self) -> Step:
        """Go on without calls that block."""
        self.socket.setblocking(False)
        return self._wait() if self._is_lingering else self.go_on()

    def close(self) -> None:
        """Close it."""
        self.farewell()
        self.socket.close()
        self._on_close(self)

    def shut(self) -> None:
        """Make calls of a worker that block fail or return."""
        with contextlib.suppress(OSError):  # below TLS, whose state is its thread's
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)

    # Inside.

    def _serve_for_life(self, entrance: Entrance) -> Step:
        """Serve a connection to its end: of TLS, the loop cannot tell what is received."""
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
        """Answer the request that is next, or send the rest of an answer."""
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
        """Let the present head or body take so long, from its beginning on."""
        if self._until == math.inf:
            self._until = steady() + seconds

    def _receive(self) -> bool:
        piece = self.socket.recv(PIECE)
        self._reader.feed(piece)
        return piece != b""

    def _receive_body(self) -> bool:
        """Receive something for a body; raises TimeoutError when the client is late."""
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
        if not self._send(given[0], given[1], content):
            return Step.LEAVE
        if body is not None and not self._is_last:
            self._is_last = not body.skip()
        return self._end_answer()

    def _ask(self) -> None:
        self._send_all(memoryview(b"HTTP/1.1 100 Continue\r\n\r\n"))

    def _refuse(self, error: Refused) -> Step:
        """Answer whatever was asked with this, and end the connection."""
        log.info("refused: %s %s", error.status, error)
        answer = json_answer({"status_code": error.status, "error": str(error)})
        self._is_last = True
        status = f"{error.status} {error.phrase}"
        is_sent = self._send(status, header_fields(answer.body), answer.body)
        return self._end_answer() if is_sent else Step.LEAVE

    def _send(self, status: str, fields: list[tuple[str, str]], content: bytes) -> bool:
        """Send an answer; return False where its rest is left to a worker."""
        lines = [f"{name}: {value}\r\n" for name, value in fields]
        end = "Connection: close\r\n\r\n" if self._is_last else "\r\n"
        head = f"HTTP/1.1 {status}\r\n{''.join(lines)}{end}".encode("latin-1")
        # In one piece, or else the second waits until the first is acknowledged.
        answer = head if self._reader.is_head else head + content
        if self.worker is not None:
            self._send_all(memoryview(answer))
            return True
        try:
            sent = self.socket.send(answer)
        except BlockingIOError:
            sent = 0
        self._unsent = memoryview(answer)[sent:]  # the client may not read as fast, or at all
        return not self._unsent

    def _send_all(self, rest: memoryview) -> None:
        """Send it, on a worker, to a client that may be slow, but not silent."""
        self.socket.settimeout(self.site.limits.idle_seconds)
        try:
            while rest:
                rest = rest[self.socket.send(rest[:PIECE]) :]
        except TimeoutError as error:  # which else says that nothing was received
            raise ConnectionAbortedError from error

    def _end_answer(self) -> Step:
        """Go on after an answer."""
        self._until = math.inf
        if self._is_last:
            return self._begin_linger()
        if not self._reader.available:
            return self._wait()
        self.due = math.inf  # it is we who are late, if anyone
        return Step.AGAIN

    def _begin_linger(self) -> Step:
        """Let the client read its answer: to close over unread bytes would reset it."""
        self._is_lingering = True
        self.farewell()
        self.socket.shutdown(socket.SHUT_WR)
        self._allow(10 * _LINGER_SECONDS)
        return self._wait()

    def _reset(self) -> None:
        """End the connection as a crash does, not in order."""
        self.farewell = lambda: None  # or else TLS would end in order
        no_linger = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)


def _is_small(head: Head) -> bool:
    """Return whether the loop may wait for the body: it is told in length, and short."""
    if head.length is None or head.length > PIECE or head.awaits:
        return False
    return not str(head.environ.get("CONTENT_TYPE", "")).lower().startswith("multipart/")
