"""The arrangement of projects and batches, which are the homes of tasks."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, cast, get_args

from fakescale.account import task_types
from fakescale.account.batches import Batch, Batches
from fakescale.account.projects import Project, Projects
from fakescale.account.task import Status, Task
from fakescale.account.task import replace as replaced
from fakescale.account.words import BatchStatus
from fakescale.account.world import World
from fakescale.recordings.bindings import ID
from fakescale.recordings.scene import GUESS, Scene, checked_stamp
from fakescale.recordings.spots import Spot
from fakescale.values.clock import stamp
from fakescale.values.dumps import Table, check_types
from fakescale.values.frozen import FrozenDict, freeze

# The statuses of a batch before a move.
_BEFORE: Mapping[str, str] = {
    "finalize": "staging",
    "pause": "in_progress",
    "resume": "paused",
    "cancel": "in_progress",
}
# The moves that lead a batch from one status to another.
_MOVES: Mapping[tuple[str, str], str] = {
    ("staging", "in_progress"): "finalize",
    ("paused", "in_progress"): "resume",
    ("in_progress", "paused"): "pause",
    ("staging", "cancelled"): "cancel",
    ("in_progress", "cancelled"): "cancel",
    ("paused", "cancelled"): "cancel",
}
_MOST_VERSIONS = 100  # of a project's parameters


class Homes:
    """Arranges projects and batches."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        # The batches that the recording showed behind staging. No move leads back there.
        self._begun: set[tuple[World, str]] = set()

    def needs(self, shown: Mapping[str, Any], spot: Spot, world: World) -> None:
        """Arrange the project and the batch that a task is in."""
        if spot.is_v2:
            self.needs_of_v2(shown, spot, world)
            return
        project, batch = shown.get("project"), shown.get("batch")
        type = shown.get("type", spot.name)
        if isinstance(batch, str) and batch not in world.batches:
            self.put_batch(batch, project or f"project of {batch}", "in_progress", world, type)
        if isinstance(project, str):
            is_quality = spot.noun == "quality task"  # only Rapid projects have these
            self.put_project(project, type, world, rapid=is_quality)

    def needs_of_v2(self, shown: Mapping[str, Any], spot: Spot | None, world: World) -> None:
        """Do as ``needs`` for a task as v2 shows it, with ids or whole objects."""
        for noun in ("project", "batch"):
            it = shown.get(noun)
            if isinstance(it, Mapping):
                (self.project if noun == "project" else self.batch)(it, None, world)
            elif isinstance(it, str):
                owner: Projects | Batches = world.projects if noun == "project" else world.batches
                if owner._find(it, None) is not None:
                    continue
                name = _name_in(spot, noun) or it
                if name in owner:
                    pass
                elif noun == "project":
                    self.put_project(name, GUESS, world)
                    self._scene.typeless.add((world, name))
                else:
                    home = self.project_of(shown, world)
                    self.put_batch(name, home, "in_progress", world, GUESS, id=it)
                self._scene.bindings.bind(it, owner.get(name).id)

    def project_of(self, shown: Mapping[str, Any], world: World) -> str:
        """Return the name of the project of a thing of v2."""
        it = shown.get("project")
        id, name = (it.get("id"), it.get("name")) if isinstance(it, Mapping) else (it, None)
        found = world.projects._find(self._scene.bindings.find(str(id)) or str(id), None)
        if found is None and name is not None:
            found = world.projects._find(None, str(name))
        return found.name if found else str(name or id)

    def bind(self, task: Task, shown: Mapping[str, Any], world: World) -> None:
        """Bind the ids of the project and batch of a known task, which v1 does not show."""
        homes = {
            "project": task.project and world.projects.get(task.project),
            "batch": task.batch and world.batches.get(task.batch),
        }
        for noun, home in homes.items():
            id = shown.get(noun)
            id = id.get("id") if isinstance(id, Mapping) else id
            if isinstance(home, Project | Batch) and isinstance(id, str) and ID.fullmatch(id):
                self._scene.bindings.agree(str(id), home.id)

    def add_versions(self, name: str, number: int, params: Any, world: World) -> None:
        """Give a project versions of its parameters, up to a number."""
        project = world.projects.get(name)
        missing = number + 1 - len(project.param_history)
        if 0 < missing <= _MOST_VERSIONS:
            for _ in range(missing):
                world.projects.set_params(name, params)
            self._scene.tell(f"project {name} has version {number} of its parameters")

    def put_project(self, name: str, type: str, world: World, **more: Any) -> None:
        """Add a project, unless it exists; then only its type may become known."""
        project = world.projects._table.find(name)
        if project is not None:
            if (world, name) in self._scene.typeless and type in task_types.names():
                self._scene.typeless.discard((world, name))
                world.projects._table.change(name, type=type)
            return
        moment = checked_stamp(more.pop("created_at", stamp(self._scene.asked.now())))
        known = type if type in task_types.names() else GUESS
        project = Project(name=name, type=known, created_at=moment, **more)
        world.projects._table.put(check_types(project))
        self._scene.foreign.add((world, name))
        self._scene.tell(f"project {name} is there already")

    def put_batch(
        self, name: str, project: str, status: str, world: World, type: str | None, **more: Any
    ) -> None:
        """Add a batch, and its project if that is missing; None is an unknown type."""
        if project not in world.projects:
            self.put_project(project, type or GUESS, world)
            if type is None:
                self._scene.typeless.add((world, project))
        now = self._scene.asked.now()
        members = {"id": world.batches._ids.make(now), "created_at": stamp(now), **more}
        members["created_at"] = checked_stamp(members["created_at"])
        batch = Batch(
            name=name, project=project, status=status, staged=status == "staging", **members
        )
        world.batches._table.put(check_types(batch))
        self._scene.foreign.add((world, f"batch {name}"))
        self._scene.tell(f"batch {name} is there already")

    def project(self, shown: Mapping[str, Any], spot: Spot | None, world: World) -> None:
        """Arrange a project that an answer shows; None is an answer about something in it."""
        own = "" if spot is None else spot.action
        if own == "create":
            return
        name = str(shown["name"])
        if self._scene.is_coming(f"project:{name}"):
            return
        history = [*shown.get("param_history", ())]
        if own == "setParams":
            history = history[:-1]
        self._name("project", shown, name, world)
        if name not in world.projects:
            facts = {
                "created_at": shown.get("created_at", stamp(self._scene.asked.now())),
                "param_history": freeze(history),
                "archived": bool(shown.get("archived")),
                "ontology": () if own == "setOntology" else freeze(shown.get("ontology") or []),
            }
            self.put_project(name, str(shown.get("type", GUESS)), world, **facts)
            if "type" not in shown:
                self._scene.typeless.add((world, name))
        else:
            if "type" in shown:
                self.put_project(name, str(shown["type"]), world)
            project = world.projects.get(name)
            if len(history) > len(project.param_history):
                world.projects._table.change(name, param_history=freeze(history))
                self._scene.tell(f"project {name} has other parameters")
            if (is_archived := bool(shown.get("archived"))) != project.archived and not own:
                world.projects.archive(name, archived=is_archived)
                self._scene.tell(f"project {name} is {'' if is_archived else 'not '}archived")
        if "id" in shown:
            self._scene.bindings.bind(str(shown["id"]), world.projects.get(name).id)

    def batch(self, shown: Mapping[str, Any], spot: Spot | None, world: World) -> None:
        """Arrange a batch that an answer shows; None is an answer about something in it."""
        own = "" if spot is None else spot.action
        printed = self._scene.bindings.in_json(dict(shown))
        is_v2 = isinstance(printed.get("id"), str) and "project" in printed
        if is_v2:
            self.needs_of_v2({"project": printed["project"]}, spot, world)
        project = self.project_of(printed, world) if is_v2 else printed.get("project")
        status = printed.get("status", "in_progress")
        name = str(printed["name"])
        if own == "create":
            if isinstance(project, str):
                self.put_project(project, GUESS, world)
                if (world, project) in self._scene.foreign:
                    self._scene.typeless.add((world, project))
                    world.projects._table.change(project, rapid=status == "staging")
            return
        if self._scene.is_coming(f"batch:{name}"):
            return
        if status != "staging":
            self._begun.add((world, name))
        before = _BEFORE.get(own, status)
        self._name("batch", printed, name, world)
        if name not in world.batches:
            facts = {key: printed[key] for key in ("created_at", "callback") if key in printed}
            facts["metadata"] = freeze(printed.get("metadata") or {})
            if is_v2:
                facts["id"] = printed["id"]
            if "completed_at" in printed:
                facts["completed_at"] = printed["completed_at"]
            self.put_batch(name, project or f"project of {name}", before, world, None, **facts)
        elif own not in _BEFORE:
            self.batch_status(name, status, world)

    def _name(self, noun: str, shown: Mapping[str, Any], name: str, world: World) -> None:
        """Give a home its name, of which the recording has shown only the id so far."""
        homes: Projects | Batches = world.projects if noun == "project" else world.batches
        found = homes._find(self._scene.bindings.in_text(str(shown.get("id", ""))), None)
        if name in homes or found is None or not ID.fullmatch(found.name):
            return
        id = found.name  # stood for the name
        table: Table[Any] = homes._table
        table.put(dataclasses.replace(table.remove(id), name=name))
        changes: dict[str, Any] = {noun: name}
        for task in [it for it in world.tasks._table if getattr(it, noun) == id]:
            world.tasks._put(replaced(task, **changes), task)
        if noun == "project":
            for it in (world.batches._table, world.deliveries._table):
                for thing in [thing for thing in it if thing.project == id]:
                    it.put(dataclasses.replace(cast(Any, thing), project=name))
        self._scene.bindings.bind(id, homes.get(name).id)
        for known in (self._scene.foreign, self._scene.typeless):
            before = "" if noun == "project" else "batch "
            if (world, f"{before}{id}") in known:
                known.add((world, f"{before}{name}"))

    def batch_status(self, name: str, status: str, world: World) -> None:
        """Give a batch another status, unless no move leads there."""
        batch = world.batches.get(name)
        if batch.status == status or status not in get_args(BatchStatus):
            return
        if status == "staging" and (world, name) in self._begun:
            return
        move = _MOVES.get((batch.status, status))
        if move is not None:
            getattr(world.batches, move)(name)
        elif status == "completed" and batch.status == "in_progress":
            for task in world.tasks.list(batch=name, status="pending"):
                self._scene.complete_unseen(task.id, world)
        if world.batches.get(name).status != status:
            changed = dataclasses.replace(world.batches.get(name), status=status)
            world.batches._table.put(changed)
        self._scene.tell(f"batch {name} is {status}")

    def counts(self, spot: Spot, world: World) -> None:
        """Arrange the counters of a batch: labelers have completed some of its tasks."""
        name, answer = spot.name, spot.answer
        shown = {status: answer.get(status) for status in Status}
        if not all(isinstance(it, int) for it in shown.values()):
            return
        if name not in world.batches:
            self.put_batch(name, f"project of {name}", answer.get("status", ""), world, None)
        batch = world.batches.get(name)
        if (world, f"batch {name}") in self._scene.foreign:
            # Its tasks may never be shown.
            counts = FrozenDict({str(k): it for k, it in shown.items()})
            status = answer.get("status", batch.status)
            world.batches._table.change(name, counts=counts, status=status)
            return
        tasks = world.tasks
        if any(shown[status] != batch.counts.get(status, 0) for status in Status):
            for task in tasks.list(batch=name):
                if task.id in self._scene.unseen:  # an earlier guess
                    self._scene.make_pending(task, world)
            batch = world.batches.get(name)
        pending = tasks.list(batch=name, status="pending")
        # The guess takes the oldest first, but not those that a client cancels later.
        pending.sort(key=lambda it: self._scene.comes(f"cancel {it.id}"), reverse=True)
        moves: Mapping[Status, Callable[[str], object]] = {
            Status.COMPLETED: lambda it: self._scene.complete_unseen(it, world),
            Status.ERROR: lambda it: tasks.fail(it, {}),
            Status.CANCELED: tasks.cancel,
        }
        for status, move in moves.items():
            more = shown[status] - batch.counts.get(status, 0)
            for _ in range(min(more, len(pending))):
                if shown[Status.PENDING] < len(pending):
                    task_id = pending.pop().id
                    move(task_id)
                    self._scene.unseen.add(task_id)
                    if status != Status.COMPLETED:
                        self._scene.tell(f"task {task_id} is {status}")
        self.batch_status(name, answer.get("status", ""), world)


def _name_in(spot: Spot | None, noun: str) -> str | None:
    """Return the name of a project or batch that a request of v2 names, or None."""
    if spot is None:
        return None
    names = (spot.body.get(f"{noun}_name"), spot.query.get(f"{noun}_name"), spot.body.get(noun))
    return next((it for it in names if isinstance(it, str) and not ID.fullmatch(it)), None)
