"""The speed of answers: to the raw client, to wrk, and without a socket."""

import itertools
import json
import re
import shutil
import statistics
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def each_anew(*server: str) -> Side:
    """Return a side: the creations per second, each on a connection of its own."""

    def prepare(lab: Lab) -> Round:
        client = lab.client(*server)
        return lambda: clients.rate(lambda: clients.anew(client, create()), lab.seconds)

    return prepare


def at_once(what: Callable[[list[float]], float], connections: int, *server: str) -> Side:
    """Return a side: a figure from the latencies of creations on several connections."""

    def prepare(lab: Lab) -> Round:
        port = lab.port(*server)
        return lambda: what(clients.latencies(port, create, 4 * lab.seconds, connections))

    return prepare


def p99(latencies: list[float]) -> float:
    return statistics.quantiles(latencies, n=100, method="inclusive")[98]


def over_median(latencies: list[float]) -> float:
    return max(latencies) - statistics.median(latencies)


def rate_by_wrk(report: str) -> float:
    """Return the answers per second in a report of wrk."""
    return float(re.findall(r"Requests/sec: +([\d.]+)", report)[0])


def p99_by_wrk(report: str) -> float:
    """Return the milliseconds in which 99 % of the requests in a report of wrk were answered."""
    [(number, unit)] = re.findall(r" 99% +([\d.]+)(us|ms|s)\n", report)
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def wrk(what: Callable[[str], float], connections: int, *server: Any) -> Side:
    """Return a side: a figure of creations by wrk on several connections."""

    def prepare(lab: Lab) -> Round:
        if shutil.which("wrk") is None:
            raise Missing("wrk is not installed")
        command = ["wrk", "-t1", f"-c{connections}", "-d1s", "--latency", "-s", str(_SCRIPT)]
        command += [f"http://127.0.0.1:{lab.port(*server)}{requests_sent.CREATE}", "--"]

        def measure() -> float:
            given = [requests_sent.KEY, requests_sent.body(0).decode(), str(next(_runs))]
            done = subprocess.run([*command, *given], check=True, capture_output=True, text=True)
            if "Non-2xx" in done.stdout:
                raise ValueError(f"not answered with 200: {done.stdout}")
            return what(done.stdout)

        return measure

    return prepare


OURS = ("ours", "0")
FLOOR = ("floor",)
BARE = ("stock", "bare")
OBJECTS = ("stock", "objects")
HTTPSERVER = ("pytest_httpserver",)
#: A fake of the fixture, in a pytest of its own, with 10,000 tasks made.
IN_PYTEST = ("fakescale", 10_000)


def late(connections: int) -> Row:
    """Return the row of the slowest 1 % of answers on some connections."""
    return Row(
        name=f"p99-{connections}",
        what=f"the time in which 99 % of creations are answered, {connections} connections",
        unit="ms",
        sides={
            "fakescale": at_once(p99, connections, *OURS),
            "pytest-httpserver": at_once(p99, connections, *HTTPSERVER),
            "werkzeug app": at_once(p99, connections, *OBJECTS),
            "floor": at_once(p99, connections, *FLOOR),
        },
        targets=(Target(at_most=0.6, times="pytest-httpserver"),),
        group="at once",
    )


def many(connections: int) -> Row:
    """Return the row of creations by wrk on some connections."""
    return Row(
        name=f"wrk-{connections}",
        what=f"creations, by wrk -c{connections}",
        unit="req/s",
        sides={
            "fakescale": wrk(rate_by_wrk, connections, *OURS),
            "floor": wrk(rate_by_wrk, connections, *FLOOR),
            "pytest-httpserver": wrk(rate_by_wrk, connections, *HTTPSERVER),
        },
        targets=(Target(at_least=2, times="pytest-httpserver"),),
        group="at once",
    )


def late_in_pytest(connections: int, bound: float) -> Row:
    """Return the row of the slowest 1 % of answers of a fake inside a test."""
    return Row(
        name=f"pytest-p99-{connections}",
        what=f"the time in which 99 % of creations by wrk -c{connections} are answered, by a fake"
        " in a test that has made 10,000 tasks",
        unit="ms",
        sides={"fakescale": wrk(p99_by_wrk, connections, *IN_PYTEST)},
        targets=(Target(at_most=bound),),
        group="in pytest",
    )


def without_socket(act: str, what: str, *targets: Target) -> Row:
    """Return the row of a request without a socket."""
    sides = {"fakescale": worker("wsgi", "fakescale", act)}
    if act == "create":
        sides["werkzeug app"] = worker("wsgi", "objects", act)
    return Row(
        name=f"wsgi-{act}",
        what=f"{what} without a socket, CPU",
        unit="µs",
        sides=sides,
        targets=targets,
    )


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
            Target(at_least=1.6, times="pytest-httpserver"),
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
            Target(at_least=2.2, times="pytest-httpserver"),
            Target(at_least=0.55, times="floor"),
        ),
        group="one by one",
    ),
    Row(
        name="create-anew",
        what="create a task of 400 bytes, a connection each",
        unit="req/s",
        sides={
            "fakescale": each_anew(*OURS),
            "floor": each_anew(*FLOOR),
            "pytest-httpserver": each_anew(*HTTPSERVER),
        },
        targets=(Target(at_least=1.15, times="pytest-httpserver"),),
        group="one by one",
    ),
    late(8),
    late(32),
    Row(
        name="longest",
        what="the longest answer to a creation, beyond the median, 8 connections",
        unit="ms",
        sides={
            "fakescale": at_once(over_median, 8, *OURS),
            "floor": at_once(over_median, 8, *FLOOR),
        },
        targets=(Target(at_most=20, always=True),),
        group="at once",
    ),
    many(8),
    many(32),
    late_in_pytest(8, 6),
    late_in_pytest(32, 20),
    without_socket(
        "create",
        "a creation",
        Target(at_most=52),
        Target(at_most=1.1, times="werkzeug app"),
    ),
    without_socket("get", "a get of a task by its id", Target(at_most=20)),
    without_socket("page", "a page of 100 tasks", Target(at_most=150)),
)
