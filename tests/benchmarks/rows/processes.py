"""The times in which the command starts and ends."""

import time

from tests.benchmarks.clients import Client
from tests.benchmarks.lab import Lab, command
from tests.benchmarks.measure import Row, Target
from tests.benchmarks.requests_sent import request
from tests.benchmarks.rows.requests import BARE

_LIST = request("GET", "/v1/tasks")


def answered() -> float:
    """Return the milliseconds from the start to the first answer."""
    begin = time.perf_counter()
    with command() as (_, port), Client(port) as client:
        client.ask(_LIST)
        return 1000 * (time.perf_counter() - begin)


def werkzeug_answered(lab: Lab) -> float:
    """Return the same time of a process that serves a bare application with werkzeug."""
    begin = time.perf_counter()
    with lab.program(*BARE) as child, Client(int(child.line())) as client:
        client.ask(_LIST)
        return 1000 * (time.perf_counter() - begin)


def gone() -> float:
    """Return the milliseconds from SIGTERM to the exit, with a client connected."""
    with command() as (child, port), Client(port) as client:
        client.ask(_LIST)
        begin = time.perf_counter()
        child.process.terminate()
        child.process.wait()
        return 1000 * (time.perf_counter() - begin)


ROWS = (
    Row(
        name="start",
        what="from the start of the command to its first answer",
        unit="ms",
        sides={
            "fakescale": lambda lab: answered,
            "werkzeug": lambda lab: lambda: werkzeug_answered(lab),
        },
        targets=(Target(at_most=1.25, times="werkzeug"),),
    ),
    Row(
        name="exit",
        what="from SIGTERM to the exit of the command, with a client connected",
        unit="ms",
        sides={"fakescale": lambda lab: gone},
        targets=(Target(at_most=10),),
    ),
)
