"""The arrangement of the counters of batches, which show the work of labelers."""

from collections.abc import Mapping

from fakescale.account.task import Status
from fakescale.account.world import World
from fakescale.recordings.homes import Homes
from fakescale.recordings.names import unnamed_project
from fakescale.recordings.scene import Scene
from fakescale.recordings.spots import Spot
from fakescale.recordings.uniting import home_key
from fakescale.values.frozen import FrozenDict


class Counters:
    """Arranges the counters of batches."""

    def __init__(self, scene: Scene, homes: Homes) -> None:
        self._scene = scene
        self._homes = homes

    def arrange(self, spot: Spot, world: World) -> None:
        """Arrange what the counters of a batch show: labelers have completed some tasks."""
        name, answer = spot.name, spot.answer
        shown = {status: answer.get(status) for status in Status}
        if not all(isinstance(it, int) for it in shown.values()):
            return
        if name not in world.batches:
            self._homes.put_batch(
                name, unnamed_project(name), answer.get("status", ""), world, None
            )
        batch = world.batches.get(name)
        if (world, home_key("batch", name)) in self._scene.foreign:
            # Its tasks may never be shown.
            counts = FrozenDict({str(k): it for k, it in shown.items()})
            status = answer.get("status", batch.status)
            world.batches._table.change(name, counts=counts, status=status)
            return
        self.fit(name, {status: int(shown[status]) for status in Status}, world)
        self._homes.batch_status(name, answer.get("status", ""), world)

    def fit(self, name: str, shown: Mapping[Status, int], world: World) -> None:
        """Make the counters of a batch fit: guess the tasks that are not pending any more."""
        tasks, counts = world.tasks, world.batches.get(name).counts
        over = [it for it in shown if it != Status.PENDING]
        if any(shown[status] < counts.get(str(status), 0) for status in over):
            for task in tasks.list(batch=name):
                if task.id in self._scene.unseen and task.status in shown:  # an earlier guess
                    self._scene.make_pending(task, world)
            counts = world.batches.get(name).counts
        more = {status: shown[status] - counts.get(str(status), 0) for status in over}
        if not any(it > 0 for it in more.values()):
            return
        pending = tasks.list(batch=name, status="pending")
        # The guess takes the oldest first, but not those that a client cancels later.
        pending.sort(key=lambda it: self._scene.comes(f"cancel {it.id}"), reverse=True)
        for status in over:
            for _ in range(min(more[status], len(pending))):
                if shown.get(Status.PENDING, 0) < len(pending):
                    self._leave(pending.pop().id, status, world)

    def _leave(self, task_id: str, status: Status, world: World) -> None:
        """Give a pending task the status that the counters show."""
        if status == Status.COMPLETED:
            self._scene.complete_unseen(task_id, world)
        elif status == Status.ERROR:
            self._scene.fail_unseen(task_id, world)
        else:
            world.tasks.cancel(task_id)
            self._scene.unseen.add(task_id)
            self._scene.tell(f"task {task_id} is {status}")
