"""The strict document: what a client should send, in words that generators understand."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import werkzeug.test
from openapi_spec_validator import OpenAPIV31SpecValidator

from fakescale import FakeScale, cli
from fakescale.api.app import DOCUMENT as ADDRESS
from fakescale.api.openapi import document
from fakescale.api.openapi_strict import plain
from tests.api.test_openapi import OF_TYPES, OPERATIONS
from tests.conformance import BASE

STRICT = json.loads(json.dumps(document(BASE, strict=True)))
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def operation(name: str) -> Any:
    method, path = name.split(" ")
    return STRICT["paths"][path][method.lower()]


def schemas(part: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each schema of a part of the document, with its place."""
    if isinstance(part, list):
        for item in part:
            yield from schemas(item, place)
    elif isinstance(part, dict):
        for name, value in part.items():
            if name == "schema":
                yield from within(value, place)
            elif name == "schemas":
                for key, schema in value.items():
                    yield from within(schema, key)
            elif name != "example":
                yield from schemas(value, f"{place}/{name}")


def within(schema: Any, place: str) -> Iterator[tuple[str, Any]]:
    yield place, schema
    for name, member in schema.get("properties", {}).items():
        yield from within(member, f"{place}.{name}")
    for option in schema.get("anyOf", ()):
        yield from within(option, f"{place}|")
    if "items" in schema:
        yield from within(schema["items"], f"{place}[]")


@pytest.mark.proof  # the other document, from which it is made, is checked in each run
def test_it_is_valid() -> None:
    OpenAPIV31SpecValidator(STRICT).validate()


def test_it_has_the_same_operations() -> None:
    assert {
        f"{method.upper()} {path}"
        for path, methods in STRICT["paths"].items()
        for method in methods
    } == {*OPERATIONS}


KNOWN = {
    *("type", "enum", "const", "format", "examples", "properties", "required", "items", "anyOf"),
    *("additionalProperties", "minLength", "maxLength", "minimum", "maximum", "uniqueItems"),
    *(
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
        "description",
        "deprecated",
        "$ref",
    ),
}
TYPES = {"string": str, "integer": int, "boolean": bool}


def test_each_schema_is_one_that_generators_understand() -> None:
    found = list(schemas(STRICT))
    assert len(found) > 1000
    for place, schema in found:
        assert {it for it in schema if not it.startswith("x-")} <= KNOWN, place
        kinds = schema.keys() & {"type", "$ref", "anyOf"}
        if kinds:
            assert len(kinds) == 1, place
        else:  # any value
            assert schema.keys() <= {"description"}, place
        assert isinstance(schema.get("type", ""), str), place
        values = [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else ())]
        for value in values:
            assert type(value) is TYPES[schema["type"]], place
            assert not isinstance(value, bool), place
        assert ("items" in schema) is (schema.get("type") == "array"), place


def test_no_two_classes_of_a_generated_client_have_one_name() -> None:
    names = [name.lower() for name in STRICT["components"]["schemas"]]
    names += [
        place.replace(".", "").replace("[]", "item").lower()
        for place, schema in schemas(STRICT)
        if "enum" in schema and "/" not in place
    ]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("schema", "becomes"),
    [
        ({"const": True}, {"type": "boolean"}),
        ({"const": "ok"}, {"type": "string", "const": "ok"}),
        ({"enum": [10, 20]}, {"type": "integer", "enum": [10, 20]}),
        ({"type": "object", "default": {}}, {"type": "object", "x-default": {}}),
        ({"type": ["integer", "null"]}, {"type": "integer"}),
        (
            {"type": ["string", "array"], "description": "d"},
            {"description": "d", "anyOf": [{"type": "string"}, {"type": "array", "items": {}}]},
        ),
        (
            {"anyOf": [{"type": "string", "format": "date-time"}, {"const": ""}]},
            {"type": "string", "format": "date-time"},
        ),
        (
            {"type": "object", "properties": {"a": False, "b": {"const": 1}}, "allOf": [{}]},
            {"type": "object", "properties": {"b": {"type": "integer", "const": 1}}},
        ),
    ],
)
def test_a_schema_becomes_plain(schema: Any, becomes: Any) -> None:
    assert plain(schema) == becomes


@pytest.mark.parametrize("name", OF_TYPES)
def test_the_example_is_what_a_client_should_send(name: str) -> None:
    media = operation(name)["requestBody"]["content"][JSON]
    schema = {**media["schema"], "components": STRICT["components"]}
    jsonschema_rs.validator_for(schema).validate(media["example"])


def test_numbers_and_booleans_are_not_text() -> None:
    members = STRICT["components"]["schemas"]["categorization"]["properties"]
    assert members["priority"]["enum"] == [10, 20, 30]
    assert members["allow_multiple"]["type"] == "boolean"


def test_what_a_type_needs_is_required() -> None:
    assert STRICT["components"]["schemas"]["categorization"]["required"] == [
        "instruction",
        "attachment_type",
    ]
    body = operation("POST /evaluation_tasks/imageannotation")["requestBody"]
    required = body["content"][JSON]["schema"]["required"]
    assert required == ["attachment", "geometries", "expected_response", "project"]


def test_a_task_may_be_created_by_a_form() -> None:
    for name in OF_TYPES:
        content = operation(name)["requestBody"]["content"]
        assert (FORM in content) is name.startswith("POST /task/")


def test_it_is_served_on_request(fake: FakeScale) -> None:
    client = werkzeug.test.Client(fake)
    for query, title in (("?strict=true", STRICT), ("?strict=0", document(BASE))):
        told = client.get(ADDRESS + query).json
        assert told is not None
        assert told["info"] == title["info"]
    reply = client.get(f"{ADDRESS}?strict=perhaps")
    assert reply.status_code == 400
    assert '"strict" must be a boolean (got "perhaps")' in json.loads(reply.text)["error"]


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["openapi", "--strict"])
    told = json.loads(capsys.readouterr().out)
    assert told == {**STRICT, "servers": [{"url": "http://127.0.0.1:8675/v1"}]}
    with pytest.raises(SystemExit):
        cli.main(["--strict"])
    assert "--strict is not a flag of `fakescale`" in capsys.readouterr().err
