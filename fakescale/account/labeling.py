"""The work on live tasks: who labels them, and when."""

import contextvars
import datetime as dt
import heapq
import itertools
import threading
from collections.abc import Callable, Mapping
from typing import Any

from fakescale.account import responses
from fakescale.account import task as moves
from fakescale.account.task import Task
from fakescale.values.clock import Clock, read_moment, stamp
from fakescale.values.frozen import FrozenDict
from fakescale.values.schemas import frozen_json

#: Labels a pending task. Returns the response, or None to leave the task pending. An exception
#: fails the task.
Labeler = Callable[[Task], Mapping[str, Any] | None]
#: The time that a task is pending before the labeler is called; None means forever.
Turnaround = dt.timedelta | Callable[[Task], dt.timedelta | None] | None

_FOREVER = dt.timedelta(days=36_500)


def check_turnaround(turnaround: Any) -> None:
    """Raise TypeError or ValueError unless ``turnaround`` is a `Turnaround`."""
    if turnaround is None or callable(turnaround):
        return
    if not isinstance(turnaround, dt.timedelta):
        raise TypeError(f"a turnaround must be a timedelta, a function or None, not {turnaround!r}")
    if not dt.timedelta() <= turnaround <= _FOREVER:
        raise ValueError(f"a turnaround must be between zero and 100 years, not {turnaround}")


#: Sorts after every stamp.
NEVER = "~"
#: The longest wait for a labeler, in seconds of real time. Two could wait for each other forever.
_PATIENCE = 10.0

#: Whether the current thread serves a request.
in_request = contextvars.ContextVar("in_request", default=False)


Move = Callable[[Task, str, Mapping[str, Any]], Task]
#: Decides on a pending task. Returns the move to make and the response, or None to leave it.
Decide = Callable[[Task], tuple[Move, Mapping[str, Any]] | None]


class Labeling:
    """The labeler, the turnaround and the schedule of all live worlds of a fake.

    The labeling calls ``wake`` when it has scheduled a task. No method waits for a world's lock
    while it holds ``_lock``. A labeler runs without ``_lock`` and without a world's lock.
    """

    def __init__(
        self,
        clock: Clock,
        turnaround: Turnaround = None,
        origin: Callable[[], str] = lambda: responses.NOWHERE,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._wake = wake
        self._make_up: Labeler = lambda task: responses.response(task, origin())
        self.labeler: Labeler = self._make_up
        self.turnaround = turnaround
        self._lock = threading.Lock()
        # A heap over all worlds: (when, number, function that labels the task).
        self._due: list[tuple[str, int, Callable[[Decide], None]]] = []
        self._numbers = itertools.count()
        self._running = threading.Lock()  # held by the thread that runs labelers
        self._worker: int | None = None

    @property
    def is_own(self) -> bool:
        """Whether the labeler and the turnaround are the fake's own, and so take no time.

        Also False while any labeler runs. An earlier labeler of yours may still run then, and
        `run_due` would wait for it.
        """
        is_own = self.labeler is self._make_up and not callable(self._turnaround)
        return is_own and self._worker is None

    @property
    def turnaround(self) -> Turnaround:
        """The time that a task is pending before the labeler is called."""
        return self._turnaround

    @turnaround.setter
    def turnaround(self, turnaround: Turnaround) -> None:
        check_turnaround(turnaround)
        self._turnaround = turnaround

    def due(self, task: Task, begins: str) -> str:
        """Return the stamp at which a pending task is due, or ``NEVER``.

        ``begins`` is the stamp from which the turnaround counts.

        Raises any exception of a callable turnaround, and TypeError if it returns neither a
        timedelta nor None.
        """
        wait = self._turnaround
        if callable(wait):
            wait = wait(task)
        if wait is None:
            return NEVER
        if not isinstance(wait, dt.timedelta):
            raise TypeError(f"a turnaround must be a timedelta or None, not {wait!r}")
        try:
            return stamp(read_moment(begins) + wait)
        except OverflowError:
            return NEVER

    def put(self, due: str, label: Callable[[Decide], None]) -> None:
        """Schedule ``label`` for the stamp ``due``; it gets a ``Decide`` function."""
        with self._lock:
            heapq.heappush(self._due, (due, next(self._numbers), label))
        self._wake()

    def next_due(self) -> str | None:
        """Return the stamp at which a task may be due next, or None."""
        with self._lock:
            return self._due[0][0] if self._due else None

    def run_due(self) -> None:
        """Run the labeler for each due task, in order of time, one after the other.

        Waits while another thread runs labelers, except inside a request: the running labeler
        may have sent that request, and waiting would deadlock. The made-up labeler sends no
        requests, so a request waits for it.
        """
        worker = self._worker
        if worker == threading.get_ident() or not (worker or self._is_due()):
            return
        waits = not in_request.get() or self.labeler is self._make_up
        if not self._running.acquire(timeout=_PATIENCE if waits else 0):
            return
        try:
            self._worker = threading.get_ident()
            while (item := self._take()) is not None:
                _, _, label = item
                label(self._decide)
        finally:
            self._worker = None
            self._running.release()

    def _is_due(self) -> bool:
        due = self.next_due()
        return due is not None and due <= stamp(self._clock.now())

    def _take(self) -> tuple[str, int, Callable[[Decide], None]] | None:
        with self._lock:
            if self._due and self._due[0][0] <= stamp(self._clock.now()):
                return heapq.heappop(self._due)
            return None

    def _decide(self, task: Task) -> tuple[Move, Mapping[str, Any]] | None:
        try:
            response = self.labeler(task)
            if response is None:
                return None
            return moves.complete, frozen_json("response", dict(response))
        except Exception as error:
            return moves.fail, failure(error)


def failure(error: Exception) -> FrozenDict:
    """Return the response of a task whose labeler raised ``error``."""
    return FrozenDict(error=str(error) or type(error).__name__)
