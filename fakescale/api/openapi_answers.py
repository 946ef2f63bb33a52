"""The common parts of the answer schemas, the JSON Schemas of good answers.

The schemas themselves are beside the routes, in ``v1`` and ``v2``. The OpenAPI document shows them,
and the tests check each answer against them.
"""

from collections.abc import Mapping
from typing import Any

from fakescale.account.task_types import common_parameters, names
from fakescale.api.openapi_bodies import COMPONENTS, Schema

TEXT: Schema = {"type": "string"}
NAME: Schema = {"type": "string", "minLength": 1}
BOOLEAN: Schema = {"type": "boolean"}
TRUE: Schema = {"const": True}
COUNT: Schema = {"type": "integer", "minimum": 0}
ANY: Schema = {"type": "object"}
TIME: Schema = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
    "examples": ["2021-06-29T20:21:53.289Z"],
}
ID: Schema = {"type": "string", "pattern": "^[0-9a-f]{24}$"}
UUID: Schema = {"type": "string", "format": "uuid"}
TYPE: Schema = {"enum": names()}


def object_of(
    required: Mapping[str, Any], optional: Mapping[str, Any] | None = None, **more: Any
) -> Schema:
    """Return the schema of an object with these members, and by default no others."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
        "additionalProperties": False,
        **more,
    }


def array_of(items: Schema, **more: Any) -> Schema:
    """Return the schema of an array."""
    return {"type": "array", "items": items, **more}


def ref(name: str) -> Schema:
    """Return a reference to the schema that the document has under ``name``."""
    return {"$ref": COMPONENTS + name}


def page_of(*kinds: str) -> Schema:
    """Return the schema of a page of items, each of one of the named schemas."""
    items = ref(kinds[0]) if len(kinds) == 1 else {"anyOf": [ref(kind) for kind in kinds]}
    head = {
        "docs": array_of(items, maxItems=100),
        "total": COUNT,
        "limit": {"type": "integer", "minimum": 1, "maximum": 100},
        "offset": {**COUNT, "description": "Not documented; an official client needs it."},
        "has_more": BOOLEAN,
    }
    return object_of(
        head,
        {"next_token": NAME},
        **{
            "if": {"properties": {"has_more": TRUE}},
            "then": {"required": ["next_token"]},
            "else": {"properties": {"next_token": False}},
        },
    )


#: The schemas of the common parameters that a task shows.
COMMON: Schema = {
    name: {key: value for key, value in schema.items() if key in ("type", "enum", "minLength")}
    for name, schema in common_parameters().items()
    if schema.get("echo", True)
}
