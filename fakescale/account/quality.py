"""The quality tasks of one world, for evaluation and training, and the results of labelers."""

import dataclasses
import threading
from collections.abc import Collection, Mapping
from typing import Any, get_args

from fakescale.account.batches import Batches
from fakescale.account.inheritance import inherit
from fakescale.account.listed import Listed
from fakescale.account.listing import PAGE, Filter, Page, Parameter, Query, any_of, page, sort_key
from fakescale.account.projects import Projects
from fakescale.account.task_types import check_enabled, read_creation, required
from fakescale.account.words import AnyType, QualityKind
from fakescale.values.clock import Clock, stamp
from fakescale.values.dumps import Table, from_data, to_data
from fakescale.values.errors import BadRequest, Conflict, invalid
from fakescale.values.frozen import EMPTY_DICT, FrozenDict
from fakescale.values.ids import TaskIds
from fakescale.values.named import named
from fakescale.values.schemas import Parameters, frozen_json

KINDS = get_args(QualityKind)

#: The types that quality tasks may have (documented).
TYPES = (
    "documenttranscription",
    "segmentannotation",
    "videoplaybackannotation",
    "imageannotation",
    "textcollection",
    "namedentityrecognition",
)

RESPONSES = Parameters(
    {
        "type": "object",
        "required": ["expected_response"],
        "properties": {
            "expected_response": {"type": "object"},
            "initial_response": {"type": "object"},
        },
    }
)

#: The filters of the list of labelers' results (observed in a client).
FILTERS: Mapping[str, Filter] = {
    "quality_task_ids": any_of("quality_task_id"),
    "labeler_emails": any_of("labeler_email"),
}
#: All parameters of that list.
QUERY: Mapping[str, Filter | Parameter] = {**FILTERS, **PAGE}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class QualityTask:
    """A quality task: a task whose right response is known."""

    _key = "id"

    #: The id.
    id: str
    #: The kind, ``evaluation`` or ``training``.
    kind: str
    #: The time of creation, as the API prints times.
    created_at: str
    #: The task type.
    type: str
    #: The parameters that tasks of every type have, like ``project`` and ``unique_id``.
    fields: Mapping[str, Any]
    #: The parameters of the task type.
    params: Mapping[str, Any]
    #: The right response.
    expected_response: Mapping[str, Any]
    #: The response that the labeler starts from, or None.
    initial_response: Mapping[str, Any] | None = None

    def __hash__(self) -> int:
        return hash(self.id)

    def to_json(self) -> dict[str, Any]:
        """Return the quality task as a dict, as the API prints it.

        Documented: the members ``id``, rather than ``task_id``, and ``expected_response``.
        Guessed: the other members are printed as those of a task are.
        """
        printed = {
            "id": self.id,
            "created_at": self.created_at,
            "type": self.type,
            **self.fields,
            "params": self.params,
            "expected_response": self.expected_response,
            "initial_response": self.initial_response,
        }
        return {name: value for name, value in printed.items() if value is not None}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LabelerResult:
    """The result of a labeler in a quality task."""

    #: The id, which is not printed.
    id: str
    #: The time at which the result was recorded, as the API prints times.
    created_at: str
    #: The id of the quality task.
    quality_task_id: str
    #: The e-mail address of the labeler.
    labeler_email: str
    #: Further members to print, for example a score.
    more: Mapping[str, Any] = EMPTY_DICT

    def __hash__(self) -> int:
        return hash(self.id)

    def to_json(self) -> dict[str, Any]:
        """Return the result as a dict, as the API prints it (guessed; nothing is published)."""
        return {
            "quality_task_id": self.quality_task_id,
            "labeler_email": self.labeler_email,
            "created_at": self.created_at,
            **self.more,
        }


class QualityTasks(Listed[QualityTask]):
    """The quality tasks of one mode of one account.

    Iteration yields the tasks newest first. Every method is safe to call from any thread. A
    method raises BadRequest for a call that the API refuses, and then changes nothing.
    """

    def __init__(
        self,
        clock: Clock,
        ids: TaskIds,
        lock: threading.RLock,
        projects: Projects,
        batches: Batches,
        *,
        disabled_types: Collection[str],
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._lock = lock
        self._projects = projects
        self._batches = batches
        self._disabled_types = disabled_types
        self._table = Table(QualityTask, "id", lock, "Task with that ID not found.")
        self._results: list[LabelerResult] = []

    # For clients of the API.

    def create(self, kind: QualityKind, type: AnyType, /, **body: Any) -> QualityTask:
        """Create a quality task, and return it.

        ``kind`` is ``evaluation``, as for ``POST /v1/evaluation_tasks/{type}``, or
        ``training``, as for ``POST /v1/training_tasks/{type}``. ``body`` holds the parameters
        of the task, ``expected_response`` and optionally ``initial_response``. Raises the same
        errors as the creation of a task, and BadRequest for a type without quality tasks.
        """
        given = {name: named(value) for name, value in body.items()}
        return self._submit(kind, named(type), given)

    def _submit(
        self, kind: str, type: str, body: Mapping[str, Any], *, form: bool = False
    ) -> QualityTask:
        """Create a quality task from a body; ``form`` says that the body was form-encoded."""
        if kind not in KINDS:
            raise invalid("kind", f"must be one of [{', '.join(KINDS)}]", kind)
        task_type = required(type)
        if task_type not in TYPES:  # documented, except the status and the text
            raise BadRequest(f"There are no {kind} tasks of type {task_type}.")
        given = RESPONSES.read(frozen_json("value", body), form=form)
        responses = {name: given[name] for name in RESPONSES.names if name in given}
        rest = FrozenDict({name: given[name] for name in given if name not in responses})
        # Guessed: it needs no batch, though other tasks of a Rapid project do.
        inherited = inherit(task_type, rest, self._projects, self._batches, in_batch=False)
        creation = read_creation(task_type, inherited.body, form=form)
        check_enabled(task_type, self._disabled_types)
        project = creation.fields.get("project")
        if project is None:
            raise invalid("project", "is required")
        if not self._projects.get(project).rapid:  # documented, except the text
            raise invalid("project", "must be a Rapid project", project)
        # Guessed: not printed, as with a task. It has no use, since nobody works on these.
        unprinted = ("clear_unique_id_on_error", "document_pages")
        fields = {k: v for k, v in creation.fields.items() if k not in unprinted}
        unique_id = fields.get("unique_id")
        with self._lock:
            if "batch" in fields:
                self._batches._check_open(fields["batch"])
            # Guessed: unique only among quality tasks, since the list of tasks lacks them.
            if unique_id is not None and any(
                it.fields.get("unique_id") == unique_id for it in self._table
            ):
                raise Conflict(f'The unique_id ("{unique_id}") is already used.')
            now = self._clock.now()
            task = QualityTask(
                id=self._ids.make(now),
                kind=kind,
                created_at=stamp(now),
                type=task_type,
                fields=FrozenDict(fields),
                params=FrozenDict(creation.params),
                **responses,
            )
            return self._table.put(task)

    def _page(self, query: Query) -> Page:
        """Return a page of the results of labelers, newest first."""
        with self._lock:
            results = sorted(self._results, key=sort_key)
        matches = query.select(results)
        docs, has_more = page(matches, query, key=sort_key)
        return Page(docs, len(matches), query, has_more)

    # For tests: no client can do this.

    def get(self, task_id: QualityTask | str) -> QualityTask:
        """Return the quality task with this id; raises NotFound if there is none."""
        return self._table.get(task_id)

    def list(self, kind: QualityKind | None = None) -> list[QualityTask]:
        """Return all quality tasks, newest first.

        ``kind`` selects those for ``evaluation`` or for ``training``.
        """
        tasks = sorted(self._table, key=sort_key, reverse=True)
        return [task for task in tasks if kind in (None, task.kind)]

    def record(self, task_id: QualityTask | str, labeler_email: str, **more: Any) -> LabelerResult:
        """Record the result of a labeler, which ``GET /v1/quality/labelers`` then lists.

        ``more`` holds further members to print, like a score or a response. Raises NotFound
        for an unknown task.
        """
        with self._lock:
            task = self.get(task_id)
            now = self._clock.now()
            result = LabelerResult(
                id=self._ids.make(now),
                created_at=stamp(now),
                quality_task_id=task.id,
                labeler_email=labeler_email,
                more=frozen_json("value", more),
            )
            self._results.append(result)
            return result

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, task: object) -> bool:
        return task in self._table

    # Inside.

    def _dump(self) -> dict[str, Any]:
        """Return the JSON-able data that ``_restore`` takes."""
        with self._lock:
            return {
                "tasks": self._table.dump(),
                "results": [to_data(result) for result in self._results],
            }

    def _restore(self, data: Mapping[str, Any]) -> None:
        """Take over the data of ``_dump``; raises BadRequest or KeyError for any other data."""
        self._table.restore(data["tasks"])
        self._results = from_data(LabelerResult, data["results"])
        self._ids.reserve(task.id for task in self._table)
        self._ids.reserve(result.id for result in self._results)
