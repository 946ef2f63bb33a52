"""Who does the work of live tasks, and how long that takes."""

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

#: Given a pending task: returns its response, None to leave it, or raises to fail it.
Labeler = Callable[[Task], Mapping[str, Any] | None]
#: How long a task is pending before the labeler is asked; None is for ever.
Turnaround = dt.timedelta | Callable[[Task], dt.timedelta | None] | None

_FOREVER = dt.timedelta(days=36_500)
#: After every stamp.
NEVER = "~"
#: How long to wait for a labeler, in seconds of real time, lest two wait for each other.
_PATIENCE = 10.0

#: Whether this thread serves a request.
in_request = contextvars.ContextVar("in_request", default=False)


Move = Callable[[Task, str, Mapping[str, Any]], Task]
#: Given a pending task: returns the move to make, and the response; None to leave it.
Decide = Callable[[Task], tuple[Move, Mapping[str, Any]] | None]


class Labeling:
    """A labeler, the turnaround, and what is due when; one for all live worlds of a fake.

    ``wake`` is called when something was put off. Nothing here waits for a world's lock
    while it holds one of its own, and labelers are called outside of all.
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
        # In order of time, over all worlds: (when, number, what labels the task).
        self._due: list[tuple[str, int, Callable[[Decide], None]]] = []
        self._numbers = itertools.count()
        self._turn = threading.Lock()  # held by the thread that lets labelers work
        self._worker: int | None = None

    @property
    def is_own(self) -> bool:
        """Whether the labeler and the turnaround are the fake's own, and so take no time.

        Neither does a labeler work that was there before, whose turn `run_due` would wait for.
        """
        is_own = self.labeler is self._make_up and not callable(self._turnaround)
        return is_own and self._worker is None

    @property
    def turnaround(self) -> Turnaround:
        """How long a task is pending before the labeler is asked."""
        return self._turnaround

    @turnaround.setter
    def turnaround(self, turnaround: Turnaround) -> None:
        if isinstance(turnaround, dt.timedelta) and not dt.timedelta() <= turnaround <= _FOREVER:
            raise ValueError(f"a turnaround is between nothing and 100 years, not {turnaround}")
        self._turnaround = turnaround

    def due(self, task: Task) -> str:
        """Return when a task that has just become pending is worked on.

        Raises what a callable turnaround raises, and TypeError for what is no timedelta.
        """
        wait = self._turnaround
        if callable(wait):
            wait = wait(task)
        if wait is None:
            return NEVER
        if not isinstance(wait, dt.timedelta):
            raise TypeError(f"a turnaround must be a timedelta or None, not {wait!r}")
        try:
            return stamp(read_moment(task.updated_at) + wait)
        except OverflowError:
            return NEVER

    def put(self, due: str, label: Callable[[Decide], None]) -> None:
        """Call ``label`` when its task is ``due``; it is given what decides on the task."""
        with self._lock:
            heapq.heappush(self._due, (due, next(self._numbers), label))
        self._wake()

    def next_due(self) -> str | None:
        """Return when a labeler may be asked next, or None if none will be."""
        with self._lock:
            return self._due[0][0] if self._due else None

    def run_due(self) -> None:
        """Let labelers do what has become due, in order of time, one after the other.

        Waits while another thread runs labelers, except inside a request: the running labeler
        may have sent that request, and waiting would deadlock. The made-up labeler sends none.
        """
        worker = self._worker
        if worker == threading.get_ident() or not (worker or self._is_due()):
            return
        waits = not in_request.get() or self.labeler is self._make_up
        if not self._turn.acquire(timeout=_PATIENCE if waits else 0):
            return
        try:
            self._worker = threading.get_ident()
            while (item := self._take()) is not None:
                _, _, label = item
                label(self._decide)
        finally:
            self._worker = None
            self._turn.release()

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
