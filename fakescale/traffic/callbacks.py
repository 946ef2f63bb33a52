"""One callback, the attempts to send it, and the time of the next attempt."""

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from fakescale.values.answer import encode
from fakescale.values.clock import read_moment, stamp
from fakescale.values.frozen import freeze

# Documented: up to 20 retries within 24 hours. Guessed: the gaps are equal.
RETRIES = 20
GAP = dt.timedelta(hours=24) / RETRIES

#: The kind of event that a callback tells.
CallbackEvent = Literal["completed", "error", "audit", "recall", "batch"]
#: The state of a callback, without the reason why it is not sent.
CallbackState = Literal["owed", "done", "failed", "recorded", "not sent"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt to send a callback."""

    #: The time of the attempt, on the fake's clock.
    when: dt.datetime
    #: The status of the receiver's answer, or None if no answer came.
    status: int | None = None
    #: The text of the error, or None if an answer came.
    error: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the receiver answered with a 2xx; no other status is a success (documented)."""
        return self.status is not None and 200 <= self.status < 300


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A callback as it was when you asked for it; later attempts do not change it."""

    _key = "number"

    #: The number of the callback, counted from 0.
    number: int
    #: The name of the account.
    account: str
    #: Whether the callback belongs to the account's test mode.
    is_test: bool
    #: The URL that the callback goes to, or an e-mail address.
    url: str
    #: The kind of event: ``completed``, ``error``, ``audit``, ``recall`` or ``batch``.
    event: str
    #: The task's id, or the batch's name.
    subject: str
    #: The body, parsed as JSON.
    json: Mapping[str, Any]
    #: The time of the event, on the fake's clock.
    owed_at: dt.datetime
    #: ``owed`` while attempts remain, ``done`` after a 2xx, or ``failed`` after the last attempt.
    #: An e-mail is ``recorded`` and never sent. A callback that may not be sent is
    #: ``not sent: REASON``; the usual reason is that the host is not allowed.
    state: str = "owed"
    #: The attempts so far, oldest first.
    attempts: Sequence[Attempt] = ()
    #: The time of the next attempt on the fake's clock, or None if there is none.
    next_at: dt.datetime | None = None

    def __repr__(self) -> str:
        return f"<Delivery {self.number} {self.event} {self.subject} to {self.url} {self.state}>"

    @property
    def body(self) -> bytes:
        """The body as it is sent."""
        return encode(self.json)

    def to_json(self) -> dict[str, Any]:
        """Return all fields as a JSON-able dict, with times as text and attempts as dicts."""
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
        """Return the delivery that ``to_json`` printed as ``shown``."""
        attempts = [{**it, "when": read_moment(it["when"])} for it in shown["attempts"]]
        next_at = shown["next_at"]
        moments = {
            "owed_at": read_moment(shown["owed_at"]),
            "attempts": tuple(Attempt(**attempt) for attempt in attempts),
            "next_at": None if next_at is None else read_moment(next_at),
        }
        return cls(**{**freeze(shown), **moments})

    def tried(self, attempt: Attempt) -> "Delivery":
        """Return the delivery as it is after ``attempt``."""
        attempts = (*self.attempts, attempt)
        if not attempt.succeeded and len(attempts) <= RETRIES:
            next_at = later(self.owed_at, GAP * len(attempts))
            return dataclasses.replace(self, attempts=attempts, next_at=next_at)
        state = "done" if attempt.succeeded else "failed"
        return dataclasses.replace(self, state=state, attempts=attempts, next_at=None)


def later(moment: dt.datetime, by: dt.timedelta) -> dt.datetime:
    """Return the moment later by a time, or the last one of the calendar."""
    try:
        return moment + by
    except OverflowError:
        return dt.datetime.max.replace(tzinfo=dt.UTC)
