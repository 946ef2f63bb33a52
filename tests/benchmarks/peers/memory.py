"""What fakescale holds in memory, as the system sees it: what this process has resident (RSS).

``task`` is what each task held takes, as a multiple of its JSON text as the API prints it.
``small`` and ``large`` are the megabytes that the journal takes after many exchanges, and
after large ones.
"""

import gc
import json
import os
import sys
from pathlib import Path
from typing import Any

from fakescale import FakeScale
from tests.benchmarks.peers import wsgi
from tests.benchmarks.requests_sent import TYPE, body, next_number


def resident(process: int | str = "self") -> int:
    """Return how many bytes of a process are in memory."""
    pages = Path(f"/proc/{process}/statm").read_text("ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def hold(fake: FakeScale, count: int) -> float:
    """Create tasks from bodies as they are sent, but without the journal of a request."""
    gc.collect()
    before = resident()
    for _ in range(count):
        task = fake.tasks._submit(TYPE, json.loads(body(next_number())))
    gc.collect()
    return (resident() - before) / count / len(json.dumps(task.to_json()))


def note(fake: FakeScale, count: int, content: bytes, status: str, **changes: Any) -> float:
    """Send such a request so many times, all of which come into the journal."""
    gc.collect()
    before = resident()
    for _ in range(count):
        # A copy each time, as what comes from a socket is.
        wsgi.call(fake, wsgi.environ(bytes(bytearray(content)), **changes), status)
    gc.collect()
    return (resident() - before) / 2**20


def measure(what: str, count: int) -> float:
    """Return one of the figures, of so many things."""
    fake = FakeScale(seed="benchmark")
    if what == "task":
        hold(fake, 100)  # what is made once
        return hold(fake, count)
    list_none = {"REQUEST_METHOD": "GET", "PATH_INFO": "/v1/tasks", "REQUEST_URI": "/v1/tasks"}
    note(fake, 10, b"", "200", **list_none)
    if what == "small":
        return note(fake, count, b"", "200", **list_none)
    refused = json.dumps({"instruction": ["x" * 100_000]}).encode()
    return note(fake, count, refused, "400")


if __name__ == "__main__":
    print(measure(sys.argv[1], int(sys.argv[2])))
