"""Tasks as the API once printed them: how they are read back and checked."""

import functools
import json
import os
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from fakescale.account.task import Status, Task, replace
from fakescale.values.clock import read_moment, stamp
from fakescale.values.errors import BadRequest, Conflict, invalid
from fakescale.values.frozen import MAX_WRAPPED_DEPTH, FrozenDict
from fakescale.values.schemas import TEXT, TEXTS, Checker, frozen_json

#: The path of a JSON file. It is `Annotated`, so that control over HTTP takes no such text: a
#: server reads no files for its clients.
JsonFile = Annotated[str, "the path of a JSON file"] | os.PathLike[str]

_MOMENT = {"type": "string", "format": "moment"}

# The members of a printed task that the fake knows.
_SCHEMA = {
    "type": "object",
    "required": ["task_id", "created_at", "type", "status"],
    "properties": {
        "task_id": TEXT,
        "created_at": _MOMENT,
        "updated_at": _MOMENT,
        "completed_at": _MOMENT,
        "type": TEXT,
        "status": {"enum": list(Status)},
        "instruction": {"type": "string"},
        "params": {"type": "object"},
        "callback_url": TEXT,
        "callback_completed": {"type": "boolean"},
        "callback_succeeded": {"type": "boolean"},
        "response": {"type": "object"},
        "metadata": {"type": "object"},
        "audits": {"type": "array", "items": {"type": "object"}},
        "tags": TEXTS,
        "unique_id": TEXT,
        "project": TEXT,
        "batch": TEXT,
        "project_param_version": {"type": "integer"},
        "is_test": {"type": "boolean"},
        "priority": {"type": "integer"},
        "urgency": {"type": "string"},
        "processed_attachments": {"type": "array"},
        "document_pages": {"type": "array", "items": {"type": "object"}},
        "work_started": {"type": "boolean"},
        "customer_review_status": TEXT,
        "customer_review_comments": {"type": "array"},
    },
}


@functools.cache
def _checker() -> Checker:
    return Checker(_SCHEMA)


def read_task(printed: Any, name: str = "", *, is_test: bool) -> Task:
    """Return the task that the API would print as ``printed``.

    Unknown members are kept in ``extra`` and printed again. ``null`` counts as absent. Raises
    BadRequest for a bad member; the message names it as a part of ``name``.
    """
    frozen = frozen_json(name or "value", printed, MAX_WRAPPED_DEPTH)
    if isinstance(frozen, Mapping):
        frozen = FrozenDict({name: item for name, item in frozen.items() if item is not None})
    _checker().check(frozen, name)
    members = dict(frozen)
    fields = {name: members.pop(name) for name in _SCHEMA["properties"] if name in members}
    fields |= {
        name: stamp(read_moment(fields[name]))
        for name in ("created_at", "updated_at", "completed_at")
        if name in fields
    }
    fields.setdefault("updated_at", fields.get("completed_at", fields["created_at"]))
    fields["id"] = fields.pop("task_id")
    fields["status"] = Status(fields["status"])
    fields["is_test"] = is_test
    return Task(**fields, extra=FrozenDict(members))


def read_tasks(printed: Iterable[Any], *, is_test: bool) -> list[Task]:
    """Return the tasks that the API would print as ``printed``.

    Raises BadRequest for a bad task; the message names its index.
    """
    return [read_task(it, f"[{index}]", is_test=is_test) for index, it in enumerate(printed)]


def check_new(tasks: Iterable[Task], ids: Container[str], unique_ids: Container[str]) -> None:
    """Raise Conflict if an id or unique_id of ``tasks`` is in use or comes twice."""
    seen_ids, seen_unique_ids = set[str](), set[str]()
    for task in tasks:
        if task.id in ids or task.id in seen_ids:
            raise Conflict(f'There is already a task with the task_id "{task.id}".')
        seen_ids.add(task.id)
        if task.unique_id is not None:
            if task.unique_id in unique_ids or task.unique_id in seen_unique_ids:
                raise Conflict(f'The unique_id ("{task.unique_id}") is already used.')
            seen_unique_ids.add(task.unique_id)


def with_projects(tasks: Sequence[Task], home: Callable[[str], str | None]) -> list[Task]:
    """Return the tasks, each in the project of its batch.

    ``home`` returns the project of a batch that exists, or else None. Raises BadRequest if a
    task names another project, or a batch whose project is unknown.
    """
    named = {task.batch: task.project for task in tasks[::-1] if task.project is not None}
    housed = []
    for index, task in enumerate(tasks):
        project = task.project
        if task.batch is not None:
            project = home(task.batch) or named.get(task.batch)
            if project is None:
                phrase = "must be the name of a batch, unless the task names a project"
                raise invalid(f"[{index}].batch", phrase, task.batch)
            if task.project not in (None, project):
                phrase = f'must be that of the batch, "{project}"'
                raise invalid(f"[{index}].project", phrase, task.project)
        housed.append(task if project == task.project else replace(task, project=project))
    return housed


def read_file(text: str) -> Any:
    """Return the content of a file of tasks; raises BadRequest if it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"The content is not JSON: {error}") from None


def read_json_file(path: str | os.PathLike[str]) -> Any:
    """Return the content of a JSON file.

    Raises OSError if the file cannot be read, BadRequest if it is not JSON.
    """
    try:
        return json.loads(Path(path).read_bytes())
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{os.fspath(path)} is not a JSON file: {error}") from None


def printed_tasks(content: Any) -> list[Any]:
    """Return the printed tasks in ``content``: a page of the list of tasks, or an array.

    Raises BadRequest for any other content.
    """
    tasks = content.get("docs") if isinstance(content, Mapping) else content
    if not isinstance(tasks, list):
        raise BadRequest("The content is neither an array of tasks nor a page with docs.")
    return tasks
