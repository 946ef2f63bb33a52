"""A call of each endpoint that succeeds, and the things that must exist before it."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from fakescale import FakeScale
from fakescale.account import quality, task_types
from fakescale.account.words import TaskType
from fakescale.api.route import PerType, Route
from tests.support import ABSENT, Caller, Reply, example

# Names of the things that are made.
ADMIN, LABELER = "admin@example.com", "labeler@example.com"
THERE, STUDIO, STAGED, GROUP = "there", "studio", "staged", "group"
UNKNOWN = "unknown@example.com"  # valid both as a name and as an address

Names = dict[str, str]


class Arrangement(NamedTuple):
    """The call of an endpoint; ``{name}`` in its query and body stands for a name."""

    #: Makes the things that the call names, unless they exist, and returns their names.
    make: Callable[[FakeScale], Names] = lambda _: {}
    body: Any = ABSENT
    query: str = ""
    form: bytes | None = None


def a_task(fake: FakeScale) -> Names:
    return {"task_id": fake.tasks.create("chat", callback_url="mailto:somebody@example.com").id}


def a_completed_task(fake: FakeScale) -> Names:
    return {"task_id": fake.tasks.complete(a_task(fake)["task_id"]).id}


def a_lidar_task(fake: FakeScale) -> Names:
    task = fake.tasks.create("lidarannotation", **example("lidarannotation"))
    return {"lidar_task": fake.tasks.complete(task.id).id}


def a_result_file(fake: FakeScale) -> Names:
    type: TaskType = "videoannotation"
    task = fake.tasks.complete(fake.tasks.create(type, **example(type)).id)
    found = re.search(r"/response_url/([0-9a-f-]+)", json.dumps(task.response))
    assert found
    return {"task_id": task.id, "uuid": found[1]}


def a_project(fake: FakeScale) -> Names:
    """Make a project with a template, and another one for Studio."""
    for name, is_studio in ((THERE, False), (STUDIO, True)):
        if name not in fake.projects:
            fake.projects.create(type="chat", name=name, studio=is_studio)
            fake.projects.set_template(name, {})
    return {"name": THERE, "project": THERE}


def a_batch(fake: FakeScale) -> Names:
    a_project(fake)
    if STAGED not in fake.batches:
        fake.batches.create(project=STUDIO, name=STAGED)
    return {"name": STAGED}


def a_staged_batch(fake: FakeScale) -> Names:
    a_project(fake)
    name = f"{STAGED} {len(fake.batches)}"
    fake.batches.create(project=STUDIO, name=name)
    return {"name": name}


def an_assignment(fake: FakeScale) -> Names:
    a_project(fake)
    fake.studio.assign(emails=[ADMIN], projects=[THERE, STUDIO])
    return {"email": ADMIN, "project": THERE}


def a_group(fake: FakeScale) -> Names:
    an_assignment(fake)
    if GROUP not in [group.name for group in fake.studio.groups(THERE)]:
        fake.studio.create_group(THERE, name=GROUP)
    return {"project": THERE, "group": GROUP}


def a_labeler(fake: FakeScale) -> Names:
    if LABELER not in fake.teammates:
        fake.teammates.add(LABELER)
    return {"email": LABELER}


UPLOAD = b"".join(
    b"--b\r\nContent-Disposition: form-data; name=%b\r\n\r\n%b\r\n" % part
    for part in ((b'"reference_id"', b"r"), (b'"file"; filename="a"', b""))
)

# The arrangements by the operations of the OpenAPI document. Task types are added below.
ARRANGEMENTS: dict[str, Arrangement] = {
    "GET /task/{task_id}": Arrangement(a_completed_task),
    "GET /tasks": Arrangement(a_completed_task),
    "POST /task/{task_id}/cancel": Arrangement(a_task),
    "POST /task/{task_id}/setMetadata": Arrangement(a_completed_task, {"a": 1}),
    "POST /task/{task_id}/unique_id": Arrangement(a_completed_task, {"unique_id": "u"}),
    "DELETE /task/{task_id}/unique_id": Arrangement(a_completed_task),
    "PUT /task/{task_id}/tags": Arrangement(a_completed_task, ["a"]),
    "POST /task/{task_id}/tags": Arrangement(a_completed_task, ["a"]),
    "DELETE /task/{task_id}/tags": Arrangement(a_completed_task, ["a"]),
    "POST /task/{task_id}/audit": Arrangement(a_completed_task, {"accepted": True}),
    "POST /task/{task_id}/send_callback": Arrangement(a_completed_task),
    "POST /task/{task_id}/send-callback": Arrangement(a_completed_task),
    "GET /task/{task_id}/response_url/{uuid}": Arrangement(a_result_file),
    "POST /projects": Arrangement(body={"type": "chat", "name": "new"}),
    "GET /projects": Arrangement(a_project),
    "GET /projects/{name}": Arrangement(a_project),
    "POST /projects/{name}/setParams": Arrangement(a_project, {"instruction": "i"}),
    "POST /projects/{name}/setOntology": Arrangement(a_project, {"ontology": []}),
    "GET /projects/{name}/taskTemplates": Arrangement(a_project),
    "POST /batches": Arrangement(a_project, {"project": THERE, "name": "new"}),
    "GET /batches": Arrangement(a_batch),
    "GET /batches/{name}": Arrangement(a_batch),
    "GET /batches/{name}/status": Arrangement(a_batch),
    "POST /batches/{name}/finalize": Arrangement(a_staged_batch),
    "POST /batches/{name}/setMetadata": Arrangement(a_batch, {"a": 1}),
    "POST /batches/{name}/prioritize": Arrangement(a_batch, {"priority": 10}),
    "PUT /audits": Arrangement(a_completed_task, {"task_id": "{task_id}", "accepted": True}),
    "GET /audits": Arrangement(a_completed_task, query="task_id={task_id}"),
    "POST /files/upload": Arrangement(form=UPLOAD + b"--b--\r\n"),
    "POST /files/import": Arrangement(
        body={"file_url": "https://example.com/a.png", "reference_id": "r"}
    ),
    "GET /files": Arrangement(query="project=p"),
    "GET /teams": Arrangement(a_labeler),
    "POST /teams/invite": Arrangement(body={"emails": [LABELER], "team_role": "labeler"}),
    "POST /teams/set_role": Arrangement(a_labeler, {"emails": ["{email}"], "team_role": "manager"}),
    "GET /studio/assignments": Arrangement(an_assignment),
    "POST /studio/assignments/add": Arrangement(
        a_project, {"emails": [ADMIN], "projects": [THERE]}
    ),
    "POST /studio/assignments/remove": Arrangement(
        an_assignment, {"emails": [ADMIN], "projects": [THERE]}
    ),
    "GET /studio/projects/{project}/groups": Arrangement(a_group),
    "POST /studio/projects/{project}/groups": Arrangement(a_project, {"name": "new"}),
    "PUT /studio/projects/{project}/groups/{group}": Arrangement(a_group, {"add_emails": [ADMIN]}),
    "GET /studio/batches": Arrangement(a_batch),
    "PUT /studio/batches/{name}": Arrangement(a_batch, {"groups": []}),
    "POST /studio/batches/set_priorities": Arrangement(a_batch, {"batches": [{"name": STAGED}]}),
    "POST /studio/batches/reset_priorities": Arrangement(a_batch),
    "GET /quality/labelers": Arrangement(query=f"labeler_emails={ADMIN}"),
}


def homes(fake: FakeScale, name: str, body: Mapping[str, Any]) -> Names:
    """Make the project, the batch and the task that the body of a creation names."""
    if (project := body.get("project")) and project not in fake.projects:
        type = task_types.required(name.rpartition("/")[2])
        fake.projects.create(type=type, name=project, rapid="_tasks" in name)
        if batch := body.get("batch"):
            fake.batches.create(project=project, name=batch)
    return a_lidar_task(fake) if "lidar_task" in body else {}


def _creation(name: str, body: dict[str, Any]) -> Arrangement:
    own = {"lidar_task": "{lidar_task}"} if "lidar_task" in body else {}
    return Arrangement(lambda fake: homes(fake, name, body), body | own)


for _type in task_types.spellings():
    _body, _response = task_types.example(task_types.required(_type))
    ARRANGEMENTS[f"POST /task/{_type}"] = _creation(f"POST /task/{_type}", _body)
    for _kind in quality.KINDS if _type in quality.TYPES else ():
        _name = f"POST /{_kind}_tasks/{_type}"
        _more = {"project": "quality", **_body, "expected_response": _response}
        ARRANGEMENTS[_name] = _creation(_name, _more)


def operations(route: Route) -> list[str]:
    """Return the names of a route's operations: one for each task type in its path."""
    path = re.sub(r"<(\w+)>", r"{\1}", route.path.removeprefix("/v1"))
    types = route.body.types() if isinstance(route.body, PerType) else [""]
    return [f"{route.method} {path.replace('{type}', type)}" for type in types]


class Unknown(dict[str, str]):
    """Names of things that do not exist."""

    def __missing__(self, name: str) -> str:
        return UNKNOWN


def ask(fake: FakeScale, name: str, names: Names | None = None, **more: Any) -> Reply:
    """Call an operation. Without ``names`` the things that it names are made first.

    ``more`` is sent instead of the body.
    """
    arrangement = ARRANGEMENTS[name]
    names = arrangement.make(fake) if names is None else names
    method, path = name.split(" ")
    if arrangement.query:
        path += f"?{arrangement.query}"
    path = re.sub(r"\{(\w+)\}", lambda found: quote(names[found[1]], safe=""), path)
    if not more and arrangement.form is not None:
        kind = "multipart/form-data; boundary=b"
        more = {"data": arrangement.form, "headers": {"Content-Type": kind}}
    elif not more and arrangement.body is not ABSENT:
        more = {"body": _filled(arrangement.body, names)}
    return Caller(fake)(method, path, **more)


def _filled(value: Any, names: Names) -> Any:
    if isinstance(value, dict):
        return {name: _filled(item, names) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, names) for item in value]
    found = re.fullmatch(r"\{(\w+)\}", value) if isinstance(value, str) else None
    return names[found[1]] if found else value
