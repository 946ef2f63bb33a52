from fakescale import FakeScale
from fakescale.api.transcript import entries, folded
from tests.support import Caller


def test_each_exchange_is_a_line_and_only_an_unknown_route_gets_a_hint(
    fake: FakeScale, live: Caller
) -> None:
    live("GET", "/task/unknown")
    live("GET", "/taks?limit=1")
    live("GET", "/tasks?limit=1")
    assert folded(entries(fake.events)) == [
        "GET /v1/task/unknown -> 404 Task with that ID not found. (text: observed)",
        "GET /v1/taks?limit=1 -> 404 Not found: GET /v1/taks (text: guessed)",
        "    the nearest route is GET /v1/tasks",
        "GET /v1/tasks?limit=1 -> 200",
    ]
