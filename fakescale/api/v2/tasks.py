"""The endpoints of the tasks in v2, and of their annotations."""

from collections.abc import Collection, Mapping
from typing import Any

from fakescale.account import thread_schemas, threads
from fakescale.account.listing import PAGE, WORD, Filter, Parameter, one_of, since, until
from fakescale.account.task import Status, Task
from fakescale.account.task_types import common_parameters
from fakescale.account.world import World
from fakescale.api import openapi_bodies
from fakescale.api.openapi_answers import ANY, NAME, TEXT, TIME, array_of, object_of, ref
from fakescale.api.openapi_bodies import Schema
from fakescale.api.route import Call, Route
from fakescale.api.v2.references import (
    BATCH_PARAMETERS,
    PROJECT_PARAMETERS,
    WORDS,
    at_least_one,
    home,
    page_of,
    refer,
    reference_to,
    show_batch,
    within,
)
from fakescale.values.errors import NotFound
from fakescale.values.schemas import TEXT as SOME_TEXT
from fakescale.values.schemas import Parameters

#: The statuses of a task in v2 (documented).
STATUSES = (*Status, "deleted")
#: The types of the errors of a task (documented). The client refuses any other.
_ERRORS = (
    "UNSUPPORTED_LANGUAGE",
    "LANGUAGE_MISMATCH",
    "PROMPT_LENGTH_EXCEEDED",
    "INVALID_CATEGORY",
    "PROMPT_INFEASIBLE",
)
_HOMES = ("project_id", "project_name", "project", "batch_id", "batch_name", "batch")
_COMMON = common_parameters()
# Documented: unique_id. Guessed: the other common members of v1 are known here too.
_PASSED = ("unique_id", "clear_unique_id_on_error", "tags", "priority", "metadata", "callback_url")
_CREATION = Parameters(
    {
        "type": "object",
        "properties": {
            **dict.fromkeys(_HOMES, SOME_TEXT),
            "template_variables": {"type": "object"},
            **{name: _COMMON[name] for name in _PASSED},
        },
        "allOf": [at_least_one("project_id", "project_name", "project")],
    }
)
_METADATA = Parameters(
    {
        "type": "object",
        "required": ["task_id", "metadata"],
        "properties": {
            "task_id": SOME_TEXT,
            "metadata": {"type": "object"},
            "merge": {"type": "boolean"},
        },
    }
)
#: The words that choose more of a task.
CHOICES: Mapping[str, Parameter] = {"expand": WORDS, "opts": WORDS}
_TASK: Mapping[str, Parameter] = {"task_id": WORD, **CHOICES}
#: The filters of tasks.
FILTERS: Mapping[str, Filter] = {
    "status": one_of("status", STATUSES),
    "completed_after": since("completed_at"),
    "completed_before": until("completed_at"),
}
#: The parameters of a page.
POSITION: Mapping[str, Parameter] = {name: PAGE[name] for name in ("limit", "next_token")}
_LIST: Mapping[str, Filter | Parameter] = {
    **PROJECT_PARAMETERS,
    **BATCH_PARAMETERS,
    **FILTERS,
    **POSITION,
    **CHOICES,
}


def show_task(world: World, task: Task, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task as v2 prints it, with what the parameters ``expand`` and ``opts`` choose."""
    expand: Collection[str] = given.get("expand", ())
    is_deleted = world.tasks._is_deleted(task)
    printed: dict[str, Any] = {
        "task_id": task.id,
        "project": refer(world, task.project or "", expand),
        "status": "deleted" if is_deleted else str(task.status),
        "created_at": task.created_at,
        "metadata": task.metadata,
    }
    if task.batch is not None:
        batch = world.batches.get(task.batch)
        printed["batch"] = show_batch(world, batch) if "batch" in expand else batch.id
    is_completed = task.status == "completed" and not is_deleted
    if is_completed and task.completed_at is not None:
        printed["completed_at"] = task.completed_at
    if task.sensitive_content_reports:  # documented: then without threads
        printed["sensitive_content_reports"] = task.sensitive_content_reports
    else:
        found = threads.of(task.response) if is_completed else []
        printed["threads"] = threads.shown(found, given.get("opts", ()))
    if task.status == "error" and (errors := _errors(task)):
        printed["errors"] = errors
    return printed


def _errors(task: Task) -> list[Any]:
    """Return the errors of a task, if its response has any in the documented form (guessed)."""
    errors = (task.response or {}).get("errors")
    is_fit = isinstance(errors, list) and all(
        isinstance(it, Mapping) and it.get("type") in (None, *_ERRORS) for it in errors
    )
    return list(errors) if is_fit and errors is not None else []


def _get(call: Call, task_id: str) -> Task:
    """Return a task. Guessed: one without a project cannot be shown, so it is not found."""
    task = call.world.tasks._get_of_all(task_id)
    if task.project is None:
        raise NotFound("Task with that ID not found.")
    call.request.subject = task.id
    return task


def get_task(call: Call) -> Any:
    given = call.query
    call.world.tasks._look_at(given["task_id"])
    return show_task(call.world, _get(call, given["task_id"]), given)


def create_chat_task(call: Call) -> Any:
    given = call.read()
    project = home(call, "project", given)
    type = call.world.projects.get(project or "").type
    body = {name: given[name] for name in (*_PASSED, "template_variables") if name in given}
    body["project"] = project
    body["batch"] = home(call, "batch", given)
    # Guessed: a project of another kind refuses a chat, as in v1.
    chat = type if type in threads.TYPES else "chat"
    task = call.world.tasks._submit(chat, {k: v for k, v in body.items() if v is not None})
    call.request.subject = task.id
    # Documented: pending. Guessed: also in test mode, where the next look finds it completed.
    shown = {**show_task(call.world, task, {}), "status": "pending", "threads": []}
    shown.pop("completed_at", None)
    return shown


# The older name of the same operation.
def create_task(call: Call) -> Any:
    return create_chat_task(call)


def get_tasks(call: Call) -> Any:
    given, query = call.query, call.wanted
    for noun in ("project", "batch"):
        query = within(query, call.world, noun, given)
    tasks = call.world.tasks
    page = tasks._look_at_list(query, lambda: tasks._page_of_all(query))
    shown = [show_task(call.world, it, given) for it in page.docs]
    return page_of("tasks", shown, page.next_token)


def set_task_metadata(call: Call) -> Any:
    given = call.read()
    task = _get(call, given["task_id"])
    merge = given.get("merge", False)
    changed = call.world.tasks.set_metadata(task.id, given["metadata"], merge=merge)
    return show_task(call.world, changed, {})


def get_annotation(call: Call) -> Any:
    wanted = call.query["annotation_id"]
    mark = wanted.encode()
    for task in call.world.tasks.list(status="completed"):
        if task.project is not None and mark in task.to_text():
            for annotation in threads.annotations(threads.of(task.response)):
                if annotation.get("id") == wanted:
                    return annotation
    raise NotFound("Annotation with that ID not found.")  # guessed


_CREATE = {"body": _CREATION, "idempotent": True, "refuses": (402, 409)}

ROUTES = (
    Route("GET", "/v2/task", get_task, "TaskV2", query=_TASK, needs=("task_id",), refuses=(404,)),
    Route("POST", "/v2/task/chat", create_chat_task, "TaskV2", **_CREATE),  # type: ignore[arg-type]
    Route("POST", "/v2/task", create_task, "TaskV2", **_CREATE),  # type: ignore[arg-type]
    Route("POST", "/v2/task/metadata", set_task_metadata, "TaskV2", body=_METADATA, refuses=(404,)),
    Route(
        "GET",
        "/v2/tasks",
        get_tasks,
        "TasksV2",
        query=_LIST,
        needs=(*PROJECT_PARAMETERS, *BATCH_PARAMETERS),
    ),
    Route(
        "GET",
        "/v2/annotation",
        get_annotation,
        "Annotation",
        query={"annotation_id": WORD},
        needs=("annotation_id",),
        refuses=(404,),
    ),
)

SCHEMAS: Mapping[str, Schema] = {
    "TaskV2": object_of(
        {
            "task_id": NAME,
            "project": reference_to(ref("ProjectV2")),
            "status": {"enum": list(STATUSES)},
            "created_at": TIME,
            "metadata": ANY,
        },
        {
            "batch": reference_to(ref("BatchV2")),
            "completed_at": TIME,
            "threads": array_of(ref("Thread")),
            "errors": array_of(object_of({}, {"type": {"enum": list(_ERRORS)}, "message": TEXT})),
            "sensitive_content_reports": array_of(object_of({"type": TEXT, "message": TEXT})),
        },
    ),
    "TasksV2": object_of({"tasks": array_of(ref("TaskV2"), maxItems=100)}, {"next_token": NAME}),
    **{name: openapi_bodies.shape(it, strict=True) for name, it in thread_schemas.SCHEMAS.items()},
}
