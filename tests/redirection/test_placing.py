"""Patches of other modules, whenever they are imported and whoever else patches them."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fakescale.redirection.placing import Patches


def twice(original: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: 2 * original(*args)


PATCHES = Patches(("placed", "one", twice), ("placed:Kind", "two", twice), ("placed", "no", twice))


@pytest.fixture(autouse=True)
def _module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make a module ``placed``, which is not imported yet."""
    source = "def one(): return 1\nclass Base:\n  def two(self): return 2\nclass Kind(Base): pass\n"
    (tmp_path / "placed.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("placed", None)


def import_it() -> Any:
    return importlib.import_module("placed")


def test_a_module_is_patched_when_it_is_imported() -> None:
    before = list(sys.meta_path)
    with PATCHES.placed():
        assert "placed" not in sys.modules
        module = import_it()
        assert (module.one(), module.Kind().two(), module.Base().two()) == (2, 4, 2)
    assert (module.one(), module.Kind().two()) == (1, 2)
    assert "two" not in vars(module.Kind)
    assert sys.meta_path == before


def test_blocks_may_overlap() -> None:
    module = import_it()
    first, second = PATCHES.placed(), PATCHES.placed()
    first.__enter__()
    second.__enter__()
    assert module.one() == 2
    first.__exit__(None, None, None)
    assert module.one() == 2
    second.__exit__(None, None, None)
    assert module.one() == 1


def test_a_patch_that_others_took_out_is_placed_again() -> None:
    module = import_it()
    original = module.one
    with PATCHES.placed():
        made = module.one
        for _ in range(3):
            module.one = original
            PATCHES.renew()
            assert module.one is made
    assert module.one is original
    PATCHES.renew()  # does nothing outside of a block
    assert module.one is original


def test_a_replacement_by_others_is_patched_and_stays() -> None:
    module: ModuleType = import_it()

    def theirs() -> int:
        return 5

    with PATCHES.placed():
        vars(module)["one"] = theirs
        PATCHES.renew()
        assert module.one() == 10
    assert module.one is theirs
