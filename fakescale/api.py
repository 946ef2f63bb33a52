"""The endpoints: one view each, and the table that says where they are.

The views of all but tasks, projects and batches are in ``account_views``.
"""

import difflib
import functools
import re
from typing import Any
from urllib.parse import unquote

from fakescale import account_views as account
from fakescale import wire
from fakescale.call import Call, Route
from fakescale.listing import BATCH_FILTERS, read_boolean, read_query
from fakescale.schemas import Parameters
from fakescale.task_types import common_parameters

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


def create_task(call: Call) -> Any:
    form = call.request.is_form
    body = wire.expect(call.request.json_content, dict)
    return call.world.tasks.submit(call.path["type"], body, form=form, is_json=True)


def get_task(call: Call) -> Any:
    return call.world.tasks.get(call.path["task_id"])


def list_tasks(call: Call) -> Any:
    query = read_query(dict(call.request.args.lists()))
    return call.world.tasks.page(query)


def cancel_task(call: Call) -> Any:
    clear = call.flag("clear_unique_id") or False
    return call.world.tasks.cancel(call.path["task_id"], clear_unique_id=clear)


def set_metadata(call: Call) -> Any:
    return call.world.tasks.set_metadata(call.path["task_id"], call.body)


def set_unique_id(call: Call) -> Any:
    body = call.read(_UNIQUE_ID)
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
    body = call.read(_AUDIT)
    result = "accepted" if body["accepted"] else "rejected"
    return call.world.tasks.audit(call.path["task_id"], result, body.get("comments"))


def send_callback(call: Call) -> Any:
    call.world.tasks.send_callback(call.path["task_id"])
    return {"success": True}  # guessed: a client's types have such a member


def create_project(call: Call) -> Any:
    return call.world.projects.create(**call.body).to_json()


def list_projects(call: Call) -> Any:
    archived = call.flag("archived")
    return [project.to_json() for project in call.world.projects.list(archived=archived)]


def get_project(call: Call) -> Any:
    return call.world.projects.get(call.path["name"]).to_json()


def set_params(call: Call) -> Any:
    params = {name: value for name, value in call.body.items() if name != "patch"}
    patch = call.body.get("patch")
    patch = False if patch is None else read_boolean("patch", [str(patch)])
    return call.world.projects.set_params(call.path["name"], params, patch=patch).to_json()


def set_ontology(call: Call) -> Any:
    return call.world.projects.set_ontology(call.path["name"], **call.body).to_json()


def get_task_template(call: Call) -> Any:
    return call.world.projects.template(call.path["name"])


def create_batch(call: Call) -> Any:
    return call.world.batches.create(**call.body).to_json()


def list_batches(call: Call) -> Any:
    query = read_query(dict(call.request.args.lists()), BATCH_FILTERS)
    return call.world.batches.page(query).to_json()


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
    Route("POST", "/v1/task/<type>", create_task, idempotent=True),
    Route("GET", "/v1/task/<task_id>", get_task),
    Route("GET", "/v1/tasks", list_tasks),
    Route("POST", "/v1/task/<task_id>/cancel", cancel_task),
    Route("POST", "/v1/task/<task_id>/setMetadata", set_metadata),
    Route("POST", "/v1/task/<task_id>/unique_id", set_unique_id),
    Route("DELETE", "/v1/task/<task_id>/unique_id", clear_unique_id),
    Route("PUT", "/v1/task/<task_id>/tags", add_tags),
    Route("POST", "/v1/task/<task_id>/tags", set_tags),
    Route("DELETE", "/v1/task/<task_id>/tags", remove_tags),
    Route("POST", "/v1/task/<task_id>/audit", audit_task),
    # Two clients know it, each under another name.
    Route("POST", "/v1/task/<task_id>/send_callback", send_callback),
    Route("POST", "/v1/task/<task_id>/send-callback", send_callback),
    Route("POST", "/v1/projects", create_project),
    Route("GET", "/v1/projects", list_projects),
    Route("GET", "/v1/projects/<name>", get_project),
    Route("POST", "/v1/projects/<name>/setParams", set_params),
    Route("POST", "/v1/projects/<name>/setOntology", set_ontology),
    Route("GET", "/v1/projects/<name>/taskTemplates", get_task_template),
    Route("POST", "/v1/batches", create_batch),
    Route("GET", "/v1/batches", list_batches),
    Route("GET", "/v1/batches/<name>", get_batch),
    Route("GET", "/v1/batches/<name>/status", get_batch_status),
    Route("POST", "/v1/batches/<name>/finalize", finalize_batch),
    Route("POST", "/v1/batches/<name>/setMetadata", set_batch_metadata),
    Route("POST", "/v1/batches/<name>/prioritize", prioritize_batch),
    Route("GET", "/v1/task/<task_id>/response_url/<uuid>", account.get_result_file),
    Route("PUT", "/v1/audits", account.create_audit),
    Route("GET", "/v1/audits", account.list_audits),
    Route("POST", "/v1/files/upload", account.upload_file),
    Route("POST", "/v1/files/import", account.import_file),
    Route("GET", "/v1/files", account.list_files),
    Route("GET", "/v1/teams", account.list_teammates),
    Route("POST", "/v1/teams/invite", account.invite_teammates),
    Route("POST", "/v1/teams/set_role", account.set_team_role),
    Route("GET", "/v1/studio/assignments", account.list_assignments),
    Route("POST", "/v1/studio/assignments/add", account.add_assignments),
    Route("POST", "/v1/studio/assignments/remove", account.remove_assignments),
    Route("GET", "/v1/studio/projects/<project>/groups", account.list_groups),
    Route("POST", "/v1/studio/projects/<project>/groups", account.create_group),
    Route("PUT", "/v1/studio/projects/<project>/groups/<group>", account.change_group),
    Route("GET", "/v1/studio/batches", account.list_studio_batches),
    Route("PUT", "/v1/studio/batches/<name>", account.set_batch_groups),
    Route("POST", "/v1/studio/batches/set_priorities", account.set_priorities),
    Route("POST", "/v1/studio/batches/reset_priorities", account.reset_priorities),
    Route("POST", "/v1/evaluation_tasks/<type>", account.create_evaluation_task, idempotent=True),
    Route("POST", "/v1/training_tasks/<type>", account.create_training_task, idempotent=True),
    Route("GET", "/v1/quality/labelers", account.list_labeler_results),
)


def match(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """Return the route of a request and the names in its path, or None if there is none.

    ``path`` is matched as it was sent and its names decoded afterwards, so that one may
    hold a slash; one slash at the end is tolerated (guessed). A library's map is not used
    because it would fold slashes, redirect, and tell a wrong method from a wrong path.
    """
    for route in ROUTES:
        if route.method == method and (found := _pattern(route.path).fullmatch(path)):
            return route, {name: unquote(text) for name, text in found.groupdict().items()}
    return None


@functools.cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", path) + "/?")


def nearest(method: str, path: str) -> Route:
    """Return the route that looks most like what was asked for."""
    wanted = path.strip("/").split("/")

    def likeness(route: Route) -> float:
        segments = route.path.strip("/").split("/")
        filled = [
            given if pattern.startswith("<") else pattern
            for pattern, given in zip(segments, wanted, strict=False)
        ] + segments[len(wanted) :]
        ours = f"{route.method} /{'/'.join(filled)}"
        return difflib.SequenceMatcher(None, ours, f"{method} {path}").ratio()

    return max(ROUTES, key=likeness)
