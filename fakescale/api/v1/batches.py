"""The endpoints of the batches: their views, routes and answer schemas."""

from collections.abc import Mapping
from typing import Any

from fakescale.account import batches
from fakescale.account.task import Status
from fakescale.account.task_types import common_checker
from fakescale.api.openapi_answers import ANY, BOOLEAN, COUNT, NAME, TIME, array_of, object_of, ref
from fakescale.api.openapi_bodies import Schema
from fakescale.api.route import Call, Route

_METADATA = common_checker("metadata")


def create_batch(call: Call) -> Any:
    return call.world.batches._create(call.body).to_json()


def list_batches(call: Call) -> Any:
    return call.world.batches._page(call.wanted).to_json()


def get_batch(call: Call) -> Any:
    return call.world.batches.get(call.path["name"]).to_json()


def get_batch_status(call: Call) -> Any:
    return call.world.batches.get(call.path["name"]).status_json()


def finalize_batch(call: Call) -> Any:
    return call.world.batches.finalize(call.path["name"]).to_json()


def set_batch_metadata(call: Call) -> Any:
    return call.world.batches.set_metadata(call.path["name"], call.body).to_json()


def prioritize_batch(call: Call) -> Any:
    call.world.batches.prioritize(call.path["name"], **call.body)
    return {"result": "ok"}  # guessed


ROUTES = (
    Route("POST", "/v1/batches", create_batch, "Batch", body=batches.CREATION, refuses=(409,)),
    Route("GET", "/v1/batches", list_batches, "BatchPage", query=batches.QUERY),
    Route("GET", "/v1/batches/<name>", get_batch, "Batch"),
    Route("GET", "/v1/batches/<name>/status", get_batch_status, "BatchCounts"),
    Route("POST", "/v1/batches/<name>/finalize", finalize_batch, "Batch", refuses=(400,)),
    Route("POST", "/v1/batches/<name>/setMetadata", set_batch_metadata, "Batch", body=_METADATA),
    Route("POST", "/v1/batches/<name>/prioritize", prioritize_batch, "Ok", body=batches.PRIORITY),
)

_STATUS: Schema = {"enum": list(batches.STATUSES)}

SCHEMAS: Mapping[str, Schema] = {
    "Batch": object_of(
        {
            "name": NAME,
            "project": NAME,
            "status": _STATUS,
            "created_at": TIME,
            "metadata": ANY,
        },
        {"callback": NAME},
    ),
    "BatchPage": object_of(
        {
            "docs": array_of(ref("Batch"), maxItems=100),
            "totalDocs": COUNT,
            "total": COUNT,
            "limit": {"type": "integer", "minimum": 1, "maximum": 100},
            "offset": COUNT,
            "has_more": BOOLEAN,
            "totalPages": COUNT,
            "hasNextPage": BOOLEAN,
            "nextPage": {"type": ["integer", "null"], "minimum": 2},
        }
    ),
    "BatchCounts": object_of({"status": _STATUS, **dict.fromkeys(Status, COUNT)}),
    "Ok": object_of({"result": {"const": "ok"}}, description="Guessed."),
}
