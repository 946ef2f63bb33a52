"""The memory that stays in use, and the pauses that it may cause."""

import itertools
import json
import time
from collections.abc import Callable

from tests.benchmarks.clients import Client
from tests.benchmarks.lab import Lab, command, once
from tests.benchmarks.measure import Round, Row, Target
from tests.benchmarks.peers.memory import resident
from tests.benchmarks.requests_sent import create, request
from tests.benchmarks.rows.requests import FLOOR, Side

_HELD = 100
_READS = 50_000


def _reader(client: Client) -> Callable[[], bytes]:
    """Create the tasks, and return a function that reads the next one."""
    ids = [json.loads(client.ask(create()))["task_id"] for _ in range(_HELD)]
    asked = itertools.cycle([request("GET", f"/v1/task/{task_id}") for task_id in ids])
    return lambda: client.ask(next(asked))


def resident_after_reads(lab: Lab) -> Round:
    """Prepare with many reads a side: the resident megabytes of the command after some more."""
    child, port = lab.enter(command())
    read = _reader(lab.enter(Client(port)))
    for _ in range(lab.many(_READS)):
        read()

    def measure() -> float:
        for _ in range(_HELD):
            read()
        return resident(child.process.pid) / 2**20

    return measure


def longest(serve: Callable[[Lab], int]) -> Side:
    """Return a side: the milliseconds of the longest of a tenth of the reads."""

    def prepare(lab: Lab) -> Round:
        read = _reader(lab.enter(Client(serve(lab))))

        def measure() -> float:
            worst = 0.0
            for _ in range(lab.many(_READS // 10)):
                begin = time.perf_counter()
                read()
                worst = max(worst, time.perf_counter() - begin)
            return 1000 * worst

        return measure

    return prepare


ROWS = (
    Row(
        name="memory",
        what="memory of each held task (RSS), relative to its JSON text as the API prints it",
        unit="× its JSON",
        sides={"fakescale": once("memory", "task", 10_000)},
        targets=(Target(at_most=2),),
    ),
    Row(
        name="journal",
        what="memory of the journal (RSS) after 12,000 small exchanges and after 500 of 100 kB",
        unit="MB",
        sides={
            "12,000 small": once("memory", "small", 12_000),
            "500 large": once("memory", "large", 500),
        },
        # Twice the journal's bound in bytes, which does not count Python's own objects.
        targets=(
            Target(side="12,000 small", at_most=64, always=True),
            Target(side="500 large", at_most=64, always=True),
        ),
    ),
    Row(
        name="resident",
        what="memory of the command (RSS) after 50,000 reads of 100 held tasks",
        unit="MB",
        sides={"fakescale": resident_after_reads},
        targets=(Target(at_most=60, always=True),),
    ),
    Row(
        name="pause",
        what="the longest answer among 5,000 such reads",
        unit="ms",
        sides={
            "fakescale": longest(lambda lab: lab.enter(command())[1]),
            "floor": longest(lambda lab: lab.port(*FLOOR)),
        },
        targets=(Target(at_most=10, always=True),),
    ),
)
