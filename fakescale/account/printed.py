"""Reading tasks back that the API once printed."""

import functools
import json
from collections.abc import Mapping
from typing import Any

from fakescale.account.task import Status, Task
from fakescale.values.clock import read_moment, stamp
from fakescale.values.errors import BadRequest
from fakescale.values.frozen import FrozenDict
from fakescale.values.schemas import TEXT, TEXTS, Checker, frozen_json

_MOMENT = {"type": "string", "format": "moment"}

# The members of a printed task that mean something here.
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
        "work_started": {"type": "boolean"},
        "customer_review_status": TEXT,
        "customer_review_comments": {"type": "array"},
    },
}


@functools.cache
def _checker() -> Checker:
    return Checker(_SCHEMA)


def read_task(printed: Any, name: str = "", *, is_test: bool) -> Task:
    """Return the task that the API would print as ``printed``; ``name`` is for refusals.

    Members without a meaning here are kept and printed again; ``null`` counts as absent.
    Raises BadRequest, naming the member, when it is no such task.
    """
    frozen = frozen_json(name or "value", printed)
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


def read_file(text: str) -> Any:
    """Return what a file of tasks holds; raises BadRequest when it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"it is not JSON: {error}") from None


def printed_tasks(content: Any) -> list[Any]:
    """Return the tasks in a page of the list, or in an array.

    Raises BadRequest when it is neither.
    """
    tasks = content.get("docs") if isinstance(content, Mapping) else content
    if not isinstance(tasks, list):
        raise BadRequest("it is neither an array of tasks nor a page with docs")
    return tasks
