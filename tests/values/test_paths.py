import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakescale.values.paths import pattern


@pytest.mark.parametrize(
    ("path", "matched", "groups"),
    [
        ("/v1/tasks", "/v1/tasks", {}),
        ("/v1/tasks", "/v1/tasks/", {}),
        ("/v1/task/<id>", "/v1/task/a%2Fb", {"id": "a%2Fb"}),
        ("/v1/<a>/x/<b>", "/v1/1/x/2/", {"a": "1", "b": "2"}),
        ("/v1/<a>/x/<a>", "/v1/1/x/2", {"a": "1"}),
        ("/v1/<1>", "/v1/x", {}),
        ("*", "/any/text\nat all", {}),
        ("/v1/*/status", "/v1/batches/a/b/status", {}),
        ("/a.b(c)<", "/a.b(c)<", {}),
    ],
)
def test_a_pattern_matches_a_whole_path(path: str, matched: str, groups: dict[str, str]) -> None:
    found = pattern(path).fullmatch(matched)
    assert found is not None
    assert found.groupdict() == groups


@pytest.mark.parametrize(
    ("path", "other"),
    [
        ("/v1/tasks", "/v1/tasks//"),
        ("/v1/tasks", "/v1/Tasks"),
        ("/v1/task/<id>", "/v1/task/"),
        ("/v1/task/<id>", "/v1/task/a/b"),
        ("/a.b", "/aXb"),
    ],
)
def test_a_pattern_matches_no_other_path(path: str, other: str) -> None:
    assert pattern(path).fullmatch(other) is None


@given(
    st.lists(st.sampled_from(["a", "b", "/", "*", "<x>", "<y>"]), max_size=8).map("".join),
    st.lists(st.text("ab/", max_size=9), min_size=5, max_size=5),
)
def test_a_pattern_matches_what_any_way_of_matching_allows(path: str, texts: list[str]) -> None:
    plain = re.sub(r"<\w>", "[^/]+", path.replace("*", ".*")) + "/?"
    for text in texts:
        assert bool(pattern(path).fullmatch(text)) == bool(re.fullmatch(plain, text))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("*/*/*/*/*/x", "/" * 60_000),
        ("*a" * 50 + "x", "a" * 60_000),
        ("/<a>-<b>-<c>-<d>-<e>-<f>", "/" + "-" * 60_000 + "/x"),
        ("/<a><b><c><d><e>x", "/" + "a" * 60_000),
        ("*/<a>/<b>/<c>/x", "/a" * 30_000),
        ("*<a>x", "a" * 60_000),
        ("*<a>x*", "a" * 60_000),
        ("*a<b>x", "a" * 60_000),
        ("*a<b>x*", "a" * 60_000),
        ("*a<b>a<c>a<d>x*y", "a" * 60_000),
        ("*<a><b><c>/<d>x*", "a/a" * 20_000),
        ("<a>*a<b>/x", "a" * 60_000 + "/y"),
    ],
)
def test_many_wildcards_cost_no_time(path: str, text: str) -> None:
    """Any of these would take seconds or years, with each way of matching tried in turn."""
    begun = time.process_time()
    assert pattern(path).fullmatch(text) is None
    assert time.process_time() - begun < 1


def test_not_every_pattern_is_kept() -> None:
    for number in range(3_000):
        pattern(f"/v1/{number}")
    assert pattern.cache_info().currsize <= 1_000
    pattern.cache_clear()
