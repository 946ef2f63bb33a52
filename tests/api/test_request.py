"""The bodies of requests, as JSON and as forms."""

import pytest

from fakescale import FakeScale
from tests.support import Caller


@pytest.mark.parametrize("type", [None, "", "text/plain", "application/vnd.api+json", "x"])
def test_json_is_read_with_any_content_type(live: Caller, type: str | None) -> None:
    headers = {} if type is None else {"Content-Type": type}
    reply = live("POST", "/task/chat", data=b'\xef\xbb\xbf {"a": 1}', headers=headers)
    assert (reply.status, reply.json["params"]) == (200, {"a": 1})


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'{"a": ', '"body" must be valid JSON: unexpected end of data'),
        ("\ufeff{}".encode(), None),
        (b"a=b", '"body" must be valid JSON'),
        (b"\xff\xfe", '"body" must be UTF-8 (invalid start byte at byte 0)'),
        ('{"a": "é"}'.encode("latin-1"), '"body" must be UTF-8'),
        ("{}".encode("utf-16"), '"body" must be UTF-8'),
        (b'{"a": NaN}', '"body" must be valid JSON: unexpected character'),
        (b'{"a": -Infinity}', '"body" must be valid JSON'),
        (b'{"a": 1e999}', "number is infinity"),
        (b'{"a": ' + b"1" * 5000 + b"}", "number is infinity"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b"[" * 100_000, '"body" must be valid JSON: depth limit exceeded'),
        (b'{"a":' + b"[" * 150 + b"]" * 150 + b"}", "deeper"),
        (b"[]", '"value" must be of type object (got [])'),
        (b'"x"', '"value" must be of type object (got "x")'),
        (b"null", None),
        (b"", None),
        (b" \n", None),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(
    live: Caller, data: bytes, says: str | None
) -> None:
    reply = live("POST", "/task/chat", data=data, headers={"Content-Type": "application/json"})
    if says is None:  # an absent body counts as {}
        assert reply.status == 200
    else:
        assert reply.status == 400
        assert says in reply.error
        assert live.get("/tasks")["total"] == 0


def test_a_body_on_a_get_is_ignored(live: Caller) -> None:
    assert live("GET", "/tasks", data=b"{nonsense").status == 200


def test_forms_are_bodies_everywhere(fake: FakeScale, live: Caller) -> None:
    path = f"/task/{live.create()['task_id']}"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    unique_id = b"unique_id=7&clear_unique_id_on_error=true"
    reply = live("POST", f"{path}/unique_id", data=unique_id, headers=headers)
    assert reply.json["unique_id"] == "7"
    reply = live("POST", f"{path}/setMetadata", data=b"a[b]=1", headers=headers)
    assert reply.json["metadata"] == {"a": {"b": "1"}}
    fake.tasks.complete(reply.json["task_id"])
    reply = live("POST", f"{path}/audit", data=b"accepted=false&comments=no", headers=headers)
    assert reply.json["customer_review_status"] == "rejected"
