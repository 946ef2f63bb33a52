"""The deliveries of one world: completed tasks handed over together, and their schemas."""

import dataclasses
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from fakescale.account import threads
from fakescale.account.listed import Listed
from fakescale.account.listing import Filter, Page, Query, any_of, since, until
from fakescale.account.projects import Project, Projects
from fakescale.account.task import Task
from fakescale.account.tasks import Tasks
from fakescale.values.answer import encode
from fakescale.values.clock import Clock, stamp
from fakescale.values.dumps import Table, expect
from fakescale.values.errors import Conflict, NotFound, invalid
from fakescale.values.frozen import EMPTY_DICT, FrozenDict
from fakescale.values.ids import TaskIds
from fakescale.values.named import named
from fakescale.values.schemas import frozen_json

#: The filters of the list of deliveries.
FILTERS: Mapping[str, Filter] = {
    "delivered_after": since("delivered_at"),
    "delivered_before": until("delivered_at"),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TaskDelivery:
    """A delivery of tasks of a project. It never changes."""

    _key = "id"

    #: The id.
    id: str
    #: The name, unique within the project.
    name: str
    #: The name of the project.
    project: str
    #: The time of the delivery, as the API prints times.
    delivered_at: str
    #: The response of each task at that time, by the task's id.
    responses: Mapping[str, Any] = EMPTY_DICT
    #: The id of the schema of the responses, or None.
    response_schema_id: str | None = None

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def task_count(self) -> int:
        """The number of tasks."""
        return len(self.responses)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ResponseSchema:
    """The JSON Schema of the responses of a delivery."""

    _key = "id"

    #: The id.
    id: str
    #: The name of the delivery that it was made for.
    name: str
    #: The JSON Schema, as text.
    json: str
    #: The time of creation, as the API prints times.
    created_at: str

    def __hash__(self) -> int:
        return hash(self.id)


def _age(it: TaskDelivery) -> tuple[str, str]:
    return it.delivered_at, it.id


class Deliveries(Listed[TaskDelivery]):
    """The deliveries of one mode of one account, which only v2 shows.

    Iteration yields the deliveries newest first. In the service, only Scale makes deliveries.
    """

    def __init__(
        self, clock: Clock, ids: TaskIds, lock: threading.RLock, projects: Projects, tasks: Tasks
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._lock = lock
        self._projects = projects
        self._tasks = tasks
        # The texts are guessed.
        self._table = Table(TaskDelivery, "id", lock, 'Delivery "{}" not found.')
        self._latest: dict[str, TaskDelivery] = {}  # of each delivered task, by its id
        self._schemas = Table(ResponseSchema, "id", lock, 'Schema "{}" not found.')

    def create(
        self,
        tasks: Iterable[Task | str],
        *,
        project: Project | str | None = None,
        name: str | None = None,
        response_schema: Mapping[str, Any] | None = None,
    ) -> TaskDelivery:
        """Deliver completed tasks of one project, and return the delivery.

        ``tasks`` are tasks or their ids. ``project`` is by default the project of the first task.
        ``response_schema`` is a JSON Schema of the responses, which ``schema`` then returns.

        Raises NotFound for an unknown task or project, BadRequest for a task that is not
        completed or belongs to another project, and Conflict for a name that is taken in the
        project. Guessed: a task may be in several deliveries.
        """
        found = [self._tasks.get(it) for it in tasks]
        home = named(project) if project is not None else found[0].project if found else None
        if home is None:
            raise invalid("project", "is required")
        self._projects.get(home)
        for index, task in enumerate(found):
            if task.status != "completed":
                raise invalid(f"tasks[{index}]", "must be a completed task", task.id)
            if task.project != home:
                raise invalid(f"tasks[{index}]", f'must be of the project "{home}"', task.id)
        schema = None if response_schema is None else frozen_json("schema", response_schema)
        with self._lock:
            name = name or f"Delivery {len(self._table) + 1}"
            if self._find(None, name, home) is not None:
                raise Conflict(f'A delivery with the name "{name}" already exists in "{home}".')
            now = self._clock.now()
            schema_id = None
            if schema is not None:
                schema_id = self._ids.make(now)
                text = encode(schema).decode()
                self._schemas.put(
                    ResponseSchema(id=schema_id, name=name, json=text, created_at=stamp(now))
                )
            delivery = TaskDelivery(
                id=self._ids.make(now),
                name=name,
                project=home,
                delivered_at=stamp(now),
                responses=FrozenDict({task.id: _delivered(task) for task in found}),
                response_schema_id=schema_id,
            )
            return self._put(delivery)

    def get(self, delivery_id: TaskDelivery | str) -> TaskDelivery:
        """Return the delivery with this id; raises NotFound if there is none."""
        return self._table.get(delivery_id)

    def list(self, *, project: Project | str | None = None) -> list[TaskDelivery]:
        """Return all deliveries, or those of a project, newest first."""
        home = named(project)
        newest = sorted(self._table, key=_age, reverse=True)
        return [it for it in newest if home in (None, it.project)]

    def schema(self, schema_id: ResponseSchema | str) -> ResponseSchema:
        """Return the schema with this id; raises NotFound if there is none."""
        return self._schemas.get(schema_id)

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, delivery: object) -> bool:
        return delivery in self._table

    # Inside.

    def _find(self, id: str | None, name: str | None, project: str | None) -> TaskDelivery | None:
        """Return the delivery with this id, or with this name in the project; or None."""
        if id is not None:
            return self._table.find(id)
        here = (it for it in self._table if (it.name, it.project) == (name, project))
        return next(here, None)

    def _page(self, query: Query, delivery: TaskDelivery | None) -> Page:
        """Return a page of the tasks of a delivery; of all tasks if that is None."""
        if delivery is not None:
            chosen = {"id": (any_of("id"), delivery.responses)}
            query = query._replace(filters={**query.filters, **chosen})
        return self._tasks._page_of_all(query)

    def _of_task(self, task: Task) -> TaskDelivery | None:
        """Return the latest delivery of a task (guessed), or None."""
        return self._latest.get(task.id)

    def _put(self, delivery: TaskDelivery) -> TaskDelivery:
        for task_id in delivery.responses:
            other = self._latest.get(task_id)
            if other is None or _age(other) < _age(delivery):
                self._latest[task_id] = delivery
        return self._table.put(delivery)

    def _dump(self) -> dict[str, Any]:
        """Return the JSON-able data that ``_restore`` takes."""
        return {"deliveries": self._table.dump(), "schemas": self._schemas.dump()}

    def _restore(self, data: Mapping[str, Any]) -> None:
        """Take over the data of ``_dump``; raises BadRequest for any other data."""
        self._table.restore(data["deliveries"])
        self._schemas.restore(data["schemas"])
        for it in self._table:
            self._put(it)
            expect(it.project in self._projects, "delivery", "project", it.project)
            known = it.response_schema_id is None or it.response_schema_id in self._schemas
            expect(known, "delivery", "response_schema_id", it.response_schema_id)
            for task_id in it.responses:
                expect(self._knows(task_id), "delivery", "task", task_id)
        self._ids.reserve(it.id for it in (*self._table, *self._schemas))

    def _knows(self, task_id: str) -> bool:
        try:
            return bool(self._tasks._get_of_all(task_id))
        except NotFound:
            return False


def _delivered(task: Task) -> Mapping[str, Any]:
    """Return the response of a task as a delivery holds it (guessed, after the sample)."""
    response = task.response or EMPTY_DICT
    return FrozenDict(threads=response["threads"]) if threads.of(response) else response
