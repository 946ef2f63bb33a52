"""The summary of a fake, and what the page asks beside it."""

import datetime as dt

import hypothesis
import hypothesis.strategies as st
import pytest
import time_machine

from fakescale import BadRequest, FakeScale, NotFound
from tests.conftest import NOON
from tests.support import Caller

MOVES = ("create", "complete", "fail", "cancel", "recall", "delete", "load", "restore")


def recounted(fake: FakeScale) -> dict[str, int]:
    found: dict[str, int] = {}
    for task in fake.tasks.list():
        found[str(task.status)] = found.get(str(task.status), 0) + 1
    return found


@hypothesis.given(moves=st.lists(st.sampled_from(MOVES), max_size=12), data=st.data())
def test_the_numbers_are_those_of_the_tasks(moves: list[str], data: st.DataObject) -> None:
    fake = FakeScale(seed="tests")
    fake.projects.create("p", type="chat")
    for move in moves:
        if move == "create":
            fake.tasks.create("chat", project="p")
        elif move == "restore":
            fake.load(fake.dump())
        elif tasks := fake.tasks.list():
            task = data.draw(st.sampled_from(tasks))
            if move == "load":
                fake.tasks.load([{**task.to_json(), "task_id": f"{len(fake.events):024x}"}])
                continue
            try:
                getattr(fake.tasks, move)(task)
            except BadRequest:
                continue
    told = fake.summary()
    assert told is not None
    assert dict(told.statuses) == recounted(fake)
    assert told.tasks == len(fake.tasks) == sum(told.types.values()) == sum(told.projects.values())


def test_callbacks_are_counted_by_state(fake: FakeScale) -> None:
    for address in ("a@example.com", "http://www.example.com/x", "http://127.0.0.1:9/x"):
        fake.tasks.complete(fake.tasks.create("chat", callback_url=address))
    fake.callbacks.deliver()
    told = fake.summary()
    assert told is not None
    assert told.callbacks == {"recorded": 1, "not sent": 1, "owed": 1}
    assert told.next_due == fake.next_due() == fake.callbacks.list(state="owed")[0].next_at
    fake.advance(days=2)
    assert fake.callbacks.counts(fake._account) == {"recorded": 1, "not sent": 1, "failed": 1}
    assert fake.callbacks.counts("other") == {}
    unsent = "not sent: www.example.com is not allowed"
    assert [it.state for it in fake.callbacks.list(limit=2)] == [unsent, "failed"]
    fake.reset(account=fake._account)
    assert fake.callbacks.counts(fake._account) == {}
    with pytest.raises(ValueError, match="limit must be at least 1"):
        fake.callbacks.list(limit=0)


def test_nothing_is_told_again_until_something_happens(fake: FakeScale) -> None:
    first = fake.summary()
    assert first is not None
    assert first.number == 0
    fake.tasks.create("chat")
    second = fake.summary(first.number)
    assert second is not None
    assert fake.summary(second.number) is None
    fake.stop_clock()
    third = fake.summary(second.number)
    assert third is not None
    assert third.is_stopped
    fake.reset()
    assert fake.summary(third.number) is not None


def test_a_summary_completes_what_is_due() -> None:
    with time_machine.travel(NOON) as noon:
        fake = FakeScale(complete_after=dt.timedelta(seconds=5))
        fake.tasks.create("chat")
        due = fake.next_due()
        assert due == dt.datetime(2024, 2, 29, 12, 0, 5, tzinfo=dt.UTC)
        noon.shift(6)
        told = fake.summary()
        assert told is not None
        assert told.statuses == {"completed": 1}


def test_a_page_of_tasks_goes_on_at_its_token(fake: FakeScale) -> None:
    made = [fake.tasks.create("chat", tags=[str(number % 2)]).id for number in range(5)]
    first = fake.tasks.page(2)
    second = fake.tasks.page(2, first.next_token)
    last = fake.tasks.page(2, second.next_token)
    assert [it.id for part in (first, second, last) for it in part.docs] == made[::-1]
    assert (first.total, last.next_token) == (5, None)
    assert [it.id for it in fake.tasks.page(tags="1").docs] == [made[3], made[1]]
    for wrong in ({"limit": 0}, {"limit": 101}, {"next_token": "x"}, {"status": "x"}):
        with pytest.raises(BadRequest):
            fake.tasks.page(**wrong)
    with pytest.raises(TypeError, match="'colour' is not a filter"):
        fake.tasks.page(colour="red")  # type: ignore[call-arg]


def test_events_come_in_pages(fake: FakeScale) -> None:
    for _ in range(5):
        fake.tasks.create("chat")
    numbers = [it.number for it in fake.events]
    assert [it.number for it in fake.events(limit=2)] == numbers[-2:]
    assert [it.number for it in fake.events(before=numbers[3], limit=2)] == numbers[1:3]
    assert [it.number for it in fake.events(after=numbers[0], before=numbers[2])] == [numbers[1]]
    with pytest.raises(ValueError, match="limit must be at least 1"):
        fake.events(limit=0)


def test_a_request_is_explained(fake: FakeScale) -> None:
    call = Caller(fake)
    call(
        "POST",
        "/task/imageannotation",
        {"attachment": "http://e.x/a", "geometries": 5, "geometry": {}},
    )
    call("GET", "/taks")
    call("GET", "/tasks")
    bad, lost, good = (fake.explain(it.number) for it in fake.events(kind="request"))
    assert (bad.route, bad.nearest, bad.member) == ("POST /v1/task/<type>", None, "geometries")
    assert bad.source == "documented up to its reason"
    assert bad.unknown == ('unknown member "geometry": did you mean "geometries"?',)
    call("POST", "/task/imageannotation", {})
    assert fake.explain(fake.events.total).member == "attachment"
    assert (lost.route, lost.nearest, lost.source) == (None, "GET /v1/tasks", "guessed")
    assert good == ("GET /v1/tasks", None, None, None, None, ())
    assert fake.nearest("post", "/v1/task/imageanotation") == "POST /v1/task/<type>"
    with pytest.raises(NotFound, match="no request 99"):
        fake.explain(99)
