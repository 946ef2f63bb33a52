"""Recorded ids and tokens are bound to those of the fake, wherever they appear."""

import hashlib
import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

import pytest

from fakescale import FakeScale
from fakescale.recordings.bindings import ID, Bindings
from fakescale.recordings.comparing import compare_exchanges
from fakescale.recordings.exchanges import Recorded
from tests.recordings.recorder import Recorder
from tests.recordings.test_seeded_differences import recording


def other(id: str) -> str:
    """Return another id of the same form, always the same one."""
    digits = iter(hashlib.sha256(id.encode()).hexdigest())
    begin = 8 if len(id) == 24 else 0  # the second of the creation stays
    return id[:begin] + re.sub("[0-9a-f]", lambda _: next(digits), id[begin:])


def of_another_service(exchanges: Iterable[Recorded]) -> list[Recorded]:
    """Return the exchanges as a service with other ids and tokens would have recorded them."""

    def renamed(text: str) -> str:
        text = re.sub(r'(?<="next_token":")[^"]+', lambda found: f"token+{hash_of(found[0])}", text)
        text = re.sub(
            "(?<=next_token=)[^&]+",
            lambda found: quote(f"token+{hash_of(unquote(found[0]))}", safe=""),
            text,
        )
        return ID.sub(lambda found: other(found[0]), text)

    def in_bytes(text: bytes) -> bytes:
        return renamed(text.decode()).encode()

    return [
        it._replace(url=renamed(it.url), body=in_bytes(it.body), answer=in_bytes(it.answer))
        for it in exchanges
    ]


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def of_v2() -> list[Recorded]:
    fake = FakeScale()
    fake.stop_clock()
    recorder = Recorder(fake)

    def ok(*given: object) -> dict[str, str]:
        fake.advance(seconds=1, milliseconds=1)
        found: dict[str, str] = recorder.ok(*given)
        return found

    ok("POST", "/projects", {"type": "chat", "name": "q"})
    batch = ok("POST", "/v2/batch", {"project": "q", "name": "b"})
    task = ok("POST", "/v2/task/chat", {"project": "q", "batch_name": "b"})
    ok("POST", "/v2/task/chat", {"project_id": task["project"], "batch_id": batch["id"]})
    ok("GET", f"/v2/tasks?project_id={task['project']}&expand=project&expand=batch")
    ok("GET", f"/v2/batch?batch_id={batch['id']}")
    ok("POST", "/v2/batch/pause", {"batch_id": batch["id"]})
    ok("POST", "/v2/task/metadata", {"task_id": task["task_id"], "metadata": {"a": 1}})
    ok("GET", f"/v2/project?project_id={task['project']}")
    page = ok("GET", "/v2/tasks?project_name=q&limit=1")
    ok("GET", f"/v2/tasks?project_name=q&limit=1&next_token={page['next_token']}")
    return recorder.exchanges


def of_files() -> list[Recorded]:
    fake = FakeScale()
    fake.stop_clock()
    recorder = Recorder(fake)
    urls = []
    for number in range(3):
        fake.advance(seconds=1, milliseconds=1)
        body = {"file_url": f"https://a.example/{number}.png", "project_name": "p"}
        urls.append(recorder.ok("POST", "/files/import", body)["attachment_url"])
    for url in urls:
        body = {"instruction": "i", "attachment": url, "attachment_type": "image"}
        recorder.ok("POST", "/task/categorization", {**body, "categories": ["a", "b"]})
    recorder.ok("GET", "/files?project=p&limit=2")
    recorder.ok("GET", "/tasks")
    return recorder.exchanges


def of_groups() -> list[Recorded]:
    recorder = Recorder(FakeScale())
    recorder.ok("POST", "/projects", {"type": "chat", "name": "p", "studio": True})
    recorder.ok("GET", "/teams")
    for name in ("a", "b"):
        recorder.ok("POST", "/studio/projects/p/groups", {"name": name, "emails": []})
    recorder.ok("GET", "/studio/projects/p/groups")
    return recorder.exchanges


@pytest.mark.parametrize("make", [recording, of_v2, of_files, of_groups])
def test_a_recording_with_other_ids_compares_as_the_same(make: object) -> None:
    assert callable(make)
    report = compare_exchanges(of_another_service(make()))
    assert report.same, report.to_text()


def test_an_id_stands_for_one_id() -> None:
    bindings = Bindings()
    a, b, c = ("a" * 24, "b" * 24, "c" * 24)
    assert bindings.agree(a, b)
    assert bindings.agree(a, b)
    assert not bindings.agree(a, c)
    assert not bindings.agree(c, b)
    assert bindings.agree(c, c)
    assert bindings.in_text(f"/task/{a}?x={a}{a}") == f"/task/{b}?x={a}{a}"


def test_a_trial_is_kept_or_not() -> None:
    bindings = Bindings()
    trial = bindings.trial()
    assert trial.agree("a" * 24, "b" * 24)
    assert bindings.find("a" * 24) is None
    trial.keep()
    assert bindings.find("a" * 24) == "b" * 24


@pytest.mark.parametrize("token", ["a+b/c=", "a b", "ä", "%2B"])
def test_tokens_in_a_target(token: str) -> None:
    bindings = Bindings()
    bindings.bind(token, "x=/y")
    for written in (quote(token), quote(token, safe="")):
        target = bindings.in_target(f"/v1/tasks?limit=2&next_token={written}&a=b")
        assert target == "/v1/tasks?limit=2&next_token=x%3D%2Fy&a=b"
