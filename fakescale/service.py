"""All that the fake knows, in one place, so that it can be forgotten in one step."""

from collections.abc import Iterable

from fakescale.clock import Clock
from fakescale.idempotency import OncePerKey
from fakescale.ids import TaskIds
from fakescale.journal import Journal
from fakescale.labor import Labor, Turnaround
from fakescale.worlds import Accounts, Key, World


class Service:
    """The clock, the accounts, the saved answers and the journal.

    A reset puts a new one in its place. A request keeps the one that it began with, so that
    a straggler is not seen after a reset.
    """

    def __init__(self, ids: TaskIds, keys: Iterable[str], turnaround: Turnaround) -> None:
        self.clock = Clock()
        self.once = OncePerKey(self.clock)
        self.journal = Journal()
        self.labor = Labor(turnaround)

        def make_world(key: Key, api_key: str) -> World:
            return World(key, api_key, self.clock, ids, self.labor)

        self.accounts = Accounts(make_world, keys)
