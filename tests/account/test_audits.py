import pytest

from fakescale import FakeScale
from tests.support import Caller


def test_creating_an_audit_returns_201_and_keeps_the_task(fake: FakeScale, live: Caller) -> None:
    task = fake.tasks.complete(live.create()["task_id"], {})
    body = {"task_id": task.id, "result": "accepted", "response_url": "https://e.com/1", "id": "x"}
    reply = live("PUT", "/audits", body)
    assert reply.status == 201
    [audit] = fake.audits
    own = {"id": audit.id, "task_id": task.id, "created_at": audit.created_at}
    assert reply.json == {**body, **own}
    assert fake.tasks.get(task.id) == task
    assert fake.requests[-1].error is None


def test_audits_are_found_by_task_and_by_id(fake: FakeScale, live: Caller) -> None:
    one, two = (fake.tasks.complete(live.create()["task_id"], {}).id for _ in range(2))
    made = [live("PUT", "/audits", {"task_id": id}).json for id in (one, two, one)]
    assert live.get(f"/audits?task_id={one}") == [made[2], made[0]]
    assert live.get(f"/audits?id={made[1]['id']}") == [made[1]]
    assert live.get(f"/audits?id={made[1]['id']}&task_id={one}") == []
    assert live("GET", "/audits").status == live("GET", "/audits?id=").status == 400


@pytest.mark.parametrize("status", ["pending", "unknown", "absent", "not text"])
def test_only_a_completed_task_can_be_audited(fake: FakeScale, live: Caller, status: str) -> None:
    ids = {"pending": live.create()["task_id"], "unknown": "0" * 24, "not text": 1}
    assert live("PUT", "/audits", {"task_id": ids.get(status)}).status == 400
    assert len(fake.audits) == 0
