"""Tasks that are completed when a client looks at them for the n-th time."""

import json
from typing import Any

import pytest
import time_machine

from fakescale import FakeScale, RemoteFakeScale, TaskFailure, after_looks
from tests.support import Caller


@pytest.fixture
def fake(noon: time_machine.Traveller) -> FakeScale:
    return FakeScale(complete_after=after_looks(3))


@pytest.fixture
def client(fake: FakeScale) -> Caller:
    return Caller(fake)


def statuses(client: Caller, path: str, times: int) -> list[Any]:
    """Return the statuses in the answers to equal requests."""
    answers = [client.get(path) for _ in range(times)]
    return [[task["status"] for task in it.get("docs", [it])] for it in answers]


def test_the_third_request_for_a_task_shows_it_completed(fake: FakeScale, client: Caller) -> None:
    task, other = fake.tasks.create("chat"), fake.tasks.create("chat")
    fake.advance(days=99)
    for _ in range(5):  # a look of the test does not count
        assert fake.tasks.get(task).status == fake.tasks.list()[0].status == "pending"
    assert statuses(client, f"/task/{task.id}", 4) == [
        ["pending"],
        ["pending"],
        ["completed"],
        ["completed"],
    ]
    assert fake.tasks.get(task).completed_at == "2024-06-07T12:00:00.000Z"
    assert fake.tasks.get(other).status == "pending"


def test_a_list_looks_at_the_tasks_of_its_page(fake: FakeScale, client: Caller) -> None:
    first, second = (fake.tasks.create("chat", unique_id=name) for name in "ab")
    assert statuses(client, "/tasks?limit=1", 3) == [["pending"], ["pending"], ["completed"]]
    assert fake.tasks.get(second).status == "completed"
    assert statuses(client, "/tasks?unique_id=a", 2) == [["pending"]] * 2
    assert statuses(client, f"/task/{first.id}", 1) == [["completed"]]


@pytest.mark.parametrize(
    "query", ["status=completed", "completed_after=2024-01-01", "updated_after=2024-02-29T13:00"]
)
def test_a_list_of_outcomes_looks_at_the_tasks_that_have_none(
    fake: FakeScale, client: Caller, query: str
) -> None:
    fake.tasks.create("chat", tags=["x"])
    other = fake.tasks.create("chat")
    fake.advance(hours=2)
    path = f"/tasks?{query}&tags=x&limit=1"
    assert statuses(client, path, 4) == [[], [], ["completed"], ["completed"]]
    assert fake.tasks.get(other).status == "pending"


def test_a_further_page_is_no_further_look(fake: FakeScale, client: Caller) -> None:
    fake.turnaround = after_looks(2)
    for _ in range(2):
        fake.tasks.complete(fake.tasks.create("chat"))
    task = fake.tasks.create("chat")
    page = client.get("/tasks?status=completed&limit=1")
    client.get(f"/tasks?status=completed&limit=1&next_token={page['next_token']}")
    client.get("/tasks?status=completed&limit=1&offset=1")
    assert fake.tasks.get(task).status == "pending"
    client.get("/tasks?status=completed")
    assert fake.tasks.get(task).status == "completed"


def test_a_list_of_pending_tasks_loses_them(fake: FakeScale, client: Caller) -> None:
    fake.tasks.create("chat")
    assert statuses(client, "/tasks?status=pending", 3) == [["pending"], ["pending"], []]


def test_the_labeler_decides(fake: FakeScale, client: Caller) -> None:
    def label(task: Any) -> Any:
        if task.unique_id == "bad":
            raise TaskFailure("blurred")
        return None if task.unique_id == "left" else {"by": "me"}

    fake.turnaround, fake.labeler = after_looks(1), label
    for name in ("good", "bad", "left"):
        fake.tasks.create("chat", unique_id=name)
    assert statuses(client, "/tasks", 2) == [["pending", "error", "completed"]] * 2
    assert fake.tasks.one(unique_id="good").response == {"by": "me"}


def test_looks_begin_again_with_a_new_turnaround_and_after_a_recall(
    fake: FakeScale, client: Caller
) -> None:
    task = fake.tasks.create("chat")
    path = f"/task/{task.id}"
    statuses(client, path, 2)
    fake.turnaround = after_looks(2)
    assert statuses(client, path, 2) == [["pending"], ["completed"]]
    fake.tasks.recall(task)
    assert statuses(client, path, 2) == [["pending"], ["completed"]]
    fake.tasks.recall(task)
    fake.turnaround = None
    assert statuses(client, path, 3) == [["pending"]] * 3


def test_a_staging_batch_is_not_looked_at(fake: FakeScale, client: Caller) -> None:
    fake.projects.create("p", type="chat", rapid=True)
    fake.batches.create("b", project="p")
    task = fake.tasks.create("chat", batch="b")
    assert statuses(client, f"/task/{task.id}", 4) == [["pending"]] * 4
    fake.batches.finalize("b")
    assert statuses(client, f"/task/{task.id}", 3) == [["pending"], ["pending"], ["completed"]]


@pytest.mark.parametrize(
    "path",
    [
        "/v2/task?task_id={}",
        "/v2/tasks?project_name=p",
        "/v2/tasks?project_name=p&status=completed",
        "/v2/tasks?project_name=p&completed_after=2024-01-01",
    ],
)
def test_the_requests_of_v2_look_too(fake: FakeScale, client: Caller, path: str) -> None:
    for name in "pq":
        fake.projects.create(name, type="chat")
    task, other = (fake.tasks.create("chat", project=name) for name in "pq")
    for _ in range(2):
        client.get(path.format(task.id))
        assert fake.tasks.get(task).status == "pending"
    answer = client.get(path.format(task.id))
    assert [it["status"] for it in answer.get("tasks", [answer])] == ["completed"]
    assert fake.tasks.get(other).status == "pending"


def test_a_paused_batch_is_not_looked_at(fake: FakeScale, client: Caller) -> None:
    fake.projects.create("p", type="chat")
    fake.batches.create("b", project="p")
    task = fake.tasks.create("chat", batch="b")
    statuses(client, f"/task/{task.id}", 2)
    fake.batches.pause("b")
    statuses(client, f"/task/{task.id}", 4)
    fake.batches.resume("b")
    assert statuses(client, f"/task/{task.id}", 3) == [["pending"], ["pending"], ["completed"]]


def test_a_deleted_task_is_not_labeled(fake: FakeScale, client: Caller) -> None:
    fake.projects.create("p", type="chat")
    task = fake.tasks.create("chat", project="p")
    fake.tasks.delete(task)
    for _ in range(4):
        assert client.get(f"/v2/task?task_id={task.id}")["status"] == "deleted"


def test_a_canceled_task_stays_canceled(fake: FakeScale, client: Caller) -> None:
    task = fake.tasks.create("chat")
    fake.tasks.cancel(task)
    assert statuses(client, f"/task/{task.id}", 4) == [["canceled"]] * 4


def test_a_dump_holds_the_looks_that_remain(fake: FakeScale, client: Caller) -> None:
    task = fake.tasks.create("chat")
    statuses(client, f"/task/{task.id}", 1)
    data = json.loads(json.dumps(fake.dump()))
    assert data["turnaround_ms"] == "callable"
    other = FakeScale(complete_after=after_looks(9))
    other.load(data)
    assert other.turnaround == after_looks(9)
    caller = Caller(other, fake.api_key)
    assert statuses(caller, f"/task/{task.id}", 2) == [["pending"], ["completed"]]
    new = other.tasks.create("chat")
    assert statuses(caller, f"/task/{new.id}", 8) == [["pending"]] * 8


def test_a_number_of_a_wrong_kind_is_refused() -> None:
    for number in (0, -1):
        with pytest.raises(ValueError, match=f"over 0, not {number}"):
            after_looks(number)
    for wrong in ("3", 1.5, True, None):
        with pytest.raises(TypeError, match="whole number"):
            after_looks(wrong)  # type: ignore[arg-type]


def test_requests_stay_quick_and_a_remote_fake_has_no_looks(fake: FakeScale) -> None:
    assert fake._is_quick({"REQUEST_URI": "/v1/tasks"})
    with fake.serve(), pytest.raises(TypeError, match="cannot be a function"):
        RemoteFakeScale(fake.url).turnaround = after_looks(3)  # type: ignore[assignment]
    assert fake.after_looks(2) == after_looks(2)


def test_a_served_fake_completes_and_calls_back(
    fake: FakeScale, client: Caller, callback_receiver: Any
) -> None:
    task = fake.tasks.create("chat", callback_url=callback_receiver.url)
    statuses(client, f"/task/{task.id}", 3)
    [received] = callback_receiver.wait_for(1)
    assert received.json["task_id"] == task.id
    fake.callbacks._stop(for_good=True)
