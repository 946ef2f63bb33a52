import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakescale.account.listing import (
    Query,
    filters_query,
    page,
    read_query,
    sort_key,
    token,
)
from fakescale.account.task import Status, Task
from fakescale.account.task_filters import FILTERS, QUERY
from fakescale.values.errors import BadRequest

DAYS = [f"2024-01-{day:02}T00:00:00.000Z" for day in range(1, 10)]


def task(**changes: Any) -> Task:
    members = {"task_id": "a" * 24, "created_at": DAYS[4], "updated_at": DAYS[5], "type": "chat"}
    return Task({**members, **changes})


def refusal(parameters: Mapping[str, Sequence[str]]) -> str:
    with pytest.raises(BadRequest) as refused:
        read_query(parameters, QUERY)
    return str(refused.value)


def test_empty_values_and_unknown_parameters_are_ignored() -> None:
    empty = {name: [""] for name in [*FILTERS, "limit", "offset", "next_token", "limited_response"]}
    assert read_query({**empty, "project_id": ["x"]}, QUERY) == Query(filters={})


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"limit": ["0"]}, '"limit" must be a whole number from 1 to 100 (got "0")'),
        ({"limit": ["101"]}, '"limit" must be'),
        ({"limit": ["ten"]}, '(got "ten")'),
        ({"limit": ["1.0"]}, '"limit" must be'),
        ({"limit": ["-1"]}, '"limit" must be'),
        ({"limit": ["٣"]}, '"limit" must be'),
        ({"limit": ["9" * 5000]}, '"limit" must be'),
        ({"offset": ["-1"]}, '"offset" must be a whole number at least 0 (got "-1")'),
        (
            {"start_time": ["yesterday"]},
            '"start_time" must be a time in ISO 8601 (got "yesterday")',
        ),
        ({"status": ["done"]}, '"status" must be one of [pending, completed, canceled, error]'),
        ({"status": ["pending,done"]}, '(got "done")'),
        ({"customer_review_status": ["x"]}, '"customer_review_status" must be one of'),
        ({"limited_response": ["yes"]}, '"limited_response" must be a boolean (got "yes")'),
        ({"include_attachment_url": ["2"]}, '"include_attachment_url" must be a boolean'),
    ],
)
def test_a_bad_value_is_refused_by_name(parameters: Any, says: str) -> None:
    assert says in refusal(parameters)


@pytest.mark.parametrize(
    "text",
    [
        "!",
        "AAAA",
        base64.b64encode(b"[]").decode(),
        base64.b64encode(b"{}").decode(),
        base64.b64encode(b"\xff\xff").decode(),
        base64.b64encode(b'{"task_id":5,"created_at":"2024-01-01"}').decode(),
        base64.b64encode(b'{"task_id":"a","created_at":"noon"}').decode(),
        base64.b64encode(b'{"task_id":"a","created_at":5}').decode(),
        base64.b64encode(b'{"task_id":"a"}').decode(),
        base64.b64encode(b"[" * 100_000).decode(),
    ],
)
def test_a_bad_token_is_refused(text: str) -> None:
    assert '"next_token" must be the next_token of a page' in refusal({"next_token": [text]})


def test_the_token_has_the_published_form() -> None:
    published = (
        "eyJ0YXNrX2lkIjoiNjBkYjgwZTFkYmRkNTMwMDExNDZlMzg5IiwiY3JlYXRlZF9hdCI6IjIwMjEtMDYtMjlU"
        "MjA6MjE6NTMuMjg5WiJ9"
    )
    last = ("2021-06-29T20:21:53.289Z", "60db80e1dbdd53001146e389")
    assert token(last) == published
    assert read_query({"next_token": [published]}, QUERY).after == last


def test_the_token_of_2023_is_read_too() -> None:
    old = json.dumps({"id": "a", "created_at": DAYS[0]})
    text = base64.b64encode(old.encode()).decode()
    assert read_query({"next_token": [text]}, QUERY).after == (DAYS[0], "a")


def test_a_token_overrides_the_offset() -> None:
    query = read_query({"next_token": [token((DAYS[0], "a"))], "offset": ["3"]}, QUERY)
    assert query.offset == 0


def test_filters_in_python_take_moments_texts_and_lists() -> None:
    import datetime as dt

    query = filters_query(
        {
            "status": Status.PENDING,
            "unique_id": ["a", "b"],
            "tags": {"t"},
            "start_time": dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
            "end_time": dt.date(2024, 1, 9),
            "project": None,
        },
        FILTERS,
    )
    both = [task(unique_id=name, tags=["t"]) for name in "bc"]
    assert query.select(both) == both[:1]
    with pytest.raises(TypeError, match="'colour' is not a filter"):
        filters_query({"colour": "red"}, FILTERS)


PLACES = st.lists(
    st.tuples(st.sampled_from(DAYS), st.text("abc", min_size=1, max_size=3)), unique=True
)


@given(PLACES, st.integers(1, 100))
def test_the_pages_together_are_the_list_newest_first(places: list[Any], limit: int) -> None:
    places.sort()
    joined: list[Any] = []
    query = Query(limit=limit)
    for _ in range(len(places) + 1):
        found, has_more = page(places, query)
        joined += found
        assert has_more == (len(joined) < len(places))
        if not has_more:
            break
        query = query._replace(after=found[-1])
    assert joined == places[::-1]


@given(PLACES, st.integers(1, 100), st.integers(0, 40))
def test_an_offset_skips_the_newest(places: list[Any], limit: int, offset: int) -> None:
    places.sort()
    found, has_more = page(places, Query(limit=limit, offset=offset))
    assert found == places[::-1][offset : offset + limit]
    assert has_more == (len(places) > offset + limit)


def test_ties_in_time_are_broken_by_the_id() -> None:
    tasks = [task(task_id=letter * 24) for letter in "abc"]
    found, _ = page(sorted(map(sort_key, tasks)), Query())
    assert [task_id[0] for _, task_id in found] == ["c", "b", "a"]
