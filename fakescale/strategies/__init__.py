"""Hypothesis strategies for the requests and tasks of the API (extra ``contract``).

Strategies that depend on the task type are derived from the schemas in ``task_types.json``.
``type`` is a task type everywhere. Without it, a strategy draws any type. An unknown type raises
NotFound.
"""

from typing import Any

from hypothesis.strategies import SearchStrategy

from fakescale.account.task import Status
from fakescale.account.words import TaskStatus, TypeName
from fakescale.strategies.creations import Creation, candidates, valid_creations
from fakescale.strategies.invalid import InvalidCreation, invalid_creations
from fakescale.strategies.printed import printed_tasks
from fakescale.strategies.schemas import metadata, tags, unique_ids
from fakescale.strategies.threads import drawn_threads
from fakescale.strategies.v2 import V2Request, paths, v2_bodies

__all__ = [
    "Creation",
    "InvalidCreation",
    "V2Request",
    "invalid_tasks",
    "metadata",
    "responses",
    "tags",
    "task_objects",
    "tasks",
    "threads",
    "unique_ids",
    "v2_requests",
]


def tasks(type: TypeName | None = None, /, **members: Any) -> SearchStrategy[Creation]:
    """Return a strategy of ``Creation`` values that are valid by the schema of their type.

    ``members`` sets members of the body: each is a value or a strategy of values, and None
    leaves the member out. A member that refers to another object (``project``, ``batch``,
    ``lidar_task``) is drawn only if the type requires it; its value is then the one in the
    type's example. The unique_ids come from a few values, so a second creation may get 409.
    Raises NotFound for an unknown type.
    """
    return valid_creations(candidates(type), members)


def invalid_tasks(type: TypeName | None = None, /) -> SearchStrategy[InvalidCreation]:
    """Return a strategy of ``InvalidCreation`` values, which break one rule of their type's schema.

    Each value also names the rule. Raises NotFound for an unknown type.
    """
    return invalid_creations(candidates(type))


def responses(type: TypeName | None = None, /) -> SearchStrategy[dict[str, Any]]:
    """Return a strategy of responses, dicts in the shape that the type has.

    They are the fake's made-up responses to tasks with any parameters, but the number and the
    places of the annotations vary. Raises NotFound for an unknown type.
    """
    return task_objects(type, status="completed").map(lambda task: dict(task["response"]))


def task_objects(
    type: TypeName | None = None, /, *, status: TaskStatus | None = None, **members: Any
) -> SearchStrategy[dict[str, Any]]:
    """Return a strategy of tasks, dicts as the API prints them.

    ``status`` is the status of the tasks; without it, any status is drawn. ``members`` sets
    members of the creation, as for ``tasks``. The unique_ids come from a few values, so two
    tasks may have the same. Raises NotFound for an unknown type, and ValueError for an unknown
    status.
    """
    statuses = list(Status) if status is None else [Status(status)]
    return printed_tasks(candidates(type), statuses, members)


def threads() -> SearchStrategy[list[dict[str, Any]]]:
    """Return a strategy of threads, the member ``threads`` of a response to a chat task.

    They have annotations of all twelve kinds, and ids that differ. They lack what the official
    client cannot read: ``attachments``, single files, and ``last_code_run_event``.
    """
    return drawn_threads()


def v2_requests(path: str | None = None, /, **members: Any) -> SearchStrategy[V2Request]:
    """Return a strategy of ``V2Request`` values: a ``POST`` of v2 with a valid body.

    ``path`` is the path, like ``/v2/task/chat``; without it, any is drawn. ``members`` sets
    members of the body, where the path knows them: each is a value or a strategy of values, and
    None leaves the member out. A member that names a project, a batch or a task is there only if
    you give it. Raises NotFound for an unknown path.
    """
    return v2_bodies(paths(path), members)
