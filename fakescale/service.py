"""All that the fake knows, in one place, so that it can be forgotten in one step."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from fakescale.clock import Clock
from fakescale.errors import BadRequest, invalid
from fakescale.faults import Faults
from fakescale.idempotency import OncePerKey
from fakescale.ids import TaskIds
from fakescale.journal import Journal
from fakescale.labor import Labor, Turnaround
from fakescale.worlds import Accounts, Key, World

#: The number that a dump begins with; another one is another format.
FORMAT = 1


class Service:
    """The clock, the accounts, the saved answers, the journal and the faults.

    A reset puts a new one in its place. A request keeps the one that it began with, so that
    a straggler is not seen after a reset.
    """

    def __init__(self, ids: TaskIds, keys: Iterable[str], turnaround: Turnaround) -> None:
        self.clock = Clock()
        self.once = OncePerKey(self.clock)
        self.journal = Journal()
        self.labor = Labor(turnaround)
        self.faults = Faults(self.clock)

        def make_world(key: Key, api_key: str) -> World:
            return World(key, api_key, self.clock, ids, self.labor)

        self.accounts = Accounts(make_world, keys)

    def dump(self) -> dict[str, Any]:
        """Return the whole state as JSON-able data, but for the journal and the faults."""
        turnaround = self.labor.turnaround
        return {
            "fakescale": FORMAT,
            "advanced_ms": self.clock.offset // dt.timedelta(milliseconds=1),
            "turnaround_ms": turnaround // dt.timedelta(milliseconds=1)
            if isinstance(turnaround, dt.timedelta)
            else None,
            "accounts": self.accounts.dump(),
            "saved_answers": self.once.dump(),
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
            if data["turnaround_ms"] is not None:
                self.labor.turnaround = dt.timedelta(milliseconds=data["turnaround_ms"])
            self.accounts.restore(data["accounts"])
            self.once.restore(data["saved_answers"])
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise BadRequest(f"not a dump: {error!r}") from None

    def forget(self, account: str) -> None:
        """Forget one account: its two worlds, its exchanges and the answers saved for it."""
        self.accounts.forget(account)
        self.journal.forget(account)
        self.once.forget(lambda fingerprint: fingerprint[0] == account)
