"""The speed of answers: to the raw client, to wrk, and without a socket."""

import itertools
import json
import re
import shutil
import statistics
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import clients, requests_sent
from tests.benchmarks.clients import Client
from tests.benchmarks.lab import Lab, worker
from tests.benchmarks.measure import Missing, Round, Row, Target
from tests.benchmarks.requests_sent import create, next_number, request

#: Takes a client of the server; returns a function that makes each request.
Asker = Callable[[Client], Callable[[], bytes]]
Side = Callable[[Lab], Round]

_SCRIPT = Path(__file__).parent.parent / "create.lua"
_runs = itertools.count()


def creating(client: Client) -> Callable[[], bytes]:
    """Create a new task each time."""
    return create


def getting(client: Client) -> Callable[[], bytes]:
    """Get the same task each time."""
    task_id = json.loads(client.ask(create()))["task_id"]
    asked = request("GET", f"/v1/task/{task_id}")
    return lambda: asked


def getting_a_customer(client: Client) -> Callable[[], bytes]:
    """Get the same customer from localstripe each time."""
    asked = requests_sent.get_customer(client.ask(requests_sent.CREATE_CUSTOMER))
    return lambda: asked


def getting_an_item(client: Client) -> Callable[[], bytes]:
    """Get the same item from DynamoDB each time."""
    number = next_number()
    client.ask(requests_sent.put_item(number))
    asked = requests_sent.get_item(number)
    return lambda: asked


def putting_items(client: Client) -> Callable[[], bytes]:
    """Put a new item into DynamoDB each time."""
    return lambda: requests_sent.put_item(next_number())


def per_second(asker: Asker, *server: str) -> Side:
    """Return a side: the answers per second on one connection that is kept alive."""

    def prepare(lab: Lab) -> Round:
        client = lab.client(*server)
        make = asker(client)
        return lambda: clients.rate(lambda: client.ask(make()), lab.seconds)

    return prepare


def eight(what: Callable[[list[float]], float], *server: str) -> Side:
    """Return a side: a figure from the latencies of creations on eight connections."""

    def prepare(lab: Lab) -> Round:
        port = lab.port(*server)
        return lambda: what(clients.latencies(port, create, 4 * lab.seconds, 8))

    return prepare


def p99(latencies: list[float]) -> float:
    return statistics.quantiles(latencies, n=100, method="inclusive")[98]


def over_median(latencies: list[float]) -> float:
    return max(latencies) - statistics.median(latencies)


def wrk(*server: str) -> Side:
    """Return a side: the creations per second of wrk on eight connections."""

    def prepare(lab: Lab) -> Round:
        if shutil.which("wrk") is None:
            raise Missing("wrk is not installed")
        command = ["wrk", "-t1", "-c8", "-d1s", "-s", str(_SCRIPT)]
        command += [f"http://127.0.0.1:{lab.port(*server)}{requests_sent.CREATE}", "--"]

        def measure() -> float:
            given = [requests_sent.KEY, requests_sent.body(0).decode(), str(next(_runs))]
            done = subprocess.run([*command, *given], check=True, capture_output=True, text=True)
            if "Non-2xx" in done.stdout:
                raise ValueError(f"not answered with 200: {done.stdout}")
            return float(re.findall(r"Requests/sec: +([\d.]+)", done.stdout)[0])

        return measure

    return prepare


OURS = ("ours", "0")
FLOOR = ("floor",)
BARE = ("stock", "bare")
OBJECTS = ("stock", "objects")
HTTPSERVER = ("pytest_httpserver",)

ROWS = (
    Row(
        name="create",
        what="create a task of 400 bytes, one connection kept alive",
        unit="req/s",
        sides={
            "fakescale": per_second(creating, *OURS),
            "floor": per_second(creating, *FLOOR),
            "werkzeug": per_second(creating, *BARE),
            "werkzeug app": per_second(creating, *OBJECTS),
            "pytest-httpserver": per_second(creating, *HTTPSERVER),
            "moto put": per_second(putting_items, "moto"),
        },
        targets=(
            Target(at_least=1.25, times="pytest-httpserver"),
            Target(at_least=2, times="werkzeug app"),
            Target(at_least=0.45, times="floor"),
        ),
        group="one by one",
    ),
    Row(
        name="get",
        what="get a task by its id, one connection kept alive",
        unit="req/s",
        sides={
            "fakescale": per_second(getting, *OURS),
            "floor": per_second(getting, *FLOOR),
            "pytest-httpserver": per_second(getting, *HTTPSERVER),
            "moto get": per_second(getting_an_item, "moto"),
            "localstripe get": per_second(getting_a_customer, "localstripe"),
        },
        targets=(
            Target(at_least=1.4, times="pytest-httpserver"),
            Target(at_least=0.5, times="floor"),
        ),
        group="one by one",
    ),
    Row(
        name="p99",
        what="the time in which 99 % of creations are answered, 8 connections",
        unit="ms",
        sides={
            "fakescale": eight(p99, *OURS),
            "werkzeug app": eight(p99, *OBJECTS),
            "floor": eight(p99, *FLOOR),
        },
        targets=(Target(at_most=0.5, times="werkzeug app"),),
        group="eight",
    ),
    Row(
        name="longest",
        what="the longest answer to a creation, beyond the median, 8 connections",
        unit="ms",
        sides={"fakescale": eight(over_median, *OURS), "floor": eight(over_median, *FLOOR)},
        targets=(Target(at_most=40, always=True),),
        group="eight",
    ),
    Row(
        name="wrk",
        what="creations, by wrk -c8",
        unit="req/s",
        sides={
            "fakescale": wrk(*OURS),
            "floor": wrk(*FLOOR),
            "pytest-httpserver": wrk(*HTTPSERVER),
        },
        targets=(Target(at_least=2.5, times="pytest-httpserver"),),
        group="eight",
    ),
    Row(
        name="wsgi",
        what="a creation without a socket, CPU",
        unit="µs",
        sides={
            "fakescale": worker("wsgi", "fakescale"),
            "werkzeug app": worker("wsgi", "objects"),
        },
        targets=(Target(at_most=120), Target(at_most=2.5, times="werkzeug app")),
    ),
)
