"""Hypothesis strategies for what clients send to the API and what it prints (extra ``contract``).

All that depends on the task type is derived from ``task_types.json``, by the vocabulary that
its schemas use. ``type`` is a task type everywhere; without one, any of the 34 is drawn. An
unknown type raises NotFound.
"""

from typing import Any

from hypothesis.strategies import SearchStrategy

from fakescale.account.task import Status
from fakescale.strategies.creations import Creation, candidates, valid_creations
from fakescale.strategies.invalid import InvalidCreation, invalid_creations
from fakescale.strategies.printed import printed_tasks
from fakescale.strategies.schemas import metadata, tags, unique_ids

__all__ = [
    "Creation",
    "InvalidCreation",
    "invalid_tasks",
    "metadata",
    "responses",
    "tags",
    "task_objects",
    "tasks",
    "unique_ids",
]


def tasks(type: str | None = None, /, **members: Any) -> SearchStrategy[Creation]:
    """Return creations that are valid by the schema of their type.

    ``members`` are those that the body must have: values, or strategies of them; None leaves
    one out. A member that refers to something else (``project``, ``batch``, ``lidar_task``) is
    left out unless the type requires it: then it has the name that the type's example has. Few
    unique_ids are drawn, so that a second creation may be refused with 409.
    """
    return valid_creations(candidates(type), members)


def invalid_tasks(type: str | None = None, /) -> SearchStrategy[InvalidCreation]:
    """Return creations that break one rule of their type's schema, and which one."""
    return invalid_creations(candidates(type))


def responses(type: str | None = None, /) -> SearchStrategy[dict[str, Any]]:
    """Return responses in the shape of their type, to tasks of all parameters.

    They are the fake's made-up ones, but with any number of annotations, anywhere.
    """
    return task_objects(type, status="completed").map(lambda task: dict(task["response"]))


def task_objects(
    type: str | None = None, /, *, status: str | None = None, **members: Any
) -> SearchStrategy[dict[str, Any]]:
    """Return tasks as the API prints them, in any status unless ``status`` says which.

    ``members`` are those of the creation, as for ``tasks``. Few unique_ids are drawn, so
    that two tasks may have the same. Raises ValueError for no status.
    """
    statuses = list(Status) if status is None else [Status(status)]
    return printed_tasks(candidates(type), statuses, members)
