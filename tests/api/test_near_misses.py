"""Near misses: the source of a refusal, unknown members, the nearest route of a fault."""

from typing import Any

import pytest

from fakescale import FakeScale
from fakescale.api.near_misses import _SOURCES, nearest_for, source, unknown_members
from tests.support import Caller, example


def refusals(fake: FakeScale) -> list[str]:
    """Return refusals by the API, one of each whose text is known."""
    live = Caller(fake)
    live.create(unique_id="u")
    done = fake.tasks.complete(fake.tasks[0]).id
    fake.disable_type("comparison")
    return [
        Caller(fake, "nobody")("GET", "/tasks").error,
        live("GET", "/task/unknown").error,
        live("POST", f"/task/{done}/cancel").error,
        live("POST", "/task/comparison", example("comparison")).error,
        live("POST", "/task/chat", {"unique_id": "u"}).error,
        live("POST", "/task/imageannotation", {"objects_to_annotate": ["cat"]}).error,
        live("POST", f"/task/{done}/unique_id", {}).error,
        live("GET", "/tasks?limit=0").error,
    ]


def test_the_source_of_each_known_refusal_is_told(fake: FakeScale) -> None:
    assert [source(text) for text in refusals(fake)] == [word for _, word in _SOURCES]
    assert source("Not found: GET /v1/taks") == "guessed"


@pytest.mark.parametrize(
    ("path", "body", "lines"),
    [
        (
            "/task/chat",
            {"instructio": 1},
            ['unknown member "instructio": did you mean "instruc'],
        ),
        ("/task/comments", {"instructio": 1}, []),
        ("/task/chat", {"zzz": {"a": 1}}, ['unknown member "zzz"']),
        ("/batches", {"projet": "p"}, ['unknown member "projet": did you mean "project"?']),
        ("/task/5f/tags", ["a"], []),
        ("/task/5f/setMetadata", {"zzz": 1}, []),
        ("/task/chat", {"instruction": None, "callback_url": "http://a.com"}, []),
    ],
)
def test_unknown_members_are_found(
    fake: FakeScale, live: Caller, path: str, body: Any, lines: list[str]
) -> None:
    live("POST", path, body)
    found = list(unknown_members(fake.requests[-1]))
    assert len(found) == len(lines)
    assert all(one.startswith(line) for one, line in zip(found, lines, strict=True))


def test_members_of_forms_are_found_and_bad_bodies_are_let_be(
    fake: FakeScale, live: Caller
) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    live("POST", "/task/chat", data=b"instructio=a", headers=form)
    live("POST", "/task/chat", data=b"{")
    live("POST", "/task/chat", data=b"\xff")
    assert [len(list(unknown_members(it))) for it in fake.requests] == [1, 0, 0]


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        (None, "/v1/tasks/chat", "POST /v1/task/<type>"),
        ("GET", "/v1/taks", "GET /v1/tasks"),
        ("POST", "/v1/tasks", "GET /v1/tasks"),
        ("GET", "/v1/tasks", None),
        (None, "/v1/task/5f/cancel", None),
        (None, "/v1/task/<id>/cancel", None),
        (None, "/v1/*", None),
        (None, None, None),
    ],
)
def test_a_fault_s_path_that_fits_no_route_has_a_nearest_one(
    method: str | None, path: str | None, route: str | None
) -> None:
    found = nearest_for(method, path)
    assert (found and f"{found.method} {found.path}") == route
