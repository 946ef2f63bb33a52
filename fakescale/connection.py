"""A connection: HTTP/1.1 with keep-alive, as fast as a socket in Python can be.

An answer leaves in one piece, since a second one waits 40 ms for Nagle and delayed ACK. No
wait depends on a clock that can be frozen.

What yields is done in steps: see ``crew``.
"""

import contextlib
import io
import logging
import math
import os
import socket
import struct
import sys
from collections.abc import Generator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fakescale import access, wire
from fakescale.crew import Steps
from fakescale.framing import (
    Head,
    Refused,
    check_beginning,
    check_trailer,
    read_chunk_size,
    read_head,
)

if TYPE_CHECKING:
    from fakescale.server import Server

log = logging.getLogger("fakescale")

_LINGER_SECONDS = 1  # how long a client may stay silent that was told to go
_DRAIN = 64 * 1024  # unread bytes of a body up to which a connection is worth keeping
_PIECE = 64 * 1024  # at least a record of TLS, of which nothing may stay behind
_LINE = 4096  # bytes of a line between chunks; guessed


class Connection:
    """Serves the requests of one connection, which may be any socket, of TLS too."""

    def __init__(self, connection: socket.socket, address: Any, server: "Server") -> None:
        self._socket = connection
        self._server = server
        self._limits = server.limits
        self._input = _Input(connection, server.limits.idle_seconds)
        self._is_head = False  # whether to answer without a body
        self._about = {
            "wsgi.version": (1, 0),
            # Without an import of ssl, which is heavy.
            "wsgi.url_scheme": "https" if hasattr(connection, "pending") else "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
            "SCRIPT_NAME": "",
            "SERVER_NAME": server.host,
            "SERVER_PORT": str(server.port),
            "REMOTE_ADDR": address[0],
            "REMOTE_PORT": address[1],
            access.BOUND_HOST: server.named,
            wire.STOPPED: server.stopped,
            wire.REPORT: server.report,
            wire.GIVE_WAY: server.give_way,
        }
        connection.settimeout(server.limits.idle_seconds)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def serve(self) -> Steps:
        """Serve it to its end, but for closing it; raises OSError when the client breaks off."""
        try:
            while (head := (yield from self._read_head())) is not None:
                if not (yield from self._answer(head)):
                    return
        except Refused as error:
            yield from self.refuse(error)

    def refuse(self, error: Refused) -> Steps:
        """Answer whatever was asked with this, and end the connection."""
        answer = wire.answer({"status_code": error.status, "error": str(error)})
        status = f"{error.status} {HTTPStatus(error.status).phrase}"
        log.info("refused: %s %s", error.status, error)
        self._send(status, wire.headers(answer.body), answer.body, is_last=True)
        yield from self._linger()

    def _read_head(self) -> Generator[float, bool, Head | None]:
        """Return the next head, or None when the client has gone, or is silent."""
        source = self._input
        source.due = math.inf
        while (head := source.take_until(b"\r\n\r\n")) is None:
            if begun := source.rest():
                self._is_head = b"HEAD " in begun[:7]
                check_beginning(begun, self._limits)
                if source.due == math.inf:
                    source.allow(self._limits.head_seconds)
            try:
                if not (yield from source.more()):
                    return None  # whatever it began is not carried out
            except TimeoutError:
                if not begun:
                    return None
                raise Refused(408, "The head of the request took too long to arrive.") from None
        self._is_head = b"HEAD " in head[:7]  # an empty line may be before it
        return read_head(head, self._limits)

    def _answer(self, head: Head) -> Generator[float, bool, bool]:
        """Answer a request; return whether another one may follow."""
        environ = self._about | head.environ
        late = None
        source = self._input
        if head.length is None or head.length > source.available:
            source.allow(self._limits.body_seconds)
            if head.length is not None and head.length <= _PIECE and not head.awaits:
                yield from source.gather(head.length)
        if head.length is not None and head.length <= source.available:
            environ["wsgi.input"] = io.BytesIO(source.take(head.length))
        else:
            late = _Body(source, head, self._socket, self._server)
            environ["wsgi.input"] = io.BufferedReader(late)
        given: list[Any] = []
        start_response: Any = lambda *it: given.extend(it)  # noqa: E731
        try:
            content = b"".join(self._server.app(environ, start_response))
        except wire.BrokenOff as broken:
            if given:
                self._send(given[0], given[1], broken.content)
            self._reset()
            return False
        except Exception:
            log.exception("a bug in fakescale")
            raise Refused(500, "Something went wrong inside fakescale.") from None
        is_last = head.is_last or (late is not None and not late.is_worth_reading)
        self._send(given[0], given[1], content, is_last=is_last)
        goes_on = not is_last and (late is None or late.skip())
        if not goes_on:
            yield from self._linger()
        return goes_on

    def _send(
        self,
        status: str,
        fields: list[tuple[str, str]],
        content: bytes,
        *,
        is_last: bool = False,
    ) -> None:
        lines = [f"{name}: {value}\r\n" for name, value in fields]
        end = "Connection: close\r\n\r\n" if is_last else "\r\n"
        head = f"HTTP/1.1 {status}\r\n{''.join(lines)}{end}"
        # In one piece, or else the second waits until the first is acknowledged.
        answer = head.encode("latin-1") + (b"" if self._is_head else content)
        sent = self._socket.send(answer)
        if sent < len(answer):  # the client does not read as fast, or at all
            self._server.give_way()
            self._socket.sendall(answer[sent:])

    def _reset(self) -> None:
        """End the connection as a crash does, not in order."""
        no_linger = struct.pack("ii", 1, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        self._socket.close()

    def _linger(self) -> Steps:
        """Let the client read its answer: to close over unread bytes would reset it."""
        self._socket.shutdown(socket.SHUT_WR)
        self._input.idle_seconds = _LINGER_SECONDS
        self._input.allow(10 * _LINGER_SECONDS)
        while (yield from self._input.more()):
            self._input.take(self._input.available)


class _Input:
    """What a client sends, read ahead of its use."""

    def __init__(self, connection: socket.socket, idle_seconds: float) -> None:
        self._socket = connection
        self.idle_seconds = idle_seconds
        self._ahead = b""  # what was received,
        self._used = 0  # and how much of it was used: to cut that off each time would be slow
        #: When it becomes too late to receive something.
        self.due = math.inf

    def allow(self, seconds: float) -> None:
        """Make it too late once so many seconds are over."""
        self.due = _now() + seconds

    def receive(self) -> bool:
        """Receive something; False at the end.

        Raises OSError when the client breaks off, TimeoutError when it is silent or late.
        """
        piece = b"" if self._is_late else self._socket.recv(_PIECE)
        if self._is_late:
            raise TimeoutError
        self._ahead, self._used = self.rest() + piece, 0
        return piece != b""

    @property
    def _is_late(self) -> bool:
        return self.due != math.inf and _now() >= self.due

    def more(self) -> Generator[float, bool, bool]:
        """Wait for something, and receive it; as ``receive``."""
        patience = self.idle_seconds
        if self.due != math.inf:
            patience = min(patience, self.due - _now())
        if (yield patience):
            raise TimeoutError
        return self.receive()

    def gather(self, number: int) -> Steps:
        """Receive so many bytes, unless the client ends before, or is silent or late."""
        try:
            while self.available < number and (yield from self.more()):
                pass
        except TimeoutError:
            self.due = -math.inf  # whoever wants the rest is to be told

    @property
    def available(self) -> int:
        """How many bytes were received and not used yet."""
        return len(self._ahead) - self._used

    def rest(self) -> bytes:
        """Return those bytes, which stay unused."""
        return self._ahead[self._used :]

    def take(self, number: int) -> bytes:
        """Return so many of them, or all there are."""
        begin, self._used = self._used, min(self._used + number, len(self._ahead))
        return self._ahead[begin : self._used]

    def take_until(self, end: bytes) -> bytes | None:
        """Return those before ``end``, which is skipped, or None where there is no end."""
        begin, found = self._used, self._ahead.find(end, self._used)
        if found < 0:
            return None
        self._used = found + len(end)
        return self._ahead[begin:found]


class _Body(io.RawIOBase):
    """A body that is not all there yet, and no byte more.

    It asks the client to go on when it is first read. To read it raises OSError when it is
    malformed, ends too early or comes too late, and then again.
    """

    def __init__(self, source: _Input, head: Head, connection: socket.socket, server: "Server"):
        self._source = source
        self._is_awaited = head.awaits
        self._is_chunked = head.length is None
        self._left = head.length or 0  # of it, or of a chunk
        self._connection = connection
        self._max_trailer = server.limits.max_header_bytes
        self._give_way = server.give_way
        self._error: OSError | None = None

    @property
    def is_worth_reading(self) -> bool:
        """Whether to read what is left is better than to close the connection."""
        return self._error is None and not self._is_awaited and self._left <= _DRAIN

    def skip(self) -> bool:
        """Read what is left; return whether that was the end of it."""
        scrap = bytearray(4096)
        with contextlib.suppress(OSError):
            number = read = self.readinto(scrap)
            while number and read <= _DRAIN:
                number = self.readinto(scrap)
                read += number
            return number == 0
        return False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._error is not None:
            raise self._error
        try:
            return self._read_into(memoryview(buffer))
        except OSError as error:
            self._error = error
            raise

    def _read_into(self, room: memoryview) -> int:
        if self._is_awaited:
            self._connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._is_awaited = False
        if self._is_chunked and self._left == 0:
            self._begin_chunk()
        if self._left == 0:
            return 0
        if not self._source.available:
            self._receive()
        piece = self._source.take(min(self._left, len(room)))
        room[: len(piece)] = piece
        self._left -= len(piece)
        if self._is_chunked and self._left == 0 and self._line() != b"":
            raise ConnectionError("a chunk is longer than it says")
        return len(piece)

    def _begin_chunk(self) -> None:
        self._left = read_chunk_size(self._line())
        if self._left == 0:  # the last one: only a trailer follows, which nobody needs
            room = self._max_trailer
            while line := self._line():
                check_trailer(line)
                room -= len(line)
                if room < 0:
                    raise ConnectionError("the trailer is too long")
            self._is_chunked = False

    def _line(self) -> bytes:
        while (line := self._source.take_until(b"\r\n")) is None:
            if self._source.available > _LINE:
                raise ConnectionError("a line between chunks is too long")
            self._receive()
        return line

    def _receive(self) -> None:
        self._give_way()  # the client may take its time
        if not self._source.receive():
            raise ConnectionError("the body ends too early")


def _now() -> float:
    # The one clock that nobody freezes. It stands still on Windows, where nothing is too late.
    return os.times().elapsed
