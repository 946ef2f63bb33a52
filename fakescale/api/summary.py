"""A summary of a fake: small, and made quickly, so that it can be polled."""

import datetime as dt
import heapq
import operator
from collections.abc import Mapping
from typing import NamedTuple

from fakescale.account.world import World
from fakescale.state import State

_MOST = 10  # of types, projects and worlds
_LONGEST = 100  # a longer name would make the summary long


class WorldSize(NamedTuple):
    """The number of tasks of one world."""

    #: The name of the account.
    account: str
    #: Whether it is the account's test world.
    is_test: bool
    #: The number of tasks.
    tasks: int


class Summary(NamedTuple):
    """A summary of one world of a fake, and of the fake around it."""

    #: A name of the state. A reset, a load of a dump or another process has another one.
    state: str
    #: The number of the latest event.
    number: int
    #: The name of the account.
    account: str
    #: Whether the world is the account's test world.
    is_test: bool
    #: The time on the fake's clock.
    now: dt.datetime
    #: Whether the clock is stopped.
    is_stopped: bool
    #: The time that ``advance`` has added to the clock, in seconds.
    ahead: float
    #: The time at which a labeler or a callback is due next, or None.
    next_due: dt.datetime | None
    #: The number of tasks in the world.
    tasks: int
    #: The number of tasks by status.
    statuses: Mapping[str, int]
    #: The number of tasks by type, for the ten most frequent types.
    types: Mapping[str, int]
    #: The number of tasks by project, for the ten projects with the most tasks and a short name.
    projects: Mapping[str, int]
    #: The number of callbacks of the world by state: ``owed``, ``done``, ``failed``,
    #: ``recorded`` or ``not sent``.
    callbacks: Mapping[str, int]
    #: The number of faults, of all accounts.
    faults: int
    #: The number of requests so far, of all accounts.
    requests: int
    #: The ten worlds with the most tasks, among those of accounts with a short name.
    worlds: tuple[WorldSize, ...]


def summary(state: State, world: World) -> Summary:
    """Return the summary of a state, with the numbers of ``world``."""
    counts = world.tasks.counts()
    account, is_test = world.key
    worlds = [it for it in world_sizes(state) if it.tasks and len(it.account) <= _LONGEST]
    return Summary(
        state=state.name,
        number=state.events.total,
        account=account,
        is_test=is_test,
        now=state.clock.now(),
        is_stopped=state.clock.is_stopped,
        ahead=state.clock.offset.total_seconds(),
        next_due=state.next_due(),
        tasks=len(world.tasks),
        statuses=counts.statuses,
        types=_most(counts.types),
        projects=_most(counts.projects),
        callbacks=state.outbox.counts(account, test=is_test),
        faults=len(state.faults),
        requests=state.journal.total,
        worlds=tuple(heapq.nlargest(_MOST, worlds, key=operator.attrgetter("tasks"))),
    )


def world_sizes(state: State) -> list[WorldSize]:
    """Return the number of tasks of each world, in the order of the accounts."""
    return [
        WorldSize(name, is_test, len(state.account(name).world(is_test=is_test).tasks))
        for name in state.names()
        for is_test in (False, True)
    ]


def _most(numbers: Mapping[str, int]) -> dict[str, int]:
    short = ((name, number) for name, number in numbers.items() if len(name) <= _LONGEST)
    return dict(heapq.nlargest(_MOST, short, key=operator.itemgetter(1)))
