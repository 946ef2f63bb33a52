"""What a client sends: received ahead of its use, and the body of a request as a file."""

import contextlib
import io
import math
import os
import socket
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from fakescale.server.crew import Steps
from fakescale.server.http11 import Head, check_trailer, read_chunk_size

if TYPE_CHECKING:
    from fakescale.server.server import Server

#: How many bytes are received at once: at least a record of TLS, of which nothing may stay behind.
PIECE = 64 * 1024
_DRAIN = 64 * 1024  # unread bytes of a body up to which a connection is worth keeping
_LINE = 4096  # bytes of a line between chunks; guessed


class Input:
    """What a client sends, read ahead of its use."""

    def __init__(self, connection: socket.socket, idle_seconds: float) -> None:
        self._socket = connection
        #: For how long the client may be silent.
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
        piece = b"" if self._is_late else self._socket.recv(PIECE)
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


class Body(io.RawIOBase):
    """A body that is not all there yet, and no byte more.

    It asks the client to go on when it is first read. To read it raises OSError when it is
    malformed, ends too early or comes too late, and then again.
    """

    def __init__(self, source: Input, head: Head, connection: socket.socket, server: "Server"):
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
        """Whether it can be read, as ``io`` asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some of it, as ``io`` does; returns how many bytes, none at the end."""
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
