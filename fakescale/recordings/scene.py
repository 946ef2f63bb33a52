"""The scene of an arrangement: the fake, the bindings, and what was arranged so far."""

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

from fakescale.account.task import Status, Task
from fakescale.account.task import replace as replaced
from fakescale.account.world import World
from fakescale.recordings.asking import Asked
from fakescale.recordings.bindings import Bindings
from fakescale.values.clock import read_moment, stamp

#: The type of a task or project whose type the recording does not show yet.
GUESS = "chat"
_FIRST = dt.datetime(2016, 1, 1, tzinfo=dt.UTC)  # no task of the API is older
_AHEAD = dt.timedelta(days=3650)  # of the clock; no recorded time is that late


def checked_stamp(moment: str) -> str:
    """Return a moment as the API prints it; raises ValueError or TypeError if it is none."""
    return stamp(read_moment(moment))


class Scene:
    """The fake that things are arranged in, and what is known of them."""

    def __init__(self, asked: Asked, bindings: Bindings) -> None:
        self.asked = asked
        self.bindings = bindings
        #: The things that were arranged for the present request, in words.
        self.told: list[str] = []
        #: Whether one of the next requests makes the thing or change with this key of `Spot`.
        self.comes: Callable[[str], bool] = lambda key: False
        #: The same, if that request may come before the present one. Then nothing is arranged.
        self.is_coming: Callable[[str], bool] = lambda key: False
        #: Whether the fake refuses the present request already, in the recorded words.
        self.refuses: Callable[[], bool] = lambda: False
        #: Whether other requests go on at the same time as the present one.
        self.overlaps = False
        #: The ids of tasks whose status is a guess. A list or a counter shows only that they are
        #: not pending any more. A later exchange may tell more of them.
        self.unseen: set[str] = set()
        #: The ids of tasks that the recording shows only to exist.
        self.sketches: set[str] = set()
        #: The ids of tasks that only v2 showed, with few members.
        self.outlines: set[str] = set()
        #: The projects and batches that were arranged.
        self.foreign: set[tuple[World, str]] = set()
        #: The arranged projects and batches that are known only by name so far.
        self.bare: set[tuple[World, str]] = set()
        #: The projects of an unknown type.
        self.typeless: set[tuple[World, str]] = set()

    def tell(self, text: str) -> None:
        """Note that something was arranged."""
        self.told.append(text)

    @contextlib.contextmanager
    def at(self, moment: Any) -> Iterator[None]:
        """Let the clock stand at the moment of a change, and at the end no earlier than before."""
        now = self.asked.now()
        if isinstance(moment, str):
            with contextlib.suppress(ValueError):
                if (then := read_moment(moment)) <= now + _AHEAD:
                    self.asked.set_clock(then)
        try:
            yield
        finally:
            self.asked.set_clock(max(now, self.asked.now()))

    def make_pending(self, task: Task, world: World) -> None:
        """Make a task pending again, whatever its status."""
        if task.status == "completed":
            world.tasks.recall(task.id)
        elif task.status != "pending":  # no move leads back, but the recording shows it
            with world._lock:
                changes: dict[str, Any] = {"status": Status.PENDING, "response": None}
                world.tasks._replace(task, replaced(task, **changes), self.asked.now())

    def sketch(self, task_id: str, world: World, **members: Any) -> None:
        """Add a task that the recording shows only to exist.

        An id begins with the second in which it was made (observed).
        """
        now = self.asked.now()
        with contextlib.suppress(ValueError, OverflowError, OSError):
            made = dt.datetime.fromtimestamp(int(task_id[:8], 16), dt.UTC)
            now = made if _FIRST <= made < now else now
        facts = {"task_id": task_id, "status": "pending", "type": GUESS, "created_at": stamp(now)}
        world.tasks._load([facts | members], is_json=True)
        self.sketches.add(task_id)
        self.tell(f"task {task_id} is there already, pending")

    def fail_unseen(self, task_id: str, world: World) -> None:
        """Fail a task whose response the recording does not show."""
        world.tasks.fail(task_id, {})
        self.unseen.add(task_id)
        self.tell(f"task {task_id} is error")

    def complete_unseen(self, task_id: str, world: World) -> None:
        """Complete a task that the recording shows only not to be pending any more."""
        world.tasks.complete(task_id, {})
        self.unseen.add(task_id)
        self.tell(f"task {task_id} is not pending any more")
