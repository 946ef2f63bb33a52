"""Context managers that warn if nobody enters them."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import fakescale
from fakescale import FakeFactory, FakeScale
from fakescale.receiver import receiving
from fakescale.values.blocks import block

seen: list[str] = []


@block
def open_door(name: str) -> Iterator[str]:
    seen.append(f"open {name}")
    try:
        yield name
    finally:
        seen.append(f"close {name}")


@pytest.fixture(autouse=True)
def _clear() -> None:
    seen.clear()


def test_a_block_is_a_context_manager() -> None:
    with open_door("a") as name:
        assert (name, seen) == ("a", ["open a"])
    assert seen == ["open a", "close a"]
    with pytest.raises(ZeroDivisionError), open_door("b"):
        _ = 1 / 0
    assert seen[2:] == ["open b", "close b"]


def test_a_block_decorates_a_function_and_begins_anew_with_each_call() -> None:
    @open_door("a")
    def work(number: int) -> int:
        seen.append("work")
        return number

    assert [work(1), work(number=2)] == [1, 2]
    assert seen == ["open a", "work", "close a"] * 2


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("open_door", lambda fake, factory: open_door("a")),
        ("serve", lambda fake, factory: fake.serve()),
        ("proxy", lambda fake, factory: fake.proxy()),
        ("running", lambda fake, factory: fake.running()),
        ("redirect", lambda fake, factory: fakescale.redirect(fake)),
        ("without_backoff", lambda fake, factory: fake.without_backoff()),
        ("receiving", lambda fake, factory: receiving()),
        ("make", lambda fake, factory: factory()),
    ],
)
def test_a_block_that_nobody_enters_warns_with_its_line(
    name: str,
    call: Callable[[FakeScale, FakeFactory], Any],
    fake: FakeScale,
    fakescale_factory: FakeFactory,
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call(fake, fakescale_factory)
    [warning] = caught
    assert str(warning.message) == f"{name}() has no effect without `with`"
    assert (warning.category, fake.origin, seen) == (RuntimeWarning, None, [])
    assert warning.filename == __file__
