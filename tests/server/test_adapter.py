"""The adapter for requests: each request has the outcome that it has with a server."""

import contextlib
import datetime as dt
import errno
import io
import itertools
import json
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import scaleapi
import scaleapi.api
from requests.adapters import HTTPAdapter
from scaleapi.exceptions import ScaleDuplicateResource, ScaleException
from scaleapi.tasks import TaskType
from urllib3 import Retry, Timeout

from fakescale import FakeScale, Limits, Task, without_backoff
from tests.support import example

API = "https://api.scale.com"
AUTH = ("live_fakescale", "")
CHAT = "/v1/task/chat"

#: Sends a request to a fake with the faults; takes the arguments of `Session.request`.
Ask = Callable[..., Any]


@contextlib.contextmanager
def in_place(fake: FakeScale, **options: Any) -> Iterator[Ask]:
    with requests.Session() as session:
        session.auth = AUTH
        session.mount(API, fake.adapter(**options))
        yield lambda method, path, **given: session.request(method, API + path, **given)


@contextlib.contextmanager
def served(fake: FakeScale, **options: Any) -> Iterator[Ask]:
    with fake.serve(), requests.Session() as session:
        session.auth = AUTH
        session.mount("http://", HTTPAdapter(**options))
        origin = str(fake.origin)
        yield lambda method, path, **given: session.request(method, origin + path, **given)


def both(act: Callable[[FakeScale, Ask], Any], **options: Any) -> Any:
    """Do the same in place and with a server; return the outcome, which is the same for both."""
    outcomes = []
    for way in (in_place, served):
        fake = FakeScale(seed=1)
        with way(fake, **options) as ask:
            try:
                outcome = act(fake, ask)
            except Exception as error:
                outcome = (type(error), type(error.args[0]) if error.args else None)
        outcomes.append((outcome, [(it.method, it.status, it.fault) for it in fake.requests]))
    assert outcomes[0] == outcomes[1]
    return outcomes[0][0]


FAULTS: list[dict[str, Any]] = [
    {"status": 503},
    {"status": 429, "headers": {"Retry-After": "0"}},
    {"status": 502, "body": "<html>", "content_type": "text/html"},
    {"reset": "before"},
    {"reset": "within"},
    {"reset": "before", "lost": True},
    {"truncated": True},
    {"lost": True},
    {"delay": 0.001},
    {"delay": 0.001, "reset": "within"},
    {"delay": 3},
]


@pytest.mark.parametrize("retries", [0, 1, Retry(2, status_forcelist=[429, 503])], ids=str)
@pytest.mark.parametrize("fault", FAULTS, ids=json.dumps)
def test_a_fault_has_the_outcome_that_it_has_with_a_server(
    fault: dict[str, Any], retries: Any
) -> None:
    def act(fake: FakeScale, ask: Ask) -> Any:
        fake.faults.add(times=2, method="GET", **fault)
        # On a busy machine, an answer that nothing delays may take a while too.
        answer = ask("GET", "/v1/tasks", timeout=0.2 if fault == {"delay": 3} else 30)
        return answer.status_code, answer.reason, answer.text, len(answer.raw.retries.history)

    both(act, max_retries=retries)


@pytest.mark.parametrize(
    ("fault", "timeout", "expected"),
    [
        ({"reset": "before"}, None, requests.exceptions.ConnectionError),
        ({"reset": "within"}, None, requests.exceptions.ChunkedEncodingError),
        ({"delay": 60}, 0.01, requests.exceptions.ReadTimeout),
        ({"delay": 60}, (60, 0.01), requests.exceptions.ReadTimeout),
        ({"delay": 60}, Timeout(total=0.01), requests.exceptions.ReadTimeout),
    ],
)
def test_a_fault_raises_the_error_of_requests(fault: Any, timeout: Any, expected: Any) -> None:
    fake = FakeScale()
    fake.faults.add(**fault)
    with in_place(fake) as ask, pytest.raises(expected):
        ask("GET", "/v1/tasks", timeout=timeout)
    assert fake.requests.total == 1


def test_a_reset_names_its_cause() -> None:
    fake = FakeScale()
    fake.faults.add(reset="before")
    with in_place(fake) as ask, pytest.raises(requests.exceptions.ConnectionError) as caught:
        ask("GET", "/v1/tasks")
    cause = caught.value.args[0].args[1]
    assert isinstance(cause, ConnectionResetError)
    assert cause.errno == errno.ECONNRESET


def test_a_late_answer_is_carried_out() -> None:
    fake = FakeScale()
    fake.faults.add(delay=60)
    with in_place(fake) as ask, pytest.raises(requests.exceptions.ReadTimeout, match=r"=0\.01\)"):
        ask("POST", CHAT, json={}, timeout=0.01)
    assert len(fake.tasks) == 1


def test_a_stream_breaks_off_after_the_first_half() -> None:
    def act(fake: FakeScale, ask: Ask) -> bytes:
        fake.faults.add(reset="within")
        answer = ask("GET", "/v1/tasks", stream=True)
        content = answer.iter_content(5)
        got = bytes(next(content))
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            b"".join(content)
        return got

    assert both(act) == b'{"doc'


def pieces() -> Iterator[bytes]:
    yield b'{"instruction":'
    yield b""
    yield b'"x"}'


@pytest.mark.parametrize(
    "body",
    [
        lambda: {"json": {"instruction": "x"}},
        lambda: {"json": {"instruction": "é ☃"}},
        lambda: {"data": b'{"instruction": "x"}'},
        lambda: {"data": '{"instruction": "é ☃"}'},
        lambda: {"data": {"instruction": "x"}},
        lambda: {"data": pieces()},
        lambda: {"data": ["{", "}"]},
        lambda: {"data": io.BytesIO(b'{"instruction": "x"}')},
        lambda: {"data": io.StringIO('{"instruction": "x"}')},
        lambda: {"data": b""},
        dict,
        lambda: {"data": b"{"},
        lambda: {"data": b"x" * 2048, "headers": {"Content-Encoding": "gzip"}},
        lambda: {"json": {}, "headers": {"X-Odd": "é", "Accept-Encoding": None}},
        lambda: {"json": {}, "headers": {"X-Bytes": b"b", "Under_Score": "dropped"}},
        lambda: {"json": {}, "headers": {"User-Agent": "mine", "Host": "localhost"}},
        lambda: {"json": {}, "params": {"a b": "é&=", "c": ["1", "2"]}},
        lambda: {"json": {}, "auth": ("nobody:s", "")},
    ],
)
def test_a_request_is_seen_as_by_a_server(body: Callable[[], Any]) -> None:
    def act(fake: FakeScale, ask: Ask) -> Any:
        answer = ask("POST", CHAT, **body())
        printed = answer.json()
        for name in ("created_at", "updated_at", "task_id"):
            printed.pop(name, None)
        [seen] = fake.requests
        headers = {name: it for name, it in seen.headers.items() if name != "Host"}
        fields = {name: it for name, it in answer.headers.items() if name != "Date"}
        return answer.status_code, answer.reason, printed, fields, seen.body, seen.query, headers

    both(act)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/v1/tasks?limit=1", "/v1/task/a%2Fb", "/v1/%E2%98%83", "/", ""])
def test_every_method_and_path_is_answered_as_by_a_server(method: str, path: str) -> None:
    def act(fake: FakeScale, ask: Ask) -> Any:
        answer = ask(method, path)
        [seen] = fake.requests
        return answer.status_code, answer.content, answer.headers.get("Allow"), seen.path

    both(act)


def test_a_file_is_uploaded() -> None:
    def act(fake: FakeScale, ask: Ask) -> Any:
        files = {"file": ("a.txt", io.BytesIO(b"content"), "text/plain")}
        answer = ask("POST", "/v1/files/upload", files=files, data={"project_name": "p"})
        return answer.status_code, answer.json().get("filename")

    both(act)


def test_a_body_without_an_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fakescale.server.adapter._MOST", 2**20)
    fake = FakeScale(limits=Limits(max_body=1000))
    with in_place(fake) as ask:
        answer = ask("POST", CHAT, data=(b"x" * 65536 for _ in itertools.count()))
    assert answer.status_code == 413


def test_an_error_of_the_body_itself_is_raised() -> None:
    def broken() -> Iterator[bytes]:
        yield b"{"
        raise LookupError("mine")

    fake = FakeScale()
    with in_place(fake) as ask, pytest.raises(LookupError, match="mine"):
        ask("POST", CHAT, data=broken())


def test_a_file_is_sent_anew_with_each_try() -> None:
    def act(fake: FakeScale, ask: Ask) -> Any:
        fake.faults.add(times=1, reset="before")
        fake.faults.add(times=1, status=503)
        answer = ask("POST", CHAT, data=io.BytesIO(b'{"instruction": "x"}'))
        history = [(it.method, it.url, it.status) for it in answer.raw.retries.history]
        return answer.json()["instruction"], history, [it.body for it in fake.requests]

    retry = Retry(3, status_forcelist=[503], allowed_methods=None)
    outcome = both(act, max_retries=retry)
    assert outcome[0] == "x"
    assert outcome[1][1] == ("POST", CHAT, 503)


@pytest.mark.parametrize("raises", [True, False])
def test_retries_come_to_an_end(raises: bool) -> None:
    def act(fake: FakeScale, ask: Ask) -> Any:
        fake.faults.add(status=503)
        return ask("GET", "/v1/tasks").status_code

    retry = Retry(2, status_forcelist=[503], raise_on_status=raises)
    outcome = both(act, max_retries=retry)
    assert outcome == 503 if not raises else outcome[0] is requests.exceptions.RetryError


def test_retries_heed_retry_after() -> None:
    fake = FakeScale()
    fake.faults.add(times=1, status=429, headers={"Retry-After": "3600"})
    with without_backoff(), in_place(fake, max_retries=1) as ask:
        assert ask("GET", "/v1/tasks").status_code == 200
    assert fake.requests.total == 2


def test_an_answer_is_whole() -> None:
    fake = FakeScale()
    with in_place(fake) as ask:
        answer = ask("POST", CHAT, json={}, stream=True)
        assert answer.raw.read(5) == b'{"tas'
        assert answer.url == API + CHAT
        assert answer.elapsed.total_seconds() > 0
        assert isinstance(answer.connection, HTTPAdapter)
        assert not answer.cookies
        assert not answer.history
        assert answer.encoding == "utf-8"
        answer.close()
        assert [*ask("GET", "/v1/tasks", stream=True).iter_lines()]
        assert b"".join(ask("GET", "/v1/tasks", stream=True).iter_content(7)).startswith(b'{"docs"')


def test_no_socket_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a socket")

    fake = FakeScale()
    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with requests.Session() as session:
        session.mount("http://", fake.adapter())
        session.mount("https://", fake.adapter())
        for origin in (API, "http://api.scale.com", "http://elsewhere.example:81", "https://[::2]"):
            assert session.get(f"{origin}/v1/tasks", auth=AUTH).status_code == 200


@pytest.mark.parametrize(
    "origin", [API, "http://api.scale.com:8080", "https://scale.example", "http://[2001:db8::1]:81"]
)
def test_the_urls_of_result_files_lead_to_the_adapter(origin: str) -> None:
    fake = FakeScale()
    task = fake.tasks.create("segmentannotation", **example("segmentannotation"))
    fake.tasks.complete(task)
    with requests.Session() as session:
        session.mount(origin, fake.adapter())
        shown = session.get(f"{origin}/v1/task/{task.id}", auth=AUTH).json()
        urls = re.findall(rf'"({re.escape(origin)}/[^"]+)"', json.dumps(shown["response"]))
        assert urls
        assert [session.get(url).status_code for url in urls] == [200] * len(urls)


def test_another_host_than_that_of_the_url_is_refused() -> None:
    with in_place(FakeScale()) as ask:
        assert ask("GET", "/v1/tasks", headers={"Host": "evil.example"}).status_code == 403
        assert ask("GET", "/v1/tasks", headers={"Host": "api.scale.com"}).status_code == 200


def test_control_calls_do_not_go_to_the_host_of_the_api() -> None:
    fake = FakeScale()
    with requests.Session() as session:
        session.mount("http://", fake.adapter())
        session.mount("https://", fake.adapter())
        assert session.post(f"{API}/_fakescale/reset", json={}).status_code == 403
        assert session.post("http://fake.example/_fakescale/reset", json={}).status_code == 200


def test_a_session_goes_on_after_its_close() -> None:
    fake = FakeScale()
    adapter = fake.adapter()
    session = requests.Session()
    session.mount(API, adapter)
    session.close()
    adapter.close()
    assert session.get(f"{API}/v1/tasks", auth=AUTH).status_code == 200


def test_a_running_fake_works_in_the_background() -> None:
    completed = threading.Event()
    fake = FakeScale(complete_after=dt.timedelta())

    def label(task: Task) -> None:
        completed.set()

    fake.labeler = label
    with fake.running(), in_place(fake) as ask:
        ask("POST", CHAT, json={})
        assert completed.wait(10)


def test_a_labeler_may_call_the_api() -> None:
    fake = FakeScale(complete_after=dt.timedelta(hours=1))
    with in_place(fake) as ask:
        fake.labeler = lambda task: {"total": ask("GET", "/v1/tasks").json()["total"]}
        task_id = ask("POST", CHAT, json={}).json()["task_id"]
        fake.advance(hours=1)
        assert ask("GET", f"/v1/task/{task_id}").json()["response"] == {"total": 1}


def test_the_official_client_uses_the_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeScale()
    monkeypatch.setattr(scaleapi.api, "HTTPAdapter", fake.adapter)
    client = scaleapi.ScaleClient(fake.api_key)
    client.create_project("pets", TaskType.Chat)
    task = client.create_task(TaskType.Chat, project="pets", unique_id="cat")
    assert client.get_task(task.id).status == "pending"
    assert [it.id for it in client.get_tasks(project_name="pets")] == [task.id]
    with pytest.raises(ScaleDuplicateResource):
        client.create_task(TaskType.Chat, project="pets", unique_id="cat")
    task.cancel()
    assert fake.tasks.get(task.id).status == "canceled"


def test_the_official_client_finds_its_task_after_a_lost_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = FakeScale()
    monkeypatch.setattr(scaleapi.api, "HTTPAdapter", fake.adapter)
    client = scaleapi.ScaleClient(fake.api_key)
    fake.faults.add(times=1, lost=True)
    with without_backoff():
        task = client.create_task(TaskType.Chat, unique_id="cat")
    assert [it.id for it in fake.tasks] == [task.id]
    assert [it.status for it in fake.requests] == [500, 409, 200]
    fake.faults.add(status=500)
    with without_backoff(), pytest.raises(ScaleException):
        client.get_task(task.id)


def test_without_requests_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "requests.adapters", None)
    monkeypatch.delitem(sys.modules, "fakescale.server.adapter")
    with pytest.raises(ImportError, match="pip install 'requests"):
        FakeScale().adapter()
