"""The rules for all requests: keys, the Idempotency-Key, limits, bugs, the journal."""

import base64
import datetime as dt
import gzip
import io
import json
import logging
import re
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import freezegun
import pytest
import time_machine
import werkzeug.datastructures
import werkzeug.test
from hypothesis import given
from hypothesis import strategies as st

from fakescale import FakeScale, Limits
from fakescale.account import task_types
from fakescale.account.tasks import Tasks
from fakescale.api import forms, request
from tests.account.test_tasks import in_threads
from tests.arrangements import ARRANGEMENTS, ask
from tests.support import ABSENT, Caller, HeldCreation, example, sent
from tests.values.test_frozen import JSON

KNOWN_401 = "Your API key does not correspond to a registered user."


def authorized(fake: FakeScale, header: str | None, path: str = "/v1/tasks") -> Any:
    headers = {} if header is None else {"Authorization": header}
    return werkzeug.test.Client(fake).get(path, headers=headers)


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


# Keys


@pytest.mark.parametrize(
    "header",
    [
        basic("live_x:"),
        basic("live_x:password"),
        "Bearer live_x",
        "bearer live_x",
        basic("x|test:"),
        "Bearer live_a=b",
    ],
)
def test_a_key_comes_as_basic_or_bearer(fake: FakeScale, header: str) -> None:
    assert authorized(fake, header).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic !!!",
        "Bearer",
        "Bearer  ",
        basic(""),
        basic(":live_x"),
        basic("dummy_api_key:"),
        basic("live_:"),
        "Basic " + base64.b64encode(b"live_\xff:").decode(),
        "Digest username=live_x",
        "Basic \xff\xfe",
        "Bearer \xff",
        "live_x",
    ],
)
@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/nowhere", "/v1/task/x", "/nowhere"])
def test_without_a_key_everything_is_401(fake: FakeScale, header: str | None, path: str) -> None:
    reply = authorized(fake, header, path)
    assert (reply.status_code, reply.json) == (401, {"status_code": 401, "error": KNOWN_401})


def test_a_bad_key_is_refused_before_the_body_is_read(fake: FakeScale) -> None:
    reply = Caller(fake, "nobody")("POST", "/task/chat", data=b"{nonsense")
    assert (reply.status, fake.requests[-1].body) == (401, b"")


def test_health_needs_no_key_and_is_only_in_the_log(
    fake: FakeScale, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "fakescale"):
        reply = authorized(fake, None, "/_fakescale/health")
    assert (reply.status_code, reply.json) == (200, {"status": "ok"})
    assert len(fake.requests) == 0
    assert "GET /_fakescale/health 200" in caplog.text


# Idempotency-Key


def create(caller: Caller, key: str, body: Any = None, type: str = "chat", query: str = "") -> Any:
    body = {} if body is None else body
    return caller("POST", f"/task/{type}{query}", body, headers={"Idempotency-Key": key})


def test_a_repeated_creation_gives_the_same_bytes_and_one_task(
    fake: FakeScale, live: Caller
) -> None:
    first = create(live, "k", {"unique_id": "u", "a": 1})
    fake.tasks.complete(first.json["task_id"])
    second = create(live, "k", {"a": 1, "unique_id": "u"})
    assert (second.status, second.bytes) == (200, first.bytes)
    assert len(fake.tasks) == 1


def test_the_saved_answer_stays_as_it_was(live: Caller, fake: FakeScale) -> None:
    first = create(live, "k")
    fake.tasks.complete(first.json["task_id"])
    assert create(live, "k").json["status"] == first.json["status"] == "pending"


@pytest.mark.parametrize(
    ("type", "body", "status"),
    [("imageannotation", {}, 400), ("kittens", {}, 404), ("chat", {"unique_id": "taken"}, 409)],
)
def test_refusals_are_saved_too(live: Caller, type: str, body: Any, status: int) -> None:
    owner = live.create("chat", unique_id="taken")["task_id"]
    first = create(live, "k", body, type)
    assert first.status == status
    live("DELETE", f"/task/{owner}/unique_id")
    assert create(live, "k", body, type).bytes == first.bytes


@pytest.mark.parametrize(
    "other",
    [{"body": {"a": 2}}, {"type": "multichat"}, {"query": "?x=1"}, {"body": {"a": "1"}}],
)
def test_other_parameters_with_the_key_are_a_conflict(live: Caller, other: Any) -> None:
    create(live, "k", {"a": 1})
    reply = create(live, "k", **{"body": {"a": 1}, **other})
    assert reply.status == 409
    assert live.get("/tasks")["total"] == 1


def test_another_user_with_the_key_is_a_conflict_but_another_mode_is_not(
    fake: FakeScale, live: Caller, test_mode: Caller
) -> None:
    create(live, "k")
    assert create(Caller(fake, "live_other"), "k").status == 409
    assert create(test_mode, "k").status == 200
    assert create(Caller(fake, "fakescale|test"), "k").status == 200  # the same user
    assert len(fake.test.tasks) == 1


@pytest.mark.parametrize(
    ("path", "data"), [("", b""), ("", b"{}"), ("", b'{"a": null}'), ("/", b"{}")]
)
def test_bodies_of_the_same_meaning_are_the_same_request(
    live: Caller, path: str, data: bytes
) -> None:
    first = create(live, "k")
    headers = {"Idempotency-Key": "k"}
    assert live("POST", f"/task/chat{path}", data=data, headers=headers).bytes == first.bytes


def test_the_encoding_of_the_body_does_not_matter(live: Caller) -> None:
    first = create(live, "k", {"a": "x"})
    headers = {"Idempotency-Key": "k", "Content-Type": "application/x-www-form-urlencoded"}
    assert live("POST", "/task/chat", data=b"a=x", headers=headers).bytes == first.bytes
    spaced = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    assert live("POST", "/task/chat", data=b' {"a" :"\\u0078"}', headers=spaced).status == 200


def test_the_key_is_heeded_only_on_creation(live: Caller) -> None:
    task_id = live.create()["task_id"]
    headers = {"Idempotency-Key": "k"}
    for metadata in ({"a": 1}, {"b": 2}):
        reply = live("POST", f"/task/{task_id}/setMetadata", metadata, headers=headers)
        assert reply.json["metadata"] == metadata


def test_an_empty_key_is_ignored_and_a_long_one_counts(live: Caller) -> None:
    assert create(live, "").json != create(live, "").json
    first = create(live, "k" * 5_000)
    assert first.status == 200
    assert create(live, "k" * 5_000).json == first.json


def test_a_key_lasts_a_day_of_frozen_time(live: Caller) -> None:
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    with freezegun.freeze_time(start) as frozen:
        first = create(live, "k")
        frozen.tick(dt.timedelta(hours=24) - dt.timedelta(milliseconds=1))
        assert create(live, "k").bytes == first.bytes
        frozen.tick(dt.timedelta(milliseconds=1))
        again = create(live, "k", {"other": 1})
    assert again.status == 200
    assert again.json["task_id"] != first.json["task_id"]


def test_advancing_the_fake_ages_its_keys(fake: FakeScale, live: Caller) -> None:
    create(live, "k")
    fake.advance(hours=25)
    assert create(live, "k", {"other": 1}).status == 200


def test_one_key_from_16_threads_makes_one_task(fake: FakeScale) -> None:
    for round in range(10):
        key = f"k{round}"
        replies = in_threads(16, lambda _, key=key: create(Caller(fake), key))  # type: ignore[misc]
        answers = {reply.bytes for reply in replies if reply.status == 200}
        assert {reply.status for reply in replies} <= {200, 429}
        assert len(answers) == 1
        assert len(fake.tasks) == round + 1
        assert create(Caller(fake), f"k{round}").bytes in answers


def test_a_twin_in_flight_is_429(
    fake: FakeScale, live: Caller, held_creation: HeldCreation
) -> None:
    inside, go_on = held_creation
    thread = threading.Thread(target=create, args=(live, "k"))
    thread.start()
    assert inside.wait(10)
    reply = create(Caller(fake), "k")
    go_on.set()
    thread.join()
    assert reply.status == 429
    assert create(live, "k").status == 200
    assert len(fake.tasks) == 1


# Limits and bugs


def test_a_body_over_the_limit_is_refused_unread() -> None:
    fake = FakeScale(limits=Limits(max_body=100))

    class Unreadable(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise AssertionError("it was read")

        readinto = readline = read  # type: ignore[assignment]

    headers = werkzeug.datastructures.Headers({"Authorization": f"Bearer {fake.api_key}"})
    builder = werkzeug.test.EnvironBuilder("/v1/task/chat", method="POST", headers=headers)
    environ = builder.get_environ()
    environ["wsgi.input"] = Unreadable()
    environ["CONTENT_LENGTH"] = "101"
    content, status, _ = werkzeug.test.run_wsgi_app(fake, environ)
    assert status.startswith("413 ")
    assert json.loads(b"".join(content)) == {
        "status_code": 413,
        "error": "The body is larger than 100 bytes.",
    }
    small = Caller(fake)("POST", "/task/chat", data=b'{"a": "%s"}' % (b"x" * 91))
    assert small.status == 200


def test_the_limit_is_32_mebibytes() -> None:
    fake = FakeScale()
    assert fake.limits.max_body == 32 * 2**20


@pytest.mark.usefixtures("undocumented")
def test_a_bug_is_a_500_with_its_traceback_in_the_log_and_the_journal(
    fake: FakeScale,
    live: Caller,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(Tasks, "_page", lambda self, query: 1 / 0)
    reply = live("GET", "/tasks")
    assert (reply.status, reply.error) == (500, "Something went wrong inside fakescale.")
    trace = fake.requests[-1].traceback
    assert trace is not None
    assert "ZeroDivisionError" in trace
    assert "ZeroDivisionError" in caplog.text


# The journal and the log


def test_the_journal_has_the_request_and_the_answer(
    fake: FakeScale, live: Caller, noon: time_machine.Traveller
) -> None:
    reply = live("POST", "/task/chat?a=%2F", {"x": "é"}, headers={"X-Mine": "1"})
    entry = fake.requests[-1]
    assert (entry.method, entry.path, entry.query) == ("POST", "/v1/task/chat", "a=%2F")
    assert (entry.headers["X-Mine"], entry.json) == ("1", {"x": "é"})
    assert (entry.status, entry.answer, entry.traceback) == (200, reply.bytes, None)
    assert entry.when == dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)
    assert reply.headers["Date"] == "Thu, 29 Feb 2024 12:00:00 GMT"
    assert f"live_{'fakescale'}" not in repr(list(fake.requests))


def test_each_request_is_one_line_of_the_log(
    live: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "fakescale"):
        live("GET", "/task/x%0Ay?limit=3")
        live("GET", "/task/x\x1b[31m")
    end = "ms account=fakescale: Task with that ID not found."
    assert [re.sub(r"[\d.]+ms", "ms", it.getMessage()) for it in caplog.records] == [
        f"GET /v1/task/x%0Ay?limit=3 404 {end}",
        rf"GET /v1/task/x\x1b[31m 404 {end}",
    ]
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "fakescale"):
        live("POST", "/task/chat", data=b'{"a":\n1}')
    [line] = [record.getMessage() for record in caplog.records]
    assert re.match(r'POST /v1/task/chat 200 .* {"a":\\n1} -> {"task_id":', line)


# Any input


@given(st.sampled_from(task_types.names()), st.data())
def test_no_body_of_a_creation_gives_a_500(type: str, data: st.DataObject) -> None:
    facts = task_types._facts()
    names = st.sampled_from([*facts["types"][type]["params"], *facts["common"], "other"])
    body = data.draw(
        JSON | st.dictionaries(names, JSON, max_size=4).map(lambda d: example(type, **d))
    )
    fake = FakeScale()
    for caller in (Caller(fake), Caller(fake, fake.test_api_key)):
        reply = caller("POST", f"/task/{type}", body)
        assert reply.status in (200, 400), fake.requests[-1].traceback
        total = caller.get("/tasks")["total"]
        assert total == (reply.status == 200)


# Without the creations of tasks, which the test above covers.
WITH_BODIES = [
    name
    for name, arrangement in ARRANGEMENTS.items()
    if arrangement.body is not ABSENT and not re.match(r"POST /task/\w", name)
]


@given(st.sampled_from(WITH_BODIES), st.data())
def test_no_body_gives_a_500(name: str, data: st.DataObject) -> None:
    known = ARRANGEMENTS[name].body
    members = st.sampled_from([*(known if isinstance(known, dict) else ()), "comments"])
    body = data.draw(JSON | st.dictionaries(members, JSON))
    fake = FakeScale()
    reply = ask(fake, name, body=body)
    assert reply.status in (200, 201, 400, 404, 409), fake.requests[-1].traceback


@given(st.binary(), st.sampled_from(["application/json", "application/x-www-form-urlencoded", ""]))
def test_no_bytes_give_a_500(data: bytes, type: str) -> None:
    fake = FakeScale()
    reply = Caller(fake)("POST", "/task/chat", data=data, headers={"Content-Type": type})
    assert reply.status in (200, 400), fake.requests[-1].traceback


@given(
    st.dictionaries(
        st.sampled_from(["status", "limit", "offset", "next_token", "start_time", "tags", "x"]),
        st.text() | st.sampled_from(["1", "true", "2024-01-01", "9999-12-31T23:59:59.9999Z"]),
    )
)
def test_no_query_gives_a_500(query: dict[str, str]) -> None:
    fake = FakeScale()
    fake.tasks.create("chat")
    client = werkzeug.test.Client(fake)
    safe = {name: text.encode("utf-8", "replace").decode() for name, text in query.items()}
    reply = client.get("/v1/tasks", query_string=safe, headers={"Authorization": "Bearer live_x"})
    assert reply.status_code in (200, 400), fake.requests[-1].traceback
    assert json.loads(reply.data)


# HEAD and OPTIONS, as stock Express has them.


def test_a_head_is_a_get_without_its_body(live: Caller) -> None:
    task_id = live.create()["task_id"]
    for path in ("/tasks", f"/task/{task_id}", "/batches", "/task/unknown"):
        got, head = live("GET", path), live("HEAD", path)
        assert (head.status, head.bytes) == (got.status, b"")
        assert head.headers["Content-Length"] == str(len(got.bytes))


@pytest.mark.parametrize("path", ["health", "openapi.json", "openapi.json?strict=true"])
def test_a_head_of_the_fake_itself_is_answered_too(fake: FakeScale, path: str) -> None:
    client = werkzeug.test.Client(fake)
    got, head = client.get(f"/_fakescale/{path}"), client.head(f"/_fakescale/{path}")
    assert (head.status_code, head.data) == (got.status_code, b"") == (200, b"")
    assert head.headers["Content-Length"] == str(len(got.data))


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/tasks", "GET,HEAD"),
        ("/task/5f/tags", "PUT,POST,DELETE"),
        ("/projects", "POST,GET,HEAD"),
        ("/batches/a%2Fb/finalize", "POST"),
        ("/studio/batches/", "GET,HEAD"),
        ("/task/5f/response_url/6a", "GET,HEAD"),
    ],
)
def test_options_tell_the_methods(live: Caller, path: str, methods: str) -> None:
    reply = live("OPTIONS", path)
    assert (reply.status, reply.headers["Allow"]) == (200, methods)
    assert not any(name.lower().startswith("access-control") for name, _ in reply.headers.items())


def test_options_need_a_key_and_a_known_path(fake: FakeScale, live: Caller) -> None:
    assert live("OPTIONS", "/taks").status == 404
    assert Caller(fake, "nobody")("OPTIONS", "/tasks").status == 401
    assert Caller(fake, "nobody")("OPTIONS", "/task/5f/response_url/6a").status == 200
    secure = Caller(FakeScale(secure_result_urls=True), "nobody")
    assert secure("OPTIONS", "/task/5f/response_url/6a").status == 401
    assert live("OPTIONS", "/tasks", headers={"Origin": "https://evil.example"}).status == 200


# Bodies with a Content-Encoding.

GZIPPED = gzip.compress(b"{}", mtime=0)


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("deflate", zlib.compress),
        ("identity", bytes),
        ("", bytes),
        ("gzip", lambda data: gzip.compress(data[:5]) + gzip.compress(data[5:])),
        ("gzip", lambda data: gzip.compress(data) + b"\0\0"),  # as tar and tape pad it
        ("gzip", lambda data: gzip.compress(b"") * 500 + gzip.compress(data)),
        ("deflate", lambda data: zlib.compress(data) + b"more"),
    ],
)
@pytest.mark.parametrize("form", [False, True])
def test_an_encoded_body_is_inflated(
    fake: FakeScale, live: Caller, encoding: str, encode: Callable[[bytes], bytes], form: bool
) -> None:
    data = b"unique_id=u" if form else b'{"unique_id": "u"}'
    kind = "application/x-www-form-urlencoded" if form else "application/json"
    headers = {"Content-Type": kind, "Content-Encoding": encoding}
    reply = live("POST", "/task/chat", data=encode(data), headers=headers)
    assert (reply.status, reply.json["unique_id"]) == (200, "u")
    assert fake.requests[-1].body == data


@pytest.mark.parametrize(
    ("encoding", "data", "status", "says"),
    [
        ("br", b"{}", 415, 'unsupported content encoding "br"'),
        ("gzip, gzip", b"{}", 415, "gzip, gzip"),
        ("gzip", b"{}", 400, '"body" must be gzip'),
        ("gzip", GZIPPED[:-3], 400, "ends too early"),
        ("gzip", GZIPPED + b"more", 400, '"body" must be gzip'),
        ("deflate", GZIPPED, 400, '"body" must be deflate'),
        ("gzip", gzip.compress(b" " * 2_000, mtime=0), 413, "larger than 1000 bytes"),
        ("gzip", gzip.compress(b" " * 800, mtime=0) * 2, 413, "larger than 1000 bytes"),
    ],
)
def test_a_body_that_cannot_be_inflated_is_refused(
    encoding: str, data: bytes, status: int, says: str
) -> None:
    caller = Caller(FakeScale(limits=Limits(max_body=1_000)))
    reply = caller("POST", "/task/chat", data=data, headers={"Content-Encoding": encoding})
    assert reply.status == status
    assert says in reply.error


def test_a_body_of_many_members_is_inflated_quickly(live: Caller) -> None:
    data = gzip.compress(b"", mtime=0) * 100_000
    begun = time.process_time()
    assert live("POST", "/task/chat", data=data, headers={"Content-Encoding": "gzip"}).status == 200
    assert time.process_time() - begun < 2  # it grew with the square of the number: 5 s


# Memory.

SHAPES = {
    "objects": b"{}",
    "arrays": b"[]",
    "numbers": b"1",
    "texts": b'""',
    "members": b'{"a":1}',
    "attachments": b'{"type":"image","content":"http://example.com"}',
}


def peak_of(fake: FakeScale, data: bytes, kind: str = "application/json") -> int:
    """Return the bytes of memory that a creation with this body takes."""
    headers = {"Authorization": f"Bearer {fake.api_key}", "Content-Type": kind}
    tracemalloc.start()
    try:
        sent(fake, "POST", "/v1/task/textcollection", data, headers)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("member", ["attachments", "tags", "unknown"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_memory_of_a_request_is_bounded(fake: FakeScale, member: str, shape: str) -> None:
    number = 2_000
    items = b",".join([SHAPES[shape]] * number)
    peak_of(fake, b'{"attachments":[{}]}')  # compiles the schemas
    body = b'{"%s":[%s],"instruction":"i"}' % (member.encode(), items)
    assert peak_of(fake, body) < 50_000 + 500 * number + 8 * len(body)


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    "body",
    [b"instruction=" + b"%41" * 20_000, b"instruction=" + b"%41a" * 20_000, b"%41" * 20_000,
     b"&" * 200_000],
    ids=["escapes", "escapes apart", "an escaped name", "fields"],
)  # fmt: skip
def test_the_memory_of_a_form_is_bounded(
    fake: FakeScale, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert forms._LONG == 100_000
    monkeypatch.setattr(forms, "_LONG", 1_000)
    peak_of(fake, b"a=" + b"1" * 1_001, FORM)
    assert peak_of(fake, body, FORM) < 200_000 + 8 * len(body)


@pytest.mark.parametrize("inside", [b"{", b'\\"'], ids=["brackets", "quotes"])
def test_the_memory_of_the_count_is_bounded(
    fake: FakeScale, inside: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request, "MAX_CONTAINERS", 2_000)
    peak_of(fake, b"{}")
    body = b'{"":"' + b"{" * 2_001 + inside * 9_000 + b'"}'
    assert peak_of(fake, body) < 200_000 + 8 * len(body)


def test_a_body_of_too_many_objects_is_refused_before_it_is_parsed(
    live: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (request.MAX_CONTAINERS, request.MAX_VALUES) == (200_000, 1_000_000)
    monkeypatch.setattr(request, "MAX_CONTAINERS", 20_000)
    monkeypatch.setattr(request, "MAX_VALUES", 100_000)
    items = b",".join([b"{}"] * 20_000)
    reply = live("POST", "/task/chat", data=b'{"x":[%s]}' % items)
    assert reply.status == 413
    assert "more than 20000 objects and arrays" in reply.error
    text = b'{"metadata":{"x":"\\"%s"}}' % (b"{[" * 12_501)  # texts may hold any brackets
    assert '"metadata" must not be larger' in live("POST", "/task/chat", data=text).error
    reply = live("POST", "/task/chat", data=b'{"tags":[1%s]}' % (b",1" * 99_990))
    assert '"tags[0]" must be' in reply.error
    reply = live("POST", "/task/chat", data=b'{"tags":[1%s]}' % (b",1" * 100_000))
    assert (reply.status, "more than 100000 values and names" in reply.error) == (413, True)
    text = b'{"metadata":{"x":"\\"%s"}}' % (b"," * 100_000)
    assert '"metadata" must not be larger' in live("POST", "/task/chat", data=text).error
    for broken in (b'"' + b"{" * 25_000, b"{" * 25_000 + b'"\\', b'",' * 100_001):
        assert live("POST", "/task/chat", data=broken).status in (400, 413)
