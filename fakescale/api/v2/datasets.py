"""The endpoints of the datasets in v2, of their deliveries, tasks and files."""

from collections.abc import Collection, Mapping
from typing import Any

from fakescale.account.datasets import FILTERS, Dataset, DatasetDelivery, DatasetTask
from fakescale.account.listing import WORD, Filter, Parameter
from fakescale.api.openapi_answers import ANY, COUNT, ID, NAME, TIME, array_of, object_of, ref
from fakescale.api.openapi_bodies import Schema
from fakescale.api.route import Call, Route
from fakescale.api.v2.references import WORDS, page_of, reference_to
from fakescale.api.v2.tasks import POSITION
from fakescale.values.answer import Answer
from fakescale.values.errors import NotFound
from fakescale.values.frozen import FrozenDict

_EXPAND: Mapping[str, Parameter] = {"expand": WORDS}
_DELIVERIES: Mapping[str, Filter | Parameter] = {"dataset_id": WORD, **FILTERS, **_EXPAND}
_DELIVERY: Mapping[str, Parameter] = {"delivery_id": WORD, **POSITION, **_EXPAND}
_TASKS: Mapping[str, Filter | Parameter] = {
    "dataset_id": WORD,
    "delivery_id": WORD,
    **FILTERS,
    **POSITION,
    **_EXPAND,
}


def _show_dataset(it: Dataset) -> dict[str, Any]:
    return {"id": it.id, "name": it.name}


def _refer(call: Call, dataset: str, expand: Collection[str]) -> Any:
    found = call.world.datasets.get(dataset)
    return _show_dataset(found) if "dataset" in expand else dataset


def _show_delivery(call: Call, it: DatasetDelivery, expand: Collection[str]) -> dict[str, Any]:
    return {
        "id": it.id,
        "name": it.name,
        "delivered_at": it.delivered_at,
        "dataset": _refer(call, it.dataset, expand),
        "metadata": {"task_count": it.task_count, "turn_count": it.turn_count},
    }


def _show_task(call: Call, it: DatasetTask, expand: Collection[str]) -> dict[str, Any]:
    delivery: Any = it.delivery
    if "delivery" in expand:
        delivery = _show_delivery(call, call.world.datasets.delivery(delivery), ())
    return {
        "task_id": it.id,
        "dataset": _refer(call, it.dataset, expand),
        "delivery": delivery,
        "response": it.response,
    }


def get_datasets(call: Call) -> Any:
    return {"datasets": [_show_dataset(it) for it in call.world.datasets.list()]}


def get_dataset_deliveries(call: Call) -> Any:
    given = call.query
    found = call.wanted.select(call.world.datasets.deliveries(given.get("dataset_id")))
    return {"deliveries": [_show_delivery(call, it, given.get("expand", ())) for it in found]}


def get_dataset_delivery(call: Call) -> Any:
    given = call.query
    expand = given.get("expand", ())
    delivery = call.world.datasets.delivery(given["delivery_id"])
    page = call.world.datasets._page(call.wanted, dataset=None, delivery=delivery.id)
    shown = [_show_task(call, it, expand) for it in page.docs]
    # The samples show the whole delivery, without `expand`.
    whole = _show_delivery(call, delivery, expand)
    return {"delivery": whole, **page_of("tasks", shown, page.next_token)}


def get_dataset_task(call: Call) -> Any:
    given = call.query
    return _show_task(call, call.world.datasets.task(given["task_id"]), given.get("expand", ()))


def get_dataset_tasks(call: Call) -> Any:
    given = call.query
    page = call.world.datasets._page(
        call.wanted, dataset=given.get("dataset_id"), delivery=given.get("delivery_id")
    )
    shown = [_show_task(call, it, given.get("expand", ())) for it in page.docs]
    return page_of("tasks", shown, page.next_token)


def get_dataset_task_response_url(call: Call) -> Any:
    # Declared: 302 to the file. Guessed: the address, which is of the same server.
    attachment = call.world.datasets.attachment(call.path["attachment_id"])
    if attachment.task != call.path["task_id"]:
        raise NotFound(f'Attachment "{attachment.id}" not found.')
    place = f"{call.request.called_at or ''}/v2/datasets/files/{attachment.id}"
    kind = "text/plain; charset=utf-8"
    return Answer(302, b"", FrozenDict({"Location": place, "Content-Type": kind}))


def get_dataset_file(call: Call) -> Any:
    attachment = call.world.datasets.attachment(call.path["attachment_id"])
    kind = FrozenDict({"Content-Type": attachment.media_type})
    return Answer(200, attachment.content.encode(), kind)


ROUTES = (
    Route("GET", "/v2/datasets", get_datasets, "Datasets"),
    Route(
        "GET", "/v2/datasets/deliveries", get_dataset_deliveries, "DatasetDeliveries", _DELIVERIES
    ),
    Route(
        "GET",
        "/v2/datasets/delivery",
        get_dataset_delivery,
        "DatasetDeliveryPage",
        query=_DELIVERY,
        needs=("delivery_id",),
        refuses=(404,),
    ),
    Route(
        "GET",
        "/v2/datasets/task",
        get_dataset_task,
        "DatasetTask",
        query={"task_id": WORD, **_EXPAND},
        needs=("task_id",),
        refuses=(404,),
    ),
    Route(
        "GET",
        "/v2/datasets/tasks",
        get_dataset_tasks,
        "DatasetTasks",
        query=_TASKS,
        needs=("dataset_id", "delivery_id"),
    ),
    Route(
        "GET",
        "/v2/datasets/task/<task_id>/response_url/<attachment_id>",
        get_dataset_task_response_url,
        "DatasetFile",
        status=302,
    ),
    # Ours: the place that the redirect leads to.
    Route("GET", "/v2/datasets/files/<attachment_id>", get_dataset_file, "DatasetFile"),
)

SCHEMAS: Mapping[str, Schema] = {
    "Dataset": object_of({"id": ID, "name": NAME}),
    "Datasets": object_of({"datasets": array_of(ref("Dataset"))}),
    "DatasetDelivery": object_of(
        {
            "id": ID,
            "name": NAME,
            "delivered_at": TIME,
            "dataset": reference_to(ref("Dataset")),
            "metadata": object_of({"task_count": COUNT, "turn_count": COUNT}),
        }
    ),
    "DatasetDeliveries": object_of({"deliveries": array_of(ref("DatasetDelivery"))}),
    "DatasetTask": object_of(
        {
            "task_id": ID,
            "dataset": reference_to(ref("Dataset")),
            "delivery": reference_to(ref("DatasetDelivery")),
            "response": ANY,
        }
    ),
    "DatasetTasks": object_of(
        {"tasks": array_of(ref("DatasetTask"), maxItems=100)}, {"next_token": NAME}
    ),
    "DatasetDeliveryPage": object_of(
        {"delivery": ref("DatasetDelivery"), "tasks": array_of(ref("DatasetTask"), maxItems=100)},
        {"next_token": NAME},
    ),
    "DatasetFile": {"description": "The file, of any media type."},
}

#: The media types of answers that may be other than JSON, by their schemas.
MEDIA_TYPES: Mapping[str, tuple[str, ...]] = {"DatasetFile": ("*/*",)}
