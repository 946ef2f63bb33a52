"""Right uses of the helpers: they work, and no checker of types marks any of them."""

import asyncio
import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from scaleapi.tasks import TaskReviewStatus, TaskStatus
from scaleapi.tasks import TaskType as OfficialType

from fakescale import Exchange, FakeFactory, FakeScale, Receiver, Status, Task
from fakescale.account.words import TaskType

HOUR = dt.timedelta(hours=1)


def test_tasks(fakescale: FakeScale) -> None:
    task = fakescale.tasks.create("chat", unique_id="u", metadata={"a": 1})
    official = fakescale.tasks.create(OfficialType.Chat)
    assert fakescale.tasks[0] == official
    assert fakescale.tasks[-1:] == [task]
    assert fakescale.tasks.one(unique_id="u") == fakescale.tasks.get(task) == task
    assert task in fakescale.tasks
    assert task.id in fakescale.tasks
    assert "5f" not in fakescale.tasks
    assert fakescale.tasks.list(type=OfficialType.Chat, status=TaskStatus.Pending) == [
        official,
        task,
    ]
    assert len(fakescale.tasks.list(status=["pending", Status.ERROR], type=["chat"])) == 2
    assert fakescale.tasks.list(start_time=fakescale.now() + HOUR, end_time="2020-01-01") == []
    assert fakescale.tasks.list(tags=["a"], project=None, customer_review_status="fixed") == []
    done = fakescale.tasks.complete(task, response={"annotations": []})
    assert fakescale.tasks.audit(done, accepted=True, comments="fine").audits
    assert fakescale.tasks.audit(done, "rejected", "bad", source="scale").audits
    assert fakescale.tasks.audit(done.id, TaskReviewStatus.Fixed).audits
    assert fakescale.tasks.fail(official, "blurred").response == {"error": "blurred"}


def test_owners(fakescale: FakeScale) -> None:
    project = fakescale.projects.create("drive", type="chat", params={"a": 1}, studio=True)
    batch = fakescale.batches.create("b", project=project, callback="a@example.com")
    assert batch == fakescale.batches.get(batch) == fakescale.batches[0]
    task = fakescale.tasks.create("chat", project=project, batch=batch)
    assert fakescale.tasks.list(project=project, batch=["b", "c"]) == [task]
    [listed] = fakescale.batches.list(status="staging", project="drive")
    assert listed.counts == {"pending": 1}
    assert fakescale.batches.finalize(batch).status == "in_progress"
    assert fakescale.batches.prioritize("b", priority=20).priority == 20
    assert fakescale.projects.archive(project).archived
    mate = fakescale.teammates.add("a@example.com", "manager", company="A")
    assert fakescale.studio.assign(emails=[mate.email], projects=["drive"])
    file = fakescale.files.upload(b"", project_name="drive", metadata={"a": 1})
    assert file in fakescale.files
    assert file.id in fakescale.files
    assert fakescale.files.list(project="drive") == [file]
    done = fakescale.tasks.complete(task)
    audit = fakescale.audits.create(done, result="fixed")
    assert fakescale.audits.list(task_id=task) == [fakescale.audits.get(audit.id)]


def test_the_fake(fakescale: FakeScale, tmp_path: Path) -> None:
    def label(task: Task) -> Mapping[str, Any] | None:
        return {"annotations": []} if task.type == "chat" else None

    fakescale.labeler = label
    fakescale.turnaround = HOUR
    fakescale.turnaround = lambda task: HOUR if task.priority else None
    types: list[TaskType] = ["chat", "multichat"]
    for type in types:
        fakescale.tasks.create(type, priority=10)
    fakescale.advance(HOUR)
    fakescale.advance(hours=0.5, minutes=1)
    assert [task.status for task in fakescale.tasks] == ["pending", "completed"]
    fakescale.disable_type(OfficialType.Chat)
    with pytest.raises(fakescale.PaymentRequired):
        fakescale.tasks.create("chat")
    with pytest.raises(fakescale.ApiError), fakescale.without_backoff():
        fakescale.tasks.get("5f")
    (tmp_path / "dump.json").write_text(json.dumps(fakescale.dump()), "utf-8")
    fakescale.reset()
    fakescale.load(tmp_path / "dump.json")
    fakescale.load(str(tmp_path / "dump.json"))
    assert len(fakescale.tasks) == 2
    fakescale.load([])
    assert FakeScale(limits=fakescale.Limits(max_body=5), complete_after=HOUR).turnaround == HOUR


def test_other_fixtures(
    fakescale_redirect: FakeScale, fakescale_factory: FakeFactory, callback_receiver: Receiver
) -> None:
    with fakescale_factory(seed="x", complete_after=HOUR) as fake:
        requests.get(f"{fake.url}/tasks", auth=(fake.api_key, ""), timeout=10)
        requests.post(f"{fake.url}/task/chat", json={"a": 1}, timeout=10)
        [exchange] = fake.requests.list(method="POST", path="/task/chat", status=401)
        assert isinstance(exchange, Exchange)
        assert exchange.answer_json["status_code"] == 401
        assert fake.requests.list(path="/v1/tasks")[0].answer_json["docs"] == []
        task = fake.tasks.complete(fake.tasks.create("chat", callback_url=callback_receiver.url))
        [received] = callback_receiver.wait_for(1)
        [delivery] = fake.callbacks
        assert received.json == delivery.json
        assert received.body == delivery.body
        assert received.json["task_id"] == task.id
    with fakescale_redirect.faults.add(status=503, times=1) as fault:
        assert fault.hits == 0


def test_asserting_and_waiting(fakescale: FakeScale, callback_receiver: Receiver) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("204 No Content", [])
        return []

    fakescale.callback_url = callback_receiver.forward_to(app, "/scale")
    fakescale.turnaround = fakescale.after_looks(2)
    fakescale.callbacks.duplicate()
    fakescale.callbacks.delay(HOUR)
    fakescale.callbacks.shuffle("x")
    created = fakescale.tasks.create("chat", unique_id="u")
    for _ in range(2):
        requests.get(f"{fakescale.url}/task/{created.id}", auth=(fakescale.api_key, ""), timeout=10)
    with fakescale.sleeping():
        fakescale.advance(HOUR)
    tasks = fakescale.tasks.assert_created("chat", 1, unique_id="u")
    assert tasks == fakescale.tasks.wait_for(status="completed")
    [first, _] = fakescale.callbacks.assert_delivered(tasks[0], "completed", 2)
    assert len(fakescale.callbacks.wait_for(2, subject=tasks[0])) == 2
    assert fakescale.requests.assert_sent("GET", "/task/<task_id>")[0].status == 200
    assert fakescale.requests.wait_for(2, method="GET")[1].target.startswith("/v1/task/")
    assert fakescale.callbacks.redeliver(first, auth_key=False).event == "completed"
    assert fakescale.callbacks.redeliver(first.number, auth_key="wrong").number == 3
    asyncio.run(waits(fakescale, callback_receiver))


async def waits(fakescale: FakeScale, callback_receiver: Receiver) -> None:
    assert [task.type for task in await fakescale.tasks.until(type="chat")] == ["chat"]
    assert (await fakescale.requests.until(path="/task/<task_id>"))[0].method == "GET"
    assert (await fakescale.callbacks.until())[0].state == "done"
    assert (await callback_receiver.until(1))[0].json["status"] == "completed"
    assert (await fakescale.events.until(kind="request")).account is not None
