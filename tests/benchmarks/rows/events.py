"""The time that an event adds to whatever causes it."""

import timeit

from fakescale.traffic.events import MAX_EVENTS, Events
from fakescale.values.clock import Clock
from tests.benchmarks.lab import Lab
from tests.benchmarks.measure import Round, Row, Target


def noting(lab: Lab) -> Round:
    """Prepare a full log: the microseconds of one more event about a task."""
    clock = Clock()
    events, now = Events(clock), clock.now()

    def note() -> None:
        events._note(
            "task changed",
            "65e1f0000000000000000000",
            account="fakescale",
            when=now,
            by="client",
            was=None,
            status="pending",
            type="chat",
            unique_id="u",
            is_test=False,
        )

    for _ in range(MAX_EVENTS):
        note()
    return lambda: min(timeit.repeat(note, number=MAX_EVENTS)) / MAX_EVENTS * 1e6


ROWS = (
    Row(
        name="event",
        what="an event in the log, which is full",
        unit="µs",
        sides={"fakescale": noting},
        targets=(Target(at_most=2),),
        group="events",
    ),
)
