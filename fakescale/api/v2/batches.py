"""The endpoints of the batches in v2: their views, routes and answer schemas."""

from collections.abc import Mapping
from typing import Any

from fakescale.account.batches import STATUSES, Batch
from fakescale.account.listing import PAGE, Filter, Parameter, one_of, since, until
from fakescale.api.openapi_answers import ANY, ID, NAME, TIME, array_of, object_of, ref
from fakescale.api.openapi_bodies import Schema
from fakescale.api.route import Call, Route
from fakescale.api.v2.references import (
    BATCH_MEMBERS,
    BATCH_PARAMETERS,
    NAMES_A_BATCH,
    PROJECT_PARAMETERS,
    WORDS,
    at_least_one,
    get,
    home,
    page_of,
    reference_to,
    show_batch,
    within,
)
from fakescale.values.schemas import TEXT, Parameters

_CREATION = Parameters(
    {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": TEXT,
            # Documented: `project` holds either the id or the name.
            **dict.fromkeys(("project_id", "project_name", "project"), TEXT),
            "callback": {"type": "string", "format": "callback or nothing"},
            "staging_batch": {"type": "boolean"},
            "metadata": {"type": "object"},
        },
        "allOf": [at_least_one("project_id", "project_name", "project")],
    }
)
_NAMED = Parameters({"type": "object", "properties": BATCH_MEMBERS, "allOf": [NAMES_A_BATCH]})
_METADATA = Parameters(
    {
        "type": "object",
        "required": ["metadata"],
        "properties": {
            **BATCH_MEMBERS,
            "metadata": {"type": "object"},
            "merge": {"type": "boolean"},
        },
        "allOf": [NAMES_A_BATCH],
    }
)
_LIST: Mapping[str, Filter | Parameter] = {
    **PROJECT_PARAMETERS,
    "status": one_of("status", STATUSES),
    "created_after": since("created_at"),
    "created_before": until("created_at"),
    "completed_after": since("completed_at"),
    "completed_before": until("completed_at"),
    "limit": PAGE["limit"],
    "next_token": PAGE["next_token"],
    "expand": WORDS,
}
# Documented, the texts too.
_MESSAGES = {
    "pause": "Batch pause initiated. Only unstarted tasks will be paused.",
    "resume": "Batch resume initiated. Previously paused tasks will be resumed.",
    "cancel": "Batch cancellation initiated. Unstarted tasks will be cancelled.",
}


def get_batch(call: Call) -> Any:
    given = call.query
    return show_batch(call.world, get(call, "batch", given), given.get("expand", ()))


def create_batch(call: Call) -> Any:
    given = call.read()
    names = ("name", "callback", "metadata")
    body = {name: given[name] for name in names if name in given}
    body["project"] = home(call, "project", given)
    # Documented: the client's parameter decides, not the kind of the project.
    staged = given.get("staging_batch", False)
    batch = call.world.batches._create(body, staged=staged)
    call.request.subject = batch.name
    return show_batch(call.world, batch)


def get_batches(call: Call) -> Any:
    given = call.query
    query = within(call.wanted, call.world, "project", given)
    page = call.world.batches._page_after(query)
    shown = [show_batch(call.world, it, given.get("expand", ())) for it in page.docs]
    return page_of("batches", shown, page.next_token)


def finalize_batch(call: Call) -> Any:
    return show_batch(call.world, _act(call, "finalize"))


def pause_batch(call: Call) -> Any:
    return _told(call, "pause")


def resume_batch(call: Call) -> Any:
    return _told(call, "resume")


def cancel_batch(call: Call) -> Any:
    return _told(call, "cancel")


def set_batch_metadata(call: Call) -> Any:
    given = call.read()
    batch = get(call, "batch", given)
    merge = given.get("merge", False)
    changed = call.world.batches.set_metadata(batch.name, given["metadata"], merge=merge)
    return show_batch(call.world, changed)


def _act(call: Call, action: str) -> Batch:
    batch: Batch = get(call, "batch", call.read())
    return call.world.batches._act(batch, action)


def _told(call: Call, action: str) -> Any:
    """Return the batch in a wrapper with the documented message."""
    batch = show_batch(call.world, _act(call, action))
    return {"batch": batch, "message": _MESSAGES[action]}


ROUTES = (
    Route(
        "GET",
        "/v2/batch",
        get_batch,
        "BatchV2",
        query={**BATCH_PARAMETERS, "expand": WORDS},
        needs=("batch_id", "batch_name"),
        refuses=(404,),
    ),
    Route("POST", "/v2/batch", create_batch, "BatchV2", body=_CREATION, refuses=(409,)),
    Route("GET", "/v2/batches", get_batches, "BatchesV2", query=_LIST),
    Route("POST", "/v2/batch/finalize", finalize_batch, "BatchV2", body=_NAMED, refuses=(404,)),
    Route("POST", "/v2/batch/pause", pause_batch, "BatchMoved", body=_NAMED, refuses=(404,)),
    Route("POST", "/v2/batch/resume", resume_batch, "BatchMoved", body=_NAMED, refuses=(404,)),
    Route("POST", "/v2/batch/cancel", cancel_batch, "BatchMoved", body=_NAMED, refuses=(404,)),
    Route(
        "POST", "/v2/batch/metadata", set_batch_metadata, "BatchV2", body=_METADATA, refuses=(404,)
    ),
)

SCHEMAS: Mapping[str, Schema] = {
    "BatchV2": object_of(
        {
            "id": ID,
            "name": NAME,
            "project": reference_to(ref("ProjectV2")),
            "created_at": TIME,
            "status": {"enum": list(STATUSES)},
            "metadata": ANY,
        },
        {"completed_at": TIME, "callback": NAME},
    ),
    "BatchesV2": object_of(
        {"batches": array_of(ref("BatchV2"), maxItems=100)}, {"next_token": NAME}
    ),
    "BatchMoved": object_of(
        {"batch": ref("BatchV2"), "message": {"enum": list(_MESSAGES.values())}}
    ),
}
