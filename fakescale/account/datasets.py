"""The datasets of one world: work that Scale sells ready-made, its deliveries and its tasks."""

import builtins
import dataclasses
import itertools
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from fakescale.account.listed import Listed
from fakescale.account.listing import Filter, Page, Query, SortKey, any_of, newest, since, until
from fakescale.account.made_up import items_of, members_of
from fakescale.values.clock import Clock, stamp
from fakescale.values.dumps import Table, expect
from fakescale.values.errors import Conflict, invalid
from fakescale.values.ids import TaskIds
from fakescale.values.named import named
from fakescale.values.schemas import frozen_json

#: The filters of the lists.
FILTERS: Mapping[str, Filter] = {
    "delivered_after": since("delivered_at"),
    "delivered_before": until("delivered_at"),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A dataset."""

    _key = "id"

    #: The id.
    id: str
    #: The name, unique within the account's mode.
    name: str

    def __hash__(self) -> int:
        return hash(self.id)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DatasetDelivery:
    """A delivery of tasks of a dataset."""

    _key = "id"

    #: The id.
    id: str
    #: The name, unique within the dataset.
    name: str
    #: The id of the dataset.
    dataset: str
    #: The time of the delivery, as the API prints times.
    delivered_at: str
    #: The number of tasks.
    task_count: int
    #: The number of turns in the threads of all tasks.
    turn_count: int

    def __hash__(self) -> int:
        return hash(self.id)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DatasetTask:
    """A task of a dataset. It is no task of the account: v1 does not know it."""

    _key = "id"

    #: The id, printed as ``task_id``.
    id: str
    #: The id of the dataset.
    dataset: str
    #: The id of the delivery.
    delivery: str
    #: The time of the delivery, as the API prints times.
    delivered_at: str
    #: The response, an object.
    response: Mapping[str, Any]

    def __hash__(self) -> int:
        return hash(self.id)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A text file that belongs to a task of a dataset."""

    _key = "id"

    #: The id.
    id: str
    #: The id of the task.
    task: str
    #: The content.
    content: str
    #: The media type.
    media_type: str

    def __hash__(self) -> int:
        return hash(self.id)


def _by_delivery(item: Any) -> tuple[str, str]:
    return item.delivered_at, item.id


class Datasets(Listed[Dataset]):
    """The datasets of one mode of one account, which only v2 shows.

    Iteration yields the datasets oldest first. In the service, only Scale makes datasets.
    """

    def __init__(self, clock: Clock, ids: TaskIds, lock: threading.RLock) -> None:
        self._clock = clock
        self._ids = ids
        self._lock = lock
        # The texts are guessed.
        self._table = Table(Dataset, "id", lock, 'Dataset "{}" not found.')
        self._deliveries = Table(DatasetDelivery, "id", lock, 'Delivery "{}" not found.')
        self._tasks = Table(DatasetTask, "id", lock, "Task with that ID not found.")
        self._sorted: builtins.list[SortKey] = []  # the keys of the tasks, oldest first
        self._attachments = Table(Attachment, "id", lock, 'Attachment "{}" not found.')

    def create(self, name: str) -> Dataset:
        """Create a dataset, and return it; raises Conflict if the name is taken."""
        with self._lock:
            if any(it.name == name for it in self._table):
                raise Conflict(f'A dataset with the name "{name}" already exists.')
            return self._table.put(Dataset(id=self._ids.make(self._clock.now()), name=name))

    def get(self, dataset_id: Dataset | str) -> Dataset:
        """Return the dataset with this id; raises NotFound if there is none."""
        return self._table.get(dataset_id)

    def list(self) -> list[Dataset]:
        """Return all datasets, oldest first."""
        return [*self._table]

    def deliver(
        self,
        dataset: Dataset | str,
        responses: Iterable[Mapping[str, Any]],
        *,
        name: str | None = None,
    ) -> DatasetDelivery:
        """Deliver a task of a dataset for each of ``responses``, and return the delivery.

        Raises NotFound for an unknown dataset, BadRequest for a response that is no object, and
        Conflict for a name that is taken in the dataset.
        """
        given = frozen_json("responses", [*responses])
        for index, response in enumerate(given):
            if not isinstance(response, Mapping):
                raise invalid(f"responses[{index}]", "must be of type object", response)
        with self._lock:
            home = self._table.get(dataset)
            name = name or f"Delivery {len(self._deliveries) + 1}"
            if any((it.name, it.dataset) == (name, home.id) for it in self._deliveries):
                raise Conflict(f'A delivery with the name "{name}" already exists.')
            now = self._clock.now()
            delivery = DatasetDelivery(
                id=self._ids.make(now),
                name=name,
                dataset=home.id,
                delivered_at=stamp(now),
                task_count=len(given),
                turn_count=sum(map(_turns, given)),
            )
            for response in given:
                task = DatasetTask(
                    id=self._ids.make(now),
                    dataset=home.id,
                    delivery=delivery.id,
                    delivered_at=delivery.delivered_at,
                    response=response,
                )
                self._sorted.append(_by_delivery(self._tasks.put(task)))
            self._sorted.sort()
            return self._deliveries.put(delivery)

    def delivery(self, delivery_id: DatasetDelivery | str) -> DatasetDelivery:
        """Return the delivery with this id; raises NotFound if there is none."""
        return self._deliveries.get(delivery_id)

    def deliveries(self, dataset: Dataset | str | None = None) -> builtins.list[DatasetDelivery]:
        """Return all deliveries, or those of a dataset, newest first."""
        home = named(dataset)
        newest = sorted(self._deliveries, key=_by_delivery, reverse=True)
        return [it for it in newest if home in (None, it.dataset)]

    def task(self, task_id: DatasetTask | str) -> DatasetTask:
        """Return the task of a dataset with this id; raises NotFound if there is none."""
        return self._tasks.get(task_id)

    def tasks(self, delivery: DatasetDelivery | str | None = None) -> builtins.list[DatasetTask]:
        """Return the tasks of all datasets, or those of a delivery, oldest first."""
        wanted = named(delivery)
        return [it for it in self._tasks if wanted in (None, it.delivery)]

    def attach(
        self, task_id: DatasetTask | str, content: str, *, media_type: str = "text/plain"
    ) -> Attachment:
        """Attach a text file to a task of a dataset, and return the attachment.

        The path of ``response_url`` has its id. Raises NotFound for an unknown task.
        """
        task = self._tasks.get(task_id)
        made = self._ids.make(self._clock.now())
        return self._attachments.put(
            Attachment(id=made, task=task.id, content=content, media_type=media_type)
        )

    def attachment(self, attachment_id: Attachment | str) -> Attachment:
        """Return the attachment with this id; raises NotFound if there is none."""
        return self._attachments.get(attachment_id)

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, dataset: object) -> bool:
        return dataset in self._table

    # Inside.

    def _page(self, query: Query, *, dataset: str | None, delivery: str | None) -> Page:
        """Return a page of the tasks of a dataset, or of a delivery, or of both."""
        chosen = {
            field: (any_of(field), frozenset((wanted,)))
            for field, wanted in (("dataset", dataset), ("delivery", delivery))
            if wanted is not None
        }
        query = query._replace(filters={**query.filters, **chosen})
        items = newest(query, self._sorted, self._tasks.get, self._lock)
        found = list(itertools.islice(items, query.limit + 1))
        has_more = len(found) > query.limit
        return Page(found[: query.limit], len(found), query, has_more, _by_delivery)

    def _tables(self) -> Mapping[str, Table[Any]]:
        return {
            "datasets": self._table,
            "deliveries": self._deliveries,
            "tasks": self._tasks,
            "attachments": self._attachments,
        }

    def _dump(self) -> dict[str, Any]:
        """Return the JSON-able data that ``_restore`` takes."""
        return {name: table.dump() for name, table in self._tables().items()}

    def _restore(self, data: Mapping[str, Any]) -> None:
        """Take over the data of ``_dump``; raises BadRequest for any other data."""
        for name, table in self._tables().items():
            table.restore(data[name])
            self._ids.reserve(it.id for it in table)
        self._sorted = sorted(map(_by_delivery, self._tasks))
        for it in (*self._deliveries, *self._tasks):
            expect(it.dataset in self._table, "dataset's delivery", "dataset", it.dataset)
        for it in self._tasks:
            expect(it.delivery in self._deliveries, "dataset's task", "delivery", it.delivery)
        for it in self._attachments:
            expect(it.task in self._tasks, "attachment", "task", it.task)


def _turns(response: Mapping[str, Any]) -> int:
    """Return the number of turns in a response."""
    threads = items_of(response.get("threads"))
    return sum(len(items_of(members_of(it).get("turns"))) for it in threads)
