"""All that the fake knows, in one place, so that it can be forgotten in one step."""

import datetime as dt
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from fakescale.callbacks import Carrier, Delivery, Outbox
from fakescale.clock import Clock, read_moment
from fakescale.dumping import check_types
from fakescale.errors import BadRequest, invalid
from fakescale.faults import Faults
from fakescale.idempotency import OncePerKey
from fakescale.ids import TaskIds
from fakescale.journal import Journal
from fakescale.keys import Key
from fakescale.labor import Labor, Turnaround
from fakescale.ticker import Ticker
from fakescale.worlds import Accounts, World

#: The number that a dump begins with; another one is another format.
FORMAT = 1
#: What stands for a callable turnaround in a dump.
CALLABLE = "callable"


class Service:
    """The clock, the accounts, the callbacks, the saved answers, the journal and the faults.

    A reset puts a new one in its place. A request keeps the one that it began with, so that
    a straggler is not seen after a reset.
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
        self.labor = Labor(self.clock, turnaround, origin, wake)
        self.outbox = Outbox(
            self.clock, make_carrier(), callback_hosts, settle=self.labor.settle, wake=wake
        )

        def make_world(key: Key, api_key: str) -> World:
            return World(
                key,
                api_key,
                self.clock,
                ids,
                self.labor,
                origin=origin,
                outbox=self.outbox,
            )

        self.accounts = Accounts(make_world, keys)

    def dump(self) -> dict[str, Any]:
        """Return the whole state as JSON-able data, but for the journal and the faults."""
        turnaround: Any = self.labor.turnaround
        if isinstance(turnaround, dt.timedelta):
            turnaround //= dt.timedelta(milliseconds=1)
        return {
            "fakescale": FORMAT,
            "advanced_ms": self.clock.offset // dt.timedelta(milliseconds=1),
            "turnaround_ms": CALLABLE if callable(turnaround) else turnaround,
            "accounts": self.accounts.dump(),
            "saved_answers": self.once.dump(),
            "callbacks": self.outbox.dump(),
        }

    def restore(self, data: Mapping[str, Any]) -> None:
        """Take over what ``dump`` returned, into a new service.

        A callable turnaround is not in a dump: the present one is kept then. Raises
        BadRequest when it is no dump.
        """
        if data.get("fakescale") != FORMAT:
            raise invalid("fakescale", f"must be {FORMAT}, the format of a dump", data)
        try:
            self.clock.advance(milliseconds=data["advanced_ms"])
            turnaround = data["turnaround_ms"]
            if turnaround is None:
                self.labor.turnaround = None
            elif turnaround != CALLABLE:
                self.labor.turnaround = dt.timedelta(milliseconds=turnaround)
            self.accounts.restore(data["accounts"])
            self.once.restore(data["saved_answers"])
            for item in data["callbacks"]:
                check_types(Delivery.from_json(item))
            self.outbox.restore(data["callbacks"], self._settled)
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise BadRequest(f"not a dump: {error!r}") from None

    def _settled(self, delivery: Delivery) -> Callable[[bool], None] | None:
        """Return what is to be told of the outcome of a delivery that was restored."""
        if delivery.event == "batch":
            return None
        world = self.accounts.account(delivery.account).world(is_test=delivery.is_test)
        return world.tasks.settled(delivery.subject)

    def next_due(self) -> dt.datetime | None:
        """Return when something may happen by itself next, or None if nothing will."""
        work, callback = self.labor.next_due(), self.outbox.next_due()
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
            self.outbox.do_due()
            while (due := self.next_due()) is not None:
                step = max(due - self.clock.now(), dt.timedelta())
                if step > by:
                    break
                self._move(step)
                by -= step
                self.outbox.do_due()
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
        """End all threads; ``for_good``, no callback is ever sent again."""
        self._ticker.end()
        self.outbox.stop(for_good=for_good)

    def _move(self, by: dt.timedelta) -> None:
        self.clock.advance(days=by.days, seconds=by.seconds, microseconds=by.microseconds)

    def _happen(self) -> None:
        with self._ticking:
            if not self._advancing:  # or else the clock could be moved on in the middle
                self.labor.settle()
                self.outbox.start()

    def forget(self, account: str) -> None:
        """Forget one account: its worlds, exchanges, saved answers, callbacks and faults."""
        self.accounts.forget(account)
        self.journal.forget(account)
        self.outbox.forget(account)
        self.faults.forget(account)
        self.once.forget(lambda fingerprint: fingerprint[0] == account)
