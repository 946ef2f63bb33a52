"""A callback, the attempts to send it, and when it is tried again."""

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from fakescale.values.clock import read_moment, stamp
from fakescale.values.frozen import freeze

# Documented: up to 20 retries within 24 hours; guessed: in equal gaps.
RETRIES = 20
GAP = dt.timedelta(hours=24) / RETRIES


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try: its moment on the fake's clock, and the status of the answer or the error."""

    when: dt.datetime
    status: int | None = None
    error: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the answer was a 2xx; no other counts (documented)."""
        return self.status is not None and 200 <= self.status < 300


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A callback at one moment.

    ``event`` is ``completed``, ``error``, ``audit``, ``recall`` or ``batch``. ``subject`` is
    the task's id or the batch's name. ``state`` is ``owed``, ``done``, ``failed``,
    ``recorded`` (an e-mail, which is never sent), or ``not sent: `` and the reason. The usual
    reason is that the host is not allowed. ``next_at`` is the moment of the next try, if any.
    """

    number: int
    account: str
    is_test: bool
    url: str
    event: str
    subject: str
    body: Mapping[str, Any]
    owed_at: dt.datetime
    state: str = "owed"
    attempts: Sequence[Attempt] = ()
    next_at: dt.datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """Return all fields as JSON-able data: moments as text, and each attempt likewise."""
        attempts = [
            {"when": stamp(it.when), "status": it.status, "error": it.error} for it in self.attempts
        ]
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {
            **fields,
            "owed_at": stamp(self.owed_at),
            "attempts": attempts,
            "next_at": None if self.next_at is None else stamp(self.next_at),
        }

    @classmethod
    def from_json(cls, shown: Mapping[str, Any]) -> "Delivery":
        """Return the delivery that ``to_json`` gave ``shown`` for."""
        attempts = [{**it, "when": read_moment(it["when"])} for it in shown["attempts"]]
        next_at = shown["next_at"]
        moments = {
            "owed_at": read_moment(shown["owed_at"]),
            "attempts": tuple(Attempt(**attempt) for attempt in attempts),
            "next_at": None if next_at is None else read_moment(next_at),
        }
        return cls(**{**freeze(shown), **moments})

    def tried(self, attempt: Attempt) -> "Delivery":
        """Return the delivery after ``attempt``."""
        attempts = (*self.attempts, attempt)
        if not attempt.succeeded and len(attempts) <= RETRIES:
            next_at = _later(self.owed_at, GAP * len(attempts))
            return dataclasses.replace(self, attempts=attempts, next_at=next_at)
        state = "done" if attempt.succeeded else "failed"
        return dataclasses.replace(self, state=state, attempts=attempts, next_at=None)


def _later(moment: dt.datetime, by: dt.timedelta) -> dt.datetime:
    try:
        return moment + by
    except OverflowError:
        return dt.datetime.max.replace(tzinfo=dt.UTC)
