"""The whole state of a fake, in one place, so that one step forgets it.

The file is over 300 lines: the state and its ticker begin, stop and wake together.
"""

import datetime as dt
import functools
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from fakescale.account.labeling import Labeling, Turnaround
from fakescale.account.world import Account, World
from fakescale.ticker import Ticker
from fakescale.traffic.callbacks import Delivery
from fakescale.traffic.faults import Faults
from fakescale.traffic.idempotency import OncePerKey
from fakescale.traffic.journal import Journal
from fakescale.traffic.outbox import Carrier, Outbox
from fakescale.values.clock import Clock, read_moment
from fakescale.values.dumps import check_types
from fakescale.values.errors import BadRequest, Unauthorized, invalid
from fakescale.values.ids import TaskIds
from fakescale.values.keys import Key, check_account, read_key

#: The number that a dump begins with; another one is another format.
FORMAT = 1
#: The word for a callable turnaround in a dump.
CALLABLE = "callable"

_MANY = 10_000  # tasks, through which a filter takes a while to go


class State:
    """The clock, the accounts, the callbacks, the saved answers, the journal and the faults.

    A reset puts a new one in its place. A request keeps the state that it began with, so that
    the new state does not see a straggler. An account is made when its name is first used.
    ``keys``, unless empty, are the only API keys that lead anywhere. Raises ValueError for a
    key that ``read_key`` cannot read.
    """

    def __init__(
        self,
        ids: TaskIds,
        keys: Iterable[str],
        turnaround: Turnaround,
        origin: Callable[[], str],
        make_carrier: Callable[[], Carrier],
        callback_hosts: Collection[str],
    ) -> None:
        self.clock = Clock()
        self.once = OncePerKey(self.clock)
        self.journal = Journal()
        self.faults = Faults(self.clock)
        #: Where the fake is served, as far as it knows itself.
        self.origin = origin
        self._ticking = threading.RLock()
        self._advancing = 0
        self._ticker = Ticker(self.clock, self.next_due, self._happen)
        wake = self._ticker.wake
        self.labeling = Labeling(self.clock, turnaround, origin, wake)
        self.outbox = Outbox(
            self.clock, make_carrier(), callback_hosts, run_due=self.labeling.run_due, wake=wake
        )

        self._ids = ids
        self._keys = {text: read_key(text) for text in keys}
        self._accounts: dict[str, Account] = {}
        self._lock = threading.Lock()

    def account(self, name: str) -> Account:
        """Return the account of this name."""
        with self._lock:
            if name not in self._accounts:
                self._accounts[name] = Account(
                    self._make_world(name, is_test=False), self._make_world(name, is_test=True)
                )
            return self._accounts[name]

    def world(self, api_key: str | None) -> World:
        """Return the world that ``api_key`` leads to; raises Unauthorized if there is none."""
        if api_key is None or (self._keys and api_key not in self._keys):
            raise Unauthorized
        try:
            key = read_key(api_key)
        except ValueError:
            raise Unauthorized from None
        return self.account(key.account).world(is_test=key.is_test)

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
        )

    def dump(self) -> dict[str, Any]:
        """Return the whole state as JSON-able data, without the journal and the faults."""
        with self._lock:
            accounts = dict(self._accounts)
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
                for name, account in accounts.items()
            },
            "saved_answers": self.once.dump(),
            "callbacks": self.outbox._dump(),
        }

    def restore(self, data: Mapping[str, Any]) -> None:
        """Take over a dump, into a new state.

        A callable turnaround is not in a dump: the present one is kept then. Raises
        BadRequest when it is no dump.
        """
        if data.get("fakescale") != FORMAT:
            raise invalid("fakescale", f"must be {FORMAT}, the format of a dump", data)
        try:
            self.clock.advance(milliseconds=data["advanced_ms"])
            turnaround = data["turnaround_ms"]
            if turnaround is None:
                self.labeling.turnaround = None
            elif turnaround != CALLABLE:
                self.labeling.turnaround = dt.timedelta(milliseconds=turnaround)
            for name, worlds in data["accounts"].items():
                check_account(name)
                account = self.account(name)
                account.world(is_test=False)._restore(worlds["live"])
                account.world(is_test=True)._restore(worlds["test"])
            self.once.restore(data["saved_answers"])
            for item in data["callbacks"]:
                check_types(Delivery.from_json(item))
            self.outbox._restore(data["callbacks"], self._on_outcome)
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise BadRequest(f"not a dump: {error!r}") from None

    def _on_outcome(self, delivery: Delivery) -> Callable[[bool], None] | None:
        """Return the function that is told the outcome of a delivery that was restored."""
        if delivery.event == "batch":
            return None
        world = self.account(delivery.account).world(is_test=delivery.is_test)
        return world.tasks._on_outcome(delivery.subject)

    def holds_many(self) -> bool:
        """Return whether some world holds so many tasks that a filter takes a while."""
        if self._ids.total < _MANY:  # so there are few accounts to look at
            return False
        with self._lock:
            accounts = list(self._accounts.values())
        return any(
            len(account.world(is_test=is_test).tasks) >= _MANY
            for account in accounts
            for is_test in (False, True)
        )

    def next_due(self) -> dt.datetime | None:
        """Return when something may happen by itself next, or None."""
        work, callback = self.labeling.next_due(), self.outbox._next_due()
        moments = [None if work is None else read_moment(work), callback]
        return min((moment for moment in moments if moment is not None), default=None)

    def advance(self, by: dt.timedelta) -> None:
        """Move the clock on, and let what becomes due on the way happen, in order of time.

        Raises OverflowError, and moves nothing, when that leaves the calendar.
        """
        _ = self.clock.now() + by
        with self._ticking:  # once what the ticker has begun is done
            self._advancing += 1
        try:
            # First what is under way, or else its further tries would be missed.
            self.outbox._do_due()
            while (due := self.next_due()) is not None:
                step = max(due - self.clock.now(), dt.timedelta())
                if step > by:
                    break
                self._move(step)
                by -= step
                self.outbox._do_due()
            self._move(by)
        finally:
            with self._ticking:
                self._advancing -= 1
            self._ticker.wake()

    def start_clock(self) -> None:
        """Let the clock go again; what has become due meanwhile happens by itself."""
        self.clock.start()
        self._ticker.wake()

    def begin(self) -> None:
        """Let things happen by themselves from now on."""
        self._ticker.begin()

    def stop(self, *, for_good: bool = False) -> None:
        """End all threads; ``for_good``, no callback is ever sent again.

        A labeler that does not return in time goes on; a RuntimeWarning tells where it is.
        """
        try:
            self._ticker.end()
        finally:  # also where warnings are errors
            self.outbox._stop(for_good=for_good)

    def _move(self, by: dt.timedelta) -> None:
        self.clock.advance(days=by.days, seconds=by.seconds, microseconds=by.microseconds)

    def _happen(self) -> None:
        with self._ticking:
            if not self._advancing:  # or else the clock could be moved on in the middle
                self.labeling.run_due()
                self.outbox._start()

    def forget(self, account: str) -> None:
        """Forget one account: its worlds, exchanges, saved answers, callbacks and faults."""
        with self._lock:
            forgotten = self._accounts.pop(account, None)
        if forgotten is not None:
            forgotten.tasks._abandon()
        self.journal._forget(account)
        self.outbox._forget(account)
        self.faults._forget(account)
        self.once.forget(lambda fingerprint: fingerprint[0] == account)
