"""The callbacks that are owed, and what became of each: the outbox of one fake.

A callback is owed when something happens to a task or a batch. It is tried
at once and, while the receiver does not answer with a 2xx, ``RETRIES`` times more. Deliveries
to one receiver go out one after the other, in order; receivers do not wait for each other.
"""

import builtins
import dataclasses
import datetime as dt
import heapq
import itertools
import json
import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, overload

from fakescale.values.clock import Clock, read_moment, stamp
from fakescale.values.frozen import FrozenDict, freeze
from fakescale.values.hosts import Address, NotSent, read_address
from fakescale.values.keys import auth_key

log = logging.getLogger("fakescale")

# Documented: up to 20 retries within 24 hours; guessed: in equal gaps.
RETRIES = 20
GAP = dt.timedelta(hours=24) / RETRIES

MAX_OVER = 10_000  # how many are remembered of those that nothing is owed of any more
_MAX_THREADS = 8
_MAX_STOP_ROUNDS = 200


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try: when, on the fake's clock, and the status that came back, or what went wrong."""

    when: dt.datetime
    status: int | None = None
    error: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the answer was a 2xx, which is what counts (documented)."""
        return self.status is not None and 200 <= self.status < 300


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A callback at one moment.

    ``event`` is ``completed``, ``error``, ``audit``, ``recall`` or ``batch``, ``subject``
    the task's id or the batch's name. ``state`` is ``owed``, ``done``, ``failed``,
    ``recorded`` (an e-mail, which is never sent), or ``not sent: `` and the reason, mostly
    that the host is not allowed. ``next_at`` is when it is tried next, if it is.
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


class Carrier(Protocol):
    """What takes callbacks to their receivers; see ``delivery``."""

    def post(self, address: Address, auth_key: str, content: bytes) -> int:
        """Send ``content``, and return the status of the answer.

        Raises NotSent where the address turns out not to be allowed, and any other
        exception, to be recorded, where no answer came.
        """

    def break_off(self) -> None:
        """Make every ``post`` that is under way fail."""


class _Owed(NamedTuple):
    """What is known of a delivery beyond what it shows."""

    address: Address
    on_outcome: Callable[[bool], None] | None


class Outbox(Sequence[Delivery]):
    """All callbacks, oldest first: those that are owed, and the latest of the others.

    Everything may be called from any thread. ``run_due`` is called before the due ones are
    looked for, since a callback may come to be owed by it, and ``wake`` when one is put
    off; neither while the outbox is locked.
    """

    def __init__(
        self,
        clock: Clock,
        carrier: Carrier,
        hosts: Collection[str] = (),
        *,
        run_due: Callable[[], object] = lambda: None,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._carrier = carrier
        self._hosts = frozenset(hosts)
        self._run_due = run_due
        self._wake = wake
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._deliveries: dict[int, Delivery] = {}  # by number, oldest first
        self._over: deque[int] = deque()
        self._owed: dict[int, _Owed] = {}
        # What waits for each receiver: a heap of (when, number).
        self._queues: dict[str, list[tuple[dt.datetime, int]]] = {}
        self._threads: dict[str, threading.Thread] = {}  # by the receiver that they serve
        self._ended: list[threading.Thread] = []  # those that are in their last instructions
        self._tried: set[int] = set()  # since the last call of deliver()
        self._open = True
        self._stopping = False

    def _owe(
        self,
        *,
        account: str,
        is_test: bool,
        url: str,
        event: str,
        subject: str,
        body: FrozenDict,
        on_outcome: Callable[[bool], None] | None = None,
    ) -> None:
        """Owe a callback to ``url``, from now on, and have it sent in the background.

        ``on_outcome`` is told, on another thread, whether it succeeded in the end; never if it
        was not sent. Returns at once, and waits for no other lock.
        """
        now = self._clock.now()
        state, address = "owed", None
        if "://" in url:
            try:
                address = read_address(url, self._hosts)
            except NotSent as refusal:
                state = refusal.state
        else:
            state = "recorded"
        with self._changed:
            delivery = Delivery(
                number=next(self._numbers),
                account=account,
                is_test=is_test,
                url=url,
                event=event,
                subject=subject,
                body=body,
                owed_at=now,
                state=state,
                next_at=now if address else None,
            )
            if address:
                self._owed[delivery.number] = _Owed(address, on_outcome)
            self._put(delivery)
            self._start_threads()

    def deliver(self, *, account: str | None = None) -> builtins.list[Delivery]:
        """Do all that is due now, and return when it is done, also what was under way.

        Returns the deliveries, oldest first, that were tried since the last call, by this
        one or in the background, as they are now; with ``account``, of those that account's
        alone. To be called from a receiver it is not: it would wait for its own answer.
        """
        self._do_due()
        with self._changed:
            tried = [self._deliveries[number] for number in sorted(self._tried)]
            told = [it for it in tried if account in (None, it.account)]
            self._tried.difference_update(it.number for it in told)
            return told

    def list(self, *, account: str | None = None) -> builtins.list[Delivery]:
        """Return all callbacks, or those of an account, oldest first."""
        return [it for it in self._snapshot() if account in (None, it.account)]

    def _dump(self) -> builtins.list[dict[str, Any]]:
        """Return all that ``restore`` needs, JSON-able."""
        return [delivery.to_json() for delivery in self._snapshot()]

    def _restore(
        self,
        data: Iterable[Mapping[str, Any]],
        on_outcome: Callable[[Delivery], Callable[[bool], None] | None],
    ) -> None:
        """Take over what ``dump`` returned, into an empty outbox.

        ``on_outcome`` gives, for a delivery, what is told whether it succeeded in the end.
        """
        with self._changed:
            for item in data:
                delivery = Delivery.from_json(item)
                try:
                    if delivery.next_at is not None:
                        address = read_address(delivery.url, self._hosts)
                        self._owed[delivery.number] = _Owed(address, on_outcome(delivery))
                except NotSent as refusal:  # allowed where it was dumped, but not here
                    delivery = dataclasses.replace(delivery, state=refusal.state, next_at=None)
                self._put(delivery)
            self._numbers = itertools.count(max(self._deliveries, default=-1) + 1)

    def _forget(self, account: str) -> None:
        """Forget the callbacks of an account, but for those that are just being sent."""
        with self._changed:
            waiting = {number for queue in self._queues.values() for _, number in queue}
            gone = {
                number
                for number, it in self._deliveries.items()
                if it.account == account and (it.next_at is None or number in waiting)
            }
            queues = {
                origin: sorted(entry for entry in queue if entry[1] not in gone)
                for origin, queue in self._queues.items()
            }
            self._queues = {origin: queue for origin, queue in queues.items() if queue}
            self._over = deque(number for number in self._over if number not in gone)
            self._tried -= gone
            for number in gone:
                del self._deliveries[number]
                self._owed.pop(number, None)

    def _do_due(self) -> None:
        """Do all that is due now, and return when it is done."""
        self._run_due()
        with self._changed:
            while self._open and not self._stopping:
                self._start_threads()
                if not self._threads:
                    return
                self._changed.wait()

    def _start(self) -> None:
        """Have all that is due now sent in the background."""
        with self._changed:
            self._start_threads()

    def _next_due(self) -> dt.datetime | None:
        """Return when something is to be tried next, or None if nothing waits for that."""
        with self._changed:
            queues = self._queues.values() if self._open else ()
            return min((queue[0][0] for queue in queues), default=None)

    def _stop(self, *, for_good: bool = False) -> None:
        """Break off what is under way, and return when no thread is left.

        What is owed stays owed, and is sent when next something is owed or delivered;
        ``for_good``, never.
        """
        with self._changed:
            self._open = self._open and not for_good
            self._stopping = True
            threads = [*self._threads.values(), *self._ended]
        # Again and again: one may have been about to connect. Not for ever: a name may be
        # looked up, which nothing can break off.
        for _ in range(_MAX_STOP_ROUNDS):
            threads = [thread for thread in threads if thread.is_alive()]
            if not threads:
                break
            self._carrier.break_off()
            threads[0].join(timeout=0.05)
        with self._changed:
            self._stopping = False
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._deliveries)

    def __iter__(self) -> Iterator[Delivery]:
        return iter(self._snapshot())

    @overload
    def __getitem__(self, index: int) -> Delivery: ...
    @overload
    def __getitem__(self, index: slice) -> builtins.list[Delivery]: ...
    def __getitem__(self, index: int | slice) -> Delivery | builtins.list[Delivery]:
        return self._snapshot()[index]

    def __repr__(self) -> str:
        return f"<Outbox of {len(self)} callbacks, {len(self._owed)} of them owed>"

    # Inside. All but `_serve` is called with the lock held.

    def _snapshot(self) -> builtins.list[Delivery]:
        with self._changed:
            return list(self._deliveries.values())

    def _put(self, delivery: Delivery) -> None:
        """Make ``delivery`` the present state of itself; forget old ones."""
        self._deliveries[delivery.number] = delivery
        if delivery.next_at is not None:
            origin = self._owed[delivery.number].address.origin
            queue = self._queues.setdefault(origin, [])
            heapq.heappush(queue, (delivery.next_at, delivery.number))
            return
        self._owed.pop(delivery.number, None)
        self._over.append(delivery.number)
        if len(self._over) > MAX_OVER:
            number = self._over.popleft()
            del self._deliveries[number]
            self._tried.discard(number)

    def _start_threads(self) -> None:
        """Give every receiver that something is due for a thread, as long as there are any."""
        now = self._clock.now()
        for origin, queue in self._queues.items():
            if len(self._threads) >= _MAX_THREADS or not self._open or self._stopping:
                return
            if queue[0][0] <= now and origin not in self._threads:
                thread = threading.Thread(
                    target=self._serve, args=(origin,), name="fakescale-callbacks", daemon=True
                )
                self._threads[origin] = thread
                self._ended = [ended for ended in self._ended if ended.is_alive()]
                thread.start()

    def _serve(self, origin: str) -> None:
        """Send all that is due for a receiver; runs on a thread of its own."""
        while (delivery := self._take(origin)) is not None:
            try:
                self._try(delivery)
            except Exception:  # or else who waits for this thread waits for ever
                log.exception("a bug in fakescale")

    def _take(self, origin: str) -> Delivery | None:
        """Return what is due for a receiver, or else end its thread, and return None."""
        with self._changed:
            queue = self._queues.get(origin)
            going_on = self._open and not self._stopping
            if going_on and queue and queue[0][0] <= self._clock.now():
                _, number = heapq.heappop(queue)
                if not queue:
                    del self._queues[origin]
                return self._deliveries[number]
            self._ended.append(self._threads.pop(origin))
            self._start_threads()  # others may have waited for this one to end
            self._changed.notify_all()
            return None

    def _try(self, delivery: Delivery) -> None:
        """Try to send, outside of every lock: the receiver may call the API back."""
        address, on_outcome = self._owed[delivery.number]
        now = self._clock.now()
        key = auth_key(delivery.account, is_test=delivery.is_test)
        content = json.dumps(delivery.body, separators=(",", ":")).encode()
        try:
            after = delivery.tried(
                Attempt(when=now, status=self._carrier.post(address, key, content))
            )
        except NotSent as refusal:
            after = dataclasses.replace(delivery, state=refusal.state, next_at=None)
        except Exception as error:  # whatever goes wrong is what became of it
            if self._stopping or not self._open:
                after = delivery  # broken off by us: to be tried again
            else:
                text = str(error) or type(error).__name__
                after = delivery.tried(Attempt(when=now, error=text))
        # Before it can be seen as done, so that the task tells it as soon as the outbox does.
        if on_outcome and after.state in ("done", "failed"):
            on_outcome(after.state == "done")
        with self._changed:
            if after.attempts:
                self._tried.add(after.number)
            self._put(after)
        if after is not delivery:
            _log(after)
        if after.next_at is not None:
            self._wake()


def _later(moment: dt.datetime, by: dt.timedelta) -> dt.datetime:
    try:
        return moment + by
    except OverflowError:
        return dt.datetime.max.replace(tzinfo=dt.UTC)


def _log(delivery: Delivery) -> None:
    outcome: Any = delivery.state
    if delivery.attempts:
        outcome = delivery.attempts[-1].status or delivery.attempts[-1].error
    line = f"callback {delivery.event} {delivery.subject} to {delivery.url} {outcome}"
    log.info("%s", line.encode("unicode_escape").decode())
