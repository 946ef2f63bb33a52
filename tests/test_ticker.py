"""The ticker, which runs due work by itself."""

import datetime as dt
import threading

import pytest
import time_machine

from fakescale import FakeScale, ticker
from fakescale.ticker import Ticker
from fakescale.values.clock import Clock
from tests.raw import wait_until

SECOND = dt.timedelta(seconds=1)


class Agenda:
    """Work that is due at a moment, or no work."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.due: dt.datetime | None = None
        self.happened = threading.Event()
        self.looked = threading.Event()
        self.ticker = Ticker(self.clock, self.next_due, self.happen)

    def next_due(self) -> dt.datetime | None:
        self.looked.set()
        return self.due

    def happen(self) -> None:
        if self.due is not None and self.due <= self.clock.now():
            self.due = None
            self.happened.set()


def threads() -> list[str]:
    return [it.name for it in threading.enumerate() if it.name == "fakescale-ticker"]


def test_due_work_happens_at_its_time() -> None:
    agenda = Agenda()
    agenda.due = agenda.clock.now() + SECOND / 20
    agenda.ticker.begin()
    assert agenda.happened.wait(10)
    agenda.ticker.end()
    assert threads() == []


def test_nothing_happens_before_begin_and_after_end() -> None:
    agenda = Agenda()
    agenda.due = agenda.clock.now()
    agenda.ticker.wake()
    agenda.ticker.begin()
    assert agenda.happened.wait(10)
    agenda.ticker.end()
    agenda.happened.clear()
    agenda.due = agenda.clock.now()
    agenda.ticker.wake()
    assert threads() == []
    assert not agenda.happened.is_set()
    agenda.ticker.begin()
    assert agenda.happened.wait(10)
    agenda.ticker.end()
    agenda.ticker.end()


def test_a_ticker_has_a_thread_only_while_work_is_ahead() -> None:
    agenda = Agenda()
    agenda.ticker.begin()
    assert agenda.looked.wait(10)
    wait_until(lambda: threads() == [])
    agenda.due = agenda.clock.now() + 1000 * SECOND
    agenda.ticker.wake()
    assert threads() == ["fakescale-ticker"]
    agenda.ticker.end()
    assert threads() == []


def test_no_thread_starts_without_work_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[threading.Thread] = []

    def start(thread: threading.Thread) -> None:
        begun.append(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    agenda = Agenda()
    agenda.ticker.begin()
    assert begun == []
    agenda.due = agenda.clock.now() + SECOND
    agenda.ticker.begin()
    assert len(begun) == 1


def test_a_thread_that_cannot_start_leaves_no_trace(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    agenda = Agenda()
    agenda.due = agenda.clock.now()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        agenda.ticker.begin()
    assert caplog.messages == ["due work must wait: can't start new thread"]
    agenda.ticker.wake()
    assert agenda.happened.wait(10)
    agenda.ticker.end()


def test_a_stopped_clock_does_not_make_the_ticker_spin() -> None:
    with time_machine.travel("2024-02-29T12:00:00Z", tick=False) as noon:
        agenda = Agenda()
        agenda.due = agenda.clock.now() + 1000 * SECOND
        agenda.ticker.begin()
        assert agenda.looked.wait(10)
        noon.shift(1000 * SECOND)
        agenda.ticker.wake()
        assert agenda.happened.wait(10)
        agenda.ticker.end()


def test_an_error_does_not_end_the_ticker(caplog: pytest.LogCaptureFixture) -> None:
    agenda = Agenda()
    happen = agenda.happen

    def fail_once() -> None:
        if agenda.due is not None and not caplog.messages:
            pytest.fail("a labeler")
        happen()

    agenda.ticker._happen = fail_once
    agenda.due = agenda.clock.now()
    agenda.ticker.begin()
    assert agenda.happened.wait(10)
    agenda.ticker.end()
    assert caplog.messages == ["due work failed"]


def test_a_labeler_that_never_returns_gives_a_warning_and_hangs_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ticker, "_PATIENCE", 0.05)
    inside, go_on = threading.Event(), threading.Event()

    def never_returns(_: object) -> None:
        inside.set()
        go_on.wait(20)

    fake = FakeScale(complete_after=dt.timedelta(milliseconds=1))
    fake.labeler = never_returns
    block = fake.serve()
    block.__enter__()
    fake.tasks.create("chat")
    assert inside.wait(20)
    with pytest.warns(RuntimeWarning, match=r"(?s)a labeler has not ended.*in never_returns"):
        block.__exit__(None, None, None)
    assert fake.origin is None
    go_on.set()
    wait_until(lambda: threads() == [])
