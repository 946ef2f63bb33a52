"""Sleeps of the code under test that move the clock of a fake."""

import asyncio
import datetime as dt
import operator
import sys
import threading
import time
import types
from asyncio import sleep as pause
from collections.abc import Iterator
from time import sleep as nap
from typing import Any

import pytest
import requests

from fakescale import FakeScale, Receiver, RemoteFakeScale, sleeping

# No test has the text of a real sleep.
SLEEP_OF = operator.attrgetter("sleep")
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def fake() -> Iterator[FakeScale]:
    """Return a fake, after which no sleep is patched."""
    before = time.sleep, asyncio.sleep, nap, pause
    fake = FakeScale()
    fake.stop_clock()
    yield fake
    assert (time.sleep, asyncio.sleep, nap, pause) == before
    fake.callbacks._stop(for_good=True)


def passed(fake: FakeScale, since: dt.datetime) -> float:
    return (fake.now() - since).total_seconds()


def test_a_sleep_moves_the_clock_and_runs_due_labelers(fake: FakeScale) -> None:
    fake.turnaround = HOUR
    task, begin = fake.tasks.create("chat"), fake.now()
    with fake.sleeping():
        SLEEP_OF(time)(1800)
        assert fake.tasks.get(task).status == "pending"
        nap(1800.5)  # imported by its name
    assert passed(fake, begin) == 3600.5
    assert fake.tasks.get(task).completed_at is not None


def test_a_sleep_sends_the_callbacks_that_become_due(
    fake: FakeScale, callback_receiver: Receiver
) -> None:
    fake.turnaround = HOUR
    fake.tasks.create("chat", callback_url=callback_receiver.url)
    with fake.sleeping():
        nap(3600)
        assert len(callback_receiver.received) == 1


def test_a_sleep_of_async_code_moves_the_clock(fake: FakeScale) -> None:
    async def work() -> list[Any]:
        await pause(30)
        return [
            await SLEEP_OF(asyncio)(60, "result"),
            *await asyncio.gather(pause(5, 1), pause(5, 2)),
        ]

    begin = fake.now()
    with fake.sleeping():
        assert asyncio.run(work()) == ["result", 1, 2]
    assert passed(fake, begin) == 100


def test_the_event_loop_answers_callbacks_during_a_pause(fake: FakeScale) -> None:
    bodies = []

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        bodies.append(head)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async def work() -> None:
        server = await asyncio.start_server(receive, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        fake.tasks.create("chat", callback_url=f"http://127.0.0.1:{port}/")
        with fake.sleeping():
            await pause(3600)
        server.close()

    fake.turnaround = HOUR
    asyncio.run(work())
    assert len(bodies) == 1
    assert [it.state for it in fake.callbacks] == ["done"]


def test_other_threads_move_the_clock_too(fake: FakeScale) -> None:
    fake.turnaround = HOUR
    task, begin = fake.tasks.create("chat"), fake.now()
    with fake.sleeping():
        threads = [threading.Thread(target=nap, args=[1800]) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert passed(fake, begin) == 3600
    assert fake.tasks.get(task).status == "completed"


def test_a_receiver_and_a_labeler_may_pause(fake: FakeScale) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        nap(1)
        start_response("200 OK", [])
        return []

    def label(task: Any) -> dict[str, Any]:
        nap(1)
        return {}

    from fakescale.server.server import serving

    fake.labeler, fake.turnaround, begin = label, HOUR, fake.now()
    with serving(app, "127.0.0.1", 0) as origin, fake.sleeping():
        fake.tasks.create("chat", callback_url=f"{origin}/")
        nap(3600)
    assert [it.state for it in fake.callbacks] == ["done"]
    assert passed(fake, begin) == 3602


def test_the_sleeps_of_others_are_real(fake: FakeScale) -> None:
    waits: list[float] = []
    begin = fake.now()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", waits.append)
        with fake.sleeping():
            for name in ("uvicorn.server", "subprocess", "urllib3.util.retry"):
                exec("import time; time.sleep" + "(7)", {"__name__": name})
            SLEEP_OF(time)(0)
    assert waits == [7, 7, 0, 0]  # the clock moves for urllib3; then others may run
    assert passed(fake, begin) == 7
    with pytest.raises(ValueError, match="non-negative"), fake.sleeping():
        nap(-1)


def test_blocks_may_overlap_and_a_fake_moves_once(fake: FakeScale) -> None:
    other = FakeScale()
    other.stop_clock()
    begin = fake.now(), other.now()
    first, second, third = fake.sleeping(), other.sleeping(), fake.sleeping()
    for block in (first, second, third):
        block.__enter__()
    nap(10)
    first.__exit__(None, None, None)
    nap(10)
    third.__exit__(None, None, None)
    nap(10)
    second.__exit__(None, None, None)
    assert (passed(fake, begin[0]), passed(other, begin[1])) == (20, 30)


def test_all_running_fakes_move_unless_one_is_named(fake: FakeScale) -> None:
    served = FakeScale()
    served.stop_clock()
    begin = served.now()
    with served.serve(), sleeping():
        nap(5)
        remote = RemoteFakeScale(served.url)
        with remote.sleeping():
            nap(5)  # the server moves by each
    assert passed(served, begin) == 15
    assert passed(fake, fake.now()) == 0


def test_a_module_imported_within_the_block_sleeps_again_after_it(fake: FakeScale) -> None:
    module = types.ModuleType("code_under_test")
    sys.modules[module.__name__] = module
    begin = fake.now()
    try:
        with fake.sleeping():
            exec("from time import sleep", vars(module))
            SLEEP_OF(module)(5)
        assert vars(module)["sleep"] is time.sleep
    finally:
        del sys.modules[module.__name__]
    assert passed(fake, begin) == 5


def test_it_decorates_a_test(fake: FakeScale) -> None:
    begin = fake.now()
    fake.sleeping()(lambda: nap(60))()
    assert passed(fake, begin) == 60


def test_code_that_polls_ends_at_once(fake: FakeScale) -> None:
    fake.turnaround = dt.timedelta(hours=3)
    with fake.serve(), fake.sleeping():
        task = fake.tasks.create("chat")

        def status() -> str:
            url = f"{fake.url}/task/{task.id}"
            return str(requests.get(url, auth=(fake.api_key, ""), timeout=10).json()["status"])

        polls = 0
        while status() == "pending":
            nap(600)
            polls += 1
    assert polls == 18
