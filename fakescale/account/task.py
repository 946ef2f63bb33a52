"""A task, and its moves.

A task never changes. Each move is a function that takes a task and returns the task as it is
afterwards, or raises BadRequest. ``TRANSITIONS`` says which moves are allowed when.
"""

import dataclasses
import enum
import json
from collections.abc import Mapping, Sequence
from typing import Any

from fakescale.account.packing import Packing
from fakescale.values.errors import BadRequest
from fakescale.values.frozen import EMPTY_DICT, EMPTY_LIST, FrozenDict, FrozenList, freeze


class Status(enum.StrEnum):
    """The statuses of a task (documented)."""

    PENDING = "pending"
    COMPLETED = "completed"
    CANCELED = "canceled"
    ERROR = "error"


class ReviewStatus(enum.StrEnum):
    """The outcomes of an audit (documented); ``pending`` is never reached here."""

    ACCEPTED = "accepted"
    FIXED = "fixed"
    COMMENTED = "commented"
    REJECTED = "rejected"
    PENDING = "pending"


AUDIT_RESULTS = tuple(status for status in ReviewStatus if status != ReviewStatus.PENDING)

# The moves: (state, action) -> status. All others are refused.
# The state is the status, except that of a pending task that a labeler has begun: "started".
TRANSITIONS: Mapping[tuple[str, str], Status] = {
    ("pending", "start"): Status.PENDING,
    ("pending", "complete"): Status.COMPLETED,
    ("pending", "fail"): Status.ERROR,
    ("pending", "cancel"): Status.CANCELED,
    # Documented only as a remark of the API's staff: begun work cannot be canceled.
    ("started", "complete"): Status.COMPLETED,
    ("started", "fail"): Status.ERROR,
    # Documented: canceling is idempotent.
    ("canceled", "cancel"): Status.CANCELED,
    ("completed", "audit"): Status.COMPLETED,
    ("completed", "recall"): Status.PENDING,
}

# The events of a task, by its status before and after (documented). An audit changes none.
EVENTS: Mapping[tuple[str, str], str] = {
    ("pending", "completed"): "completed",
    ("pending", "error"): "error",
    ("completed", "pending"): "recall",
}

_REFUSALS = {
    # Observed, in 2016, with status 500; documented as 400 since.
    ("completed", "cancel"): "The task was already completed and cannot be canceled.",
}
_PAST = {
    "start": "started",
    "complete": "completed",
    "fail": "failed",
    "cancel": "canceled",
    "audit": "audited",
    "recall": "recalled",
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task at one moment. Times are text as the API prints them, in UTC.

    Fields are printed in their order; ``_PACKING`` says how. Objects come back frozen, a new
    one each time.
    """

    id: str
    created_at: str
    updated_at: str
    completed_at: str | None = None
    type: str
    status: Status = Status.PENDING
    instruction: str | None = None
    params: Mapping[str, Any] = EMPTY_DICT
    callback_url: str | None = None
    #: Whether the latest callback succeeded, once that is known; printed under both names
    #: (the first is documented and observed, the second on the page about callbacks).
    callback_completed: bool | None = None
    callback_succeeded: bool | None = None
    response: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] = EMPTY_DICT
    audits: Sequence[Mapping[str, Any]] = EMPTY_LIST
    tags: Sequence[str] = EMPTY_LIST
    unique_id: str | None = None
    project: str | None = None
    batch: str | None = None
    project_param_version: int | None = None
    is_test: bool = False
    priority: int | None = None
    urgency: str | None = None
    work_started: bool = False
    customer_review_status: str | None = None
    #: Texts, unless the task was loaded.
    customer_review_comments: Sequence[Any] = EMPTY_LIST
    #: Not printed (guessed: it is in no known example of a task).
    clear_unique_id_on_error: bool = False
    #: Printed members that mean nothing here, kept from a task that was loaded.
    extra: Mapping[str, Any] = EMPTY_DICT

    def __hash__(self) -> int:
        return hash(self.id)

    def to_json(self) -> dict[str, Any]:
        """Return the task as the API prints it: a new dict of frozen members."""
        printed: dict[str, Any] = freeze(json.loads(self.to_text()))
        return dict(printed)

    def to_limited_json(self) -> dict[str, Any]:
        """Return the task as a list with ``limited_response`` prints it.

        Documented, with one member more, of which nothing is known but the name.
        """
        printed = self.to_json()
        names = ("task_id", "status", "metadata", "project")
        return {name: printed[name] for name in names if name in printed}

    def to_text(self) -> str:
        """Return the JSON text of the task as the API prints it, compact and in ASCII."""
        return _PACKING.to_text(self)


_PACKING = Packing(
    Task,
    packed=("params", "response", "metadata", "extra"),
    labels={"id": "task_id"},
    hidden=("clear_unique_id_on_error",),
    prints_false=("is_test", "callback_completed", "callback_succeeded"),
    extra="extra",
)


# The moves. They are no methods, since ``task.completed`` would be true of every task.


def replace(task: Task, **changes: Any) -> Task:
    """Return the task with other values in some fields."""
    return _PACKING.replace(task, changes)


def update(task: Task, now: str, **changes: Any) -> Task:
    """Return the task with other values in some fields, updated at ``now``."""
    # A made-up labeler of test mode finishes a few ms after the creation, so `now`
    # may be earlier than the last update; it never goes back.
    return replace(task, updated_at=max(now, task.updated_at), **changes)


def note_callback(task: Task, *, succeeded: bool) -> Task:
    """Return the task once its callback's outcome is known; no update (guessed)."""
    return replace(task, callback_completed=succeeded, callback_succeeded=succeeded)


def start(task: Task, now: str) -> Task:
    """Return the task after a labeler began to work on it."""
    return _move(task, "start", now, work_started=True)


def complete(task: Task, now: str, response: Mapping[str, Any]) -> Task:
    """Return the task after its work was done, with the result."""
    moment = max(now, task.updated_at)
    return _move(task, "complete", moment, completed_at=moment, response=response)


def fail(task: Task, now: str, response: Mapping[str, Any]) -> Task:
    """Return the task after an error, whose detail is in ``response`` (documented)."""
    unique_id = None if task.clear_unique_id_on_error else task.unique_id
    return _move(task, "fail", now, response=response, unique_id=unique_id)


def cancel(task: Task, now: str, *, clear_unique_id: bool) -> Task:
    """Return the task after a cancel call; it gets no ``completed_at`` (documented)."""
    unique_id = None if clear_unique_id else task.unique_id
    if task.status is Status.CANCELED and unique_id == task.unique_id:
        return task
    return _move(task, "cancel", now, unique_id=unique_id)


def recall(task: Task, now: str) -> Task:
    """Return the task after it was taken back to pending (documented).

    Guessed: its result and its start are gone then.
    """
    return _move(task, "recall", now, completed_at=None, response=None, work_started=False)


def audit(
    task: Task, now: str, *, result: str, comments: str | None, source: str, audited_by: str
) -> Task:
    """Return the task after an audit, which is put before the earlier ones.

    The entry's members are documented. Guessed: a customer's audit sets the review status
    and collects the comments, and it takes no time.
    """
    entry = freeze(
        {
            "audited_by": audited_by,
            "audited_at": now,
            "audit_time_secs": 0,
            "audit_result": result,
            "audit_source": source,
        }
    )
    changes: dict[str, Any] = {"audits": FrozenList([entry, *task.audits])}
    if source == "customer":
        changes["customer_review_status"] = result
        if comments:
            texts = [comments, *task.customer_review_comments]
            changes["customer_review_comments"] = FrozenList(texts)
    return _move(task, "audit", now, **changes)


def _move(task: Task, action: str, now: str, **changes: Any) -> Task:
    state = "started" if task.work_started and task.status is Status.PENDING else task.status
    status = TRANSITIONS.get((state, action))
    if status is None:
        refusal = f"The task is {state} and cannot be {_PAST[action]}."  # guessed
        raise BadRequest(_REFUSALS.get((state, action), refusal))
    return update(task, now, status=status, **changes)


def event(before: Task, after: Task) -> str | None:
    """Return the event that a callback tells of a change, or None."""
    if before.status != after.status:
        return EVENTS.get((before.status, after.status))
    return "audit" if before.audits != after.audits else None


def task_body(task: Task) -> FrozenDict:
    """Return the body of a callback about ``task`` (documented).

    Guessed: that ``response`` is left out where there is none, and that ``status`` is the
    task's own also after an audit and a recall.
    """
    response = {} if task.response is None else {"response": task.response}
    subject = {"task_id": task.id, "status": str(task.status)}
    return FrozenDict({"task": FrozenDict(task.to_json()), **response, **subject})
