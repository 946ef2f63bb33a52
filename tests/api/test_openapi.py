"""The OpenAPI document: it is valid, and describes all that is served and nothing else."""

import io
import itertools
import json
import re
from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest
import werkzeug.test
from openapi_spec_validator import OpenAPIV31SpecValidator

from fakescale import FakeScale, Limits, cli
from fakescale.account import batches, files, quality, task_filters, task_types
from fakescale.account.listing import Page
from fakescale.api.app import DOCUMENT as ADDRESS
from fakescale.api.openapi import document
from fakescale.api.v1 import ROUTES, SCHEMAS
from fakescale.values.errors import BadRequest, NotFound
from tests.arrangements import Unknown, ask, homes, operations
from tests.conformance import BASE, judge
from tests.support import Caller, Reply

DOCUMENT = json.loads(json.dumps(document(BASE)))
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def test_it_is_valid() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_it_holds_each_route_and_nothing_else() -> None:
    assert {*OPERATIONS} == {name for route in ROUTES for name in operations(route)}
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(names)) == len(names)


def test_it_holds_each_type_and_nothing_else() -> None:
    def types(prefix: str) -> list[str]:
        found = [re.fullmatch(rf"POST /{prefix}/(\w+)", name) for name in OPERATIONS]
        return [match[1] for match in found if match]

    assert types("task") == [*task_types.names(), "categorize"]
    assert len(task_types.names()) == 34
    for kind in quality.KINDS:
        assert types(f"{kind}_tasks") == list(quality.TYPES)


@pytest.mark.parametrize(
    ("name", "filters"),
    [
        ("GET /tasks", task_filters.FILTERS),
        ("GET /batches", batches.FILTERS),
        ("GET /files", files.FILTERS),
        ("GET /quality/labelers", quality.FILTERS),
    ],
)
def test_a_list_has_its_filters_and_its_page(name: str, filters: Any) -> None:
    known = {it["name"] for it in OPERATIONS[name]["parameters"]}
    page = {"limit", "offset", "page" if name == "GET /batches" else "next_token"}
    more = {"limited_response", "include_attachment_url"} if name == "GET /tasks" else set()
    assert known == {*filters} | page | more


def test_each_schema_is_that_of_an_answer() -> None:
    found = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(DOCUMENT)))
    assert found == set(DOCUMENT["components"]["schemas"])
    assert {route.answer_schema for route in ROUTES} <= set(SCHEMAS)


def example_of(fake: FakeScale, name: str) -> Any:
    """Return the example of a body, and create the project or batch that it names."""
    [media] = OPERATIONS[name]["requestBody"]["content"].values()
    return {**media["example"], **homes(fake, name, media["example"])}


OF_TYPES = [name for name in OPERATIONS if "example" in json.dumps(OPERATIONS[name])]


@pytest.mark.parametrize("name", OF_TYPES)
def test_the_examples_are_accepted(fake: FakeScale, live: Caller, name: str) -> None:
    method, path = name.split(" ")
    assert live(method, path, example_of(fake, name)).status == 200


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_succeeds_with_its_status(fake: FakeScale, name: str) -> None:
    [told] = [int(status) for status in OPERATIONS[name]["responses"] if status < "300"]
    reply = ask(fake, name)
    assert reply.status == told, reply.json


# The address where it is served.


def served(fake: FakeScale, **headers: str) -> werkzeug.test.TestResponse:
    return werkzeug.test.Client(fake).get(ADDRESS, headers=headers)


def test_it_is_served_without_a_key_and_in_no_journal(fake: FakeScale) -> None:
    reply = served(fake, Host="localhost:8675")
    assert reply.status_code == 200
    assert reply.json == {**DOCUMENT, "servers": [{"url": "http://localhost:8675/v1"}]}
    assert len(fake.requests) == 0


def test_it_is_served_even_if_control_needs_a_token() -> None:
    assert served(FakeScale(control_token="t")).status_code == 200


def test_it_is_served_to_no_foreign_host(fake: FakeScale) -> None:
    assert served(fake, Host="evil.example").status_code == 403


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["openapi", "--port", "9000"])
    expected = {**DOCUMENT, "servers": [{"url": "http://127.0.0.1:9000/v1"}]}
    assert json.loads(capsys.readouterr().out) == expected


# Each refusal in the document occurs. 429, which needs a twin in flight, is not tested here.


def refused_with_400(fake: FakeScale, name: str) -> Reply:
    fake.projects.create(type="annotation", name="known", studio=True)
    fake.batches.create(project="known", name="known")
    fake.batches.finalize("known")
    task = fake.tasks.create("chat")
    method, path = name.split(" ")
    path = path.replace("{name}", "known").replace("{task_id}", task.id)
    if "requestBody" in OPERATIONS[name]:
        [kind] = OPERATIONS[name]["requestBody"]["content"]
        return Caller(fake)(method, path, data=b"{", headers={"Content-Type": kind})
    # A bad number or boolean; a route without either refuses a missing parameter.
    query = [it for it in OPERATIONS[name].get("parameters", ()) if it["in"] == "query"]
    for parameter in query:
        if parameter.get("schema", {}).get("type") in ("integer", "boolean"):
            return Caller(fake)(method, f"{path}?{parameter['name']}=maybe")
    return Caller(fake)(method, path)


def refused_with_402(fake: FakeScale, name: str) -> Reply:
    method, path = name.split(" ")
    fake.disable_type(task_types.required(path.rpartition("/")[2]))
    return Caller(fake)(method, path, example_of(fake, name))


def refused_with_404(fake: FakeScale, name: str) -> Reply:
    return ask(fake, name, Unknown())


def refused_with_409(fake: FakeScale, name: str) -> Reply:
    if name in OF_TYPES:
        for body in ({}, {"more": 1}):
            reply = ask(fake, name, {}, body=body, headers={"Idempotency-Key": "k"})
        return reply
    return [ask(fake, name) for _ in range(2)][1]


class Stalled(io.RawIOBase):
    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        raise TimeoutError


def refused_with_408(fake: FakeScale, name: str) -> Reply:
    method, path = name.split(" ")
    kind = "multipart/form-data; boundary=x" if path == "/files/upload" else "application/json"
    headers = {"Authorization": f"Bearer {fake.api_key}", "Content-Type": kind}
    environ = werkzeug.test.create_environ(f"/v1{path}", method=method, headers=headers)
    environ |= {"wsgi.input": Stalled(), "CONTENT_LENGTH": "9"}
    content, status, fields = werkzeug.test.run_wsgi_app(fake, environ)
    body = b"".join(content)
    return Reply(int(status[:3]), json.loads(body), fields, body)


REFUSED: dict[int, Callable[[FakeScale, str], Reply]] = {
    400: refused_with_400,
    401: lambda fake, name: Caller(fake, "nobody")(*name.split(" ")),
    402: refused_with_402,
    403: lambda fake, name: Caller(fake)(*name.split(" "), headers={"Host": "evil.example"}),
    404: refused_with_404,
    408: refused_with_408,
    409: refused_with_409,
    413: lambda _, name: Caller(FakeScale(limits=Limits(max_body=1)))(*name.split(" "), data=b"{}"),
    415: lambda fake, name: Caller(fake)(
        *name.split(" "), data=b"{}", headers={"Content-Encoding": "br"}
    ),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_refusal_occurs(name: str) -> None:
    told = {int(status) for status in OPERATIONS[name]["responses"] if status >= "400"}
    assert told >= {401, 403}
    for status in told - {429}:
        fake = FakeScale(secure_result_urls=True)
        assert REFUSED[status](fake, name).status == status, status


# The judge, which checks each answer of all other tests.


def complaint(name: str, status: int, content: Any, media_type: str = "application/json") -> str:
    method, path = name.split(" ")
    return judge().complaint(method, path, status, media_type, json.dumps(content).encode()) or ""


TASK = {
    "task_id": "5774cc78b01249ab09f089dd",
    "created_at": "2021-06-29T20:21:53.289Z",
    "updated_at": "2021-06-29T20:21:53.289Z",
    "type": "chat",
    "status": "pending",
    "params": {},
    "metadata": {},
    "is_test": False,
    "urgency": "standard",
    "processed_attachments": [],
}
ERROR = {"status_code": 404, "error": "Task with that ID not found."}


@pytest.mark.parametrize(
    ("name", "status", "content", "says"),
    [
        ("GET /task/x", 200, TASK, ""),
        ("GET /task/x", 200, {**TASK, "unique_id": None}, 'null is not of type "string"'),
        ("GET /task/x", 200, {**TASK, "tags": []}, "[] has less than 1 item"),
        ("GET /task/x", 200, {**TASK, "colour": "red"}, "'colour' was unexpected"),
        ("GET /task/x", 200, {**TASK, "created_at": "2021-06-29"}, '"2021-06-29" does not match'),
        ("GET /task/x", 200, {**TASK, "work_started": False}, "true was expected"),
        ("GET /task/x", 200, {**TASK, "type": "kittens"}, '"kittens" is not one of'),
        ("GET /task/x", 404, ERROR, ""),
        ("GET /task/x", 404, {**ERROR, "status_code": 400}, "404 was expected"),
        ("GET /task/x", 404, {"error": "x"}, '"status_code" is a required property'),
        ("GET /task/x", 400, ERROR, "does not have this status"),
        ("GET /task/x/", 409, ERROR, "does not have this status"),
        ("PATCH /task/x", 404, ERROR, ""),
        ("PATCH /task/x", 405, ERROR, "does not have this status"),
        ("GET /nowhere", 200, {}, "does not have this status"),
        ("GET /task/cancel", 200, TASK, ""),
        ("POST /task/kittens", 400, {**ERROR, "status_code": 400}, ""),
        ("POST /task/kittens", 200, TASK, "does not have this status"),
        ("PUT /audits", 200, {}, "does not have this status"),
    ],
)
def test_the_judge_of_the_suite_is_strict(name: str, status: int, content: Any, says: str) -> None:
    told = complaint(name, status, content)
    assert says in told if says else told == ""


def test_the_judge_looks_at_the_media_type() -> None:
    assert complaint("GET /task/x", 200, TASK, "application/json; charset=utf-8") == ""
    assert "does not have text/html" in complaint("GET /task/x", 200, TASK, "text/html")
    assert complaint("GET /task/x/response_url/y", 200, "", "image/png") == ""


@pytest.mark.usefixtures("undocumented")
def test_a_page_without_its_offset_is_noticed(
    monkeypatch: pytest.MonkeyPatch, live: Caller, complaints: list[str]
) -> None:
    whole = Page.to_text
    monkeypatch.setattr(Page, "to_text", lambda page: whole(page).replace(b'"offset":0,', b""))
    live.get("/tasks")
    [told] = complaints
    assert told.startswith('GET /tasks -> 200: "offset" is a required property')


@pytest.mark.usefixtures("undocumented")
def test_an_undocumented_status_is_noticed(
    monkeypatch: pytest.MonkeyPatch, live: Caller, complaints: list[str]
) -> None:
    monkeypatch.setattr(NotFound, "status", 410)
    assert live("GET", "/task/unknown").status == 410
    [told] = complaints
    assert told.startswith("GET /task/unknown -> 410: the document does not have this status")


def test_the_judge_ignores_the_answers_of_faults(fake: FakeScale, live: Caller) -> None:
    fake.faults.add(status=418)
    assert live("GET", "/tasks").status == 418


@pytest.mark.parametrize("type", [it for it in task_types.names() if task_types.alternatives(it)])
def test_the_api_and_the_document_agree_on_empty_members(type: str) -> None:
    alternatives = task_types.alternatives(type)
    members = sorted({*alternatives, *(it for others in alternatives.values() for it in others)})
    full = {"attachments": ["https://e.com/1"], "features": [{"type": "text"}], "choices": ["a"]}
    full |= {"categories": ["a"]} | dict.fromkeys(("attachment", "text", "lidar_task"), "https://e")
    states: list[Any] = [None, "", [], {}]
    example = json.loads(json.dumps(task_types.example(type)[0]))
    if type != "lidartopdown":
        example.pop("project", None)  # a task may inherit from it
    media = DOCUMENT["paths"][f"/task/{type}"]["post"]["requestBody"]["content"]["application/json"]
    schema = {**media["schema"], "components": DOCUMENT["components"]}
    is_valid = jsonschema_rs.validator_for(schema).is_valid
    for given in itertools.product([*states, ...], repeat=len(members)):
        body = {name: item for name, item in example.items() if name not in members}
        for name, item in zip(members, given, strict=True):
            body[name] = full.get(name, {"a": "A"}) if item is ... else item
        body = {name: item for name, item in body.items() if item is not None}
        if type == "lidartopdown" and not body.keys() & {*members}:
            continue  # it needs a project
        try:
            task_types.read_creation(type, body)
        except BadRequest:
            assert not is_valid(body), body
        else:
            assert is_valid(body), body
