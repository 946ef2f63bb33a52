"""Times that may grow with the number of held tasks."""

import itertools
import json
import statistics
import threading
from collections.abc import Callable

from tests.benchmarks.clients import Client, durations
from tests.benchmarks.lab import Lab, worker
from tests.benchmarks.measure import Round, Row, Target
from tests.benchmarks.peers.ours import RARE
from tests.benchmarks.requests_sent import create, request, unique_id
from tests.benchmarks.rows.requests import Side

#: Takes a client and the number of held tasks; returns a function that makes each request.
Asker = Callable[[Client, int], Callable[[], bytes]]

_FEW, _MANY = 1_000, 1_000_000
_FEW_MATCH = request("GET", "/v1/tasks?tags=rare")


def first_page(client: Client, held: int) -> Callable[[], bytes]:
    asked = request("GET", "/v1/tasks?limit=100")
    return lambda: asked


def by_unique_id(client: Client, held: int) -> Callable[[], bytes]:
    """Find evenly spread tasks by their unique_ids, in turn."""
    numbers = range(0, held, max(1, held // 97))
    targets = [f"/v1/tasks?unique_id={unique_id(number)}" for number in numbers]
    asked = itertools.cycle([request("GET", target) for target in targets])
    return lambda: next(asked)


def by_id(client: Client, held: int) -> Callable[[], bytes]:
    """Get the same tasks by their ids."""
    find = by_unique_id(client, held)
    found = [json.loads(client.ask(find()))["docs"][0]["task_id"] for _ in range(97)]
    asked = itertools.cycle([request("GET", f"/v1/task/{task_id}") for task_id in found])
    return lambda: next(asked)


def creating(client: Client, held: int) -> Callable[[], bytes]:
    return create


def few_match(client: Client, held: int) -> Callable[[], bytes]:
    """List the tasks with the rare tag, and check their number."""
    found = json.loads(client.ask(_FEW_MATCH))["docs"]
    if len(found) != min(RARE, held):
        raise ValueError(f"{len(found)} tasks found")
    return lambda: _FEW_MATCH


def typical(asker: Asker, held: int) -> Side:
    """Return a side: the median milliseconds of an answer while ``held`` tasks are held."""

    def prepare(lab: Lab) -> Round:
        client = lab.client("ours", held)
        make = asker(client, lab.many(held))
        return lambda: statistics.median(durations(lambda: client.ask(make()), lab.seconds))

    return prepare


def longest_get(held: int, *, filtering: bool) -> Side:
    """Return a side: the milliseconds of the longest answer to a get by id.

    With ``filtering``, another client lists the tasks with the rare tag over and over. The
    longest answer counts, not the median, because most answers fall between two of these lists.
    """

    def prepare(lab: Lab) -> Round:
        client, other = lab.client("ours", held), lab.client("ours", held)
        get, find = by_id(client, lab.many(held)), few_match(other, lab.many(held))
        done = threading.Event()

        def go_on() -> None:
            while not done.is_set():
                other.ask(find())

        def measure() -> float:
            done.clear()
            thread = threading.Thread(target=go_on)
            if filtering:
                thread.start()
            try:
                return max(durations(lambda: client.ask(get()), 3 * lab.seconds))
            finally:
                done.set()
                if filtering:
                    thread.join()

        return measure

    return prepare


def growth(name: str, what: str, asker: Asker) -> Row:
    """Return a row that compares a server that holds few with one that holds many."""
    few, many = f"{_FEW:,} held", f"{_MANY:,} held"
    return Row(
        name=name,
        what=f"{what}, with few and with many tasks held",
        unit="ms",
        sides={few: typical(asker, _FEW), many: typical(asker, _MANY)},
        targets=(Target(at_most=1.1, side=many, times=few),),
        group=many,
    )


ROWS = (
    Row(
        name="filter",
        what="a filter that matches 3 of 100,000 tasks",
        unit="ms",
        sides={"fakescale": typical(few_match, 100_000)},
        targets=(Target(at_most=15),),
        group="100,000 held",
    ),
    Row(
        name="meanwhile",
        what="the longest get of a task by its id, while another client filters 100,000",
        unit="ms",
        sides={
            "fakescale": longest_get(100_000, filtering=True),
            "alone": longest_get(100_000, filtering=False),
        },
        targets=(Target(at_most=15),),
        group="100,000 held",
    ),
    growth("held-page", "the first page of 100 tasks", first_page),
    growth("held-unique-id", "GET /v1/tasks?unique_id=…", by_unique_id),
    growth("held-create", "create a task", creating),
    growth("held-get", "get a task by its id", by_id),
    Row(
        name="list",
        what="tasks.list() of 200,000 tasks",
        unit="ms",
        sides={"fakescale": worker("listing", "list", 200_000)},
        targets=(Target(at_most=10),),
    ),
    Row(
        name="filter-all",
        what="tasks.list(tags=…) that all of 200,000 tasks match",
        unit="ms",
        sides={"fakescale": worker("listing", "filter", 200_000)},
        targets=(Target(at_most=40),),
    ),
)
