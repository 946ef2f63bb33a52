"""The arrangement of state that a recording shows, but that no client in it made.

A recording may show a task that a labeler completed, or a project that was there before it
began. The fake gets such a state before it is asked. Effects of the request itself are never
arranged, since they are compared. The file has over 300 lines, since it has a short function for
each kind of change.
"""

import bisect
import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, cast

from fakescale.account import task_types
from fakescale.account.audits import Audit
from fakescale.account.files import File
from fakescale.account.printed import _SCHEMA
from fakescale.account.task import Task
from fakescale.account.world import World
from fakescale.recordings.asking import Asked
from fakescale.recordings.bindings import ID, Bindings
from fakescale.recordings.counters import Counters
from fakescale.recordings.delivered import Delivered
from fakescale.recordings.homes import Homes
from fakescale.recordings.names import unnamed_project
from fakescale.recordings.refusals import Refusals
from fakescale.recordings.scene import GUESS, Scene, checked_stamp
from fakescale.recordings.spots import Spot
from fakescale.recordings.team import Team
from fakescale.values.answer import encode
from fakescale.values.clock import stamp
from fakescale.values.dumps import check_types
from fakescale.values.errors import ApiError
from fakescale.values.frozen import FrozenDict, freeze

_KNOWN = frozenset(_SCHEMA["properties"])  # the members of a printed task
# The members that an action sets. They do not tell the state before it.
_EFFECTS: Mapping[str, tuple[str, ...]] = {
    "cancel": ("completed_at", "response"),
    "unique_id": ("unique_id",),
}
# The errors of a recorded thing that cannot be arranged. The comparison then shows a difference.
_UNFIT = (ApiError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError)


class Arranger:
    """Brings the fake into the state that a recording shows, and tells what it did."""

    def __init__(self, asked: Asked, bindings: Bindings) -> None:
        self._scene = Scene(asked, bindings)
        self._homes = Homes(self._scene)
        self._refusals = Refusals(self._scene, self._homes)
        self._delivered = Delivered(self._scene, self._homes, self._task)
        self._counters = Counters(self._scene, self._homes)
        self._team = Team(self._scene, self._homes, self._counters)
        # By the id of a task: the digest of the members that clients can change, as shown last.
        self._last: dict[str, int] = {}
        # By the id of a task: the time of the last change by a client in the recording.
        self._own: dict[str, str] = {}
        self._canceled: set[str] = set()  # the ids of tasks that the recording showed canceled

    def arrange(
        self,
        spot: Spot,
        world: World,
        comes: Callable[[str], bool],
        *,
        refuses: Callable[[], bool] = lambda: False,
        overlaps: bool = False,
        is_early: bool = False,
    ) -> list[str]:
        """Arrange what the recorded answer shows, and return what was arranged, in words.

        ``comes`` takes a key of `Spot`, and returns whether one of the next requests makes this
        thing or change. ``refuses`` returns whether the fake already refuses the request in the
        recorded words. It sends the request, so call it only if the fake cannot carry that out.
        ``overlaps`` says that other requests go on at the same time. ``is_early`` says that the
        request is tried again after some of them. Then nothing is arranged that the next requests
        make.
        """
        self._scene.told = []
        self._scene.comes, self._scene.refuses = comes, refuses
        self._scene.is_coming = comes if is_early else lambda key: False
        self._scene.overlaps = overlaps
        now = self._scene.asked.now()
        with contextlib.suppress(*_UNFIT):
            if spot.action == "create" and spot.noun == "task":
                self._creation(spot, world)
            elif spot.noun == "quality task" and spot.is_good:
                self._homes.needs(self._scene.bindings.in_json(spot.body), spot, world)
            elif self._delivered.arrange(spot, world):
                pass
            elif not spot.is_good:
                self._refusals.arrange(spot, world)
            elif self._team.arrange(spot, world):
                pass
            elif spot.noun == "batch" and "pending" in (spot.answer or ()):
                if not is_early:  # else later requests may explain the counters
                    self._counters.arrange(spot, world)
            else:
                arrange: Callable[..., None] = _NOUNS.get(spot.noun, _nothing)
                if spot.answer is None:
                    self._unshown(spot, world)
                for shown in spot.shown:
                    with contextlib.suppress(*_UNFIT):
                        arrange(self, shown, spot, world)
        self._scene.asked.set_clock(max(now, self._scene.asked.now()))
        return self._scene.told

    def unlisted(self, spot: Spot, ours: Any, world: World) -> list[str]:
        """Change the tasks that a recorded list of a status does not show.

        ``ours`` is the list of the fake. A task that the recorded list of pending tasks lacks is
        not pending any more. A task that was only guessed to be completed, and that the recorded
        list of completed tasks lacks, is an error. Return what was arranged, in words.
        """
        self._scene.told = []
        status = spot.query.get("status")
        if status not in ("pending", "completed") or not isinstance(ours, dict):
            return []
        if not spot.is_good or not isinstance(spot.answer, dict):
            return []
        shown = {self._scene.bindings.in_text(str(it.get("task_id"))) for it in spot.shown}
        # A list has the newest first. Older tasks may be on the next pages.
        oldest = ""
        if spot.answer.get("has_more") or spot.answer.get("next_token"):
            oldest = min((str(it.get("created_at")) for it in spot.shown), default="9")
        for item in ours.get("docs") or ours.get("tasks") or ():
            task_id = item["task_id"]
            if item["created_at"] <= oldest or task_id in shown or item["status"] != status:
                continue
            if status == "pending":
                self._scene.complete_unseen(task_id, world)
            elif task_id in self._scene.unseen:
                self._scene.make_pending(world.tasks.get(task_id), world)
                self._scene.fail_unseen(task_id, world)
        return self._scene.told

    def follow(self, spot: Spot, status: int, world: World) -> list[str]:
        """Give the fake the recorded outcome of a creation whose status differs.

        ``status`` is that of the fake's answer. Later exchanges then do not differ for this
        reason. Return what was arranged, in words.
        """
        self._scene.told = []
        if spot.action == "create" and spot.noun == "task" and isinstance(spot.answer, dict):
            with contextlib.suppress(*_UNFIT):
                if spot.is_good and status >= 400:
                    self._load(self._scene.bindings.in_json(dict(spot.answer)), spot, world)
                elif not spot.is_good and status < 300:
                    self._forget(world.tasks[0], world)
        return self._scene.told

    def _forget(self, task: Task, world: World) -> None:
        """Remove a task without a trace."""
        batch = world.batches._table.find(task.batch or "")
        if batch is not None and not batch.counts.get(task.status):
            # The counters are recorded ones, perhaps of a time before this task.
            counts = FrozenDict({**batch.counts, str(task.status): 1})
            world.batches._table.change(batch.name, counts=counts)
        world.tasks.delete(task.id)
        world.tasks._deleted.remove(task.id)

    def _creation(self, spot: Spot, world: World) -> None:
        """Arrange what a creation needs: its project, its batch, and that its type is enabled."""
        if spot.status == 402 and spot.name:
            with contextlib.suppress(ApiError):
                world.disabled_types.add(task_types.required(spot.name))
                self._scene.tell(f"the type {spot.name} is not enabled")
        if not spot.is_good:
            self._refusals.arrange(spot, world)
            return
        if not isinstance(spot.answer, dict):
            return
        if not spot.is_v2:
            with contextlib.suppress(ApiError):
                world.disabled_types.discard(task_types.required(spot.name))
        shown = self._scene.bindings.in_json({**spot.body, **spot.answer})
        self._homes.needs(shown, spot, world)
        project = self._homes.project_of(shown, world) if spot.is_v2 else shown.get("project")
        if project is not None and shown.get("batch") is None:
            self._homes.needs_no_batch(project, world)
        if (
            shown.get("project_param_version") is None
            or (world, project) not in self._scene.foreign
        ):
            return
        # The tasks of a foreign project tell its version, which is not known otherwise.
        params = {name: it for name, it in spot.answer["params"].items() if name not in spot.body}
        text, given = spot.answer.get("instruction"), spot.body.get("instruction")
        if isinstance(text, str) and text != given:
            # Guessed, as the fake does: the project's instruction follows that of the task.
            params["instruction"] = text.removeprefix(f"{given}\n")
        self._homes.add_versions(project, int(shown["project_param_version"]), params, world)

    def _task(self, shown: Mapping[str, Any], spot: Spot, world: World) -> None:
        task_id = self._scene.bindings.in_text(shown["task_id"])
        task = world.tasks._table.find(task_id)
        is_outline = task_id in self._scene.outlines and not spot.is_v2
        if task is not None and is_outline:
            self._homes.learn_names(task, shown, world)
            task = world.tasks.get(task_id)
        if task is not None and (is_outline or task_id in self._scene.sketches):
            self._scene.sketches.discard(task_id)
            self._scene.outlines.discard(task_id)
            self._forget(task, world)
            task = None
        if spot.is_v2:
            if task is not None:
                self._homes.bind(task, shown, world)
            self._homes.needs_of_v2(self._scene.bindings.in_json(shown), spot, world)
            task = task and world.tasks.get(task_id)  # its batch may have completed it
        printed = self._scene.bindings.in_json(dict(shown))
        if task is None and self._scene.is_coming(task_id):
            return
        if task is None and task_id not in world.tasks._deleted:
            self._load(printed, spot, world)
        elif task is not None:
            self._move(task, printed, spot, world)
        if "params" in printed:
            self._last[task_id] = _digest(printed)
        if spot.action and isinstance(printed.get("updated_at"), str):
            self._own[task_id] = printed["updated_at"]
        if printed.get("status") == "canceled":
            self._canceled.add(task_id)

    def _unshown(self, spot: Spot, world: World) -> None:
        """Add the task of a good answer without a body, which shows only that it exists."""
        task_id = self._scene.bindings.in_text(spot.name)
        is_id = spot.noun == "task" and ID.fullmatch(task_id) is not None
        is_known = task_id in world.tasks or task_id in world.tasks._deleted
        if is_id and not is_known and not self._scene.is_coming(task_id):
            self._scene.sketch(task_id, world)

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
        members.setdefault("type", GUESS)
        members.setdefault("created_at", stamp(self._scene.asked.now()))
        project, batch = members.get("project"), members.get("batch")
        if isinstance(project, str):
            self._homes.put_project(project, members["type"], world)
        if isinstance(batch, str) and batch not in world.batches:
            home = project or unnamed_project(batch)
            self._homes.put_batch(batch, home, "in_progress", world, members["type"])
        if isinstance(batch, str) and isinstance(project, str):
            self._homes.let_be_in(batch, project, world)
        world.tasks._load([members], is_json=True)
        if spot.is_v2:
            self._scene.outlines.add(members["task_id"])
        self._scene.tell(f"task {members['task_id']} is there already, {members['status']}")
        if members["status"] in ("completed", "error") and "response" not in members:
            self._scene.unseen.add(members["task_id"])
        if spot.is_v2 and printed["status"] == "deleted":
            world.tasks.delete(members["task_id"])

    def _members_of_v2(self, printed: Mapping[str, Any], world: World) -> dict[str, Any]:
        """Return a task of v2 as v1 prints it."""
        names = ("task_id", "status", "created_at", "completed_at", "metadata")
        members = {name: printed[name] for name in names if name in printed}
        members["project"] = self._homes.project_of(printed, world)
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
            self._scene.overlaps
            and not own
            and task.id not in self._scene.unseen
            and str(printed.get("updated_at", "")) < task.updated_at
        ):
            return  # the answer may be older than one that was asked before
        response = _response_of(printed, is_v2=spot.is_v2)
        is_own = own == "cancel" and status == "canceled"
        is_own = is_own or (status == "canceled" and self._scene.is_coming(f"cancel {task.id}"))
        knows_more = task.id in self._scene.unseen and response is not None
        if own == "cancel" and task.id in self._scene.unseen:  # a guess that was wrong
            self._scene.make_pending(task, world)
            self._scene.unseen.discard(task.id)
            task = world.tasks.get(task.id)
        if status == "deleted":
            world.tasks.delete(task.id)
            self._scene.tell(f"task {task.id} is deleted")
            return
        # No move leads back from canceled (documented), so such a task is a difference.
        is_back = task.id in self._canceled and status == "pending"
        if (
            isinstance(status, str)
            and not (is_own or is_back)
            and (status != task.status or knows_more)
        ):
            self._change_status(task, status, response, printed, world)
        if printed.get("work_started") and not world.tasks.get(task.id).work_started:
            with contextlib.suppress(ApiError):
                world.tasks.start(task.id)
                self._scene.tell(f"task {task.id} is started")
        if not self._scene.is_coming(f"audit {task.id}"):
            self._audit(task.id, printed, own, world)
        succeeded = printed.get("callback_completed", printed.get("callback_succeeded"))
        if isinstance(succeeded, bool) and world.tasks.get(task.id).callback_completed != succeeded:
            world.tasks._note_callback(task.id, succeeded)
            self._scene.tell(
                f"task {task.id} has a callback that {'worked' if succeeded else 'failed'}"
            )
        is_other = self._last.get(task.id) not in (None, _digest(printed))
        # Each change moves updated_at (inferred). If it is still that of the client's own change,
        # nobody else changed the task, so the client's change got lost.
        is_lost = self._own.get(task.id) == printed.get("updated_at", "")
        if not own and is_other and not is_lost and "params" in printed:
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
        with self._scene.at(moment):
            self._scene.make_pending(task, world)
            self._scene.unseen.discard(task.id)
            if printed.get("work_started") and status in ("completed", "error"):
                with contextlib.suppress(ApiError):
                    tasks.start(task.id)
            if status == "completed":
                try:
                    tasks.complete(task.id, response or {})
                except ApiError:  # threads that v2 could not show
                    tasks.complete(task.id, {})
            elif status == "error":
                tasks.fail(task.id, response or {})
            elif status == "canceled":
                tasks.cancel(task.id)
            if response is None and status in ("completed", "error"):
                self._scene.unseen.add(task.id)
        self._scene.tell(f"task {task.id} is {status}")

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
            with self._scene.at(audit.get("audited_at")), contextlib.suppress(ApiError):
                world.tasks.audit(
                    task_id,
                    cast(Any, audit.get("audit_result")),
                    comment if isinstance(comment, str) else None,
                    source="scale" if audit.get("audit_source") == "scale" else "customer",
                )
                self._scene.tell(f"task {task_id} is audited: {audit.get('audit_result')}")

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
            if printed.get(name) != known and not self._scene.is_coming(f"{action} {task_id}"):
                with contextlib.suppress(ApiError):
                    change(printed.get(name))
                    self._scene.tell(f"task {task_id} has other {name}")

    def _fixless(self, shown: Mapping[str, Any], spot: Spot, world: World) -> None:
        """Arrange a fixless audit, or the task that the request audits."""
        printed = self._scene.bindings.in_json(dict(shown))
        task_id = str(printed["task_id"])
        if task_id not in world.tasks:
            self._scene.sketch(task_id, world)
        if spot.action and world.tasks.get(task_id).status == "pending":
            self._scene.complete_unseen(task_id, world)
        elif not spot.action and printed["id"] not in {it.id for it in world.audits.list()}:
            own = ("id", "task_id", "created_at")
            audit = Audit(
                id=str(printed["id"]),
                task_id=task_id,
                created_at=checked_stamp(printed["created_at"]),
                members=freeze({name: it for name, it in printed.items() if name not in own}),
            )
            known = world.audits._audits
            bisect.insort_left(known, check_types(audit), key=lambda it: it.created_at)
            self._scene.tell(f"task {task_id} has the fixless audit {audit.id}")

    def _file(self, shown: Mapping[str, Any], spot: Spot, world: World) -> None:
        if spot.action or self._scene.bindings.in_text(shown["id"]) in world.files:
            return
        names = [it.name for it in dataclasses.fields(File) if it.name in shown]
        members = {name: freeze(shown[name]) for name in names}
        members["created_at"] = checked_stamp(members["created_at"])
        members.setdefault("updated_at", members["created_at"])
        world.files._table.put(check_types(File(**members)))
        self._scene.tell(f"file {shown['id']} is there already")


def _nothing(*_: Any) -> None:
    """Arrange nothing: things of other nouns are not arranged."""


_NOUNS: Mapping[str, Callable[..., None]] = {
    "task": Arranger._task,
    "project": lambda it, *given: it._homes.project(*given),
    "batch": lambda it, *given: it._homes.batch(*given),
    "file": Arranger._file,
    "audits": Arranger._fixless,
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
