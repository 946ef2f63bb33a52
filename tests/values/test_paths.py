import pytest

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
