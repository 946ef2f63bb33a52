import datetime as dt
import json
from typing import Any

import pytest

from fakescale import FakeScale
from fakescale.traffic.journal import Exchange, Journal
from fakescale.values.frozen import FrozenDict
from tests.support import Caller


def exchange(**changes: Any) -> Exchange:
    fields = {
        "method": "POST",
        "path": "/v1/task/chat",
        "query": "a=b",
        "headers": FrozenDict({"Authorization": "Basic c2VjcmV0Og==", "Host": "h"}),
        "body": b'{"a": 1}',
        "status": 200,
        "answer": b"{}",
        "when": dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
    }
    return Exchange(**{**fields, **changes})


def test_the_journal_is_a_sequence_oldest_first() -> None:
    journal = Journal()
    entries = [exchange(path=f"/{n}") for n in range(4)]
    for entry in entries:
        journal._append(entry)
    assert list(journal) == entries
    assert journal[-1] is entries[3]
    assert journal[1:3] == entries[1:3]
    assert entries[2] in journal
    assert (len(journal), journal.total) == (4, 4)


def test_old_entries_are_dropped_by_number() -> None:
    journal = Journal(max_entries=3)
    for n in range(10):
        journal._append(exchange(path=f"/{n}"))
    assert [entry.path for entry in journal] == ["/7", "/8", "/9"]
    assert journal.total == 10


def test_old_entries_are_dropped_by_bytes_but_never_the_last() -> None:
    journal = Journal(max_bytes=1000)
    for n in range(10):
        journal._append(exchange(body=b"x" * 300, path=f"/{n}"))
    assert [entry.path for entry in journal] == ["/8", "/9"]
    journal._append(exchange(body=b"x" * 5000))
    assert len(journal) == 1
    journal._append(exchange())
    assert [len(entry.body) for entry in journal] == [8]


def test_keys_are_masked_only_in_the_repr() -> None:
    entry = exchange()
    assert "c2VjcmV0" not in repr(entry)
    assert "Basic ***" in repr(entry)
    assert entry.headers["Authorization"] == "Basic c2VjcmV0Og=="


@pytest.mark.parametrize("header", ["live_secret", "live_secret x", "Bearer live_secret"])
def test_a_key_without_its_scheme_is_masked_too(header: str) -> None:
    assert "secret" not in repr(exchange(headers=FrozenDict(Authorization=header)))


def test_the_journal_is_reversed_from_one_snapshot() -> None:
    journal = Journal()
    for n in range(3):
        journal._append(exchange(path=f"/{n}"))
    assert [entry.path for entry in reversed(journal)] == ["/2", "/1", "/0"]


def test_the_body_can_be_read_as_json() -> None:
    assert exchange().json == {"a": 1}
    with pytest.raises(ValueError, match="Expecting value"):
        _ = exchange(body=b"").json


def test_an_error_is_the_text_of_the_refusal() -> None:
    assert exchange().error is None
    assert exchange(status=404, answer=b'{"status_code":404,"error":"No"}').error == "No"


def test_exchanges_can_be_chosen_and_forgotten_by_account() -> None:
    journal = Journal()
    first = exchange().when
    for n in range(6):
        when = first + dt.timedelta(seconds=n)
        account = ["a", "b", None][n % 3]
        journal._append(exchange(when=when, account=account))
    everything = list(journal)
    assert journal.list() == everything
    assert journal.list(account="a") == [everything[0], everything[3]]
    assert journal.list(since=everything[4].when) == everything[4:]
    assert journal.list(limit=2) == everything[4:]
    assert journal.list(limit=0) == []
    assert journal.list(account="b", since=first, limit=1) == [everything[4]]
    journal._forget("a")
    assert list(journal) == [it for it in everything if it.account != "a"]
    assert journal.total == 6


def test_exchanges_are_chosen_by_method_path_and_status(fake: FakeScale, live: Caller) -> None:
    live("POST", "/task/chat", {})
    live("POST", "/task/nonsense", {})
    live("GET", "/tasks")

    def chosen(**terms: Any) -> list[tuple[str, int]]:
        return [(it.path, it.status) for it in fake.requests.list(**terms)]

    made, refused, listed = ("/v1/task/chat", 200), ("/v1/task/nonsense", 404), ("/v1/tasks", 200)
    assert chosen(method="POST") == chosen(method="post") == [made, refused]
    assert chosen(path="/tasks") == chosen(path="/v1/tasks") == chosen(path="/*s") == [listed]
    assert chosen(path="/v1/task/<type>") == chosen(path="/task/*") == [made, refused]
    live("GET", "/tasks?limit=5")
    assert chosen(path="/tasks?limit=5") == chosen(path="/tasks?*") == [listed]
    assert chosen(path="/tasks?limit=6") == []
    assert chosen(status=200) == [made, listed, listed]
    assert chosen(method="POST", path="/task/<type>", status=404) == [refused]
    assert chosen(method="POST", limit=1) == [refused]
    assert fake.requests[-1].answer_json == json.loads(fake.requests[-1].answer)
