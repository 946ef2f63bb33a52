"""The shapes of Python values in JSON."""

import datetime as dt
import enum
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from fakescale.account.labeling import Labeler, Turnaround
from fakescale.api.shapes import read_argument, schema, shape
from fakescale.values.frozen import FrozenDict, FrozenList

NOON = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)


class Colour(enum.StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Point:
    x: int | None
    when: dt.datetime


@dataclass(frozen=True)
class Line:
    points: Sequence[Point]
    colour: Colour | None
    names: tuple[str, ...]
    more: Mapping[str, Any]
    content: bytes


LINE = Line((Point(1, NOON), Point(None, NOON)), Colour.RED, ("a",), FrozenDict(n=1), b"\xff\0")


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (None, None),
        (Any, {"a": [1]}),
        (str | None, None),
        (int | str, 5),
        (dt.datetime, NOON),
        (dt.timedelta | None, dt.timedelta(seconds=1.5)),
        (dt.timedelta | None, None),
        (Turnaround, dt.timedelta(days=2)),
        (Sequence[str], FrozenList(["a"])),
        (Mapping[str, int], FrozenDict(a=1)),
        (list[Mapping[str, Any]], [FrozenDict(a=1)]),
        (dict[str, list[str]], {"a": ["b"]}),
        (tuple[dt.datetime, ...], (NOON, NOON)),
        (list[Point], [Point(1, NOON)]),
        (Line, LINE),
        (Line | None, LINE),
        (Line | None, None),
    ],
)
def test_a_value_that_is_shown_is_read_back_equal(annotation: Any, value: Any) -> None:
    held = shape(annotation)
    assert held is not None
    read = held.read(json.loads(json.dumps(held.show(value))))
    assert read == value
    assert type(read) is type(value)


@dataclass(frozen=True)
class Odd:
    inner: object


@pytest.mark.parametrize(
    "annotation",
    [Labeler, Callable[[], int], object, Odd, list[Odd], dict[str, Point], Iterator[int], "Point"],
)
def test_a_value_that_json_cannot_hold_has_no_shape(annotation: Any) -> None:
    assert shape(annotation) is None


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Any, {}),
        (str | None, {"type": ["string", "null"]}),
        (int | Point, {"type": "integer"}),
        (Iterable[str], {"type": "array"}),
        (Mapping[str, Any] | None, {"type": ["object", "null"]}),
        (Literal["a", "b"], {"type": "string"}),
        (Turnaround, {"type": ["number", "null"], "format": "seconds"}),
        (bytes, None),
        (bytes | Point, None),
        (Labeler, None),
        (Callable[[], int] | None, None),
    ],
)
def test_a_schema_leaves_out_alternatives_that_json_cannot_hold(
    annotation: Any, expected: Any
) -> None:
    assert schema(annotation) == expected


def test_moments_and_timedeltas_are_read() -> None:
    assert read_argument(dt.datetime | None, "2024-02-29T12:00:00Z") == NOON
    assert read_argument(Turnaround, 90) == dt.timedelta(seconds=90)
    assert read_argument(Turnaround, None) is None
    assert read_argument(Any, "2024-02-29T12:00:00Z") == "2024-02-29T12:00:00Z"
