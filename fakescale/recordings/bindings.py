"""The bindings of recorded ids to the ids that the fake made instead."""

import re
from collections.abc import Iterator
from typing import Any, Self
from urllib.parse import quote, unquote

_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
#: An id inside a text: 24 hex digits (observed), or a UUID (documented, for files).
ID = re.compile(rf"(?<![0-9A-Za-z-])(?:[0-9a-f]{{24}}|{_UUID})(?![0-9A-Za-z-])")
_TOKEN = re.compile("(?<=[?&]next_token=)[^&#]*")
_IDS_IN_BYTES = re.compile(ID.pattern.encode())


def ids_in(text: bytes) -> Iterator[str]:
    """Yield the ids inside a text."""
    for found in _IDS_IN_BYTES.finditer(text):
        yield found[0].decode()


class Bindings:
    """The fake's id for each recorded id, and the fake's token for each recorded page token.

    An id that is not bound stands for itself. One pass over a text replaces all ids in it.
    """

    def __init__(self, parent: "Bindings | None" = None) -> None:
        self._parent = parent
        self._ours: dict[str, str] = {}  # the recorded id -> the fake's
        self._is_empty: bool = parent is None or parent._is_empty  # or each id stands for itself
        # The ids of the fake that stand for a recorded one, with the first of these.
        self._taken: dict[str, str] = {}

    def trial(self) -> Self:
        """Return bindings that are added to these by `keep`."""
        return type(self)(self)

    def keep(self) -> None:
        """Add the bindings of a trial to those that made it."""
        if self._parent is not None:
            self._parent._ours.update(self._ours)
            for ours, recorded in self._taken.items():
                self._parent._taken.setdefault(ours, recorded)
            self._parent._is_empty &= self._is_empty

    def find(self, recorded: str) -> str | None:
        """Return the fake's id for a recorded id, or None if it is not bound."""
        found = self._ours.get(recorded)
        if found is None and self._parent is not None:
            return self._parent.find(recorded)
        return found

    def bind(self, recorded: str, ours: str) -> None:
        """Let ``ours`` stand for the recorded id or token from now on."""
        self._ours[recorded] = ours
        self._is_empty &= recorded == ours
        self._taken.setdefault(ours, recorded)

    def move(self, before: str, ours: str) -> None:
        """Let a recorded id that is bound to ``before`` be bound to ``ours``."""
        recorded = self._taken.get(before)
        if recorded is not None and before != ours:
            del self._taken[before]
            self.bind(recorded, ours)

    def agree(self, recorded: str, ours: str) -> bool:
        """Return whether ``ours`` can stand for the recorded id, and bind it if it is new."""
        if (known := self.find(recorded)) is not None:
            return known == ours
        if self._is_taken(ours):
            return False
        self.bind(recorded, ours)
        return True

    def _is_taken(self, ours: str) -> bool:
        return ours in self._taken or (self._parent is not None and self._parent._is_taken(ours))

    def in_text(self, text: str) -> str:
        """Return a recorded text with the fake's ids in it."""
        if self._is_empty:
            return text
        return ID.sub(lambda found: self.find(found[0]) or found[0], text)

    def in_body(self, body: bytes) -> bytes:
        """Return a recorded body with the fake's ids in it; other bytes stay as they are."""
        return self.in_text(body.decode("latin-1")).encode("latin-1")

    def in_target(self, target: str) -> str:
        """Return a recorded path and query with the fake's ids and tokens in it."""

        def replaced(found: re.Match[str]) -> str:
            token = self.find(unquote(found[0].replace("+", "%20")))
            if token is None:  # some clients do not encode the plus of base64
                token = self.find(unquote(found[0]))
            return found[0] if token is None else quote(token, safe="")

        target = _TOKEN.sub(replaced, target) if "next_token=" in target else target
        return self.in_text(target)

    def in_json(self, value: Any) -> Any:
        """Return a recorded JSON value with the fake's ids in it."""
        if self._is_empty:
            return value
        if isinstance(value, str):
            return self.in_text(value)
        if isinstance(value, dict):
            return {name: self.in_json(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.in_json(item) for item in value]
        return value
