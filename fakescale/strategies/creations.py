"""Creations that are valid by the schema of their type."""

import functools
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from fakescale.account import task_types
from fakescale.account.task_types import read_creation
from fakescale.account.words import TaskType
from fakescale.strategies.schemas import ABSENT, drawn_objects, metadata, tags, unique_ids, values
from fakescale.values.errors import BadRequest


class Creation(NamedTuple):
    """A request ``POST /v1/task/{type}``."""

    #: The task type in the path.
    type: TaskType
    #: The body, a new dict that you may change.
    body: dict[str, Any]


#: These members have strategies of their own instead of those of their schemas.
COMMON: Mapping[str, SearchStrategy[Any]] = {
    "unique_id": unique_ids(),
    "tags": tags(),
    "metadata": metadata(),
}
# These members name something that must exist already, like the references of a type.
_ELSEWHERE = ("project", "batch", "project_version", "project_param_version")


def candidates(type: str | None) -> Sequence[TaskType]:
    """Return the task types to draw from."""
    return task_types.names() if type is None else [task_types.required(type)]


def bodies(type: str, given: Mapping[str, Any]) -> SearchStrategy[dict[str, Any]]:
    """Return a strategy of bodies that create a task of a type and have the members ``given``."""
    known, seldom = _members(type)
    return drawn_objects(task_types.schema(type), known, given, seldom)


@functools.cache
def _members(type: str) -> tuple[Mapping[str, SearchStrategy[Any]], Collection[str]]:
    """Return the strategy of each member of a body, and the members drawn only if required."""
    example = task_types.example(type)[0]
    seldom = {*_ELSEWHERE, *task_types.references(type)}
    known = {}
    for name, part in task_types.schema(type)["properties"].items():
        known[name] = COMMON[name] if name in COMMON else values(part)
        if name in example:  # more like real requests than what the schema allows
            usual = st.just(example[name])
            known[name] = usual if name in seldom else usual | known[name]
    return known, seldom


@st.composite
def valid_creations(
    draw: DrawFn, types: Sequence[TaskType], members: Mapping[str, Any]
) -> Creation:
    """Draw a creation of one of ``types`` that has ``members``; None leaves a member out."""
    type = draw(st.sampled_from(types))
    given = {name: ABSENT if value is None else value for name, value in members.items()}
    body = draw(bodies(type, given).filter(lambda body: not refusal(type, body)))
    return Creation(type, plain(body))


def plain(value: Any) -> Any:
    """Return a copy of a JSON value in new dicts and lists, which may be changed."""
    return json.loads(json.dumps(value))


def refusal(type: str, body: Mapping[str, Any]) -> str:
    """Return the text of the refusal of a creation, or "" if it is valid."""
    try:
        read_creation(type, body)
    except BadRequest as error:
        return str(error)
    return ""
