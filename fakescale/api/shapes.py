"""The forms of Python values in JSON, chosen by their annotations."""

import dataclasses
import datetime as dt
import enum
import os
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from fakescale.account.printed import read_task
from fakescale.account.task import Task, replace
from fakescale.traffic.fault import Fault
from fakescale.values.clock import read_moment, stamp
from fakescale.values.frozen import freeze


class Shape(NamedTuple):
    """The form of a result in JSON, as two functions that undo each other."""

    #: Returns a value as JSON.
    show: Callable[[Any], Any]
    #: Returns the value that was shown.
    read: Callable[[Any], Any]


def _show_task(task: Task) -> dict[str, Any]:
    hidden = {"clear_unique_id_on_error": True} if task.clear_unique_id_on_error else {}
    return {**task.to_json(), **hidden}


def _read_task(shown: Mapping[str, Any]) -> Task:
    printed = dict(shown)
    clear = printed.pop("clear_unique_id_on_error", False)
    task = read_task(printed, is_test=printed["is_test"])
    return replace(task, clear_unique_id_on_error=clear)


_JSON = Shape(lambda value: value, lambda shown: shown)
_FROZEN = Shape(lambda value: value, freeze)

_SHAPES: Mapping[Any, Shape] = {
    **dict.fromkeys((Any, types.NoneType, str, bool, int, float, Literal), _JSON),
    Mapping: _FROZEN,
    # surrogateescape loses no byte, even if the bytes are not UTF-8.
    bytes: Shape(
        lambda value: value.decode(errors="surrogateescape"),
        lambda shown: shown.encode(errors="surrogateescape"),
    ),
    dt.datetime: Shape(stamp, read_moment),
    dt.timedelta: Shape(dt.timedelta.total_seconds, lambda shown: dt.timedelta(seconds=shown)),
    Task: Shape(_show_task, _read_task),
    Fault: Shape(Fault.to_json, freeze),
}

# The JSON Schemas of arguments.
_KINDS: Mapping[Any, Mapping[str, Any]] = {
    Any: {},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    types.NoneType: {"type": "null"},
    dt.datetime: {"type": "string", "format": "moment"},
    dt.timedelta: {"type": "number", "format": "seconds"},
    dict: {"type": "object"},
    Mapping: {"type": "object"},
    list: {"type": "array"},
    Sequence: {"type": "array"},
    Iterable: {"type": "array"},
    Literal: {"type": "string"},
}


def shape(annotation: Any) -> Shape | None:
    """Return the `Shape` of values with this annotation, or None if JSON cannot hold them.

    Functions in a union are left out: a value that is a function is never shown.
    """
    several = _alternatives(annotation)
    if several == [types.NoneType]:
        return _JSON
    shapes = {_one(it) for it in several if it is not types.NoneType and not _is_function(it)}
    if len(shapes) != 1:
        return None
    inner = shapes.pop()
    return _or_none(inner) if inner and types.NoneType in several else inner


def _one(annotation: Any) -> Shape | None:
    kind, arguments = get_origin(annotation) or annotation, get_args(annotation)
    if kind in _SHAPES:
        return _SHAPES[kind]
    if kind is dict:
        return _JSON if all(shape(it) is _JSON for it in arguments) else None
    if kind in (list, tuple, Sequence):
        return _items(kind, *arguments[:1])
    if isinstance(kind, enum.EnumMeta):
        return Shape(lambda value: value, kind)
    is_record = dataclasses.is_dataclass(kind) or hasattr(kind, "_fields")  # of a NamedTuple
    return _record(kind) if is_record else None


def _or_none(inner: Shape) -> Shape:
    if inner in (_JSON, _FROZEN):  # these hold None too
        return inner
    return Shape(
        lambda value: None if value is None else inner.show(value),
        lambda shown: None if shown is None else inner.read(shown),
    )


def _items(kind: Any, annotation: Any = Any) -> Shape | None:
    inner = shape(annotation)
    if inner is None or (kind is list and inner is _JSON):
        return inner
    if kind is Sequence and inner in (_JSON, _FROZEN):
        return _FROZEN
    made = list if kind is list else tuple
    return Shape(
        lambda values: [inner.show(value) for value in values],
        lambda shown: made(inner.read(item) for item in shown),
    )


def _record(cls: Any) -> Shape | None:
    """Return the `Shape` of a dataclass or NamedTuple, or None if JSON cannot hold all of it."""
    fields = {name: shape(hint) for name, hint in get_type_hints(cls).items()}
    known = {name: inner for name, inner in fields.items() if inner is not None}
    if known != fields:
        return None

    def show(value: Any) -> dict[str, Any]:
        return {name: inner.show(getattr(value, name)) for name, inner in known.items()}

    def read(shown: Mapping[str, Any]) -> Any:
        return cls(**{name: inner.read(shown[name]) for name, inner in known.items()})

    return Shape(show, read)


def schema(annotation: Any) -> dict[str, Any] | None:
    """Return the JSON Schema of arguments with this annotation, or None if JSON cannot hold any.

    Alternatives of a union that JSON cannot hold are left out.
    """
    schemas = [_KINDS[kind] for kind in _kinds(annotation) if kind in _KINDS]
    if {} in schemas:
        return {}
    kinds = list(dict.fromkeys(schema["type"] for schema in schemas))
    if not kinds or (kinds == ["null"] and annotation is not types.NoneType):
        return None
    merged = {name: value for schema in schemas for name, value in schema.items()}
    return {**merged, "type": kinds[0] if len(kinds) == 1 else kinds}


def takes_file(annotation: Any) -> bool:
    """Return whether an argument with this annotation may be the path of a file."""
    return os.PathLike in _kinds(annotation)


def read_argument(annotation: Any, value: Any) -> Any:
    """Return the Python value of an argument in JSON: a moment is a text, a timedelta seconds."""
    for kind in (dt.datetime, dt.timedelta):
        if value is not None and kind in _kinds(annotation):
            return _SHAPES[kind].read(value)
    return value


def _alternatives(annotation: Any) -> list[Any]:
    is_union = isinstance(annotation, types.UnionType) or get_origin(annotation) is Union
    several = get_args(annotation) if is_union else (annotation,)
    return [types.NoneType if it is None else it for it in several]


def _kinds(annotation: Any) -> list[Any]:
    return [get_origin(kind) or kind for kind in _alternatives(annotation)]


def _is_function(annotation: Any) -> bool:
    return (get_origin(annotation) or annotation) is Callable
