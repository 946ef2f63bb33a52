import datetime as dt
import threading
from typing import Any

import pytest
import requests
import time_machine

from fakescale import BadRequest, FakeScale, Task, TaskFailure
from fakescale.values.frozen import MAX_DEPTH
from tests.support import Caller

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def fake(noon: time_machine.Traveller) -> FakeScale:
    return FakeScale()


def test_the_labeler_is_called_after_the_turnaround(fake: FakeScale) -> None:
    asked: list[str] = []

    def label(task: Task) -> dict[str, Any]:
        asked.append(task.id)
        return {"of": task.type}

    fake.labeler, fake.turnaround = label, HOUR
    task = fake.tasks.create("chat")
    fake.advance(minutes=59)
    assert (fake.tasks.get(task.id).status, asked) == ("pending", [])
    fake.advance(minutes=1)
    done = fake.tasks.get(task.id)
    assert (done.response, done.completed_at) == ({"of": "chat"}, "2024-02-29T13:00:00.000Z")
    assert asked == [task.id]


def test_a_labeler_fails_a_task_by_raising_and_leaves_it_by_returning_none(fake: FakeScale) -> None:
    def label(task: Task) -> Any:
        action = task.params["do"]
        if action == "raise":
            raise ValueError("too dark")
        return {"set": {1}} if action == "nonsense" else None

    fake.labeler, fake.turnaround = label, HOUR
    for action in ("raise", "leave", "nonsense"):
        fake.tasks.create("chat", do=action, unique_id=action, clear_unique_id_on_error=True)
    fake.advance(hours=2)
    seen = {task.params["do"]: task for task in fake.tasks}
    assert (seen["raise"].status, seen["raise"].response) == ("error", {"error": "too dark"})
    assert seen["raise"].unique_id is None
    assert (seen["leave"].status, seen["leave"].unique_id) == ("pending", "leave")
    assert seen["nonsense"].response is not None
    assert "set" in seen["nonsense"].response["error"]


def test_due_tasks_are_labeled_in_order_of_time(fake: FakeScale) -> None:
    order: list[Any] = []

    def label(task: Task) -> dict[str, Any]:
        order.append(task.params["n"])
        return {}

    fake.labeler = label
    fake.turnaround = lambda task: dt.timedelta(hours=task.params["n"])
    for number in (5, 1, 4, 2):
        fake.tasks.create("chat", n=number)
    fake.tasks.create("chat", n=3)
    fake.advance(hours=4)
    assert [task.params["n"] for task in fake.tasks.list(status="pending")] == [5]
    assert order == [1, 2, 3, 4]
    times = [task.completed_at for task in fake.tasks.list(status="completed")]
    assert [str(time)[11:13] for time in times] == ["15", "14", "16", "13"]


def test_a_callable_turnaround_may_leave_a_task_for_ever(fake: FakeScale) -> None:
    fake.turnaround = lambda task: None
    task = fake.tasks.create("chat")
    fake.advance(days=10_000)
    assert fake.tasks.get(task.id).status == "pending"
    assert fake.tasks._next_due() is None


def test_a_new_turnaround_applies_to_pending_tasks(fake: FakeScale) -> None:
    task = fake.tasks.create("chat")
    fake.advance(minutes=30)
    fake.turnaround = HOUR
    assert fake.tasks._next_due() == "2024-02-29T13:00:00.000Z"
    fake.turnaround = None
    fake.advance(hours=9)
    assert fake.tasks.get(task.id).status == "pending"
    fake.turnaround = HOUR
    assert fake.tasks.get(task.id).completed_at == "2024-02-29T13:00:00.000Z"


def test_a_labeler_may_use_the_api_and_the_fake(fake: FakeScale) -> None:
    def label(task: Task) -> dict[str, Any]:
        auth = (fake.api_key, "")
        url = f"{fake.url}/task/{task.id}"
        requests.put(f"{url}/tags", json=["seen"], auth=auth, timeout=10).raise_for_status()
        fake.tasks.create("multichat")
        return {"status": requests.get(url, auth=auth, timeout=10).json()["status"]}

    fake.labeler = label
    fake.turnaround = lambda task: HOUR if task.type == "chat" else None
    with fake.serve():
        task = fake.tasks.create("chat")
        fake.advance(hours=1)
        fake.tasks._run_due()
    # The tag changed the task while the labeler worked. The tag and the response are kept.
    done = fake.tasks.get(task.id)
    assert (done.status, done.response, done.tags) == ("completed", {"status": "pending"}, ["seen"])


def test_a_slow_labeler_delays_no_request(fake: FakeScale) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def label(task: Task) -> dict[str, Any]:
        inside.set()
        assert go_on.wait(10)
        return {}

    fake.labeler, fake.turnaround = label, dt.timedelta()
    task = fake.tasks.create("chat")
    thread = threading.Thread(target=fake.tasks._run_due)
    thread.start()
    assert inside.wait(10)
    live = Caller(fake)
    assert live.get(f"/task/{task.id}")["status"] == "pending"
    assert live("POST", f"/task/{task.id}/cancel").status == 200
    go_on.set()
    thread.join()
    assert fake.tasks.get(task.id).status == "canceled"


def test_a_call_from_python_waits_for_the_labeler(fake: FakeScale) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def label(task: Task) -> dict[str, Any]:
        inside.set()
        assert go_on.wait(10)
        return {"a": 1}

    fake.labeler, fake.turnaround = label, dt.timedelta()
    task = fake.tasks.create("chat")
    thread = threading.Thread(target=fake.tasks._run_due)
    thread.start()
    assert inside.wait(10)
    threading.Timer(0.05, go_on.set).start()
    assert fake.tasks.get(task.id).response == {"a": 1}
    thread.join()


def test_tasks_in_test_mode_have_no_labeler(fake: FakeScale) -> None:
    fake.turnaround = HOUR
    task = fake.test.tasks.create("chat")
    fake.test.tasks.recall(task.id)
    fake.advance(hours=2)
    assert fake.test.tasks.get(task.id).status == "pending"


def test_a_reset_restores_the_first_labeler(noon: time_machine.Traveller) -> None:
    fake = FakeScale(complete_after=HOUR)
    fake.labeler, fake.turnaround = (lambda task: {"mine": True}), None
    fake.reset()
    assert fake.turnaround == HOUR
    task = fake.tasks.create("chat")
    fake.advance(hours=1)
    assert fake.tasks.get(task.id).response != {"mine": True}


@pytest.mark.parametrize("turnaround", [dt.timedelta(-1), dt.timedelta(days=400_000)])
def test_a_turnaround_out_of_range_is_refused(fake: FakeScale, turnaround: dt.timedelta) -> None:
    with pytest.raises(ValueError, match="turnaround"):
        fake.turnaround = turnaround


def test_a_labeler_that_reads_tasks_is_still_called_in_order_of_time(fake: FakeScale) -> None:
    order: list[Any] = []

    def label(task: Task) -> dict[str, Any]:
        assert fake.tasks.get(task.id).status == "pending"
        order.append(task.params["n"])
        return {"seen": len(fake.tasks.list(status="completed"))}

    fake.labeler, fake.turnaround = label, HOUR
    for number in range(400):
        fake.tasks.create("chat", n=number)
    fake.advance(hours=2)
    assert order == list(range(400))
    assert [task.response for task in reversed(fake.tasks.list())] == [
        {"seen": number} for number in range(400)
    ]


def test_a_labeler_that_sends_requests_labels_one_task_at_a_time(fake: FakeScale) -> None:
    order: list[Any] = []

    def label(task: Task) -> dict[str, Any]:
        before = len(order)
        requests.get(f"{fake.url}/tasks", auth=(fake.api_key, ""), timeout=10).raise_for_status()
        assert len(order) == before
        order.append(task.params["n"])
        return {}

    fake.labeler, fake.turnaround = label, HOUR
    with fake.serve():
        for number in range(30):
            fake.tasks.create("chat", n=number)
        fake.advance(hours=2)
    assert order == list(range(30))


def test_tasks_of_all_accounts_are_labeled_in_order_of_time_after_a_jump(
    noon: time_machine.Traveller,
) -> None:
    fake, order = FakeScale(), []

    def label(task: Task) -> dict[str, Any]:
        order.append(task.params["n"])
        return {}

    fake.labeler = label
    fake.turnaround = lambda task: dt.timedelta(hours=task.params["n"])
    for account, number in (("a", 3), ("b", 1), ("a", 2), ("c", 4)):
        fake.account(account).tasks.create("chat", n=number)
    noon.shift(3.5 * 3600)
    assert len(fake.account("a").tasks.list(status="completed")) == 2
    assert order == [1, 2, 3]


def test_a_labeler_can_use_the_api_while_a_callback_is_sent_again(fake: FakeScale) -> None:
    def label(task: Task) -> dict[str, Any]:
        requests.get(f"{fake.url}/tasks", auth=(fake.api_key, ""), timeout=5).raise_for_status()
        return {}

    fake.labeler = label
    with fake.serve():
        done = fake.tasks.complete(fake.tasks.create("chat", callback_url="a@b").id)
        due = fake.tasks.create("chat")
        fake.turnaround = dt.timedelta()
        fake.tasks.send_callback(done.id)
        assert fake.tasks.get(due.id).status == "completed"


@pytest.mark.parametrize("result", [ZeroDivisionError("why"), 5, "soon"])
def test_a_failing_turnaround_fails_the_task(fake: FakeScale, result: Any) -> None:
    def turnaround(task: Task) -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    fake.turnaround = turnaround
    task = fake.tasks.create("chat")
    failed = fake.tasks.get(task.id)
    assert (task.status, failed.status) == ("pending", "error")
    assert failed.response is not None
    assert ("why" if isinstance(result, Exception) else repr(result)) in failed.response["error"]


def test_a_turnaround_may_use_the_api(fake: FakeScale) -> None:
    def turnaround(task: Task) -> dt.timedelta:
        requests.get(f"{fake.url}/tasks", auth=(fake.api_key, ""), timeout=5).raise_for_status()
        return HOUR

    with fake.serve():
        fake.turnaround = turnaround
        task = fake.tasks.create("chat")
        fake.advance(hours=1)
        fake.tasks.recall(task.id)
        fake.advance(hours=1)
    assert fake.tasks.get(task.id).status == "completed"


def test_no_labeler_works_in_a_forgotten_account(fake: FakeScale) -> None:
    asked: list[str] = []

    def label(task: Task) -> dict[str, Any]:
        asked.append(task.id)
        return {}

    fake.labeler, fake.turnaround = label, HOUR
    fake.account("other").tasks.create("chat")
    mine = fake.tasks.create("chat")
    fake.reset("other")
    fake.advance(hours=2)
    assert asked == [mine.id]


def test_a_response_made_of_params_must_not_be_too_deep(fake: FakeScale) -> None:
    deep: Any = 1
    for _ in range(MAX_DEPTH - 1):
        deep = [deep]
    fake.labeler, fake.turnaround = lambda task: {"a": [[task.params["x"]]]}, dt.timedelta()
    task = fake.tasks.create("chat", x=deep)
    assert fake.tasks.get(task.id).status == "error"
    assert "nested deeper" in str(fake.tasks.get(task.id).response)


def test_work_on_a_staging_batch_begins_when_it_is_finalized(fake: FakeScale) -> None:
    fake.turnaround = dt.timedelta(hours=2)
    fake.projects.create(type="chat", name="p", rapid=True)
    fake.batches.create(project="p", name="b")
    task = fake.tasks.create("chat", batch="b")
    fake.advance(hours=3)
    assert fake.tasks.get(task.id).status == "pending"
    fake.batches.finalize("b")
    fake.advance(hours=1, minutes=59)
    assert fake.tasks.get(task.id).status == "pending"
    fake.turnaround = dt.timedelta(hours=2)  # schedules all pending tasks anew
    loaded = FakeScale()
    loaded.load(fake.dump())
    for one in (fake, loaded):
        one.advance(minutes=1)
        assert one.tasks.get(task.id).status == "completed"
        assert one.batches.get("b").status == "completed"


def test_a_dump_of_a_staging_batch_waits_too(fake: FakeScale) -> None:
    fake.turnaround = dt.timedelta(hours=2)
    fake.projects.create(type="chat", name="p", rapid=True)
    fake.batches.create(project="p", name="b")
    fake.tasks.create("chat", batch="b")
    loaded = FakeScale(complete_after=dt.timedelta(hours=2))
    loaded.load(fake.dump())
    loaded.advance(hours=9)
    assert [task.status for task in loaded.tasks] == ["pending"]
    loaded.batches.finalize("b")
    loaded.advance(hours=2)
    assert [task.status for task in loaded.tasks] == ["completed"]


def test_the_traceback_of_a_bug_in_a_labeler_is_kept_and_logged(
    fake: FakeScale, caplog: pytest.LogCaptureFixture
) -> None:
    def label(task: Task) -> Any:
        return task.params["geometry"]

    fake.labeler, fake.turnaround = label, HOUR
    task = fake.tasks.create("chat")
    fake.advance(hours=1)
    failed = fake.tasks.get(task.id)
    assert failed.response == {"error": "'geometry'"}
    assert failed.traceback is not None
    assert 'task.params["geometry"]' in failed.traceback
    assert f"the labeler raised an exception for task {task.id}" in caplog.text
    assert failed.traceback in caplog.text
    assert "traceback" not in failed.to_json()
    loaded = FakeScale()
    loaded.load(fake.dump())
    assert loaded.tasks.get(task.id).traceback == failed.traceback


def test_the_traceback_of_a_turnaround_is_kept_too(fake: FakeScale) -> None:
    fake.turnaround = lambda task: task.params["hours"]
    task = fake.tasks.get(fake.tasks.create("chat").id)
    assert task.status == "error"
    assert "KeyError: 'hours'" in (task.traceback or "")


def test_a_labeler_fails_a_task_on_purpose(
    fake: FakeScale, caplog: pytest.LogCaptureFixture
) -> None:
    def label(task: Task) -> Any:
        raise TaskFailure("blurred", attachments=[{"statusCode": 403}])

    fake.labeler, fake.turnaround = label, HOUR
    task = fake.tasks.create("chat")
    fake.advance(hours=1)
    failed = fake.tasks.get(task.id)
    assert failed.response == {"error": "blurred", "attachments": [{"statusCode": 403}]}
    assert (failed.traceback, caplog.text) == (None, "")
    with pytest.raises(BadRequest, match="not JSON"):
        TaskFailure("blurred", attachments={1, 2})
