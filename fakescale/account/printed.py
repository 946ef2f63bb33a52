"""Tasks as the API once printed them, and as a dump holds them: how they are read and checked."""

import functools
import json
import os
import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from fakescale.account.task import Status, Task, replace
from fakescale.values.answer import decode
from fakescale.values.clock import read_moment, stamp
from fakescale.values.errors import BadRequest, Conflict, invalid
from fakescale.values.frozen import EMPTY_DICT, MAX_WRAPPED_DEPTH
from fakescale.values.schemas import TEXT, TEXTS, Checker, check_depth, frozen_json

#: The path of a JSON file. It is `Annotated`, so that control over HTTP takes no such text: a
#: server reads no files for its clients.
JsonFile = Annotated[str, "the path of a JSON file"] | os.PathLike[str]

_MOMENT = {"type": "string", "format": "moment"}
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)

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
        "sensitive_content_reports": {"type": "array", "items": {"type": "object"}},
    },
}


@functools.cache
def _checker() -> Checker:
    return Checker(_SCHEMA)


@functools.cache
def _beside_checker() -> Checker:
    return Checker(_BESIDE)


def read_task(printed: Any, name: str = "", *, is_test: bool, is_json: bool = False) -> Task:
    """Return the task that the API would print as ``printed``.

    Unknown members are printed again. ``null`` counts as absent. ``is_json`` says that
    ``printed`` was read from JSON. Raises BadRequest for a bad member; the message names it as a
    part of ``name``.
    """
    if not is_json:
        printed = frozen_json(name or "value", printed, MAX_WRAPPED_DEPTH)
    if isinstance(printed, Mapping):
        printed = {name: item for name, item in printed.items() if item is not None}
    _checker().check(printed, name)
    for moment in ("created_at", "updated_at", "completed_at"):
        if moment in printed and not _STAMP.fullmatch(printed[moment]):
            printed[moment] = stamp(read_moment(printed[moment]))
    printed.setdefault("updated_at", printed.get("completed_at", printed["created_at"]))
    printed["is_test"] = is_test
    task = Task(printed)
    text = task.to_text()
    if text.count(b"{") + text.count(b"[") > MAX_WRAPPED_DEPTH:  # only then can it nest so deep
        check_depth(name or "value", printed, MAX_WRAPPED_DEPTH)
    return task


def read_tasks(printed: Iterable[Any], *, is_test: bool, is_json: bool = False) -> list[Task]:
    """Return the tasks that the API would print as ``printed``, as ``read_task`` does.

    Raises BadRequest for a bad task; the message names its index.
    """
    return [
        read_task(it, f"[{index}]", is_test=is_test, is_json=is_json)
        for index, it in enumerate(printed)
    ]


# A dump holds these members of a task beside those that the API prints. A task without any has no
# entry. ``extra`` has the names of the members that the fake does not know.
_BESIDE = {
    "type": "object",
    "properties": {
        "traceback": {"type": "string"},
        "clear_unique_id_on_error": {"type": "boolean"},
        "extra": TEXTS,
    },
    "additionalProperties": False,
}


def dump_tasks(tasks: Iterable[Task]) -> dict[str, Any]:
    """Return JSON-able data for ``read_dump``: the printed ``tasks``, and more ``beside`` them."""
    printed, beside = [], {}
    for task in tasks:
        printed.append(members := decode(task.to_text()))
        more: dict[str, Any] = {}
        if extra := [name for name in members if name not in _SCHEMA["properties"]]:
            more["extra"] = extra
        if task.traceback is not None:
            more["traceback"] = task.traceback
        if task.clear_unique_id_on_error:
            more["clear_unique_id_on_error"] = True
        if more:
            beside[task.id] = more
    return {"tasks": printed, "beside": beside}


def read_dump(data: Mapping[str, Any], *, is_test: bool) -> list[Task]:
    """Return the tasks of a dump, which is JSON; raises BadRequest for any other data."""
    tasks, beside = [], {**data["beside"]}
    for index, printed in enumerate(data["tasks"]):
        task = read_task(printed, f"tasks[{index}]", is_test=is_test, is_json=True)
        more = beside.pop(task.id, EMPTY_DICT)
        if more:
            _beside_checker().check(more, f"beside[{task.id}]")
            task = replace(task, **{name: more[name] for name in more if name != "extra"})
        known = {*_SCHEMA["properties"], *more.get("extra", ())}
        if unknown := printed.keys() - known:
            raise invalid(f"tasks[{index}]", "has an unknown member", min(unknown))
        tasks.append(task)
    for task_id in beside:
        raise invalid("beside", "must hold ids of tasks", task_id)
    try:
        check_new(tasks, (), ())
    except Conflict as error:
        raise BadRequest(str(error)) from None
    return tasks


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
        return decode(text)
    except ValueError as error:
        raise BadRequest(f"The content is not JSON: {error}") from None


def read_json_file(path: str | os.PathLike[str]) -> Any:
    """Return the content of a JSON file, in UTF-8 or UTF-16.

    Raises OSError if the file cannot be read, BadRequest if it is not JSON.
    """
    try:
        content = Path(path).read_bytes()
        return decode(content.decode(json.detect_encoding(content)))
    except ValueError as error:
        raise BadRequest(f"{os.fspath(path)} is not a JSON file: {error}") from None


def printed_tasks(content: Any) -> list[Any]:
    """Return the printed tasks in ``content``: a page of the list of tasks, or an array.

    Raises BadRequest for any other content.
    """
    tasks = content.get("docs") if isinstance(content, Mapping) else content
    if not isinstance(tasks, list):
        raise BadRequest("The content is neither an array of tasks nor a page with docs.")
    return tasks
