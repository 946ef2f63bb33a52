"""The values: a task, and the table of what can happen to it.

A task never changes. Each thing that can be done to one is a method that returns the task
as it is afterwards, or raises BadRequest; ``TRANSITIONS`` says which are allowed when.
"""

import dataclasses
import enum
import json
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, Self

from fakescale.values.answer import encode
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

# What a task can go through: (state, action) -> status. What is not here cannot happen.
# The state is the status, but for a pending task that a labeler has begun: "started".
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

# What happens to a task, by its status before and after (documented). An audit changes none.
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

    Fields stand in the order in which they are printed; ``None`` and empty lists stand for
    members that are left out, ``False`` too but in those of ``_PRINTED_FALSE``. Objects, those
    of ``_PACKED``, come back frozen, a new one each time.
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
    #: Texts, but for a task that was loaded.
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
        members = []
        for label, slot, is_packed, prints_false in _MEMBERS:
            value = slot(self)
            if isinstance(value, str):
                members.append(label + (value if is_packed else quoted(value)))
            elif value is True or (value is False and prints_false):
                members.append(label + ("true" if value else "false"))
            elif value is not None and value is not False and value != []:
                members.append(label + encode(value))
        extra = _EXTRA(self)
        return "{" + ",".join([*members, extra[1:-1]] if extra else members) + "}"

    def changed(self, now: str, **changes: Any) -> Self:
        """Return the task with other values in some fields, updated at ``now``."""
        # A made-up labeler of test mode finishes a few ms after the creation, so `now`
        # may be earlier than the last update; it never goes back.
        return self.replaced(updated_at=max(now, self.updated_at), **changes)

    def replaced(self, **changes: Any) -> Self:
        """Return the task with other values in some fields."""
        # dataclasses.replace would unpack all that is packed, and pack it again.
        copy = object.__new__(type(self))
        for slot in _SLOTS:
            slot.__set__(copy, slot.__get__(self))
        for name, value in changes.items():
            object.__setattr__(copy, name, value)
        return copy

    def called_back(self, *, succeeded: bool) -> Self:
        """Return the task once its callback's outcome is known; no update (guessed)."""
        return self.replaced(callback_completed=succeeded, callback_succeeded=succeeded)

    def started(self, now: str) -> Self:
        """Return the task after a labeler began to work on it."""
        return self._moved("start", now, work_started=True)

    def completed(self, now: str, response: Mapping[str, Any]) -> Self:
        """Return the task after its work was done, with the result."""
        moment = max(now, self.updated_at)
        return self._moved("complete", moment, completed_at=moment, response=response)

    def failed(self, now: str, response: Mapping[str, Any]) -> Self:
        """Return the task after an error, whose detail is in ``response`` (documented)."""
        unique_id = None if self.clear_unique_id_on_error else self.unique_id
        return self._moved("fail", now, response=response, unique_id=unique_id)

    def canceled(self, now: str, *, clear_unique_id: bool) -> Self:
        """Return the task after a cancel call; it gets no ``completed_at`` (documented)."""
        unique_id = None if clear_unique_id else self.unique_id
        if self.status is Status.CANCELED and unique_id == self.unique_id:
            return self
        return self._moved("cancel", now, unique_id=unique_id)

    def recalled(self, now: str) -> Self:
        """Return the task after it was taken back to pending (documented).

        That its result and its start are gone then is guessed.
        """
        return self._moved("recall", now, completed_at=None, response=None, work_started=False)

    def audited(
        self, now: str, *, result: str, comments: str | None, source: str, audited_by: str
    ) -> Self:
        """Return the task after an audit, which is put before the earlier ones.

        The entry's members are documented. That a customer's audit sets the review status
        and collects the comments is guessed, and so is that it takes no time.
        """
        audit = freeze(
            {
                "audited_by": audited_by,
                "audited_at": now,
                "audit_time_secs": 0,
                "audit_result": result,
                "audit_source": source,
            }
        )
        changes: dict[str, Any] = {"audits": FrozenList([audit, *self.audits])}
        if source == "customer":
            changes["customer_review_status"] = result
            if comments:
                texts = [comments, *self.customer_review_comments]
                changes["customer_review_comments"] = FrozenList(texts)
        return self._moved("audit", now, **changes)

    def _moved(self, action: str, now: str, **changes: Any) -> Self:
        state = "started" if self.work_started and self.status is Status.PENDING else self.status
        status = TRANSITIONS.get((state, action))
        if status is None:
            refusal = f"The task is {state} and cannot be {_PAST[action]}."  # guessed
            raise BadRequest(_REFUSALS.get((state, action), refusal))
        return self.changed(now, status=status, **changes)


def event(before: Task, after: Task) -> str | None:
    """Return what there is to tell of a change: an event, or None."""
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


class _Packed:
    """A field whose object is held as JSON text.

    That takes a fifth of the memory, gives the garbage collector one object of a task to
    visit instead of dozens, and is what is sent.
    """

    def __init__(self, slot: Any) -> None:
        self._slot = slot

    def __get__(self, task: Task | None, owner: type[Task]) -> Any:
        if task is None:
            return self
        held = self._slot.__get__(task)
        return freeze(json.loads(held)) if isinstance(held, str) else held

    def __set__(self, task: Task, value: Mapping[str, Any] | None) -> None:
        if value == {}:
            value = EMPTY_DICT  # which all share, and nobody can change
        self._slot.__set__(task, encode(value) if value else value)


_PRINTED_FALSE = {"is_test", "callback_completed", "callback_succeeded"}
_PACKED = ("params", "response", "metadata", "extra")

_FIELDS: Mapping[str, Any] = {it.name: Task.__dict__[it.name] for it in dataclasses.fields(Task)}
_SLOTS = list(_FIELDS.values())
_EXTRA = _FIELDS["extra"].__get__
# How each is printed: its label, what reads it, and whether it is packed, printed when False.
_MEMBERS = [
    (
        f'"{"task_id" if name == "id" else name}":',
        slot.__get__,
        name in _PACKED,
        name in _PRINTED_FALSE,
    )
    for name, slot in _FIELDS.items()
    if name not in ("clear_unique_id_on_error", "extra")
]
for _name in _PACKED:
    setattr(Task, _name, _Packed(_FIELDS[_name]))
