"""A task and its moves.

A task never changes. Each move is a function that takes a task and returns the task after the
move, or raises BadRequest. ``TRANSITIONS`` says which moves each state allows.
"""

import enum
from collections.abc import Mapping, Sequence
from sys import intern
from typing import Any, NoReturn

from fakescale.values.answer import decode, encode
from fakescale.values.errors import BadRequest
from fakescale.values.frozen import EMPTY_DICT, EMPTY_LIST, FrozenDict, FrozenList, freeze


class Status(enum.StrEnum):
    """The status of a task (documented)."""

    #: Nobody has labeled the task yet.
    PENDING = "pending"
    #: The task has a response.
    COMPLETED = "completed"
    #: A client canceled the task before a labeler began.
    CANCELED = "canceled"
    #: The task cannot be labeled; its response tells why.
    ERROR = "error"


class ReviewStatus(enum.StrEnum):
    """The outcome of an audit (documented). The fake never sets ``pending``."""

    ACCEPTED = "accepted"
    FIXED = "fixed"
    COMMENTED = "commented"
    REJECTED = "rejected"
    PENDING = "pending"


AUDIT_RESULTS = tuple(status for status in ReviewStatus if status != ReviewStatus.PENDING)

# The moves: (state, action) -> status. Any other pair is refused.
# The state is the status, or "started" for a pending task that a labeler began to work on.
TRANSITIONS: Mapping[tuple[str, str], Status] = {
    ("pending", "start"): Status.PENDING,
    ("pending", "complete"): Status.COMPLETED,
    ("pending", "fail"): Status.ERROR,
    ("pending", "cancel"): Status.CANCELED,
    # Documented only in a remark of the API's staff: started work cannot be canceled.
    ("started", "complete"): Status.COMPLETED,
    ("started", "fail"): Status.ERROR,
    # Documented: canceling is idempotent.
    ("canceled", "cancel"): Status.CANCELED,
    ("completed", "audit"): Status.COMPLETED,
    ("completed", "recall"): Status.PENDING,
}

# The events of a task, by its status before and after (documented). An audit keeps the status.
EVENTS: Mapping[tuple[str, str], str] = {
    ("pending", "completed"): "completed",
    ("pending", "error"): "error",
    ("completed", "pending"): "recall",
}

_REFUSALS = {
    # Observed in 2016 with HTTP status 500; documented as 400 since then.
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


class _Member:
    """A member that a task reads from its text at each access; ``absent`` is its default."""

    def __init__(self, absent: Any) -> None:
        self._absent = absent

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self._name = name

    def __get__(self, task: Any, owner: type[Any]) -> Any:
        return self if task is None else freeze(decode(task._text).get(self._name, self._absent))

    def __repr__(self) -> str:  # for the docs, which show it as the default
        return repr(self._absent)


def _member(absent: Any = None) -> Any:
    return _Member(absent)


class Task:
    """A task at one moment. It never changes.

    A task is the JSON text that the API prints. The members that lists, filters and look-ups
    need are held beside the text, and all others are read from it.

    Times are UTC and have the form in which the API prints them:
    ``2021-06-29T20:21:53.289Z``. The values of members cannot be changed either.
    """

    __slots__ = (
        "_text",
        "batch",
        "clear_unique_id_on_error",
        "completed_at",
        "created_at",
        "customer_review_status",
        "id",
        "project",
        "status",
        "tags",
        "traceback",
        "type",
        "unique_id",
        "updated_at",
    )
    _text: bytes
    _key = "id"

    # The order is the order in which the API prints them.

    #: The id, 24 hex digits unless the task was loaded. Printed as ``task_id``.
    id: str
    #: The time of creation.
    created_at: str
    #: The time of the last change.
    updated_at: str
    #: The time of completion, or None.
    completed_at: str | None
    #: The task type, for example ``imageannotation``.
    type: str
    #: The status. It equals its text, for example ``"pending"``.
    status: Status
    #: The instruction to the labeler, or None.
    instruction: str | None = _member()
    #: The parameters of the task type.
    params: Mapping[str, Any] = _member(EMPTY_DICT)
    #: The address of the task's callbacks, or None for the default of the account.
    callback_url: str | None = _member()
    #: Whether the latest callback succeeded; None until that is known. The name is documented
    #: and observed.
    callback_completed: bool | None = _member()
    #: The same as ``callback_completed``, under its name on the page about callbacks
    #: (documented).
    callback_succeeded: bool | None = _member()
    #: The response of the labeler, or the detail of the error, or None.
    response: Mapping[str, Any] | None = _member()
    #: The metadata, an object.
    metadata: Mapping[str, Any] = _member(EMPTY_DICT)
    #: The audits, newest first.
    audits: Sequence[Mapping[str, Any]] = _member(EMPTY_LIST)
    #: The tags.
    tags: Sequence[str]
    #: The client's own id, unique within the account's mode, or None.
    unique_id: str | None
    #: The name of the project, or None.
    project: str | None
    #: The name of the batch, or None.
    batch: str | None
    #: The version of the project's parameters that the task inherited, or None.
    project_param_version: int | None = _member()
    #: Whether the task was created with a test key.
    is_test: bool = _member(False)
    #: The priority, or None.
    priority: int | None = _member()
    #: The urgency, ``standard`` unless another was given (observed in 2019 and 2023).
    urgency: str = _member("standard")
    #: The attachments that the API has processed. The fake processes none, and an empty list is
    #: all that was observed.
    processed_attachments: Sequence[Any] = _member(EMPTY_LIST)
    #: The size of each page of a document, in the order of the pages (documented).
    document_pages: Sequence[Mapping[str, Any]] = _member(EMPTY_LIST)
    #: Whether a labeler began to work on the task. Such a task cannot be canceled.
    work_started: bool = _member(False)
    #: The result of the customer's latest audit, or None.
    customer_review_status: str | None
    #: The comments of the customer's audits, newest first. They are texts, unless the task was
    #: loaded.
    customer_review_comments: Sequence[Any] = _member(EMPTY_LIST)
    #: The reports of sensitive content, each with ``type`` and ``message`` (documented, in v2).
    #: Guessed: v1 prints them too.
    sensitive_content_reports: Sequence[Mapping[str, Any]] = _member(EMPTY_LIST)

    #: The traceback of the exception by which a labeler failed the task, or None. Not printed.
    traceback: str | None
    #: Whether an error takes the ``unique_id`` away. Not printed (guessed: no known example of
    #: a task has it).
    clear_unique_id_on_error: bool

    def __init__(
        self,
        printed: Mapping[str, Any],
        traceback: str | None = None,
        clear_unique_id_on_error: bool = False,
    ) -> None:
        """Make the task that the API prints with the members ``printed``, which must be JSON.

        Absent members are at their default. Members that the fake does not know are printed
        last.
        """
        members = {
            name: value
            for name, value in {**_PRINTED, **printed}.items()
            if value or (value is not None and name not in _LEFT_OUT_EMPTY)
        }
        hold = object.__setattr__
        hold(self, "_text", encode(members))
        hold(self, "id", members["task_id"])
        hold(self, "created_at", members["created_at"])
        hold(self, "updated_at", members["updated_at"])
        hold(self, "completed_at", members.get("completed_at"))
        hold(self, "type", intern(members["type"]))
        hold(self, "status", _STATUSES[members["status"]])
        tags = members.get("tags", EMPTY_LIST)
        hold(self, "tags", tags if isinstance(tags, FrozenList) else FrozenList(tags))
        hold(self, "unique_id", members.get("unique_id"))
        hold(self, "project", members.get("project"))
        hold(self, "batch", members.get("batch"))
        hold(self, "customer_review_status", members.get("customer_review_status"))
        hold(self, "traceback", traceback)
        hold(self, "clear_unique_id_on_error", clear_unique_id_on_error)

    @property
    def extra(self) -> Mapping[str, Any]:
        """The members of a loaded task that the fake does not know. They are printed again."""
        printed = decode(self._text).items()
        return FrozenDict({name: freeze(it) for name, it in printed if name not in _PRINTED})

    def _refuse(self, *_: Any) -> NoReturn:
        raise AttributeError("a task is a snapshot of the fake's state and cannot be changed")

    __setattr__ = __delattr__ = _refuse

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Task) and self.__reduce__() == other.__reduce__()

    def __hash__(self) -> int:
        return hash(self.id)

    def __reduce__(self) -> tuple[Any, ...]:
        return Task, (decode(self._text), self.traceback, self.clear_unique_id_on_error)

    def __repr__(self) -> str:  # short, since failed tests print it; `to_json` has everything
        unique_id = "" if self.unique_id is None else f" unique_id={self.unique_id!r}"
        return f"<Task {self.id} {self.type} {self.status}{unique_id}>"

    def _repr_svg_(self) -> str:
        """Return the picture of the response, which notebooks show."""
        import fakescale

        return fakescale.draw(self)

    def to_json(self) -> dict[str, Any]:
        """Return the task as the API prints it: a new dict, whose members cannot be changed."""
        printed: dict[str, Any] = freeze(decode(self.to_text()))
        return dict(printed)

    def to_limited_json(self) -> dict[str, Any]:
        """Return the task as a list with ``limited_response`` prints it: a dict of four members.

        Documented. The documentation names a fifth member, but not what it holds.
        """
        printed = self.to_json()
        names = ("task_id", "status", "metadata", "project")
        return {name: printed[name] for name in names if name in printed}

    def to_text(self) -> bytes:
        """Return the JSON text of the task as the API prints it: compact, in UTF-8."""
        return self._text


_STATUSES = {str(status): status for status in Status}
_DEFAULTS = {
    "status": Status.PENDING,
    "params": EMPTY_DICT,
    "metadata": EMPTY_DICT,
    "is_test": False,
    "urgency": "standard",
    "processed_attachments": EMPTY_LIST,
}
# The members in the order of printing, each with its default. None is left out.
_PRINTED = {
    {"id": "task_id"}.get(name, name): _DEFAULTS.get(name)
    for name in Task.__annotations__
    if name not in ("_text", "traceback", "clear_unique_id_on_error")
}
# The members that are also left out if they are False or an empty list.
_LEFT_OUT_EMPTY = {"audits", "tags", "document_pages", "work_started", "customer_review_comments"}
_LEFT_OUT_EMPTY.add("sensitive_content_reports")


# The moves. They are not methods, since a method ``completed`` would be true for every task.


def replace(task: Task, **changes: Any) -> Task:
    """Return the task with ``changes`` to its members, or to what it holds beside them."""
    beside = {
        name: changes.pop(name, getattr(task, name))
        for name in ("traceback", "clear_unique_id_on_error")
    }
    return Task({**decode(task._text), **changes}, **beside)


def update(task: Task, now: str, **changes: Any) -> Task:
    """Return the task with ``changes`` to its fields, updated at ``now``."""
    # In test mode, a task is completed a few ms after its creation, so the last update may be
    # later than `now`. The time never goes back.
    return replace(task, updated_at=max(now, task.updated_at), **changes)


def note_callback(task: Task, *, succeeded: bool) -> Task:
    """Return the task with the outcome of its callback; not an update (guessed)."""
    return replace(task, callback_completed=succeeded, callback_succeeded=succeeded)


def start(task: Task, now: str) -> Task:
    """Return the task after a labeler began to work on it."""
    return _move(task, "start", now, work_started=True)


def complete(task: Task, now: str, response: Mapping[str, Any]) -> Task:
    """Return the task after its completion with ``response``."""
    moment = max(now, task.updated_at)
    return _move(task, "complete", moment, completed_at=moment, response=response)


def fail(task: Task, now: str, response: Mapping[str, Any], traceback: str | None = None) -> Task:
    """Return the task after an error, whose detail is in ``response`` (documented)."""
    unique_id = None if task.clear_unique_id_on_error else task.unique_id
    changes = {"response": response, "unique_id": unique_id, "traceback": traceback}
    return _move(task, "fail", now, **changes)


def cancel(task: Task, now: str, *, clear_unique_id: bool) -> Task:
    """Return the task after a cancel call; it gets no ``completed_at`` (documented)."""
    unique_id = None if clear_unique_id else task.unique_id
    if task.status is Status.CANCELED and unique_id == task.unique_id:
        return task
    return _move(task, "cancel", now, unique_id=unique_id)


def recall(task: Task, now: str) -> Task:
    """Return the task after a recall, which makes it pending again (documented).

    Guessed: its response and the start of its work are gone.
    """
    return _move(task, "recall", now, completed_at=None, response=None, work_started=False)


def audit(
    task: Task, now: str, *, result: str, comments: str | None, source: str, audited_by: str
) -> Task:
    """Return the task with one more audit, before the earlier ones.

    The members of the audit are documented. Guessed: an audit by the customer sets the review
    status and adds the comments. Guessed: the audit takes no time.
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
    """Return the event of the change from ``before`` to ``after``, or None if it is no event."""
    if before.status != after.status:
        return EVENTS.get((before.status, after.status))
    return "audit" if before.audits != after.audits else None


def task_body(task: Task) -> FrozenDict:
    """Return the body of a callback about ``task`` (documented).

    Guessed: a task without a response has no member ``response`` here. Guessed: ``status`` is
    the task's own status, also after an audit or a recall.
    """
    response = {} if task.response is None else {"response": task.response}
    subject = {"task_id": task.id, "status": str(task.status)}
    return FrozenDict({"task": FrozenDict(task.to_json()), **response, **subject})
