"""Time: the clock of a fake, and the text form of moments."""

import datetime as dt
import threading
import time


class Clock:
    """The process's clock plus the time that ``advance`` has added.

    Between ``stop`` and ``start`` only ``advance`` moves the clock.
    """

    def __init__(self) -> None:
        self._offset = dt.timedelta()
        self._stopped_at: dt.datetime | None = None
        self._lock = threading.Lock()

    def now(self) -> dt.datetime:
        """Return the current moment in UTC, cut to whole milliseconds."""
        try:
            moment = self._without_offset() + self._offset
        except OverflowError:  # advanced, then frozen near the end of the calendar
            moment = dt.datetime.max.replace(tzinfo=dt.UTC)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    @property
    def offset(self) -> dt.timedelta:
        """The time that ``advance`` has added so far."""
        return self._offset

    @property
    def is_stopped(self) -> bool:
        """Whether the clock is stopped."""
        return self._stopped_at is not None

    def advance(self, **by: float) -> None:
        """Move the clock forward by the keyword arguments of ``datetime.timedelta``.

        Raises OverflowError, and moves nothing, if the clock would leave the calendar.
        """
        with self._lock:
            offset = self._offset + dt.timedelta(**by)
            _ = self._without_offset() + offset
            self._offset = offset

    def stop(self) -> None:
        """Stop the clock. A stopped clock stays as it is."""
        with self._lock:
            self._stopped_at = self._without_offset()

    def start(self) -> None:
        """Start the clock again, at the moment it would show if it had never stopped."""
        self._stopped_at = None

    def _without_offset(self) -> dt.datetime:
        return self._stopped_at or _system_now()


def _system_now() -> dt.datetime:
    # `datetime` is looked up at each call: a reference from before a freeze stays real.
    # `time.time()` would not do: freezegun gives some threads the real time there.
    while True:
        try:
            return dt.datetime.now(dt.UTC)
        except IndexError:  # freezegun is thawing in another thread
            continue


def stamp(moment: dt.datetime) -> str:
    """Return a UTC moment as the API prints it: ``2021-06-29T20:21:53.289Z``.

    Stamps sort as text in order of time, so the fake stores and compares stamps.
    """
    return moment.isoformat(timespec="milliseconds")[:23] + "Z"


def read_moment(text: str) -> dt.datetime:
    """Return the moment, in UTC, of an ISO 8601 text.

    A date alone means its midnight, and a time without offset is UTC (guessed; the official
    client's documentation speaks of UTC). Raises ValueError for any other text.
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
    # In a tuple, since freezegun replaces references that stand directly in modules.
    _STEADY = (time.monotonic,)

    def steady() -> float:
        """Return seconds of a clock that nobody sets, freezes or moves."""
        return _STEADY[0]()
