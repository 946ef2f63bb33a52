"""The OpenAPI document: made of the tables that serve the requests, when it is asked for."""

import functools
import importlib.metadata
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from fakescale import errors, task_types
from fakescale.answers import MEDIA_TYPES, SCHEMAS
from fakescale.api import ROUTES
from fakescale.call import Multipart, PerType, Route
from fakescale.errors import ApiError
from fakescale.idempotency import LONGEST_KEY
from fakescale.schemas import INTEGER, KEYWORDS, NUMBER, PATTERNS, Checker

Schema = dict[str, Any]

_JSON = "application/json"
_COMPONENTS = "#/components/schemas/"
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
    bodies = {name: _creation(name) for name in task_types.names()}
    definitions = task_types.schema(task_types.names()[0])["$defs"]
    shapes = {name: _accepted(schema) for name, schema in definitions.items()}
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
        operation["description"] = f"{facts['summary']}\n\nSource: {facts['source']}"
        operation["deprecated"] = facts["deprecated"] or type not in task_types.names()
    if parameters := [*_parameters(route, path)]:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = _body(route, type)
    media_types = MEDIA_TYPES.get(route.answer, (_JSON,))
    refused = {status: _REFUSALS[status].__name__ for status in sorted(_refused(route, path))}
    operation["responses"] = {
        str(route.status): {
            "description": "Done.",
            "content": {it: {"schema": {"$ref": _COMPONENTS + route.answer}} for it in media_types},
        },
        **{
            str(status): {"$ref": f"#/components/responses/{kind}"}
            for status, kind in refused.items()
        },
    }
    return operation


def _refused(route: Route, path: str) -> set[int]:
    """Return the statuses of the refusals that the route has, all that its kind has among them."""
    refused = {401, 403, *route.refuses}
    if "<" in path:
        refused |= {404}
    if route.query or route.body is not None:
        refused |= {400}
    if route.body is not None and not isinstance(route.body, Multipart):
        refused |= {413}
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
    body = route.body
    if isinstance(body, Multipart):
        return {"required": True, "content": {"multipart/form-data": {"schema": _form(body)}}}
    media: dict[str, Any] = {}
    if isinstance(body, PerType):
        name = task_types.required(str(type))
        schema: Schema = {"$ref": _COMPONENTS + name}
        needed = "anyOf" in _creation(name)
        example: Schema = task_types.example(name)[0]
        if body.more:
            needed = True
            schema = {"allOf": [schema, _object(body.more), _HOME]}
            response = task_types.example(name)[1]
            example = {"project": "training", **example, "expected_response": response}
        media["example"] = example
    else:
        schema = _object(cast(Checker, body).schema)
        needed = bool(schema.get("required"))
    # The official client sends no body where it means an empty one.
    media["schema"] = schema if needed else {"anyOf": [schema, {"type": "null"}]}
    return {"required": needed, "content": {_JSON: media}}


def _form(body: Multipart) -> Schema:
    file = {body.file: {"type": "string", "format": "binary"}}
    # A part of such a form that is an object is sent as JSON, so OpenAPI says.
    texts = {
        name: {"type": "object" if "object" in schema["type"] else "string"}
        for name, schema in body.texts.schema["properties"].items()
    }
    return {"type": "object", "required": [body.file], "properties": {**file, **texts}}


# From the rules that serve to the schema of what is accepted: a number and a boolean may be a
# text, and a null in a body counts as absent.


def _creation(name: str) -> Schema:
    """Return the schema of the creation of a task, which may inherit what it lacks."""
    facts = task_types.facts(name)
    schema = dict(task_types.schema(name))
    rules = [rule for rule in schema.pop("allOf", ()) if "anyOf" not in rule]
    needed = [it for it in schema.pop("required") if not _is_default(it, facts)]
    complete = [_given(needed)] if needed else []
    complete += [
        {"anyOf": [_given([member]) for member in members]} for members in facts["any_of_required"]
    ]
    accepted = _object({**schema, **({"allOf": rules} if rules else {})})
    if complete:
        accepted["anyOf"] = [{"allOf": complete}, *_HOME["anyOf"]]
    return {"description": f"{facts['summary']} What is missing may be inherited.", **accepted}


def _is_default(member: str, facts: Mapping[str, Any]) -> bool:
    return member == "instruction" and "default_instruction" in facts


def _object(schema: Mapping[str, Any]) -> Schema:
    """Return what is accepted as a whole body."""
    accepted = _accepted({name: rule for name, rule in schema.items() if name != "allOf"})
    members = {
        name: member if name in schema.get("required", ()) else _or_null(member)
        for name, member in accepted.get("properties", {}).items()
    }
    if members:
        accepted["properties"] = members
    if "not" in schema:
        accepted["not"] = _rule(schema["not"])
    if "allOf" in schema:
        accepted["allOf"] = [_rule(rule) for rule in schema["allOf"]]
    return accepted


def _rule(rule: Mapping[str, Any]) -> Schema:
    """Return a rule about the members of a body: those that are required must not be null."""
    told = _accepted({name: value for name, value in rule.items() if name not in _NESTED})
    for name in _NESTED & rule.keys():
        told[name] = _rule(rule[name])
    if "required" in rule:
        given = _given(rule["required"])
        told["properties"] = {**given["properties"], **told.get("properties", {})}
    return told


def _accepted(schema: Any) -> Schema:
    """Return what is accepted where ``schema`` is what is stored."""
    if schema is False:  # an absent one may be there, as null
        return {"type": "null"}
    told: Schema = {}
    for keyword, value in schema.items():
        if keyword in KEYWORDS or keyword == "echo":
            told[f"x-{keyword}"] = value
        elif keyword == "format" and value in PATTERNS:
            told["pattern"] = PATTERNS[value]
        elif keyword == "$ref":
            told[keyword] = value.replace("#/$defs/", _COMPONENTS)
        elif keyword == "properties":
            told[keyword] = {name: _accepted(member) for name, member in value.items()}
        elif keyword == "items":
            told[keyword] = _accepted(value)
        elif keyword != "$defs":
            told[keyword] = value
    return _or_text(told)


def _or_text(schema: Schema) -> Schema:
    types = schema.get("type", "string")
    types = [types] if isinstance(types, str) else [*types]
    if schema.get("const") is True:
        del schema["const"]
        return {**schema, "enum": [True, "true", "1"]}
    if "string" in types:
        return schema
    if "boolean" in types:
        del schema["type"]
        return {**schema, "enum": [True, False, "true", "false", "1", "0"]}
    if not {"integer", "number"} & {*types}:
        return schema
    schema["type"] = [*types, "string"]
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], *map(str, schema["enum"])]}
    pattern = INTEGER if "integer" in types else NUMBER
    pattern = _BOUNDED.get((schema.get("minimum"), schema.get("maximum")), pattern)
    return {**schema, "pattern": f"^({pattern})$"}


def _or_null(schema: Schema) -> Schema:
    if "enum" in schema:
        schema = {**schema, "enum": [*schema["enum"], None]}
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    if "type" not in schema:
        return schema
    types = schema["type"]
    return {**schema, "type": [*([types] if isinstance(types, str) else types), "null"]}


def _given(members: Sequence[str]) -> Schema:
    return {
        "required": list(members),
        "properties": {name: {"not": {"type": "null"}} for name in members},
    }


#: The texts of the integers within bounds, as far as there are such parameters.
_BOUNDED = {
    (1, None): "0*[1-9][0-9]{0,17}",
    (None, 100): "-[0-9]{1,18}|0*([0-9]{1,2}|100)",
    (1, 100): "0*([1-9][0-9]?|100)",
    (10, 30): "0*([12][0-9]|30)",
}
_NESTED = {"not", "if", "then"}
#: What a task can inherit from.
_HOME: Schema = {"anyOf": [_given(["project"]), _given(["batch"])]}
