"""The endpoints of the deliveries in v2, of the delivered tasks, and of their schemas."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from fakescale.account.deliveries import FILTERS, TaskDelivery
from fakescale.account.listing import WORD, Filter, Parameter
from fakescale.account.projects import Project
from fakescale.account.task import Task
from fakescale.api.openapi_answers import ANY, COUNT, ID, NAME, TEXT, TIME, array_of, object_of, ref
from fakescale.api.openapi_bodies import Schema
from fakescale.api.route import Call, Route
from fakescale.api.v2 import tasks
from fakescale.api.v2.references import (
    PROJECT_PARAMETERS,
    WORDS,
    is_named,
    named,
    page_of,
    refer,
    reference_to,
    require,
    within,
)
from fakescale.values.errors import NotFound, invalid

_LIST: Mapping[str, Filter | Parameter] = {**PROJECT_PARAMETERS, **FILTERS, "expand": WORDS}
_DELIVERY: Mapping[str, Parameter] = {
    "delivery_id": WORD,
    "delivery_name": WORD,
    **PROJECT_PARAMETERS,
    **tasks.POSITION,
    **tasks.CHOICES,
}
_TASKS: Mapping[str, Filter | Parameter] = {
    "delivery_id": WORD,
    **PROJECT_PARAMETERS,
    **tasks.FILTERS,
    **tasks.POSITION,
}
_OBJECT_ID = re.compile("[0-9a-f]{24}", re.IGNORECASE)


def show_delivery(call: Call, it: TaskDelivery, expand: Collection[str]) -> dict[str, Any]:
    """Return a delivery as v2 prints it."""
    return {
        "id": it.id,
        "name": it.name,
        "task_count": it.task_count,
        "delivered_at": it.delivered_at,
        "project": refer(call.world, it.project, expand),
    }


def get_deliveries(call: Call) -> Any:
    given, query = call.query, call.wanted
    project = named(call.world, "project", given)
    if not isinstance(project, Project):  # guessed: an unknown project has none
        return {"deliveries": []}
    found = query.select(call.world.deliveries.list(project=project))
    return {"deliveries": [show_delivery(call, it, given.get("expand", ())) for it in found]}


def get_delivery(call: Call) -> Any:
    given = call.query
    project = None
    if "delivery_id" not in given:  # documented: ids are global, names need the project
        require(given, "project_id", "project_name")
        project = named(call.world, "project", given)
    home = project.name if isinstance(project, Project) else None
    delivery = call.world.deliveries._find(
        given.get("delivery_id"), given.get("delivery_name"), home
    )
    if delivery is None:
        text = given.get("delivery_id") or given.get("delivery_name")
        raise NotFound(f'Delivery "{text}" not found.')
    page = call.world.deliveries._page(call.wanted, delivery)
    shown = [tasks.show_task(call.world, it, given) for it in page.docs]
    # The samples show the whole delivery, without `expand`.
    whole = show_delivery(call, delivery, given.get("expand", ()))
    return {"delivery": whole, **page_of("tasks", shown, page.next_token)}


def get_delivery_tasks(call: Call) -> Any:
    given = call.query
    query, delivery = call.wanted, None
    if "delivery_id" in given:
        delivery = call.world.deliveries._find(given["delivery_id"], None, None)
        if delivery is None:
            return {"docs": [], "total": 0}  # guessed: as for an unknown project
    if is_named("project", given):
        query = within(query, call.world, "project", given)
    page = call.world.deliveries._page(query, delivery)
    docs = [_delivered(call, it, delivery) for it in page.docs]
    # Documented: the number of tasks on this page.
    return {**page_of("docs", docs, page.next_token), "total": len(docs)}


def _delivered(call: Call, task: Task, delivery: TaskDelivery | None) -> dict[str, Any]:
    """Return a task as delivered; documented: with nulls if it is not."""
    found = delivery or call.world.deliveries._of_task(task)
    return {
        "task_id": task.id,
        "created_at": task.created_at,
        "delivery_id": found and found.id,
        "delivered_at": found and found.delivered_at,
        "response_schema_id": found and found.response_schema_id,
        "response": found and found.responses[task.id],
    }


def get_schema(call: Call) -> Any:
    schema_id = call.query["schema_id"]
    if not _OBJECT_ID.fullmatch(schema_id):  # documented, except the text
        raise invalid("schema_id", "must be 24 hex digits", schema_id)
    found = call.world.deliveries.schema(schema_id)
    printed = {"id": found.id, "name": found.name, "json": found.json}
    return {"schema": {**printed, "createdAt": found.created_at, "updatedAt": found.created_at}}


ROUTES = (
    Route(
        "GET",
        "/v2/deliveries",
        get_deliveries,
        "DeliveriesV2",
        query=_LIST,
        needs=("project_id", "project_name"),
    ),
    Route(
        "GET",
        "/v2/delivery",
        get_delivery,
        "DeliveryPage",
        query=_DELIVERY,
        needs=("delivery_id", "delivery_name"),
        refuses=(404,),
    ),
    Route(
        "GET",
        "/v2/delivery/tasks",
        get_delivery_tasks,
        "DeliveredTasks",
        query=_TASKS,
        # Documented: the project. The client's text allows the delivery too.
        needs=("delivery_id", "project_id", "project_name"),
    ),
    Route(
        "GET",
        "/v2/schema",
        get_schema,
        "ResponseSchema",
        query={"schema_id": WORD},
        needs=("schema_id",),
        refuses=(404,),
    ),
)


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


SCHEMAS: Mapping[str, Schema] = {
    "DeliveryV2": object_of(
        {
            "id": ID,
            "name": NAME,
            "task_count": COUNT,
            "delivered_at": TIME,
            "project": reference_to(ref("ProjectV2")),
        }
    ),
    "DeliveriesV2": object_of({"deliveries": array_of(ref("DeliveryV2"))}),
    "DeliveryPage": object_of(
        {"delivery": ref("DeliveryV2"), "tasks": array_of(ref("TaskV2"), maxItems=100)},
        {"next_token": NAME},
    ),
    "DeliveredTasks": object_of(
        {
            "docs": array_of(
                object_of(
                    {
                        "task_id": NAME,
                        "created_at": TIME,
                        "delivery_id": _or_null(ID),
                        "delivered_at": _or_null(TIME),
                        "response_schema_id": _or_null(ID),
                        "response": _or_null(ANY),
                    }
                ),
                maxItems=100,
            ),
            "total": COUNT,
        },
        {"next_token": NAME},
    ),
    "ResponseSchema": object_of(
        {
            "schema": object_of(
                {"id": ID, "name": NAME, "json": TEXT, "createdAt": TIME, "updatedAt": TIME}
            )
        }
    ),
}
