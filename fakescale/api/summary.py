"""A summary of a fake: small, and made in constant time, so that it can be polled."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fakescale.account.world import World
from fakescale.state import State

_MOST = 20  # types, or projects, that a summary names


class Summary(NamedTuple):
    """A summary of one world of a fake, and of the fake around it."""

    #: The number of the latest event; it grows with each change.
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
    #: The number of tasks by type: the 20 most frequent types.
    types: Mapping[str, int]
    #: The number of tasks by project: the 20 projects with the most tasks.
    projects: Mapping[str, int]
    #: The number of callbacks of the world by state: ``owed``, ``done``, ``failed``,
    #: ``recorded`` or ``not sent``.
    callbacks: Mapping[str, int]
    #: The number of faults, of all accounts.
    faults: int
    #: The number of requests so far, of all accounts.
    requests: int
    #: The number of accounts.
    accounts: int


def summary(state: State, world: World) -> Summary:
    """Return the summary of a state, with the numbers of ``world``."""
    counts = world.tasks.counts()
    account, is_test = world.key
    return Summary(
        number=state.events.total,
        account=account,
        is_test=is_test,
        now=state.clock.now(),
        is_stopped=state.clock.is_stopped,
        ahead=state.clock.offset.total_seconds(),
        next_due=state.next_due(),
        tasks=sum(it.number for it in counts),
        statuses=_most((it.status, it.number) for it in counts),
        types=_most((it.type, it.number) for it in counts),
        projects=_most((it.project, it.number) for it in counts if it.project is not None),
        callbacks=state.outbox.counts(account, test=is_test),
        faults=len(state.faults),
        requests=state.journal.total,
        accounts=len(state.names()),
    )


def _most(numbers: Iterable[tuple[str, int]]) -> dict[str, int]:
    total = Counter[str]()
    for name, number in numbers:
        total[name] += number
    return dict(total.most_common(_MOST))
