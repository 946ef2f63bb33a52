"""The OpenAPI document, made from the tables that serve the requests."""

import functools
import importlib.metadata
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from fakescale.account import task_types
from fakescale.api import openapi_bodies, v1, v2
from fakescale.api.openapi_answers import object_of
from fakescale.api.openapi_bodies import COMPONENTS, Schema
from fakescale.api.openapi_strict import plain_document
from fakescale.api.route import Multipart, PerType, Route
from fakescale.values import errors
from fakescale.values.errors import ApiError
from fakescale.values.schemas import Checker, Parameters

_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_MEDIA_TYPES = {**v1.tasks.MEDIA_TYPES, **v2.datasets.MEDIA_TYPES}
_REFUSALS = {
    kind.status: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, ApiError) and kind is not ApiError
}
_ABOUT = """\
The requests that fakescale, a fake of Scale AI's task API, accepts, and its answers.

fakescale also accepts members of a body, and parameters of a query, that are not described here.
An empty value in a query counts as absent. A client may also send a body as
`application/x-www-form-urlencoded`, with names like `fields[title]` and `tags[]`. Paths and
methods that are not described here get 404. A fault that a test adds may send any answer.

`x-source` names the source of a parameter, and says whether it is a guess. Keywords that JSON
Schema lacks begin with `x-` too: `x-ascending` (pairs of members; the first must not be larger
than the second), `x-maxDistinct`, `x-maxJsonBytes`, `x-notRepeated` (a member that must not be
among the items of another one) and `x-uniqueBy` (a member in which all items must differ)."""


_ABOUT_STRICT = """\
The requests that a client of Scale AI's task API should send, and their answers. Clients can be
generated from this document. fakescale accepts more than is described here, as the API does:
`fakescale openapi` without `--strict` prints it.

A task may inherit missing parameters from its project. `x-source` names the source of a parameter,
and says whether it is a guess. `x-default` is the value that counts if a client sends none, and
`x-pattern` a regular expression that a text must match."""


#: The versions of the API; each has a document of its own, since they share paths.
VERSIONS: Mapping[str, Any] = {"v1": v1, "v2": v2}


def document(origin: str, *, version: str = "v1", strict: bool = False) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a ``version`` of the API at ``origin``.

    It describes all that is accepted. With ``strict``, it describes what a client should send, in
    the part of JSON Schema that generators of clients understand.
    """
    return {**_document(version, strict), "servers": [{"url": f"{origin}/{version}"}]}


@functools.cache
def _document(version: str, strict: bool) -> dict[str, Any]:
    described = _described(version, strict=strict)
    return plain_document(described) if strict else described


def _described(version: str, *, strict: bool) -> dict[str, Any]:
    api = VERSIONS[version]
    paths: dict[str, dict[str, Any]] = {}
    for route in api.ROUTES:
        for type in route.body.types() if isinstance(route.body, PerType) else (None,):
            path = route.path.removeprefix(f"/{version}").replace("<type>", type or "")
            methods = paths.setdefault(re.sub(r"<(\w+)>", r"{\1}", path), {})
            methods[route.method.lower()] = _operation(route, path, type, strict=strict)
    named = _of_types(strict=strict) if version == "v1" else {}
    error = {"$ref": f"{COMPONENTS}ApiError"}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"fakescale: Scale AI's task API, {version}",
            "version": importlib.metadata.version("fakescale"),
            "description": _ABOUT_STRICT if strict else _ABOUT,
        },
        "paths": paths,
        "security": [{"basic": []}, {"bearer": []}],
        "components": {
            "securitySchemes": {
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "The API key as the user name, with any password.",
                },
                "bearer": {"type": "http", "scheme": "bearer", "description": "The API key."},
            },
            "responses": {
                kind.__name__: {
                    "description": (kind.__doc__ or "").partition("\n")[0],
                    "content": {_JSON: {"schema": error if strict else _error(status)}},
                }
                for status, kind in _REFUSALS.items()
            },
            "schemas": {**api.SCHEMAS, **named, **({"ApiError": _ERROR} if strict else {})},
        },
    }


def _of_types(*, strict: bool) -> dict[str, Schema]:
    """Return the schemas of the bodies that create tasks, and of their parts."""
    definitions = task_types.schema(task_types.names()[0])["$defs"]
    shapes = {
        name: openapi_bodies.shape(schema, strict=strict) for name, schema in definitions.items()
    }
    bodies = {name: openapi_bodies.creation(name, strict=strict) for name in task_types.names()}
    return {**shapes, **bodies}


def _operation(route: Route, path: str, type: str | None, *, strict: bool) -> dict[str, Any]:
    name = route.view.__name__ + (f"_{type}" if type else "")
    if "-" in path:  # this view has two paths
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
    if route.is_public:
        operation["security"] = [{}, {"basic": []}, {"bearer": []}]
    if parameters := [*_parameters(route, path)]:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = (_strict_body if strict else _body)(route, type)
    media_types = _MEDIA_TYPES.get(route.answer_schema, (_JSON,))
    if strict and "*/*" in media_types:  # generators of clients do not know it
        media_types = ("application/octet-stream",)
    refused = {status: _REFUSALS[status].__name__ for status in sorted(_refused(route, path))}
    content = {it: {"schema": {"$ref": COMPONENTS + route.answer_schema}} for it in media_types}
    operation["responses"] = {
        str(route.status): {
            "description": "Done.",
            **({"content": content} if route.status < 300 else {}),
        },
        **{
            str(status): {"$ref": f"#/components/responses/{kind}"}
            for status, kind in refused.items()
        },
    }
    return operation


def _refused(route: Route, path: str) -> set[int]:
    """Return the statuses of a route's refusals: its own, and those that all such routes have."""
    refused = {401, 403, *route.refuses}
    if "<" in path:
        refused |= {404}
    if route.query or route.body is not None:
        refused |= {400}
    if route.body is not None:
        refused |= {408} if isinstance(route.body, Multipart) else {408, 413, 415}
    if route.idempotent:
        refused |= {409, 429}
    return refused


_ERROR = object_of({"status_code": {"type": "integer"}, "error": {"type": "string"}})


def _error(status: int) -> Schema:
    return object_of({"status_code": {"const": status}, "error": {"type": "string"}})


def _parameters(route: Route, path: str) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"<(\w+)>", path):
        schema = {"type": "string", "minLength": 1}
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    if route.idempotent:
        yield {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string"}}
    for name, row in route.query.items():
        parameter: dict[str, Any] = {"name": name, "in": "query"}
        schema = dict(row.schema)
        told = []
        if schema.get("type") == "array":
            told.append("One or more of these values, which commas may join.")
        if route.needs == (name,):
            parameter["required"] = True
            schema["contains"] = {"minLength": 1}  # an empty text counts as absent
        elif name in route.needs:
            told.append(f"At least one of {', '.join(route.needs)} is required.")
        if told:
            parameter["description"] = " ".join(told)
        if schema.get("type") == "object":
            parameter["content"] = {_JSON: {"schema": schema}}
        else:
            parameter["schema"] = schema
        yield parameter


def _body(route: Route, type: str | None) -> dict[str, Any]:
    """Return the description of a route's body.

    A body that may be an empty object may also be absent: the official client sends none then.
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
        rules = schema.get("allOf", ())
        is_needed = bool(schema.get("required")) or any("anyOf" in rule for rule in rules)
    media["schema"] = schema if is_needed else {"anyOf": [schema, {"type": "null"}]}
    return {"required": is_needed, "content": {_JSON: media}}


def _strict_body(route: Route, type: str | None) -> dict[str, Any]:
    """Return the description of the body that a client should send."""
    body = route.body
    if isinstance(body, Multipart):
        return _body(route, type)
    if not isinstance(body, PerType):
        schema = openapi_bodies.body(cast(Checker, body).schema, strict=True)
        return {"required": True, "content": {_JSON: {"schema": schema}}}
    name = task_types.required(str(type))
    media = _body(route, type)["content"][_JSON]
    example = Parameters(task_types.schema(name)).read(media["example"])  # numbers are not text
    content = {_JSON: {"schema": {"$ref": COMPONENTS + name}, "example": example}}
    if body.more:
        content[_JSON]["schema"] = _joined(
            openapi_bodies.creation(name, strict=True),
            openapi_bodies.body(body.more, strict=True),
            {"required": ["project"]},
        )
    else:  # the endpoint for which forms are documented
        content[_FORM] = {"schema": _FIELDS}
    return {"required": True, "content": content}


# Not the schema of the JSON body: a generated client then could not tell the two apart.
_FIELDS: Schema = {
    "type": "object",
    "description": "The members of the JSON body, with names like `fields[title]` and `tags[]`.",
    "additionalProperties": {"type": "string"},
}


def _joined(first: Schema, *others: Schema) -> Schema:
    """Return the schema of an object that has the members of all these schemas."""
    parts = (first, *others)
    needed = [name for part in parts for name in part.get("required", ())]
    properties = {
        name: schema for part in parts for name, schema in part.get("properties", {}).items()
    }
    return {**first, "required": [*dict.fromkeys(needed)], "properties": properties}


def _form(body: Multipart) -> Schema:
    file = {body.file: {"type": "string", "format": "binary"}}
    # OpenAPI says that a part of type object is sent as JSON.
    texts = {
        name: {"type": "object" if "object" in schema["type"] else "string"}
        for name, schema in body.texts.schema["properties"].items()
    }
    return {"type": "object", "required": [body.file], "properties": {**file, **texts}}
