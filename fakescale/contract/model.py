"""A plain model of the API: a list of tasks, a few dicts and a clock.

The model follows the facts about the API and uses no code of the fake, so that the two can
disagree. Tasks are dicts as the API prints them.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

Printed = dict[str, Any]

DAY = dt.timedelta(hours=24)
STATUSES = ("pending", "completed", "canceled", "error")
_MOST_TAGS = 5
# Members of a creation's body that a printed task has beside its params.
_OWN = {"instruction", "metadata", "unique_id", "tags", "project", "batch"}
_NOT_TOLD = {"clear_unique_id_on_error"}
# The moves of a batch that its status allows.
_MOVES = {"in_progress": ("pause", "cancel"), "paused": ("resume", "cancel")}


def stamp(moment: dt.datetime) -> str:
    """Return a moment as the API prints it: in UTC, with milliseconds."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


class Refused(Exception):
    """The API answers with ``status`` and an error."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Use(NamedTuple):
    """The first use of an Idempotency-Key: its time, the request and the answer."""

    since: dt.datetime
    request: Any
    answer: Any


class Model:
    """An account. Each action of a client or a labeler is a method, which may raise Refused."""

    def __init__(self, now: dt.datetime, *, is_test: bool) -> None:
        self.now = now
        self.is_test = is_test
        self.tasks: list[Printed] = []
        #: The versions of the parameters of each project, oldest first.
        self.projects: dict[str, list[Mapping[str, Any]]] = {}
        #: The project of each batch.
        self.batches: dict[str, str] = {}
        self._held: dict[str, str] = {}  # the batches that are paused or cancelled
        self.keys: dict[str, Use] = {}
        self._clears_on_error: set[int] = set()
        self._started: set[int] = set()

    @property
    def moment(self) -> str:
        """The present moment as the API prints it."""
        return stamp(self.now)

    # Creation.

    def saved(self, key: str, request: Any) -> Any:
        """Return the answer saved under a key; None if there is none or it is a day old."""
        use = self.keys.get(key)
        if use is None or self.now - use.since >= DAY:
            return None
        if use.request != request:
            raise Refused(409)
        return use.answer

    def save(self, key: str, request: Any, answer: Any) -> None:
        """Save the answer to the first use of a key, even a refusal."""
        self.keys[key] = Use(self.now, request, answer)

    def create(self, type: str, body: Mapping[str, Any]) -> Printed:
        """Return the new task, which has no ``task_id`` yet."""
        if not isinstance(body.get("metadata", {}), dict):
            raise Refused(400)
        tags = self._tags(body.get("tags", []))
        if len(tags) > _MOST_TAGS:
            raise Refused(400)
        self._check_unique_id(body.get("unique_id"), None)
        batch = body.get("batch")
        if batch and self._held.get(batch) == "cancelled":
            raise Refused(400)
        project = body.get("project", self.batches.get(batch) if batch else None)
        versions = self.projects[project] if project else []
        work = {**versions[-1], **body} if versions else body
        task = {
            "created_at": self.moment,
            "updated_at": self.moment,
            "type": type,
            "status": "pending",
            "params": {k: v for k, v in work.items() if k not in _OWN | _NOT_TOLD},
            "metadata": {},
            "is_test": self.is_test,
            "urgency": "standard",
            "processed_attachments": [],
            **{k: v for k, v in body.items() if k in _OWN},
            **({"project": project} if project else {}),
            **({"project_param_version": len(versions) - 1} if versions else {}),
        }
        self._put(task, "tags", tags)
        if body.get("clear_unique_id_on_error"):
            self._clears_on_error.add(id(task))
        self.tasks.append(task)
        return task

    # Actions of a client.

    def cancel(self, task: Printed, *, clear_unique_id: bool) -> None:
        """Cancel a pending or canceled task; its unique_id stays unless it is cleared."""
        if task["status"] not in ("pending", "canceled") or id(task) in self._started:
            raise Refused(400)
        if task["status"] == "pending" or (clear_unique_id and "unique_id" in task):
            self._touch(task)
        task["status"] = "canceled"
        if clear_unique_id:
            task.pop("unique_id", None)

    def set_metadata(self, task: Printed, metadata: Any) -> None:
        """Replace the metadata."""
        if not isinstance(metadata, dict):
            raise Refused(400)
        task["metadata"] = metadata
        self._touch(task)

    def merge_metadata(self, task: Printed, metadata: Any) -> None:
        """Merge the metadata deeply; v2 does not know a task without a project."""
        if not isinstance(metadata, dict):
            raise Refused(400)
        if "project" not in task:
            raise Refused(404)
        task["metadata"] = _merged(task["metadata"], metadata)
        self._touch(task)

    def change_tags(self, verb: str, task: Printed, given: Sequence[str]) -> None:
        """Add tags at the end (PUT), replace all tags (POST), or remove tags (DELETE)."""
        before, given = task.get("tags", []), self._tags(given)
        after = {
            "PUT": before + [tag for tag in given if tag not in before],
            "POST": given,
            "DELETE": [tag for tag in before if tag not in given],
        }[verb]
        if len(after) > _MOST_TAGS:
            raise Refused(400)
        if after != before:
            self._put(task, "tags", after)
            self._touch(task)

    def set_unique_id(self, task: Printed, unique_id: str) -> None:
        """Give the task another unique_id; the old one becomes free."""
        self._check_unique_id(unique_id, task)
        task["unique_id"] = unique_id
        self._touch(task)

    def clear_unique_id(self, task: Printed) -> None:
        """Remove the unique_id, if the task has one."""
        if task.pop("unique_id", None) is not None:
            self._touch(task)

    def audit(self, task: Printed, *, accepted: bool, comments: str | None) -> None:
        """Add an audit before the older ones (the members that it sets are guessed)."""
        if task["status"] != "completed":
            raise Refused(400)
        result = "accepted" if accepted else "rejected"
        audit = {
            "audited_at": self.moment,
            "audit_result": result,
            "audit_source": "customer",
        }
        task["audits"] = [audit, *task.get("audits", [])]
        task["customer_review_status"] = result
        if comments:
            said = task.get("customer_review_comments", [])
            task["customer_review_comments"] = [comments, *said]
        self._touch(task)

    # Actions of a client on a batch, in v2.

    def move_batch(self, batch: str, action: str) -> None:
        """Pause, resume, cancel or finalize a batch that never was in staging.

        The tasks of a paused batch stay pending. A pause changes nothing without one.
        """
        if action not in _MOVES.get(self.progress(batch)["status"], ()):
            raise Refused(400)
        tasks = [task for task in self.tasks if task.get("batch") == batch]
        pending = [task for task in tasks if task["status"] == "pending"]
        if action == "resume":
            del self._held[batch]
        elif action == "cancel":
            self._held[batch] = "cancelled"
            for task in pending:
                if id(task) not in self._started:
                    self.cancel(task, clear_unique_id=False)
        elif pending:
            self._held[batch] = "paused"

    # Actions of labelers.

    def start(self, task: Printed) -> None:
        """Start the work; the task cannot be canceled any more."""
        if task["status"] != "pending" or id(task) in self._started:
            raise Refused(400)
        self._started.add(id(task))
        task["work_started"] = True
        self._touch(task)

    def complete(self, task: Printed, response: Mapping[str, Any]) -> None:
        """Complete the task with a response."""
        self._end(task, "completed", response)
        task["completed_at"] = task["updated_at"]

    def fail(self, task: Printed, response: Mapping[str, Any]) -> None:
        """End the task in error; this frees its unique_id if the creation asked for it."""
        self._end(task, "error", response)
        if id(task) in self._clears_on_error:
            task.pop("unique_id", None)

    # Lists and counters.

    def listed(self, filters: Mapping[str, Sequence[str]]) -> list[Printed]:
        """Return the tasks that match all filters, newest first. A comma separates values."""
        wanted = {name: ",".join(values).split(",") for name, values in filters.items()}
        tasks = [
            task
            for task in self.tasks
            if all(_FILTERS[name](task, values) for name, values in wanted.items())
        ]
        return sorted(tasks, key=lambda task: (task["created_at"], task["task_id"]), reverse=True)

    def progress(self, batch: str) -> Printed:
        """Return the status of a batch and its counters.

        It is completed if no task is pending, unless it is paused or cancelled.
        """
        counts = Counter(task["status"] for task in self.tasks if task.get("batch") == batch)
        done = counts and not counts["pending"]
        numbers = {status: counts[status] for status in STATUSES}
        status = self._held.get(batch, "completed" if done else "in_progress")
        return {"status": status, **numbers}

    def _touch(self, task: Printed) -> None:
        task["updated_at"] = self.moment

    def _end(self, task: Printed, status: str, response: Mapping[str, Any]) -> None:
        if task["status"] != "pending":
            raise Refused(400)
        task["status"] = status
        task["response"] = response
        self._touch(task)

    def _check_unique_id(self, unique_id: str | None, own: Printed | None) -> None:
        for task in self.tasks:
            if unique_id is not None and task is not own and task.get("unique_id") == unique_id:
                raise Refused(409)

    @staticmethod
    def _tags(tags: Sequence[str]) -> list[str]:
        if "" in tags:
            raise Refused(400)
        return list(dict.fromkeys(tags))

    @staticmethod
    def _put(task: Printed, name: str, value: Any) -> None:
        """Set a member, or remove it if the value is empty."""
        if value:
            task[name] = value
        else:
            task.pop(name, None)


def _merged(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return {**old, **{name: _merged(old.get(name), value) for name, value in new.items()}}


# Whether a filter with these values keeps a task. Several values of a filter are alternatives,
# and bounds of time are inclusive (both guessed).
_Keep = Callable[[Printed, Sequence[str]], bool]


def _any_of(name: str) -> _Keep:
    return lambda task, values: task.get(name) in values


def _since(name: str) -> _Keep:
    return lambda task, values: name in task and task[name] >= values[0]


def _until(name: str) -> _Keep:
    return lambda task, values: name in task and task[name] <= values[0]


_FILTERS: Mapping[str, _Keep] = {
    "status": _any_of("status"),
    "type": _any_of("type"),
    "project": _any_of("project"),
    "batch": _any_of("batch"),
    "unique_id": _any_of("unique_id"),
    "customer_review_status": _any_of("customer_review_status"),
    "tags": lambda task, values: not {*values}.isdisjoint(task.get("tags", [])),
    "start_time": _since("created_at"),
    "end_time": _until("created_at"),
    "completed_after": _since("completed_at"),
    "completed_before": _until("completed_at"),
    "updated_after": _since("updated_at"),
    "updated_before": _until("updated_at"),
}
