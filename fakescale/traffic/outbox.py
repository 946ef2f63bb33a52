"""The outbox of a fake: the callbacks that it owes, and the outcome of each.

A fake owes a callback when something happens to a task or a batch. The outbox sends it at once,
and repeats it up to ``RETRIES`` times until the receiver answers with a 2xx. The callbacks to one
receiver go out one after the other, in order. Receivers do not wait for each other.

The file is long because one lock guards all of it.
"""

import builtins
import dataclasses
import datetime as dt
import functools
import heapq
import itertools
import logging
import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar, get_args, overload

from fakescale.traffic.callbacks import (
    RETRIES,
    Attempt,
    CallbackEvent,
    CallbackState,
    Delivery,
    later,
)
from fakescale.values.clock import Clock, stamp
from fakescale.values.errors import NotFound
from fakescale.values.frozen import FrozenDict
from fakescale.values.hosts import Address, NotSent, read_address
from fakescale.values.keys import auth_key, masked
from fakescale.values.matching import matching, not_in_time
from fakescale.values.named import named
from fakescale.waiting import HIDDEN, Wait, in_thread, look_once

log = logging.getLogger("fakescale")

MAX_OVER = 10_000  # callbacks kept after they are no longer owed
_MAX_THREADS = 8
_MAX_TIMES = 100
_MAX_STOP_ROUNDS = 200
_STATES: tuple[CallbackState, ...] = get_args(CallbackState)


class Carrier(Protocol):
    """Sends callbacks to their receivers; ``delivery`` has the one that uses sockets."""

    def post(self, address: Address, auth_key: str | None, content: bytes) -> int:
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
    auth_key: str | bool  # a wrong key, True for the right one, or False for none


# An entry of a heap: the time of a callback, its rank if callbacks are shuffled, and its number.
_Entry = tuple[dt.datetime, int, int]

_Value = TypeVar("_Value")
# A manner of sending: its value by account; None stands for all accounts.
_ByAccount = dict[str | None, _Value]


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
        wait: Wait = look_once,
    ) -> None:
        self._clock = clock
        self._wait = wait
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
        # The number of callbacks by account, is_test, and the first part of the state.
        self._counts = Counter[tuple[str, bool, str]]()
        self._owed: dict[int, _Owed] = {}
        # Heaps: of the callbacks that are put off, and of the due ones of each receiver.
        self._put_off: list[_Entry] = []
        self._due: dict[str, list[_Entry]] = {}
        self._threads: dict[str, threading.Thread] = {}  # by receiver
        self._ended: list[threading.Thread] = []  # threads in their last instructions
        self._tried: set[int] = set()  # numbers, since the last call of `deliver`
        self._open = True
        self._stopping = False
        # The manners that a test asked for, and the callbacks that wait to be shuffled.
        self._times: _ByAccount[int] = {}
        self._delays: _ByAccount[dt.timedelta] = {}
        self._dice: _ByAccount[random.Random] = {}
        self._held: list[int] = []

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
    ) -> Callable[[], None] | None:
        """Owe a callback to ``url`` from now on, and have it sent in the background.

        Return a function that logs a callback that is not sent, or None. Call it without a lock
        held.

        Another thread calls ``on_outcome`` once, with True after a 2xx and False after the last
        attempt. It never does so for a callback that is not sent. Returns at once, and takes no
        other lock but that of the log of events.
        """
        delivery = Delivery(
            number=-1,  # set when it is added
            account=account,
            is_test=is_test,
            url=url,
            event=event,
            subject=subject,
            json=body,
            owed_at=self._clock.now(),
        )
        delay = _of(self._delays, account, dt.timedelta())
        first = self._add(delivery, on_outcome, delay=delay)
        for _ in range(_of(self._times, account, 1) - 1):
            self._add(delivery, delay=delay)
        return functools.partial(_log, first) if first.state.startswith("not sent") else None

    def _add(
        self,
        delivery: Delivery,
        on_outcome: Callable[[bool], None] | None = None,
        *,
        auth_key: str | bool = True,
        delay: dt.timedelta = dt.timedelta(),
    ) -> Delivery:
        """Owe a callback like ``delivery``, with a new number, and return it."""
        state, address = "owed", None
        if "://" in delivery.url:
            try:
                address = self._read(delivery.url)
            except NotSent as refusal:
                state = refusal.state
        else:
            state = "recorded"
        with self._changed:
            delivery = dataclasses.replace(
                delivery,
                number=next(self._numbers),
                state=state,
                next_at=later(delivery.owed_at, delay) if address else None,
            )
            if address:
                self._owed[delivery.number] = _Owed(address, on_outcome, auth_key)
            self._put(delivery)
            self._tell("callback owed", delivery)
            if state.startswith("not sent"):
                self._tell("callback not sent", delivery, reason=state.partition(": ")[2])
            started = self._start_threads()
        if not started or delay:
            self._wake()  # the ticker tries again
        return delivery

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

    def list(
        self,
        *,
        account: str | None = None,
        test: bool | None = None,
        subject: Any = None,
        state: CallbackState | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> builtins.list[Delivery]:
        """Return the callbacks that fit all arguments, oldest first.

        ``account`` is the name of an account, and ``test`` says whether its test mode. ``subject``
        is a task or its id, or the name of a batch. ``limit`` chooses the latest ones, up to this
        number. With the number of the first of them as ``before``, you get those that come
        earlier. Raises ValueError for a limit below 1.
        """
        if limit is not None and limit < 1:
            raise ValueError(f"limit must be at least 1 (got {limit!r})")
        wanted = None if subject is None else str(named(subject))
        fitting = (
            it
            for it in reversed(self._snapshot())
            if account in (None, it.account)
            and test in (None, it.is_test)
            and wanted in (None, it.subject)
            and state in (None, it.state.partition(":")[0])
            and (before is None or it.number < before)
        )
        return [*itertools.islice(fitting, limit)][::-1]

    def counts(self, account: str, *, test: bool = False) -> dict[str, int]:
        """Return the number of callbacks in each state, of one world; the time is constant.

        The states are ``owed``, ``done``, ``failed``, ``recorded`` and ``not sent``.
        """
        with self._changed:
            found = {state: self._counts[account, test, state] for state in _STATES}
        return {state: number for state, number in found.items() if number}

    # For tests: callbacks that come twice, late, out of order, or from somebody else.

    def redeliver(self, callback: Delivery | int, *, auth_key: str | bool = True) -> Delivery:
        """Send a callback again, with the same body, and return the new one.

        ``callback`` is a callback or its number. ``auth_key`` is the value of the header
        ``scale-callback-auth``: True for the right one, another text for a wrong one, or False to
        leave the header out. The new callback is sent and retried like any other. It does not
        change the members of the task that tell of its callback.

        Raises NotFound for an unknown number, and ValueError for a text that no header can hold.
        """
        if isinstance(auth_key, str) and not (auth_key.isascii() and auth_key.isprintable()):
            raise ValueError(f"auth_key must be printable ASCII (got {auth_key!r})")
        number = named(callback)
        with self._changed:
            delivery = self._deliveries.get(number)
        if delivery is None:
            raise NotFound(f"There is no callback {number}.")
        again = dataclasses.replace(delivery, owed_at=self._clock.now(), attempts=())
        added = self._add(again, auth_key=auth_key)
        if added.state.startswith("not sent"):
            _log(added)
        return added

    def duplicate(self, times: int = 2, *, account: str | None = None) -> None:
        """Send each callback ``times`` times, from now on.

        Each is a callback of its own here. The first alone sets the members of the task that tell
        of its callback. ``account`` limits this to one account. It ends with ``duplicate(1)`` or
        a reset. Raises ValueError for a number below 1 or over 100.
        """
        if not 1 <= times <= _MAX_TIMES:
            raise ValueError(f"times must be from 1 to {_MAX_TIMES} (got {times!r})")
        with self._changed:
            self._times[account] = times

    def delay(self, by: dt.timedelta, *, account: str | None = None) -> None:
        """Send each callback later by a time on the fake's clock, from now on.

        ``account`` limits this to one account. It ends with ``delay(timedelta())`` or a reset.
        Raises ValueError for a negative time.
        """
        if by < dt.timedelta():
            raise ValueError(f"a delay must not be negative (got {by})")
        with self._changed:
            self._delays[account] = by

    def shuffle(self, seed: int | str | None = 0, *, account: str | None = None) -> None:
        """Send callbacks out of order, from now on: only by ``deliver`` or ``advance``.

        All that are due then, or at the end of the ``advance``, go out in an order that ``seed``
        determines. ``account`` limits this to one account. It ends with ``shuffle(None)`` or a
        reset.
        """
        with self._changed:
            if seed is not None:
                # The order need not be hard to guess.
                self._dice[account] = random.Random(seed)
                return
            self._dice.pop(account, None)
            self._release(it for it in self._held if self._dice_of(it) is None)
            started = self._start_threads()
        if not started:
            self._wake()

    # Assertions and waits.

    def assert_delivered(
        self,
        subject: Any = None,
        event: CallbackEvent | None = None,
        count: int | None = None,
        *,
        state: str = "done",
        url: str | None = None,
        account: str | None = None,
        **members: Any,
    ) -> builtins.list[Delivery]:
        """Return the callbacks that fit all arguments, oldest first; due ones are sent first.

        ``subject`` is a task or its id, or the name of a batch. ``event``, ``url``, ``account``
        and ``state`` are those of a callback; ``done`` means that the receiver answered with a
        2xx. The body has all ``members``. An object may have further members, and None stands
        for a missing member.

        Raises AssertionError unless ``count`` callbacks fit, or at least one if that is None. It
        shows the nearest callbacks, and how they differ. A receiver must not call this.
        """
        __tracebackhide__ = HIDDEN
        self._do_due()
        expected = {**_given(subject=subject, event=event, url=url), "state": state}
        if members:
            expected["body"] = members

        def show(delivery: Delivery) -> dict[str, Any]:
            names = ("subject", "event", "url", "state")
            return {**{it: getattr(delivery, it) for it in names}, "body": delivery.json}

        return matching("callback", self.list(account=account), show, expected, count)

    def wait_for(
        self,
        count: int = 1,
        timeout: float = 10,
        *,
        subject: Any = None,
        event: CallbackEvent | None = None,
        state: str | None = "done",
        account: str | None = None,
    ) -> builtins.list[Delivery]:
        """Wait until ``count`` callbacks fit, and return all that do, oldest first.

        Waits in real time, up to ``timeout`` seconds, also while the clock is frozen. Callbacks
        that are there already count too. ``subject``, ``event`` and ``account`` are those of
        ``assert_delivered``. By default only callbacks count that the receiver answered with a
        2xx; with ``state=None``, all do. Raises AssertionError if there are fewer in the end.
        """
        __tracebackhide__ = HIDDEN
        asked = _given(subject=named(subject), event=event, state=state)
        found: builtins.list[Delivery] = []

        def look() -> builtins.list[Delivery] | None:
            found[:] = [
                it
                for it in self.list(account=account)
                if all(getattr(it, name) == value for name, value in asked.items())
            ]
            return found if len(found) >= count else None

        if self._wait(look, timeout) is None:
            items = self.list(account=account)
            raise not_in_time("callback", found, count, timeout, asked, items)
        return found

    async def until(
        self,
        count: int = 1,
        timeout: float = 10,
        *,
        subject: Any = None,
        event: CallbackEvent | None = None,
        state: str | None = "done",
        account: str | None = None,
    ) -> builtins.list[Delivery]:
        """Wait as ``wait_for`` does, in async code, while the event loop runs on."""
        __tracebackhide__ = HIDDEN
        return await in_thread(
            lambda: self.wait_for(
                count, timeout, subject=subject, event=event, state=state, account=account
            )
        )

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
                        self._owed[delivery.number] = _Owed(address, on_outcome(delivery), True)
                except NotSent as refusal:  # allowed where it was dumped, but not here
                    delivery = dataclasses.replace(delivery, state=refusal.state, next_at=None)
                self._put(delivery)
            self._numbers = itertools.count(max(self._deliveries, default=-1) + 1)

    def _forget(self, account: str) -> None:
        """Forget the callbacks of an account, even those being sent right now."""
        with self._changed:
            gone = {number for number, it in self._deliveries.items() if it.account == account}
            for queue in self._waiting():
                queue[:] = sorted(entry for entry in queue if entry[-1] not in gone)
            self._due = {origin: queue for origin, queue in self._due.items() if queue}
            self._over = deque(number for number in self._over if number not in gone)
            self._held = [number for number in self._held if number not in gone]
            self._tried -= gone
            for table in (self._times, self._delays, self._dice):
                table.pop(account, None)
            for number in gone:
                self._count(self._deliveries.pop(number), -1)
                self._owed.pop(number, None)

    @property
    def _holds(self) -> bool:
        """Whether a callback is due and waits to be shuffled."""
        return bool(self._held)

    def _do_due(self, *, shuffles: bool = True) -> None:
        """Send all that is due now, and return when every callback was tried.

        Without ``shuffles``, callbacks that wait to be shuffled go on waiting. Raises RuntimeError
        if the system has no thread left.
        """
        self._run_due()
        with self._changed:
            while self._open and not self._stopping:
                started = self._start_threads()
                if not self._threads:
                    if shuffles and self._held:
                        self._release(self._held)
                        continue
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
        self._count(self._deliveries.get(delivery.number), -1)
        self._deliveries[delivery.number] = delivery
        self._count(delivery, 1)
        if delivery.next_at is not None:
            heapq.heappush(self._put_off, (delivery.next_at, 0, delivery.number))
            return
        self._owed.pop(delivery.number, None)
        self._over.append(delivery.number)
        if len(self._over) > MAX_OVER:
            number = self._over.popleft()
            self._count(self._deliveries.pop(number), -1)
            self._tried.discard(number)

    def _count(self, delivery: Delivery | None, by: int) -> None:
        if delivery is not None:
            state = delivery.state.partition(":")[0]
            self._counts[delivery.account, delivery.is_test, state] += by

    def _find_due(self) -> None:
        """Give the callbacks that have become due to their receivers, or hold them."""
        now = self._clock.now()
        while self._put_off and self._put_off[0][0] <= now:
            entry = heapq.heappop(self._put_off)
            if self._dice_of(entry[-1]) is None:
                self._give(entry)
            else:
                self._held.append(entry[-1])

    def _release(self, held: Iterable[int]) -> None:
        """Give held callbacks to their receivers, shuffled within each account."""
        now = self._clock.now()
        places = {it: it if (own := self._dice_of(it)) is None else own.random() for it in held}
        for rank, number in enumerate(sorted(places, key=places.__getitem__), 1):
            self._give((now, rank, number))
        self._held = [number for number in self._held if number not in places]

    def _give(self, entry: _Entry) -> None:
        """Give a due callback to its receiver."""
        origin = self._owed[entry[-1]].address.origin
        heapq.heappush(self._due.setdefault(origin, []), entry)

    def _dice_of(self, number: int) -> random.Random | None:
        if not self._dice:
            return None
        return self._dice.get(self._deliveries[number].account, self._dice.get(None))

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
                *_, number = heapq.heappop(queue)
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
            _, on_outcome, given = self._owed[delivery.number]
        now = self._clock.now()
        key = given if isinstance(given, str) else None
        if given is True:
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


def _of(table: _ByAccount[_Value], account: str, default: _Value) -> _Value:
    """Return the manner of an account, which is its own or that of all accounts."""
    return table.get(account, table.get(None, default))


def _given(**arguments: Any) -> dict[str, Any]:
    return {name: it for name, it in arguments.items() if it is not None}


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
