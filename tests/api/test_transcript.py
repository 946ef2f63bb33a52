from fakescale import FakeScale
from fakescale.api.transcript import entries, folded
from tests.support import ABSENT, Caller


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


def test_changes_of_batches_and_projects_that_no_request_tells_have_a_line(
    fake: FakeScale, live: Caller
) -> None:
    fake.projects.create("p", type="chat")
    fake.batches.create("b", project="p")
    task = live.create("chat", project="p", batch="b", callback_url=ABSENT)["task_id"]
    live("POST", "/v2/batch/pause", {"batch_name": "b"})
    fake.batches.resume("b")
    live("POST", f"/task/{task}/cancel")
    assert [line for line in folded(entries(fake.events)) if line.startswith(("p", "b"))] == [
        "project p changed by the test (create)",
        "batch b created by the test",
        "batch b paused -> in_progress by the test",
        "batch b in_progress -> completed by the client",
    ]
