import datetime as dt
import threading
from collections.abc import Callable

import pytest
import time_machine

from fakescale.traffic.idempotency import OncePerKey
from fakescale.values.answer import Answer
from fakescale.values.clock import Clock
from fakescale.values.errors import Conflict, TooManyRequests

DAY = dt.timedelta(hours=24)
MS = dt.timedelta(milliseconds=1)


def counting(status: int = 200) -> Callable[[], Answer]:
    calls = iter(range(100))
    return lambda: Answer(status, f"{next(calls)}".encode())


@pytest.fixture
def once() -> OncePerKey:
    return OncePerKey(Clock())


@pytest.mark.parametrize("status", [200, 400, 402, 404, 409])
def test_the_first_answer_is_repeated_even_a_refusal(once: OncePerKey, status: int) -> None:
    work = counting(status)
    assert [once.run(("k",), ("f",), work) for _ in range(3)] == [Answer(status, b"0")] * 3


@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_a_server_error_a_401_and_a_429_are_not_saved(once: OncePerKey, status: int) -> None:
    work = counting(status)
    assert [once.run(("k",), ("f",), work).body for _ in range(2)] == [b"0", b"1"]
    assert len(once) == 0


def test_another_fingerprint_is_a_conflict_and_changes_nothing(once: OncePerKey) -> None:
    work = counting()
    once.run(("k",), ("f",), work)
    with pytest.raises(Conflict, match="already in use for a different request"):
        once.run(("k",), ("g",), work)
    assert once.run(("k",), ("f",), work).body == b"0"
    assert once.run(("other",), ("g",), work).body == b"1"


def test_a_key_is_forgotten_after_exactly_a_day(
    once: OncePerKey, noon: time_machine.Traveller
) -> None:
    work = counting()
    once.run(("k",), ("f",), work)
    noon.shift(DAY - MS)
    assert once.run(("k",), ("f",), work).body == b"0"  # a use does not extend its life
    with pytest.raises(Conflict):
        once.run(("k",), ("g",), work)
    noon.shift(MS)
    assert once.run(("k",), ("g",), work).body == b"1"


def test_expired_keys_are_dropped(once: OncePerKey, noon: time_machine.Traveller) -> None:
    for number in range(100):
        once.run((str(number),), ("f",), counting())
        noon.shift(1)
    assert len(once) == 100
    noon.shift(DAY - 50 * dt.timedelta(seconds=1))
    once.run(("new",), ("f",), counting())
    assert len(once) == 50


def test_a_twin_in_flight_is_refused_and_the_refusal_is_not_saved(once: OncePerKey) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow() -> Answer:
        inside.set()
        assert go_on.wait(10)
        return Answer(200, b"slow")

    thread = threading.Thread(target=once.run, args=(("k",), ("f",), slow))
    thread.start()
    assert inside.wait(10)
    with pytest.raises(TooManyRequests):
        once.run(("k",), ("f",), counting())
    with pytest.raises(Conflict):
        once.run(("k",), ("g",), counting())
    go_on.set()
    thread.join()
    assert once.run(("k",), ("f",), counting()) == Answer(200, b"slow")


def test_work_that_raises_leaves_the_key_unused(once: OncePerKey) -> None:
    def broken() -> Answer:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        once.run(("k",), ("f",), broken)
    assert once.run(("k",), ("g",), counting()).body == b"0"


def test_time_that_runs_backwards_keeps_the_key(
    once: OncePerKey, noon: time_machine.Traveller
) -> None:
    work = counting()
    once.run(("k",), ("f",), work)
    noon.shift(-10 * DAY)
    assert once.run(("k",), ("f",), work).body == b"0"


def test_keys_end_by_their_time_not_by_their_order_of_use(
    once: OncePerKey, noon: time_machine.Traveller
) -> None:
    work = counting()
    once.run(("first",), ("f",), work)
    noon.shift(-DAY)
    once.run(("second",), ("f",), work)
    noon.shift(DAY)
    assert once.run(("second",), ("g",), work).body == b"2"
    assert once.run(("first",), ("f",), work).body == b"0"
