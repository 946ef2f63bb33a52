import copy
import enum
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakescale.values.frozen import MAX_WRAPPED_DEPTH, FrozenDict, FrozenList, freeze

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("ab$é"), inner),
    max_leaves=20,
)


@given(JSON)
def test_a_frozen_value_equals_and_prints_as_the_value(value: Any) -> None:
    assert freeze(value) == value
    assert json.dumps(freeze(value)) == json.dumps(value)
    assert pickle.loads(pickle.dumps(freeze(value))) == value
    assert copy.deepcopy(freeze(value)) == value


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**30])
def test_an_integer_of_more_than_64_bits_becomes_a_float(number: int) -> None:
    # As it does in JSON.parse.
    frozen = freeze({"a": [number]})["a"][0]
    assert (type(frozen), frozen) == (float, float(number))


def test_frozen_dicts_and_lists_refuse_every_change() -> None:
    changers: list[tuple[Any, str, tuple[Any, ...]]] = [
        (FrozenDict(a=1), name, args)
        for name, args in {
            "__setitem__": ("a", 2), "__delitem__": ("a",), "__ior__": ({},), "clear": (),
            "pop": ("a",), "popitem": (), "setdefault": ("b", 1), "update": ({"b": 1},),
        }.items()
    ] + [
        (FrozenList([1]), name, args)
        for name, args in {
            "__setitem__": (0, 2), "__delitem__": (0,), "__iadd__": ([2],), "__imul__": (2,),
            "append": (2,), "clear": (), "extend": ([2],), "insert": (0, 2), "pop": (),
            "remove": (1,), "reverse": (), "sort": (),
        }.items()
    ]  # fmt: skip
    for value, name, args in changers:
        with pytest.raises(TypeError, match="cannot be changed"):
            getattr(value, name)(*args)
    # The list above has every method that changes a dict or a list.
    plain = set(dir(dict)) | set(dir(list))
    harmless = {"copy", "count", "fromkeys", "get", "index", "items", "keys", "values"}
    public = {name for name in plain if not name.startswith("_")} - harmless
    assert public == {name for _, name, _ in changers if not name.startswith("_")}


def test_freezing_is_deep_and_copies() -> None:
    inner = [1]
    frozen = freeze({"a": {"b": inner}, "t": (1, 2)})
    inner.append(2)
    assert frozen == {"a": {"b": [1]}, "t": [1, 2]}
    with pytest.raises(TypeError):
        frozen["a"]["b"].append(3)


def test_enum_members_become_plain_values() -> None:
    class Color(enum.StrEnum):
        RED = "red"

    class Number(enum.IntEnum):
        ONE = 1

    assert type(freeze(Color.RED)) is str
    assert type(freeze(Number.ONE)) is int


def test_frozen_values_can_be_hashed() -> None:
    assert len({freeze({"a": 1, "b": []}), freeze({"b": [], "a": 1})}) == 1


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (float("nan"), "nan"),
        ([float("-inf")], "-inf"),
        ({1: 2}, "key 1"),
        ({"a": {2}}, "set"),
        ("\ud800", "surrogate"),
        ({"\udfff": 1}, "surrogate"),
        (object(), "object"),
        ([10**4300], "too long"),
        (b"bytes", "bytes"),
    ],
)
def test_freezing_refuses_values_that_json_cannot_hold(value: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        freeze(value)


def test_nesting_is_limited() -> None:
    value: Any = 1
    for _ in range(MAX_WRAPPED_DEPTH + 1):
        value = [value]
    assert freeze(value)
    with pytest.raises(ValueError, match="deeper"):
        freeze([value])


def test_nested_frozen_values_count_towards_the_limit() -> None:
    inner: Any = 1
    for _ in range(MAX_WRAPPED_DEPTH):
        inner = [inner]
    frozen = freeze(inner)
    assert freeze(frozen) is frozen
    with pytest.raises(ValueError, match="nested deeper than"):
        freeze([frozen, [frozen]])
