"""Waits in real time: for threads, for async code, and while the clock is frozen."""

import asyncio
import datetime as dt
import functools
import sys
import threading
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import freezegun
import httpx
import pytest

from fakescale import FakeScale, Receiver, RemoteFakeScale
from fakescale.waiting import in_thread

Side = Any  # a FakeScale or a RemoteFakeScale


@pytest.fixture(params=["local", "remote"])
def side(request: pytest.FixtureRequest) -> Iterator[Side]:
    with FakeScale().serve() as fake:
        yield fake if request.param == "local" else RemoteFakeScale(fake.url)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.mark.parametrize("frozen", [False, True])
def test_a_wait_ends_as_soon_as_the_last_item_comes(
    side: Side, pool: ThreadPoolExecutor, callback_receiver: Receiver, frozen: bool
) -> None:
    with freezegun.freeze_time() if frozen else pytest.MonkeyPatch.context():
        tasks = pool.submit(side.tasks.wait_for, 2, status="completed")
        requests = pool.submit(side.requests.wait_for, method="POST")
        callbacks = pool.submit(side.callbacks.wait_for, 2)
        for _ in range(2):
            url, auth = f"{side.url}/task/chat", (side.api_key, "")
            body = {"callback_url": callback_receiver.url}
            task_id = httpx.post(url, json=body, auth=auth).json()["task_id"]
            side.tasks.complete(task_id)
        assert {task.status for task in tasks.result(10)} == {"completed"}
        assert len(requests.result(10)) in (1, 2)
        assert [it.state for it in callbacks.result(10)] == ["done"] * 2


@pytest.mark.parametrize("frozen", [False, True])
def test_a_wait_in_vain_tells_what_came(side: Side, frozen: bool) -> None:
    side.callback_url = "a@example.com"
    task = side.tasks.complete(side.tasks.create("chat", unique_id="u"))
    httpx.get(f"{side.url}/tasks?limit=1", auth=(side.api_key, ""))
    with freezegun.freeze_time() if frozen else pytest.MonkeyPatch.context():
        for wait, text in (
            (
                functools.partial(side.tasks.wait_for, 2, 0.01, status="completed"),
                "expected 2 tasks with status='completed'; 1 came in 0.01 s\n"
                "there are 1 in all, the latest:\n"
                f"  <Task {task.id} chat completed unique_id='u'>",
            ),
            (
                functools.partial(side.tasks.wait_for, timeout=0, type="annotation"),
                "expected 1 task with type='annotation'; 0 came in 0 s\n"
                "there are 1 in all, the latest:\n"
                f"  <Task {task.id} chat completed unique_id='u'>",
            ),
            (
                functools.partial(side.requests.wait_for, timeout=0, method="POST"),
                "expected 1 request with method='POST'; 0 came in 0 s\n"
                "there are 1 in all, the latest:\n  GET /v1/tasks?limit=1 -> 200",
            ),
            (
                functools.partial(side.callbacks.wait_for, 1, 0, subject=task),
                f"expected 1 callback with subject='{task.id}', state='done'; 0 came in 0 s\n"
                "there are 1 in all, the latest:\n"
                f"  <Delivery 0 completed {task.id} to a@example.com recorded>",
            ),
        ):
            with pytest.raises(AssertionError) as caught:
                wait()
            assert str(caught.value) == text


def test_a_wait_runs_labelers_when_they_are_due_without_a_server() -> None:
    fake = FakeScale(complete_after=dt.timedelta(milliseconds=20))
    fake.tasks.create("chat")
    assert len(fake.tasks.wait_for(status="completed")) == 1


def test_a_wait_looks_again_only_after_an_event(pool: ThreadPoolExecutor) -> None:
    fake, looked, totals = FakeScale(), threading.Semaphore(0), []

    def look() -> bool | None:
        totals.append(fake.events.total)
        looked.release()
        return True if len(totals) == 3 else None

    wait = pool.submit(fake._state._wait, look, 10)
    for _ in range(2):
        assert looked.acquire(timeout=10)
        fake.tasks.create("chat")
    assert wait.result(10)
    assert totals == [0, 1, 2]
    assert fake.events._waiting == 0


def test_a_timeout_of_more_than_a_day_is_refused() -> None:
    for timeout in (1e9, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="at most a day"):
            FakeScale().tasks.wait_for(timeout=timeout)


# Async code.


def test_the_event_loop_runs_on_during_a_wait(side: Side) -> None:
    async def work() -> list[Any]:
        async with httpx.AsyncClient(base_url=side.url, auth=(side.api_key, "")) as client:
            waits = [
                side.tasks.until(2, type="chat"),
                side.requests.until(path="/task/<type>"),
                side.callbacks.until(state="recorded"),
                side.events.until(kind="request"),
            ]
            waits = [asyncio.create_task(it) for it in waits]
            for _ in range(2):
                await client.post("/task/chat", json={"callback_url": "a@example.com"})
            await asyncio.to_thread(lambda: side.tasks.complete(side.tasks[0]))
            return [await it for it in waits]

    tasks, requests, callbacks, event = asyncio.run(work())
    assert [len(tasks), len(requests) > 0, len(callbacks)] == [2, True, 1]
    assert event.exchange.method == "POST"


@pytest.mark.parametrize("frozen", [False, True])
def test_an_async_wait_in_vain_fails(side: Side, frozen: bool) -> None:
    with freezegun.freeze_time() if frozen else pytest.MonkeyPatch.context():
        for wait in (side.tasks.until, side.requests.until, side.callbacks.until):
            with pytest.raises(AssertionError, match="; 0 came in"):
                asyncio.run(wait(timeout=0.01))
        with pytest.raises(AssertionError, match="no event came in time"):
            asyncio.run(side.events.until(timeout=0.01, kind="fault"))


def test_a_canceled_wait_delays_nobody() -> None:
    go_on = threading.Event()

    async def work() -> None:
        wait = asyncio.create_task(in_thread(lambda: go_on.wait(10)))
        await asyncio.to_thread(lambda: None)
        wait.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wait

    asyncio.run(work())
    go_on.set()
    for thread in threading.enumerate():
        if thread.name == "fakescale-wait":
            thread.join(10)


def test_trio_has_its_own_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    import trio  # here, since another test sees whether it is imported

    fake = FakeScale()

    async def work() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(functools.partial(fake.tasks.until, type="chat"))
            fake.tasks.create("chat")
        with pytest.raises(AssertionError, match="; 0 came in"):
            await fake.tasks.until(timeout=0.01, status="error")

    trio.run(work)


def test_an_imported_trio_that_does_not_run_is_no_trio(monkeypatch: pytest.MonkeyPatch) -> None:
    def current_task() -> None:
        raise RuntimeError("must be called from async context")

    lowlevel = types.SimpleNamespace(current_task=current_task)
    monkeypatch.setitem(sys.modules, "trio", types.SimpleNamespace(lowlevel=lowlevel))
    assert asyncio.run(in_thread(lambda: 5)) == 5


# Assertions.


def test_assertions_return_what_they_found(side: Side) -> None:
    first = side.tasks.create("chat", unique_id="a", metadata={"n": 1, "m": 2})
    second = side.tasks.create("annotation", attachment="b.jpg", objects_to_annotate=["cat"])
    assert side.tasks.assert_created("annotation", attachment="b.jpg") == [second]
    assert side.tasks.assert_created(metadata={"n": 1}) == [first]
    assert side.tasks.assert_created(count=2) == [second, first]
    assert side.tasks.assert_created(unique_id=None, status="pending") == [second]
    side.test.tasks.assert_created(count=0)
    with pytest.raises(side.NotFound):
        side.tasks.assert_created("chta")
    httpx.get(f"{side.url}/tasks", auth=(side.api_key, ""))
    httpx.post(
        f"{side.url}/task/chat",
        json={"unique_id": "c", "metadata": {"x": 1}},
        headers={"Idempotency-Key": "k"},
        auth=(side.api_key, ""),
    )
    sent = side.requests.assert_sent
    [found] = sent("post", "/task/<type>", 1, status=200, headers={"idempotency-key": "k"})
    assert found.json["unique_id"] == "c"
    assert sent(unique_id="c", metadata={"x": 1}) == [found]
    assert sent(path="/v1/tasks")[0].method == "GET"
    assert len(sent(count=2)) == 2
    sent("DELETE", count=0)


def test_failures_name_the_differences(side: Side) -> None:
    task = side.tasks.create("chat", unique_id="u", metadata={"batch": {"n": 1}})
    with pytest.raises(AssertionError) as caught:
        side.tasks.assert_created("chat", unique_id="v", metadata={"batch": {"n": 2}}, urgncy="x")
    assert str(caught.value) == (
        "expected at least 1 created task with type='chat', unique_id='v',"
        " metadata={'batch': {'n': 2}}, urgncy='x'; 0 of 1 fit\n"
        "the nearest:\n"
        f"  <Task {task.id} chat pending unique_id='u'>\n"
        "    unique_id: 'u', expected 'v'\n"
        "    metadata.batch.n: 1, expected 2\n"
        "    urgncy: missing (there is \"urgency\"), expected 'x'"
    )
    httpx.post(f"{side.url}/task/chat", content=b"\xff", auth=(side.api_key, ""))
    with pytest.raises(AssertionError) as caught:
        side.requests.assert_sent("POST", "/task/annotation", status=200, a=1)
    assert str(caught.value) == (
        "expected at least 1 sent request with method='POST', path='/task/annotation',"
        " status=200, body={'a': 1}; 0 of 1 fit\n"
        "the nearest:\n"
        "  POST /v1/task/chat -> 400\n"
        "    path: '/v1/task/chat', expected '/task/annotation'\n"
        "    status: 400, expected 200\n"
        "    body: b'\\xff', expected {'a': 1}"
    )


def test_callbacks_that_were_delivered(side: Side, callback_receiver: Receiver) -> None:
    side.callback_url = callback_receiver.url
    first, second = side.tasks.create("chat"), side.tasks.create("chat")
    side.tasks.complete(first, {"annotations": []})
    [found] = side.callbacks.assert_delivered(first, "completed", 1, response={"annotations": []})
    assert found.attempts[0].status == 200
    callback_receiver.answer(503)
    side.tasks.fail(second)
    with pytest.raises(AssertionError) as caught:
        side.callbacks.assert_delivered(second, status="completed")
    assert str(caught.value).splitlines()[-3:] == [
        f"  <Delivery 1 error {second.id} to {callback_receiver.url} owed>",
        "    state: 'owed', expected 'done'",
        "    body.status: 'error', expected 'completed'",
    ]


def test_pytest_shows_a_failure_without_frames_of_fakescale(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import asyncio


        def test_created(fakescale):
            fakescale.tasks.assert_created("chat")


        def test_sent(fakescale):
            fakescale.requests.assert_sent("POST")


        def test_delivered(fakescale):
            fakescale.callbacks.assert_delivered(count=1)


        def test_tasks(fakescale):
            fakescale.tasks.wait_for(timeout=0)


        def test_requests(fakescale):
            fakescale.requests.wait_for(timeout=0)


        def test_callbacks(fakescale):
            fakescale.callbacks.wait_for(timeout=0)


        def test_events(fakescale):
            fakescale.events.wait_for(timeout=0, kind="fault")


        def test_async(fakescale):
            async def work():
                await fakescale.tasks.until(timeout=0)
            asyncio.run(work())
        """
    )
    with FakeScale().serve() as fake:
        for more in ([], [f"--fakescale-url={fake.url}"]):
            result = pytester.runpytest_inprocess("-p", "no:randomly", *more)
            result.assert_outcomes(failed=8)
            shown = result.stdout.str()
            assert "fakescale/" not in shown.replace("\\", "/")
            assert shown.count("E       AssertionError: ") == 8


def test_a_client_in_another_language_gets_a_417(side: Side) -> None:
    url = side.url.removesuffix("/v1") + "/_fakescale/tasks.assert_created"
    answer = httpx.post(url, json={"type": "chat", "unique_id": "u"})
    assert (answer.status_code, answer.json()["error"]) == (
        417,
        "expected at least 1 created task with type='chat', unique_id='u'; 0 of 0 fit",
    )
