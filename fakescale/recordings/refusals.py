"""The arrangement of what a refusal shows to be there already.

A recording may begin after the things that it names: the API refuses a unique_id, a name or an
Idempotency-Key that an earlier request took, or a move of a task that a labeler completed.
"""

import contextlib
import re
from collections.abc import Callable, Mapping
from typing import get_args

from fakescale.account.words import BatchStatus
from fakescale.account.world import World
from fakescale.recordings.bindings import ID
from fakescale.recordings.homes import Homes
from fakescale.recordings.scene import GUESS, Scene
from fakescale.recordings.spots import Spot
from fakescale.values.clock import stamp
from fakescale.values.errors import ApiError

# The statuses of a refusal by which the thing that the request names is there.
_FOUND = (400, 402, 409, 422)
# The state of a task, or the status of a batch, in the text of a refusal.
_STATE = re.compile(r"\b(?:is|was|already|been) (?:already )?(\w+)")
# The status of a batch that refuses a move, unless the text names another.
_REFUSES: Mapping[str, str] = {
    "finalize": "in_progress",
    "pause": "paused",
    "resume": "in_progress",
    "cancel": "cancelled",
}
_QUOTED = re.compile(r'"(.*)"', re.DOTALL)


class Refusals:
    """Arranges what refusals show to be there already."""

    def __init__(self, scene: Scene, homes: Homes) -> None:
        self._scene = scene
        self._homes = homes

    def arrange(self, spot: Spot, world: World) -> None:
        """Arrange the reason of a refusal, and what the reason takes for granted."""
        if spot.action == "create" and spot.status in _FOUND:
            self._needs(spot, world)
        elif spot.action and spot.status in _FOUND and (put := _NAMED.get(spot.noun)):
            put(self, spot, world)
        if spot.status == 409:
            self._conflict(spot, world)

    def _needs(self, spot: Spot, world: World) -> None:
        """Put the homes that a refused creation names, unless the refusal is about them."""
        homes = ("project", "batch") if spot.noun == "task" else ("project",)
        named = {noun: _named(spot, noun) for noun in homes if noun not in spot.error.lower()}
        shown = self._scene.bindings.in_json({noun: name for noun, name in named.items() if name})
        if spot.noun not in ("task", "batch"):
            return
        if any(map(ID.fullmatch, shown.values())):
            self._homes.needs_of_v2(shown, None, world)
            return
        project, batch = (
            None if self._scene.comes(f"{noun}:{shown.get(noun)}") else shown.get(noun)
            for noun in ("project", "batch")
        )
        is_typed = spot.noun == "task" and not spot.is_v2
        type = spot.name if is_typed else GUESS
        if project and project not in world.projects:
            self._homes.put_project(project, type, world)
            if not is_typed:
                self._scene.typeless.add((world, project))
        if batch and batch not in world.batches:
            self._homes.put_batch(
                batch, project or f"project of {batch}", "in_progress", world, type
            )

    def _task(self, spot: Spot, world: World) -> None:
        id = spot.name if not spot.is_v2 else spot.body.get("task_id", spot.query.get("task_id"))
        task_id = self._scene.bindings.in_text(str(id))
        if task_id not in world.tasks:
            if not ID.fullmatch(task_id) or task_id in world.tasks._deleted:
                return
            self._scene.sketch(task_id, world)
        task = world.tasks.get(task_id)
        if task.status != "pending" or spot.action not in ("cancel", "audit"):
            return
        found = _STATE.search(spot.error)
        is_new = task.id in self._scene.sketches
        state = found[1] if found else "completed" if is_new and spot.action == "cancel" else ""
        if state == "completed":
            self._scene.complete_unseen(task.id, world)
        elif state == "error":
            world.tasks.fail(task.id, {})
            self._scene.unseen.add(task.id)
            self._scene.tell(f"task {task.id} is error")
        elif state == "canceled":
            world.tasks.cancel(task.id)
            self._scene.tell(f"task {task.id} is canceled")
        elif state == "started" and not task.work_started:
            world.tasks.start(task.id)
            self._scene.tell(f"task {task.id} is started")

    def _batch(self, spot: Spot, world: World) -> None:
        name = _named(spot, "batch") if spot.is_v2 else spot.name
        if not name:
            return
        found = _STATE.search(spot.error.replace(name, ""))
        status = found[1] if found and found[1] in get_args(BatchStatus) else ""
        if name not in world.batches:
            status = status or _REFUSES.get(spot.action, "in_progress")
            self._homes.put_batch(name, f"project of {name}", status, world, None)
        elif status:
            self._homes.batch_status(name, status, world)
        if spot.action == "finalize" and (world, f"batch {name}") in self._scene.foreign:
            world.batches._table.change(name, staged=True)  # no other batch refuses to be finalized

    def _project(self, spot: Spot, world: World) -> None:
        if spot.name and spot.name not in world.projects and not spot.is_v2:
            self._homes.put_project(spot.name, GUESS, world)
            self._scene.typeless.add((world, spot.name))

    def _conflict(self, spot: Spot, world: World) -> None:
        """Put the thing that has the name, the unique_id or the Idempotency-Key already."""
        is_key = bool(spot.idempotency_key) and not _tells(spot, "unique_id")
        name = spot.body.get("name")
        if is_key and "name" not in spot.error:
            self._use_key(spot.idempotency_key, world)
        elif spot.noun == "task":
            self._own(spot, world)
        elif spot.noun == "file":
            self._refer(spot, world)
        elif spot.noun == "project" and isinstance(name, str):
            self._homes.put_project(name, GUESS, world)
            self._scene.typeless.add((world, name))
        elif spot.noun == "batch" and isinstance(name, str) and name not in world.batches:
            project = _named(spot, "project") or f"project of {name}"
            self._homes.put_batch(name, project, "in_progress", world, None)

    def _use_key(self, key: str, world: World) -> None:
        """Let another request have used an Idempotency-Key."""
        _, is_test = world.key
        once, now = self._scene.asked.fake._state.once, self._scene.asked.now()
        once._forget(now)
        if (is_test, key) not in once._uses:
            used = {"key": [is_test, key], "fingerprint": ["", ""], "since": stamp(now)}
            once.restore([{**used, "status": 200, "body": "null"}])
            self._scene.tell(f"the Idempotency-Key {key} is in use")

    def _own(self, spot: Spot, world: World) -> None:
        """Let a task have a unique_id."""
        unique_id = spot.body.get("unique_id")
        if not isinstance(unique_id, str) or unique_id in world.tasks._owners:
            return
        found = ID.search(spot.error.replace(unique_id, ""))
        owner = found and self._scene.bindings.in_text(found[0])
        owner = owner or world.tasks._ids.make(self._scene.asked.now())
        if owner in self._scene.sketches:
            world.tasks.set_unique_id(owner, unique_id)
        elif owner not in world.tasks and not self._scene.comes(owner):
            # A known task that has lost its unique_id is a difference.
            self._scene.sketch(owner, world, unique_id=unique_id)

    def _refer(self, spot: Spot, world: World) -> None:
        """Let a file have a reference_id."""
        quoted = _QUOTED.search(spot.error)
        reference = spot.body.get("reference_id") or (quoted and quoted[1])
        files = world.files
        if isinstance(reference, str) and all(it.reference_id != reference for it in files.list()):
            with contextlib.suppress(ApiError):
                files.upload(b"", reference_id=reference)
                self._scene.tell(f"a file with the reference_id {reference} is there already")


_NAMED: Mapping[str, Callable[[Refusals, Spot, World], None]] = {
    "task": Refusals._task,
    "batch": Refusals._batch,
    "project": Refusals._project,
}


def _tells(spot: Spot, member: str) -> bool:
    """Return whether a refusal is about a member of the body."""
    value = spot.body.get(member)
    return value is not None and (member in spot.error or str(value) in spot.error)


def _named(spot: Spot, noun: str) -> str | None:
    """Return the name of the project or batch that a request names, or None."""
    for name in (noun, f"{noun}_name", f"{noun}_id"):
        found = spot.body.get(name, spot.query.get(name))
        if isinstance(found, str) and found:
            return found
    return None
