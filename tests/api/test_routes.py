"""The routes: the match of a request, and the kind of each answer."""

import json

import pytest

from fakescale import FakeScale
from fakescale.api.near_misses import nearest
from fakescale.api.route import match
from fakescale.api.v1 import ROUTES
from tests.arrangements import ARRANGEMENTS, ask, operations
from tests.support import Caller

UNKNOWN = "0" * 24


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/task/kittens"),
        ("GET", f"/task/{UNKNOWN}"),
        ("GET", "/task/fake_id_qwertyuiop"),
        ("POST", f"/task/{UNKNOWN}/cancel"),
        ("POST", f"/task/{UNKNOWN}/setMetadata"),
        ("DELETE", f"/task/{UNKNOWN}/unique_id"),
        ("PUT", f"/task/{UNKNOWN}/tags"),
        ("POST", f"/task/{UNKNOWN}/tags"),
        ("DELETE", f"/task/{UNKNOWN}/tags"),
        # unknown routes, and wrong methods on known ones
        ("GET", "/taks"),
        ("GET", "/"),
        ("POST", "/tasks"),
        ("DELETE", f"/task/{UNKNOWN}"),
        ("GET", f"/task/{UNKNOWN}/tags"),
        ("PATCH", "/tasks"),
        ("GET", "/tasks//"),
        ("GET", "//tasks"),
        ("GET", "/Tasks"),
        ("GET", "/task/a%2Fb/tags"),
    ],
)
def test_an_unknown_task_or_route_is_not_found(live: Caller, method: str, path: str) -> None:
    reply = live(method, path)
    assert reply.status == 404
    assert "ot found" in reply.error


def test_one_slash_at_the_end_is_tolerated(live: Caller) -> None:
    task_id = live.create()["task_id"]
    for method, path in (
        ("GET", "/tasks/"),
        ("GET", f"/task/{task_id}/"),
        ("PUT", f"/task/{task_id}/tags/"),
    ):
        assert live(method, path).status == 200


def test_paths_are_matched_as_they_were_sent() -> None:
    found = match(ROUTES, "GET", "/v1/task/a%2Fb%20c")
    assert found is not None
    assert found[1] == {"task_id": "a/b c"}
    assert match(ROUTES, "GET", "/v1/task/a/b") is None


def test_the_nearest_route_is_the_one_that_was_meant() -> None:
    for method, path, meant in (
        ("GET", "/v1/taks", "/v1/tasks"),
        ("GET", "/tasks", "/v1/tasks"),
        ("POST", "/v1/task/5f/cancl", "/v1/task/<task_id>/cancel"),
        ("POST", "/v1/task/5f/set_metadata", "/v1/task/<task_id>/setMetadata"),
        ("POST", "/v1/tasks/chat", "/v1/task/<type>"),
    ):
        assert nearest(method, path).path == meant


ARRAYS = {
    ("GET", "/v1/projects"),
    ("GET", "/v1/task/<task_id>/response_url/<uuid>"),  # a video's file is an array
    ("GET", "/v1/audits"),
    ("GET", "/v1/teams"),
    ("POST", "/v1/teams/invite"),
    ("POST", "/v1/teams/set_role"),
    ("GET", "/v1/studio/projects/<project>/groups"),
    ("GET", "/v1/studio/batches"),
    ("POST", "/v1/studio/batches/set_priorities"),
    ("POST", "/v1/studio/batches/reset_priorities"),
}


def test_every_answer_but_a_few_is_an_object(fake: FakeScale) -> None:
    for route in ROUTES:
        fake.reset()
        reply = ask(fake, operations(route)[0])
        assert reply.status == route.status
        kind = list if (route.method, route.path) in ARRAYS else dict
        assert isinstance(json.loads(reply.bytes), kind)


def test_there_is_an_arrangement_for_each_route() -> None:
    assert {*ARRANGEMENTS} == {name for route in ROUTES for name in operations(route)}
