"""Callbacks that a test wants twice, late, out of order, or from somebody else."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from fakescale import FakeScale, NotFound, Receiver, RemoteFakeScale

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def fake(callback_receiver: Receiver) -> Iterator[FakeScale]:
    fake = FakeScale()
    fake.stop_clock()
    fake.callback_url = callback_receiver.url
    yield fake
    fake.callbacks._stop(for_good=True)


def complete(fake: Any, *names: str) -> None:
    for name in names:
        fake.tasks.complete(fake.tasks.create("chat", unique_id=name))


def came(receiver: Receiver) -> list[str]:
    """Return the unique_ids in the callbacks that the receiver got."""
    return [it.json["task"]["unique_id"] for it in receiver.received]


def test_a_callback_is_sent_again(fake: FakeScale, callback_receiver: Receiver) -> None:
    complete(fake, "a", "b")
    fake.callbacks.deliver()
    fake.advance(HOUR)
    for callback in (0, fake.callbacks[0]):
        again = fake.callbacks.redeliver(callback)
        assert (again.state, again.attempts, again.owed_at) == ("owed", (), fake.now())
    assert [it.number for it in fake.callbacks.deliver()] == [2, 3]
    assert came(callback_receiver) == ["a", "b", "a", "a"]
    first, *_, last = callback_receiver.received
    assert first.body == last.body
    assert dict(first.headers) == dict(last.headers)
    with pytest.raises(NotFound, match="There is no callback 9"):
        fake.callbacks.redeliver(9)


def test_a_callback_is_sent_with_a_wrong_auth_key_or_none(
    fake: FakeScale, callback_receiver: Receiver
) -> None:
    complete(fake, "a")
    fake.callbacks.deliver()
    for key in ("wrong", "", False, True):
        fake.callbacks.redeliver(0, auth_key=key)
    fake.callbacks.deliver()
    right = fake.callback_auth_key
    keys = [it.headers.get("scale-callback-auth") for it in callback_receiver.received]
    assert keys == [right, "wrong", "", None, right]
    for bad in ("a\r\nb", "é"):
        with pytest.raises(ValueError, match="printable ASCII"):
            fake.callbacks.redeliver(0, auth_key=bad)


def test_a_callback_that_is_sent_again_leaves_the_task_alone(
    fake: FakeScale, callback_receiver: Receiver
) -> None:
    complete(fake, "a")
    fake.callbacks.deliver()
    callback_receiver.answer(403)
    fake.callbacks.redeliver(0, auth_key="wrong")
    fake.callbacks.deliver()
    assert fake.callbacks[1].attempts[0].status == 403
    assert fake.tasks[0].callback_succeeded
    fake.advance(hours=25)  # it is retried, with the same key
    keys = [it.headers["scale-callback-auth"] for it in callback_receiver.received[1:]]
    assert keys == ["wrong"] * 2


def test_an_email_and_a_host_that_is_not_allowed_stay_unsent(
    fake: FakeScale, caplog: pytest.LogCaptureFixture
) -> None:
    for url, state in (
        ("a@example.com", "recorded"),
        ("http://example.com/", "not sent: example.com is not allowed"),
    ):
        fake.callback_url = url
        complete(fake, url)
        assert fake.callbacks.redeliver(len(fake.callbacks) - 1).state == state
    # One line for each, with the facts of the log for machines.
    facts = [vars(it)["facts"]["state"] for it in caplog.records if "example.com/" in it.message]
    assert facts == ["not sent: example.com is not allowed"] * 2


def test_each_callback_is_sent_twice(fake: FakeScale, callback_receiver: Receiver) -> None:
    fake.callbacks.duplicate()
    complete(fake, "a", "b")
    assert [it.state for it in fake.callbacks.deliver()] == ["done"] * 4
    assert came(callback_receiver) == ["a", "a", "b", "b"]
    fake.callbacks.duplicate(1)
    complete(fake, "c")
    fake.callbacks.deliver()
    assert came(callback_receiver)[4:] == ["c"]
    for times in (0, 101):
        with pytest.raises(ValueError, match=f"from 1 to 100 .got {times}"):
            fake.callbacks.duplicate(times)


def test_each_callback_comes_late(fake: FakeScale, callback_receiver: Receiver) -> None:
    fake.callbacks.delay(HOUR)
    complete(fake, "a")
    fake.callbacks.deliver()
    fake.advance(minutes=59)
    assert came(callback_receiver) == []
    fake.advance(minutes=1)
    assert came(callback_receiver) == ["a"]
    assert fake.callbacks[0].attempts[0].when - fake.callbacks[0].owed_at == HOUR
    fake.callbacks.delay(dt.timedelta())
    complete(fake, "b")
    fake.callbacks.deliver()
    assert came(callback_receiver) == ["a", "b"]
    with pytest.raises(ValueError, match="negative"):
        fake.callbacks.delay(-HOUR)


def test_a_served_fake_sends_late_callbacks_by_itself(callback_receiver: Receiver) -> None:
    with FakeScale().serve() as fake:
        fake.callback_url = callback_receiver.url
        fake.callbacks.delay(dt.timedelta(milliseconds=20))
        complete(fake, "a")
        assert len(callback_receiver.wait_for(1)) == 1


def test_callbacks_go_out_in_an_order_that_the_seed_determines(
    fake: FakeScale, callback_receiver: Receiver
) -> None:
    names, orders = [*"abcdefgh"], []
    for seed in ("x", "x", "y"):
        fake.reset()
        fake.callback_url = callback_receiver.url
        callback_receiver.clear()
        fake.callbacks.shuffle(seed)
        complete(fake, *names)
        assert came(callback_receiver) == []
        assert {it.state for it in fake.callbacks} == {"owed"}
        fake.callbacks.deliver()
        orders.append(came(callback_receiver))
    assert orders[0] == orders[1] != orders[2]
    assert [sorted(it) == names != it for it in orders] == [True] * 3


def test_shuffled_callbacks_wait_for_deliver_or_advance(callback_receiver: Receiver) -> None:
    with FakeScale().serve() as fake:
        fake.callback_url = callback_receiver.url
        fake.callbacks.shuffle()
        complete(fake, *"abc")
        assert fake._state.outbox._next_due() is None  # so the ticker does not spin
        fake.advance(seconds=0)
        assert sorted(came(callback_receiver)) == ["a", "b", "c"]
        callback_receiver.answer(503)
        complete(fake, "d")
        fake.callbacks.deliver()
        fake.advance(hours=2)  # the retry is held to the end
        assert came(callback_receiver)[3:] == ["d", "d"]
        complete(fake, "e", "f")
        fake.callbacks.shuffle(None)  # what was held goes out, in order
        callback_receiver.wait_for(7)
        assert came(callback_receiver)[5:] == ["e", "f"]


def test_all_that_become_due_within_an_advance_are_shuffled(
    fake: FakeScale, callback_receiver: Receiver
) -> None:
    fake.start_clock()  # so that time passes between them
    fake.callbacks.shuffle("x")
    fake.turnaround = lambda task: dt.timedelta(minutes=int(task.unique_id or 0))
    names = [str(number) for number in range(9)]
    for name in names:
        fake.tasks.create("chat", unique_id=name)
    fake.advance(HOUR)
    assert sorted(came(callback_receiver)) == names != came(callback_receiver)
    completed = [task.completed_at for task in fake.tasks]
    assert completed == sorted(completed, key=str, reverse=True)
    assert len(set(completed)) == 9  # each at its own moment


def test_a_manner_of_one_account_ends_with_its_reset(callback_receiver: Receiver) -> None:
    with FakeScale().serve() as fake:
        pets = RemoteFakeScale(fake.url, account="pets")
        others = RemoteFakeScale(fake.url, account="others")
        for each in (pets, others):
            each.callback_url = callback_receiver.url
        pets.callbacks.duplicate(3)
        pets.callbacks.shuffle("x")
        pets.callbacks.delay(HOUR)
        complete(pets, "p")
        complete(others, "o")
        callback_receiver.wait_for(1)
        assert came(callback_receiver) == ["o"]
        fake.callbacks.shuffle(None)  # of all accounts: that of pets stays
        fake.advance(HOUR)
        assert came(callback_receiver) == ["o", *"ppp"]
        complete(pets, "q")
        pets.reset()
        pets.callback_url = callback_receiver.url
        complete(pets, "r")
        callback_receiver.wait_for(5)
        fake.advance(HOUR)
        assert came(callback_receiver) == ["o", *"ppp", "r"]


def test_an_account_may_differ_from_all_others(
    fake: FakeScale, callback_receiver: Receiver
) -> None:
    fake.callbacks.duplicate(2)
    fake.callbacks.duplicate(1, account="pets")
    pets = fake.account("pets")
    pets.callback_url = callback_receiver.url
    complete(fake, "a")
    complete(pets, "p")
    fake.callbacks.deliver()
    assert sorted(came(callback_receiver)) == ["a", "a", "p"]
    fake.callbacks.shuffle("x")
    fake.callbacks.shuffle("x", account="pets")
    complete(pets, "q")
    fake.callbacks.shuffle(None)
    assert len(callback_receiver.received) == 3  # pets still shuffles
    fake.callbacks.shuffle(None, account="pets")
    callback_receiver.wait_for(4)
