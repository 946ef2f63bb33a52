"""Values as JSON-able data and back, for dumps; and the table that an owner keeps them in."""

import dataclasses
import enum
import functools
import threading
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from fakescale.values.clock import read_moment, stamp
from fakescale.values.errors import BadRequest, NotFound, invalid
from fakescale.values.frozen import freeze

Value = TypeVar("Value")


def to_data(value: Any) -> dict[str, Any]:
    """Return a frozen dataclass as a dict of its fields, without those at their default."""
    return {
        field.name: getattr(value, field.name)
        for field in dataclasses.fields(value)
        if getattr(value, field.name) != field.default
    }


def from_data(cls: type[Value], items: Iterable[Mapping[str, Any]]) -> list[Value]:
    """Return the values that ``to_data`` gave ``items`` for.

    Raises BadRequest when they are not such data: the fields must be of the annotated types,
    and those whose name ends in ``_at`` stamps.
    """
    try:
        return [check_types(cls(**_read(cls, freeze(item)))) for item in items]
    except (TypeError, ValueError, AttributeError) as error:
        raise BadRequest(f"not the dump of a {cls.__name__}: {error}") from None


class Table(Generic[Value]):
    """Frozen dataclasses by one of their fields, in the order in which they came.

    ``lock`` is that of the owner. ``missing`` is the text of the refusal of an unknown key,
    which takes the place of ``{}``.
    """

    def __init__(self, cls: type[Value], key: str, lock: threading.RLock, missing: str) -> None:
        self._cls = cls
        self._key = key
        self._lock = lock
        self._missing = missing
        self._values: dict[str, Value] = {}

    def get(self, key: str) -> Value:
        """Return the value with this key; raises NotFound for an unknown one."""
        with self._lock:
            try:
                return self._values[key]
            except KeyError:
                raise NotFound(self._missing.format(key)) from None

    def find(self, key: str) -> Value | None:
        """Return the value with this key, or None."""
        return self._values.get(key)

    def put(self, value: Value) -> Value:
        """Add a value, or replace the one with its key; return it."""
        with self._lock:
            self._values[getattr(value, self._key)] = value
        return value

    def change(self, key: str, **changes: Any) -> Value:
        """Give a value other contents in some fields, and return it; raises NotFound."""
        with self._lock:
            return self.put(dataclasses.replace(cast(Any, self.get(key)), **changes))

    def __iter__(self) -> Iterator[Value]:
        with self._lock:
            return iter(list(self._values.values()))

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def dump(self) -> list[dict[str, Any]]:
        """Return the data that ``restore`` takes."""
        return [to_data(value) for value in self]

    def restore(self, data: Iterable[Mapping[str, Any]]) -> None:
        """Take over the values of a dump; raises BadRequest if it is none, or a key comes twice."""
        values: dict[str, Value] = {}
        for value in from_data(self._cls, data):
            key = getattr(value, self._key)
            expect(key not in values, self._cls.__name__, self._key, key)
            values[key] = value
        self._values = values


def expect(holds: bool, what: str, name: str, value: Any) -> None:
    """Raise BadRequest unless a condition ``holds``, naming a field and its value."""
    if not holds:
        raise invalid(name, f"must fit to the rest of a dump, in a {what}", value)


def texts(name: str, value: Any) -> list[str]:
    """Return a list of texts of a dump as a list; raises BadRequest if it is none."""
    if not _fits(value, list[str]):
        raise invalid(name, "must be a list of strings", value)
    return list(value)


def is_stamp(value: Any) -> bool:
    """Return whether ``value`` is a moment as ``clock.stamp`` writes it."""
    try:
        return bool(stamp(read_moment(value)) == value)
    except (TypeError, ValueError):
        return False


def check_types(value: Value) -> Value:
    """Return a dataclass's instance as it is; raises TypeError if a field has another type."""
    for name, hint in _hints(cast(Any, type(value))).items():
        field = getattr(value, name)
        if not _fits(field, hint):
            raise TypeError(f"{name} cannot be {field!r}")
        if isinstance(field, str) and name.endswith("_at") and not is_stamp(field):
            raise TypeError(f"{name} is no moment: {field!r}")
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
    """Return whether ``value``, of JSON or nearly, is of the type that ``hint`` annotates."""
    origin, arguments = get_origin(hint) or hint, get_args(hint)
    if origin is Any:
        return True
    if origin in (types.UnionType, Union):
        return any(_fits(value, argument) for argument in arguments)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(_fits(it, arguments[1]) for it in value.values())
    if origin in (Sequence, list):
        return isinstance(value, list | tuple) and all(_fits(it, arguments[0]) for it in value)
    if origin is int:  # JSON has one kind of number: 1.0 is a whole one
        is_whole = isinstance(value, float) and value.is_integer()
        return is_whole or (isinstance(value, int) and not isinstance(value, bool))
    return isinstance(value, origin)
