"""The task types: what a creation body must hold, and what is stored of it.

All facts are in ``task_types.json``, one entry a type, with their sources.
"""

import functools
import importlib.resources
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from fakescale.errors import NotFound, invalid
from fakescale.frozen import EMPTY_DICT, EMPTY_LIST, FrozenDict, FrozenList, freeze
from fakescale.schemas import Checker


class Accepted(NamedTuple):
    """A valid creation body: ``fields`` of the task itself, and its ``params``."""

    type: str
    fields: dict[str, Any]
    params: FrozenDict
    #: Members that must name another task: name -> {"type", "status"} of that task.
    references: Mapping[str, Mapping[str, str]]


def accept(type: str, body: Mapping[str, Any], *, form: bool = False) -> Accepted:
    """Return what the API stores for a creation of ``type`` with ``body``.

    ``form`` says that the body was form-encoded, where a list of one looks like a text.
    Members that the type does not know are kept in ``params`` (guessed; that they are not
    refused is documented). Raises NotFound for an unknown type, BadRequest for a bad body.
    """
    name, facts = _type(type)
    # Guessed: null stands for a member that is absent.
    try:
        given = {key: value for key, value in freeze(body).items() if value is not None}
    except ValueError as error:
        raise invalid("value", str(error)) from None
    if "instruction" not in given and "default_instruction" in facts:
        given["instruction"] = facts["default_instruction"]
    given = _read(given, _schema(name), form=form)
    _checker(name).check(given)
    common = _facts()["common"]
    fields = {key: value for key, value in given.items() if key in common}
    params = {key: value for key, value in given.items() if key not in common}
    if "tags" in fields:
        fields["tags"] = distinct(fields["tags"])
    # Accepted, but it has no meaning before there are projects; it is not echoed.
    fields.pop("project_param_version", None)
    params = {**facts.get("echo_defaults", EMPTY_DICT), **params}
    return Accepted(name, fields, FrozenDict(params), facts.get("references", EMPTY_DICT))


def check_common(name: str, value: Any) -> None:
    """Raise BadRequest unless ``value`` may be the parameter ``name`` of any task."""
    _common_checker(name).check(value, name)


def distinct(tags: Any) -> FrozenList:
    """Return ``tags`` without repetitions, each at its first place (guessed)."""
    return FrozenList(dict.fromkeys(tags))


def example(type: str) -> tuple[FrozenDict, FrozenDict]:
    """Return a creation body for ``type`` and the response such a task may get."""
    facts = _type(type)[1]
    return facts["example_request"], facts["example_response"]


def names() -> list[str]:
    """Return the name of every task type, without aliases."""
    return list(_facts()["types"])


@functools.cache
def _facts() -> FrozenDict:
    source = importlib.resources.files("fakescale") / "task_types.json"
    frozen: FrozenDict = freeze(json.loads(source.read_text("utf-8")))
    return frozen


@functools.cache
def _aliases() -> dict[str, str]:
    types = _facts()["types"].items()
    return {alias: name for name, facts in types for alias in facts.get("aliases", EMPTY_LIST)}


def _type(type: str) -> tuple[str, FrozenDict]:
    name = _aliases().get(type, type)
    try:
        return name, _facts()["types"][name]
    except KeyError:
        # Guessed: the type is a part of the path, so an unknown one is an unknown path.
        raise NotFound(f"Not found: there is no task type {json.dumps(type)}") from None


@functools.cache
def _schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of a creation body of the type."""
    facts = _facts()["types"][name]
    rules: list[Mapping[str, Any]] = [
        {"anyOf": [{"required": [member]} for member in members]}
        for members in facts["any_of_required"]
    ]
    rules += [{"not": {"required": members}} for members in facts.get("mutually_exclusive", [])]
    rules += facts.get("rules", [])
    return {
        "type": "object",
        "properties": {**_facts()["common"], **facts["params"]},
        "required": facts["required"],
        **({"allOf": rules} if rules else {}),
        "$defs": _facts()["definitions"],
    }


@functools.cache
def _checker(name: str) -> Checker:
    return Checker(_schema(name), _facts()["types"][name].get("texts"))


@functools.cache
def _common_checker(name: str) -> Checker:
    return Checker(_facts()["common"][name])


_INTEGER = re.compile(r"-?\d{1,18}")
_NUMBER = re.compile(r"-?\d{1,18}(\.\d{1,18})?")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def _read(value: Any, schema: Any, *, form: bool) -> Any:
    """Return ``value`` with texts read as what the schema wants in their place.

    Numbers as text are accepted in JSON too (documented: the official client's tests send
    ``"30"``, and it comes back as 30), booleans likewise (guessed).
    """
    if not isinstance(schema, Mapping):
        return value
    if "$ref" in schema:
        schema = _facts()["definitions"][schema["$ref"].removeprefix("#/$defs/")]
    if isinstance(value, str):
        return _read_text(value, schema, form=form)
    if isinstance(value, dict) and "properties" in schema:
        members = schema["properties"]
        return FrozenDict(
            {
                key: _read(item, members[key], form=form) if key in members else item
                for key, item in value.items()
            }
        )
    if isinstance(value, list) and "items" in schema:
        return FrozenList([_read(item, schema["items"], form=form) for item in value])
    return value


def _read_text(text: str, schema: Mapping[str, Any], *, form: bool) -> Any:
    types = schema.get("type", "string")
    types = [types] if isinstance(types, str) else types
    if "string" in types:
        return text
    if ("integer" in types or "number" in types) and _INTEGER.fullmatch(text):
        return int(text)
    if "number" in types and _NUMBER.fullmatch(text):
        return float(text)
    if "boolean" in types and text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    if "array" in types and form:
        return FrozenList([_read(text, schema.get("items"), form=form)])
    return text
