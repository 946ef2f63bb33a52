"""The log of events: everything that happens in a fake, in order and numbered."""

import bisect
import builtins
import datetime as dt
import functools
import itertools
import math
import operator
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, Unpack, get_args, overload

from fakescale.traffic.journal import Exchange
from fakescale.values.clock import Clock, steady
from fakescale.values.frozen import freeze
from fakescale.values.keys import masked
from fakescale.values.named import named
from fakescale.waiting import HIDDEN, Found, in_thread

MAX_EVENTS = 10_000
MAX_BYTES = 32 * 2**20
_DAY = 86_400
_ROW_BYTES = 200  # about the memory of an event without its texts

#: The kind of an event. In a filter, a first word stands for all kinds that begin with it.
Kind = Literal[
    "request",
    "task changed",
    "batch changed",
    "project changed",
    "labeler raised",
    "callback owed",
    "callback tried",
    "callback settled",
    "callback not sent",
    "clock moved",
    "clock stopped",
    "clock started",
    "fault added",
    "fault struck",
    "fault removed",
    "state reset",
    "state loaded",
]
AnyKind = (
    Kind | Literal["task", "batch", "project", "labeler", "callback", "clock", "fault", "state"]
)
_KINDS = get_args(Kind)
_FIRST_WORDS = {kind.partition(" ")[0] for kind in _KINDS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event."""

    #: The number, which grows with each event of the fake and never comes again.
    number: int
    #: The time of the event, on the fake's clock.
    when: dt.datetime
    #: The kind, for example ``request`` or ``task changed``.
    kind: Kind
    #: The id of the task or the fault, or the name of the batch or project, as text; or None.
    subject: str | None
    #: The name of the account, or None if the event belongs to no single account.
    account: str | None
    #: The details, which depend on the kind.
    what: Mapping[str, Any]
    #: The request and its answer, or None for any other kind.
    exchange: Exchange | None = None

    def __repr__(self) -> str:
        what = ", ".join(f"{name}={value!r}" for name, value in self.what.items())
        return masked(f"<Event {self.number} {self.kind} {self.subject or ''} ({what})>")


class Chosen(TypedDict, total=False):
    """The arguments that choose events. An event must fit all that are given."""

    #: Events with a larger number than this.
    after: int
    #: Events of this kind, or of all kinds that begin with this word, for example ``callback``.
    kind: AnyKind | None
    #: Events about this task, batch, project or fault. A task may stand for its id.
    subject: Any
    #: Events of this account, and events that concern all accounts, like a moved clock.
    account: str | None


# A stored event: the fields of an `Event` in order, and its bytes. A tuple is made fast. In place
# of `what`, a request has its duration, since the garbage collector looks at each dict.
_Row = tuple[
    int, dt.datetime, Kind, str | None, str | None, dict[str, Any] | float, Exchange | None, int
]


class Events(Sequence[Event]):
    """The latest events, oldest first.

    The log drops the oldest when it holds more than 10,000 events or 32 MiB. A reset or a load
    forgets all earlier events, and the reset of an account forgets the earlier events of that
    account. Numbers go on.
    """

    def __init__(
        self,
        clock: Clock,
        numbers: Iterator[int] | None = None,
        *,
        max_events: int = MAX_EVENTS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._clock = clock
        self._numbers = itertools.count(1) if numbers is None else numbers
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._rows: deque[_Row] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waiting = 0  # the number of threads that wait for an event

    def _note(
        self,
        kind: Kind,
        subject: str | None = None,
        /,
        *,
        account: str | None = None,
        when: dt.datetime | None = None,
        **what: Any,
    ) -> None:
        """Add an event. A caller that knows the time of the clock passes it as ``when``."""
        size = _ROW_BYTES
        for value in what.values():
            if value.__class__ is str:
                size += len(value)
        self._add(when or self._clock.now(), kind, subject, account, what, None, size)

    def _note_request(
        self, exchange: Exchange, subject: str | None, duration: float, size: int
    ) -> None:
        """Add the event of a request; ``size`` is the bytes of ``exchange``."""
        when, account = exchange.when, exchange.account
        self._add(when, "request", subject, account, duration, exchange, _ROW_BYTES + size)

    def _add(
        self,
        when: dt.datetime,
        kind: Kind,
        subject: str | None,
        account: str | None,
        what: dict[str, Any] | float,
        exchange: Exchange | None,
        size: int,
    ) -> None:
        """Store a row with the next number; drop old ones if the log is full."""
        with self._lock:
            rows = self._rows
            rows.append((next(self._numbers), when, kind, subject, account, what, exchange, size))
            self._bytes += size
            while len(rows) > self._max_events or (self._bytes > self._max_bytes and len(rows) > 1):
                self._bytes -= rows.popleft()[-1]
            if self._waiting:
                self._changed.notify_all()

    def list(
        self,
        *,
        before: int | None = None,
        limit: int | None = None,
        max_body: int | None = None,
        **chosen: Unpack[Chosen],
    ) -> builtins.list[Event]:
        """Return the events that fit all arguments, oldest first.

        ``after`` is a number of an event: with the latest number you know, you get what is new.
        ``kind`` is a kind, or the first word of several. ``subject`` is a task or its id, the name
        of a batch or project, or the id of a fault. ``account`` also gives the events that concern
        all accounts, for example a moved clock. ``limit`` gives only the latest of those that fit,
        up to this number. With the number of the first of them as ``before``, you get those that
        come earlier. ``max_body`` empties the bodies of requests and answers that are longer.

        Raises ValueError for an unknown kind, and for a limit below 1.
        """
        if limit is not None and limit < 1:
            raise ValueError(f"limit must be at least 1 (got {limit!r})")
        wanted = _Wanted(**chosen)
        with self._lock:
            rows = self._after(wanted.after)
        if before is not None:
            del rows[bisect.bisect_left(rows, before, key=operator.itemgetter(0)) :]
        fitting = itertools.islice(filter(wanted.fits, reversed(rows)), limit)
        return [_event(row, max_body) for row in fitting][::-1]

    def __call__(
        self,
        *,
        before: int | None = None,
        limit: int | None = None,
        max_body: int | None = None,
        **chosen: Unpack[Chosen],
    ) -> builtins.list[Event]:
        """Return the events that fit all arguments, as ``list`` does."""
        return self.list(before=before, limit=limit, max_body=max_body, **chosen)

    def wait_for(self, *, timeout: float = 10.0, **chosen: Unpack[Chosen]) -> Event:
        """Return the first event that fits all arguments, which are those of ``list``.

        Waits for it in real time, up to ``timeout`` seconds. An event that is in the log already
        counts too, unless ``after`` leaves it out. Raises AssertionError if there is none in time,
        and ValueError for an unknown kind.
        """
        __tracebackhide__ = HIDDEN
        wanted = _Wanted(**chosen)
        seen = wanted.after

        def look() -> Event | None:
            nonlocal seen
            with self._lock:
                rows = self._after(seen)
            seen = rows[-1][0] if rows else seen
            return next((_event(row) for row in rows if wanted.fits(row)), None)

        if (found := self._until(look, timeout)) is not None:
            return found
        asked = ", ".join(f"{name}={named(it)!r}" for name, it in chosen.items()) or "any event"
        raise AssertionError(f"no event came in time that fits: {asked}")

    async def until(self, *, timeout: float = 10.0, **chosen: Unpack[Chosen]) -> Event:
        """Return the first event that fits, as ``wait_for`` does, while the event loop runs on."""
        __tracebackhide__ = HIDDEN
        return await in_thread(functools.partial(self.wait_for, timeout=timeout, **chosen))

    def _until(
        self,
        look: Callable[[], Found | None],
        timeout: float,
        /,
        longest: Callable[[], float] = lambda: math.inf,
    ) -> Found | None:
        """Return the first result of ``look`` that is not None, or None after ``timeout`` seconds.

        Looks now, and again after each event, and after ``longest`` seconds without one. Raises
        ValueError for a timeout of more than a day.
        """
        if not timeout <= _DAY:
            raise ValueError(f"timeout must be at most a day, in seconds (got {timeout!r})")
        deadline = steady() + timeout
        with self._lock:
            self._waiting += 1
        try:
            while True:
                latest = self.total
                if (found := look()) is not None:
                    return found
                left = deadline - steady()
                if left <= 0:
                    return None
                pause = min(left, longest())
                with self._lock:
                    if (self._rows[-1][0] if self._rows else 0) == latest:
                        self._changed.wait(pause)
        finally:
            with self._lock:
                self._waiting -= 1

    @property
    def total(self) -> int:
        """The number of the latest event, or 0 if there is none."""
        with self._lock:
            return self._rows[-1][0] if self._rows else 0

    def _forget(self, account: str) -> None:
        """Drop the events of an account."""
        with self._lock:
            self._rows = deque(row for row in self._rows if row[4] != account)
            self._bytes = sum(row[-1] for row in self._rows)

    def _after(self, number: int) -> builtins.list[_Row]:
        """Return the rows with a larger number; new ones are found without a look at old ones."""
        taken = itertools.takewhile(lambda row: row[0] > number, reversed(self._rows))
        return list(self._rows) if number <= 0 else list(taken)[::-1]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.list())

    def __reversed__(self) -> Iterator[Event]:
        return reversed(self.list())

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> builtins.list[Event]: ...
    def __getitem__(self, index: int | slice) -> Event | builtins.list[Event]:
        with self._lock:
            rows = list(self._rows)
        return list(map(_event, rows[index])) if isinstance(index, slice) else _event(rows[index])

    def __repr__(self) -> str:
        return f"<Events: {len(self)} of {self.total}>"


class _Wanted:
    """The events that fit the arguments of ``Events.list``."""

    def __init__(
        self,
        *,
        after: int = 0,
        kind: AnyKind | None = None,
        subject: Any = None,
        account: str | None = None,
    ) -> None:
        if kind is not None and kind not in _KINDS and kind not in _FIRST_WORDS:
            raise ValueError(f"kind must be one of [{', '.join(_KINDS)}] (got {kind!r})")
        self.after = after or 0  # over HTTP it may be null
        self._kind = kind
        self._kinds = kind and f"{kind} "
        self._subject = None if subject is None else str(named(subject))
        self._account = account

    def fits(self, row: _Row) -> bool:
        _, _, kind, subject, account, *_ = row
        return (
            (self._kinds is None or kind == self._kind or kind.startswith(self._kinds))
            and self._subject in (None, subject)
            and (self._account in (None, account) or (account is None and kind != "request"))
        )


def _event(row: _Row, max_body: int | None = None) -> Event:
    number, when, kind, subject, account, what, exchange, _ = row
    if exchange is not None and max_body is not None:
        exchange = exchange._replace(
            body=exchange.body if len(exchange.body) <= max_body else b"",
            answer=exchange.answer if len(exchange.answer) <= max_body else b"",
        )
    return Event(
        number=number,
        when=when,
        kind=kind,
        subject=subject,
        account=account,
        what=freeze(what if isinstance(what, dict) else {"duration": what}),
        exchange=exchange,
    )
