"""The endpoints of v2 over HTTP: their refusals, their small rules, and their OpenAPI document."""

import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from fakescale import FakeScale
from fakescale.api.openapi import document
from fakescale.api.v2 import ROUTES, SCHEMAS
from tests.conftest import NOON
from tests.support import Caller, Reply

UNKNOWN = "0" * 24


class Homes:
    """A project, two batches, three tasks, a delivery and a dataset, and their ids by name."""

    def __init__(self, fake: FakeScale) -> None:
        project = fake.projects.create("P", type="chat")
        batch = fake.batches.create("B", project="P")
        staged = fake.batches._create({"name": "S", "project": "P"}, staged=True)
        fake.tasks.create("chat", project="P", batch="B")
        task = fake.tasks.complete(fake.tasks.create("chat", project="P"))
        delivery = fake.deliveries.create([task], name="D", response_schema={})
        dataset = fake.datasets.create("DS")
        of_dataset = fake.datasets.deliver(dataset, [{}])
        [dataset_task] = fake.datasets.tasks()
        attachment = fake.datasets.attach(dataset_task, "{}", media_type="application/json")
        assert task.response
        [annotation] = task.response["threads"][0]["turns"][0]["messages"][1]["annotations"]
        self.ids = {
            "p": project.id,
            "b": batch.id,
            "s": staged.id,
            "t": task.id,
            "d": delivery.id,
            "schema": delivery.response_schema_id or "",
            "ds": dataset.id,
            "dd": of_dataset.id,
            "dt": dataset_task.id,
            "at": attachment.id,
            "an": annotation["id"],
        }

    def fill(self, text: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda found: self.ids.get(found[1], found[0]), text)


# A call of each route that succeeds: its query or its body. ``{name}`` stands for an id.
GOOD: dict[str, Any] = {
    "GET /v2/task": "task_id={t}&expand=project,batch,odd&opts[]=submissions&opts[]=odd",
    "POST /v2/task/chat": {"project_id": "{p}"},
    "POST /v2/task": {"project": "P", "batch": "{b}", "unique_id": "u"},
    "POST /v2/task/metadata": {"task_id": "{t}", "metadata": {}},
    "GET /v2/tasks": "project_name=P",
    "GET /v2/annotation": "annotation_id={an}",
    "GET /v2/project": "project_id={p}",
    "GET /v2/projects": "",
    "GET /v2/batch": "batch_name=B",
    "POST /v2/batch": {"name": "N", "project": "{p}", "callback": ""},
    "GET /v2/batches": "",
    "POST /v2/batch/finalize": {"batch_id": "{s}"},
    "POST /v2/batch/pause": {"batch_id": "{b}", "batch_name": None},
    "POST /v2/batch/resume": {"batch_name": "B"},
    "POST /v2/batch/cancel": {"batch_id": "{b}"},
    "POST /v2/batch/metadata": {"batch_id": "{b}", "metadata": {"a": 1}, "merge": True},
    "GET /v2/deliveries": "project_id={p}",
    "GET /v2/delivery": "delivery_id={d}",
    "GET /v2/delivery/tasks": "project_id={p}",
    "GET /v2/schema": "schema_id={schema}",
    "GET /v2/datasets": "",
    "GET /v2/datasets/deliveries": "",
    "GET /v2/datasets/delivery": "delivery_id={dd}",
    "GET /v2/datasets/task": "task_id={dt}",
    "GET /v2/datasets/tasks": "dataset_id={ds}",
    "GET /v2/datasets/task/<task_id>/response_url/<attachment_id>": ("{dt}", "{at}"),
    "GET /v2/datasets/files/<attachment_id>": ("{at}",),
}


def ask(call: Caller, homes: Homes, name: str, given: Any = None, **more: Any) -> Reply:
    """Call a route with its good query or body, or with another one."""
    given = GOOD[name] if given is None else given
    method, path = name.split(" ")
    if isinstance(given, tuple):
        for text in given:
            path = re.sub("<[^>]+>", homes.fill(text), path, count=1)
        return call(method, path, **more)
    if isinstance(given, str):
        return call(method, homes.fill(f"{path}?{given}"), **more)
    return call(method, path, json.loads(homes.fill(json.dumps(given))), **more)


def test_there_is_a_good_call_of_each_route() -> None:
    assert [*GOOD] == [f"{route.method} {route.path}" for route in ROUTES]


@pytest.mark.parametrize("name", GOOD)
def test_each_good_call_succeeds_and_others_are_refused(fake: FakeScale, name: str) -> None:
    homes, call = Homes(fake), Caller(fake)
    [route] = [it for it in ROUTES if f"{it.method} {it.path}" == name]
    if name == "POST /v2/batch/resume":
        fake.batches.pause("B")
    reply = ask(call, homes, name)
    assert reply.status == route.status, reply.json
    assert ask(Caller(fake, "nobody"), homes, name).status == 401
    assert ask(call, homes, name, headers={"Host": "evil.example"}).status == 403
    if route.needs:
        refused = ask(call, homes, name, "x=y")
        assert refused.status == 400
        assert all(need in refused.error for need in route.needs)
    if isinstance(GOOD[name], dict):
        assert call(route.method, route.path, ["a"]).status == 400
        assert call(route.method, route.path, data=b"{").status == 400
        assert call("GET", route.path.replace("task/chat", "task/chats")).status in (400, 404)
    assert fake.requests[0].account == fake.api_key.removeprefix("live_")


@pytest.mark.parametrize(
    ("name", "given", "status", "says"),
    [
        ("GET /v2/task", "task_id=0", 404, "Task with that ID not found."),
        ("GET /v2/task", "task_id=", 400, '"task_id" is required'),
        ("POST /v2/task/chat", {}, 400, "project_id, project_name"),
        ("POST /v2/task/chat", {"project_id": UNKNOWN}, 400, '"project_id" must be that of'),
        ("POST /v2/task/chat", {"project": "odd"}, 400, '"project" must be that of a project'),
        ("POST /v2/task/chat", {"project_name": 5}, 400, '"project_name" must be a string'),
        ("POST /v2/task/chat", {"project": "P", "batch_name": "x"}, 400, '"batch_name" must be'),
        ("POST /v2/task/chat", {"project": "P", "metadata": []}, 400, '"metadata"'),
        ("POST /v2/task/chat", {"project": "P", "callback_url": "x"}, 400, '"callback_url"'),
        ("POST /v2/task/chat", {"project": "P", "template_variables": 1}, 400, "template_var"),
        ("POST /v2/task/metadata", {"task_id": "{t}"}, 400, '"metadata" is required'),
        ("POST /v2/task/metadata", {"task_id": "{t}", "metadata": 1}, 400, '"metadata"'),
        ("POST /v2/task/metadata", {"task_id": "0", "metadata": {}}, 404, "not found"),
        ("GET /v2/tasks", "project_id={p}&limit=0", 400, '"limit" must be'),
        ("GET /v2/tasks", "project_id={p}&limit=101", 400, '"limit" must be'),
        ("GET /v2/tasks", "project_id={p}&status=cancelled", 400, '"status" must be one of'),
        ("GET /v2/tasks", "project_id={p}&completed_after=x", 400, '"completed_after" must be'),
        ("GET /v2/tasks", "project_id={p}&next_token=x", 400, '"next_token" must be'),
        ("GET /v2/annotation", "annotation_id=x", 404, "Annotation with that ID not found."),
        ("GET /v2/project", "project_name=x", 404, 'Project "x" not found.'),
        ("GET /v2/batch", "batch_id=B", 404, 'Batch "B" not found.'),
        ("POST /v2/batch", {"name": "B", "project": "P"}, 409, "already exists"),
        ("POST /v2/batch", {"project": "P"}, 400, '"name" is required'),
        ("POST /v2/batch", {"name": "N"}, 400, "project_id, project_name, project"),
        ("POST /v2/batch", {"name": "N", "project": "P", "callback": "x"}, 400, '"callback"'),
        ("POST /v2/batch", {"name": "N", "project": "P", "staging_batch": 5}, 400, "staging_batch"),
        ("GET /v2/batches", "status=canceled", 400, '"status" must be one of'),
        ("POST /v2/batch/finalize", {"batch_id": "{b}"}, 400, "in_progress and cannot be finali"),
        ("POST /v2/batch/pause", {"batch_id": "{s}"}, 400, "staging and cannot be paused"),
        ("POST /v2/batch/pause", {}, 400, "batch_id, batch_name"),
        ("POST /v2/batch/cancel", {"batch_name": "x"}, 404, 'Batch "x" not found.'),
        ("POST /v2/batch/metadata", {"batch_name": "B"}, 400, '"metadata" is required'),
        ("GET /v2/deliveries", "project_id=x&delivered_after=y", 400, "delivered_after"),
        ("GET /v2/delivery", "delivery_name=D", 400, "project_id, project_name"),
        ("GET /v2/delivery", "delivery_name=D&project_name=x", 404, 'Delivery "D" not found.'),
        ("GET /v2/schema", "schema_id=x", 400, '"schema_id" must be 24 hex digits'),
        ("GET /v2/schema", f"schema_id={UNKNOWN}", 404, "not found"),
        ("GET /v2/datasets/delivery", "delivery_id=x", 404, "not found"),
        ("GET /v2/datasets/task", "task_id={t}", 404, "not found"),
        ([*GOOD][-2], ("{t}", "{at}"), 404, "not found"),
        ([*GOOD][-2], ("{dt}", "x"), 404, "not found"),
    ],
)
def test_bad_input_is_refused(
    fake: FakeScale, name: str, given: Any, status: int, says: str
) -> None:
    reply = ask(Caller(fake), Homes(fake), name, given)
    assert reply.status == status
    assert says in reply.error


@pytest.mark.parametrize(
    ("name", "given", "plural"),
    [
        ("GET /v2/tasks", "project_name=x", "tasks"),
        ("GET /v2/tasks", "project_name=P&batch_id=x", "tasks"),
        ("GET /v2/batches", "project_id=x", "batches"),
        ("GET /v2/deliveries", "project_id=x", "deliveries"),
        ("GET /v2/delivery/tasks", "delivery_id=x", "docs"),
        ("GET /v2/delivery/tasks", "project_name=x", "docs"),
        ("GET /v2/datasets/deliveries", "dataset_id=x", "deliveries"),
        ("GET /v2/datasets/tasks", "delivery_id=x", "tasks"),
    ],
)
def test_a_list_of_an_unknown_home_is_empty(
    fake: FakeScale, name: str, given: str, plural: str
) -> None:
    assert ask(Caller(fake), Homes(fake), name, given).json[plural] == []


def test_a_task_without_a_project_is_not_shown(fake: FakeScale) -> None:
    task = fake.tasks.create("chat")
    assert Caller(fake)("GET", f"/v2/task?task_id={task.id}").status == 404


def test_a_chat_in_a_project_of_another_kind_is_refused(fake: FakeScale) -> None:
    fake.projects.create("images", type="imageannotation")
    reply = Caller(fake)("POST", "/v2/task/chat", {"project_name": "images"})
    assert (reply.status, "must be a project of type chat" in reply.error) == (400, True)


def test_v1_shows_a_task_made_by_v2(fake: FakeScale) -> None:
    homes, call = Homes(fake), Caller(fake)
    body = {"project_id": "{p}", "batch_id": "{b}", "template_variables": {"a": [None]}}
    more = {"metadata": {"m": 1}, "callback_url": "mailto:a@example.com", "tags": ["t"]}
    made = ask(call, homes, "POST /v2/task", {**body, **more}).json
    task = call.get(f"/task/{made['task_id']}")
    assert (task["project"], task["batch"], task["type"]) == ("P", "B", "chat")
    assert task["params"] == {"template_variables": {"a": [None]}}
    assert (task["metadata"], task["tags"]) == ({"m": 1}, ["t"])


def test_the_idempotency_key_and_the_unique_id_work_as_in_v1(fake: FakeScale) -> None:
    homes, call = Homes(fake), Caller(fake)
    body = {"project": "P", "unique_id": "u"}
    first, again = (
        ask(call, homes, "POST /v2/task/chat", body, headers={"Idempotency-Key": "k"}).json
        for _ in range(2)
    )
    assert first == again
    assert ask(call, homes, "POST /v2/task/chat", body).status == 409


def test_times_come_as_the_client_sends_them(fake: FakeScale, noon: Any) -> None:
    homes, call = Homes(fake), Caller(fake)
    for text, number in (
        ("2024-02-29T12:00:00.000000%2B0000", 1),
        ("2024-02-29T13:00:00.000000%2B0100", 1),
        ("2024-02-29T12:00:00.001000", 0),
        (NOON, 1),
    ):
        found = ask(call, homes, "GET /v2/projects", f"created_after={text}").json["projects"]
        assert len(found) == number


def test_the_last_page_has_no_token(fake: FakeScale) -> None:
    homes, call = Homes(fake), Caller(fake)
    first = ask(call, homes, "GET /v2/tasks", "project_id={p}&limit=1").json
    last = ask(
        call, homes, "GET /v2/tasks", f"project_id={{p}}&limit=1&next_token={first['next_token']}"
    ).json
    assert "next_token" not in last
    assert first["tasks"][0]["created_at"] >= last["tasks"][0]["created_at"]


def test_faults_events_and_rate_limits_cover_v2(fake: FakeScale, noon: Any) -> None:
    homes, call = Homes(fake), Caller(fake)
    with fake.faults.add(path="/v2/task", status=503):
        assert ask(call, homes, "GET /v2/task").status == 503
    with fake.faults.rate_limit(1):
        statuses = [ask(call, homes, "GET /v2/batches").status for _ in range(2)]
    assert statuses == [200, 429]
    ask(call, homes, "GET /v2/batch")
    assert fake.events.list(kind="request", subject="B")


def test_an_answer_to_a_creation_of_v2_can_be_lost(fake: FakeScale) -> None:
    homes, call = Homes(fake), Caller(fake)
    number = len(fake.tasks)
    with fake.faults.lost_answer() as fault:
        assert ask(call, homes, "GET /v2/task").status == 200  # the path of a creation
        assert ask(call, homes, "POST /v2/task/chat").status == 500
    assert (len(fake.tasks), fault.hits) == (number + 1, 1)


# The document.


@pytest.mark.parametrize("strict", [False, True])
def test_the_document_holds_each_route(strict: bool) -> None:
    described = json.loads(json.dumps(document("http://127.0.0.1", version="v2", strict=strict)))
    OpenAPIV31SpecValidator(described).validate()
    assert described["servers"] == [{"url": "http://127.0.0.1/v2"}]
    names = {
        f"{method.upper()} /v2{path}"
        for path, methods in described["paths"].items()
        for method in methods
    }
    assert names == {name.replace("<", "{").replace(">", "}") for name in GOOD}
    found = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(described)))
    assert found - {"ApiError"} == set(SCHEMAS)
    # Generators of clients do not know the media type of any file.
    assert ("*/*" in json.dumps(described)) == (not strict)


def test_the_document_is_served(fake: FakeScale) -> None:
    from tests.support import sent

    status, _, text = sent(fake, "GET", "/_fakescale/openapi.json?version=v2", None, {})
    assert status == 200
    assert urlsplit(json.loads(text)["servers"][0]["url"]).path == "/v2"
    status, _, text = sent(fake, "GET", "/_fakescale/openapi.json?version=v3", None, {})
    assert (status, b'\\"version\\" must be one of' in text) == (400, True)
