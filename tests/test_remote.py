"""RemoteFakeScale: the helpers of a fake in another process."""

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import freezegun
import pytest
import requests

import fakescale
from fakescale import ApiError, FakeScale, RemoteFakeScale, Task
from fakescale.api.operations import Operation, operations
from fakescale.values.errors import BadRequest, Conflict, Forbidden, NotFound


@pytest.fixture
def served(fake: FakeScale) -> Iterator[FakeScale]:
    with fake.serve():
        yield fake


@pytest.fixture
def remote(served: FakeScale) -> RemoteFakeScale:
    return RemoteFakeScale(served.url)


def test_the_url_is_an_origin_or_a_base_url(served: FakeScale) -> None:
    origin = served.url.removesuffix("/v1")
    for url in (origin, f"{origin}/", f"{origin}/v1", f"{origin}/v1/"):
        remote = RemoteFakeScale(url)
        assert remote.url == served.url
        assert remote.api_key == served.api_key
    assert RemoteFakeScale("http://localhost/a/b/v1").url == "http://localhost/a/b/v1"
    for bad in ("", "localhost:80", "ftp://localhost", "http://", "http://localhost:port"):
        with pytest.raises(ValueError, match=r"is not a URL|[Pp]ort"):
            RemoteFakeScale(bad)


def test_it_returns_tasks_as_python_does(served: FakeScale, remote: RemoteFakeScale) -> None:
    task = remote.tasks.create("chat", unique_id="u", metadata={"a": [1]})
    assert isinstance(task, Task)
    assert task == served.tasks.get(task.id)
    with pytest.raises(TypeError, match="cannot be changed"):
        task.metadata["a"] = 2  # type: ignore[index]
    assert task in list(remote.tasks)
    assert len(remote.tasks) == 1
    assert remote.test.tasks.list() == []


def test_a_refusal_has_the_same_text(remote: RemoteFakeScale) -> None:
    calls: list[Callable[[Any], Any]] = [
        lambda fake: fake.tasks.create("chat", metadata=5),
        lambda fake: fake.tasks.recall(fake.tasks.list()[0].id),
        lambda fake: fake.projects.archive("p"),
    ]
    texts = set()
    for fake in (remote, FakeScale()):
        fake.tasks.create("chat", unique_id="u")
        for call in calls:
            with pytest.raises(ApiError) as caught:
                call(fake)
            texts.add(str(caught.value))
    assert len(texts) == 3


@pytest.mark.parametrize("account", [None, "mine"])
def test_a_named_account_is_the_only_one_concerned(served: FakeScale, account: str | None) -> None:
    remote = RemoteFakeScale(served.url, account=account)
    other = remote.account("other")
    for each in (remote, other):
        each.tasks.create("chat")
        each.test.tasks.create("chat")
        for key in (each.api_key, each.test_api_key):
            assert requests.get(f"{each.url}/tasks", auth=(key, "")).json()["total"] == 1
    home = served if account is None else served.account(account)
    assert (len(home.tasks), len(home.test.tasks)) == (1, 1)
    assert len(served.account("other").tasks) == 1
    assert len(other.requests) == 2
    assert len(remote.requests) == (4 if account is None else 2)
    remote.reset()
    assert len(remote.tasks) == len(remote.test.tasks) == len(remote.requests) == 0
    assert len(other.tasks) == len(other.requests) / 2 == (0 if account is None else 1)


def test_the_total_counts_the_requests_that_the_server_has_dropped(served: FakeScale) -> None:
    served.requests._max_entries = 2
    mine, whole = (RemoteFakeScale(served.url, account=it) for it in ("mine", None))
    for key in ["live_mine"] * 3 + ["live_other"] * 2:
        requests.get(f"{served.url}/tasks", auth=(key, ""), timeout=10)
    assert (len(mine.requests), mine.requests.total) == (0, 3)
    assert (len(whole.requests), whole.requests.total) == (2, 5)
    mine.reset()
    assert (mine.requests.total, whole.requests.total) == (0, 5)


def test_an_account_that_was_reset_can_use_its_idempotency_keys_again(
    served: FakeScale,
) -> None:
    mine, other = (RemoteFakeScale(served.url, account=name) for name in ("mine", "other"))

    def create(remote: RemoteFakeScale, key: str) -> Any:
        headers = {"Idempotency-Key": key}
        auth = (remote.api_key, "")
        return requests.post(f"{remote.url}/task/chat", json={}, auth=auth, headers=headers).json()

    first = [create(mine, "k"), create(other, "o")]
    mine.reset()
    second = [create(mine, "k"), create(other, "o")]
    assert first[0]["task_id"] != second[0]["task_id"]
    assert first[1] == second[1]
    assert (len(mine.tasks), len(other.tasks)) == (1, 1)


@pytest.mark.parametrize(
    ("kind", "call"),
    [
        (NotFound, lambda fake: fake.tasks.get("5f")),
        (NotFound, lambda fake: fake.tasks.create("nonsense")),
        (BadRequest, lambda fake: fake.tasks.create("chat", metadata=5)),
        (BadRequest, lambda fake: fake.tasks.create("chat", priority=float("nan"))),
        (BadRequest, lambda fake: fake.tasks.recall(fake.tasks.create("chat").id)),
        (Conflict, lambda fake: [fake.tasks.create("chat", unique_id="u") for _ in "12"]),
        (TypeError, lambda fake: fake.tasks.get()),
        (TypeError, lambda fake: fake.tasks.get("5f", "x")),
        (TypeError, lambda fake: fake.tasks.get("5f", colour="red")),
        (BadRequest, lambda fake: fake.tasks.create("chat", metadata=object())),
        (AttributeError, lambda fake: fake.tasks.explode),
        (AttributeError, lambda fake: fake.nonsense),
        (ValueError, lambda fake: fake.account("a:b")),
    ],
)
def test_a_refusal_raises_the_same_error_as_in_python(
    kind: type[Exception], call: Any, served: FakeScale, remote: RemoteFakeScale
) -> None:
    here = FakeScale()
    with pytest.raises(kind) as theirs:
        call(remote)
    with pytest.raises(kind) as ours:
        call(here)
    assert type(theirs.value) is type(ours.value)


def test_an_argument_that_would_name_a_world_is_refused(remote: RemoteFakeScale) -> None:
    for name in ("account", "test"):
        with pytest.raises(TypeError, match=f"'{name}' cannot be passed to a remote create"):
            remote.tasks.create("chat", **{name: "x"})
    assert len(remote.tasks) == 0


def test_the_control_token_is_sent() -> None:
    with FakeScale(control_token="sécret").serve() as served:
        remote = RemoteFakeScale(served.url, account="x", token="sécret")
        assert len(remote.account("y").tasks) == len(remote.tasks) == 0
        with pytest.raises(Forbidden, match="needs the header Authorization"):
            RemoteFakeScale(served.url).now()


def test_the_error_says_that_no_fakescale_answers(served: FakeScale) -> None:
    with pytest.raises(ConnectionError, match=r"no fakescale answers at http://127.0.0.1:1/v1"):
        RemoteFakeScale("http://127.0.0.1:1").now()

    def stranger(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", "4")])
        return [b"<br>"]

    from fakescale.server.server import serving

    with (
        serving(stranger, "127.0.0.1", 0) as origin,
        pytest.raises(ConnectionError, match="no fakescale answers"),
    ):
        RemoteFakeScale(origin).now()


def test_a_bug_of_the_server_is_an_api_error(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeScale()
    monkeypatch.setattr(fake, "world", lambda **which: 1 / 0)
    with fake.serve(), pytest.raises(ApiError, match="inside fakescale") as caught:
        RemoteFakeScale(fake.url).tasks.list()
    assert caught.value.status == 500


def test_it_may_be_used_from_many_threads(remote: RemoteFakeScale) -> None:
    barrier = threading.Barrier(8)

    def work(n: int) -> str:
        barrier.wait()
        return str(remote.tasks.create("chat", unique_id=str(n)).id)

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(work, range(8)))
    assert ids == {task.id for task in remote.tasks}


def test_it_works_while_time_is_frozen(remote: RemoteFakeScale) -> None:
    with freezegun.freeze_time("2020-01-02T03:04:05Z"):
        task = remote.tasks.create("chat")
        assert task.created_at == "2020-01-02T03:04:05.000Z"
        remote.advance(days=1)
        assert remote.now().day == 3


def test_a_version_6_address_is_fine(fake: FakeScale) -> None:
    with fake.serve(host="::1"):
        assert RemoteFakeScale(fake.url).tasks.list() == []


@pytest.mark.parametrize("operation", operations(FakeScale).values(), ids=lambda it: it.name)
def test_every_operation_can_be_reached(operation: Operation, remote: RemoteFakeScale) -> None:
    *path, last = operation.name.split(".")
    home: Any = remote
    for name in path:
        home = getattr(home, name)
    assert callable(getattr(home, last)) != operation.is_property
    for test in (remote.test, remote.world("other", test=True)):
        assert hasattr(test, operation.name.partition(".")[0]) == operation.is_of_world


def test_its_repr_holds_no_token(remote: RemoteFakeScale) -> None:
    assert repr(remote) == f"<RemoteFakeScale at {remote.url}, account of its own>"
    secret = RemoteFakeScale(remote.url, account="x", token="secret")
    assert repr(secret.tasks) == f"<the tasks of <RemoteFakeScale at {remote.url}, account x>>"


def test_it_is_a_public_name() -> None:
    assert "RemoteFakeScale" in fakescale.__all__


def test_a_fault_of_an_account_strikes_both_its_keys_and_no_other(served: FakeScale) -> None:
    mine = RemoteFakeScale(served.url, account="mine")

    def statuses() -> list[int]:
        keys = (mine.api_key, mine.test_api_key, "mine|test", served.api_key, "live_third")
        asked = [requests.get(f"{mine.url}/tasks", auth=(key, ""), timeout=10) for key in keys]
        return [reply.status_code for reply in asked]

    with mine.faults.add(status=503) as fault, mine.faults.outage(api_key="live_third"):
        assert statuses() == [503, 503, 503, 200, 503]
        assert fault.hits == 3
        assert fault.to_json()["account"] == "mine"
        assert next(iter(mine.faults)).id == fault.id
        assert fault in mine.faults
    assert fault not in mine.faults
    assert len(served.faults) == 0
    assert fault.hits == 3  # the count from the end of the block
    with mine.faults.outage():
        assert statuses() == [503, 503, 503, 200, 200]
    with mine.faults.outage(account="third"):
        assert statuses() == [200, 200, 200, 200, 503]
    with mine.faults.rate_limit(1) as gone:
        mine.faults.remove(gone.id)
    everyone = RemoteFakeScale(served.url).faults.add(status=500)
    assert not {"api_key", "account"} & everyone.to_json().keys()
    assert statuses() == [500] * 5


def test_forgetting_an_account_forgets_its_callbacks_and_faults(served: FakeScale) -> None:
    mine, other = (RemoteFakeScale(served.url, account=name) for name in ("mine", "other"))
    for fake in (mine, other):
        fake.callback_url = "a@example.com"
        for url in (None, "http://127.0.0.1:9/"):
            fake.tasks.complete(fake.tasks.create("chat", callback_url=url).id)
        fake.test.tasks.create("chat")
        fake.faults.add(status=500)
        fake.faults.add(status=500, api_key=fake.test_api_key)
    kept = [other.callbacks.deliver(), other.callbacks.list()]
    assert [len(deliveries) for deliveries in kept] == [1, 3]
    mine.reset()
    assert mine.callbacks.list() == []
    assert mine.callbacks.deliver() == []
    assert other.callbacks.list() == kept[1]
    left = [(fault.account, fault.api_key) for fault in served.faults]
    assert left == [("other", None), (None, "test_other")]
    assert served.callbacks._next_due() is not None
    other.reset()
    assert served.callbacks._next_due() is None
    assert len(served.callbacks) == 0


def test_a_property_can_be_set(served: FakeScale, remote: RemoteFakeScale) -> None:
    remote.callback_url = "a@example.com"
    assert (served.callback_url, served.test.callback_url) == ("a@example.com",) * 2
    remote.turnaround = dt.timedelta(minutes=3)
    assert served.turnaround == remote.turnaround == dt.timedelta(minutes=3)
    remote.put_back()
    assert served.turnaround is None
    served.turnaround = dt.timedelta(minutes=4)
    remote.put_back()
    assert served.turnaround == dt.timedelta(minutes=4)


def test_putting_back_starts_a_clock_that_it_stopped(
    served: FakeScale, remote: RemoteFakeScale
) -> None:
    other = remote.account("other")
    remote.stop_clock()
    other.put_back()  # this one has not stopped the clock
    before = served.now()
    assert not threading.Event().wait(0.01)
    assert served.now() == remote.now() == before
    remote.put_back()
    assert served.now() > before


def test_a_function_cannot_be_sent(served: FakeScale, remote: RemoteFakeScale) -> None:
    with pytest.raises(TypeError, match="no labeler"):
        remote.labeler = lambda task: {}
    with pytest.raises(TypeError, match="no labeler"):
        _ = remote.labeler
    with pytest.raises(TypeError, match="cannot be a function"):
        remote.turnaround = lambda task: None  # type: ignore[assignment]
    served.turnaround = lambda task: None
    with pytest.raises(BadRequest, match="The turnaround is a function"):
        _ = remote.turnaround
    remote.turnaround = None
    remote.put_back()
    assert served.turnaround is None


@pytest.mark.parametrize(
    "name", ["serve", "proxy", "running", "limits", "files.upload", "tasks._submit", "test.now"]
)
def test_an_unavailable_helper_is_no_attribute(name: str, remote: RemoteFakeScale) -> None:
    *path, last = name.split(".")
    home: Any = remote
    for step in path:
        home = getattr(home, step)
    with pytest.raises(AttributeError):
        getattr(home, last)


def test_a_read_only_property_cannot_be_set(remote: RemoteFakeScale) -> None:
    for name in ("api_key", "callback_auth_key", "test_api_key", "url"):
        with pytest.raises(AttributeError):
            setattr(remote, name, "x")
    with pytest.raises(AttributeError, match="'callback_auth_key' of a remote fake cannot be set"):
        remote.callback_auth_key = "x"


def test_a_wait_on_the_server_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeScale().serve() as fake:
        remote = RemoteFakeScale(fake.url)
        connect, given = remote._connect, []

        def noting(timeout: float) -> Any:
            given.append(timeout)
            return connect(timeout=timeout)

        monkeypatch.setattr(remote, "_connect", noting)
        with pytest.raises(AssertionError, match="no event came in time that fits: kind='clock'"):
            remote.events.wait_for(kind="clock", timeout=0.01)
        fake.advance(hours=1)
        assert remote.events.wait_for(kind="clock").number == 1
        with pytest.raises(fake.BadRequest, match="at most a day"):
            remote.tasks.wait_for(timeout=1e9)
        fake.tasks.create("chat")
        assert len(remote.tasks.wait_for()) == 1
        assert given == [60.01, 70, 86460, 70]
