"""The arrangement of what a recording shows that no client in it did.

A recording may show a task that a labeler completed, or a project that was there before it
began. The fake gets such a state before it is asked. Effects of the request itself are never
arranged: they are what is compared. The file has over 300 lines, since it has a short function
for each noun, and for each kind of change.
"""

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast, get_args

from fakescale.account import task_types
from fakescale.account.batches import Batch
from fakescale.account.files import File
from fakescale.account.printed import _SCHEMA
from fakescale.account.projects import Project
from fakescale.account.task import Status, Task
from fakescale.account.task import replace as replaced
from fakescale.account.team import Teammate
from fakescale.account.words import BatchStatus
from fakescale.account.world import World
from fakescale.recordings.asking import Asked
from fakescale.recordings.bindings import ID, Bindings
from fakescale.recordings.spots import Spot
from fakescale.values.answer import encode
from fakescale.values.clock import read_moment, stamp
from fakescale.values.errors import ApiError
from fakescale.values.frozen import FrozenDict, freeze

_KNOWN = frozenset(_SCHEMA["properties"])  # the members of a printed task
_GUESS = "chat"  # the type of a task or project whose type the recording does not show yet
# The members that an action sets, so that they do not tell what was there before it.
_EFFECTS: Mapping[str, tuple[str, ...]] = {
    "cancel": ("completed_at", "response"),
    "unique_id": ("unique_id",),
}
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
# The errors of a recorded thing that cannot be arranged. It is then a difference, which is found by
# asking.
_UNFIT = (ApiError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError)
_AHEAD = dt.timedelta(minutes=10)  # of the clock, for the time of a change
_MOST_VERSIONS = 100  # of a project's parameters


class Arranger:
    """Brings the fake into the state that a recording shows, and tells what it did."""

    def __init__(self, asked: Asked, bindings: Bindings) -> None:
        self._asked = asked
        self._bindings = bindings
        self._told: list[str] = []
        self._is_coming: Callable[[str], bool] = lambda key: False
        # Tasks that were completed only because a list or a counter shows that they were not
        # pending any more, by their ids. A later exchange may tell more of them.
        self._unseen: set[str] = set()
        self._overlaps = False
        self._foreign: set[tuple[World, str]] = set()  # projects and batches that were arranged
        self._typeless: set[tuple[World, str]] = set()  # projects of an unknown type
        self._teams: set[World] = set()  # the worlds whose team was arranged
        # What clients can change of a task, as the recording showed it last, by its id.
        self._last: dict[str, int] = {}

    def arrange(
        self,
        spot: Spot,
        status: int,
        world: World,
        *,
        overlaps: bool = False,
        is_coming: Callable[[str], bool] | None = None,
    ) -> list[str]:
        """Arrange what the recorded answer shows, and return what was arranged, in words.

        ``overlaps`` says that other requests go on at the same time. ``is_coming`` then says
        whether one that is not asked yet makes a thing or a change itself, by the key that
        `Spot` gives it. Then nothing is arranged.
        """
        self._told = []
        self._is_coming = is_coming or (lambda key: False)
        self._overlaps = overlaps
        now = self._asked.now()
        with contextlib.suppress(*_UNFIT):
            if spot.action == "create" and spot.noun == "task":
                self._creation(spot, status, world)
            elif not spot.is_good:
                self._refusal(spot, world)
            elif spot.noun == "teammate":
                self._team(spot, world)
            elif spot.noun == "batch" and "pending" in (spot.answer or ()):
                if is_coming is None:  # else counters may follow from what is coming
                    self._counts(spot, world)
            else:
                arrange: Callable[..., None] = _NOUNS.get(spot.noun, _nothing)
                for shown in spot.shown:
                    with contextlib.suppress(*_UNFIT):
                        arrange(self, shown, spot, world)
        self._asked.set_clock(max(now, self._asked.now()))
        return self._told

    def unlisted(self, spot: Spot, ours: Any, world: World) -> list[str]:
        """Complete the tasks that a recorded list of pending tasks does not show.

        ``ours`` is the list of the fake. A task that is missing in the recorded list is not
        pending any more. Return what was arranged, in words.
        """
        self._told = []
        if spot.query.get("status") != "pending" or not isinstance(ours, dict):
            return []
        if not spot.is_good or not isinstance(spot.answer, dict):
            return []
        if spot.answer.get("has_more") or spot.answer.get("next_token"):
            return []
        shown = {self._bindings.in_text(str(it.get("task_id"))) for it in spot.shown}
        for item in ours.get("docs") or ours.get("tasks") or ():
            if item["task_id"] not in shown and item["status"] == "pending":
                self._complete_unseen(item["task_id"], world)
        return self._told

    def follow(self, spot: Spot, status: int, world: World) -> list[str]:
        """Let the fake have what the recorded API had after a creation with another status.

        ``status`` is that of the fake. So the exchanges behind do not differ for this reason.
        Return what was arranged, in words.
        """
        self._told = []
        if spot.action == "create" and spot.noun == "task" and isinstance(spot.answer, dict):
            with contextlib.suppress(*_UNFIT):
                if spot.is_good and status >= 400:
                    self._load(self._bindings.in_json(dict(spot.answer)), spot, world)
                elif not spot.is_good and status < 300:
                    made = world.tasks[0]
                    world.tasks.delete(made.id)
                    world.tasks._deleted.remove(made.id)
        return self._told

    def _tell(self, text: str) -> None:
        self._told.append(text)

    @contextlib.contextmanager
    def _at(self, moment: Any) -> Iterator[None]:
        """Let the clock stand at the moment of a change, and then where it was or later."""
        now = self._asked.now()
        if isinstance(moment, str):
            with contextlib.suppress(ValueError):
                if (then := read_moment(moment)) <= now + _AHEAD:
                    self._asked.set_clock(then)
        try:
            yield
        finally:
            self._asked.set_clock(max(now, self._asked.now()))

    # Tasks.

    def _creation(self, spot: Spot, status: int, world: World) -> None:
        """Arrange what a creation needs: its project, its batch, and that its type is enabled."""
        if status == 402 and spot.name:
            with contextlib.suppress(ApiError):
                world.disabled_types.add(task_types.required(spot.name))
                self._tell(f"the type {spot.name} is not enabled")
        if not spot.is_good or not isinstance(spot.answer, dict):
            return
        if not spot.is_v2:
            with contextlib.suppress(ApiError):
                world.disabled_types.discard(task_types.required(spot.name))
        shown = self._bindings.in_json({**spot.body, **spot.answer})
        self._home(shown, spot, world)
        project = shown.get("project")
        if shown.get("project_param_version") is None or (world, project) not in self._foreign:
            return
        # The version that a foreign project has is not known, so its tasks tell it.
        params = {name: it for name, it in spot.answer["params"].items() if name not in spot.body}
        for name in ("instruction",):
            if name in spot.answer and name not in spot.body:
                params[name] = spot.answer[name]
        self._add_versions(project, int(shown["project_param_version"]), params, world)

    def _add_versions(self, name: str, number: int, params: Any, world: World) -> None:
        project = world.projects.get(name)
        missing = number + 1 - len(project.param_history)
        if 0 < missing <= _MOST_VERSIONS:
            for _ in range(missing):
                world.projects.set_params(name, params)
            self._tell(f"project {name} has version {number} of its parameters")

    def _home(self, shown: Mapping[str, Any], spot: Spot, world: World) -> None:
        """Arrange the project and the batch that a task is in."""
        if spot.is_v2:
            self._home_of_v2(shown, world)
            return
        project, batch = shown.get("project"), shown.get("batch")
        type = shown.get("type", spot.name)
        if isinstance(batch, str) and batch not in world.batches:
            self._put_batch(batch, project or f"project of {batch}", "in_progress", world, type)
        if isinstance(project, str):
            self._put_project(project, type, world)

    def _home_of_v2(self, shown: Mapping[str, Any], world: World) -> None:
        for noun in ("project", "batch"):
            it = shown.get(noun)
            if isinstance(it, Mapping):
                _NOUNS[noun](self, it, None, world)
            elif isinstance(it, str):
                given = shown.get(f"{noun}_name")
                if noun == "project" and world.projects._find(it, None) is None:
                    name = given if isinstance(given, str) else it
                    if name not in world.projects:
                        self._put_project(name, _GUESS, world)
                        self._typeless.add((world, name))
                    self._bindings.bind(it, world.projects.get(name).id)
                elif noun == "batch" and world.batches._find(it, None) is None:
                    name = given if isinstance(given, str) else it
                    if name not in world.batches:
                        home = self._project_of(shown, world)
                        self._put_batch(name, home, "in_progress", world, _GUESS, id=it)

    def _project_of(self, shown: Mapping[str, Any], world: World) -> str:
        """Return the name of the project of a thing of v2."""
        it = shown.get("project")
        id, name = (it.get("id"), it.get("name")) if isinstance(it, Mapping) else (it, None)
        found = world.projects._find(self._bindings.find(str(id)) or str(id), None)
        if found is None and name is not None:
            found = world.projects._find(None, str(name))
        return found.name if found else str(name or id)

    def _task(self, shown: Mapping[str, Any], spot: Spot, world: World) -> None:
        task_id = self._bindings.in_text(shown["task_id"])
        task = world.tasks._table.find(task_id)
        if spot.is_v2:
            if task is not None:
                self._bind_home(task, shown, world)
            self._home_of_v2(self._bindings.in_json(shown), world)
        printed = self._bindings.in_json(dict(shown))
        if task is None and self._is_coming(task_id):
            return
        if task is None and task_id not in world.tasks._deleted:
            self._load(printed, spot, world)
        elif task is not None:
            self._move(task, printed, spot, world)
        if "params" in printed:
            self._last[task_id] = _digest(printed)

    def _bind_home(self, task: Task, shown: Mapping[str, Any], world: World) -> None:
        """Bind the ids of the project and batch of a known task, which v1 does not show."""
        homes = {
            "project": task.project and world.projects.get(task.project),
            "batch": task.batch and world.batches.get(task.batch),
        }
        for noun, home in homes.items():
            id = shown.get(noun)
            id = id.get("id") if isinstance(id, Mapping) else id
            if isinstance(home, Project | Batch) and is_id(id):
                self._bindings.agree(str(id), home.id)

    def _load(self, printed: dict[str, Any], spot: Spot, world: World) -> None:
        """Add a task that was there already, as it was before the request."""
        members = {name: it for name, it in printed.items() if name in _KNOWN and it is not None}
        if spot.is_v2:
            members = self._members_of_v2(printed, world)
        for name in _EFFECTS.get(spot.action, ()):
            members.pop(name, None)
        if spot.action == "cancel":
            members["status"] = "pending"
        if spot.action == "audit" and members.get("audits"):
            members["audits"] = members["audits"][1:]
            members.pop("customer_review_status", None)
            members.pop("customer_review_comments", None)
        members.setdefault("type", _GUESS)
        members.setdefault("created_at", stamp(self._asked.now()))
        project, batch = members.get("project"), members.get("batch")
        if isinstance(project, str):
            self._put_project(project, members["type"], world)
        if isinstance(batch, str) and batch not in world.batches:
            home = project or f"project of {batch}"
            self._put_batch(batch, home, "in_progress", world, members["type"])
        world.tasks._load([members], is_json=True)
        self._tell(f"task {members['task_id']} is there already, {members['status']}")
        if members["status"] == "completed" and "response" not in members:
            self._unseen.add(members["task_id"])
        if spot.is_v2 and printed["status"] == "deleted":
            world.tasks.delete(members["task_id"])

    def _members_of_v2(self, printed: Mapping[str, Any], world: World) -> dict[str, Any]:
        """Return a task of v2 as v1 prints it."""
        names = ("task_id", "status", "created_at", "completed_at", "metadata")
        members = {name: printed[name] for name in names if name in printed}
        members["project"] = self._project_of(printed, world)
        members["type"] = world.projects.get(members["project"]).type
        batch = printed.get("batch")
        if batch is not None:
            id = batch.get("id") if isinstance(batch, Mapping) else batch
            found = world.batches._find(id, None)
            members["batch"] = found.name if found else str(id)
        if members["status"] == "deleted":
            members["status"] = "pending"
        if (response := _response_of(printed, is_v2=True)) is not None:
            members["response"] = response
        return members

    def _move(self, task: Task, printed: Mapping[str, Any], spot: Spot, world: World) -> None:
        """Arrange the changes of a known task."""
        status, own = printed.get("status"), spot.action
        if (
            self._overlaps
            and not own
            and task.id not in self._unseen
            and str(printed.get("updated_at", "")) < task.updated_at
        ):
            return  # such an answer may be older than what was asked before
        response = _response_of(printed, is_v2=spot.is_v2)
        is_own = own == "cancel" and status == "canceled"
        is_own = is_own or (status == "canceled" and self._is_coming(f"cancel {task.id}"))
        knows_more = task.id in self._unseen and (status != "completed" or response is not None)
        if status == "deleted":
            world.tasks.delete(task.id)
            self._tell(f"task {task.id} is deleted")
            return
        if isinstance(status, str) and not is_own and (status != task.status or knows_more):
            self._change_status(task, status, response, printed, world)
        if printed.get("work_started") and not world.tasks.get(task.id).work_started:
            with contextlib.suppress(ApiError):
                world.tasks.start(task.id)
                self._tell(f"task {task.id} is started")
        if not self._is_coming(f"audit {task.id}"):
            self._audit(task.id, printed, own, world)
        succeeded = printed.get("callback_completed", printed.get("callback_succeeded"))
        if isinstance(succeeded, bool) and world.tasks.get(task.id).callback_completed != succeeded:
            world.tasks._note_callback(task.id, succeeded)
            self._tell(f"task {task.id} has a callback that {'worked' if succeeded else 'failed'}")
        is_other = self._last.get(task.id) not in (None, _digest(printed))
        if not own and is_other and "params" in printed:
            self._change_members(task.id, printed, world)

    def _change_status(
        self,
        task: Task,
        status: str,
        response: Mapping[str, Any] | None,
        printed: Mapping[str, Any],
        world: World,
    ) -> None:
        tasks = world.tasks
        moment = printed.get("completed_at") or printed.get("updated_at")
        with self._at(moment):
            self._make_pending(task, world)
            self._unseen.discard(task.id)
            if printed.get("work_started") and status in ("completed", "error"):
                with contextlib.suppress(ApiError):
                    tasks.start(task.id)
            if status == "completed":
                try:
                    tasks.complete(task.id, response or {})
                except ApiError:  # threads that v2 could not show
                    tasks.complete(task.id, {})
                if response is None:
                    self._unseen.add(task.id)
            elif status == "error":
                tasks.fail(task.id, response or {})
            elif status == "canceled":
                tasks.cancel(task.id)
        self._tell(f"task {task.id} is {status}")

    def _make_pending(self, task: Task, world: World) -> None:
        if task.status == "completed":
            world.tasks.recall(task.id)
        elif task.status != "pending":  # no move leads back, but the recording shows it
            with world._lock:
                changes: dict[str, Any] = {"status": Status.PENDING, "response": None}
                world.tasks._replace(task, replaced(task, **changes), self._asked.now())

    def _audit(self, task_id: str, printed: Mapping[str, Any], own: str, world: World) -> None:
        shown = [it for it in printed.get("audits") or () if isinstance(it, Mapping)]
        shown = shown[1:] if own == "audit" else shown
        task = world.tasks.get(task_id)
        known = len(task.audits)
        comments = list(printed.get("customer_review_comments") or ())
        comments = comments[: max(0, len(comments) - len(task.customer_review_comments))]
        for audit in reversed(shown[: max(0, len(shown) - known)]):
            is_newest = audit is shown[0] and own != "audit"
            comment = comments[0] if is_newest and comments else None
            with self._at(audit.get("audited_at")), contextlib.suppress(ApiError):
                world.tasks.audit(
                    task_id,
                    cast(Any, audit.get("audit_result")),
                    comment if isinstance(comment, str) else None,
                    source="scale" if audit.get("audit_source") == "scale" else "customer",
                )
                self._tell(f"task {task_id} is audited: {audit.get('audit_result')}")

    def _change_members(self, task_id: str, printed: Mapping[str, Any], world: World) -> None:
        """Arrange what another client changed since the recording showed the task last."""
        task, tasks = world.tasks.get(task_id), world.tasks
        changes: list[tuple[str, Any, Callable[[Any], Any]]] = [
            ("metadata", task.metadata, lambda it: tasks.set_metadata(task_id, it or {})),
            ("tags", list(task.tags) or None, lambda it: tasks.set_tags(task_id, it or [])),
            (
                "unique_id",
                task.unique_id,
                lambda it: (
                    tasks.clear_unique_id(task_id)
                    if it is None
                    else tasks.set_unique_id(task_id, it)
                ),
            ),
        ]
        for name, known, change in changes:
            action = "setMetadata" if name == "metadata" else name
            if printed.get(name) != known and not self._is_coming(f"{action} {task_id}"):
                with contextlib.suppress(ApiError):
                    change(printed.get(name))
                    self._tell(f"task {task_id} has other {name}")

    def _complete_unseen(self, task_id: str, world: World) -> None:
        world.tasks.complete(task_id, {})
        self._unseen.add(task_id)
        self._tell(f"task {task_id} is not pending any more")

    def _refusal(self, spot: Spot, world: World) -> None:
        """Arrange the state of a task that the API names as its reason to refuse a move."""
        text = str(spot.answer.get("error")) if isinstance(spot.answer, dict) else ""
        if spot.action not in ("cancel", "audit") or spot.noun != "task":
            return
        task = world.tasks._table.find(self._bindings.in_text(spot.name))
        if task is None or task.status != "pending":
            return
        if "completed" in text:
            self._complete_unseen(task.id, world)
        elif "is error" in text:
            world.tasks.fail(task.id, {})
            self._unseen.add(task.id)
            self._tell(f"task {task.id} is error")
        elif "started" in text and not task.work_started:
            world.tasks.start(task.id)
            self._tell(f"task {task.id} is started")

    # Projects and batches.

    def _put_project(self, name: str, type: str, world: World, **more: Any) -> None:
        project = world.projects._table.find(name)
        if project is not None:
            if (world, name) in self._typeless and type in task_types.names():
                self._typeless.discard((world, name))
                world.projects._table.change(name, type=type)
            return
        moment = _stamp(more.pop("created_at", stamp(self._asked.now())))
        known = type if type in task_types.names() else _GUESS
        world.projects._table.put(Project(name=name, type=known, created_at=moment, **more))
        self._foreign.add((world, name))
        self._tell(f"project {name} is there already")

    def _put_batch(
        self, name: str, project: str, status: str, world: World, type: str | None, **more: Any
    ) -> None:
        if project not in world.projects:
            self._put_project(project, type or _GUESS, world)
            if type is None:
                self._typeless.add((world, project))
        now = self._asked.now()
        members = {"id": world.batches._ids.make(now), "created_at": stamp(now), **more}
        members["created_at"] = _stamp(members["created_at"])
        batch = Batch(
            name=name, project=project, status=status, staged=status == "staging", **members
        )
        world.batches._table.put(batch)
        self._foreign.add((world, f"batch {name}"))
        self._tell(f"batch {name} is there already")

    def _project(self, shown: Mapping[str, Any], spot: Spot | None, world: World) -> None:
        own = "" if spot is None else spot.action
        if own == "create":
            return
        name = str(shown["name"])
        if self._is_coming(f"project:{name}"):
            return
        history = [*shown.get("param_history", ())]
        if own == "setParams":
            history = history[:-1]
        if name not in world.projects:
            facts = {
                "created_at": shown.get("created_at", stamp(self._asked.now())),
                "param_history": freeze(history),
                "archived": bool(shown.get("archived")),
                "ontology": () if own == "setOntology" else freeze(shown.get("ontology") or []),
            }
            self._put_project(name, str(shown.get("type", _GUESS)), world, **facts)
            if "type" not in shown:
                self._typeless.add((world, name))
        else:
            if "type" in shown:
                self._put_project(name, str(shown["type"]), world)
            project = world.projects.get(name)
            if len(history) > len(project.param_history):
                world.projects._table.change(name, param_history=freeze(history))
                self._tell(f"project {name} has other parameters")
            if (is_archived := bool(shown.get("archived"))) != project.archived and not own:
                world.projects.archive(name, archived=is_archived)
                self._tell(f"project {name} is {'' if is_archived else 'not '}archived")
        if "id" in shown:
            self._bindings.bind(str(shown["id"]), world.projects.get(name).id)

    def _batch(self, shown: Mapping[str, Any], spot: Spot | None, world: World) -> None:
        own = "" if spot is None else spot.action
        printed = self._bindings.in_json(dict(shown))
        is_v2 = isinstance(printed.get("id"), str) and "project" in printed
        if is_v2:
            self._home_of_v2({"project": printed["project"]}, world)
        project = self._project_of(printed, world) if is_v2 else printed.get("project")
        status = printed.get("status", "in_progress")
        name = str(printed["name"])
        if own == "create":
            if isinstance(project, str):
                self._put_project(project, _GUESS, world)
                if (world, project) in self._foreign:
                    self._typeless.add((world, project))
                    world.projects._table.change(project, rapid=status == "staging")
            return
        if self._is_coming(f"batch:{name}"):
            return
        before = _BEFORE.get(own, status)
        if name not in world.batches:
            facts = {key: printed[key] for key in ("created_at", "callback") if key in printed}
            facts["metadata"] = freeze(printed.get("metadata") or {})
            if is_v2:
                facts["id"] = printed["id"]
            if "completed_at" in printed:
                facts["completed_at"] = printed["completed_at"]
            self._put_batch(name, project or f"project of {name}", before, world, None, **facts)
        elif own not in _BEFORE:
            self._batch_status(name, status, world)

    def _batch_status(self, name: str, status: str, world: World) -> None:
        batch = world.batches.get(name)
        if batch.status == status or status not in get_args(BatchStatus):
            return
        move = _MOVES.get((batch.status, status))
        if move is not None:
            getattr(world.batches, move)(name)
        elif status == "completed" and batch.status == "in_progress":
            for task in world.tasks.list(batch=name, status="pending"):
                self._complete_unseen(task.id, world)
        if world.batches.get(name).status != status:
            changed = dataclasses.replace(world.batches.get(name), status=status)
            world.batches._table.put(changed)
        self._tell(f"batch {name} is {status}")

    def _counts(self, spot: Spot, world: World) -> None:
        """Arrange the counters of a batch: labelers have completed some of its tasks."""
        name, answer = spot.name, spot.answer
        shown = {status: answer.get(status) for status in Status}
        if not all(isinstance(it, int) for it in shown.values()):
            return
        if name not in world.batches:
            self._put_batch(name, f"project of {name}", answer.get("status", ""), world, None)
        batch = world.batches.get(name)
        if (world, f"batch {name}") in self._foreign:
            # Its tasks may never be shown.
            counts = FrozenDict({str(k): it for k, it in shown.items()})
            status = answer.get("status", batch.status)
            world.batches._table.change(name, counts=counts, status=status)
            return
        tasks = world.tasks
        if any(shown[status] != batch.counts.get(status, 0) for status in Status):
            for task in tasks.list(batch=name):
                if task.id in self._unseen:  # an earlier guess
                    self._make_pending(task, world)
            batch = world.batches.get(name)
        pending = tasks.list(batch=name, status="pending")
        moves: Mapping[Status, Callable[[str], object]] = {
            Status.COMPLETED: lambda it: self._complete_unseen(it, world),
            Status.ERROR: lambda it: tasks.fail(it, {}),
            Status.CANCELED: tasks.cancel,
        }
        for status, move in moves.items():
            for _ in range(shown[status] - batch.counts.get(status, 0)):
                if pending and shown[Status.PENDING] < len(pending):
                    task_id = pending.pop().id
                    move(task_id)
                    self._unseen.add(task_id)
                    if status != Status.COMPLETED:
                        self._tell(f"task {task_id} is {status}")
        self._batch_status(name, answer.get("status", ""), world)

    # Files and the team.

    def _file(self, shown: Mapping[str, Any], spot: Spot, world: World) -> None:
        if spot.action or self._bindings.in_text(shown["id"]) in world.files:
            return
        names = [it.name for it in dataclasses.fields(File) if it.name in shown]
        members = {name: freeze(shown[name]) for name in names}
        members["created_at"] = _stamp(members["created_at"])
        members.setdefault("updated_at", members["created_at"])
        world.files._table.put(File(**members))
        self._tell(f"file {shown['id']} is there already")

    def _team(self, spot: Spot, world: World) -> None:
        """Arrange the team, once: all lists show the whole team."""
        if world in self._teams or not all(isinstance(it.get("email"), str) for it in spot.shown):
            return
        self._teams.add(world)
        invited = spot.body.get("emails", ()) if spot.action == "invite" else ()
        before = [it for it in spot.shown if it["email"] not in invited]
        table = world.teammates._table
        for teammate in list(table):
            table.remove(teammate.email)
        for it in before:
            texts = {"first_name": "firstName", "last_name": "lastName", "company": "company"}
            table.put(
                Teammate(
                    id=world.teammates._ids.make(self._asked.now()),
                    email=it["email"],
                    role=str(it.get("role")),
                    expiry=it.get("expiry"),
                    disable_rapid_emails=bool(it.get("disableRapidEmails")),
                    **{name: str(it.get(shown, "")) for name, shown in texts.items()},
                )
            )
        self._tell(f"a team of {len(before)} is there already")


def _stamp(moment: str) -> str:
    """Return a moment as the API prints it; raises ValueError or TypeError if it is none."""
    return stamp(read_moment(moment))


def _nothing(*_: Any) -> None:
    """Arrange nothing: things of other nouns are not arranged."""


_NOUNS: Mapping[str, Callable[..., None]] = {
    "task": Arranger._task,
    "project": Arranger._project,
    "batch": Arranger._batch,
    "file": Arranger._file,
}


def _response_of(printed: Mapping[str, Any], *, is_v2: bool) -> Mapping[str, Any] | None:
    """Return the response of a printed task, or None if it shows none."""
    if not is_v2:
        response = printed.get("response")
        return response if isinstance(response, Mapping) else None
    names = [name for name in ("threads", "errors") if printed.get(name)]
    return {name: printed[name] for name in names} or None


def _digest(printed: Mapping[str, Any]) -> int:
    """Return a digest of what clients can change of a task."""
    return hash(encode([printed.get(name) for name in ("metadata", "tags", "unique_id")]))


def is_id(text: object) -> bool:
    """Return whether a text is an id, as the API makes them."""
    return isinstance(text, str) and ID.fullmatch(text) is not None
