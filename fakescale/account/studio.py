"""The Studio of one world: who works on which projects and batches, and in which order.

The file has over 300 lines, since assignments, groups and the order of batches depend on each
other.
"""

import dataclasses
import hashlib
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Required, TypedDict, Unpack

from fakescale.account.batches import Batch, Batches
from fakescale.account.projects import Project, Projects
from fakescale.account.task import Status
from fakescale.account.team import Teammate, Teammates
from fakescale.values.clock import Clock
from fakescale.values.dumps import from_data, texts, to_data
from fakescale.values.errors import Conflict, NotFound, invalid
from fakescale.values.ids import TaskIds
from fakescale.values.named import named
from fakescale.values.schemas import TEXT, TEXTS, Parameters, frozen_json


def _body(required: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> Parameters:
    properties = {**required, **(optional or {})}
    return Parameters({"type": "object", "required": list(required), "properties": properties})


ASSIGNMENT = _body({"emails": TEXTS, "projects": TEXTS})
GROUP = _body({"name": TEXT}, {"emails": TEXTS})
GROUP_CHANGE = _body({}, {"add_emails": TEXTS, "remove_emails": TEXTS})
BATCH = _body({"groups": TEXTS})
_NAMED = {"type": "object", "required": ["name"], "properties": {"name": TEXT}}
PRIORITIES = _body({"batches": {"type": "array", "items": _NAMED}})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group of labelers of a project, at one moment. It never changes."""

    #: The id.
    id: str
    #: The name, unique within the project.
    name: str
    #: The name of the project.
    project: str
    #: The teammates in the group.
    workers: Sequence[Teammate] = ()
    #: Whether the group stands for one teammate, and has the e-mail address as its name.
    is_singleton: bool = False

    def __hash__(self) -> int:
        return hash(self.id)

    def to_json(self) -> dict[str, Any]:
        """Return the group as a dict, as the API prints it (documented by the official client)."""
        return {
            "id": self.id,
            "name": self.name,
            "numWorkers": len(self.workers),
            "isSingleton": self.is_singleton,
            "workers": [{"id": worker.id, "email": worker.email} for worker in self.workers],
        }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StudioBatch:
    """A batch as the Studio shows it."""

    #: The batch.
    batch: Batch
    #: The names of the groups that may work on the batch.
    groups: tuple[str, ...] = ()
    #: The priority, from 1 for the highest; None until priorities are set.
    priority: int | None = None

    @property
    def name(self) -> str:
        """The name of the batch."""
        return self.batch.name

    def to_json(self) -> dict[str, Any]:
        """Return the batch as a dict, as the API prints it in the Studio.

        The names of the members are documented. Guessed: ``groups`` holds names, as in the
        request that sets them. Guessed: a batch has no priority until one is set.
        """
        batch = self.batch
        printed = {
            "id": batch.id,
            "name": batch.name,
            # Made up from the name, since no other endpoint shows the id of a project.
            "projectId": hashlib.sha256(batch.project.encode()).hexdigest()[:24],
            "projectName": batch.project,
            "batchType": "Calibration" if batch.calibration else "Production",
            "studioPriority": self.priority,
            "total": sum(batch.counts.values()),
            "completed": batch.counts.get(Status.COMPLETED, 0),
            "groups": list(self.groups),
        }
        return {name: value for name, value in printed.items() if value is not None}


class AssignmentBody(TypedDict):
    """The body of ``studio.assign`` and ``studio.unassign``."""

    #: The e-mail addresses of the teammates.
    emails: Sequence[str]
    #: The names of the projects.
    projects: Sequence[str]


class GroupBody(TypedDict, total=False):
    """The body of ``studio.create_group``."""

    #: The name of the group.
    name: Required[str]
    #: The e-mail addresses of its teammates.
    emails: Sequence[str]


class GroupChangeBody(TypedDict, total=False):
    """The body of ``studio.change_group``."""

    #: The e-mail addresses of teammates to add.
    add_emails: Sequence[str]
    #: The e-mail addresses of teammates to remove.
    remove_emails: Sequence[str]


class BatchGroupsBody(TypedDict):
    """The body of ``studio.set_batch_groups``."""

    #: The names of groups, or e-mail addresses.
    groups: Sequence[str]


class PrioritiesBody(TypedDict):
    """The body of ``studio.set_priorities``."""

    #: Objects with the ``name`` of a batch, highest priority first.
    batches: Sequence[Mapping[str, str]]


class Studio:
    """The Studio of one mode of one account.

    Every method is safe to call from any thread. An unknown name in the path raises NotFound;
    an unknown name in the body raises BadRequest (guessed, as for tasks). A refused call
    changes nothing. Guessed: test mode works like live mode.
    """

    def __init__(
        self,
        clock: Clock,
        ids: TaskIds,
        lock: threading.RLock,
        *,
        projects: Projects,
        batches: Batches,
        teammates: Teammates,
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._lock = lock
        self._projects = projects
        self._batches = batches
        self._teammates = teammates
        self._assigned: dict[str, list[str]] = {}  # e-mail -> projects
        self._groups: dict[tuple[str, str], Group] = {}  # (project, name) -> group
        self._batch_groups: dict[str, Sequence[str]] = {}
        self._order: list[str] = []  # batches with a priority, highest first

    # For clients of the API.

    def assignments(self) -> dict[str, list[str]]:
        """Return the names of the projects of each active teammate, by e-mail address.

        Documented: teammates who did not accept their invitation yet, or are disabled, are
        left out.
        """
        with self._lock:
            emails = [mate.email for mate in self._teammates if mate.is_active]
            return {email: list(self._assigned.get(email, ())) for email in emails}

    def assign(self, /, **body: Unpack[AssignmentBody]) -> dict[str, list[str]]:
        """Assign all ``emails`` to all ``projects``, and return all assignments."""
        with self._lock:
            emails, projects = self._read_assignment(body)
            for email in emails:
                old = self._assigned.get(email, [])
                self._assigned[email] = list(dict.fromkeys([*old, *projects]))
            return self.assignments()

    def unassign(self, /, **body: Unpack[AssignmentBody]) -> dict[str, list[str]]:
        """Unassign all ``emails`` from all ``projects``, and return all assignments.

        Guessed: a teammate who loses a project also leaves its groups.
        """
        with self._lock:
            emails, projects = self._read_assignment(body)
            for email in emails:
                old = self._assigned.get(email, [])
                self._assigned[email] = [name for name in old if name not in projects]
            for group in list(self._groups.values()):
                if group.project in projects:
                    self._put(group, [it for it in group.workers if it.email not in emails])
            return self.assignments()

    def groups(self, project: Project | str) -> list[Group]:
        """Return the groups of a project, oldest first; raises NotFound for an unknown project."""
        with self._lock:
            name = self._projects.get(project).name
            return [group for group in self._groups.values() if group.project == name]

    def create_group(self, project: Project | str, /, **body: Unpack[GroupBody]) -> Group:
        """Create a group ``name`` of the teammates ``emails``, and return it.

        Raises Conflict if the project has a group of that name. Documented: the teammates must
        be assigned to the project before, or this raises BadRequest.
        """
        given = GROUP.read(frozen_json("value", body))
        with self._lock:
            project = self._projects.get(project).name
            workers = self._workers("emails", given.get("emails", ()), project)
            if (project, given["name"]) in self._groups:  # guessed
                raise Conflict(f'A group with the name "{given["name"]}" already exists.')
            return self._new_group(project, given["name"], workers)

    def change_group(
        self, project: Project | str, name: str, /, **body: Unpack[GroupChangeBody]
    ) -> Group:
        """Add ``add_emails`` to a group, remove ``remove_emails``, and return the group."""
        given = GROUP_CHANGE.read(frozen_json("value", body))
        with self._lock:
            project = self._projects.get(project).name
            group = self._groups.get((project, name))
            if group is None:
                raise NotFound(f'Group "{name}" not found.')  # the text is guessed
            added = self._workers("add_emails", given.get("add_emails", ()), project)
            gone = given.get("remove_emails", ())
            self._known("remove_emails", gone, self._teammates, "teammates")
            workers = {worker.id: worker for worker in [*group.workers, *added]}
            return self._put(group, [it for it in workers.values() if it.email not in gone])

    def batches(self) -> list[StudioBatch]:
        """Return the pending batches of Studio projects, highest priority first.

        Documented: by default, calibration batches come first, and older batches before newer
        ones. Guessed: a batch is pending until it is completed or archived. Guessed: batches
        without a priority come last.
        """
        return self._shown(self._pending())

    def set_batch_groups(
        self, name: Batch | str, /, **body: Unpack[BatchGroupsBody]
    ) -> StudioBatch:
        """Set the ``groups`` that may work on a pending batch, and return the batch.

        ``groups`` replaces the earlier groups. Documented: an e-mail address stands for a group
        that has only that teammate.
        """
        groups = BATCH.read(frozen_json("value", body))["groups"]
        name = named(name)
        batch = next((it for it in self._pending() if it.name == name), None)
        if batch is None:
            raise NotFound(f'Studio batch "{name}" not found.')  # the text is guessed
        with self._lock:
            project = batch.project
            alone = [it for it in groups if (project, it) not in self._groups]
            if unknown := [it for it in alone if it not in self._teammates]:
                raise invalid("groups", "must be names of groups of the project", unknown[0])
            for worker in self._workers("groups", alone, project):
                self._new_group(project, worker.email, [worker], is_singleton=True)
            self._batch_groups[batch.name] = tuple(dict.fromkeys(groups))
            return self._shown([batch])[0]

    def set_priorities(self, /, **body: Unpack[PrioritiesBody]) -> list[StudioBatch]:
        """Set the order of the pending batches, and return them in that order.

        ``batches`` is a list of objects with a ``name``, highest priority first. It must name
        every pending batch (documented).
        """
        given = PRIORITIES.read(frozen_json("value", body))["batches"]
        names = [batch["name"] for batch in given]
        pending = self._pending()
        if sorted(names) != sorted(batch.name for batch in pending):
            raise invalid("batches", "must name each pending batch once", names)
        with self._lock:
            self._order = names
            return self._shown(pending)

    def reset_priorities(self) -> list[StudioBatch]:
        """Restore the default order of the pending batches, and return them in that order."""
        with self._lock:
            self._order = []
        return self.batches()

    # Inside.

    def _dump(self) -> dict[str, Any]:
        """Return the JSON-able data that ``_restore`` takes."""
        with self._lock:
            return {
                "assigned": {email: list(it) for email, it in self._assigned.items()},
                "groups": [
                    to_data(group) | {"workers": [worker.email for worker in group.workers]}
                    for group in self._groups.values()
                ],
                "batch_groups": {name: list(it) for name, it in self._batch_groups.items()},
                "order": list(self._order),
            }

    def _restore(self, data: Mapping[str, Any]) -> None:
        """Take over the data of ``_dump``; raises BadRequest or KeyError for any other data."""
        self._assigned = {
            email: texts("assigned", names) for email, names in data["assigned"].items()
        }
        for item in data["groups"]:
            [group] = from_data(Group, [{**item, "workers": []}])
            emails = texts("workers", item["workers"])
            self._known("workers", emails, self._teammates, "teammates")
            self._put(group, [self._teammates.get(email) for email in emails])
        self._ids.reserve(group.id for group in self._groups.values())
        self._batch_groups = {
            name: tuple(texts("groups", it)) for name, it in data["batch_groups"].items()
        }
        self._order = texts("order", data["order"])

    def _pending(self) -> list[Batch]:
        """Return the pending batches, in the default order.

        The caller must not hold the lock, since a labeler may run.
        """
        pending = [
            batch
            for batch in reversed(self._batches.list())
            if self._projects.get(batch.project).studio
            and batch.status != "completed"
            and not batch.archived
        ]
        return sorted(pending, key=lambda batch: not batch.calibration)

    def _shown(self, pending: Sequence[Batch]) -> list[StudioBatch]:
        with self._lock:
            places = {name: place for place, name in enumerate(self._order, start=1)}
            return [
                StudioBatch(
                    batch=batch,
                    groups=tuple(self._batch_groups.get(batch.name, ())),
                    priority=places.get(batch.name),
                )
                for batch in sorted(pending, key=lambda it: places.get(it.name, len(places) + 1))
            ]

    def _read_assignment(self, body: Mapping[str, Any]) -> tuple[Sequence[str], Sequence[str]]:
        given = ASSIGNMENT.read(frozen_json("value", body))
        self._known("emails", given["emails"], self._teammates, "teammates")
        self._known("projects", given["projects"], self._projects, "projects")
        return given["emails"], given["projects"]

    def _known(
        self, field: str, names: Iterable[str], owner: Teammates | Projects, what: str
    ) -> None:
        for name in names:
            if name not in owner:
                raise invalid(field, f"must be {what} of the account", name)

    def _workers(self, field: str, emails: Iterable[str], project: str) -> list[Teammate]:
        emails = list(dict.fromkeys(emails))
        self._known(field, emails, self._teammates, "teammates")
        for email in emails:
            if project not in self._assigned.get(email, ()):
                raise invalid(field, f'must be assigned to the project "{project}"', email)
        return [self._teammates.get(email) for email in emails]

    def _new_group(
        self, project: str, name: str, workers: Sequence[Teammate], *, is_singleton: bool = False
    ) -> Group:
        group_id = self._ids.make(self._clock.now())
        group = Group(id=group_id, name=name, project=project, is_singleton=is_singleton)
        return self._put(group, workers)

    def _put(self, group: Group, workers: Sequence[Teammate]) -> Group:
        group = dataclasses.replace(group, workers=tuple(workers))
        self._groups[group.project, group.name] = group
        return group
