"""The endpoints of the Studio: their views, routes and answer schemas."""

from collections.abc import Mapping
from typing import Any

from fakescale.account import studio
from fakescale.api.openapi_answers import BOOLEAN, COUNT, ID, NAME, array_of, object_of, ref
from fakescale.api.openapi_bodies import Schema
from fakescale.api.route import Call, Route


def list_assignments(call: Call) -> Any:
    return call.world.studio.assignments()


def add_assignments(call: Call) -> Any:
    return call.world.studio.assign(**call.body)


def remove_assignments(call: Call) -> Any:
    return call.world.studio.unassign(**call.body)


def list_groups(call: Call) -> Any:
    return [group.to_json() for group in call.world.studio.groups(call.path["project"])]


def create_group(call: Call) -> Any:
    return call.world.studio.create_group(call.path["project"], **call.body).to_json()


def change_group(call: Call) -> Any:
    path = call.path
    return call.world.studio.change_group(path["project"], path["group"], **call.body).to_json()


def list_studio_batches(call: Call) -> Any:
    return [batch.to_json() for batch in call.world.studio.batches()]


def set_batch_groups(call: Call) -> Any:
    return call.world.studio.set_batch_groups(call.path["name"], **call.body).to_json()


def set_priorities(call: Call) -> Any:
    return [batch.to_json() for batch in call.world.studio.set_priorities(**call.body)]


def reset_priorities(call: Call) -> Any:
    return [batch.to_json() for batch in call.world.studio.reset_priorities()]


ROUTES = (
    Route("GET", "/v1/studio/assignments", list_assignments, "Assignments"),
    Route(
        "POST",
        "/v1/studio/assignments/add",
        add_assignments,
        "Assignments",
        body=studio.ASSIGNMENT,
    ),
    Route(
        "POST",
        "/v1/studio/assignments/remove",
        remove_assignments,
        "Assignments",
        body=studio.ASSIGNMENT,
    ),
    Route("GET", "/v1/studio/projects/<project>/groups", list_groups, "Groups"),
    Route(
        "POST",
        "/v1/studio/projects/<project>/groups",
        create_group,
        "Group",
        body=studio.GROUP,
        refuses=(409,),
    ),
    Route(
        "PUT",
        "/v1/studio/projects/<project>/groups/<group>",
        change_group,
        "Group",
        body=studio.GROUP_CHANGE,
    ),
    Route("GET", "/v1/studio/batches", list_studio_batches, "StudioBatches"),
    Route(
        "PUT",
        "/v1/studio/batches/<name>",
        set_batch_groups,
        "StudioBatch",
        body=studio.BATCH,
    ),
    Route(
        "POST",
        "/v1/studio/batches/set_priorities",
        set_priorities,
        "StudioBatches",
        body=studio.PRIORITIES,
    ),
    Route("POST", "/v1/studio/batches/reset_priorities", reset_priorities, "StudioBatches"),
)

SCHEMAS: Mapping[str, Schema] = {
    "Assignments": {
        "type": "object",
        "additionalProperties": array_of(NAME, uniqueItems=True),
        "description": "The projects of each active teammate, by e-mail address.",
    },
    "Group": object_of(
        {
            "id": ID,
            "name": NAME,
            "numWorkers": COUNT,
            "isSingleton": BOOLEAN,
            "workers": array_of(object_of({"id": ID, "email": NAME})),
        }
    ),
    "Groups": array_of(ref("Group")),
    "StudioBatch": object_of(
        {
            "id": ID,
            "name": NAME,
            "projectId": ID,
            "projectName": NAME,
            "batchType": {"enum": ["Calibration", "Production"]},
            "total": COUNT,
            "completed": COUNT,
            "groups": array_of(NAME),
        },
        {"studioPriority": {"type": "integer", "minimum": 1}},
    ),
    "StudioBatches": array_of(ref("StudioBatch")),
}
