"""The outbox of a fake: the callbacks that it owes, and the outcome of each.

A fake owes a callback when something happens to a task or a batch. The outbox sends it at once
and, until the receiver answers with a 2xx, ``RETRIES`` times more. The callbacks to one receiver
go out one after the other, in order. Receivers do not wait for each other.

The file is long because it holds one lock, and all that may be done under it.
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

from fakescale.traffic.callbacks import Attempt, Delivery
from fakescale.values.clock import Clock
from fakescale.values.frozen import FrozenDict
from fakescale.values.hosts import Address, NotSent, read_address
from fakescale.values.keys import auth_key

log = logging.getLogger("fakescale")

MAX_OVER = 10_000  # the callbacks that are remembered when they are no longer owed
_MAX_THREADS = 8
_MAX_STOP_ROUNDS = 200


class Carrier(Protocol):
    """The carrier of callbacks to their receivers; see ``delivery``."""

    def post(self, address: Address, auth_key: str, content: bytes) -> int:
        """Send ``content``, and return the status of the answer.

        Raises NotSent where the address turns out not to be allowed, and any other
        exception, to be recorded, where no answer came.
        """

    def break_off(self) -> None:
        """Make every ``post`` that is under way fail."""


class _Owed(NamedTuple):
    """The part of a delivery that it does not show."""

    address: Address
    on_outcome: Callable[[bool], None] | None


class Outbox(Sequence[Delivery]):
    """All callbacks, oldest first: those that are owed, and the latest of the others.

    Everything may be called from any thread. The outbox calls ``run_due`` before it looks for
    due callbacks, since ``run_due`` may owe some. It calls ``wake`` when it puts one off. It
    calls neither while it is locked.
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
        one or in the background, as they are now; with ``account``, that account's alone. A
        receiver must not call it: it would wait for its own answer.
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
        """Return all that ``_restore`` needs, JSON-able."""
        return [delivery.to_json() for delivery in self._snapshot()]

    def _restore(
        self,
        data: Iterable[Mapping[str, Any]],
        on_outcome: Callable[[Delivery], Callable[[bool], None] | None],
    ) -> None:
        """Take over a dump, into an empty outbox.

        ``on_outcome`` returns the function, for a delivery, that is told whether it succeeded
        in the end.
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
        """Forget the callbacks of an account, except those that are just being sent."""
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
        """Break off the callbacks that are under way, and return when no thread is left.

        They stay owed, and are sent when next something is owed or delivered; ``for_good``,
        never.
        """
        with self._changed:
            self._open = self._open and not for_good
            self._stopping = True
            threads = [*self._threads.values(), *self._ended]
        # Again and again: one may have been about to connect. Not for ever: nothing can break
        # off the lookup of a name.
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

    # Inside. The lock is held in `_put` and `_start_threads`.

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
        """Give a thread to every receiver that something is due for, while any is left."""
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
            except Exception:  # or else those who wait for this thread wait for ever
                log.exception("a bug in fakescale")

    def _take(self, origin: str) -> Delivery | None:
        """Return the callback that is due for a receiver; without one, end its thread."""
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
        except Exception as error:  # any error is the outcome of the try
            if self._stopping or not self._open:
                after = delivery  # broken off by us: to be tried again
            else:
                text = str(error) or type(error).__name__
                after = delivery.tried(Attempt(when=now, error=text))
        # Before the outbox shows it as done: then the task must tell the outcome, too.
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


def _log(delivery: Delivery) -> None:
    outcome: Any = delivery.state
    if delivery.attempts:
        outcome = delivery.attempts[-1].status or delivery.attempts[-1].error
    line = f"callback {delivery.event} {delivery.subject} to {delivery.url} {outcome}"
    log.info("%s", line.encode("unicode_escape").decode())
