"""The outbox of a fake: the callbacks that it owes, and the outcome of each.

A fake owes a callback when something happens to a task or a batch. The outbox sends it at once,
and repeats it up to ``RETRIES`` times until the receiver answers with a 2xx. The callbacks to one
receiver go out one after the other, in order. Receivers do not wait for each other.

The file is long because one lock guards all of it.
"""

import builtins
import dataclasses
import datetime as dt
import heapq
import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, overload

from fakescale.traffic.callbacks import RETRIES, Attempt, Delivery
from fakescale.values.clock import Clock, stamp
from fakescale.values.frozen import FrozenDict
from fakescale.values.hosts import Address, NotSent, read_address
from fakescale.values.keys import auth_key, masked

log = logging.getLogger("fakescale")

MAX_OVER = 10_000  # callbacks kept after they are no longer owed
_MAX_THREADS = 8
_MAX_STOP_ROUNDS = 200


class Carrier(Protocol):
    """Sends callbacks to their receivers; ``delivery`` has the one that uses sockets."""

    def post(self, address: Address, auth_key: str, content: bytes) -> int:
        """Send ``content``, and return the status of the answer.

        Raises NotSent if the address turns out not to be allowed. Raises any other exception if
        no answer comes; the outbox records it.
        """

    def break_off(self) -> None:
        """Make every running ``post`` fail."""


class _Owed(NamedTuple):
    """The part of an owed delivery that the delivery does not show."""

    address: Address
    on_outcome: Callable[[bool], None] | None


_Entry = tuple[dt.datetime, int]  # of a heap: the time and the number of a callback


class Outbox(Sequence[Delivery]):
    """All callbacks, oldest first; the outbox keeps the latest 10,000 that are no longer owed.

    Every method may be called from any thread.
    """

    # The outbox calls `run_due` before it looks for due callbacks, since `run_due` may owe some.
    # It calls `wake` when it puts a callback off. It calls neither with its lock held.

    def __init__(
        self,
        clock: Clock,
        carrier: Carrier,
        hosts: Collection[str] = (),
        *,
        to_loopback: Callable[[], bool] = lambda: True,
        run_due: Callable[[], object] = lambda: None,
        wake: Callable[[], None] = lambda: None,
        note: Callable[..., None] = lambda *_, **__: None,
    ) -> None:
        self._clock = clock
        self._note = note
        self._carrier = carrier
        self._hosts = frozenset(hosts)
        self._to_loopback = to_loopback
        self._run_due = run_due
        self._wake = wake
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._deliveries: dict[int, Delivery] = {}  # by number, oldest first
        self._over: deque[int] = deque()
        self._owed: dict[int, _Owed] = {}
        # Heaps: of the callbacks that are put off, and of the due ones of each receiver.
        self._put_off: list[_Entry] = []
        self._due: dict[str, list[_Entry]] = {}
        self._threads: dict[str, threading.Thread] = {}  # by receiver
        self._ended: list[threading.Thread] = []  # threads in their last instructions
        self._tried: set[int] = set()  # numbers, since the last call of `deliver`
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
    ) -> str | None:
        """Owe a callback to ``url`` from now on, and have it sent in the background.

        Return the line to log about a callback that is not sent. Log it without a lock held.

        Another thread calls ``on_outcome`` once, with True after a 2xx and False after the last
        attempt. It never does so for a callback that is not sent. Returns at once, and takes no
        other lock but that of the log of events.
        """
        now = self._clock.now()
        state, address = "owed", None
        if "://" in url:
            try:
                address = self._read(url)
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
                json=body,
                owed_at=now,
                state=state,
                next_at=now if address else None,
            )
            if address:
                self._owed[delivery.number] = _Owed(address, on_outcome)
            self._put(delivery)
            self._tell("callback owed", delivery)
            if state.startswith("not sent"):
                self._tell("callback not sent", delivery, reason=state.partition(": ")[2])
            started = self._start_threads()
        if state.startswith("not sent"):
            _log(delivery)
        if not started:
            self._wake()  # the ticker tries again
        if not state.startswith("not sent"):
            return None
        line = f"callback {event} {subject} to {url} {state}"
        return masked(line).encode("unicode_escape").decode()

    def deliver(self, *, account: str | None = None) -> builtins.list[Delivery]:
        """Send all callbacks that are due now, and return when all of them were tried.

        Due labelers run first. The call also waits for callbacks that are being sent in the
        background. It returns the callbacks tried since the last call, oldest first, as they are
        now. With ``account``, it returns only those of that account. A receiver must not call
        this: it would wait for its own answer.
        """
        self._do_due()
        with self._changed:
            tried = [self._deliveries[number] for number in sorted(self._tried)]
            told = [it for it in tried if account in (None, it.account)]
            self._tried.difference_update(it.number for it in told)
            return told

    def list(self, *, account: str | None = None) -> builtins.list[Delivery]:
        """Return all callbacks, or those of ``account``, oldest first."""
        return [it for it in self._snapshot() if account in (None, it.account)]

    def _dump(self) -> builtins.list[dict[str, Any]]:
        """Return the callbacks as JSON-able data for ``_restore``."""
        return [delivery.to_json() for delivery in self._snapshot()]

    def _restore(
        self,
        data: Iterable[Mapping[str, Any]],
        on_outcome: Callable[[Delivery], Callable[[bool], None] | None],
    ) -> None:
        """Restore a dump into an empty outbox.

        ``on_outcome`` takes a delivery, and returns the function to call with its outcome.
        """
        with self._changed:
            for item in data:
                delivery = Delivery.from_json(item)
                try:
                    if delivery.next_at is not None:
                        address = self._read(delivery.url)
                        self._owed[delivery.number] = _Owed(address, on_outcome(delivery))
                except NotSent as refusal:  # allowed where it was dumped, but not here
                    delivery = dataclasses.replace(delivery, state=refusal.state, next_at=None)
                self._put(delivery)
            self._numbers = itertools.count(max(self._deliveries, default=-1) + 1)

    def _forget(self, account: str) -> None:
        """Forget the callbacks of an account, even those being sent right now."""
        with self._changed:
            gone = {number for number, it in self._deliveries.items() if it.account == account}
            for queue in self._waiting():
                queue[:] = sorted(entry for entry in queue if entry[1] not in gone)
            self._due = {origin: queue for origin, queue in self._due.items() if queue}
            self._over = deque(number for number in self._over if number not in gone)
            self._tried -= gone
            for number in gone:
                del self._deliveries[number]
                self._owed.pop(number, None)

    def _do_due(self) -> None:
        """Send all that is due now, and return when every callback was tried.

        Raises RuntimeError if the system has no thread left.
        """
        self._run_due()
        with self._changed:
            while self._open and not self._stopping:
                started = self._start_threads()
                if not self._threads:
                    if not started:
                        raise RuntimeError("callbacks are due, but the system has no thread left")
                    return
                self._changed.wait()

    def _start(self) -> None:
        """Send all that is due now in the background."""
        with self._changed:
            self._start_threads()

    def _next_due(self) -> dt.datetime | None:
        """Return the time of the next attempt, or None if no callback waits for one."""
        with self._changed:
            if not self._open:
                return None
            if self._due:
                return next(iter(self._due.values()))[0][0]  # any of them, as all are due
            return self._put_off[0][0] if self._put_off else None

    def _stop(self, *, for_good: bool = False) -> None:
        """Break off the callbacks that are being sent, and return when all threads have ended.

        These callbacks stay owed, and go out when the outbox next owes or delivers something.
        With ``for_good``, they never go out.
        """
        with self._changed:
            self._open = self._open and not for_good
            self._stopping = True
            threads = [*self._threads.values(), *self._ended]
        # Repeat this, since a thread may have been about to connect. Stop at some time, since
        # nothing can break off the lookup of a name.
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

    # Inside. The lock is held in `_waiting`, `_put`, `_find_due` and `_start_threads`.

    def _snapshot(self) -> builtins.list[Delivery]:
        with self._changed:
            return list(self._deliveries.values())

    def _waiting(self) -> Iterator[builtins.list[_Entry]]:
        yield self._put_off
        yield from self._due.values()

    def _read(self, url: str) -> Address:
        return read_address(url, self._hosts, to_loopback=self._to_loopback())

    def _put(self, delivery: Delivery) -> None:
        """Store the new state of a delivery, and drop the oldest if there are too many."""
        self._deliveries[delivery.number] = delivery
        if delivery.next_at is not None:
            heapq.heappush(self._put_off, (delivery.next_at, delivery.number))
            return
        self._owed.pop(delivery.number, None)
        self._over.append(delivery.number)
        if len(self._over) > MAX_OVER:
            number = self._over.popleft()
            del self._deliveries[number]
            self._tried.discard(number)

    def _find_due(self) -> None:
        """Give the callbacks that have become due to their receivers."""
        now = self._clock.now()
        while self._put_off and self._put_off[0][0] <= now:
            entry = heapq.heappop(self._put_off)
            origin = self._owed[entry[1]].address.origin
            heapq.heappush(self._due.setdefault(origin, []), entry)

    def _start_threads(self) -> bool:
        """Start a thread for each receiver with a due callback, up to the limit.

        Returns False if the system has no thread left.
        """
        if not self._open or self._stopping:
            return True
        self._find_due()
        for origin in self._due:
            if len(self._threads) >= _MAX_THREADS:
                break
            if origin in self._threads:
                continue
            thread = threading.Thread(
                target=self._serve, args=(origin,), name="fakescale-callbacks", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:
                return False
            self._threads[origin] = thread
            self._ended = [ended for ended in self._ended if ended.is_alive()]
        return True

    def _serve(self, origin: str) -> None:
        """Send all that is due for a receiver, on a thread of its own."""
        while (delivery := self._take(origin)) is not None:
            try:
                self._try(delivery)
            except Exception:  # an ended thread would make others wait forever
                log.exception("a bug in fakescale")

    def _take(self, origin: str) -> Delivery | None:
        """Return the next due callback of a receiver; if there is none, end its thread."""
        with self._changed:
            self._find_due()
            queue = self._due.get(origin)
            if queue and self._open and not self._stopping:
                _, number = heapq.heappop(queue)
                if not queue:
                    del self._due[origin]
                return self._deliveries[number]
            self._ended.append(self._threads.pop(origin))
            started = self._start_threads()  # receivers over the limit may wait for a thread
            self._changed.notify_all()
        if not started:
            self._wake()
        return None

    def _try(self, delivery: Delivery) -> None:
        """Try to send, without any lock, since the receiver may call the API."""
        with self._changed:
            if delivery.number not in self._owed:  # forgotten meanwhile
                return
            on_outcome = self._owed[delivery.number].on_outcome
        now = self._clock.now()
        key = auth_key(delivery.account, is_test=delivery.is_test)
        content = delivery.body
        try:
            address = self._read(delivery.url)  # again, since a server may have begun since then
            status = self._carrier.post(address, key, content)
            after = delivery.tried(Attempt(when=now, status=status))
        except NotSent as refusal:
            after = dataclasses.replace(delivery, state=refusal.state, next_at=None)
        except Exception as error:  # any error is the outcome of the try
            if self._stopping or not self._open:
                after = delivery  # the outbox broke it off, so it stays owed
            else:
                text = str(error) or type(error).__name__
                after = delivery.tried(Attempt(when=now, error=text))
        # Call this first: when the outbox shows the outcome, the task must show it too.
        if on_outcome and after.state in ("done", "failed"):
            on_outcome(after.state == "done")
        with self._changed:
            if after.number not in self._deliveries:  # forgotten meanwhile
                return
            if after.attempts:
                self._tried.add(after.number)
            self._put(after)
            if after is not delivery:
                self._tell_try(after)
        if after is not delivery:
            _log(after)
        if after.next_at is not None:
            self._wake()

    def _tell(self, kind: str, delivery: Delivery, **more: Any) -> None:
        """Note an event about a callback."""
        self._note(
            kind,
            delivery.subject,
            account=delivery.account,
            number=delivery.number,
            event=delivery.event,
            url=delivery.url,
            **more,
        )

    def _tell_try(self, delivery: Delivery) -> None:
        """Note the events of a try."""
        if delivery.state.startswith("not sent"):
            self._tell("callback not sent", delivery, reason=delivery.state.partition(": ")[2])
            return
        last = delivery.attempts[-1]
        self._tell("callback tried", delivery, status=last.status, error=last.error)
        if delivery.next_at is None:
            self._tell("callback settled", delivery, state=delivery.state)


def _log(delivery: Delivery) -> None:
    """Log the outcome of the latest attempt; a callback that is given up is a warning."""
    outcome: Any = delivery.state
    if delivery.attempts:
        outcome = delivery.attempts[-1].status or delivery.attempts[-1].error
    is_lost = delivery.state == "failed" or delivery.state.startswith("not sent")
    text = str(outcome)
    if delivery.state == "failed":
        text = f"failed after {len(delivery.attempts)} tries: {outcome}"
    elif delivery.next_at is not None:
        tries = f"try {len(delivery.attempts)} of {RETRIES + 1}"
        text = f"{outcome}, {tries}, the next at {stamp(delivery.next_at)}"
    line = masked(f"callback {delivery.event} {delivery.subject} to {delivery.url} {text}")
    facts = {
        "event": "callback",
        "account": delivery.account,
        "kind": delivery.event,
        "subject": delivery.subject,
        "url": masked(delivery.url),
        "state": delivery.state,
        "tries": len(delivery.attempts),
        "answer": outcome,
    }
    log.log(
        logging.WARNING if is_lost else logging.INFO,
        "%s",
        line.encode("unicode_escape").decode(),
        extra={"facts": facts},
    )
