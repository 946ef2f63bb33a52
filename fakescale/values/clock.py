"""Time: one clock for the whole fake, and how moments are printed and read."""

import datetime as dt
import threading
import time


class Clock:
    """The process's clock, plus what ``advance`` has added.

    Between ``stop`` and ``start`` only ``advance`` moves it.
    """

    def __init__(self) -> None:
        self._offset = dt.timedelta()
        self._stopped_at: dt.datetime | None = None
        self._lock = threading.Lock()

    def now(self) -> dt.datetime:
        """Return the present moment in UTC, cut to whole milliseconds."""
        try:
            moment = self._without_offset() + self._offset
        except OverflowError:  # frozen, after it was advanced, close to the calendar's end
            moment = dt.datetime.max.replace(tzinfo=dt.UTC)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    @property
    def offset(self) -> dt.timedelta:
        """What ``advance`` has added so far."""
        return self._offset

    def advance(self, **by: float) -> None:
        """Move the clock on by the keyword arguments of ``datetime.timedelta``.

        Raises OverflowError, and moves nothing, when that leaves the calendar.
        """
        with self._lock:
            offset = self._offset + dt.timedelta(**by)
            _ = self._without_offset() + offset
            self._offset = offset

    def stop(self) -> None:
        """Let it stand, if it does not already."""
        with self._lock:
            self._stopped_at = self._without_offset()

    def start(self) -> None:
        """Let it go again, from where it would be if it had never stood."""
        self._stopped_at = None

    def _without_offset(self) -> dt.datetime:
        return self._stopped_at or _system_now()


def _system_now() -> dt.datetime:
    # Looked up at each call, and always through `datetime`: freezegun hands real time to
    # `time.time()` in some threads, and a reference kept from earlier stays real.
    while True:
        try:
            return dt.datetime.now(dt.UTC)
        except IndexError:  # freezegun is thawing in another thread at this very moment
            continue


def stamp(moment: dt.datetime) -> str:
    """Return a UTC moment as the API prints it: ``2021-06-29T20:21:53.289Z``.

    Such stamps sort as text in order of time, so they are what is stored and compared.
    """
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def read_moment(text: str) -> dt.datetime:
    """Return the moment, in UTC, that ``text`` names in ISO 8601.

    A date alone is its midnight and a time without offset is UTC (guessed; the official
    client's documentation speaks of UTC). Raises ValueError for anything else.
    """
    try:
        moment = dt.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return moment.replace(tzinfo=dt.UTC)
        return moment.astimezone(dt.UTC)
    except OverflowError as error:
        raise ValueError(f"{text} is outside the calendar") from error


if hasattr(time, "clock_gettime"):

    def steady() -> float:
        """Return seconds of a clock that nobody sets, freezes or moves."""
        return time.clock_gettime(time.CLOCK_MONOTONIC)

else:  # on Windows
    # A reference in a tuple: freezegun replaces those in modules.
    _STEADY = (time.monotonic,)

    def steady() -> float:
        """Return seconds of a clock that nobody sets, freezes or moves."""
        return _STEADY[0]()
