"""The demo: an account with something of everything to look at."""

import datetime as dt
import json
import logging
import re
import time
from collections import Counter
from typing import Any

import pytest
import time_machine

import fakescale
from fakescale import Conflict, FakeScale, Status
from fakescale.demo import fill


@pytest.fixture(scope="module")
def filled() -> FakeScale:
    fake = FakeScale(seed="demo")
    fill(fake)
    return fake


def test_tasks_of_many_types_are_in_all_states(filled: FakeScale) -> None:
    tasks = filled.tasks.list()
    assert 55 <= len(tasks) <= 80
    assert {it.status for it in tasks} == {*Status}
    assert any(it.work_started for it in tasks if it.status == "pending")
    types = {it.type for it in tasks}
    assert len(types) >= 18
    assert {"imageannotation", "videoannotation", "lidarannotation", "chat"} <= types
    assert {it.customer_review_status for it in tasks} == {
        *("accepted", "fixed", "commented", "rejected"),
        None,
    }
    assert any(it.tags for it in tasks)
    assert all(it.unique_id and it.metadata for it in tasks if it.unique_id)
    assert len(filled.test.tasks) == 1


def test_every_task_is_drawn_and_the_pictures_have_many_labels(filled: FakeScale) -> None:
    for task in filled.tasks:
        drawing = filled.tasks.drawing(task)
        if task.status == "completed":
            assert drawing.total > 0
            assert not any("cannot be drawn" in it.text for it in drawing.shapes)
        if task.type == "imageannotation" and task.status == "completed":
            assert len(drawing.shapes) == 8
            assert "the picture" in fakescale.draw(task)  # its URL tells its size


def test_batches_are_in_staging_in_progress_and_completed(filled: FakeScale) -> None:
    assert {it.name: it.status for it in filled.batches} == {
        "week-12": "completed",
        "week-13": "in_progress",
        "week-14": "staging",
    }
    versions = {it.name: len(it.param_history) for it in filled.projects}
    assert versions["drives"] == 2
    assert [it.name for it in filled.projects.list(archived=True)] == ["old-lanes"]


def test_callbacks_were_delivered_or_are_owed_or_failed_or_were_never_sent(
    filled: FakeScale,
) -> None:
    states = Counter(it.state.partition(":")[0] for it in filled.callbacks)
    assert {*states} == {"done", "owed", "failed", "not sent"}
    tries = [it.attempts for it in filled.callbacks if it.state == "done"]
    assert max(map(len, tries)) == 2  # one was refused first
    assert all(it.attempts and it.next_at for it in filled.callbacks if it.state == "owed")


def test_the_journal_tells_of_good_wrong_and_struck_requests(filled: FakeScale) -> None:
    assert {it.status for it in filled.requests} == {200, 400, 401, 404, 503}
    assert any(it.fault for it in filled.requests)
    [fault] = filled.faults
    assert fault.hits == 1


def test_the_history_ends_now_and_spans_a_day(filled: FakeScale) -> None:
    assert abs(filled.now().timestamp() - time.time()) < 60
    moments = [it.created_at for it in filled.tasks]
    assert len({it[:13] for it in moments}) > 20  # hours


def test_a_seed_determines_the_content() -> None:
    def content(seed: Any) -> str:
        with time_machine.travel("2026-01-01T12:00:00Z", tick=False):
            fake = FakeScale(seed=7)
            fill(fake, seed=seed)
            return re.sub(r"127\.0\.0\.1:\d+", "host", json.dumps(fake.dump()["accounts"]))

    assert content(1) == content(1)
    assert content(1) != content(2)


def test_a_fake_with_tasks_keeps_its_clock_and_is_filled_once() -> None:
    fake = FakeScale()
    fake.tasks.create("chat")
    before = fake.now()
    fill(fake)
    assert 29 < (fake.now() - before).total_seconds() / 3600 < 31
    count = len(fake.tasks)
    with pytest.raises(Conflict):
        fill(fake)
    assert len(fake.tasks) == count
    assert fake.tasks[-1].created_at <= fake.tasks[0].created_at


def test_pending_tasks_stay_pending_and_new_ones_are_labeled() -> None:
    fake = FakeScale(complete_after=dt.timedelta(hours=1))
    fill(fake)
    pending = len(fake.tasks.list(status="pending"))
    assert pending > 10
    fake.tasks.create("chat")
    fake.advance(hours=1)
    assert len(fake.tasks.list(status="pending")) == pending


def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "fakescale"):
        fill(FakeScale())
        assert caplog.records == []
        log = logging.getLogger("fakescale")
        assert not log.disabled
