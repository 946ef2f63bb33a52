"""Threads of chat tasks, as v2 shows them."""

import functools
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from fakescale.account.thread_schemas import SCHEMAS, VALUES
from fakescale.account.threads import stored
from fakescale.strategies.creations import plain
from fakescale.strategies.schemas import values
from fakescale.values.frozen import FrozenDict, freeze

# The official client cannot read these members (observed).
_UNREAD = ("attachments", "last_code_run_event")
_TASK_IDS = st.integers(0, 16**24 - 1).map("{:024x}".format)


@st.composite
def drawn_threads(draw: DrawFn) -> list[dict[str, Any]]:
    """Draw threads, whose annotations have ids that differ."""
    response = FrozenDict(threads=freeze(draw(_bare_threads())))
    threads: list[dict[str, Any]] = plain(stored(draw(_TASK_IDS), response)["threads"])
    return threads


@functools.cache
def _bare_threads() -> SearchStrategy[list[Any]]:
    return st.lists(values(freeze(_inlined(SCHEMAS["Thread"]))), max_size=2)


def _inlined(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema without references, in which an annotation is a choice of kinds."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name == "Annotation":
            return {"anyOf": [_annotation(kind) for kind in VALUES]}
        return _inlined(SCHEMAS[name])
    told = dict(schema)
    if "properties" in schema:
        parts = schema["properties"].items()
        told["properties"] = {name: _inlined(it) for name, it in parts if name not in _UNREAD}
    if "items" in schema:
        told["items"] = _inlined(schema["items"])
    if schema.get("type") == ["array", "object"]:  # the client reads no single file
        told["type"] = "array"
    return told


def _annotation(kind: str) -> Mapping[str, Any]:
    """Return the schema of annotations of a kind, which get their ids later."""
    whole = SCHEMAS["Annotation"]
    [own] = [
        rule["then"]["properties"]
        for rule in whole["allOf"]
        if rule["if"]["properties"]["type"]["const"] == kind
    ]
    known = {k: v for k, v in whole["properties"].items() if k not in ("id", "possible_values")}
    criteria = {"type": "object", "properties": {"criteria": {"type": "string"}}}
    members = {**known, "type": {"enum": [kind]}, "metadata": criteria, **own}
    return _inlined({"type": "object", "required": ["key", "type", "value"], "properties": members})
