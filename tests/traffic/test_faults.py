"""Faults, seen by in-process callers and by real clients with retries."""

import contextlib
import datetime as dt
import json
import logging
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import freezegun
import httpx
import pytest
import requests
import time_machine
import urllib3
from hypothesis import given
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter

from fakescale import ApiError, FakeScale
from fakescale.api.transcript import entries, folded
from fakescale.api.v1 import ROUTES
from fakescale.traffic.fault import Asked, Fault
from fakescale.traffic.faults import Faults
from tests.account.test_tasks import in_threads
from tests.server.test_server import GET, Connection, post
from tests.support import Caller, example

CREATE = {"method": "POST", "path": "/v1/task/<type>"}
KEY = {"Idempotency-Key": "k"}


@pytest.fixture
def served(fake: FakeScale) -> Iterator[FakeScale]:
    with fake.serve():
        yield fake


class Client:
    """A ``requests`` session that tries each call four times, without back-off."""

    def __init__(self, fake: FakeScale, retry: type[urllib3.Retry] = urllib3.Retry) -> None:
        self.fake = fake
        retries = retry(
            3, backoff_factor=0, allowed_methods=None, status_forcelist=[429, 500, 502, 503]
        )
        self.session = requests.Session()
        self.session.auth = (fake.api_key, "")
        self.session.mount("http://", HTTPAdapter(max_retries=retries))

    def create(self, **headers: str) -> requests.Response:
        url = f"{self.fake.url}/task/chat"
        return self.session.post(url, json=example("chat"), headers=headers, timeout=10)

    def list(self, timeout: float = 10) -> requests.Response:
        return self.session.get(f"{self.fake.url}/tasks", timeout=timeout)


@pytest.fixture
def client(served: FakeScale) -> Iterator[Client]:
    client = Client(served)
    with client.session:
        yield client


def journal(fake: FakeScale) -> list[tuple[int, str | None]]:
    return [(exchange.status, exchange.fault) for exchange in fake.requests]


def statuses(fake: FakeScale, number: int) -> list[int]:
    caller = Caller(fake)
    return [caller("GET", "/tasks").status for _ in range(number)]


# Each fault, seen by a client with retries


def test_a_status_is_retried_until_the_fault_is_used_up(client: Client) -> None:
    with client.fake.faults.add(status=503, error="Busy.", times=2) as fault:
        assert client.create().status_code == 200
    assert fault.hits == 2
    assert len(client.fake.tasks) == 1
    assert journal(client.fake) == [(503, "status 503"), (503, "status 503"), (200, None)]
    assert client.fake.requests[0].error == "Busy."


def test_retries_end_while_the_fault_goes_on(client: Client) -> None:
    with client.fake.faults.add(status=500) as fault, pytest.raises(requests.exceptions.RetryError):
        client.create()
    assert (fault.hits, len(client.fake.tasks)) == (4, 0)


def test_a_reset_before_the_answer_is_retried_and_nothing_was_done(client: Client) -> None:
    with client.fake.faults.add(reset="before", times=1, **CREATE):  # type: ignore[arg-type]
        assert client.create().status_code == 200
    assert journal(client.fake) == [(0, "reset before the answer"), (200, None)]
    assert client.fake.requests[0].answer == b""
    assert len(client.fake.tasks) == 1


def test_a_reset_within_the_answer_comes_after_the_work(client: Client) -> None:
    faults = client.fake.faults
    broken = requests.exceptions.ChunkedEncodingError  # the retries do not cover it
    with faults.add(reset="within", times=1), pytest.raises(broken, match="reset by peer"):
        client.create(**KEY)
    [exchange] = client.fake.requests
    assert (exchange.status, exchange.fault) == (200, "reset within the answer")
    [task] = client.fake.tasks
    assert client.create(**KEY).json()["task_id"] == task.id
    assert client.fake.requests[-1].answer.startswith(exchange.answer)


def test_a_truncated_body_is_not_json(client: Client) -> None:
    with client.fake.faults.add(truncated=True, times=1):
        reply = client.create()
    with pytest.raises(requests.JSONDecodeError):
        reply.json()
    assert (reply.status_code, len(client.fake.tasks)) == (200, 1)
    assert client.fake.requests[-1].answer == reply.content


def test_a_proxy_answers_in_html(client: Client) -> None:
    with client.fake.faults.add(status=502, body="<h1>é</h1>", times=1):
        assert client.list().status_code == 200
    with client.fake.faults.add(status=418, body="tea", content_type="text/plain"):
        reply = client.list()
    assert (reply.status_code, reply.text) == (418, "tea")
    assert reply.headers["Content-Type"] == "text/plain"
    assert client.fake.requests[0].answer == "<h1>é</h1>".encode()
    assert client.fake.requests[0].error is None


def test_a_client_gives_up_a_late_answer_but_the_work_was_done(client: Client) -> None:
    client.session.mount("http://", HTTPAdapter())
    with client.fake.faults.add(delay=3600) as fault, pytest.raises(requests.ReadTimeout):
        client.session.post(f"{client.fake.url}/task/chat", json={}, timeout=0.05)
    assert (fault.hits, len(client.fake.tasks)) == (1, 1)
    assert journal(client.fake) == [(200, "delay 3600 s")]


@pytest.mark.parametrize("reset", [None, "before", "within"])
def test_a_lost_answer_and_a_key_make_one_task(client: Client, reset: Any) -> None:
    with client.fake.faults.lost_answer(reset=reset) as fault:
        with contextlib.suppress(requests.exceptions.ChunkedEncodingError):
            client.create(**KEY)
        reply = client.create(**KEY)
    assert fault.hits == 1
    assert [reply.json()["task_id"]] == [task.id for task in client.fake.tasks]
    assert client.fake.requests[0].status == {None: 500, "before": 0, "within": 200}[reset]


def test_a_lost_answer_without_a_key_makes_two_tasks(client: Client) -> None:
    with client.fake.faults.lost_answer():
        assert client.create().status_code == 200
    assert journal(client.fake) == [(500, "answer lost, status 500"), (200, None)]
    assert len(client.fake.tasks) == 2


def test_a_twin_in_flight_is_worth_a_retry(client: Client) -> None:
    with client.fake.faults.duplicate_in_flight() as fault:
        assert client.create().status_code == 200  # without a key there are no twins
        assert fault.hits == 0
        assert client.create(**KEY).status_code == 200
    assert [status for status, _ in journal(client.fake)] == [200, 429, 200]
    assert "still being processed" in (client.fake.requests[1].error or "")
    assert len(client.fake.tasks) == 2


def test_a_client_that_heeds_retry_after_keeps_the_rate_limit(
    served: FakeScale, noon: time_machine.Traveller
) -> None:
    class Patient(urllib3.Retry):
        def sleep_for_retry(self, response: urllib3.BaseHTTPResponse) -> bool:
            served.advance(seconds=self.get_retry_after(response) or 0)
            return True

    client = Client(served, Patient)
    with client.session, served.faults.rate_limit(10) as fault:
        assert [client.create().status_code for _ in range(35)] == [200] * 35
    assert (fault.hits, len(served.tasks)) == (3, 35)
    assert served.now() == dt.datetime(2024, 2, 29, 12, 0, 3, tzinfo=dt.UTC)


def test_an_outage_ends_with_its_minutes(served: FakeScale, noon: time_machine.Traveller) -> None:
    class Patient(urllib3.Retry):
        def sleep_for_retry(self, response: urllib3.BaseHTTPResponse) -> bool:
            served.advance(minutes=2)
            return True

    client = Client(served, Patient)
    with client.session, served.faults.outage(minutes=5) as fault:
        assert client.list().status_code == 200
    assert fault.hits == 3
    [first, *_] = served.requests
    assert (first.status, first.error) == (503, None)
    assert first.answer.startswith(b"<html>")


def test_the_transcript_and_the_log_show_faults(
    fake: FakeScale, live: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "fakescale"):
        with fake.faults.add(reset="before"), pytest.raises(ConnectionResetError):
            live("GET", "/tasks")
        with fake.faults.lost_answer():
            live("POST", "/task/chat", {})
        with fake.faults.add(status=502, body="é", truncated=True):
            httpx.Client(transport=httpx.WSGITransport(app=fake)).get(f"{fake.url}/tasks")
    assert folded(entries(fake.events(kind="request"))) == [
        "GET /v1/tasks -> reset (fault: reset before the answer)",
        "POST /v1/task/chat -> 500 Internal Server Error"
        f" {fake.tasks[0].id} (fault: answer lost, status 500)",
        "GET /v1/tasks -> 502 (fault: status 502, truncated)",
    ]
    assert repr(fake.requests[0]).endswith("-> 0 b'' (reset before the answer)>")
    lines = [record.getMessage() for record in caplog.records if record.name == "fakescale"]
    lines = [re.sub(r"[\d.]+ms", "1ms", line) for line in lines]
    assert lines[0] == "GET /v1/tasks reset 1ms (fault: reset before the answer)  -> "
    assert lines[2] == r"GET /v1/tasks 502 1ms (fault: status 502, truncated)  -> \ufffd"


# The wire


def test_a_reset_is_not_an_orderly_end(served: FakeScale) -> None:
    served.faults.add(reset="before", times=1)
    served.faults.add(reset="within", status=500, times=1)
    with contextlib.closing(Connection(served)) as connection:
        connection.send(GET)
        with pytest.raises(ConnectionResetError):
            connection.file.read()
    with contextlib.closing(Connection(served)) as connection:
        connection.send(post(b"x" * 60_000))  # even if the request is not read
        head, end = b"", None
        while end is None:
            try:
                data = connection.socket.recv(10_000)
                assert data
                head += data
            except ConnectionResetError as error:
                end = error
    whole = b'{"status_code":500,"error":"Internal Server Error"}'
    head, _, body = head.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"Content-Length: %d\r\n" % len(whole) in head + b"\r\n"
    assert body == whole[: len(whole) // 2]


def test_a_truncated_answer_leaves_the_connection_in_order(served: FakeScale) -> None:
    with contextlib.closing(Connection(served)) as connection:
        sizes = []
        for truncated in (False, True, False):
            with served.faults.add(status=400, truncated=truncated):
                connection.send(GET)
                _, fields, body = connection.read()
            assert int(fields["Content-Length"]) == len(body)
            sizes.append(len(body))
    assert [sizes[0] // 2, sizes[0]] == sizes[1:]


def test_a_server_stops_at_once_though_answers_are_held_back() -> None:
    with FakeScale().serve() as fake:
        fake.faults.add(delay=3600)
        connections = [Connection(fake) for _ in range(3)]
        for connection in connections:
            connection.send(GET)
        for _ in range(10_000):  # until all answers are held back
            if len(fake.requests) == 3:
                break
            threading.Event().wait(0.001)
    # A server that had to wait for a worker would have warned, and a warning is an error.
    for connection in connections:
        connection.close()


def test_a_delay_takes_real_time_when_the_clock_stands(client: Client) -> None:
    begun = time.perf_counter()
    with client.fake.faults.add(delay=0.05), freezegun.freeze_time("2024-01-01"):
        assert client.list().status_code == 200
    assert 0.05 <= time.perf_counter() - begun < 5


@pytest.mark.parametrize("reset", ["before", "within"])
def test_without_a_server_a_reset_is_raised(fake: FakeScale, live: Caller, reset: Any) -> None:
    fake.faults.add(reset=reset, times=2)
    with pytest.raises(ConnectionResetError):
        live("GET", "/tasks")
    transport = httpx.WSGITransport(app=fake)
    with (
        httpx.Client(transport=transport, base_url=fake.url) as client,
        pytest.raises(ConnectionResetError),
    ):
        client.get("/tasks", auth=(fake.api_key, ""))
    assert len(fake.requests) == 2


# The choice of requests


@pytest.mark.parametrize(
    ("terms", "method", "path", "struck"),
    [
        ({"method": "post"}, "POST", "/task/chat", True),
        ({"method": "POST"}, "GET", "/task/chat", False),
        ({"path": "/v1/task/<type>"}, "POST", "/task/chat", True),
        ({"path": "/v1/task/<type>"}, "POST", "/task/chat/", True),
        ({"path": "/v1/task/<type>"}, "POST", "/task/x/cancel", False),
        ({"path": "/v1/task/<type>"}, "POST", "/task/x%2Fy", True),
        ({"path": "/v1/task/*"}, "POST", "/task/x/cancel", True),
        ({"path": "/v1/task/*/cancel"}, "POST", "/task/x/tags", False),
        ({"path": "*"}, "GET", "/nowhere", True),
        ({"path": "/v1/t.sks"}, "GET", "/tasks", False),
        ({"path": "/v1/tasks"}, "GET", "/tasks?limit=1", True),
        ({"predicate": lambda asked: asked.query == "limit=1"}, "GET", "/tasks?limit=1", True),
        ({"predicate": lambda asked: asked.json == {"a": 1}}, "POST", "/task/chat", True),
        ({"predicate": lambda asked: asked.headers["X-Y"] == "z"}, "POST", "/task/chat", True),
        ({"predicate": lambda asked: False}, "POST", "/task/chat", False),
    ],
)
def test_a_fault_strikes_the_requests_that_it_names(
    fake: FakeScale, terms: Any, method: str, path: str, struck: bool
) -> None:
    with fake.faults.add(status=503, **terms) as fault:
        reply = Caller(fake)(method, path, {"a": 1}, headers={"X-Y": "z"})
    assert (reply.status == 503, fault.hits) == (struck, struck)


def test_other_keys_are_not_struck(fake: FakeScale, live: Caller, test_mode: Caller) -> None:
    with fake.faults.add(status=500, api_key=fake.api_key):
        assert live("GET", "/tasks").status == 500
        assert test_mode("GET", "/tasks").status == 200
        assert Caller(fake, "live_other")("GET", "/tasks").status == 200
        assert Caller(fake, "nobody")("GET", "/tasks").status == 401


def test_ready_made_faults_may_be_for_one_key(fake: FakeScale) -> None:
    for fault in (
        fake.faults.outage(api_key="live_a"),
        fake.faults.rate_limit(1, api_key="live_a"),
        fake.faults.lost_answer(times=None, api_key="live_a"),
        fake.faults.duplicate_in_flight(times=None, api_key="live_a"),
    ):
        with fault:
            for _ in range(3):
                assert Caller(fake)("POST", "/task/chat", {}, headers=KEY).status == 200
        assert fault.hits == 0


def test_a_fault_applies_before_the_key_but_never_to_control_calls(fake: FakeScale) -> None:
    fake.faults.add(status=500)
    with httpx.Client(transport=httpx.WSGITransport(app=fake), base_url="http://h") as client:
        assert client.get("/v1/tasks").status_code == 500
        assert client.get("/_fakescale/health").status_code == 200
        assert client.get("/_fakescale/nothing").status_code != 500


def test_a_printed_request_shows_no_key(fake: FakeScale, live: Caller) -> None:
    seen: list[Asked] = []
    fake.faults.add(status=503, predicate=seen.append)
    live("GET", "/tasks?limit=1")
    assert repr(seen[0]) == "Asked(method='GET', path='/v1/tasks', query='limit=1')"


def test_a_predicate_that_raises_is_in_the_journal(fake: FakeScale, live: Caller) -> None:
    fake.faults.add(status=503, predicate=lambda asked: asked.json["missing"])
    assert live("POST", "/task/chat", {}).status == 500
    assert "KeyError" in (fake.requests[-1].traceback or "")


def test_a_bad_body_stays_a_refusal_when_a_predicate_looks_at_it(
    fake: FakeScale, live: Caller
) -> None:
    fake.faults.add(status=503, predicate=lambda asked: asked.json)
    assert live("POST", "/task/chat", data=b"{nonsense").status == 400
    assert len(fake.tasks) == 0


def test_a_predicate_may_use_the_fake(fake: FakeScale) -> None:
    def few(asked: Asked) -> bool:
        return len(fake.faults) == 1 and len(fake.tasks) < 1

    fake.faults.add(status=503, predicate=few)
    assert statuses(fake, 1) == [503]


def test_a_predicate_is_not_asked_once_its_fault_is_over(
    fake: FakeScale, noon: time_machine.Traveller
) -> None:
    asked: list[str] = []

    def note(request: Asked) -> bool:
        asked.append(request.path)
        return True

    with fake.faults.add(status=503, predicate=note, times=1) as fault:
        assert statuses(fake, 3) == [503, 200, 200]
    assert (len(asked), fault.hits) == (1, 1)
    with fake.faults.add(status=503, predicate=note, minutes=1):
        assert statuses(fake, 1) == [503]
        fake.advance(minutes=1)
        assert statuses(fake, 2) == [200, 200]
    assert len(asked) == 2


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 12))
def test_nth_skips_the_first_requests_and_times_limits_the_rest(
    nth: int, times: int, number: int
) -> None:
    fake = FakeScale()
    with fake.faults.add(status=503, nth=nth, times=times) as fault:
        struck = [status == 503 for status in statuses(fake, number)]
    assert struck == [nth <= index < nth + times for index in range(1, number + 1)]
    assert fault.hits == sum(struck)


@given(st.integers() | st.text(), st.floats(0, 1), st.integers(1, 5))
def test_the_same_seed_strikes_the_same_requests(
    seed: int | str, probability: float, nth: int
) -> None:
    def run() -> list[int]:
        fake = FakeScale()
        with fake.faults.add(status=503, probability=probability, seed=seed, nth=nth):
            return statuses(fake, 12)

    assert run() == run()
    assert run()[: nth - 1] == [200] * (nth - 1)


def test_a_probability_is_about_right_even_without_a_seed() -> None:
    def run() -> list[list[int]]:
        fake = FakeScale()
        rounds = []
        for _ in range(2):
            with fake.faults.add(status=503, probability=0.3):
                rounds.append(statuses(fake, 300))
        return rounds

    first, second = run()
    assert [first, second] == run()
    assert first != second
    assert 60 <= first.count(503) <= 120
    fake = FakeScale()
    with fake.faults.add(status=503, probability=0), fake.faults.add(status=502, probability=1):
        assert statuses(fake, 20) == [502] * 20


def test_times_is_exact_with_many_threads(fake: FakeScale) -> None:
    class Slow(random.Random):  # lets threads in between the check and the count
        def random(self) -> float:
            threading.Event().wait(0.001)
            return 0

    for _ in range(3):
        with fake.faults.add(status=503, times=5) as fault:
            fault._random = Slow()
            replies = in_threads(16, lambda _: Caller(fake)("GET", "/tasks").status)
        assert (replies.count(503), fault.hits) == (5, 5)


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from([0, 1, 250, 999, 1000, 3000]), st.booleans()), max_size=40),
)
def test_no_key_makes_more_requests_in_a_second_than_the_limit(
    limit: int, calls: list[tuple[int, bool]]
) -> None:
    fake = FakeScale()
    users = Caller(fake), Caller(fake, "live_other")
    passed: list[list[dt.datetime]] = [[], []]
    with time_machine.travel("2024-02-29T12:00:00Z", tick=False), fake.faults.rate_limit(limit):
        for wait, other in calls:
            fake.advance(milliseconds=wait)
            now = fake.now()
            earlier = [it for it in passed[other] if now - it < dt.timedelta(seconds=1)]
            reply = users[other]("GET", "/tasks")
            assert (reply.status == 429) == (len(earlier) == limit)
            if reply.status == 429:
                assert reply.headers["Retry-After"] == "1"
                assert reply.error == "Too many requests."
            else:
                passed[other].append(now)


def test_a_clock_that_is_set_back_does_not_block_a_rate_limit(
    fake: FakeScale, noon: time_machine.Traveller
) -> None:
    with fake.faults.rate_limit(1):
        assert statuses(fake, 2) == [200, 429]
        noon.shift(-3600)
        assert statuses(fake, 2) == [200, 429]


def test_minutes_end_at_the_exact_millisecond(
    fake: FakeScale, noon: time_machine.Traveller
) -> None:
    fault = fake.faults.add(status=503, minutes=1.5)
    fake.advance(seconds=89.999)
    assert statuses(fake, 1) == [503]
    fake.advance(milliseconds=1)
    assert statuses(fake, 1) == [200]
    assert fault.to_json()["until"] == "2024-02-29T12:01:30.000Z"


# Several faults


def test_the_first_matching_fault_decides_and_later_ones_do_not_count(fake: FakeScale) -> None:
    first = fake.faults.add(status=503, times=1)
    second = fake.faults.add(status=502, times=1)
    assert statuses(fake, 3) == [503, 502, 200]
    assert [fault.hits for fault in (first, second)] == [1, 1]


def test_a_delay_lets_the_next_fault_decide_too(fake: FakeScale) -> None:
    fake.faults.add(delay=0.001)
    fake.faults.add(delay=0)
    fake.faults.add(status=503, delay=0.001)
    fake.faults.add(status=502)
    assert statuses(fake, 1) == [503]
    assert journal(fake) == [(503, "delay 0.001 s; delay 0 s; status 503, delay 0.001 s")]


# Saved answers


def test_an_answer_in_place_of_the_work_is_not_saved(fake: FakeScale, live: Caller) -> None:
    for terms in ({"status": 400}, {"status": 200, "body": "OK"}, {"status": 409}):
        with fake.faults.add(times=1, **terms) as fault:
            with contextlib.suppress(AssertionError):  # Caller's own, about the content type
                live("POST", "/task/chat", {}, headers=KEY)
            assert fault.hits == 1
    assert len(fake.tasks) == 0
    assert live("POST", "/task/chat", {}, headers=KEY).status == 200


def test_a_lost_refusal_is_saved_unchanged(fake: FakeScale, live: Caller) -> None:
    with fake.faults.lost_answer():
        assert live("POST", "/task/kittens", {}, headers=KEY).status == 500
    assert live("POST", "/task/kittens", {}, headers=KEY).status == 404


def test_every_request_with_a_lost_answer_is_carried_out(fake: FakeScale, live: Caller) -> None:
    task = fake.tasks.create("chat")
    with fake.faults.add(lost=True, status=504, error="Late.", headers={"X-A": "b"}):
        reply = live("POST", f"/task/{task.id}/cancel")
    assert (reply.status, reply.error, reply.headers["X-A"]) == (504, "Late.", "b")
    assert fake.tasks.get(task.id).status == "canceled"


# The life of a fault


def test_a_block_removes_its_fault_whatever_happens(fake: FakeScale) -> None:
    with pytest.raises(ZeroDivisionError), fake.faults.add(status=503):
        _ = 1 / 0
    with fake.faults.add(status=503) as fault:
        fake.faults.remove(fault)
    with fake.faults.add(status=503) as fault:
        fake.reset()
        other = fake.faults.add(status=502)
    assert list(fake.faults) == [other]
    assert statuses(fake, 1) == [502]


def test_a_fault_is_removed_by_itself_or_its_id(fake: FakeScale) -> None:
    first, second, third = (fake.faults.add(status=500 + n) for n in range(3))
    assert (list(fake.faults), len(fake.faults)) == ([first, second, third], 3)
    fake.faults.remove(first)
    fake.faults.remove(second.id)
    assert list(fake.faults) == [third]
    for gone in (first, first.id):
        with pytest.raises(ApiError, match=f"There is no fault {first.id}"):
            fake.faults.remove(gone)
    fake.reset()
    assert len(fake.faults) == 0
    assert fake.faults.add(status=500).id > third.id
    assert repr(third) == f"<Fault {third.id}: status 502, 0 hits>"


def test_a_removed_fault_does_not_strike_a_request_in_flight(fake: FakeScale) -> None:
    def remove(asked: Asked) -> bool:
        fake.faults.remove(fault)
        return True

    fault = fake.faults.add(status=503, predicate=remove)
    assert statuses(fake, 1) == [200]
    assert fault.hits == 0


def test_a_fault_is_printed_as_json(fake: FakeScale, noon: time_machine.Traveller) -> None:
    terms = {"method": "GET", "status": 429, "headers": {"Retry-After": "2"}, "nth": 2}
    fault = fake.faults.add(**terms)  # type: ignore[arg-type]
    assert fault.to_json() == {"id": fault.id, "hits": 0, **terms}
    for fault in (
        fake.faults.rate_limit(3),
        fake.faults.outage(minutes=1),
        fake.faults.lost_answer(reset="before"),
        fake.faults.duplicate_in_flight(),
    ):
        assert json.loads(json.dumps(fault.to_json())) == fault.to_json()


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": ""},
        {"method": 1},
        {"path": "v1"},
        {"path": ""},
        {"api_key": ""},
        {"predicate": "x"},
        {"nth": 0},
        {"nth": True},
        {"nth": False},
        {"nth": 1.5},
        {"times": 0},
        {"probability": 1.1},
        {"probability": float("nan")},
        {"probability": "1"},
        {"seed": 1},
        {"seed": 1.5},
        {"minutes": 0},
        {"minutes": float("inf")},
        {"minutes": float("nan")},
        {"minutes": 1e300},
        {"minutes": 10**400},
        {"minutes": 1e12},
        {"per_second": 0},
        {"status": 100},
        {"status": 204},
        {"status": 599},
        {"status": "500"},
        {"error": 1},
        {"headers": []},
        {"headers": {"a": 1}},
        {"headers": {1: "a"}},
        {"headers": {"a b": "c"}},
        {"headers": {"a": "b\r\nc: d"}},
        {"headers": {"content-length": "1"}},
        {"body": b"x"},
        {"body": "\ud800"},
        {"content_type": "text/plain"},
        {"content_type": "a\nb", "body": ""},
        {"delay": -1},
        {"delay": float("inf")},
        {"delay": "1"},
        {"reset": "after"},
        {"reset": True},
        {"reset": "before"},
        {"truncated": 1},
        {"truncated": True, "reset": "within"},
        {"error": "a", "body": "b"},
        {"lost": "yes"},
    ],
    ids=str,
)
def test_a_bad_argument_is_named_and_changes_nothing(fake: FakeScale, wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=rf"\b{next(iter(wrong))}\b"):
        fake.faults.add(**{"status": 500, **wrong})
    assert len(fake.faults) == 0


@pytest.mark.parametrize(
    ("add", "name"),
    [
        (lambda faults: faults.add(), "status"),
        (lambda faults: faults.add(method="GET", truncated=False), "lost"),
        (lambda faults: faults.add(error="x", delay=1), "error"),
        (lambda faults: faults.add(headers={}, delay=1), "headers"),
        (lambda faults: faults.add(body="x", delay=1), "body"),
        (lambda faults: faults.rate_limit(0), "per_second"),
        (lambda faults: faults.rate_limit(None), "per_second"),
        (lambda faults: faults.outage(minutes=-1), "minutes"),
        (lambda faults: faults.lost_answer(times=0), "times"),
        (lambda faults: faults.lost_answer(reset="x"), "reset"),
        (lambda faults: faults.duplicate_in_flight(times=0), "times"),
    ],
)
def test_a_fault_without_an_effect_is_refused(
    fake: FakeScale, add: Callable[[Faults], Fault], name: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=rf"\b{name}\b"):
        add(fake.faults)
    assert len(fake.faults) == 0


def test_arguments_go_by_name_alone(fake: FakeScale) -> None:
    with pytest.raises(TypeError):
        fake.faults.add("POST")  # type: ignore[call-arg]


def test_a_pipeline_with_random_faults_ends_with_each_task_once(served: FakeScale) -> None:
    served.faults.add(lost=True, probability=0.2, seed=1, **CREATE)  # type: ignore[arg-type]
    served.faults.add(lost=True, reset="before", probability=0.1, seed=2)
    served.faults.add(status=429, probability=0.2, seed=3)

    def create(number: int) -> int:
        client = Client(served)
        with client.session:
            for attempt in range(50):
                with contextlib.suppress(requests.RequestException):
                    return client.create(**{"Idempotency-Key": str(number)}).status_code
                assert attempt < 49
        return 0

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(create, range(60))) == [200] * 60
    assert len(served.tasks) == 60
    assert all(fault.hits for fault in served.faults)


@pytest.mark.parametrize("path", [route.path for route in ROUTES if route.idempotent])
def test_creations_are_the_routes_that_heed_an_idempotency_key(
    fake: FakeScale, live: Caller, path: str
) -> None:
    path = path.removeprefix("/v1").replace("<type>", "nothing")
    for fault, status in (
        (fake.faults.duplicate_in_flight(), 429),
        (fake.faults.lost_answer(), 500),
    ):
        with fault:
            assert live("POST", f"{path}/x", {}, headers=KEY).status == 404
            assert live("POST", path, {}, headers=KEY).status == status


def test_a_fault_of_an_account_strikes_all_its_keys_and_is_forgotten_with_it(
    fake: FakeScale,
) -> None:
    fault = fake.faults.add(status=503, account="a")
    assert (fault.account, fault.api_key) == ("a", None)
    keys = ("live_a", "test_a", "a|test", "live_b", "live_aa", "nonsense", "a")
    statuses = [Caller(fake, key)("GET", "/tasks").status for key in keys]
    assert statuses == [503, 503, 503, 200, 200, 401, 401]
    assert Caller(fake, "test_a")("GET", "/tasks").status == 503
    with pytest.raises(ValueError, match="account must not be empty"):
        fake.faults.rate_limit(1, account="")
    kept = [fake.faults.lost_answer(account="b"), fake.faults.duplicate_in_flight(account="b")]
    fake.faults.rate_limit(1, api_key="a|test", account="b")
    fake.reset("a")
    assert list(fake.faults) == kept


@pytest.mark.parametrize("path", ["/task/imageannotation", "task", "/v1", "/V1/tasks", ""])
def test_a_path_that_no_request_to_the_api_has_is_refused(fake: FakeScale, path: str) -> None:
    with pytest.raises(ValueError, match="path must"):
        fake.faults.add(path=path, status=503)
    assert len(fake.faults) == 0
