"""Dataclasses as JSON-able data and back, for dumps, and `Table`, which holds them."""

import dataclasses
import enum
import functools
import threading
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from fakescale.values.clock import read_moment, stamp
from fakescale.values.errors import BadRequest, NotFound, invalid
from fakescale.values.frozen import freeze

Value = TypeVar("Value")


def to_data(value: Any) -> dict[str, Any]:
    """Return a frozen dataclass as a dict of its fields, without fields at their default."""
    return {
        field.name: getattr(value, field.name)
        for field in dataclasses.fields(value)
        if getattr(value, field.name) != field.default
    }


def from_data(cls: type[Value], items: Iterable[Mapping[str, Any]]) -> list[Value]:
    """Return the instances of ``cls`` that ``to_data`` turned into ``items``.

    Raises BadRequest unless each field has its annotated type. A field whose name ends in
    ``_at`` must be a stamp.
    """
    try:
        return [check_types(cls(**_read(cls, freeze(item)))) for item in items]
    except (TypeError, ValueError, AttributeError) as error:
        raise BadRequest(f"not the dump of a {cls.__name__}: {error}") from None


class Table(Generic[Value]):
    """Frozen dataclasses by one of their fields, ``key``, in the order in which they came.

    ``lock`` is the lock of the owner. ``missing`` is the message of the NotFound error for an
    unknown key, with ``{}`` for the key. A value counts as its own key.
    """

    def __init__(self, cls: type[Value], key: str, lock: threading.RLock, missing: str) -> None:
        self._cls = cls
        self._key = key
        self._lock = lock
        self._missing = missing
        self._values: dict[str, Value] = {}

    def get(self, key: Value | str) -> Value:
        """Return the value with this key; raises NotFound if there is none."""
        name = self._name(key)
        with self._lock:
            try:
                return self._values[name]
            except KeyError:
                raise NotFound(self._missing.format(name)) from None

    def find(self, key: str) -> Value | None:
        """Return the value with this key, or None."""
        return self._values.get(key)

    def put(self, value: Value) -> Value:
        """Add a value, or replace the value with the same key. Return the new value."""
        with self._lock:
            self._values[getattr(value, self._key)] = value
        return value

    def remove(self, key: Value | str) -> Value:
        """Remove the value with this key, and return it; raises NotFound if there is none."""
        with self._lock:
            value = self.get(key)
            del self._values[self._name(key)]
        return value

    def change(self, key: Value | str, **changes: Any) -> Value:
        """Replace some fields of a value, and return the new value.

        Raises NotFound for an unknown key.
        """
        with self._lock:
            return self.put(dataclasses.replace(cast(Any, self.get(key)), **changes))

    def __iter__(self) -> Iterator[Value]:
        with self._lock:
            return iter(list(self._values.values()))

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: object) -> bool:
        return self._name(key) in self._values

    def _name(self, key: Any) -> Any:
        return getattr(key, self._key) if isinstance(key, self._cls) else key

    def dump(self) -> list[dict[str, Any]]:
        """Return the data that ``restore`` takes."""
        return [to_data(value) for value in self]

    def restore(self, data: Iterable[Mapping[str, Any]]) -> None:
        """Take over the values of a dump.

        Raises BadRequest for data of another kind, or if a key comes twice.
        """
        values: dict[str, Value] = {}
        for value in from_data(self._cls, data):
            key = getattr(value, self._key)
            expect(key not in values, self._cls.__name__, self._key, key)
            values[key] = value
        self._values = values


def expect(holds: bool, what: str, name: str, value: Any) -> None:
    """Raise BadRequest unless a condition ``holds``.

    The message names the kind of record, ``what``, and its field ``name`` with the ``value``.
    """
    if not holds:
        raise invalid(name, f"of a {what} must match the rest of the dump", value)


def texts(name: str, value: Any) -> list[str]:
    """Return the list of texts ``value``; raises BadRequest, naming ``name``, for another value."""
    if not _fits(value, list[str]):
        raise invalid(name, "must be a list of strings", value)
    return list(value)


def is_stamp(value: Any) -> bool:
    """Return whether ``value`` is a stamp as ``clock.stamp`` prints it."""
    try:
        return bool(stamp(read_moment(value)) == value)
    except (TypeError, ValueError):
        return False


def check_types(value: Value) -> Value:
    """Return a dataclass instance unchanged; raises TypeError if a field has a wrong type."""
    for name, hint in _hints(cast(Any, type(value))).items():
        field = getattr(value, name)
        if not _fits(field, hint):
            raise TypeError(f"{name} cannot be {field!r}")
        if isinstance(field, str) and name.endswith("_at") and not is_stamp(field):
            raise TypeError(f"{name} is not a moment: {field!r}")
    return value


def _read(cls: type[Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    read = dict(fields)
    for name, hint in _hints(cast(Any, cls)).items():
        if isinstance(hint, enum.EnumMeta) and name in read:
            read[name] = hint(read[name])
    return read


@functools.cache
def _hints(cls: Any) -> Mapping[str, Any]:
    return get_type_hints(cls)


def _fits(value: Any, hint: Any) -> bool:
    """Return whether ``value`` has the annotated type ``hint``."""
    origin, arguments = get_origin(hint) or hint, get_args(hint)
    if origin is Any:
        return True
    if origin in (types.UnionType, Union):
        return any(_fits(value, argument) for argument in arguments)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(_fits(it, arguments[1]) for it in value.values())
    if origin is Literal:
        return value in arguments
    if origin in (Sequence, list):
        return isinstance(value, list | tuple) and all(_fits(it, arguments[0]) for it in value)
    if origin is int:  # JSON has one kind of number: 1.0 is an integer
        is_whole = isinstance(value, float) and value.is_integer()
        return is_whole or (isinstance(value, int) and not isinstance(value, bool))
    return isinstance(value, origin)
