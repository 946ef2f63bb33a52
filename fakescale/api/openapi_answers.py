"""What good answers hold, as JSON Schema: for the OpenAPI document, and for tests."""

from collections.abc import Mapping
from typing import Any

from fakescale.account import batches
from fakescale.account.task import AUDIT_RESULTS, ReviewStatus, Status
from fakescale.account.task_types import common_parameters, names
from fakescale.account.team import DISABLED, ROLES
from fakescale.api.openapi_bodies import COMPONENTS, Schema

_TEXT: Schema = {"type": "string"}
_NAME: Schema = {"type": "string", "minLength": 1}
_FLAG: Schema = {"type": "boolean"}
_TRUE: Schema = {"const": True}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_ANY: Schema = {"type": "object"}
_TIME: Schema = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
    "examples": ["2021-06-29T20:21:53.289Z"],
}
_ID: Schema = {"type": "string", "pattern": "^[0-9a-f]{24}$"}
_UUID: Schema = {"type": "string", "format": "uuid"}
_TYPE: Schema = {"enum": names()}


def _object(
    required: Mapping[str, Any], optional: Mapping[str, Any] | None = None, **more: Any
) -> Schema:
    """Return the schema of an object with these members, and by default no others."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
        "additionalProperties": False,
        **more,
    }


def _array(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


def _ref(name: str) -> Schema:
    return {"$ref": COMPONENTS + name}


def _page(*kinds: str) -> Schema:
    items = _ref(kinds[0]) if len(kinds) == 1 else {"anyOf": [_ref(kind) for kind in kinds]}
    head = {
        "docs": _array(items, maxItems=100),
        "total": _COUNT,
        "limit": {"type": "integer", "minimum": 1, "maximum": 100},
        "offset": {**_COUNT, "description": "Not documented, but an official client needs it."},
        "has_more": _FLAG,
    }
    return _object(
        head,
        {"next_token": _NAME},
        **{
            "if": {"properties": {"has_more": _TRUE}},
            "then": {"required": ["next_token"]},
            "else": {"properties": {"next_token": False}},
        },
    )


# What the creation of a task says of it and the task then shows.
_COMMON: Schema = {
    name: {key: value for key, value in schema.items() if key in ("type", "enum", "minLength")}
    for name, schema in common_parameters().items()
    if schema.get("echo", True)
}
_AUDIT_OF_TASK = _object(
    {
        "audited_by": _TEXT,
        "audited_at": _TIME,
        "audit_time_secs": {"type": "number", "minimum": 0},
        "audit_result": {"enum": list(AUDIT_RESULTS)},
        "audit_source": {"enum": ["customer", "scale"]},
    },
)
_BATCH_STATUS: Schema = {"enum": list(batches.STATUSES)}

#: By the names that the rows of ``api.ROUTES`` have for them.
SCHEMAS: Mapping[str, Schema] = {
    "Task": _object(
        {
            "task_id": _NAME,
            "created_at": _TIME,
            "updated_at": _TIME,
            "type": _TYPE,
            "status": {"enum": list(Status)},
            "params": {**_ANY, "description": "What was given that is of the type."},
            "metadata": _ANY,
            "is_test": _FLAG,
        },
        {
            "completed_at": _TIME,
            "response": {**_ANY, "description": "Of the type, or what went wrong."},
            "callback_completed": _FLAG,
            "callback_succeeded": _FLAG,
            "audits": _array(_AUDIT_OF_TASK, minItems=1),
            **{name: _COMMON[name] for name in _COMMON if name != "metadata"},
            "tags": _array(_NAME, minItems=1, uniqueItems=True),
            "project_param_version": _COUNT,
            "work_started": _TRUE,
            "customer_review_status": {"enum": list(ReviewStatus)},
            "customer_review_comments": _array({}, minItems=1),
        },
        description="A task. One that was loaded into the fake may have further members.",
        additionalProperties=True,
    ),
    "LimitedTask": _object(
        {"task_id": _NAME, "status": {"enum": list(Status)}, "metadata": _ANY},
        {"project": _NAME},
        description="A task of a list with `limited_response`.",
    ),
    "TaskPage": _page("Task", "LimitedTask"),
    "Success": _object({"success": _TRUE}, description="Guessed."),
    "Ok": _object({"result": {"const": "ok"}}, description="Guessed."),
    "Project": _object(
        {
            "type": _TYPE,
            "name": _NAME,
            "param_history": _array(
                {
                    "type": "object",
                    "required": ["version", "created_at"],
                    "properties": {"version": _COUNT, "created_at": _TIME},
                    "description": "The parameters of a version, beside these members.",
                }
            ),
            "created_at": _TIME,
        },
        {"archived": _TRUE, "ontology": _array({"type": ["string", "object"]}, minItems=1)},
    ),
    "Projects": _array(_ref("Project")),
    "TaskTemplate": _object(
        {
            "id": _ID,
            "version": _COUNT,
            "created_at": _TIME,
            "updated_at": _TIME,
            "template_variables": _ANY,
            "auto_onboard_enabled": _FLAG,
        },
        {"response_schema": {}},
    ),
    "Batch": _object(
        {
            "name": _NAME,
            "project": _NAME,
            "status": _BATCH_STATUS,
            "created_at": _TIME,
            "metadata": _ANY,
        },
        {"callback": _NAME},
    ),
    "BatchPage": _object(
        {
            "docs": _array(_ref("Batch"), maxItems=100),
            "totalDocs": _COUNT,
            "total": _COUNT,
            "limit": {"type": "integer", "minimum": 1, "maximum": 100},
            "offset": _COUNT,
            "has_more": _FLAG,
        }
    ),
    "BatchStatus": _object({"status": _BATCH_STATUS, **dict.fromkeys(Status, _COUNT)}),
    "ResultFile": {"description": "Of the shape that the type of the task has."},
    "Audit": {
        "type": "object",
        "required": ["id", "task_id", "created_at"],
        "properties": {"id": _ID, "task_id": _NAME, "created_at": _TIME},
        "description": "Guessed: these, and all that was given.",
    },
    "Audits": _array(_ref("Audit")),
    "File": _object(
        {
            "id": _UUID,
            "attachment_url": {"type": "string", "pattern": "^scaledata://"},
            "created_at": _TIME,
            "updated_at": _TIME,
            "project_names": _array(_TEXT),
            "metadata": _ANY,
        },
        {"mime_type": _NAME, "size": _COUNT, "display_name": _NAME, "reference_id": _NAME},
    ),
    "FilePage": _page("File"),
    "Teammate": _object(
        {
            "email": _NAME,
            "role": {"enum": [*ROLES, DISABLED]},
            "company": _TEXT,
            "firstName": _TEXT,
            "lastName": _TEXT,
            "isStudioLabeler": _FLAG,
            "disableRapidEmails": _FLAG,
        },
        {"expiry": _TIME},
    ),
    "Teammates": _array(_ref("Teammate"), minItems=1),
    "Assignments": {
        "type": "object",
        "additionalProperties": _array(_NAME, uniqueItems=True),
        "description": "The projects of each active teammate, by e-mail address.",
    },
    "Group": _object(
        {
            "id": _ID,
            "name": _NAME,
            "numWorkers": _COUNT,
            "isSingleton": _FLAG,
            "workers": _array(_object({"id": _ID, "email": _NAME})),
        }
    ),
    "Groups": _array(_ref("Group")),
    "StudioBatch": _object(
        {
            "id": _ID,
            "name": _NAME,
            "projectId": _ID,
            "projectName": _NAME,
            "batchType": {"enum": ["Calibration", "Production"]},
            "total": _COUNT,
            "completed": _COUNT,
            "groups": _array(_NAME),
        },
        {"studioPriority": {"type": "integer", "minimum": 1}},
    ),
    "StudioBatches": _array(_ref("StudioBatch")),
    "QualityTask": _object(
        {
            "id": _ID,
            "created_at": _TIME,
            "type": _TYPE,
            "project": _NAME,
            "params": _ANY,
            "expected_response": _ANY,
        },
        {**_COMMON, "initial_response": _ANY},
    ),
    "LabelerResult": {
        "type": "object",
        "required": ["quality_task_id", "labeler_email", "created_at"],
        "properties": {"quality_task_id": _ID, "labeler_email": _NAME, "created_at": _TIME},
        "description": "Guessed: these, and all that was recorded.",
    },
    "LabelerResultPage": _page("LabelerResult"),
}

#: The media types of what is not JSON alone.
MEDIA_TYPES: Mapping[str, tuple[str, ...]] = {"ResultFile": ("application/json", "image/png")}
