"""The official client's retries; it only makes them with an https URL."""

import time
from collections.abc import Iterator

import pytest
import requests
import scaleapi
from scaleapi.exceptions import ScaleDuplicateResource, ScaleServiceUnavailable
from scaleapi.tasks import TaskType
from urllib3.util.retry import Retry

from fakescale import FakeScale, redirect, without_backoff
from fakescale.fake import RUNNING


@pytest.fixture
def fake() -> Iterator[FakeScale]:
    with redirect(account="pets") as fake:
        yield fake


@pytest.fixture
def client() -> scaleapi.ScaleClient:
    return scaleapi.ScaleClient("live_pets")


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the list of requested waits, and skip each wait."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    return waits


def test_the_official_client_survives_two_503s(
    fake: FakeScale, client: scaleapi.ScaleClient, waits: list[float]
) -> None:
    fake.faults.add(status=503, times=2)
    with without_backoff():
        task = client.create_task(TaskType.Chat, unique_id="u")
    assert [it.status for it in fake.requests] == [503, 503, 200]
    assert [it.id for it in fake.tasks] == [task.id]
    assert waits == []


def test_the_official_client_gives_up_after_three_retries(
    fake: FakeScale, client: scaleapi.ScaleClient
) -> None:
    fake.faults.outage()
    with without_backoff(), pytest.raises(ScaleServiceUnavailable):
        client.create_task(TaskType.Chat, unique_id="u")
    assert [it.status for it in fake.requests] == [503] * 4
    assert len(fake.tasks) == 0


def test_the_official_client_finds_the_task_behind_a_lost_answer(
    fake: FakeScale, client: scaleapi.ScaleClient, waits: list[float]
) -> None:
    other = fake.tasks.create("chat", unique_id="other")
    with without_backoff(), fake.faults.lost_answer() as fault:
        task = client.create_task(TaskType.Chat, unique_id="u")
    assert fault.hits == 1
    # The task was created; the retry clashes; then the client looks for its own task.
    assert [(it.method, it.status) for it in fake.requests] == [
        ("POST", 500),
        ("POST", 409),
        ("GET", 200),
    ]
    assert fake.requests[-1].target == "/v1/tasks?unique_id=u"
    assert {task.id, other.id} == {it.id for it in fake.tasks}
    assert task.unique_id == "u"
    assert waits == []
    # A task that clashes with the first try belongs to somebody else.
    with pytest.raises(ScaleDuplicateResource):
        client.create_task(TaskType.Chat, unique_id="other")


def test_the_official_client_survives_cut_connections(
    fake: FakeScale, client: scaleapi.ScaleClient
) -> None:
    fake.tasks.create("chat")
    with without_backoff(), fake.faults.add(reset="before", times=2):
        assert len(client.tasks()) == 1
    assert [it.status for it in fake.requests] == [0, 0, 200]


def test_the_wait_is_back_outside_the_block(
    fake: FakeScale, client: scaleapi.ScaleClient, waits: list[float]
) -> None:
    before = vars(Retry)["sleep"]
    with pytest.raises(ZeroDivisionError), without_backoff():
        raise ZeroDivisionError
    assert vars(Retry)["sleep"] is before
    with fake.faults.add(status=503, times=2):
        assert len(client.tasks()) == 0
    assert waits == [4]  # as measured with real waits: none before the first retry


def test_blocks_may_overlap() -> None:
    before = vars(Retry)["sleep"]
    first, second = without_backoff(), without_backoff()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert vars(Retry)["sleep"] is not before
    second.__exit__(None, None, None)
    assert vars(Retry)["sleep"] is before


def test_a_retry_after_causes_no_wait_either(fake: FakeScale, waits: list[float]) -> None:
    fake.faults.add(status=503, times=1, headers={"Retry-After": "7"})
    adapter = requests.adapters.HTTPAdapter(max_retries=Retry(1))
    with requests.Session() as session, without_backoff():
        session.mount("https://", adapter)
        assert session.get("https://api.scale.com/v1/tasks", auth=("live_pets", "")).ok
    assert waits == []


def test_the_wait_that_is_left_out_passes_on_the_clock_of_the_fake(
    fake: FakeScale, client: scaleapi.ScaleClient, waits: list[float]
) -> None:
    fake.stop_clock()
    fake.faults.rate_limit(2)
    before = fake.now()
    with without_backoff():
        for _ in range(5):
            client.create_task(TaskType.Chat)
    assert len(fake.tasks) == 5
    assert [it.status for it in fake.requests].count(429) == 2
    assert (fake.now() - before).total_seconds() == 2  # the Retry-After of each
    assert waits == []
    assert fake in RUNNING.values()
