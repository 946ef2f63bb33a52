"""Who does the work of live tasks, and how long that takes."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from fakescale import canned
from fakescale.clock import read_moment, stamp
from fakescale.frozen import FrozenDict
from fakescale.records import Task
from fakescale.schemas import frozen_json

#: Given a pending task: returns its response, None to leave it, or raises to fail it.
Labeler = Callable[[Task], Mapping[str, Any] | None]
#: How long a task is pending before the labeler is asked; None is for ever.
Turnaround = dt.timedelta | Callable[[Task], dt.timedelta | None] | None

Move = Callable[[Task, str, Mapping[str, Any]], Task]

_FOREVER = dt.timedelta(days=36_500)
#: After every stamp.
NEVER = "~"


class Labor:
    """A labeler and the turnaround; one for all live worlds of a fake."""

    def __init__(
        self, turnaround: Turnaround = None, origin: Callable[[], str] = lambda: canned.NOWHERE
    ) -> None:
        self.labeler: Labeler = lambda task: canned.response(task, origin())
        self.turnaround = turnaround

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
        """Return when a task that has just become pending is worked on."""
        wait = self._turnaround(task) if callable(self._turnaround) else self._turnaround
        if wait is None:
            return NEVER
        try:
            return stamp(read_moment(task.updated_at) + wait)
        except OverflowError:
            return NEVER

    def work(self, task: Task) -> tuple[Move, Mapping[str, Any]] | None:
        """Return the move that the labeler makes with ``task``, and the response; None for none.

        The task may change meanwhile, so that the move is for the caller to make.
        """
        try:
            response = self.labeler(task)
            if response is None:
                return None
            return Task.completed, frozen_json("response", dict(response))
        except Exception as error:
            return Task.failed, FrozenDict(error=str(error) or type(error).__name__)
