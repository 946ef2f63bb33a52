"""The endpoints of the fixless audits: their views, routes and answer schemas."""

from collections.abc import Mapping
from typing import Any

from fakescale.account import audits
from fakescale.account.listing import WORD
from fakescale.api.openapi_answers import ID, NAME, TIME, array_of, ref
from fakescale.api.openapi_bodies import Schema
from fakescale.api.route import Call, Route


def create_audit(call: Call) -> Any:
    return call.world.audits._create(call.body).to_json()


def list_audits(call: Call) -> Any:
    return [audit.to_json() for audit in call.world.audits.list(**call.query)]


ROUTES = (
    # Documented: the status is 201, as for no other endpoint.
    Route("PUT", "/v1/audits", create_audit, "Audit", body=audits.AUDIT, status=201),
    # Guessed: at least one of the two is required.
    Route(
        "GET",
        "/v1/audits",
        list_audits,
        "Audits",
        query={"task_id": WORD, "id": WORD},
        needs=("task_id", "id"),
    ),
)

SCHEMAS: Mapping[str, Schema] = {
    "Audit": {
        "type": "object",
        "required": ["id", "task_id", "created_at"],
        "properties": {"id": ID, "task_id": NAME, "created_at": TIME},
        "description": "Guessed: these members, and all that the request gave.",
    },
    "Audits": array_of(ref("Audit")),
}
