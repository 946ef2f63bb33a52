"""The body of a request as a file, received with calls that block."""

import contextlib
import io
from collections.abc import Callable
from typing import Any

from fakescale.server.http11 import BodyReader

_DRAIN = 64 * 1024  # unread bytes of a body up to which a connection is worth keeping


class Body(io.RawIOBase):
    """A body that is not all there yet.

    ``receive`` gets more bytes for its reader, and returns False at their end. ``ask`` tells
    a client that awaits it to go on; it is called before the first read. Reading raises
    OSError, now and ever after, when the body is malformed, ends too early or comes too late.
    """

    def __init__(
        self, reader: BodyReader, receive: Callable[[], bool], ask: Callable[[], None] | None
    ) -> None:
        self._reader = reader
        self._receive = receive
        self._ask = ask
        self._error: OSError | None = None

    @property
    def is_worth_reading(self) -> bool:
        """Whether it is better to read the rest than to close the connection."""
        return self._error is None and self._ask is None and self._reader.left <= _DRAIN

    def skip(self) -> bool:
        """Read the rest; return whether it came to its end."""
        scrap = bytearray(4096)
        with contextlib.suppress(OSError):
            number = read = self.readinto(scrap)
            while number and read <= _DRAIN:
                number = self.readinto(scrap)
                read += number
            return number == 0
        return False

    def readable(self) -> bool:
        """Return True, as ``io`` asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some of it, as ``io`` does; return the number of bytes, 0 at the end."""
        if self._error is not None:
            raise self._error
        try:
            piece = self._read(len(buffer))
        except OSError as error:
            self._error = error
            raise
        buffer[: len(piece)] = piece
        return len(piece)

    def _read(self, number: int) -> bytes:
        if self._ask is not None:
            self._ask()
            self._ask = None
        while (piece := self._reader.read(number)) is None:
            if not self._receive():
                raise ConnectionError("the body ends too early")
        return piece
