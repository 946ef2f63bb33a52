"""Values as JSON-able data and back, for dumps."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from fakescale.errors import BadRequest
from fakescale.frozen import freeze
from fakescale.records import Status

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

    Raises BadRequest when they are not such data.
    """
    try:
        return [cls(**_read(freeze(item))) for item in items]
    except (TypeError, ValueError, AttributeError) as error:
        raise BadRequest(f"not the dump of a {cls.__name__}: {error}") from None


def _read(fields: Mapping[str, Any]) -> dict[str, Any]:
    read = dict(fields)
    if read.get("status") in list(Status):
        read["status"] = Status(read["status"])
    return read
