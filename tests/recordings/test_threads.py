"""Recordings of several threads, whose exchanges overlap.

The threads are simulated, so that the recordings are the same in each run: each request begins,
takes effect and ends at moments of its own, and the answers are in order of effect.
"""

import datetime as dt
import heapq
import random
from collections.abc import Generator
from typing import Any

import pytest

from fakescale import FakeScale
from fakescale.recordings.comparing import compare_exchanges
from fakescale.recordings.exchanges import Recorded
from tests.recordings.recorder import Recorder

BODY = {"instruction": "i", "attachment_type": "text", "attachment": "a", "categories": ["b", "c"]}
Call = tuple[Any, ...]


def client(fake: FakeScale, rng: random.Random, number: int) -> Generator[Call, Any, None]:
    """Yield the requests of one of several clients, who label tasks in between."""
    mine: list[str] = []
    yield "POST", "/batches", {"project": "p", "name": f"batch {rng.randrange(6)}"}
    for step in range(8):
        body = {**BODY, "project": "p", "batch": f"batch {number % 4}"}
        # Threads may use the same unique_id at the same time.
        name = f"{step}-{rng.randrange(3)}"
        reply = yield "POST", "/task/categorization", {**body, "unique_id": name}
        if reply.status == 200:
            mine.append(reply.json["task_id"])
        yield "GET", "/tasks?limit=5&project=p"
        yield "GET", "/tasks?status=completed&batch=batch%201"
        yield "GET", "/batches/batch%202/status"
        if mine:
            task = rng.choice(mine)
            yield "PUT", f"/task/{task}/tags", [f"tag{step}"]
            if fake.tasks.get(task).status == "pending":
                fake.tasks.complete(task, {"category": "b"})
            yield "POST", f"/task/{task}/audit", {"accepted": True}
            yield "GET", f"/task/{task}"


def record(seed: int, *, threads: int, milliseconds: int) -> list[Recorded]:
    """Return the recording of several clients, whose requests take up to some milliseconds."""
    fake, rng = FakeScale(seed=seed), random.Random(seed)
    fake.stop_clock()
    recorder = Recorder(fake)
    recorder.ok("POST", "/projects", {"type": "categorization", "name": "p"})
    for number in range(4):
        recorder.ok("POST", "/batches", {"project": "p", "name": f"batch {number}"})
    start = fake.now()
    found, replies = recorder.exchanges, {}
    clients: Any = [client(fake, rng, number) for number in range(threads)]
    # The next requests: the microseconds of their effect and begin, and their clients.
    coming = [(rng.randrange(5000), 0, number, next(it)) for number, it in enumerate(clients)]
    heapq.heapify(coming)
    while coming:
        effect, begin, number, call = heapq.heappop(coming)
        now = start + dt.timedelta(milliseconds=effect // 1000)
        fake.advance(max(now - fake.now(), dt.timedelta()))
        replies[number] = recorder(*call)
        when = start + dt.timedelta(milliseconds=begin // 1000, microseconds=1)
        found[-1] = found[-1]._replace(when=when)
        try:
            call = clients[number].send(replies[number])
        except StopIteration:
            continue
        end = effect + rng.randrange(milliseconds * 500)
        takes = rng.randrange(milliseconds * 500)
        heapq.heappush(coming, (end + takes, end, number, call))
    return recorder.in_order()


@pytest.mark.parametrize("seed", [0, *(pytest.param(it, marks=pytest.mark.proof) for it in (1, 2))])
@pytest.mark.parametrize("milliseconds", [2, 40])
def test_a_recording_of_eight_threads_compares_as_the_same(seed: int, milliseconds: int) -> None:
    report = compare_exchanges(record(seed, threads=8, milliseconds=milliseconds))
    assert report.same, report.ending()
    assert len(report.exchanges) > 300
