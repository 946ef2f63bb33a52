"""The hosts that clients reach without a proxy."""

import os

import pytest

from fakescale.redirection.proxies import no_proxy


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Begin without the variables."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def variables() -> tuple[str | None, str | None]:
    return os.environ.get("NO_PROXY"), os.environ.get("no_proxy")


@pytest.mark.parametrize(
    ("before", "within"),
    [
        ((None, None), ("a,b", "a,b")),
        (("", ""), ("a,b", "a,b")),
        (("x, b", None), ("x,b,a", "x,b,a")),
        ((None, "y"), ("y,a,b", "y,a,b")),
        (("x", "y"), ("x,a,b", "y,a,b")),
        (("*", "*"), ("*", "*")),
        (("a,b", "b, a"), ("a,b", "b, a")),
    ],
)
def test_the_hosts_are_added_and_taken_out(
    before: tuple[str | None, str | None],
    within: tuple[str, str],
    environ: pytest.MonkeyPatch,
) -> None:
    for name, value in zip(("NO_PROXY", "no_proxy"), before, strict=True):
        if value is not None:
            environ.setenv(name, value)
    with no_proxy("a", "b"):
        assert variables() == within
    assert variables() == before


def test_blocks_may_overlap() -> None:
    first, second = no_proxy("a"), no_proxy("b")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert variables() == ("b", "b")
    second.__exit__(None, None, None)
    assert variables() == (None, None)


def test_blocks_for_one_host_may_overlap(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("no_proxy", "x")
    first, second = no_proxy("a"), no_proxy("a")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert variables() == ("x,a", "x,a")
    second.__exit__(None, None, None)
    assert variables() == (None, "x")


def test_a_host_that_was_added_meanwhile_stays(environ: pytest.MonkeyPatch) -> None:
    with no_proxy("a"):
        environ.setenv("NO_PROXY", os.environ["NO_PROXY"] + ",mine")
    assert variables() == ("mine", None)
