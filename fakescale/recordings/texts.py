"""The text of a recording, which is read in pieces; its encoding, and the bounds of its size."""

import contextlib
import io
import json
import os
import stat
from collections.abc import Iterator
from typing import TextIO

from fakescale.recordings.exchanges import Unreadable

#: The most bytes of a file.
MAX_FILE = 2**30
#: The most characters of an exchange in a file, and the most bytes of a body without its encoding.
MAX_EXCHANGE = 64 * 2**20
#: The deepest nesting of an exchange.
MAX_DEPTH = 100

_PACKED = {b"\x1f\x8b": "gzip", b"PK": "zip", b"BZ": "bzip2", b"\xfd7": "xz", b"(\xb5": "zstd"}
_KINDS = {
    stat.S_ISDIR: "is a directory",
    stat.S_ISFIFO: "is a pipe",
    stat.S_ISSOCK: "is a socket",
    stat.S_ISCHR: "is a device",
    stat.S_ISBLK: "is a device",
}


class Text:
    """A text that is read in pieces; it bounds the characters between two exchanges."""

    def __init__(self, stream: TextIO, head: str) -> None:
        self._stream = stream
        self._head = head
        self._left = MAX_EXCHANGE

    def begin(self) -> None:
        """Begin to count the characters of the next exchange."""
        self._left = MAX_EXCHANGE

    def read(self, size: int = -1) -> str:
        """Return up to ``size`` characters, "" at the end; raises ValueError over the bound."""
        if self._left <= 0:
            raise ValueError(f"it is over {MAX_EXCHANGE // 2**20} MiB")
        if self._head:
            piece, self._head = self._head[:size], self._head[size:]
        else:
            piece = self._stream.read(size)
        self._left -= len(piece)
        return piece


@contextlib.contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[tuple[Text, str]]:
    """Open a file for a ``with`` block, which gets its `Text` and its first characters.

    A link to a regular file is followed. Raises Unreadable if the file cannot be opened.
    """
    name = os.fspath(path)
    try:
        # Checked first, since opening a pipe waits, and opening a device may have an effect.
        _check(os.stat(path))
        file = open(path, "rb")  # noqa: SIM115  (closed below)
    except (OSError, ValueError) as error:  # ValueError for a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise Unreadable(f"{name}: {reason}") from None
    with file:
        first = file.peek(4)[:4]
        for magic, packing in _PACKED.items():
            if first.startswith(magic):
                raise Unreadable(f"{name}: it is packed with {packing}; unpack it first")
        # UTF-8, UTF-16 or UTF-32, with a mark or without.
        stream = io.TextIOWrapper(file, json.detect_encoding(first), newline="")
        try:
            head = stream.read(4096)
        except ValueError as error:
            raise Unreadable(f"{name}: {reason_of(error)}") from None
        yield Text(stream, head), head


def _check(status: os.stat_result) -> None:
    for is_kind, text in _KINDS.items():
        if is_kind(status.st_mode):
            raise ValueError(f"it {text}, not a file")
    if status.st_size > MAX_FILE:
        raise ValueError(f"it is over {MAX_FILE // 2**30} GiB")


def reason_of(error: ValueError | RecursionError) -> str:
    """Return the reason that an error gives, without the content of the file."""
    if isinstance(error, UnicodeDecodeError):
        return f"it is not {error.encoding.upper()}: {error.reason}"
    if isinstance(error, RecursionError):
        return f"it is nested deeper than {MAX_DEPTH} levels"
    return str(error)
