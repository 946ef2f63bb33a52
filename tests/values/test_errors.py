import json
import tracemalloc
from typing import Any

import pytest

from fakescale.values.errors import shown


@pytest.mark.parametrize(
    "value",
    [None, 5, 1.5, "", "é" * 9, "x" * 78, "x" * 79, [], {"a": [1, {}]}, ["x" * 90], [0] * 99],
)
def test_a_value_is_shown_as_json_of_80_characters_at_most(value: Any) -> None:
    text = json.dumps(value)
    assert shown(value) == (text if len(text) <= 80 else text[:77] + "...")


def test_a_value_that_is_not_json_is_shown_too() -> None:
    assert shown([{1, 2}]) == '["{1, 2}"]'


def test_only_the_beginning_of_a_large_value_is_written() -> None:
    value = [0] * 1_000_000
    tracemalloc.start()
    shown(value)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000
