"""The memory that fakescale holds: the resident memory (RSS) of this process.

``task`` is the memory of each task, as a multiple of its JSON text as the API prints it.
``small`` and ``large`` are the megabytes of the journal after many small exchanges, and after
large ones.
"""

import gc
import json
import os
import sys
from pathlib import Path
from typing import Any

from fakescale import FakeScale
from fakescale.traffic.events import MAX_EVENTS
from tests.benchmarks.peers import wsgi
from tests.benchmarks.requests_sent import TYPE, body, next_number


def resident(process: int | str = "self") -> int:
    """Return the resident bytes of a process."""
    pages = Path(f"/proc/{process}/statm").read_text("ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def hold(fake: FakeScale, count: int) -> float:
    """Create tasks from JSON, without requests in the journal; return the memory of each task."""
    gc.collect()
    before = resident()
    for _ in range(count):
        task = fake.tasks._submit(TYPE, json.loads(body(next_number())))
    gc.collect()
    return (resident() - before) / count / len(json.dumps(task.to_json()))


def note(fake: FakeScale, count: int, content: bytes, status: str, **changes: Any) -> float:
    """Send the request ``count`` times; return the megabytes that the journal takes."""
    gc.collect()
    before = resident()
    for _ in range(count):
        # A copy each time, because each request from a socket has bytes of its own.
        wsgi.call(fake, wsgi.environ(bytes(bytearray(content)), **changes), status)
    gc.collect()
    return (resident() - before) / 2**20


def measure(what: str, count: int) -> float:
    """Return the figure ``what`` for ``count`` tasks or exchanges."""
    fake = FakeScale(seed="benchmark")
    if what == "task":
        hold(fake, MAX_EVENTS)  # the log of events is full, and all else that is made only once
        return hold(fake, count)
    list_none = {"REQUEST_METHOD": "GET", "PATH_INFO": "/v1/tasks", "REQUEST_URI": "/v1/tasks"}
    note(fake, 10, b"", "200", **list_none)
    if what == "small":
        return note(fake, count, b"", "200", **list_none)
    refused = json.dumps({"instruction": ["x" * 100_000]}).encode()
    return note(fake, count, refused, "400")


if __name__ == "__main__":
    print(measure(sys.argv[1], int(sys.argv[2])))
