"""The work on live tasks: who labels them, and when."""

import contextvars
import datetime as dt
import functools
import heapq
import itertools
import logging
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from fakescale.account import responses, threads
from fakescale.account import task as moves
from fakescale.account.result_files import placed
from fakescale.account.task import Task
from fakescale.values.clock import Clock, read_moment, stamp
from fakescale.values.frozen import FrozenDict
from fakescale.values.schemas import frozen_json

#: Labels a pending task. Returns the response, or None to leave the task pending. An exception
#: fails the task; a `TaskFailure` does so on purpose.
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


@dataclass(frozen=True, slots=True)
class AfterLooks:
    """A turnaround that counts looks instead of time; ``after_looks`` makes it."""

    #: The look that completes a task, counted from 1.
    number: int

    def __call__(self, task: Task) -> None:
        """Return None, since no time completes the task."""


def after_looks(number: int) -> AfterLooks:
    """Return a turnaround: a task is labeled when a client looks at it for the ``number``-th time.

    The answer to that request shows the task completed already. A look is a request for the
    task, or for a list. A list by status, or by times of completion or update, looks at all
    pending tasks that pass its other filters. Any other list looks at the tasks of its page.
    Helpers like ``tasks.get`` do not count.

    Raises TypeError for anything but a whole number, and ValueError for one below 1.
    """
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"after_looks() takes a whole number, not {number!r}")
    if number < 1:
        raise ValueError(f"after_looks() takes a number over 0, not {number}")
    return AfterLooks(number)


#: Sorts after every stamp.
NEVER = "~"
#: The longest wait for a labeler, in seconds of real time. Two could wait for each other forever.
_PATIENCE = 10.0

log = logging.getLogger("fakescale")

Actor = Literal["test", "client", "control", "labeler"]
#: Who acts in the current thread: a ``client`` whose request it serves, a test by a ``control``
#: call, a ``labeler``, or else the ``test`` itself.
acting: contextvars.ContextVar[Actor] = contextvars.ContextVar("acting", default="test")
#: Notes an event: its kind, its subject, and its details.
Note = Callable[..., None]


Move = Callable[[Task, str, Mapping[str, Any]], Task]
#: Decides on a pending task. Returns the move to make and the response, or None to leave it.
#: Is also given the function that notes an event of the task's account.
Decide = Callable[[Task, Note], tuple[Move, Mapping[str, Any]] | None]


class TaskFailure(Exception):
    """Raise it in a labeler to fail the task on purpose.

    ``error`` is the text of the response's member ``error``. ``details`` are its other members,
    for example ``attachments`` (documented).
    """

    def __init__(self, error: str, **details: Any) -> None:
        super().__init__(error)
        #: The response of the task.
        self.response: Mapping[str, Any] = frozen_json("response", {"error": error, **details})


class Schedule(Protocol):
    """The tasks of a world, as a `Labeling` sees them."""

    def _label(self, task_id: str, due: str, decide: Decide) -> None:
        """Make the move that ``decide`` returns, unless the task is no longer due at ``due``."""

    def _is_due(self, task_id: str, due: str) -> bool:
        """Return whether the task is due at ``due``."""


class _Due(NamedTuple):
    due: str
    number: int  # so that the tuples of a heap compare without the rest
    tasks: Schedule
    task_id: str


# The length from which on the heap is searched for tasks that are no longer due.
_FEW = 1_000


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
        labeler: Labeler | None = None,
    ) -> None:
        self._clock = clock
        self._wake = wake
        self._origin = origin
        self._make_up: Labeler = lambda task: responses.response(task, origin())
        self.labeler: Labeler = labeler or self._make_up
        self.turnaround = turnaround
        self._lock = threading.Lock()
        self._due: list[_Due] = []  # a heap over all worlds
        self._most_due = _FEW
        self._numbers = itertools.count()
        self._running = threading.Lock()  # held by the thread that runs labelers
        self._worker: int | None = None

    @property
    def is_own(self) -> bool:
        """Whether the labeler and the turnaround are the fake's own, and so take no time.

        Also False while any labeler runs. An earlier labeler of yours may still run then, and
        `run_due` would wait for it.
        """
        has_own_time = not callable(self._turnaround) or self.looks is not None
        return self.labeler is self._make_up and has_own_time and self._worker is None

    @property
    def looks(self) -> int | None:
        """The look that completes a task, or None if the turnaround counts time."""
        turnaround = self._turnaround
        return turnaround.number if isinstance(turnaround, AfterLooks) else None

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

    def put(self, due: str, tasks: Schedule, task_id: str) -> None:
        """Schedule a task for the stamp ``due``."""
        with self._lock:
            heapq.heappush(self._due, _Due(due, next(self._numbers), tasks, task_id))
            if len(self._due) > self._most_due:  # most may be done or canceled meanwhile
                self._keep(lambda it: it.tasks._is_due(it.task_id, it.due))
                self._most_due = max(_FEW, 2 * len(self._due))
        self._wake()

    def forget(self, tasks: Schedule) -> None:
        """Drop the tasks of a world."""
        with self._lock:
            self._keep(lambda it: it.tasks is not tasks)

    def _keep(self, wanted: Callable[[_Due], bool]) -> None:
        self._due = [it for it in self._due if wanted(it)]
        heapq.heapify(self._due)

    def next_due(self) -> str | None:
        """Return the stamp at which a task may be due next, or None."""
        with self._lock:
            return self._due[0].due if self._due else None

    def run_due(self) -> None:
        """Run the labeler for each due task, in order of time, one after the other.

        Waits while another thread runs labelers, except inside a request: the running labeler
        may have sent that request, and waiting would deadlock. The made-up labeler sends no
        requests, so a request waits for it.
        """
        worker = self._worker
        if worker == threading.get_ident() or not (worker or self._is_due()):
            return
        waits = acting.get() == "test" or self.labeler is self._make_up
        if not self._running.acquire(timeout=_PATIENCE if waits else 0):
            return
        token = acting.set("labeler")
        try:
            self._worker = threading.get_ident()
            while (item := self._take()) is not None:
                item.tasks._label(item.task_id, item.due, self._decide)
        finally:
            self._worker = None
            self._running.release()
            acting.reset(token)

    def _is_due(self) -> bool:
        due = self.next_due()
        return due is not None and due <= stamp(self._clock.now())

    def _take(self) -> _Due | None:
        with self._lock:
            if self._due and self._due[0].due <= stamp(self._clock.now()):
                return heapq.heappop(self._due)
            return None

    def _decide(self, task: Task, note: Note) -> tuple[Move, Mapping[str, Any]] | None:
        try:
            response = self.labeler(task)
            if response is None:
                return None
            given = frozen_json("response", dict(response))
            # A labeler of this package does not know where the fake is served.
            given = placed(task, given, responses.NOWHERE, self._origin())
            return moves.complete, threads.stored(task.id, given)
        except Exception as error:
            return failed(task.id, error, note)
        except BaseException as error:  # pytest's own, for example; the ticker logs it
            _tell(task.id, error, note)
            raise


def failed(task_id: str, error: Exception, note: Note) -> tuple[Move, Mapping[str, Any]]:
    """Return the move and the response of a task that ``error`` fails.

    The traceback of any error but a `TaskFailure` is noted, logged and kept.
    """
    if isinstance(error, TaskFailure):
        return moves.fail, error.response
    trace = _tell(task_id, error, note)
    facts = {"event": "labeler", "task": task_id, "error": str(error) or type(error).__name__}
    line = "the labeler raised an exception for task %s\n%s"
    log.error(line, task_id, trace, extra={"facts": facts})
    response = FrozenDict(error=str(error) or type(error).__name__)
    return functools.partial(moves.fail, traceback=trace), response


def _tell(task_id: str, error: BaseException, note: Note) -> str:
    """Note the error of a labeler, and return its traceback."""
    trace = "".join(traceback.format_exception(error)).rstrip()
    note("labeler raised", task_id, traceback=trace)
    return trace
