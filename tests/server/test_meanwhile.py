"""What takes long, or may make requests, lets others be served by itself."""

import contextlib
import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
import werkzeug.test

from fakescale import FakeScale
from fakescale.account import tasks
from fakescale.values.environ import GIVE_WAY

Ask = Callable[..., int]


@pytest.fixture
def ask(fake: FakeScale) -> Ask:
    """Return what asks the fake, and returns how often it gave way meanwhile."""
    client = werkzeug.test.Client(fake)

    def ask(method: str, path: str, json: Any = None) -> int:
        times: list[None] = []
        reply = client.open(
            path,
            method=method,
            json=json,
            headers={"Authorization": f"Bearer {fake.api_key}"},
            environ_overrides={GIVE_WAY: lambda: times.append(None)},
        )
        assert reply.status_code == 200, reply.text
        return len(times)

    return ask


def test_most_requests_do_not_give_way(fake: FakeScale, ask: Ask) -> None:
    fake.turnaround = dt.timedelta(days=1)
    assert ask("POST", "/v1/task/chat", {}) == 0
    assert ask("GET", "/v1/tasks?status=pending") == 0
    assert ask("GET", "/_fakescale/health") == 0


def test_a_control_call_gives_way(ask: Ask) -> None:
    assert ask("POST", "/_fakescale/advance", {"seconds": 1}) == 1


def test_a_delay_gives_way(fake: FakeScale, ask: Ask) -> None:
    fake.faults.add(delay=0.001)
    assert ask("GET", "/v1/tasks") == 1


def test_a_turnaround_and_a_labeler_give_way(fake: FakeScale, ask: Ask) -> None:
    fake.turnaround = lambda _: dt.timedelta()
    fake.labeler = lambda _: {"done": True}
    assert ask("POST", "/v1/task/chat", {}) == 1
    assert ask("GET", "/v1/tasks") == 1


def test_a_filter_over_many_tasks_gives_way(
    fake: FakeScale, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "_MANY", 2)
    for n in range(3):
        fake.tasks.create("chat", unique_id=f"u{n}")
    assert ask("GET", "/v1/tasks?status=pending") == 1
    assert ask("GET", "/v1/tasks?unique_id=u1") == 0
    assert ask("GET", "/v1/tasks") == 0


def test_a_server_that_has_no_other_thread_need_not_know(fake: FakeScale) -> None:
    client = werkzeug.test.Client(fake)
    with contextlib.closing(client.post("/_fakescale/advance", json={"seconds": 1})) as reply:
        assert reply.status_code == 200
