"""The order in which recorded exchanges are asked."""

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

from fakescale.recordings.comparing import outcomes
from fakescale.recordings.exchanges import Recorded
from fakescale.recordings.ordering import Ordering

START = dt.datetime(2024, 5, 1, 12, 0, 0, 1000, tzinfo=dt.UTC)
A, B = "a" * 24, "b" * 24


def at(milliseconds: float) -> dt.datetime:
    return START + dt.timedelta(milliseconds=milliseconds)


def exchange(
    method: str, path: str, began: float | None, answer: Any, body: Any = None, status: int = 200
) -> Recorded:
    return Recorded(
        method=method,
        url=f"https://api.scale.com/v1{path}",
        headers=[],
        body=b"" if body is None else json.dumps(body).encode(),
        status=status,
        answer_headers=[],
        answer=json.dumps(answer).encode(),
        when=None if began is None else at(began),
        source=f"memory, exchange {path}",
    )


def creation(id: str, began: float | None, made: float, **more: Any) -> Recorded:
    stamp = at(made).isoformat(timespec="milliseconds")[:23] + "Z"
    answer = {"task_id": id, "created_at": stamp, "updated_at": stamp, **more}
    return exchange("POST", "/task/chat", began, answer)


def page(began: float | None, *ids: str) -> Recorded:
    return exchange("GET", "/tasks", began, {"docs": [{"task_id": it} for it in ids]})


def order(*exchanges: Recorded) -> list[int]:
    """Return the places of exchanges, in the order in which they are asked."""
    return [it.place for it in Ordering(exchanges)]


def test_without_overlaps_the_order_stays() -> None:
    assert order(creation(A, 0, 1), page(5, A), creation(B, 9, 12), page(20, A, B)) == [0, 1, 2, 3]


def test_a_thing_is_made_before_it_is_shown() -> None:
    assert order(page(0, A), creation(A, 1, 2)) == [1, 0]
    assert order(page(None, A), creation(A, None, 2)) == [1, 0]
    conflict = {"status_code": 409, "error": f"used for a different task ({A})."}
    refused = exchange("POST", "/task/chat", 0, conflict, status=409)
    assert order(refused, creation(A, 1, 2)) == [1, 0]


def test_a_name_is_made_before_it_is_shown() -> None:
    project = {"name": "p", "type": "chat"}
    made = exchange("POST", "/projects", 2, project, project)
    batch = exchange("POST", "/batches", 1, {"name": "b", "project": "p"}, {"name": "b"})
    assert order(batch, made) == [1, 0]
    taken = exchange("POST", "/projects", 1, {"error": "taken"}, project, status=409)
    assert order(taken, made) == [1, 0]
    absent = exchange("GET", "/projects/p", 1, {"error": "absent"}, status=404)
    assert order(absent, made) == [0, 1]


def test_a_read_that_does_not_show_a_thing_comes_before_it() -> None:
    first = creation("c" * 24, 0, 1)
    assert order(first, creation(A, 10, 30), page(15)) == [0, 2, 1]
    assert order(first, creation(A, 10, 30), page(15, A)) == [0, 1, 2]
    assert order(first, creation(A, 10, 11), page(15)) == [0, 1, 2]


def test_changes_are_in_the_order_of_their_times() -> None:
    first = creation("c" * 24, 0, 1)
    assert order(first, creation(A, 10, 30), creation(B, 11, 20)) == [0, 2, 1]


def test_the_clocks_of_client_and_server_may_differ() -> None:
    hour = 3_600_000 / 8
    apart = [creation("c" * 24, 0, 1 + hour), creation(A, 10, 11 + hour), page(15)]
    assert order(*apart) == [0, 1, 2]
    late = [creation("c" * 24, 0, 1 + hour), creation(A, 10, 31 + hour), page(15)]
    assert order(*late) == [0, 2, 1]


def test_a_saved_answer_makes_nothing() -> None:
    assert order(creation(A, 0, 1), page(5, A), creation(A, 20, 1), page(25)) == [0, 1, 2, 3]


def test_a_recording_is_read_as_it_is_asked() -> None:
    read = 0

    def coming() -> Iterator[Recorded]:
        nonlocal read
        for number in range(5000):
            read += 1
            yield page(number)

    for number, _ in enumerate(outcomes(coming())):
        assert read <= number + 202
        if number == 500:
            break
