"""The endpoints: one view each, and the table that says where they are.

The views of all but tasks, projects and batches are in ``account_views``.
"""

from typing import Any

from fakescale.account import audits, batches, files, projects, quality, studio, tasks, team
from fakescale.account.listing import FLAG, WORD
from fakescale.account.task_types import common_checker, common_parameters, spellings, tags_checker
from fakescale.api import account_views as account
from fakescale.api.request import expect
from fakescale.api.route import Call, Multipart, PerType, Route
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
_PATCH = Parameters({"type": "object", "properties": {"patch": {"type": "boolean"}}})
_METADATA = common_checker("metadata")
_TAGS = common_checker("tags")
_QUALITY = PerType(lambda: quality.TYPES, quality.RESPONSES.schema)


def create_task(call: Call) -> Any:
    form = call.request.is_form
    body = expect(call.request.json_content, dict)
    return call.world.tasks._submit(call.path["type"], body, form=form, is_json=True)


def get_task(call: Call) -> Any:
    return call.world.tasks.get(call.path["task_id"])


def list_tasks(call: Call) -> Any:
    return call.world.tasks._page(call.wanted)


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
    result = "accepted" if body["accepted"] else "rejected"
    return call.world.tasks.audit(call.path["task_id"], result, body.get("comments"))


def send_callback(call: Call) -> Any:
    call.world.tasks.send_callback(call.path["task_id"])
    return {"success": True}  # guessed: a client's types have such a member


def create_project(call: Call) -> Any:
    return call.world.projects.create(**call.body).to_json()


def list_projects(call: Call) -> Any:
    return [project.to_json() for project in call.world.projects.list(**call.query)]


def get_project(call: Call) -> Any:
    return call.world.projects.get(call.path["name"]).to_json()


def set_params(call: Call) -> Any:
    params = {name: value for name, value in call.body.items() if name != "patch"}
    return call.world.projects.set_params(call.path["name"], params, **call.read()).to_json()


def set_ontology(call: Call) -> Any:
    return call.world.projects.set_ontology(call.path["name"], **call.body).to_json()


def get_task_template(call: Call) -> Any:
    return call.world.projects.template(call.path["name"])


def create_batch(call: Call) -> Any:
    return call.world.batches.create(**call.body).to_json()


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
    Route("GET", "/v1/tasks", list_tasks, "TaskPage", query=tasks.QUERY),
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
    # Two clients know it, each under another name.
    Route("POST", "/v1/task/<task_id>/send_callback", send_callback, "Success", refuses=(400,)),
    Route("POST", "/v1/task/<task_id>/send-callback", send_callback, "Success", refuses=(400,)),
    Route(
        "POST", "/v1/projects", create_project, "Project", body=projects.CREATION, refuses=(409,)
    ),
    Route("GET", "/v1/projects", list_projects, "Projects", query={"archived": FLAG}),
    Route("GET", "/v1/projects/<name>", get_project, "Project"),
    Route("POST", "/v1/projects/<name>/setParams", set_params, "Project", body=_PATCH),
    Route(
        "POST", "/v1/projects/<name>/setOntology", set_ontology, "Project", body=projects.ONTOLOGY
    ),
    Route(
        "GET",
        "/v1/projects/<name>/taskTemplates",
        get_task_template,
        "TaskTemplate",
        refuses=(400,),
    ),
    Route("POST", "/v1/batches", create_batch, "Batch", body=batches.CREATION, refuses=(409,)),
    Route("GET", "/v1/batches", list_batches, "BatchPage", query=batches.QUERY),
    Route("GET", "/v1/batches/<name>", get_batch, "Batch"),
    Route("GET", "/v1/batches/<name>/status", get_batch_status, "BatchStatus"),
    Route("POST", "/v1/batches/<name>/finalize", finalize_batch, "Batch", refuses=(400,)),
    Route("POST", "/v1/batches/<name>/setMetadata", set_batch_metadata, "Batch", body=_METADATA),
    Route("POST", "/v1/batches/<name>/prioritize", prioritize_batch, "Ok", body=batches.PRIORITY),
    Route("GET", "/v1/task/<task_id>/response_url/<uuid>", account.get_result_file, "ResultFile"),
    # Documented: 201, as nowhere else.
    Route("PUT", "/v1/audits", account.create_audit, "Audit", body=audits.AUDIT, status=201),
    # Guessed: one of them is needed.
    Route(
        "GET",
        "/v1/audits",
        account.list_audits,
        "Audits",
        query={"task_id": WORD, "id": WORD},
        needs=("task_id", "id"),
    ),
    Route(
        "POST",
        "/v1/files/upload",
        account.upload_file,
        "File",
        body=Multipart("file", files.UPLOAD),
        refuses=(409,),
    ),
    Route(
        "POST", "/v1/files/import", account.import_file, "File", body=files.IMPORT, refuses=(409,)
    ),
    # Documented: the project is needed.
    Route(
        "GET", "/v1/files", account.list_files, "FilePage", query=files.QUERY, needs=("project",)
    ),
    Route("GET", "/v1/teams", account.list_teammates, "Teammates"),
    Route("POST", "/v1/teams/invite", account.invite_teammates, "Teammates", body=team.TEAM),
    Route(
        "POST",
        "/v1/teams/set_role",
        account.set_team_role,
        "Teammates",
        body=team.TEAM,
        refuses=(404,),
    ),
    Route("GET", "/v1/studio/assignments", account.list_assignments, "Assignments"),
    Route(
        "POST",
        "/v1/studio/assignments/add",
        account.add_assignments,
        "Assignments",
        body=studio.ASSIGNMENT,
    ),
    Route(
        "POST",
        "/v1/studio/assignments/remove",
        account.remove_assignments,
        "Assignments",
        body=studio.ASSIGNMENT,
    ),
    Route("GET", "/v1/studio/projects/<project>/groups", account.list_groups, "Groups"),
    Route(
        "POST",
        "/v1/studio/projects/<project>/groups",
        account.create_group,
        "Group",
        body=studio.GROUP,
        refuses=(409,),
    ),
    Route(
        "PUT",
        "/v1/studio/projects/<project>/groups/<group>",
        account.change_group,
        "Group",
        body=studio.GROUP_CHANGE,
    ),
    Route("GET", "/v1/studio/batches", account.list_studio_batches, "StudioBatches"),
    Route(
        "PUT",
        "/v1/studio/batches/<name>",
        account.set_batch_groups,
        "StudioBatch",
        body=studio.BATCH,
    ),
    Route(
        "POST",
        "/v1/studio/batches/set_priorities",
        account.set_priorities,
        "StudioBatches",
        body=studio.PRIORITIES,
    ),
    Route("POST", "/v1/studio/batches/reset_priorities", account.reset_priorities, "StudioBatches"),
    Route(
        "POST",
        "/v1/evaluation_tasks/<type>",
        account.create_evaluation_task,
        "QualityTask",
        body=_QUALITY,
        idempotent=True,
        refuses=(402, 409),
    ),
    Route(
        "POST",
        "/v1/training_tasks/<type>",
        account.create_training_task,
        "QualityTask",
        body=_QUALITY,
        idempotent=True,
        refuses=(402, 409),
    ),
    # Observed in a client: one of its filters is needed.
    Route(
        "GET",
        "/v1/quality/labelers",
        account.list_labeler_results,
        "LabelerResultPage",
        query=quality.QUERY,
        needs=("quality_task_ids", "labeler_emails"),
    ),
)
