"""A redacted recording holds no secret, and the fake answers it as it answered the recording."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus

import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import Client as Caller

from fakescale import FakeScale
from fakescale.account import task_types
from fakescale.recordings import Recorded, redact, write_har, write_lines
from fakescale.recordings.recorder import Recorder
from tests.support import examples

_ID = re.compile(r"[0-9a-f]{24}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def exchange(**members: Any) -> Recorded:
    """Return an exchange; a body that is no bytes is JSON."""
    given = {
        "method": "POST",
        "url": "https://api.scale.com/v1/tasks",
        "headers": [],
        "body": b"",
        "status": 200,
        "answer_headers": [],
        "answer": b"",
        "when": None,
        "source": "my/file, exchange 1",
        **members,
    }
    for name in ("body", "answer"):
        if not isinstance(given[name], bytes):
            given[name] = json.dumps(given[name]).encode()
    return Recorded(**given)


def one(**members: Any) -> Recorded:
    (redacted,) = redact([exchange(**members)])
    return redacted


def body(value: Any) -> Any:
    return json.loads(one(body=value).body)


def message(text: str, sent: Any = None, status: int = 400) -> str:
    """Return the redacted message of a refusal."""
    answer = {"status_code": status, "error": text}
    told: str = json.loads(one(status=status, body=sent, answer=answer).answer)["error"]
    return told


# Secrets.

_WORDS = st.from_regex(r"[A-Z][a-z]{4,8}[0-9]{2}", fullmatch=True)
# Texts that no word of the API and no stand-in contains.
SECRETS = st.one_of(
    _WORDS,
    st.builds("{} {}".format, _WORDS, _WORDS),
    st.builds('{}"\\\n\té🙂{}'.format, _WORDS, _WORDS),
    st.builds("live_{}".format, _WORDS),
    st.builds("test_{}_x".format, _WORDS),
    st.builds("{}@{}.org".format, _WORDS, _WORDS),
    st.builds("https://{}.example.org/{}?key={}".format, _WORDS, _WORDS, _WORDS),
    st.builds("s3://{}/{}.jpg".format, _WORDS, _WORDS),
    st.integers(10**12, 10**13).map(lambda it: f"+{it}"),
)


def _basic(text: str) -> str:
    return f"Basic {base64.b64encode(f'{text}:'.encode()).decode()}"


_MULTIPART = (
    '--b\r\nContent-Disposition: form-data; name="project_name"\r\n\r\n{}\r\n'
    '--b\r\nContent-Disposition: form-data; name="file"; filename="{}.png"\r\n'
    "Content-Type: image/png\r\n\r\n{}\r\n--b--\r\n"
)
# The places of a secret in an exchange.
PLACES: dict[str, Callable[[str], Recorded]] = {
    "basic": lambda it: exchange(headers=[("Authorization", _basic(it))]),
    "bearer": lambda it: exchange(headers=[("authorization", f"Bearer {it}")]),
    "other scheme": lambda it: exchange(headers=[("Authorization", it)]),
    "cookie": lambda it: exchange(headers=[("Cookie", it)], answer_headers=[("Set-Cookie", it)]),
    "header": lambda it: exchange(headers=[("Idempotency-Key", it), (it, "a"), ("Accept", it)]),
    "answer header": lambda it: exchange(answer_headers=[("Location", it), ("Content-Type", it)]),
    "user": lambda it: exchange(url=f"https://{quote(it, safe='')}:x@api.scale.com/v1/tasks"),
    "path": lambda it: exchange(url=f"https://api.scale.com/v1/projects/{quote(it, safe='')}"),
    "query": lambda it: exchange(url=f"https://api.scale.com/v1/tasks?tags={quote_plus(it)},b"),
    "parameter": lambda it: exchange(url=f"https://api.scale.com/v1/tasks?{quote_plus(it)}=1"),
    "fragment": lambda it: exchange(url=f"https://api.scale.com/v1/tasks#{quote(it)}"),
    "body": lambda it: exchange(body={"instruction": it, "callback_url": it, "attachments": [it]}),
    "name": lambda it: exchange(body={it: 1, "metadata": {it: {it: [it]}}, "params": {it: 1}}),
    "no JSON": lambda it: exchange(body=it.encode(), answer=it.encode()),
    "text": lambda it: exchange(body=it, answer=it),
    "form": lambda it: exchange(
        headers=[("Content-Type", "application/x-www-form-urlencoded")],
        body=f"a={quote(it)}&{quote(it)}=1&metadata={quote(json.dumps({it: it}))}".encode(),
    ),
    "multipart": lambda it: exchange(
        headers=[("Content-Type", "multipart/form-data; boundary=b")],
        body=_MULTIPART.format(it, it, it).encode(),
    ),
    "key": lambda it: exchange(answer={"callback_auth_key": it, "response": {it: it}}),
    "quoted": lambda it: exchange(status=409, answer={"error": f"There is {json.dumps(it)}."}),
    "single quotes": lambda it: exchange(status=409, answer={"message": f"There's no '{it}'"}),
    "chat": lambda it: exchange(answer={"threads": [{"message": it, "errors": [f"I am {it}"]}]}),
    "echo": lambda it: exchange(
        body={"name": it}, status=409, answer={"error": f"A name {it} is there, {it}"}
    ),
    "errors": lambda it: exchange(status=400, answer={"errors": [{"message": f"no {it!r}"}]}),
    "got": lambda it: exchange(status=400, answer={"error": f"no (got {json.dumps([it])[:-9]}"}),
}


def everything(exchanges: list[Recorded]) -> str:
    """Return all that the exchanges hold, as it is and in each encoding undone."""
    texts = []
    for it in exchanges:
        parts = [it.url, *(part for field in (*it.headers, *it.answer_headers) for part in field)]
        parts += [it.body.decode(), it.answer.decode(), it.source]
        texts += parts
        texts += [unquote_plus(part) for part in parts]
        texts += [text for part in parts for text in _texts(part)]
        for word in re.findall(r"Basic (\S+)", "\n".join(parts)):
            texts.append(base64.b64decode(word).decode())
    return "\n".join(texts)


def _texts(text: str) -> Iterator[str]:
    """Yield the texts in JSON."""
    try:
        values = [json.loads(text)]
    except ValueError:
        return
    while values:
        value = values.pop()
        if isinstance(value, dict):
            values += [*value, *value.values()]
        elif isinstance(value, list):
            values += value
        else:
            yield str(value)


@given(st.data(), SECRETS)
@settings(max_examples=examples(1000))
def test_no_secret_is_left(data: st.DataObject, secret: str) -> None:
    places = data.draw(st.lists(st.sampled_from([*PLACES]), min_size=1, max_size=6))
    exchanges = [PLACES[place](secret) for place in places]
    found = everything(list(redact(exchanges)))
    # Not a part of it either.
    for part in {secret, *re.findall(r"[A-Z][a-z]+\d\d|\d{9,}", secret)}:
        assert part not in found, places


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_is_left_in_its_place(place: str) -> None:
    for secret in ("Abcdefg12 Hijklmn34", 'A"Bcdefg12"\\', "live_Abcdefg12", "a@Bcdefg12.org"):
        found = everything(list(redact([PLACES[place](secret)])))
        assert not re.findall(r"(?i)cdefg1|ijklmn", found), found


def test_nothing_else_is_in_the_files(tmp_path: Path) -> None:
    exchanges = [exchange(body={"instruction": "Abcdefg12"}, headers=[("X", "Abcdefg12")])]
    for writes in (write_har, write_lines):
        writes(tmp_path / "file", redact(exchanges))
        content = (tmp_path / "file").read_text()
        assert "Abcdefg12" not in content
        assert "my/file" not in content


# Stand-ins.


@pytest.mark.parametrize(
    ("text", "stand_in"),
    [
        ("", ""),
        (" ", " "),
        ("pending", "pending"),
        ("imageannotation", "imageannotation"),
        ("2021-06-29T20:21:53.289Z", "2021-06-29T20:21:53.289Z"),
        ("30", "30"),
        ("-1.5", "-1.5"),
        ("12345", "10001"),
        ("Hello", "text-1"),
        ("Hello\nWorld", "text-1\ntext-2"),
        ("a" * 17, "text-1-----------"),
        ("a" * 300, f"text-1{'-' * 251}"),
        ("photo.JPG", "text-1.jpg"),
        ("image/png", "image/png"),
        ("image/mine", "text-1"),
        ("me@e.com", "person-1@example.com"),
        ("https://e.com", "https://host-1.example"),
        ("https://me:pw@e.com:1/a?b#c", "https://host-1.example/path-1"),
        ("https://e.com/a/b.png?sig=1", "https://host-1.example/path-1/text-1.png"),
        ("s3://bucket/key", "s3://host-1.example/path-1"),
        ("https://[bad", "text-1"),
        ("https://api.scale.com/v1/projects/a%2Fb", "https://api.scale.com/v1/projects/text-1"),
        ("https://secret.scale.com/v1/tasks", "https://host-1.example/v1/tasks"),
        (
            "scaledata://5f0000000000000000000009/a%20b",
            "scaledata://5f0000000000000000000001/text-1",
        ),
        ("5f0000000000000000000009", "5f0000000000000000000001"),
        (
            "3b241101-e2bb-4255-8caf-4136c566a962",
            "00000000-0000-4000-8000-000000000001",
        ),
    ],
)
def test_the_stand_in_of_a_text(text: str, stand_in: str) -> None:
    assert body({"instruction": text}) == {"instruction": stand_in}


def test_equal_texts_have_equal_stand_ins() -> None:
    made, read = redact(
        [
            exchange(body={"name": "a/b c", "type": "chat"}, answer={"name": "a/b c"}),
            exchange(url="https://api.scale.com/v1/projects/a%2fb%20c?project=a/b+c,d"),
        ]
    )
    assert made.body == b'{"name": "text-1", "type": "chat"}'
    assert read.url == "https://api.scale.com/v1/projects/text-1?project=text-1%2Ctext-2"


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("tags=a,b&limit=10&status=pending", "tags=text-1%2Ctext-2&limit=10&status=pending"),
        ("unique_id=a%2Cb", "unique_id=text-1%2Ctext-2"),  # the API splits it
        ("project=a,b", "project=text-3"),  # a comma may belong to a name
        ("project=x,y", "project=text-4%2Ctext-5"),
        ('metadata={"a": "b"}', "metadata=%7B%22text-1%22%3A%20%22text-2%22%7D"),
        ("next_token=To+ken", "next_token=text-4"),
        ("mine[a]=b", "text-4[text-1]=text-2"),
        ("a&b=", "text-1=&text-2="),
    ],
)
def test_a_query(query: str, shown: str) -> None:
    before = exchange(body={"tags": ["a", "b"], "name": "a,b"})
    _, redacted = redact([before, exchange(url=f"https://api.scale.com/v1/tasks?{query}")])
    assert redacted.url.partition("?")[2].replace("%5B", "[").replace("%5D", "]") == shown


def test_a_token_whose_plus_is_not_encoded() -> None:
    page = exchange(answer={"docs": [], "next_token": "To+ken"})
    following = exchange(url="https://api.scale.com/v1/tasks?next_token=To+ken")
    first, second = redact([page, following])
    token = json.loads(first.answer)["next_token"]
    assert second.url.endswith(f"?next_token={token}")


def test_names_of_members() -> None:
    # Those of the API stay; in an answer, also those that the fake does not know.
    answer = {"task_id": 1, "new_member": 1, "John Smith": 1, "params": {"john": 1}}
    assert json.loads(one(answer=answer).answer) == {
        "task_id": 1,
        "new_member": 1,
        "text-1": 1,
        "params": {"text-2": 1},
    }
    assert body({"metadata": {"type": 7, "a": [True, 7, 7.5, None]}}) == {
        "metadata": {"text-1": 1, "text-2": [True, 1, 2.5, None]}
    }


def test_a_status_that_the_fake_does_not_know() -> None:
    answer = {"status": "in_review", "type": "John Smith", "params": {"status": "odd"}}
    assert json.loads(one(answer=answer).answer) == {
        "status": "in_review",
        "type": "text-1",
        "params": {"status": "text-2"},
    }
    assert b'"text-1"' in one(body={"type": "acme"}, answer={"type": "acme"}).answer


def test_keys() -> None:
    def key(value: str) -> str:
        return dict(one(headers=[("Authorization", value)]).headers)["Authorization"]

    assert key(_basic("live_me")) == _basic("live_account-1")
    assert key(_basic("me|test")) == _basic("test_account-1")
    assert key("Bearer test_me") == "Bearer test_account-1"
    assert key("Basic !") == _basic("key-1")
    assert key("wrong") == "key-1"
    both = redact(
        exchange(headers=[("Authorization", f"Bearer {it}_me")]) for it in ("live", "test")
    )
    assert [it.headers[0][1] for it in both] == ["Bearer live_account-1", "Bearer test_account-1"]


def test_headers() -> None:
    kept = [
        ("Content-Type", "application/json; charset=utf-8"),
        ("Accept", "*/*"),
        ("date", "Tue, 29 Jun 2021 20:21:53 GMT"),
        ("Retry-After", "5"),
        ("X-RateLimit-Limit", "100"),
        ("Allow", "GET,HEAD"),
    ]
    left_out = [
        ("Host", "api.scale.com"),
        ("X-Request-Id", "1"),
        ("Accept", "me/*; q=me"),
        ("Allow", "GET, ME"),
    ]
    assert one(headers=[*kept, *left_out]).headers == kept
    assert one(headers=[("Idempotency-Key", "k")]).headers == [("Idempotency-Key", "text-1")]


@pytest.mark.parametrize(
    ("text", "sent", "shown"),
    [
        ("Task with that ID not found.", None, "Task with that ID not found."),
        ('"metadata.John" is not "priority".', None, '"metadata.text-1" is not "priority".'),
        ("A name Acme, of the acme.", {"name": "Acme"}, "A name text-1, of the acme."),
        (
            "Write to me@e.com or https://e.com/x!",
            None,
            "Write to person-1@example.com or https://host-1.example/path-1!",
        ),
        ("It can't be 'My one'", None, "It can't be 'text-1'"),
        ('no (got {"name": "Acme"})', None, 'no (got {"name": "text-1"})'),
        ('no (got {"name": "Acm...)', None, "no (got ...)"),
        ("Not found: GET /v1/task/Acme", None, "Not found: GET /v1/task/text-1"),
        ("It is used for a request - so.", {"name": "a"}, "It is used for a request - so."),
        ("must be multipart/form-data", None, "must be multipart/form-data"),
        ("unknown key live_me2.", None, "unknown key text-1."),
    ],
)
def test_a_message(text: str, sent: Any, shown: str) -> None:
    assert message(text, sent) == shown


def test_a_message_of_no_refusal_may_be_yours() -> None:
    assert one(answer={"message": "my words"}).answer == b'{"message": "text-1"}'


def test_the_content_of_a_file_keeps_its_size() -> None:
    form = exchange(
        headers=[("Content-Type", "multipart/form-data; boundary=b")],
        body=_MULTIPART.format("p", "a", "0123456789").encode().replace(b"image/png", b"my/type"),
        answer=b"\xff\x00",
    )
    (redacted,) = redact([form])
    assert redacted.body == (
        b'--boundary-1\r\nContent-Disposition: form-data; name="project_name"\r\n\r\ntext-1\r\n'
        b'--boundary-1\r\nContent-Disposition: form-data; name="file"; filename="text-2.png"'
        b"\r\n\r\nfile-1----\r\n--boundary-1--\r\n"
    )
    assert redacted.answer == b"fi"


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=c"])
def test_a_form_that_has_no_parts(kind: str) -> None:
    redacted = one(headers=[("Content-Type", kind)], body=b"--b\r\nAbcdefg12\r\n--b")
    assert redacted.body == b"--boundary-1--\r\n"


def test_a_long_message_is_a_text() -> None:
    assert message("“" * 10_001).startswith("text-1-")


def test_a_body_that_is_nested_too_deep() -> None:
    deep = b"[" * 90_000 + b"]" * 90_000
    assert b"[" not in one(body=deep, answer=deep).body


def test_another_host_is_that_of_the_api() -> None:
    local = "http://localhost:8675/v1/tasks?limit=1"
    assert one(url=local).url == "https://api.scale.com/v1/tasks?limit=1"
    assert one(url="https://api.scale.ai/v1/tasks").url == "https://api.scale.ai/v1/tasks"


# The same answers.


def use(call: Callable[..., Any]) -> None:
    """Call many endpoints, well and badly."""
    for type in task_types.names():
        example = dict(task_types.example(type)[0])
        for name in ("project", "batch", "unique_id"):
            example.pop(name, None)
        metadata = {"Customer": "ACME Corp", "n": 12345, "deep": {"x": ["y", 1.5]}}
        more = {"metadata": metadata, "tags": ["red fox", "b"], "unique_id": f"order {type}"}
        call("POST", f"/v1/task/{type}", {**example, **more})
        call("POST", f"/v1/task/{type}", {"attachment": "nope", "instruction": 12})
    project = {"type": "chat", "name": "Secret Project", "params": {"instruction": "For John"}}
    for _ in range(2):
        call("POST", "/v1/projects", project)
        call("POST", "/v1/batches", {"project": "Secret Project", "name": "Monday"})
    call("POST", "/v1/projects", {"type": "chatty", "name": "Secret Project 2"})
    call("POST", "/v1/batches", {"project": "No such", "name": "Tuesday"})
    for path in ("/Secret%20Project", "/Nope%20Project", ""):
        call("GET", f"/v1/projects{path}")
    tasks = [
        call(
            "POST",
            "/v1/task/chat",
            {
                "project": "Secret Project",
                "batch": "Monday",
                "instruction": f"Say {number}",
                "unique_id": f"u-{number}",
                "callback_url": "john@acme.com",
            },
        )["task_id"]
        for number in range(4)
    ]
    for bad in ({"unique_id": "u-1"}, {"project": "Other"}, {"priority": "very high"}):
        call("POST", "/v1/task/chat", {"callback_url": "not a url", **bad})
        call("POST", "/v1/task/chat", bad)
    call("GET", f"/v1/task/{tasks[0]}")
    for _ in range(2):
        call("POST", f"/v1/task/{tasks[0]}/cancel?clear_unique_id=true")
    call("GET", "/v1/task/nope")
    call("POST", f"/v1/task/{tasks[1]}/unique_id", {"unique_id": "new id"})
    call("POST", f"/v1/task/{tasks[2]}/unique_id", {"unique_id": "new id"})
    call("POST", f"/v1/task/{tasks[1]}/setMetadata", {"Customer": "New One", "n": 3.25})
    call("PUT", f"/v1/task/{tasks[2]}/tags", {"tags": ["a b", "c"]})
    token = call("GET", "/v1/tasks?limit=2&project=Secret+Project")["next_token"]
    call("GET", f"/v1/tasks?limit=2&project=Secret+Project&next_token={quote_plus(token)}")
    for query in ("tags=red%20fox,b", "status=done", "limit=abc", "unique_id=u-2,u-3", "foo=bar"):
        call("GET", f"/v1/tasks?{query}")
    call("GET", "/v1/tasks?updated_after=2021-01-01&limited_response=True")
    call("GET", "/v1/batches/Monday/status")
    call("POST", "/v1/batches/Monday/finalize")
    call("GET", "/v1/batches")
    call("GET", "/v1/tasks", key="badkey")
    file = {"file_url": "https://acme.com/a/photo.jpg", "project_name": "Secret Project"}
    call("POST", "/v1/files/import", file)
    for instruction in ("one", "one", "another"):
        call("POST", "/v1/task/chat", {"instruction": instruction}, idempotency="my-key")


def test_the_fake_answers_a_redacted_recording_the_same() -> None:
    """The same seed and the same times make the same ids, so the answers must be equal."""
    exchanges: list[Recorded] = []
    with time_machine.travel("2026-01-01T00:00:00Z", tick=False):
        caller = Caller(Recorder(FakeScale(seed=1), exchanges.append))

        def call(
            method: str, path: str, body: Any = None, key: str = "live_me", idempotency: str = ""
        ) -> Any:
            return caller.open(
                path,
                method=method,
                json=body,
                auth=(key, ""),
                headers={"Idempotency-Key": idempotency} if idempotency else {},
                environ_overrides={"REQUEST_URI": path},
                base_url="https://api.scale.com",
            ).json

        use(call)
        assert {it.status for it in exchanges} == {200, 400, 401, 404, 409}
        redacted = list(redact(exchanges))
        # The id or token that the fake makes, for each one of the redacted recording.
        ours: dict[str, str] = {}
        for before, after in zip(exchanges, redacted, strict=True):
            ours |= dict(zip(_opaque(after.answer), _opaque(before.answer), strict=True))
        known = re.compile("|".join(map(re.escape, sorted(ours, key=len, reverse=True))))

        def bound(text: str) -> str:
            return known.sub(lambda found: ours[found[0]], text)

        caller = Caller(FakeScale(seed=1))
        for it in redacted:
            target = bound(it.url.removeprefix("https://api.scale.com"))
            answer = caller.open(
                target,
                method=it.method,
                data=bound(it.body.decode()),
                headers=[*it.headers],
                environ_overrides={"REQUEST_URI": target},
                base_url="https://api.scale.com",
            )
            expected = json.loads(_UUID.sub("a UUID", bound(it.answer.decode())))
            found = json.loads(_UUID.sub("a UUID", answer.text))
            assert (answer.status_code, found) == (it.status, expected)


def _opaque(answer: bytes) -> list[str]:
    """Return the ids and tokens in an answer, in its order."""
    text = answer.decode()
    return [*_ID.findall(text), *re.findall(r'"next_token": ?"(.*?)"', text)]


@pytest.mark.parametrize("name", ["Acme%20Secret", "Acme Secret"])
def test_a_name_in_the_path_has_a_stand_in_in_the_message(name: str) -> None:
    answer = {"status_code": 404, "error": "Project Acme Secret not found"}
    url = f"https://api.scale.com/v1/projects/{name}"
    redacted = one(method="GET", url=url, status=404, answer=answer)
    assert redacted.url.endswith("/v1/projects/text-1")
    assert json.loads(redacted.answer)["error"] == "Project text-1 not found"


def test_a_sent_key_of_a_creation_has_a_stand_in_in_the_message() -> None:
    answer = {"status_code": 409, "error": "Key Order Secret was used before"}
    headers = [("Idempotency-Key", "Order Secret")]
    redacted = one(headers=headers, status=409, answer=answer)
    assert json.loads(redacted.answer)["error"] == "Key text-1 was used before"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Customer 123456789 failed.", "Customer 100000001 failed."),
        ("Refused at 10.1.2.3: wait", "Refused at text-1: wait"),
        ("card 4111111111111111", "card 1000000000000001"),
        ("card 4111-1111-1111-1111!", "card text-1-----------!"),
        ("call +491701234567", "call text-1"),
        ('customer "123456789" failed', 'customer "100000001" failed'),
        ("host '10.1.2.3' or `10.1.2.4`", "host 'text-1' or `text-2`"),
        ('"params[0].123456789" is wrong', '"params[0].100000001" is wrong'),
        ('"[0][12]" or "7" is wrong', '"[0][12]" or "7" is wrong'),
        ("at 2001:0:0:0:0:0:0:17", "at text-1-----------"),
        ("must be from 0.5 to 100% (item 12).", "must be from 0.5 to 100% (item 12)."),
        ("must be a time in ISO 8601", "must be a time in ISO 8601"),
        ("at 20:21:53 on 2021-06-29", "at 20:21:53 on 2021-06-29"),
        ("since 2021-06-29T20:21:53.289Z", "since 2021-06-29T20:21:53.289Z"),
    ],
)
def test_numbers_in_a_message(text: str, redacted: str) -> None:
    assert message(text) == redacted


def test_numbers_and_times_in_a_query_stay() -> None:
    query = "limit=1000&offset=20000&updated_after=2021&end_time=2021-06-29T20%3A21%3A53Z"
    answer = {"status_code": 400, "error": 'limit must be at most 100, not 1000 (got "1000")'}
    redacted = one(
        method="GET", url=f"https://api.scale.com/v1/tasks?{query}", status=400, answer=answer
    )
    assert redacted.url.endswith(f"/v1/tasks?{query}")
    assert json.loads(redacted.answer) == answer
    other = one(url="https://api.scale.com/v1/tasks?unique_id=1000&limit=Secret")
    assert other.url.endswith("?unique_id=1001&limit=text-1")
