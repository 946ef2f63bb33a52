"""The OpenAPI document: made of the tables that serve the requests, when it is asked for."""

import functools
import importlib.metadata
import re
from collections.abc import Iterator
from typing import Any, cast

from fakescale.account import task_types
from fakescale.api import openapi_bodies
from fakescale.api.openapi_bodies import COMPONENTS, Schema
from fakescale.api.route import Multipart, PerType, Route
from fakescale.api.v1 import ROUTES, SCHEMAS
from fakescale.api.v1.tasks import MEDIA_TYPES
from fakescale.traffic.idempotency import LONGEST_KEY
from fakescale.values import errors
from fakescale.values.errors import ApiError
from fakescale.values.schemas import Checker

_JSON = "application/json"
_REFUSALS = {
    kind.status: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, ApiError) and kind is not ApiError
}
_ABOUT = """\
What fakescale, a fake of Scale AI's task API, takes and answers.

Members of a body that are not described here are not refused, and neither are unknown
parameters of a query; an empty value in a query counts as absent. A body may also be sent as
`application/x-www-form-urlencoded`, with names like `fields[title]` and `tags[]`. A path that
is not described here, or not with that method, is answered with 404. Faults, which are added
on purpose, may answer anything.

`x-source` tells where a parameter is known from; guesses are marked as such. Rules that JSON
Schema has no words for begin with `x-` too: `x-ascending` (pairs of members of which the first
must not be larger), `x-maxDistinct`, `x-maxJsonBytes`, `x-notRepeated` (a member that must not
be among the items of another) and `x-uniqueBy` (a member in which the items must differ)."""


def document(url: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of v1 at ``url``, the base URL for clients."""
    return {**_document(), "servers": [{"url": url}]}


@functools.cache
def _document() -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        for type in route.body.types() if isinstance(route.body, PerType) else (None,):
            path = route.path.removeprefix("/v1").replace("<type>", type or "")
            methods = paths.setdefault(re.sub(r"<(\w+)>", r"{\1}", path), {})
            methods[route.method.lower()] = _operation(route, path, type)
    bodies = {name: openapi_bodies.creation(name) for name in task_types.names()}
    definitions = task_types.schema(task_types.names()[0])["$defs"]
    shapes = {name: openapi_bodies.shape(schema) for name, schema in definitions.items()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "fakescale: Scale AI's task API, v1",
            "version": importlib.metadata.version("fakescale"),
            "description": _ABOUT,
        },
        "paths": paths,
        "security": [{"basic": []}, {"bearer": []}],
        "components": {
            "securitySchemes": {
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "The API key as user name, with any password.",
                },
                "bearer": {"type": "http", "scheme": "bearer", "description": "The API key."},
            },
            "responses": {
                kind.__name__: {
                    "description": (kind.__doc__ or "").partition("\n")[0],
                    "content": {_JSON: {"schema": _error(status)}},
                }
                for status, kind in _REFUSALS.items()
            },
            "schemas": {**SCHEMAS, **shapes, **bodies},
        },
    }


def _operation(route: Route, path: str, type: str | None) -> dict[str, Any]:
    name = route.view.__name__ + (f"_{type}" if type else "")
    if "-" in path:  # the other spelling of a view that has two
        name += "_with_hyphen"
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": name.replace("_", " ").capitalize(),
        "tags": [path.split("/")[1]],
    }
    if type:
        facts = task_types.facts(task_types.required(type))
        operation["description"] = (
            f"{facts['summary']}\n\nDocumented: {facts['documented']}. Source: {facts['source']}"
        )
        operation["deprecated"] = facts["deprecated"] or type not in task_types.names()
    if parameters := [*_parameters(route, path)]:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = _body(route, type)
    media_types = MEDIA_TYPES.get(route.answer_schema, (_JSON,))
    refused = {status: _REFUSALS[status].__name__ for status in sorted(_refused(route, path))}
    operation["responses"] = {
        str(route.status): {
            "description": "Done.",
            "content": {
                it: {"schema": {"$ref": COMPONENTS + route.answer_schema}} for it in media_types
            },
        },
        **{
            str(status): {"$ref": f"#/components/responses/{kind}"}
            for status, kind in refused.items()
        },
    }
    return operation


def _refused(route: Route, path: str) -> set[int]:
    """Return the statuses of the refusals of the route: its own, and those of its kind."""
    refused = {401, 403, *route.refuses}
    if "<" in path:
        refused |= {404}
    if route.query or route.body is not None:
        refused |= {400}
    if route.body is not None:
        refused |= {408} if isinstance(route.body, Multipart) else {408, 413}
    if route.idempotent:
        refused |= {409, 429}
    return refused


def _error(status: int) -> Schema:
    return {
        "type": "object",
        "required": ["status_code", "error"],
        "properties": {"status_code": {"const": status}, "error": {"type": "string"}},
        "additionalProperties": False,
    }


def _parameters(route: Route, path: str) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"<(\w+)>", path):
        schema = {"type": "string", "minLength": 1}
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    if route.idempotent:
        schema = {"type": "string", "maxLength": LONGEST_KEY}
        yield {"name": "Idempotency-Key", "in": "header", "schema": schema}
    for name, row in route.query.items():
        parameter: dict[str, Any] = {"name": name, "in": "query"}
        schema = dict(row.schema)
        told = []
        if schema.get("type") == "array":
            told.append("Any of these; they may be joined by commas.")
        if route.needs == (name,):
            parameter["required"] = True
            schema["contains"] = {"minLength": 1}  # an empty text counts as absent
        elif name in route.needs:
            told.append(f"One of {', '.join(route.needs)} is needed.")
        if told:
            parameter["description"] = " ".join(told)
        if schema.get("type") == "object":
            parameter["content"] = {_JSON: {"schema": schema}}
        else:
            parameter["schema"] = schema
        yield parameter


def _body(route: Route, type: str | None) -> dict[str, Any]:
    """Return the description of the body.

    The body may be absent where an empty one is accepted: the official client sends none then.
    """
    body = route.body
    if isinstance(body, Multipart):
        return {"required": True, "content": {"multipart/form-data": {"schema": _form(body)}}}
    media: dict[str, Any] = {}
    if isinstance(body, PerType):
        name = task_types.required(str(type))
        request, response = task_types.example(name)
        schema: Schema = {"$ref": COMPONENTS + name}
        is_needed = "anyOf" in openapi_bodies.creation(name)
        media["example"] = request
        if body.more:
            is_needed = True
            schema = {
                "allOf": [schema, openapi_bodies.body(body.more), openapi_bodies.in_a_project()]
            }
            media["example"] = {"project": "quality", **request, "expected_response": response}
    else:
        schema = openapi_bodies.body(cast(Checker, body).schema)
        is_needed = bool(schema.get("required"))
    media["schema"] = schema if is_needed else {"anyOf": [schema, {"type": "null"}]}
    return {"required": is_needed, "content": {_JSON: media}}


def _form(body: Multipart) -> Schema:
    file = {body.file: {"type": "string", "format": "binary"}}
    # A part of such a form that is an object is sent as JSON, so OpenAPI says.
    texts = {
        name: {"type": "object" if "object" in schema["type"] else "string"}
        for name, schema in body.texts.schema["properties"].items()
    }
    return {"type": "object", "required": [body.file], "properties": {**file, **texts}}
