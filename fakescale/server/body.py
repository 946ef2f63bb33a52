"""The body of a request as a file, received with blocking calls."""

import contextlib
import io
from collections.abc import Callable
from typing import Any

from fakescale.server.http11 import BodyReader

_DRAIN = 64 * 1024  # a connection with more unread bytes of a body is closed


class Body(io.RawIOBase):
    """A body that has not arrived completely.

    ``receive`` feeds the reader with more bytes, and returns False at the end of the stream.
    ``ask``, if given, tells a waiting client to send the body; the first read calls it. A read
    raises OSError if the body is malformed, ends too early or comes too late. Every later read
    then raises it again.
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
        """Whether reading the rest is better than closing the connection."""
        return self._error is None and self._ask is None and self._reader.left <= _DRAIN

    def skip(self) -> bool:
        """Read and drop the rest; return whether the end of the body came."""
        scrap = bytearray(4096)
        with contextlib.suppress(OSError):
            number = read = self.readinto(scrap)
            while number and read <= _DRAIN:
                number = self.readinto(scrap)
                read += number
            return number == 0
        return False

    def readable(self) -> bool:
        """Return True, as ``io`` requires."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into ``buffer``, as ``io`` does; return the number of bytes, 0 at the end."""
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
