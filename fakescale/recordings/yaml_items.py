"""The exchanges in a YAML file, one at a time, from the events of the safe parser of PyYAML.

No constructor of PyYAML is used. A value is a text, bytes, a list, a dict or None; a tag for
anything else is refused. An alias shares the value of its anchor. Its size counts each time it is
used, so that a few lines cannot stand for gigabytes.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from fakescale.recordings.bodies import Plain, read_base64
from fakescale.recordings.texts import MAX_DEPTH, MAX_EXCHANGE, Text

_HOLDERS = ("interactions", "http_interactions")
_YAML = "tag:yaml.org,2002:"
# The tags of plain data, of vcrpy under Python 2, and of Psych.
_TEXTS = ("str", "int", "float", "bool", "null", "timestamp", "python/unicode", "python/str")
_KNOWN: Mapping[str, Collection[str | None]] = {
    "text": (None, "!", *(_YAML + it for it in _TEXTS)),
    "bytes": (_YAML + "binary", "!binary", _YAML + "python/bytes"),
    "list": (None, "!", *(_YAML + it for it in ("seq", "python/list", "python/tuple"))),
    "dict": (None, "!", *(_YAML + it for it in ("map", "python/dict"))),
}
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# A text without quotes, with one of these tags, may stand for another value.
_PLAIN = (None, *(_YAML + it for it in ("null", "bool", "int", "float")))
# Each value counts as this many more characters, for the memory that it takes.
_NODE = 16
_NULLS = ("", "~", "null", "Null", "NULL")


def items(text: Text) -> Iterator[tuple[str, Any]]:
    """Yield the interactions of a cassette of vcrpy or VCR, each with the name of its form.

    Raises ValueError at the first that cannot be read.
    """
    events = _Events(text)
    while events.skip_to_document():
        yield from _of_document(events)


def _of_document(events: "_Events") -> Iterator[tuple[str, Any]]:
    root, is_holder = events.next(), False
    if isinstance(root, MappingStartEvent):
        while not isinstance(event := events.next(), MappingEndEvent):
            name = events.build(event).value
            event = events.next()
            if name in _HOLDERS and isinstance(event, SequenceStartEvent):
                is_holder = True
                events.begin()
                while not isinstance(event := events.next(), SequenceEndEvent):
                    yield "cassette", events.build(event).value
                    events.begin()
            else:
                events.build(event)
    if not is_holder:
        raise ValueError("it is not a recording: it has no interactions")


class _Built(NamedTuple):
    """A value, and its size in characters with all that its aliases stand for."""

    value: Any
    size: int


class _Events:
    """The events of a YAML text, and the values that they make."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._events = yaml.parse(text, Loader=_LOADER)
        self._anchors: dict[str, _Built] = {}
        self._kept = 0
        self._size = 0

    def next(self) -> Any:
        """Return the next event."""
        try:
            return next(self._events)
        except StopIteration:
            raise ValueError("it is cut off") from None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = "" if mark is None else f", line {mark.line + 1}"
            problem = getattr(error, "problem", None) or getattr(error, "reason", "")
            raise ValueError(f"it is not YAML{where}: {problem}") from None

    def skip_to_document(self) -> bool:
        """Go on to the content of the next document; return whether there is one."""
        while True:
            event = self.next()
            if isinstance(event, DocumentStartEvent | StreamEndEvent):
                self._anchors.clear()
                return isinstance(event, DocumentStartEvent)

    def begin(self) -> None:
        """Begin to count the size of the next exchange."""
        self._text.begin()
        self._size = 0

    def build(self, event: Any, depth: int = 0) -> _Built:
        """Return the value that begins with ``event``."""
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, AliasEvent):
            built = self._anchors.get(event.anchor or "")
            if built is None:
                raise ValueError(f"*{event.anchor} is not the name of a value before it")
            self._count(built.size)
            return built
        before = self._size
        value: Any
        if isinstance(event, ScalarEvent):
            self._count(len(event.value) + _NODE)
            value = _scalar(event)
        elif isinstance(event, SequenceStartEvent):
            _check_tag(event.tag, "list")
            self._count(_NODE)
            value = []
            while not isinstance(inner := self.next(), SequenceEndEvent):
                value.append(self.build(inner, depth + 1).value)
        elif isinstance(event, MappingStartEvent):
            _check_tag(event.tag, "dict")
            self._count(_NODE)
            value = self._mapping(depth)
        else:
            raise ValueError("it is cut off")
        built = _Built(value, self._size - before)
        if event.anchor is not None:
            self._keep(event.anchor, built)
        return built

    def _mapping(self, depth: int) -> dict[str, Any]:
        value: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while not isinstance(inner := self.next(), MappingEndEvent):
            is_merge = getattr(inner, "value", None) == "<<" and not inner.style
            name = self.build(inner, depth + 1).value
            item = self.build(self.next(), depth + 1).value
            if is_merge:
                for each in item if isinstance(item, list) else [item]:
                    if not isinstance(each, dict):
                        raise ValueError("<< merges something that is not a mapping")
                    merged = {**each, **merged}
            elif isinstance(name, bytes):  # Psych writes some names so
                value[name.decode("latin-1")] = item
            elif isinstance(name, str) or name is None:
                value[name or ""] = item
            else:
                raise ValueError("the name of a member is not a text")
        return {**merged, **value} if merged else value

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > MAX_EXCHANGE:
            raise ValueError(f"it is over {MAX_EXCHANGE // 2**20} MiB, with its aliases")

    def _keep(self, anchor: str, built: _Built) -> None:
        self._kept += built.size
        if self._kept > MAX_EXCHANGE:
            raise ValueError(f"its anchors hold over {MAX_EXCHANGE // 2**20} MiB")
        self._anchors[anchor] = built


def _scalar(event: Any) -> str | bytes | None:
    if event.tag in _KNOWN["bytes"]:
        return read_base64(event.value)
    _check_tag(event.tag, "text")
    if event.style or event.tag not in _PLAIN:
        return str(event.value)
    return None if event.value in _NULLS else Plain(event.value)


def _check_tag(tag: str | None, kind: str) -> None:
    if tag not in _KNOWN[kind]:
        raise ValueError(f"it has the tag {str(tag)[:80]!r}, and only plain data is read")
