"""The arrangement of projects and batches, which are the homes of tasks.

The file has over 300 lines, since an answer about a batch also shows its project.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, get_args

from fakescale.account import task_types
from fakescale.account.batches import Batch
from fakescale.account.projects import Project
from fakescale.account.task import Status, Task
from fakescale.account.words import BatchStatus
from fakescale.account.world import World
from fakescale.recordings.bindings import ID
from fakescale.recordings.names import unnamed_project
from fakescale.recordings.scene import GUESS, Scene, checked_stamp
from fakescale.recordings.spots import Spot
from fakescale.recordings.uniting import NOUNS, Noun, home_key, homes_of, sort_by_creation, unite
from fakescale.values.clock import stamp
from fakescale.values.dumps import Table, check_types
from fakescale.values.frozen import FrozenDict, freeze

# The status of a batch before each move.
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
        # The batches that the recording showed after staging. No move leads back there.
        self._begun: set[tuple[World, str]] = set()

    def needs(self, shown: Mapping[str, Any], spot: Spot, world: World) -> None:
        """Arrange the project and the batch that a task is in."""
        if spot.is_v2:
            self.needs_of_v2(shown, spot, world)
            return
        project, batch = shown.get("project"), shown.get("batch")
        type = shown.get("type", spot.name)
        if isinstance(batch, str) and batch not in world.batches:
            self.put_batch(batch, project or unnamed_project(batch), "in_progress", world, type)
        if isinstance(project, str):
            is_quality = spot.noun == "quality task"  # only Rapid projects have these
            self.put_project(project, type, world, rapid=is_quality)
            if isinstance(batch, str):
                self.let_be_in(batch, project, world)

    def needs_of_v2(self, shown: Mapping[str, Any], spot: Spot | None, world: World) -> None:
        """Do as ``needs`` for a task of v2, which shows its homes by their ids or whole."""
        for noun in NOUNS:
            it = shown.get(noun)
            if isinstance(it, Mapping):
                (self.project if noun == "project" else self.batch)(it, None, world)
            elif isinstance(it, str):
                owner = homes_of(noun, world)
                if owner._find(it, None) is not None:
                    continue
                name = _name_in(spot, noun) or it
                if noun == "project":
                    self.put_typeless(name, world)
                elif name not in owner:
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
        """Give a project versions of its parameters, up to version ``number``."""
        project = world.projects.get(name)
        missing = number + 1 - len(project.param_history)
        if 0 < missing <= _MOST_VERSIONS:
            for _ in range(missing):
                world.projects.set_params(name, params)
            self._scene.tell(f"project {name} has version {number} of its parameters")

    def put_project(self, name: str, type: str, world: World, **more: Any) -> None:
        """Add a project. If it exists, only its type may become known."""
        project = world.projects._table.find(name)
        if project is not None:
            if (world, name) in self._scene.typeless and type in task_types.names():
                self._scene.typeless.discard((world, name))
                world.projects._table.change(name, type=type)
            return
        if "created_at" not in more:
            self._scene.bare.add((world, name))
        moment = checked_stamp(more.pop("created_at", stamp(self._scene.asked.now())))
        known = type if type in task_types.names() else GUESS
        project = Project(name=name, type=known, created_at=moment, **more)
        self._add("project", check_types(project), world)
        self._scene.tell(f"project {name} is there already")

    def put_typeless(self, name: str, world: World, **more: Any) -> None:
        """Add a project whose type the recording does not show yet, unless it exists."""
        if name not in world.projects:
            self.put_project(name, GUESS, world, **more)
            self._scene.typeless.add((world, name))

    def let_be_in(self, batch: str, project: str, world: World) -> None:
        """Put a batch into a project, if its project is not known yet."""
        unite(self._scene, "project", world.batches.get(batch).project, project, world)

    def needs_no_batch(self, project: str, world: World) -> None:
        """Let a project be no Rapid project, since each task of those needs a batch."""
        found = world.projects._table.find(project)
        if found is not None and found.rapid:
            self.let_be_studio(project, world)

    def let_be_studio(self, name: str, world: World) -> None:
        """Let a project be one of the Studio, unless a client made it."""
        if (world, name) in self._scene.foreign and not world.projects.get(name).studio:
            world.projects._table.change(name, rapid=False, studio=True)

    def put_batch(
        self, name: str, project: str, status: str, world: World, type: str | None, **more: Any
    ) -> None:
        """Add a batch, and its project if that is missing; ``type`` is None if unknown."""
        if type is None:
            self.put_typeless(project, world)
        elif project not in world.projects:
            self.put_project(project, type or GUESS, world)
        now = self._scene.asked.now()
        if "created_at" not in more:
            self._scene.bare.add((world, home_key("batch", name)))
        members = {"id": world.batches._ids.make(now), "created_at": stamp(now), **more}
        members["created_at"] = checked_stamp(members["created_at"])
        batch = Batch(
            name=name, project=project, status=status, staged=status == "staging", **members
        )
        self._add("batch", check_types(batch), world)
        self._scene.tell(f"batch {name} is there already")

    def _add(self, noun: Noun, home: Project | Batch, world: World) -> None:
        table: Table[Any] = homes_of(noun, world)._table
        latest = next(reversed(table._values.values()), home)
        table.put(home)
        if home.created_at < latest.created_at:
            sort_by_creation(table)
        self._scene.foreign.add((world, home_key(noun, home.name)))

    def _fill(self, noun: Noun, name: str, facts: Mapping[str, Any], world: World) -> None:
        """Fill in a home that was known only by its name."""
        table: Table[Any] = homes_of(noun, world)._table
        before = table.get(name)
        filled = table.put(check_types(dataclasses.replace(before, **facts)))
        if filled.created_at != before.created_at:
            sort_by_creation(table)
        self._scene.bindings.move(before.id, filled.id)

    def project(self, shown: Mapping[str, Any], spot: Spot | None, world: World) -> None:
        """Arrange a project that an answer shows; ``spot`` is None if it is shown as a home."""
        own = "" if spot is None else spot.action
        if own == "create":
            return
        name = str(shown["name"])
        if self._scene.is_coming(f"project:{name}"):
            return
        self._learn_name("project", shown, name, world)
        facts = _facts_of_project(shown, own)
        if name not in world.projects:
            self.put_project(name, str(shown.get("type", GUESS)), world, **facts)
            if "type" not in shown:
                self._scene.typeless.add((world, name))
            if "archived" not in facts:
                self._scene.bare.add((world, name))
        else:
            if "type" in shown:
                self.put_project(name, str(shown["type"]), world)
            if (world, name) in self._scene.bare:
                self._fill("project", name, facts, world)
                if "archived" in facts:
                    self._scene.bare.discard((world, name))
            self._change_project(name, facts, own, world)
        if "id" in shown:
            self._scene.bindings.bind(str(shown["id"]), world.projects.get(name).id)

    def _change_project(self, name: str, facts: Mapping[str, Any], own: str, world: World) -> None:
        """Arrange what another client changed of a known project."""
        project = world.projects.get(name)
        history = facts.get("param_history", ())
        if len(history) > len(project.param_history):
            world.projects._table.change(name, param_history=history)
            self._scene.tell(f"project {name} has other parameters")
        is_archived = facts.get("archived", project.archived)
        if is_archived != project.archived and not own:
            world.projects.archive(name, archived=is_archived)
            self._scene.tell(f"project {name} is {'' if is_archived else 'not '}archived")

    def batch(self, shown: Mapping[str, Any], spot: Spot | None, world: World) -> None:
        """Arrange a batch that an answer shows; ``spot`` is None if it is shown as a home."""
        own = "" if spot is None else spot.action
        printed = self._scene.bindings.in_json(dict(shown))
        is_v2 = isinstance(printed.get("id"), str) and "project" in printed
        name = str(printed["name"])
        self._learn_name("batch", printed, name, world)
        if is_v2:
            self._bind_project(name, shown["project"], world)
            project = self._scene.bindings.in_json(shown["project"])
            self.needs_of_v2({"project": project}, spot, world)
            printed = self._scene.bindings.in_json(dict(shown))
        project = self.project_of(printed, world) if is_v2 else printed.get("project")
        if name in world.batches and isinstance(project, str):
            self.let_be_in(name, project, world)
        status = printed.get("status", "in_progress")
        if own == "create":
            if isinstance(project, str):
                self._home_of_batch(project, None if is_v2 else status, world)
            return
        if self._scene.is_coming(f"batch:{name}"):
            return
        if status != "staging":
            self._begun.add((world, name))
        before = _BEFORE.get(own, status)
        facts = _facts_of_batch(printed)
        if name not in world.batches:
            self.put_batch(name, project or unnamed_project(name), before, world, None, **facts)
        if is_v2:
            self._scene.bindings.agree(shown["id"], world.batches.get(name).id)
            facts.pop("id")
        if (world, home_key("batch", name)) in self._scene.bare:
            self._fill("batch", name, facts, world)
            self._scene.bare.discard((world, home_key("batch", name)))
        self._change_batch(name, status, own, world)

    def _home_of_batch(self, project: str, status: str | None, world: World) -> None:
        """Add the project of a new batch.

        The ``status`` of the batch tells whether it is a Rapid project. None stands for a batch of
        v2, where the client decides the status.
        """
        self.put_project(project, GUESS, world)
        if (world, project) in self._scene.foreign:
            self._scene.typeless.add((world, project))
            if status is not None:
                world.projects._table.change(project, rapid=status == "staging")

    def _change_batch(self, name: str, status: str, own: str, world: World) -> None:
        """Arrange the status of a known batch, unless it is the effect of the request."""
        is_foreign = (world, home_key("batch", name)) in self._scene.foreign
        if own == "pause" and is_foreign and status == "paused":
            counts = world.batches.get(name).counts or {str(Status.PENDING): 1}
            # A batch without pending tasks would not be paused.
            world.batches._table.change(name, counts=FrozenDict(counts))
        if own == "finalize" and is_foreign and world.batches.get(name).status == status:
            world.batches._table.change(name, staged=False)  # else it would be refused
        if own not in _BEFORE:
            self.batch_status(name, status, world)
        elif own == "finalize" and status == "completed":  # so no task was pending any more
            self.complete(name, world)

    def _bind_project(self, batch: str, id: Any, world: World) -> None:
        """Bind the id of the project of a batch; v1 showed only the project's name."""
        known = world.batches._table.find(batch)
        if known is not None and isinstance(id, str) and ID.fullmatch(id):
            self._scene.bindings.agree(id, world.projects.get(known.project).id)

    def _learn_name(self, noun: Noun, shown: Mapping[str, Any], name: str, world: World) -> None:
        """Give its name to a home that the recording has shown only by its id so far."""
        id = self._scene.bindings.in_text(str(shown.get("id", "")))
        found = homes_of(noun, world)._find(id, None)
        if found is not None:
            unite(self._scene, noun, found.name, name, world)

    def learn_names(self, task: Task, printed: Mapping[str, Any], world: World) -> None:
        """Give the project and the batch of a task of v2 the names that v1 shows."""
        for noun in NOUNS:
            name, known = printed.get(noun), getattr(task, noun)
            if isinstance(name, str) and known is not None:
                unite(self._scene, noun, known, name, world)

    def batch_status(self, name: str, status: str, world: World) -> None:
        """Give a batch another status, except for staging after a later one."""
        batch = world.batches.get(name)
        if batch.status == status or status not in get_args(BatchStatus):
            return
        if status == "staging" and (world, name) in self._begun:
            return
        move = _MOVES.get((batch.status, status))
        if move is not None:
            getattr(world.batches, move)(name)
        elif status == "completed" and batch.status == "in_progress":
            self.complete(name, world)
        if world.batches.get(name).status != status:
            changed = dataclasses.replace(world.batches.get(name), status=status)
            world.batches._table.put(changed)
        self._scene.tell(f"batch {name} is {status}")

    def complete(self, name: str, world: World) -> None:
        """Complete the tasks of a batch."""
        for task in world.tasks.list(batch=name, status="pending"):
            self._scene.complete_unseen(task.id, world)


def _facts_of_project(shown: Mapping[str, Any], own: str) -> dict[str, Any]:
    """Return the fields of a project before a request; v2 shows less of it than v1."""
    facts: dict[str, Any] = {}
    if "created_at" in shown:
        facts["created_at"] = checked_stamp(shown["created_at"])
    if "param_history" in shown:
        history = [*shown["param_history"]]
        facts["param_history"] = freeze(history[:-1] if own == "setParams" else history)
        facts["archived"] = bool(shown.get("archived"))
        facts["ontology"] = freeze([*(shown.get("ontology") or ())] if own != "setOntology" else [])
    return facts


def _facts_of_batch(printed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a batch that an answer shows; v1 does not show its id."""
    names = ("id", "callback", "completed_at")
    facts = {name: printed[name] for name in names if name in printed}
    if "created_at" in printed:
        facts["created_at"] = checked_stamp(printed["created_at"])
    if "metadata" in printed:
        facts["metadata"] = freeze(printed["metadata"] or {})
    return facts


def _name_in(spot: Spot | None, noun: str) -> str | None:
    """Return the name of a project or batch that a request of v2 names, or None."""
    if spot is None:
        return None
    names = (spot.body.get(f"{noun}_name"), spot.query.get(f"{noun}_name"), spot.body.get(noun))
    return next((it for it in names if isinstance(it, str) and not ID.fullmatch(it)), None)
