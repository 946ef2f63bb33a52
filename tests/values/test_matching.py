"""Assertions about what is there, and how the nearest items differ."""

import enum
from typing import Any

import pytest

from fakescale.values.frozen import freeze
from fakescale.values.matching import differences, matching, short


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("expected", "actual", "told"),
    [
        ({}, {"a": 1}, []),
        ({"a": 1}, {"a": 1, "b": 2}, []),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, []),
        ({"a": None}, {}, []),
        ({"a": Colour.RED, "b": (1, [2])}, {"a": "red", "b": [1, [2]]}, []),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}, []),
        ({"a": 1}, {"a": 2}, ["a: 2, expected 1"]),
        ({"a": None}, {"a": 2}, ["a: 2, expected None"]),
        ({"a": 1}, {}, ["a: missing, expected 1"]),
        (
            {"unique_id": "u"},
            {"uniqe_id": "u"},
            ["unique_id: missing (there is \"uniqe_id\"), expected 'u'"],
        ),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, ["a.b.c: 2, expected 1"]),
        ({"a": {"b": 1}}, {"a": 5}, ["a: 5, expected {'b': 1}"]),
        ({"a": [1, 2]}, {"a": [1, 3]}, ["a[1]: 3, expected 2"]),
        ({"a": [1]}, {"a": [1, 3]}, ["a: [1, 3], expected [1]"]),
        ({"a": "x"}, {"a": ["x"]}, ["a: ['x'], expected 'x'"]),
        ({"a": 1, "b": 2}, {"a": 2, "b": 3}, ["a: 2, expected 1", "b: 3, expected 2"]),
    ],
)
def test_differences_name_each_place(expected: Any, actual: Any, told: list[str]) -> None:
    assert list(differences(expected, actual)) == told
    assert list(differences(expected, freeze(actual))) == told


def test_a_long_value_is_cut() -> None:
    assert short("x" * 500) == "'" + "x" * 96 + "..."
    assert short(Colour.RED) == "'red'"


def found(items: list[Any], count: int | None = None, **expected: Any) -> list[Any]:
    return matching("thing", items, lambda item: item, expected, count, lambda it: f"#{it['n']}")


ITEMS = [{"n": n, "a": n % 2, "b": n // 3} for n in range(6)]


def test_the_items_that_fit_are_returned_in_order() -> None:
    assert [it["n"] for it in found(ITEMS, a=1)] == [1, 3, 5]
    assert [it["n"] for it in found(ITEMS, count=1, a=1, b=0)] == [1]
    assert found(ITEMS, count=0, a=2) == []
    assert found(ITEMS) == ITEMS


@pytest.mark.parametrize(
    ("count", "expected", "text"),
    [
        (
            None,
            {"a": 1, "b": 7},
            "expected at least 1 thing with a=1, b=7; 0 of 6 fit\n"
            "the nearest:\n"
            "  #5\n    b: 1, expected 7\n"
            "  #3\n    b: 1, expected 7\n"
            "  #1\n    b: 0, expected 7",
        ),
        (
            2,
            {"n": 4, "a": 0},
            "expected 2 things with n=4, a=0; 1 of 6 fit\n"
            "these fit:\n  #4\n"
            "the nearest:\n"
            "  #2\n    n: 2, expected 4\n"
            "  #0\n    n: 0, expected 4\n"
            "  #5\n    n: 5, expected 4\n    a: 1, expected 0",
        ),
        (
            0,
            {"b": 1, "a": 1},
            "expected 0 things with b=1, a=1; 2 of 6 fit\nthese fit:\n  #3\n  #5",
        ),
    ],
)
def test_a_failure_shows_the_nearest_items(
    count: int | None, expected: dict[str, Any], text: str
) -> None:
    with pytest.raises(AssertionError) as caught:
        found(ITEMS, count, **expected)
    assert str(caught.value) == text


def test_a_failure_among_nothing_is_one_line() -> None:
    with pytest.raises(AssertionError, match=r"^expected at least 1 thing; 0 of 0 fit$"):
        found([])
