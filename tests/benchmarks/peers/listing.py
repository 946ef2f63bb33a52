"""The milliseconds of a list of all tasks, by the helper: ``list``, or a ``filter`` that all match.

The second argument is the number of tasks.
"""

import sys
import time
from statistics import median

from fakescale import FakeScale
from tests.benchmarks.peers import work
from tests.benchmarks.peers.ours import printed
from tests.benchmarks.requests_sent import params

_FILTERS = {"list": {}, "filter": {"tags": params(0)["tags"][0]}}
_TIMES = 5


def listing(fake: FakeScale, act: str, count: int) -> float:
    """Return the milliseconds of a list. Raises ValueError if it has not all tasks."""
    begin = time.perf_counter()
    found = fake.tasks.list(**_FILTERS[act])
    taken = 1000 * (time.perf_counter() - begin)
    if len(found) != count:
        raise ValueError(f"{len(found)} tasks found")
    return taken


if __name__ == "__main__":
    act, count = sys.argv[1], int(sys.argv[2])
    fake = FakeScale(seed="benchmark")
    fake.tasks.load(printed(count))
    work(lambda _: median(listing(fake, act, count) for _ in range(_TIMES)))
