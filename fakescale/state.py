"""The whole state of a fake, in one object, so that a reset can replace all of it."""

import contextlib
import datetime as dt
import functools
import math
import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from fakescale.account.labeling import Labeler, Labeling, Turnaround
from fakescale.account.result_files import points_to
from fakescale.account.world import Account, World
from fakescale.ticker import Ticker
from fakescale.traffic.callbacks import Delivery
from fakescale.traffic.events import Events
from fakescale.traffic.faults import Faults
from fakescale.traffic.idempotency import OncePerKey
from fakescale.traffic.journal import Journal
from fakescale.traffic.outbox import Carrier, Outbox
from fakescale.values.clock import Clock, read_moment
from fakescale.values.dumps import check_types
from fakescale.values.errors import BadRequest, NotFound, Unauthorized, invalid
from fakescale.values.hosts import NOT_SERVED, is_loopback
from fakescale.values.ids import TaskIds
from fakescale.values.keys import Key, check_account, read_key
from fakescale.waiting import Found

#: The number of the format of dumps.
FORMAT = 2
#: The word that stands for a callable turnaround in a dump.
CALLABLE = "callable"

# The shortest wait for a labeler that is due, in seconds; a shorter one would make threads spin.
_SHORTEST_WAIT = 0.01
_MANY = 10_000  # a filter takes a while for this many tasks


class State:
    """The clock, the accounts, callbacks, saved answers, journal, events and faults.

    A reset replaces the state with a new one. A request keeps the state that it began with, so
    that a late request does not reach the new state. An account is made when its name is first
    used. Unless ``keys`` is empty, only these API keys are valid. Raises ValueError for a key
    that ``read_key`` cannot read.
    """

    def __init__(
        self,
        ids: TaskIds,
        keys: Iterable[str],
        turnaround: Turnaround,
        origin: Callable[[], str],
        make_carrier: Callable[[], Carrier],
        callback_hosts: Collection[str],
        event_numbers: Iterator[int],
        labeler: Labeler | None = None,
    ) -> None:
        #: A name that no other state has.
        self.name = os.urandom(4).hex()
        self.clock = Clock()
        self.events = Events(self.clock, event_numbers)
        self.once = OncePerKey(self.clock)
        self.journal = Journal(wait=self._wait)
        self.faults = Faults(self.clock, self.events._note)
        #: Returns the URL at which the fake is served, as far as the fake knows.
        self.origin = origin
        self._ticking = threading.RLock()
        self._advancing = 0
        self._ticker = Ticker(self.clock, self.next_due, self._happen)
        wake = self._ticker.wake
        self.labeling = Labeling(self.clock, turnaround, origin, wake, labeler)
        self.outbox = Outbox(
            self.clock,
            make_carrier(),
            callback_hosts,
            to_loopback=lambda: _is_near(urlsplit(origin()).hostname or ""),
            run_due=self.labeling.run_due,
            wake=wake,
            note=self.events._note,
            wait=self._wait,
        )

        self._ids = ids
        self._keys = {text: read_key(text) for text in keys}
        self._accounts: dict[str, Account] = {}
        self._lock = threading.Lock()

    def account(self, name: str) -> Account:
        """Return the account of this name; raises ValueError if no account can have it."""
        if (found := self._accounts.get(name)) is not None:  # the usual case, without a lock
            return found
        check_account(name)
        with self._lock:
            if name not in self._accounts:
                self._accounts[name] = Account(
                    self._make_world(name, is_test=False), self._make_world(name, is_test=True)
                )
            return self._accounts[name]

    def world(self, api_key: str | None) -> World:
        """Return the world of ``api_key``; raises Unauthorized if the key is not valid."""
        if api_key is None or (self._keys and api_key not in self._keys):
            raise Unauthorized
        try:
            key = read_key(api_key)
        except ValueError:
            raise Unauthorized from None
        return self.account(key.account).world(is_test=key.is_test)

    def world_of_file(self, task_id: str, uuid: str) -> World:
        """Return the world, in any account, with a task that points to the result file ``uuid``.

        Raises NotFound if there is none.
        """
        with self._lock:
            accounts = list(self._accounts.values())
        for account in accounts:
            for is_test in (False, True):
                world = account.world(is_test=is_test)
                with contextlib.suppress(NotFound):
                    if points_to(world.tasks.get(task_id), uuid):
                        return world
        raise NotFound("There is no such result file.")  # guessed

    def names(self) -> list[str]:
        """Return the names of all accounts, in the order in which they were first used."""
        with self._lock:
            return list(self._accounts)

    def live_worlds(self) -> list[World]:
        """Return the live worlds of all accounts."""
        with self._lock:
            return [account.world(is_test=False) for account in self._accounts.values()]

    def _make_world(self, name: str, *, is_test: bool) -> World:
        key = Key(name, is_test)
        listed = (text for text, it in self._keys.items() if it == key)
        return World(
            key,
            next(listed, f"{'test' if is_test else 'live'}_{name}"),
            self.clock,
            self._ids,
            self.labeling,
            origin=self.origin,
            owe=functools.partial(self.outbox._owe, account=name, is_test=is_test),
            note=self.events._note,
            wait=self._wait,
        )

    def dump(self) -> dict[str, Any]:
        """Return the state, without the journal and the faults, as JSON-able data.

        Everything is as of one moment.
        """
        self.labeling.run_due()  # not under a lock, since a labeler may call the API
        with contextlib.ExitStack() as still:
            still.enter_context(self._lock)
            for account in self._accounts.values():
                for is_test in (False, True):
                    still.enter_context(account.world(is_test=is_test)._lock)
            return self._dump()

    def _dump(self) -> dict[str, Any]:
        turnaround: Any = self.labeling.turnaround
        if isinstance(turnaround, dt.timedelta):
            turnaround //= dt.timedelta(milliseconds=1)
        return {
            "fakescale": FORMAT,
            "advanced_ms": self.clock.offset // dt.timedelta(milliseconds=1),
            "turnaround_ms": CALLABLE if callable(turnaround) else turnaround,
            "accounts": {
                name: {
                    "live": account.world(is_test=False)._dump(),
                    "test": account.world(is_test=True)._dump(),
                }
                for name, account in self._accounts.items()
            },
            "saved_answers": self.once.dump(),
            "callbacks": self.outbox._dump(),
        }

    def restore(self, data: Mapping[str, Any]) -> None:
        """Restore a dump into a new state.

        A dump cannot hold a callable turnaround, so then the present turnaround stays. Raises
        BadRequest if ``data`` is not a dump.
        """
        if data.get("fakescale") != FORMAT:
            raise invalid("fakescale", f"must be {FORMAT}, the format of a dump", data)
        _refuse_unknown(data, self._dump())
        try:
            self.clock.advance(milliseconds=data["advanced_ms"])
            turnaround = data["turnaround_ms"]
            if turnaround is None:
                self.labeling.turnaround = None
            elif turnaround != CALLABLE:
                self.labeling.turnaround = dt.timedelta(milliseconds=turnaround)
            for name, worlds in data["accounts"].items():
                account = self.account(name)
                for is_test, mode in enumerate(("live", "test")):
                    world = account.world(is_test=bool(is_test))
                    _refuse_unknown(worlds[mode], world._dump(), f"{name}.{mode}.")
                    world._restore(worlds[mode])
            self.once.restore(data["saved_answers"])
            for item in data["callbacks"]:
                check_types(Delivery.from_json(item))
            self.outbox._restore(data["callbacks"], self._on_outcome)
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise BadRequest(f"not a dump: {error!r}") from None

    def _on_outcome(self, delivery: Delivery) -> Callable[[bool], None] | None:
        """Return the function to call with the outcome of a restored delivery."""
        if delivery.event == "batch":
            return None
        world = self.account(delivery.account).world(is_test=delivery.is_test)
        return world.tasks._on_outcome(delivery.subject)

    def holds_many(self) -> bool:
        """Return whether some world holds enough tasks to make a filter slow."""
        if self._ids.total < _MANY:  # the usual case, without a look at each account
            return False
        with self._lock:
            accounts = list(self._accounts.values())
        return any(
            len(account.world(is_test=is_test).tasks) >= _MANY
            for account in accounts
            for is_test in (False, True)
        )

    def next_due(self) -> dt.datetime | None:
        """Return the time of the next due work or callback, or None if nothing is due by itself."""
        work, callback = self.labeling.next_due(), self.outbox._next_due()
        moments = [None if work is None else read_moment(work), callback]
        return min((moment for moment in moments if moment is not None), default=None)

    def advance(self, by: dt.timedelta) -> None:
        """Advance the clock, and run all work that becomes due on the way, in order of time.

        Raises OverflowError, and moves nothing, if the clock would leave the calendar.
        """
        _ = self.clock.now() + by
        self.events._note("clock moved", seconds=by.total_seconds())
        with self._ticking:  # waits for work that the ticker has begun
            self._advancing += 1
        try:
            # Callbacks being sent come first, since they may put off further attempts.
            self.outbox._do_due(shuffles=False)
            while (due := self.next_due()) is not None:
                step = max(due - self.clock.now(), dt.timedelta())
                if step > by:
                    break
                self._move(step)
                by -= step
                self.outbox._do_due(shuffles=False)
            self._move(by)
            if self.outbox._holds:
                self.outbox._do_due()
        finally:
            with self._ticking:
                self._advancing -= 1
            self._ticker.wake()

    def skip(self, by: dt.timedelta) -> None:
        """Move the clock on, without waiting for the work that becomes due."""
        self.events._note("clock moved", seconds=by.total_seconds())
        self._move(by)
        self._ticker.wake()

    def stop_clock(self) -> None:
        """Stop the clock."""
        self.clock.stop()
        self.events._note("clock stopped")

    def start_clock(self) -> None:
        """Start the clock again; the ticker runs all work that has become due meanwhile."""
        self.clock.start()
        self.events._note("clock started")
        self._ticker.wake()

    def _wait(self, look: Callable[[], Found | None], timeout: float, /) -> Found | None:
        """Wait as `Wait` says. Look again after each event, and when a labeler is due."""

        def seconds() -> float:
            if (due := self.labeling.next_due()) is None:
                return math.inf
            return max((read_moment(due) - self.clock.now()).total_seconds(), _SHORTEST_WAIT)

        return self.events._until(look, timeout, seconds)

    def begin(self) -> None:
        """Begin to run due work by itself."""
        self._ticker.begin()

    def stop(self, *, for_good: bool = False) -> None:
        """End all threads; with ``for_good``, no callback is ever sent again.

        A labeler that does not return in time goes on, and a RuntimeWarning shows its stack.
        """
        try:
            self._ticker.end(for_good=for_good)
        finally:  # even if warnings are errors
            self.outbox._stop(for_good=for_good)
            if for_good:
                with self._lock:
                    accounts, self._accounts = self._accounts, {}
                for account in accounts.values():
                    _abandon(account)

    def _move(self, by: dt.timedelta) -> None:
        self.clock.advance(days=by.days, seconds=by.seconds, microseconds=by.microseconds)

    def _happen(self) -> None:
        with self._ticking:
            if not self._advancing:  # the clock must not move while work runs
                self.labeling.run_due()
                self.outbox._start()

    def forget(self, account: str) -> None:
        """Forget an account: its worlds, exchanges, events, saved answers, callbacks, faults."""
        with self._lock:
            forgotten = self._accounts.pop(account, None)
        if forgotten is not None:
            _abandon(forgotten)
        self.journal._forget(account)
        self.outbox._forget(account)
        self.faults._forget(account)
        self.once.forget(lambda fingerprint: fingerprint[0] == account)
        self.events._forget(account)
        self.events._note("state reset", account=account)


def _abandon(account: Account) -> None:
    for is_test in (False, True):
        account.world(is_test=is_test)._abandon()


def _refuse_unknown(data: Mapping[str, Any], empty: Mapping[str, Any], name: str = "") -> None:
    """Raise BadRequest if a part of a dump has an unknown member.

    ``empty`` is the same part of an empty dump, with all known members. A part that is empty there
    may have any members, for example ids.
    """
    for member, value in data.items():
        if member not in empty:
            raise invalid(f"{name}{member}", "is not a member of a dump")
        if isinstance(value, Mapping) and empty[member]:
            _refuse_unknown(value, empty[member], f"{name}{member}.")


def _is_near(host: str) -> bool:
    """Return whether only this machine reaches a fake at ``host``."""
    return is_loopback(host) or host == NOT_SERVED
