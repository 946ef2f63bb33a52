"""Dataclasses whose objects are held as JSON text, and the printing of such a dataclass.

`Packing` is given the fields, and knows nothing about tasks.
"""

import dataclasses
import json
from collections.abc import Collection, Mapping
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, TypeVar

from fakescale.values.answer import encode
from fakescale.values.frozen import EMPTY_DICT, freeze

Value = TypeVar("Value")


class _Packed:
    """A field whose object is held as JSON text.

    The text takes a fifth of the memory, and answers need it anyway. The garbage collector
    visits one object for a task instead of dozens.
    """

    def __init__(self, slot: Any) -> None:
        self._slot = slot

    def __get__(self, value: Any, owner: type[Any]) -> Any:
        if value is None:
            return self
        held = self._slot.__get__(value)
        return freeze(json.loads(held)) if isinstance(held, str) else held

    def __set__(self, value: Any, content: Mapping[str, Any] | None) -> None:
        if content == {}:
            content = EMPTY_DICT  # one object for all, since it cannot change
        self._slot.__set__(value, encode(content) if content else content)


class Packing:
    """The fields of a frozen dataclass with slots: which are packed, and how they are printed.

    Fields are printed in their order, under their label in ``labels`` or their name, except
    the ``hidden`` ones. ``None`` is left out. So are ``False`` and empty lists, unless
    ``prints_empty`` has the field. The members of the object in the field ``extra`` come last.
    """

    def __init__(
        self,
        cls: type[Any],
        *,
        packed: Collection[str],
        labels: Mapping[str, str],
        hidden: Collection[str],
        prints_empty: Collection[str],
        extra: str,
    ) -> None:
        slots: dict[str, Any] = {it.name: cls.__dict__[it.name] for it in dataclasses.fields(cls)}
        self._slots = list(slots.values())
        self._extra = slots[extra].__get__
        self._members = [
            (f'"{labels.get(name, name)}":', slot.__get__, name in packed, name in prints_empty)
            for name, slot in slots.items()
            if name not in hidden and name != extra
        ]
        for name in packed:
            setattr(cls, name, _Packed(slots[name]))

    def to_text(self, value: Any) -> str:
        """Return the JSON text of an instance, compact and in ASCII."""
        members = []
        for label, slot, is_packed, prints_empty in self._members:
            content = slot(value)
            if isinstance(content, str):
                members.append(label + (content if is_packed else quoted(content)))
            elif content is True or (content is False and prints_empty):
                members.append(label + ("true" if content else "false"))
            elif prints_empty and content == []:
                members.append(label + "[]")
            elif content is not None and content is not False and content != []:
                members.append(label + encode(content))
        extra = self._extra(value)
        return "{" + ",".join([*members, extra[1:-1]] if extra else members) + "}"

    def replace(self, value: Value, changes: Mapping[str, Any]) -> Value:
        """Return a copy of an instance with ``changes`` to its fields."""
        # dataclasses.replace would unpack every packed field, and pack it again.
        copy = object.__new__(type(value))
        for slot in self._slots:
            slot.__set__(copy, slot.__get__(value))
        for name, content in changes.items():
            object.__setattr__(copy, name, content)
        return copy
