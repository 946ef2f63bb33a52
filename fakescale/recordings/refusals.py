"""The arrangement of things that a refusal shows to be there already.

A recording may begin after these were made. The API refuses a unique_id, a name or an
Idempotency-Key that an earlier request took, or a move of a task that a labeler completed.
"""

import contextlib
import re
from collections.abc import Callable, Mapping
from typing import get_args

from fakescale.account.batches import Batch
from fakescale.account.projects import Project
from fakescale.account.task import Status
from fakescale.account.words import BatchStatus
from fakescale.account.world import World
from fakescale.recordings.bindings import ID
from fakescale.recordings.homes import Homes
from fakescale.recordings.names import unnamed_project
from fakescale.recordings.scene import GUESS, Scene
from fakescale.recordings.spots import Spot
from fakescale.recordings.uniting import NOUNS, Noun, home_key, homes_of
from fakescale.values.clock import stamp
from fakescale.values.errors import ApiError

# The statuses of refusals that show that the named thing exists.
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
# The fake's own words about the type of a project and about the project of a batch.
_TYPE = re.compile(r'must be a project of type \w+, not (\w+) \(got "(.*)"\)')
_HOME = re.compile(r'must be that of the batch, "(.*?)"')
_CLOSED = re.compile('"batch" must not be (?:(cancelled)|finalized already)')
_BATCH = re.compile(r'Batch "(.*)" (?:is|was) ')
# The segments of paths that are no names of batches.
_ORDERS = ("set_priorities", "reset_priorities")
_QUOTED = re.compile(r'"(.*)"', re.DOTALL)


class Refusals:
    """Arranges the things that refusals show to be there already."""

    def __init__(self, scene: Scene, homes: Homes) -> None:
        self._scene = scene
        self._homes = homes

    def arrange(self, spot: Spot, world: World) -> None:
        """Arrange the reason of a refusal, and the things that the reason presupposes."""
        puts = _NEEDS if spot.action == "create" else _NAMED
        if spot.action and spot.status in _FOUND and (put := puts.get(spot.noun)):
            put(self, spot, world)
        if spot.noun == "studio" and spot.action:
            self._studio(spot, world)
        if spot.status == 409:
            self._conflict(spot, world)

    def _needs(self, spot: Spot, world: World) -> None:
        """Put the homes that a refused creation names, unless the refusal is about them."""
        self._told(spot, world)
        homes = NOUNS if spot.noun == "task" else NOUNS[:1]
        named = {noun: _named(spot, noun) for noun in homes if noun not in spot.error.lower()}
        shown = self._scene.bindings.in_json({noun: name for noun, name in named.items() if name})
        if all(self._home(noun, shown[noun], world) for noun in homes if noun in shown):
            return
        if self._scene.refuses():  # for another reason, which comes first
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
        if project and not is_typed:
            self._homes.put_typeless(project, world)
        elif project and project not in world.projects:
            self._homes.put_project(project, type, world)
        if batch and batch not in world.batches:
            self._homes.put_batch(
                batch, project or unnamed_project(batch), "in_progress", world, type
            )

    def _told(self, spot: Spot, world: World) -> None:
        """Put the homes that a refused creation names, as far as the fake's own words tell them."""
        project, batch = (self._known(noun, _named(spot, noun), world) for noun in NOUNS)
        error, type, status = spot.error, "" if spot.is_v2 else spot.name, ""
        needs_batch = error.endswith('"batch" is required')
        if found := _TYPE.search(error):
            type, project = found[1], self._known("project", found[2], world)
        elif found := _HOME.search(error):
            if project:
                self._homes.put_typeless(project, world)
            project, type = found[1], ""
        elif found := _CLOSED.search(error):
            status = found[1] or "in_progress"
        elif not needs_batch:
            return
        if batch:
            project = project or unnamed_project(batch)
            if batch not in world.batches:
                self._homes.put_batch(batch, project, status or "in_progress", world, None)
            self._homes.let_be_in(batch, project, world)
            if status:
                self._homes.batch_status(batch, status, world)
            if status == "in_progress":
                world.batches._table.change(batch, staged=True)
        if project:
            self._homes.put_typeless(project, world)
        if type:
            self._homes.put_project(str(project), type, world)
        if needs_batch and (world, project) in self._scene.foreign:
            world.projects._table.change(str(project), rapid=True, studio=False)

    def _known(self, noun: Noun, given: str | None, world: World) -> str | None:
        """Return the name of the home that a request gives by name or id; else the given text."""
        given = self._scene.bindings.in_text(given or "")
        found = self._home(noun, given, world)
        return found.name if found else given or None

    def _home(self, noun: Noun, name: str, world: World) -> Project | Batch | None:
        """Return the project or batch with a name or an id of the fake, or None."""
        homes = homes_of(noun, world)
        return homes._find(None, name) or homes._find(name, None)

    def _task(self, spot: Spot, world: World) -> None:
        id = spot.body.get("task_id", spot.query.get("task_id"))
        task_id = self._scene.bindings.in_text(str(id or spot.name))
        if task_id not in world.tasks:
            is_gone = not ID.fullmatch(task_id) or task_id in world.tasks._deleted
            if is_gone or self._scene.refuses():
                return
            self._scene.sketch(task_id, world)
        task = world.tasks.get(task_id)
        moves = spot.action in ("cancel", "audit") or spot.noun == "audits"
        if not moves or (task.status != "pending" and task.id not in self._scene.unseen):
            return
        found = _STATE.search(spot.error)
        is_new = task.id in self._scene.sketches
        state = found[1] if found else "completed" if is_new and spot.action == "cancel" else ""
        if state == task.status:
            return
        if task.status != "pending" and state in set(Status):  # a guess that was wrong
            self._scene.make_pending(task, world)
            self._scene.unseen.discard(task.id)
        if state == "completed":
            self._scene.complete_unseen(task.id, world)
        elif state == "error":
            self._scene.fail_unseen(task.id, world)
        elif state == "canceled":
            world.tasks.cancel(task.id)
            self._scene.tell(f"task {task.id} is canceled")
        elif state == "started" and not task.work_started:
            world.tasks.start(task.id)
            self._scene.tell(f"task {task.id} is started")

    def _batch(self, spot: Spot, world: World) -> None:
        given = self._scene.bindings.in_text(_named(spot, "batch") or "")
        name = given if spot.is_v2 else spot.name
        if not name:
            return
        found = _STATE.search(_QUOTED.sub("", spot.error))
        status = found[1] if found and found[1] in get_args(BatchStatus) else ""
        batch = self._home("batch", name, world)
        told = _BATCH.match(spot.error)
        if batch is None and told and told[1] in world.batches:  # its id was not known yet
            batch = world.batches.get(told[1])
            self._scene.bindings.agree(name, batch.id)
        if batch is not None:
            name = batch.name
        elif self._scene.refuses():
            return
        else:
            status = status or _REFUSES.get(spot.action, "in_progress")
            more = {"id": name} if ID.fullmatch(name) else {}
            name = told[1] if told else name
            self._homes.put_batch(name, unnamed_project(name), status, world, None, **more)
        if batch is not None and status:
            self._homes.batch_status(name, status, world)
        if spot.action == "finalize" and (world, home_key("batch", name)) in self._scene.foreign:
            world.batches._table.change(name, staged=True)  # only such a batch refuses it

    def _project(self, spot: Spot, world: World) -> None:
        is_known = not spot.name or spot.is_v2 or spot.name in world.projects
        if not is_known and not self._scene.refuses():
            self._homes.put_typeless(spot.name, world)

    def _studio(self, spot: Spot, world: World) -> None:
        """Put the Studio project or batch that the path of a refused request names."""
        kind, name = spot.path[1], spot.path[2] if len(spot.path) > 2 else ""
        if kind == "projects" and name and name not in world.projects:
            if not self._scene.refuses():
                self._homes.put_typeless(name, world)
        elif kind == "batches" and name and name not in _ORDERS and spot.status != 404:
            known = world.batches._table.find(name)
            if known is not None and world.projects.get(known.project).studio:
                return
            if not self._scene.refuses():
                project = known.project if known else unnamed_project(name)
                if known is None:
                    self._homes.put_batch(name, project, "in_progress", world, None)
                self._homes.let_be_studio(project, world)

    def _conflict(self, spot: Spot, world: World) -> None:
        """Put the thing that already has the name, the unique_id or the Idempotency-Key."""
        is_key = bool(spot.idempotency_key) and not _tells(spot, "unique_id")
        name = spot.body.get("name")
        if is_key and "name" not in spot.error:
            self._use_key(spot.idempotency_key, world)
        elif spot.noun == "task":
            self._own(spot, world)
        elif spot.noun == "file":
            self._refer(spot, world)
        elif spot.noun == "project" and isinstance(name, str) and name:
            self._homes.put_typeless(name, world)
        elif spot.noun == "batch" and isinstance(name, str) and name not in world.batches:
            project = _named(spot, "project") or unnamed_project(name)
            self._homes.put_batch(name, project, "in_progress", world, None)

    def _use_key(self, key: str, world: World) -> None:
        """Mark an Idempotency-Key as used by another request."""
        _, is_test = world.key
        once, now = self._scene.asked.fake._state.once, self._scene.asked.now()
        once._forget(now)
        if (is_test, key) not in once._uses:
            used = {"key": [is_test, key], "fingerprint": ["", ""], "since": stamp(now)}
            once.restore([{**used, "status": 200, "body": "null"}])
            self._scene.tell(f"the Idempotency-Key {key} is in use")

    def _own(self, spot: Spot, world: World) -> None:
        """Give a task the refused unique_id."""
        unique_id = spot.body.get("unique_id")
        if not _named(spot, "batch"):
            self._homes.needs_no_batch(_named(spot, "project") or "", world)
        if not isinstance(unique_id, str) or unique_id in world.tasks._owners:
            return
        # The text ends with the owner's id (documented). A unique_id may hold an id, too.
        found = ID.findall(spot.error)
        owner = self._scene.bindings.in_text(found[-1]) if found else ""
        owner = owner or world.tasks._ids.make(self._scene.asked.now())
        if owner in self._scene.sketches or owner in self._scene.outlines:
            world.tasks.set_unique_id(owner, unique_id)
        elif owner not in world.tasks and not self._scene.comes(owner):
            # A known task that has lost its unique_id is a difference.
            self._scene.sketch(owner, world, unique_id=unique_id)

    def _refer(self, spot: Spot, world: World) -> None:
        """Give a file the refused reference_id."""
        quoted = _QUOTED.search(spot.error)
        reference = spot.body.get("reference_id") or (quoted and quoted[1])
        files = world.files
        if isinstance(reference, str) and all(it.reference_id != reference for it in files.list()):
            with contextlib.suppress(ApiError):
                files.upload(b"", reference_id=reference)
                self._scene.tell(f"a file with the reference_id {reference} is there already")


# The functions that arrange the things that a refused creation needs, by noun.
_NEEDS: Mapping[str, Callable[[Refusals, Spot, World], None]] = {
    "task": Refusals._needs,
    "batch": Refusals._needs,
    "audits": Refusals._task,
}
# The functions that arrange the thing that a refused change is about, by noun.
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
