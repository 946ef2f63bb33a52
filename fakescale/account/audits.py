"""The fixless audits of one world: verdicts on tasks that do not change the tasks."""

import builtins
import dataclasses
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from fakescale.account.listed import Listed
from fakescale.account.task import Status, Task
from fakescale.account.tasks import Tasks
from fakescale.values.clock import Clock, stamp
from fakescale.values.dumps import from_data, to_data
from fakescale.values.errors import BadRequest, NotFound, invalid
from fakescale.values.frozen import FrozenDict
from fakescale.values.ids import TaskIds
from fakescale.values.named import named
from fakescale.values.schemas import TEXT, Parameters, frozen_json

# Documented: an audit also has a result and the URL of the response. Their names are unknown,
# so only the task is required.
AUDIT = Parameters(
    {
        "type": "object",
        "required": ["task_id"],
        "properties": {"task_id": TEXT},
    }
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """A fixless audit: a verdict on a task that does not change the task."""

    _key = "id"

    #: The id of the audit.
    id: str
    #: The id of the audited task.
    task_id: str
    #: The time of the audit, as the API prints times.
    created_at: str
    #: The members of the client's body, without ``task_id``.
    members: Mapping[str, Any]

    def __hash__(self) -> int:
        return hash(self.id)

    def to_json(self) -> dict[str, Any]:
        """Return the audit as a dict, as the API prints it.

        The form is guessed, since its schema is not published.
        """
        own = {"id": self.id, "task_id": self.task_id, "created_at": self.created_at}
        return {**self.members, **own}


class Audits(Listed[Audit]):
    """The fixless audits of one mode of one account.

    Iteration yields the audits newest first.
    """

    def __init__(self, clock: Clock, ids: TaskIds, lock: threading.RLock, tasks: Tasks) -> None:
        self._clock = clock
        self._ids = ids
        self._lock = lock
        self._tasks = tasks
        self._audits: list[Audit] = []

    def create(self, task_id: Task | str, **members: Any) -> Audit:
        """Create a fixless audit as ``PUT /v1/audits`` does, and return it.

        ``task_id`` is the id of a completed task. The audit keeps all other ``members`` of the
        body too. Raises BadRequest if the task is unknown or not completed (guessed, as for the
        audit of a task).
        """
        return self._create({**members, "task_id": named(task_id)})

    def _create(self, body: Mapping[str, Any]) -> Audit:
        """Create a fixless audit from the body of a request."""
        given = AUDIT.read(frozen_json("value", body))
        try:
            task = self._tasks.get(given["task_id"])
        except NotFound:
            raise invalid("task_id", "must be the id of a task", given["task_id"]) from None
        if task.status != Status.COMPLETED:
            raise BadRequest(f"The task is {task.status} and cannot be audited.")
        with self._lock:
            now = self._clock.now()
            members = FrozenDict({name: given[name] for name in given if name != "task_id"})
            audit = Audit(
                id=self._ids.make(now), task_id=task.id, created_at=stamp(now), members=members
            )
            self._audits.append(audit)
            return audit

    def get(self, audit_id: Audit | str) -> Audit:
        """Return the audit with this id; raises NotFound if there is none."""
        for audit in self.list(id=named(audit_id)):
            return audit
        raise NotFound("Audit with that ID not found.")

    def list(self, *, task_id: Task | str | None = None, id: str | None = None) -> list[Audit]:
        """Return all audits, newest first.

        With ``task_id``, only the audits of that task; with ``id``, only the audit with that id.
        """
        with self._lock:
            audits = self._audits[::-1]
        task_id = named(task_id)
        return [it for it in audits if task_id in (None, it.task_id) and id in (None, it.id)]

    def __len__(self) -> int:
        return len(self._audits)

    def __contains__(self, audit: object) -> bool:
        return any(it.id == named(audit) for it in self.list())

    # Inside.

    def _dump(self) -> builtins.list[dict[str, Any]]:
        """Return the JSON-able data that ``_restore`` takes."""
        with self._lock:
            return [to_data(audit) for audit in self._audits]

    def _restore(self, data: Iterable[Mapping[str, Any]]) -> None:
        """Take over the data of ``_dump``; raises BadRequest for any other data."""
        self._audits = from_data(Audit, data)
        self._ids.reserve(audit.id for audit in self._audits)
