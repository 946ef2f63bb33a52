"""The exchanges in a JSON file, one at a time, so that a file of any length needs little memory.

The scanner of the standard library reads each value. A parser of events, such as ijson, would be
slower, and one more package to install.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from fakescale.recordings.texts import Text

# The member of an object that holds its items, and the form of these.
_HOLDERS = {"interactions": "cassette", "http_interactions": "cassette", "docs": "plain"}
# Members are read one by one, so many would take long.
_MOST_MEMBERS = 10_000
_PIECE = 2**18  # characters
_space = re.compile(r"[ \t\n\r]*").match
# An error that lies further before the end of the buffer does not come from a cut.
_LONGEST_WORD = 16
_scan = json.JSONDecoder().raw_decode


def items(text: Text) -> Iterator[tuple[str, Any]]:
    """Yield the items of a HAR, a cassette, a page, an array, or JSON lines.

    Each comes with the name of its form. Raises ValueError at the first that is not JSON.
    """
    reader = _Reader(text)
    if reader.peek() == "[":
        for _ in reader.elements():
            yield "plain", reader.value()
    else:
        yield from _of_object(reader)
    while reader.peek():  # JSON lines
        yield "plain", reader.value()


def _of_object(reader: "_Reader") -> Iterator[tuple[str, Any]]:
    """Yield the items that an object holds, or the object itself if it holds none."""
    members, is_holder = {}, False
    for name in reader.members():
        follows = reader.peek()
        if name == "log" and follows == "{":
            is_holder = True
            for inner in reader.members():
                if inner == "entries" and reader.peek() == "[":
                    for _ in reader.elements():
                        yield "har", reader.value()
                else:
                    reader.value()
        elif name in _HOLDERS and follows == "[":
            is_holder = True
            for _ in reader.elements():
                yield _HOLDERS[name], reader.value()
        else:
            members[name] = reader.value()
    if not is_holder:
        yield "plain", members


class _Reader:
    """Reads the parts of a JSON text in turn."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._buffer = ""
        self._at = 0
        self._is_end = False

    def peek(self) -> str:
        """Return the next character that is no space, or "" at the end."""
        while True:
            found = _space(self._buffer, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if self._is_end:
                return ""
            self._read()

    def value(self) -> Any:
        """Read the next value, whole."""
        self.peek()
        while True:
            try:
                value, end = _scan(self._buffer, self._at)
            except json.JSONDecodeError as error:
                is_early = error.pos < len(self._buffer.rstrip()) - _LONGEST_WORD
                if self._is_end or (is_early and not error.msg.startswith("Unterminated")):
                    raise ValueError(f"it is not JSON, or is cut off: {error.msg}") from None
            else:
                if end < len(self._buffer) or self._is_end:  # else a number might go on
                    self._at = end
                    return value
            self._read()

    def members(self) -> Iterator[str]:
        """Read an object: yield each name. The caller reads the value."""
        for number, _ in enumerate(self._parts("{", "}")):
            if number == _MOST_MEMBERS:
                raise ValueError(f"it has over {_MOST_MEMBERS} members")
            if self.peek() != '"':
                raise self._unexpected()
            name = self.value()
            self._take(":")
            yield name

    def elements(self) -> Iterator[None]:
        """Read an array: yield before each element. The caller reads the element."""
        for _ in self._parts("[", "]"):
            self._text.begin()
            yield

    def _parts(self, first: str, last: str) -> Iterator[None]:
        self._take(first)
        if self.peek() != last:
            yield
            while self.peek() == ",":
                self._at += 1
                yield
        self._take(last)

    def _take(self, expected: str) -> None:
        if self.peek() != expected:
            raise self._unexpected()
        self._at += 1

    def _unexpected(self) -> ValueError:
        found = self.peek()
        return ValueError(f"it is not JSON: {found!r} is unexpected" if found else "it is cut off")

    def _read(self) -> None:
        # Twice as much each time, so that a long value costs little more than its length.
        rest = self._buffer[self._at :]
        piece = self._text.read(max(_PIECE, len(rest)))
        self._buffer, self._at, self._is_end = rest + piece, 0, not piece
