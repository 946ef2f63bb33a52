"""JSON values that cannot change, so any thread can read them without a lock."""

import math
from collections.abc import Mapping
from typing import Any, NoReturn

#: The deepest nesting of a value that is given. Guessed: deep enough for any real task, and far
#: from Python's recursion limit.
MAX_DEPTH = 100
#: The deepest nesting of a value around given ones: a callback, a page, a dump.
MAX_WRAPPED_DEPTH = 120
_LEAST, _MOST = -(2**63), 2**64 - 1  # the integers that are not read as floats


class FrozenDict(dict[str, Any]):
    """A dict that cannot be changed. ``dict(value)`` returns a copy that can."""

    __slots__ = ()

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("this is a snapshot of the fake's state and cannot be changed")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)


class FrozenList(list[Any]):
    """A list that cannot be changed. ``list(value)`` returns a copy that can."""

    __slots__ = ()

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("this is a snapshot of the fake's state and cannot be changed")

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self),)


EMPTY_DICT = FrozenDict()
EMPTY_LIST = FrozenList()


def freeze(value: Any, depth: int = 0) -> Any:
    """Return a frozen deep copy of a JSON value; tuples become lists.

    An integer of more than 64 bits becomes a float, as in a JSON text that the API reads.

    Raises ValueError for a value that JSON cannot hold: another type, a key that is not text,
    a number that is not finite, or text that is not valid Unicode. Raises ValueError also for
    nesting deeper than ``MAX_WRAPPED_DEPTH``.
    """
    kind = type(value)
    if kind is str:
        if not value.isascii():
            _refuse_lone_surrogates(value)
        return value
    if kind is int:
        return value if _LEAST <= value <= _MOST else _as_float(value)
    if kind is bool or value is None:
        return value
    if depth == 0 and (kind is FrozenDict or kind is FrozenList):
        return value  # inside another value it might be too deep
    if depth > MAX_WRAPPED_DEPTH:
        raise ValueError(f"is nested deeper than {MAX_WRAPPED_DEPTH} levels")
    if isinstance(value, Mapping):
        return FrozenDict({_key(key): freeze(item, depth + 1) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return FrozenList([freeze(item, depth + 1) for item in value])
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"holds the number {value}, which JSON cannot express")
        return float(value)
    if isinstance(value, str | int):  # subclasses, for example enum members
        return freeze(str.__str__(value) if isinstance(value, str) else int(value))
    raise ValueError(f"holds a {kind.__name__}, which is not JSON")


def check_depth(value: Any, most: int = MAX_DEPTH, depth: int = 0) -> None:
    """Raise ValueError if a JSON value is nested deeper than ``most``; copies nothing."""
    if not isinstance(value, dict | list):
        return
    if depth > most:
        raise ValueError(f"is nested deeper than {most} levels")
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, dict | list):
            check_depth(item, most, depth + 1)


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise ValueError(f"has the key {key!r}, which is not text")
    return str(freeze(key))


def _refuse_lone_surrogates(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("holds half of a surrogate pair, which is not valid Unicode") from None


def _as_float(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        raise ValueError("holds a number that is too long") from None
