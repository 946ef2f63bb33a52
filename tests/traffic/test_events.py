"""The log of events."""

import datetime as dt
import threading
from typing import Any

import pytest

from fakescale import FakeScale, RemoteFakeScale, TaskFailure
from fakescale.traffic.events import Events
from fakescale.values.clock import Clock
from tests.support import Caller


def told(fake: FakeScale, **chosen: Any) -> list[tuple[Any, ...]]:
    """Return the kind and the main details of events."""
    names = ("by", "was", "status", "state", "reason", "error", "seconds")
    return [
        (it.kind, *(it.what[name] for name in names if it.what.get(name) is not None))
        for it in fake.events(**chosen)
    ]


def test_a_task_s_events_say_who_changed_it(fake: FakeScale, live: Caller) -> None:
    fake.labeler = lambda task: {"annotations": []}
    fake.turnaround = dt.timedelta(hours=1)
    labeled = live.create()["task_id"]
    fake.advance(hours=1)
    live("PUT", f"/task/{labeled}/tags", ["a"])
    live("PUT", f"/task/{labeled}/tags", ["a"])  # changes nothing
    assert told(fake, kind="task", subject=labeled) == [
        ("task changed", "client", "pending"),
        ("task changed", "labeler", "pending", "completed"),
        ("task changed", "client", "completed", "completed"),
    ]
    with fake.serve():
        remote = RemoteFakeScale(fake.url)
        made = remote.tasks.create("chat")
        fake.tasks.fail(made)
    assert told(fake, kind="task", subject=made) == [
        ("task changed", "test", "pending"),
        ("task changed", "test", "pending", "error"),
    ]
    Caller(fake, fake.test_api_key).create()
    assert told(fake, kind="task")[-1] == ("task changed", "client", "completed")


def test_a_batch_s_events_say_how_its_status_changed(fake: FakeScale, live: Caller) -> None:
    fake.projects.create("p", type="chat", rapid=True)
    fake.batches.create("b", project="p")
    task = fake.tasks.create("chat", project="p", batch="b")
    live("POST", "/batches/b/finalize")
    for move in ("pause", "resume", "pause", "pause"):  # the last is refused
        live("POST", f"/v2/batch/{move}", {"batch_name": "b"})
    fake.batches.resume("b")
    fake.batches.archive("b")  # no change of its status
    fake.tasks.complete(task)
    assert told(fake, kind="batch", subject="b") == [
        ("batch changed", "test", "staging"),
        ("batch changed", "client", "staging", "in_progress"),
        ("batch changed", "client", "in_progress", "paused"),
        ("batch changed", "client", "paused", "in_progress"),
        ("batch changed", "client", "in_progress", "paused"),
        ("batch changed", "test", "paused", "in_progress"),
        ("batch changed", "test", "in_progress", "completed"),
    ]
    [last] = fake.events(kind="batch changed")[-1:]
    assert (last.what["project"], last.what["is_test"]) == ("p", False)
    assert fake.events[-1] == last  # after the change of its last task
    fake.test.projects.create("q", type="chat")
    fake.test.batches.cancel(fake.test.batches.create("c", project="q"))
    assert told(fake, subject="c")[-1] == ("batch changed", "test", "in_progress", "cancelled")
    assert fake.events[-1].what["is_test"]


def test_a_project_s_events_say_what_was_done_to_it(fake: FakeScale, live: Caller) -> None:
    live("POST", "/projects", {"type": "chat", "name": "p"})
    live("POST", "/projects/p/setParams", {"instruction": "i"})
    live("POST", "/projects/p/setOntology", {"ontology": ["a"]})
    live("POST", "/projects/p/setOntology", {"ontology": 5})  # refused
    fake.projects.set_template("p", {})
    fake.projects.describe("p", types=["SFT"])
    fake.projects.archive("p")
    events = fake.events(kind="project", subject="p")
    assert [(it.what["by"], it.what["action"]) for it in events] == [
        ("client", "create"),
        ("client", "set_params"),
        ("client", "set_ontology"),
        ("test", "set_template"),
        ("test", "describe"),
        ("test", "archive"),
    ]
    assert events[0].what["type"] == "chat"


def test_a_request_s_event_has_its_task_its_time_and_its_exchange(
    fake: FakeScale, live: Caller
) -> None:
    key = {"Idempotency-Key": "k"}
    ids = [live("POST", "/task/chat", {}, headers=key).json["task_id"] for _ in range(2)]
    live("GET", f"/task/{ids[0]}")
    live("POST", "/task/chat", {"unique_id": 5})
    live("GET", "/batches/monday")
    events = fake.events(kind="request")
    assert [it.subject for it in events] == [ids[0], ids[0], ids[0], None, "monday"]
    assert [it.exchange for it in events] == list(fake.requests)
    assert {it.account for it in events} == {"fakescale"}
    assert all(0 < it.what["duration"] < 10 for it in events)
    assert fake.events(subject=ids[0])[0].kind == "task changed"


def test_labelers_that_raise_are_events_with_their_traceback(fake: FakeScale) -> None:
    def label(task: Any) -> Any:
        raise (TaskFailure("blurred") if task.unique_id else KeyError("x"))

    fake.labeler, fake.turnaround = label, dt.timedelta(0)
    failed = fake.tasks.create("chat")
    fake.tasks.create("chat", unique_id="u")
    assert len(fake.tasks.list(status="error")) == 2
    [event] = fake.events(kind="labeler raised")
    assert (event.subject, event.account) == (failed.id, "fakescale")
    assert event.what["traceback"] == fake.tasks.get(failed).traceback

    fake.labeler, fake.turnaround = lambda task: None, lambda task: 5  # type: ignore[assignment,return-value]
    broken = fake.tasks.create("chat")
    assert told(fake, subject=broken)[1:] == [
        ("labeler raised",),
        ("task changed", "labeler", "pending", "error"),
    ]


def test_a_labeler_may_raise_an_exception_of_pytest(fake: FakeScale) -> None:
    def label(task: Any) -> Any:
        pytest.fail("no")

    fake.labeler, fake.turnaround = label, dt.timedelta(0)
    fake.tasks.create("chat")
    with pytest.raises(BaseException, match="no"):
        _ = fake.tasks.list()
    [event] = fake.events(kind="labeler")
    assert event.what["traceback"].endswith("Failed: no")


def test_callbacks_are_events(fake: FakeScale, callback_receiver: Any) -> None:
    callback_receiver.answer(500)
    for url in (callback_receiver.url, "http://consumer/", "a@example.com"):
        fake.tasks.complete(fake.tasks.create("chat", callback_url=url))
    fake.callbacks.deliver()
    fake.advance(hours=2)
    first, second, third = (it.subject for it in fake.callbacks)
    assert told(fake, kind="callback", subject=first) == [
        ("callback owed",),
        ("callback tried", 500),
        ("callback tried", 200),
        ("callback settled", "done"),
    ]
    assert told(fake, kind="callback", subject=second) == [
        ("callback owed",),
        ("callback not sent", "consumer is not allowed"),
    ]
    assert told(fake, kind="callback", subject=third) == [("callback owed",)]


def test_faults_and_the_clock_are_events(fake: FakeScale, live: Caller) -> None:
    with fake.faults.add(status=503, path="/v1/tasks", account=fake.world().key.account) as fault:
        live("GET", "/tasks")
    fake.stop_clock()
    fake.advance(hours=1)
    fake.start_clock()
    assert [kind for kind, *_ in told(fake)] == [
        "fault added",
        "fault struck",
        "request",
        "fault removed",
        "clock stopped",
        "clock moved",
        "clock started",
    ]
    assert len(fake.events(kind="fault", subject=fault.id)) == 3
    assert fake.events[0].what == {"status": 503, "path": "/v1/tasks"}


def test_a_reset_forgets_earlier_events_but_never_reuses_a_number(fake: FakeScale) -> None:
    for name in ("a", "b"):
        fake.account(name).tasks.create("chat")
    fake.reset("a")
    assert [(it.number, it.account, it.kind) for it in fake.events] == [
        (2, "b", "task changed"),
        (3, "a", "state reset"),
    ]
    fake.load(fake.dump())
    assert [(it.number, it.kind) for it in fake.events] == [(4, "state loaded")]
    fake.reset()
    fake.load([])
    assert [(it.number, it.kind) for it in fake.events] == [(5, "state reset"), (6, "state loaded")]


def test_an_account_s_events_include_those_of_all_accounts(fake: FakeScale) -> None:
    fake.account("a").tasks.create("chat")
    fake.account("b").tasks.create("chat")
    fake.advance(hours=1)
    Caller(fake, "nobody")("GET", "/tasks")
    assert [it.number for it in fake.events(account="a")] == [1, 3]
    assert [it.number for it in fake.events(account="c")] == [3]


def test_the_log_is_a_sequence() -> None:
    events = Events(Clock())
    for n in range(4):
        events._note("clock moved", seconds=n)
    whole = events.list()
    assert [it.number for it in events] == [1, 2, 3, 4]
    assert (events[0], events[-1], events[1:3]) == (whole[0], whole[3], whole[1:3])
    assert list(reversed(events)) == whole[::-1]
    assert events(after=2) == events.list(after=2) == whole[2:]
    assert (events(after=4), events.total, len(events)) == ([], 4, 4)
    with pytest.raises(IndexError):
        _ = events[4]
    with pytest.raises(ValueError, match="kind must be one of"):
        events(kind="clok")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        events.list(knd="clock")  # type: ignore[call-arg]


def test_old_events_are_dropped_by_number_and_by_bytes() -> None:
    events = Events(Clock(), max_events=3)
    for _ in range(5):
        events._note("clock moved")
    assert [it.number for it in events] == [3, 4, 5]
    events = Events(Clock(), max_bytes=5_000)
    for _ in range(5):
        events._note("labeler raised", "t", traceback="x" * 2_000)
    assert [it.number for it in events] == [4, 5]
    events._note("labeler raised", "t", traceback="x" * 9_000)
    assert [it.number for it in events] == [6]
    events._note("clock moved")
    assert [it.number for it in events] == [7]


def test_an_event_that_comes_later_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    events = Events(Clock())
    events._note("clock moved")
    assert events.wait_for(kind="clock").number == 1
    waits, wait = threading.Event(), events._changed.wait

    def waiting(timeout: float) -> bool:
        waits.set()  # the lock is held until the wait begins
        return wait(timeout)

    def note() -> None:
        waits.wait(10)
        events._note("clock stopped")
        events._note("clock moved")

    thread = threading.Thread(target=note)
    monkeypatch.setattr(events._changed, "wait", waiting)
    thread.start()
    assert events.wait_for(kind="clock moved", after=1).number == 3
    thread.join()
    with pytest.raises(AssertionError, match="kind='fault', subject='5'"):
        events.wait_for(kind="fault", subject="5", timeout=0)


def test_an_event_s_text_shows_no_key(fake: FakeScale, live: Caller) -> None:
    live("GET", "/tasks")
    fake.tasks.complete(fake.tasks.create("chat", callback_url="http://me:secret@127.0.0.1:1/"))
    assert fake.api_key not in repr(fake.events.list())
    assert "secret" not in repr(fake.events.list())
    assert repr(fake.events) == f"<Events: {len(fake.events)} of {fake.events.total}>"
