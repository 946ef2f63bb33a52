"""The arrangement of what only Scale makes: deliveries, datasets, and results of labelers.

No client can change these, so each is as the recording shows it.
"""

import bisect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fakescale.account.datasets import Attachment, Dataset, DatasetDelivery, DatasetTask
from fakescale.account.deliveries import ResponseSchema, TaskDelivery
from fakescale.account.quality import LabelerResult
from fakescale.account.world import World
from fakescale.recordings.homes import Homes
from fakescale.recordings.names import unnamed_project
from fakescale.recordings.scene import Scene, checked_stamp
from fakescale.recordings.spots import Spot
from fakescale.values.clock import stamp
from fakescale.values.dumps import Table, check_types
from fakescale.values.frozen import FrozenDict, freeze

_MOST = 2**31  # tasks of a delivery

# Arranges a task that an answer shows.
PutTask = Callable[[Mapping[str, Any], Spot, World], None]


class _Responses(FrozenDict):
    """The responses in a delivery. The recording may tell only their number."""

    def __init__(self) -> None:
        super().__init__()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def learn(self, responses: Mapping[str, Any], count: int) -> None:
        """Add responses that the recording shows, and note the number of all."""
        dict.update(self, {id: freeze(response) for id, response in responses.items()})
        self._count = min(max(count, dict.__len__(self)), _MOST)


class Delivered:
    """Arranges deliveries, datasets and results of labelers."""

    def __init__(self, scene: Scene, homes: Homes, put_task: PutTask) -> None:
        self._scene = scene
        self._homes = homes
        self._put_task = put_task

    def arrange(self, spot: Spot, world: World) -> bool:
        """Arrange what an answer shows; return whether it is about such things."""
        put = _PATHS.get(spot.path[:2]) or _PATHS.get(spot.path[:1])
        if put is not None and (spot.is_good or spot.status == 302):
            put(self, spot.answer, spot, world)
        return put is not None

    def _list(self, answer: Any, spot: Spot, world: World) -> None:
        for it in answer["deliveries"]:
            self._delivery(it, spot, world)

    def _page(self, answer: Any, spot: Spot, world: World) -> None:
        for it in answer["tasks"]:
            self._put_task(it, spot, world)
        printed = self._scene.bindings.in_json(answer["tasks"])
        responses = {it["task_id"]: world.tasks.get(it["task_id"]).response for it in printed}
        self._delivery(answer["delivery"], spot, world, responses)

    def _tasks(self, answer: Any, spot: Spot, world: World) -> None:
        """Arrange tasks and their deliveries. The answer shows only the ids of these."""
        given = self._scene.bindings.in_json(spot.query)
        home = given.get("project_id", given.get("project_name"))
        found: dict[str, dict[str, Any]] = {}
        for it in self._scene.bindings.in_json(answer["docs"]):
            id, task_id, response = it["delivery_id"], it["task_id"], it["response"]
            known = world.deliveries._table.find(id) if id else None
            project = home or unnamed_project(id)
            if known and not home:
                project = world.projects.get(known.project).id
            if task_id not in world.tasks:
                done = {"status": "completed", **response} if response else {"status": "pending"}
                facts = {"task_id": task_id, "created_at": it["created_at"], "project": project}
                self._put_task(facts | done, spot, world)
            if id:
                shown = {"id": id, "name": known.name if known else id, **it, "responses": {}}
                found.setdefault(id, shown)["responses"][task_id] = response
        for shown in found.values():
            project = world.tasks.get(shown["task_id"]).project
            self._put_delivery(shown, shown["responses"], str(project), world)

    def _delivery(
        self, shown: Any, spot: Spot, world: World, responses: Mapping[str, Any] | None = None
    ) -> None:
        printed = self._scene.bindings.in_json(shown)
        self._homes.needs_of_v2({"project": printed["project"]}, spot, world)
        printed = self._scene.bindings.in_json(shown)  # with the project's id
        project = self._homes.project_of(printed, world)
        self._put_delivery(printed, responses or {}, project, world)

    def _put_delivery(
        self, shown: Mapping[str, Any], responses: Mapping[str, Any], project: str, world: World
    ) -> None:
        table, latest = world.deliveries._table, world.deliveries._latest
        known = table.find(shown["id"])
        held = known.responses if known else None
        delivered = held if isinstance(held, _Responses) else _Responses()
        delivered.learn(responses, int(shown.get("task_count", known.task_count if known else 0)))
        schema = known.response_schema_id if known else None
        delivery = TaskDelivery(
            id=shown["id"],
            name=shown["name"],
            project=project,
            delivered_at=checked_stamp(shown["delivered_at"]),
            responses=delivered,
            response_schema_id=shown.get("response_schema_id", schema),
        )
        new: Iterable[str] = responses
        if known != delivery:
            self._put(table, delivery, f"delivery {delivery.id}")
            new = delivered
        for id in new:
            if id in responses or latest[id].id == delivery.id:
                latest[id] = table.get(delivery.id)

    def _schema(self, answer: Any, spot: Spot, world: World) -> None:
        it = answer["schema"]
        moment = checked_stamp(it["createdAt"])
        schema = ResponseSchema(
            id=it["id"], name=str(it["name"]), json=str(it["json"]), created_at=moment
        )
        self._put(world.deliveries._schemas, schema, f"schema {schema.id}")

    def _datasets(self, answer: Any, spot: Spot, world: World) -> None:
        for it in answer["datasets"]:
            self._dataset(it, world)

    def _dataset(self, shown: Any, world: World) -> str:
        """Arrange a dataset that an answer shows whole or by its id; return its id."""
        it = shown if isinstance(shown, Mapping) else {"id": shown}
        table = world.datasets._table
        known = table.find(it["id"])
        name = it.get("name", known.name if known else it["id"])
        self._put(table, Dataset(id=it["id"], name=str(name)), f"dataset {it['id']}")
        return str(it["id"])

    def _dataset_list(self, answer: Any, spot: Spot, world: World) -> None:
        for it in answer["deliveries"]:
            self._dataset_delivery(it, None, world)

    def _dataset_delivery(self, shown: Any, dataset: str | None, world: World) -> str:
        """Arrange a delivery of a dataset that an answer shows whole or by its id; return its id.

        ``dataset`` is the dataset of its task.
        """
        table = world.datasets._deliveries
        if not isinstance(shown, Mapping):
            known = table.find(shown)
            shown = {"id": shown, "dataset": dataset, "name": shown} if known is None else known
        if isinstance(shown, DatasetDelivery):
            return shown.id
        counts = shown.get("metadata", {})
        delivery = DatasetDelivery(
            id=str(shown["id"]),
            name=str(shown["name"]),
            dataset=self._dataset(shown["dataset"], world),
            delivered_at=checked_stamp(shown.get("delivered_at", stamp(self._scene.asked.now()))),
            task_count=counts.get("task_count", 0),
            turn_count=counts.get("turn_count", 0),
        )
        self._put(table, delivery, f"delivery {delivery.id}")
        return delivery.id

    def _dataset_tasks(self, answer: Any, spot: Spot, world: World) -> None:
        if "delivery" in answer and "tasks" in answer:
            self._dataset_delivery(answer["delivery"], None, world)
        for it in answer.get("tasks", [answer]):
            dataset = self._dataset(it["dataset"], world)
            delivery_id = self._dataset_delivery(it["delivery"], dataset, world)
            delivery = world.datasets.delivery(delivery_id)
            task = DatasetTask(
                id=it["task_id"],
                dataset=dataset,
                delivery=delivery.id,
                delivered_at=delivery.delivered_at,
                response=freeze(it["response"]),
            )
            is_new = task.id not in world.datasets._tasks
            self._put(world.datasets._tasks, task, f"task {task.id} of dataset {dataset}")
            if is_new:
                bisect.insort(world.datasets._sorted, (task.delivered_at, task.id))

    def _attachment(self, answer: Any, spot: Spot, world: World) -> None:
        if spot.path[3:4] != ("response_url",):
            self._dataset_tasks(answer, spot, world)
            return
        _, _, task, _, id = spot.path
        attachment = Attachment(id=id, task=task, content="", media_type="text/plain")
        self._put(world.datasets._attachments, attachment, f"attachment {id} of task {task}")

    def _results(self, answer: Any, spot: Spot, world: World) -> None:
        known = {freeze(it.to_json()) for it in world.quality_tasks._results}
        printed = self._scene.bindings.in_json(answer["docs"])
        # A page has the newest first.
        for it in reversed([it for it in printed if freeze(it) not in known]):
            own = ("quality_task_id", "labeler_email", "created_at")
            moment = checked_stamp(it.get("created_at", stamp(self._scene.asked.now())))
            result = LabelerResult(
                id=world.tasks._ids.make(self._scene.asked.now()),
                created_at=moment,
                quality_task_id=it["quality_task_id"],
                labeler_email=it["labeler_email"],
                more=freeze({name: value for name, value in it.items() if name not in own}),
            )
            world.quality_tasks._results.append(check_types(result))
            self._scene.tell(f"quality task {result.quality_task_id} has a result")

    def _put(self, table: Table[Any], thing: Any, words: str) -> None:
        is_new = thing.id not in table
        table.put(check_types(thing))
        if is_new:
            self._scene.tell(f"{words} is there already")


_PATHS: Mapping[tuple[str, ...], Callable[[Delivered, Any, Spot, World], None]] = {
    ("deliveries",): Delivered._list,
    ("delivery",): Delivered._page,
    ("delivery", "tasks"): Delivered._tasks,
    ("schema",): Delivered._schema,
    ("datasets",): Delivered._datasets,
    ("datasets", "deliveries"): Delivered._dataset_list,
    ("datasets", "delivery"): Delivered._dataset_tasks,
    ("datasets", "task"): Delivered._attachment,
    ("datasets", "tasks"): Delivered._dataset_tasks,
    ("quality", "labelers"): Delivered._results,
}
