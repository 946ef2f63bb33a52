"""fakescale, served as the fixture serves it, with a given number of tasks.

The tasks are loaded as the API prints them, one for each second from the start of 2024. Three of
them have the tag ``rare``.
"""

import datetime as dt
import sys
from collections.abc import Iterator
from typing import Any

from fakescale import FakeScale
from tests.benchmarks.peers import stay
from tests.benchmarks.requests_sent import TASK, params, unique_id

RARE = 3
_BEGIN = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


def printed(count: int) -> Iterator[dict[str, Any]]:
    """Yield ``count`` tasks as the API prints them."""
    every = max(1, count // RARE)
    for number in range(count):
        when = (_BEGIN + dt.timedelta(seconds=number)).isoformat(timespec="milliseconds")
        yield {
            **TASK,
            "task_id": f"{int(_BEGIN.timestamp()) + number:08x}{number:016x}",
            "created_at": when,
            "updated_at": when,
            "tags": ["night", "rare"] if number % every == 1 % every else params(0)["tags"],
            "unique_id": unique_id(number),
        }


if __name__ == "__main__":
    fake = FakeScale(seed="benchmark")
    fake.tasks.load(printed(int(sys.argv[1])))
    with fake.serve():
        stay(int(fake.url.split(":")[2].split("/")[0]))
