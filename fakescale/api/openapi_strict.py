"""Schemas for generators of clients, which understand a part of JSON Schema.

A schema here is the type of a value. Rules between members are left out, and so is all that a
client need not send. All of this was observed to break clients that openapi-python-client or
openapi-generator made.
"""

from collections.abc import Mapping
from typing import Any

from fakescale.api.openapi_bodies import Schema

# Rules between members, and rules that no type can show.
_RULES = {"allOf", "not", "if", "then", "else", "contains", "contentMediaType", "contentSchema"}
# A generated client would send a default, which overrides the project's. Some clients match a
# pattern with the beginning of a text alone, or with a date that is no text any more.
_TOLD = {"default", "pattern"}
_TYPES = {bool: "boolean", int: "integer", str: "string"}


def plain_document(part: Any) -> Any:
    """Return a document, or a part of it, with plain schemas."""
    if isinstance(part, list):
        return [plain_document(item) for item in part]
    if not isinstance(part, Mapping):
        return part
    told = {}
    for name, value in part.items():
        if name == "schema":
            told[name] = plain(value)
        elif name == "schemas":
            told[name] = {key: plain(schema) for key, schema in value.items()}
        else:
            told[name] = value if name == "example" else plain_document(value)
    return told


def plain(schema: Mapping[str, Any]) -> Schema:
    """Return a schema without rules and with the type of its values."""
    if "anyOf" in schema:
        return _choice(schema)
    told: Schema = {}
    for keyword, value in schema.items():
        if keyword == "properties":
            # A member that only a rule allows, or that nobody may send, is False.
            told[keyword] = {name: plain(it) for name, it in value.items() if it is not False}
        elif keyword in ("items", "additionalProperties") and isinstance(value, Mapping):
            told[keyword] = plain(value)
        elif keyword in _TOLD:
            told[f"x-{keyword}"] = value
        elif keyword not in _RULES:
            told[keyword] = value
    return _typed(told)


def _choice(schema: Mapping[str, Any]) -> Schema:
    """Return the choice between schemas; of several forms of text, the first is enough."""
    options = [plain(option) for option in schema["anyOf"]]
    if {option.get("type") for option in options} == {"string"}:
        options = options[:1]
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return {**rest, **options[0]} if len(options) == 1 else {**rest, "anyOf": options}


def _typed(schema: Schema) -> Schema:
    """Return a schema with one type, or with a choice between schemas that have one."""
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    if "type" not in schema and values:
        schema = {"type": _TYPES.get(type(values[0]), "string"), **schema}
    if schema.get("const") is True:  # a generated client could not be imported
        schema = {name: value for name, value in schema.items() if name != "const"}
    types = schema.get("type")
    if isinstance(types, list):
        types = [it for it in types if it != "null"]
        if len(types) > 1:
            rest = {name: value for name, value in schema.items() if name != "type"}
            return {**rest, "anyOf": [_typed({"type": it}) for it in types]}
        schema = {**schema, "type": types[0]}
    return (
        {**schema, "items": {}}
        if schema.get("type") == "array" and "items" not in schema
        else schema
    )
