import datetime as dt
import threading

import freezegun
import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from fakescale.values.clock import Clock, read_moment, stamp
from tests.support import examples

MOMENTS = st.datetimes(timezones=st.just(dt.UTC)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)


def test_now_is_utc_in_whole_milliseconds() -> None:
    with time_machine.travel("2024-02-29T12:00:00.123999+02:00", tick=False):
        assert stamp(Clock().now()) == "2024-02-29T10:00:00.123Z"
        assert Clock().now().microsecond == 123_000


def test_a_clock_made_before_the_freeze_is_frozen_in_every_thread() -> None:
    clock = Clock()
    seen: list[str] = []
    with freezegun.freeze_time("2020-01-02T03:04:05Z"):
        thread = threading.Thread(target=lambda: seen.append(stamp(clock.now())))
        thread.start()
        thread.join()
        seen.append(stamp(clock.now()))
    assert seen == ["2020-01-02T03:04:05.000Z"] * 2
    assert clock.now().year > 2020


def test_only_advance_moves_a_stopped_clock_and_starting_catches_up(
    noon: time_machine.Traveller,
) -> None:
    clock = Clock()
    clock.advance(hours=1)
    clock.stop()
    noon.shift(60)
    clock.stop()  # it stands already
    assert stamp(clock.now()) == "2024-02-29T13:00:00.000Z"
    clock.advance(milliseconds=5)
    assert stamp(clock.now()) == "2024-02-29T13:00:00.005Z"
    with pytest.raises(OverflowError):
        clock.advance(days=10**8)
    clock.start()
    clock.start()
    assert stamp(clock.now()) == "2024-02-29T13:01:00.005Z"


def test_a_thaw_in_another_thread_does_no_harm() -> None:
    clock = Clock()
    stop = threading.Event()
    errors: list[BaseException] = []

    def read() -> None:
        try:
            while not stop.is_set():
                clock.now()
        except BaseException as error:
            errors.append(error)

    with freezegun.freeze_time("2020-01-01"):
        pass  # the first freeze looks through all modules
    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(examples(30)):
        with freezegun.freeze_time("2020-01-01"):
            pass
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []


def test_advancing_adds_to_the_clock_of_the_process(noon: time_machine.Traveller) -> None:
    clock = Clock()
    clock.advance(hours=25, milliseconds=7)
    assert stamp(clock.now()) == "2024-03-01T13:00:00.007Z"
    noon.shift(1)
    assert stamp(clock.now()) == "2024-03-01T13:00:01.007Z"


def test_advancing_beyond_the_calendar_changes_nothing(noon: time_machine.Traveller) -> None:
    clock = Clock()
    with pytest.raises(OverflowError):
        clock.advance(days=3_000_000)
    assert stamp(clock.now()) == "2024-02-29T12:00:00.000Z"


def test_a_clock_stops_at_the_end_of_the_calendar() -> None:
    clock = Clock()
    clock.advance(days=1)
    with time_machine.travel("9999-12-31T12:00:00Z", tick=False):
        assert stamp(clock.now()) == "9999-12-31T23:59:59.999Z"


@given(MOMENTS)
def test_a_stamp_reads_back_as_its_moment(moment: dt.datetime) -> None:
    assert read_moment(stamp(moment)) == moment


@given(MOMENTS, MOMENTS)
def test_stamps_sort_as_their_moments(one: dt.datetime, other: dt.datetime) -> None:
    assert (stamp(one) < stamp(other)) == (one < other)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("2021-04-25", "2021-04-25T00:00:00.000Z"),
        ("2021-04-25T03:14:15-07:00", "2021-04-25T10:14:15.000Z"),
        ("2024-01-02T03:04:05.123456", "2024-01-02T03:04:05.123Z"),
        ("2024-01-02 03:04:05.123456", "2024-01-02T03:04:05.123Z"),
        ("2021-06-29T20:21:53.289Z", "2021-06-29T20:21:53.289Z"),
    ],
)
def test_the_documented_forms_of_a_time_are_read(text: str, printed: str) -> None:
    assert stamp(read_moment(text)) == printed


@pytest.mark.parametrize("text", ["", "yesterday", "2021-13-01", "0001-01-01T00:00:00+14:00"])
def test_other_texts_are_not_times(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read_moment(text)
