"""The endpoints of the tasks: their views, routes and answer schemas."""

import contextlib
from collections.abc import Mapping
from typing import Any

from fakescale.account import task_filters
from fakescale.account.listing import FLAG
from fakescale.account.result_files import result_file
from fakescale.account.task import AUDIT_RESULTS, ReviewStatus, Status
from fakescale.account.task_types import common_checker, common_parameters, spellings, tags_checker
from fakescale.api.openapi_answers import (
    ANY,
    BOOLEAN,
    COMMON,
    COUNT,
    NAME,
    TEXT,
    TIME,
    TRUE,
    TYPE,
    array_of,
    object_of,
    page_of,
)
from fakescale.api.openapi_bodies import Schema
from fakescale.api.request import expect
from fakescale.api.route import Call, PerType, Route
from fakescale.values.errors import NotFound
from fakescale.values.schemas import Parameters

_COMMON = common_parameters()
_UNIQUE_ID = Parameters(
    {
        "type": "object",
        "required": ["unique_id"],
        "properties": {name: _COMMON[name] for name in ("unique_id", "clear_unique_id_on_error")},
    }
)
_AUDIT = Parameters(
    {
        "type": "object",
        "required": ["accepted"],
        "properties": {"accepted": {"type": "boolean"}, "comments": {"type": "string"}},
    }
)
_METADATA = common_checker("metadata")
_TAGS = common_checker("tags")


def create_task(call: Call) -> Any:
    form = call.request.is_form
    body = expect(call.request.json_content, dict)
    task = call.world.tasks._submit(call.path["type"], body, form=form, is_json=True)
    call.request.subject = task.id
    return task


def get_task(call: Call) -> Any:
    call.world.tasks._look_at(call.path["task_id"])
    return call.world.tasks.get(call.path["task_id"])


def list_tasks(call: Call) -> Any:
    tasks, query = call.world.tasks, call.wanted
    return tasks._look_at_list(query, lambda: tasks._page(query))


def cancel_task(call: Call) -> Any:
    return call.world.tasks.cancel(call.path["task_id"], **call.query)


def set_metadata(call: Call) -> Any:
    return call.world.tasks.set_metadata(call.path["task_id"], call.body)


def set_unique_id(call: Call) -> Any:
    body = call.read()
    return call.world.tasks.set_unique_id(call.path["task_id"], **body)


def clear_unique_id(call: Call) -> Any:
    return call.world.tasks.clear_unique_id(call.path["task_id"])


def add_tags(call: Call) -> Any:
    return call.world.tasks.add_tags(call.path["task_id"], call.array)


def set_tags(call: Call) -> Any:
    return call.world.tasks.set_tags(call.path["task_id"], call.array)


def remove_tags(call: Call) -> Any:
    return call.world.tasks.remove_tags(call.path["task_id"], call.array)


def audit_task(call: Call) -> Any:
    body = call.read()
    accepted, comments = bool(body["accepted"]), body.get("comments")
    return call.world.tasks.audit(call.path["task_id"], accepted=accepted, comments=comments)


def send_callback(call: Call) -> Any:
    call.world.tasks.send_callback(call.path["task_id"])
    return {"success": True}  # guessed: a client's types have such a member


def get_result_file(call: Call) -> Any:
    # Documented: anyone may fetch a result file, unless the account has secure result URLs. Then
    # it needs the live key. Guessed: either key works, for a task of either world.
    for world in (call.account.world(is_test=is_test) for is_test in (False, True)):
        with contextlib.suppress(NotFound):
            task = world.tasks.get(call.path["task_id"])
            return result_file(task, call.path["uuid"])
    raise NotFound("There is no such result file.")  # guessed


ROUTES = (
    Route(
        "POST",
        "/v1/task/<type>",
        create_task,
        "Task",
        body=PerType(spellings),
        idempotent=True,
        refuses=(402, 409),
    ),
    Route("GET", "/v1/task/<task_id>", get_task, "Task"),
    Route("GET", "/v1/tasks", list_tasks, "TaskPage", query=task_filters.QUERY),
    Route(
        "POST", "/v1/task/<task_id>/cancel", cancel_task, "Task", query={"clear_unique_id": FLAG}
    ),
    Route("POST", "/v1/task/<task_id>/setMetadata", set_metadata, "Task", body=_METADATA),
    Route(
        "POST",
        "/v1/task/<task_id>/unique_id",
        set_unique_id,
        "Task",
        body=_UNIQUE_ID,
        refuses=(409,),
    ),
    Route("DELETE", "/v1/task/<task_id>/unique_id", clear_unique_id, "Task"),
    Route("PUT", "/v1/task/<task_id>/tags", add_tags, "Task", body=_TAGS),
    Route("POST", "/v1/task/<task_id>/tags", set_tags, "Task", body=_TAGS),
    Route("DELETE", "/v1/task/<task_id>/tags", remove_tags, "Task", body=tags_checker()),
    Route("POST", "/v1/task/<task_id>/audit", audit_task, "Task", body=_AUDIT),
    # Two clients use this endpoint, each with another spelling.
    Route("POST", "/v1/task/<task_id>/send_callback", send_callback, "Success", refuses=(400,)),
    Route("POST", "/v1/task/<task_id>/send-callback", send_callback, "Success", refuses=(400,)),
    Route(
        "GET",
        "/v1/task/<task_id>/response_url/<uuid>",
        get_result_file,
        "ResultFile",
        is_public=True,
    ),
)

_AUDIT_OF_TASK = object_of(
    {
        "audited_by": TEXT,
        "audited_at": TIME,
        "audit_time_secs": {"type": "number", "minimum": 0},
        "audit_result": {"enum": list(AUDIT_RESULTS)},
        "audit_source": {"enum": ["customer", "scale"]},
    },
)

SCHEMAS: Mapping[str, Schema] = {
    "Task": object_of(
        {
            "task_id": NAME,
            "created_at": TIME,
            "updated_at": TIME,
            "type": TYPE,
            "status": {"enum": list(Status)},
            "params": {**ANY, "description": "The parameters of the type that were given."},
            "metadata": ANY,
            "is_test": BOOLEAN,
            "urgency": TEXT,
            "processed_attachments": array_of({}),
        },
        {
            "completed_at": TIME,
            "response": {
                **ANY,
                "description": "The result, whose form depends on the type, or the error.",
            },
            "callback_completed": BOOLEAN,
            "callback_succeeded": BOOLEAN,
            "audits": array_of(_AUDIT_OF_TASK, minItems=1),
            **{name: COMMON[name] for name in COMMON if name not in ("metadata", "urgency")},
            "tags": array_of(NAME, minItems=1, uniqueItems=True),
            "project_param_version": COUNT,
            "document_pages": array_of(ANY, minItems=1),
            "work_started": TRUE,
            "customer_review_status": {"enum": list(ReviewStatus)},
            "customer_review_comments": array_of({}, minItems=1),
            "sensitive_content_reports": array_of(ANY, minItems=1),
        },
        description="A task. A task that was loaded into the fake may have further members.",
        additionalProperties=True,
    ),
    "LimitedTask": object_of(
        {"task_id": NAME, "status": {"enum": list(Status)}, "metadata": ANY},
        {"project": NAME},
        description="A task in a list that was asked for with `limited_response`.",
    ),
    "TaskPage": page_of("Task", "LimitedTask"),
    "Success": object_of({"success": TRUE}, description="Guessed."),
    "ResultFile": {"description": "Its form depends on the type of the task."},
}

#: The media types of answers that may be other than JSON, by their schemas.
MEDIA_TYPES: Mapping[str, tuple[str, ...]] = {"ResultFile": ("application/json", "image/png")}
