"""The moves of batches by clients of v2: each pair of a status and an action, and its tasks."""

import datetime as dt
from typing import get_args

import pytest

from fakescale import BadRequest, FakeScale
from fakescale.account.batches import TRANSITIONS, Batch
from fakescale.account.words import BatchStatus
from tests.support import Caller

ACTIONS = ("finalize", "pause", "resume", "cancel")
HOUR = dt.timedelta(hours=1)


def batch_in(fake: FakeScale, status: str) -> Batch:
    """Return a batch in a status, with a task that is pending unless the batch is completed."""
    fake.projects.create("p", type="chat")
    batch = fake.batches._create({"name": "b", "project": "p"}, staged=status == "staging")
    fake.tasks.create("chat", batch="b")
    if status == "completed":
        fake.tasks.complete(fake.tasks[0])
    elif status != "staging":
        for action in {"paused": ["pause"], "cancelled": ["cancel"]}.get(status, []):
            fake.batches._act(batch, action)
    batch = fake.batches.get("b")
    assert batch.status == status
    return batch


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("status", get_args(BatchStatus))
def test_each_move_follows_the_table(fake: FakeScale, status: str, action: str) -> None:
    batch = batch_in(fake, status)
    after = TRANSITIONS.get((status, action))
    if after is None:
        with pytest.raises(BadRequest, match=f'"b" is {status} and cannot be'):
            fake.batches._act(batch, action)
        assert fake.batches.get("b") == batch
    else:
        assert fake.batches._act(batch, action).status == after


def test_a_paused_batch_holds_its_unstarted_tasks() -> None:
    fake = FakeScale(complete_after=HOUR)
    batch_in(fake, "in_progress")
    [waiting] = fake.tasks
    started = fake.tasks.start(fake.tasks.create("chat", batch="b"))
    fake.batches.pause("b")
    late = fake.tasks.create("chat", batch="b")  # guessed: accepted, but not begun
    fake.advance(hours=2)
    assert [fake.tasks.get(it).status for it in (waiting, started, late)] == [
        "pending",
        "completed",
        "pending",
    ]
    assert fake.batches.resume("b").status == "in_progress"
    fake.advance(minutes=59)
    assert fake.tasks.get(waiting).status == "pending"
    fake.advance(minutes=1)
    assert fake.batches.get("b").status == "completed"


def test_a_new_turnaround_starts_no_task_of_a_paused_batch(fake: FakeScale) -> None:
    batch_in(fake, "paused")
    fake.turnaround = dt.timedelta()
    assert fake.tasks[0].status == "pending"
    fake.batches.resume("b")
    assert fake.tasks[0].status == "completed"


def test_a_paused_batch_whose_last_task_is_done_is_completed_when_resumed(fake: FakeScale) -> None:
    batch_in(fake, "paused")
    fake.tasks.complete(fake.tasks[0])
    assert fake.batches.get("b").status == "paused"
    resumed = fake.batches.resume("b")
    assert (resumed.status, resumed.completed_at is not None) == ("completed", True)


def test_a_cancelled_batch_cancels_its_unstarted_tasks(fake: FakeScale) -> None:
    batch_in(fake, "in_progress")
    started = fake.tasks.start(fake.tasks.create("chat", batch="b", unique_id="u"))
    fake.batches.cancel("b")
    assert [str(it.status) for it in fake.tasks] == ["pending", "canceled"]
    fake.tasks.complete(started)
    batch = fake.batches.get("b")
    assert (batch.status, batch.completed_at) == ("cancelled", None)
    assert (batch.counts["canceled"], batch.counts["completed"]) == (1, 1)
    with pytest.raises(BadRequest, match='"batch" must not be cancelled'):
        fake.tasks.create("chat", batch="b")


def test_a_batch_without_tasks_stays_in_progress_when_paused(fake: FakeScale) -> None:
    fake.projects.create("p", type="chat")
    batch = fake.batches.create("b", project="p")
    assert fake.batches.pause(batch) == batch


def test_v1_shows_and_filters_the_statuses_of_v2(fake: FakeScale) -> None:
    batch_in(fake, "paused")
    live = Caller(fake)
    assert live.get("/batches/b")["status"] == "paused"
    assert live.get("/batches?status=paused,cancelled")["total"] == 1
    assert live("POST", "/batches/b/finalize").json["status"] == "paused"  # never was in staging
    fake.batches.cancel("b")
    assert live.get("/batches/b/status")["status"] == "cancelled"


def test_v1_finalizes_a_batch_that_v2_staged(fake: FakeScale) -> None:
    batch_in(fake, "staging")
    live = Caller(fake)
    assert live("POST", "/batches/b/finalize").json["status"] == "in_progress"
    assert live("POST", "/batches/b/finalize").status == 400


def test_metadata_merges_deeply(fake: FakeScale) -> None:
    batch_in(fake, "in_progress")
    fake.batches.set_metadata("b", {"a": {"b": 1, "l": [1]}, "s": 1})
    new = {"a": {"c": None, "l": [2]}, "s": {"x": 1}}
    merged = {"a": {"b": 1, "c": None, "l": [2]}, "s": {"x": 1}}
    assert fake.batches.set_metadata("b", new, merge=True).metadata == merged
    task = fake.tasks[0]
    fake.tasks.set_metadata(task, {"a": {"b": 1, "l": [1]}, "s": 1})
    assert fake.tasks.set_metadata(task, new, merge=True).metadata == merged
    assert fake.tasks.set_metadata(task, new).metadata == new
    fake.tasks.set_metadata(task, {"x": "n" * 9_000})
    with pytest.raises(BadRequest, match='"metadata"'):  # the result keeps to the limit
        fake.tasks.set_metadata(task, {"y": "n" * 9_000}, merge=True)


def test_the_state_of_batches_survives_a_dump() -> None:
    fake = FakeScale(complete_after=HOUR)
    batch_in(fake, "paused")
    other = FakeScale()
    other.load(fake.dump())
    other.advance(hours=2)
    assert (other.tasks[0].status, other.batches.get("b").status) == ("pending", "paused")
    other.batches.resume("b")
    other.advance(hours=1)
    assert other.batches.get("b").status == "completed"
