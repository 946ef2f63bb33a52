"""The times in which the command starts and ends."""

import json
import tempfile
import time
from pathlib import Path

from fakescale import FakeScale
from tests.benchmarks.clients import Client
from tests.benchmarks.lab import Lab, command
from tests.benchmarks.measure import Round, Row, Target
from tests.benchmarks.peers.ours import printed
from tests.benchmarks.requests_sent import request
from tests.benchmarks.rows.requests import BARE

_LOADED = 100_000
_LIST = request("GET", "/v1/tasks")


def started() -> float:
    """Return the milliseconds from the start to the first line, which names the URL."""
    begin = time.perf_counter()
    with command():
        return 1000 * (time.perf_counter() - begin)


def werkzeug_started(lab: Lab) -> float:
    """Return the same time of a process that serves a bare application with werkzeug."""
    begin = time.perf_counter()
    with lab.program(*BARE) as child:
        child.line()
        return 1000 * (time.perf_counter() - begin)


def loading(lab: Lab) -> Round:
    """Prepare with a dump a side: the seconds from the start with ``--load`` to the first line."""
    fake = FakeScale(seed="benchmark")
    fake.tasks.load(printed(lab.many(_LOADED)))
    file = Path(lab.enter(tempfile.TemporaryDirectory())) / "dump.json"
    file.write_text(json.dumps(fake.dump()), "utf-8")

    def measure() -> float:
        begin = time.perf_counter()
        with command("--load", str(file)):
            return time.perf_counter() - begin

    return measure


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
        what="from the start of the command to its first line",
        unit="ms",
        sides={
            "fakescale": lambda lab: started,
            "werkzeug": lambda lab: lambda: werkzeug_started(lab),
        },
        targets=(Target(at_most=1, times="werkzeug"),),
    ),
    Row(
        name="load",
        what="from the start of the command with --load of 100,000 tasks to its first line",
        unit="s",
        sides={"fakescale": loading},
        targets=(Target(at_most=2.2),),
    ),
    Row(
        name="exit",
        what="from SIGTERM to the exit of the command, with a client connected",
        unit="ms",
        sides={"fakescale": lambda lab: gone},
        targets=(Target(at_most=10),),
    ),
)
