import datetime as dt
import gc
import json
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import requests
import time_machine
import werkzeug.test

from fakescale import FakeScale, RemoteFakeScale, Task, state
from fakescale.receiver import Receiver
from tests.account.test_tasks import in_threads
from tests.support import Caller, HeldCreation, example


def test_due_work_waits_while_the_clock_is_stopped(
    callback_receiver: Receiver,
) -> None:
    with FakeScale(complete_after=dt.timedelta(seconds=0.05)).serve() as fake:
        fake.stop_clock()
        task = fake.tasks.create("chat", callback_url=callback_receiver.url)
        before = fake.now()
        assert not threading.Event().wait(0.1)
        assert fake.now() == before
        assert fake.tasks.get(task.id).status == "pending"
        fake.start_clock()
        callback_receiver.wait_for(1)
        fake.stop_clock()
        fake.reset()
        before = fake.now()
        assert not threading.Event().wait(0.01)
        assert fake.now() > before


def test_it_is_a_wsgi_application_for_httpx() -> None:
    fake = FakeScale()
    with httpx.Client(
        transport=httpx.WSGITransport(app=fake), base_url=fake.url, auth=(fake.api_key, "")
    ) as client:
        task = client.post("/task/chat", json={"é": "ü"}).json()
        assert client.get(f"/task/{task['task_id']}").json() == task
        assert client.get("/task/x%2Fy").status_code == 404
        assert client.get("/task/日本").status_code == 404
    assert fake.tasks.get(task["task_id"]).params == {"é": "ü"}


def test_it_can_be_mounted_below_a_prefix() -> None:
    client = werkzeug.test.Client(FakeScale())
    reply = client.get(
        "/v1/tasks", base_url="http://h/a b/", headers={"Authorization": "Bearer live_x"}
    )
    assert reply.status_code == 200


def test_it_is_served_during_a_with_block() -> None:
    fake = FakeScale()
    unserved = fake.url
    with fake.serve() as served:
        assert served is fake
        assert fake.url.startswith("http://127.0.0.1:")
        assert fake.url.endswith("/v1")
        assert requests.get(f"{fake.url}/tasks", auth=(fake.api_key, "")).status_code == 200
        url = fake.url
        with pytest.raises(RuntimeError, match="served already"), fake.serve():
            pass
        assert fake.url == url
    assert fake.url == unserved
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/tasks")
    with fake.serve():
        assert len(fake.requests) == 1  # the state outlives the server


def test_a_block_that_raises_stops_serving_too() -> None:
    fake = FakeScale()
    with pytest.raises(ZeroDivisionError), fake.serve():
        _ = 1 / 0
    assert fake.url == FakeScale().url


def test_it_creates_as_the_api_does(fake: FakeScale) -> None:
    body = example("imageannotation", unique_id="u")
    mine = fake.tasks.create("imageannotation", **body)
    theirs = Caller(fake, "live_other").create("imageannotation", unique_id=body["unique_id"])
    same = ("created_at", "updated_at", "task_id")
    assert {n: v for n, v in mine.to_json().items() if n not in same} == {
        n: v for n, v in theirs.items() if n not in same
    }


def test_other_accounts_are_reached_by_name(fake: FakeScale) -> None:
    Caller(fake, "test_other").create()
    assert len(fake.account("other").test.tasks) == 1
    assert fake.account("other").api_key == "live_other"
    assert fake.account("other").test_api_key == "test_other"
    assert fake.test.api_key == fake.test_api_key == "test_fakescale"


def test_its_clock_can_be_moved(fake: FakeScale, noon: time_machine.Traveller) -> None:
    fake.advance(hours=25)
    assert fake.now() == dt.datetime(2024, 3, 1, 13, tzinfo=dt.UTC)
    assert fake.tasks.create("chat").created_at == "2024-03-01T13:00:00.000Z"


def test_a_reset_forgets_everything(fake: FakeScale, noon: time_machine.Traveller) -> None:
    def use(caller: Caller) -> str:
        reply = caller("POST", "/task/chat", {"a": 1}, headers={"Idempotency-Key": "k"})
        return str(reply.json["task_id"])

    first = use(Caller(fake))
    fake.advance(days=1)
    fake.reset()
    assert (len(fake.tasks), len(fake.requests)) == (0, 0)
    assert fake.now() == dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)
    assert use(Caller(fake)) > first  # the old id leads to no task


def test_a_request_in_flight_is_not_seen_after_a_reset(
    fake: FakeScale, held_creation: HeldCreation
) -> None:
    inside, go_on = held_creation
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(Caller(fake), "POST", "/task/chat", {})
        assert inside.wait(10)
        fake.reset()
        go_on.set()
        assert future.result().status == 200
    assert (len(fake.tasks), len(fake.requests)) == (0, 0)


def test_a_seed_determines_ids_and_responses(noon: time_machine.Traveller) -> None:
    def run(seed: str) -> list[object]:
        fake = FakeScale(seed=seed)
        made = [Caller(fake, fake.test_api_key).create("categorization") for _ in range(9)]
        return [made, [task.response for task in fake.test.tasks]]

    assert run("a") == run("a")
    assert run("a") != run("b")


def test_its_repr_tells_its_address() -> None:
    fake = FakeScale()
    assert repr(fake) == "<FakeScale at no address, 0 tasks>"
    with fake.serve():
        assert fake.url.removesuffix("/v1") in repr(fake)


@pytest.mark.parametrize("name", ["", "a:b", "x|test"])
def test_a_name_whose_keys_lead_elsewhere_is_no_account(fake: FakeScale, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of an account"):
        fake.account(name)
    with pytest.raises(ValueError, match="cannot be the name of an account"):
        FakeScale(account=name)


def test_a_world_is_reached_by_account_and_mode(fake: FakeScale) -> None:
    assert fake.world().tasks is fake.tasks
    assert fake.world(test=True) is fake.test
    assert fake.world("other").tasks is fake.account("other").tasks
    assert fake.world("other", test=True) is fake.account("other").test


def test_a_reset_can_forget_one_account_alone(fake: FakeScale) -> None:
    mine, other = Caller(fake), Caller(fake, "test_other")
    for caller in (mine, other):
        caller("POST", "/task/chat", {"unique_id": "u"}, headers={"Idempotency-Key": "k"})
    fake.advance(hours=1)
    before = fake.now()
    fake.reset("other")
    assert (len(fake.tasks), len(fake.account("other").test.tasks)) == (1, 0)
    assert [exchange.account for exchange in fake.requests] == ["fakescale"]
    assert fake.now() >= before
    again = other("POST", "/task/chat", {"unique_id": "v"}, headers={"Idempotency-Key": "k"})
    assert again.status == 200
    again = mine("POST", "/task/chat", {"unique_id": "v"}, headers={"Idempotency-Key": "k"})
    assert again.status == 409


def is_quick(fake: FakeScale, target: str) -> bool:
    return fake._is_quick({"REQUEST_URI": target})


def test_most_requests_are_quick(fake: FakeScale) -> None:
    fake.turnaround = dt.timedelta(days=1)
    fake.faults.add(status=503, nth=5)
    for target in ("/v1/task/chat", "/v1/tasks?status=pending", "/v1/projects"):
        assert is_quick(fake, target)


def test_a_control_call_is_not_quick(fake: FakeScale) -> None:
    assert not is_quick(fake, "/_fakescale/advance")
    assert not is_quick(fake, "http://localhost/_fakescale/advance")


def test_nothing_is_quick_while_a_user_s_function_takes_part(fake: FakeScale) -> None:
    for name, value in (("labeler", lambda _: {}), ("turnaround", lambda _: None)):
        before = getattr(fake, name)
        setattr(fake, name, value)
        assert not is_quick(fake, "/v1/tasks")
        setattr(fake, name, before)
    with fake.faults.add(status=503, predicate=lambda _: False):
        assert not is_quick(fake, "/v1/tasks")
    with fake.faults.add(delay=0.1):
        assert not is_quick(fake, "/v1/tasks")
    assert is_quick(fake, "/v1/tasks")


def test_nothing_is_quick_while_an_earlier_labeler_works(fake: FakeScale) -> None:
    inside, go_on, own = threading.Event(), threading.Event(), fake.labeler

    def label(_: Any) -> dict[str, Any]:
        inside.set()
        assert go_on.wait(10)
        return {}

    fake.labeler, fake.turnaround = label, dt.timedelta()
    fake.tasks.create("chat")
    thread = threading.Thread(target=fake.tasks._run_due)
    thread.start()
    assert inside.wait(10)
    fake.labeler = own
    assert not is_quick(fake, "/v1/tasks")
    go_on.set()
    thread.join()
    assert is_quick(fake, "/v1/tasks")


def test_a_query_over_many_tasks_is_not_quick(
    fake: FakeScale, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "_MANY", 2)
    for _ in range(3):
        fake.test.tasks.create("chat")
    for query in ("?status=pending", "?limit=5&tags=a", "?%6cimit=5", "?unique_id=&tags=a"):
        assert not is_quick(fake, f"/v1/tasks{query}")
    for query in ("", "?", "?limit=5&offset=9", "?next_token=abc&", "?unique_id=u&tags=a"):
        assert is_quick(fake, f"/v1/tasks{query}")


# Nothing of a forgotten state stays.


@pytest.mark.parametrize("name", ["fakescale", "other"])
@pytest.mark.parametrize("whole", [False, True])
def test_a_forgotten_world_is_freed_at_once(name: str, whole: bool) -> None:
    fake = FakeScale(complete_after=dt.timedelta(days=9))
    for account in (fake.account("fakescale"), fake.account("other")):
        account.projects.create(type="chat", name="p")
        account.batches.create(project="p", name="b")
        account.tasks.create("chat", batch="b", callback_url="mailto:a@example.com")
    worlds = [fake.world(name, test=test) for test in (False, True)]
    refs = [weakref.ref(it) for world in worlds for it in (world, world.tasks, world.batches)]
    gc.disable()
    try:
        del account, worlds
        fake.reset(None if whole else name)
        assert [ref() for ref in refs] == [None] * 6
    finally:
        gc.enable()


def test_helpers_of_a_forgotten_account_still_answer(fake: FakeScale) -> None:
    tasks, batches = fake.tasks, fake.batches
    fake.projects.create(type="chat", name="p")
    fake.reset("fakescale")
    tasks.complete(tasks.create("chat", callback_url="mailto:a@example.com").id)
    batches.create(project="p", name="b")
    batches.finalize("b")
    assert (len(fake.tasks), len(fake.callbacks)) == (0, 0)


def test_loads_at_the_same_time_leave_no_thread() -> None:
    fake = FakeScale(complete_after=dt.timedelta(hours=1))
    fake.tasks.create("chat")
    data = fake.dump()
    with fake.running():
        in_threads(60, lambda _: fake.load(data))
    assert [it for it in threading.enumerate() if it.name == "fakescale-ticker"] == []
    called: list[Task] = []
    fake.labeler = called.append
    fake.advance(hours=2)
    assert len(called) == 1


@pytest.mark.parametrize("key", ["live_xyz:", "x|test|test", "live_:"])
def test_a_key_whose_account_no_key_leads_to_is_refused(fake: FakeScale, key: str) -> None:
    assert Caller(fake, key)("POST", "/task/chat", {}).status == 401
    FakeScale().load(fake.dump())


# Values that are nested as deep as is allowed.


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize("is_test", [False, True])
def test_the_deepest_value_is_printed_sent_dumped_and_loaded(
    fake: FakeScale, is_test: bool
) -> None:
    world = fake.world(test=is_test)
    caller = Caller(fake, world.api_key)
    fake.callback_url = "mailto:a@example.com"
    task = caller("POST", "/task/chat", {"x": nested(100)}).json
    assert caller("POST", "/task/chat", {"x": nested(101)}).status == 400
    for path in ("/tasks", "/tasks?limited_response=true", f"/task/{task['task_id']}"):
        assert caller("GET", path).status == 200
    if not is_test:
        fake.tasks.complete(task["task_id"])
    assert fake.callbacks[0].to_json()["json"]["task"]["params"] == {"x": nested(100)}
    printed = world.tasks.get(task["task_id"]).to_json()
    loaded = FakeScale()
    loaded.load([printed])
    assert loaded.tasks.get(task["task_id"]).params == {"x": nested(100)}
    again = FakeScale()
    again.load(json.loads(json.dumps(fake.dump())))
    assert again.world(test=is_test).tasks.get(task["task_id"]).to_json() == printed
    assert len(again.callbacks) == 1


# Slips are refused at once.


@pytest.mark.parametrize(
    "options",
    [
        {"complete_after": 5},
        {"complete_after": "1h"},
        {"limits": {}},
        {"limits": 5},
        {"api_keys": "live_x"},
        {"callback_hosts": "example.com"},
        {"allow_hosts": "example.com"},
        {"allow_hosts": 5},
    ],
)
def test_an_option_of_a_wrong_type_is_refused_at_once(options: Any) -> None:
    [name] = options
    with pytest.raises(TypeError, match="turnaround" if name == "complete_after" else name):
        FakeScale(**options)


def test_a_labeler_or_turnaround_of_a_wrong_type_is_refused_at_once(fake: Any) -> None:
    before = fake.labeler
    numbers: list[Any] = [3600, 1.5, "1h", True, {}]
    for wrong in numbers:
        with pytest.raises(TypeError, match="a turnaround must be a timedelta, a function or"):
            fake.turnaround = wrong
    texts: list[Any] = ["x", None, {"annotations": []}]
    for wrong in texts:
        with pytest.raises(TypeError, match="a labeler must be a function"):
            fake.labeler = wrong
    assert (fake.turnaround, fake.labeler) == (None, before)


def test_the_clock_moves_by_a_timedelta_or_by_keywords_and_never_back(
    fake: FakeScale, noon: time_machine.Traveller
) -> None:
    before = fake.now()
    fake.advance(dt.timedelta(hours=1))
    fake.advance(dt.timedelta(hours=1), minutes=30, seconds=-60)
    fake.advance()
    assert fake.now() - before == dt.timedelta(hours=2, minutes=29)
    for back in ({"by": dt.timedelta(seconds=-1)}, {"hours": -1}, {"days": 1, "hours": -25}):
        with pytest.raises(ValueError, match="the fake's clock cannot go back"):
            fake.advance(**back)
    with pytest.raises(TypeError, match="takes a timedelta, or keywords like hours=1, not 3600"):
        fake.advance(3600)  # type: ignore[arg-type]
    assert fake.now() - before == dt.timedelta(hours=2, minutes=29)


def test_the_url_of_a_fake_that_is_not_served_says_so(fake: FakeScale) -> None:
    assert fake.url == "http://not-served.invalid/v1"
    with pytest.raises(requests.ConnectionError, match=r"not-served\.invalid"):
        requests.get(f"{fake.url}/tasks", timeout=10)
    with httpx.Client(transport=httpx.WSGITransport(app=fake), base_url=fake.url) as client:
        assert client.get("/tasks", auth=(fake.api_key, "")).status_code == 200
        url = fake.url.replace("/v1", "/_fakescale/now")
        assert client.post(url, json={}).status_code == 200


def test_public_names_are_in_reach_of_a_test_whose_fixture_hides_the_package(
    fake: FakeScale,
) -> None:
    import fakescale

    for side in (fake, RemoteFakeScale("http://127.0.0.1:1")):
        for name in ("ApiError", "BadRequest", "NotFound", "Conflict", "PaymentRequired"):
            assert getattr(side, name) is getattr(fakescale, name)
        for name in ("Limits", "Status", "Task"):
            assert getattr(side, name) is getattr(fakescale, name)
        with side.without_backoff():
            pass
