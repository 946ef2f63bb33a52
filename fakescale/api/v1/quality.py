"""The endpoints of the quality tasks: their views, routes and answer schemas."""

from collections.abc import Mapping
from typing import Any

from fakescale.account import quality
from fakescale.api.openapi_answers import ANY, COMMON, ID, NAME, TIME, TYPE, object_of, page_of
from fakescale.api.openapi_bodies import Schema
from fakescale.api.route import Call, PerType, Route

_BODY = PerType(lambda: quality.TYPES, quality.RESPONSES.schema)


def create_evaluation_task(call: Call) -> Any:
    return _create_quality_task(call, "evaluation")


def create_training_task(call: Call) -> Any:
    return _create_quality_task(call, "training")


def _create_quality_task(call: Call, kind: str) -> Any:
    form = call.request.is_form
    tasks = call.world.quality_tasks
    return tasks._submit(kind, call.path["type"], call.body, form=form).to_json()


def list_labeler_results(call: Call) -> Any:
    return call.world.quality_tasks._page(call.wanted).to_json()


ROUTES = (
    Route(
        "POST",
        "/v1/evaluation_tasks/<type>",
        create_evaluation_task,
        "QualityTask",
        body=_BODY,
        idempotent=True,
        refuses=(402, 409),
    ),
    Route(
        "POST",
        "/v1/training_tasks/<type>",
        create_training_task,
        "QualityTask",
        body=_BODY,
        idempotent=True,
        refuses=(402, 409),
    ),
    # Observed in a client: at least one of these two filters is required.
    Route(
        "GET",
        "/v1/quality/labelers",
        list_labeler_results,
        "LabelerResultPage",
        query=quality.QUERY,
        needs=("quality_task_ids", "labeler_emails"),
    ),
)

SCHEMAS: Mapping[str, Schema] = {
    "QualityTask": object_of(
        {
            "id": ID,
            "created_at": TIME,
            "type": TYPE,
            "project": NAME,
            "params": ANY,
            "expected_response": ANY,
        },
        {**COMMON, "initial_response": ANY},
    ),
    "LabelerResult": {
        "type": "object",
        "required": ["quality_task_id", "labeler_email", "created_at"],
        "properties": {"quality_task_id": ID, "labeler_email": NAME, "created_at": TIME},
        "description": "Guessed: these members, and all that was recorded.",
    },
    "LabelerResultPage": page_of("LabelerResult"),
}
