from collections.abc import Sequence
from typing import Any

import pytest

from fakescale.account.listing import read_query
from fakescale.account.task import Status, Task
from fakescale.account.task_filters import FILTERS, QUERY
from fakescale.values.errors import BadRequest

DAYS = [f"2024-01-{day:02}T00:00:00.000Z" for day in range(1, 10)]


def task(**changes: Any) -> Task:
    members = {"task_id": "a" * 24, "created_at": DAYS[4], "updated_at": DAYS[5], "type": "chat"}
    return Task({**members, **changes})


def keeps(task: Task, **parameters: str | Sequence[str]) -> bool:
    given = {k: [v] if isinstance(v, str) else v for k, v in parameters.items()}
    return read_query(given, QUERY).select([task]) == [task]


def test_the_filters_are_the_documented_ones() -> None:
    assert set(FILTERS) == {
        "start_time", "end_time", "completed_after", "completed_before", "updated_after",
        "updated_before", "status", "type", "project", "batch", "customer_review_status",
        "unique_id", "tags",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("after", "before", "field"),
    [
        ("start_time", "end_time", "created_at"),
        ("completed_after", "completed_before", "completed_at"),
        ("updated_after", "updated_before", "updated_at"),
    ],
)
def test_bounds_are_inclusive_to_the_millisecond(after: str, before: str, field: str) -> None:
    it = task(**{field: "2024-01-05T00:00:00.123Z"})
    assert keeps(it, **{after: "2024-01-05T00:00:00.123Z"})
    assert keeps(it, **{after: "2024-01-05T00:00:00.122001"})
    assert not keeps(it, **{after: "2024-01-05T00:00:00.123001"})
    assert keeps(it, **{before: "2024-01-05T00:00:00.123999"})
    assert not keeps(it, **{before: "2024-01-05T00:00:00.122999"})
    assert keeps(it, **{after: "2024-01-05", before: "2024-01-06"})
    assert not keeps(it, **{before: "2024-01-05"})
    assert keeps(it, **{after: "2024-01-04T17:00:00-07:00"})


def test_a_task_without_the_time_matches_no_bound() -> None:
    assert not keeps(task(), completed_after="2000-01-01")
    assert not keeps(task(), completed_before="2100-01-01")


def test_the_ends_of_the_calendar_are_valid_bounds() -> None:
    assert not keeps(task(), start_time="9999-12-31T23:59:59.999999")
    assert keeps(task(), end_time="9999-12-31T23:59:59.999999")
    with pytest.raises(BadRequest, match="start_time"):
        keeps(task(), start_time="0001-01-01T00:00:00+14:00")


@pytest.mark.parametrize(
    ("name", "field", "mine", "other"),
    [
        ("status", "status", "completed", "pending"),
        ("type", "type", "chat", "multichat"),
        ("project", "project", "p 1", "p 2"),
        ("batch", "batch", "b/1", "b/2"),
        ("customer_review_status", "customer_review_status", "fixed", "rejected"),
        ("unique_id", "unique_id", "s3://b/é.png", "x"),
        ("tags", "tags", "one", "two"),
    ],
)
def test_values_may_be_joined_or_repeated_and_any_of_them_matches(
    name: str, field: str, mine: str, other: str
) -> None:
    value: Any = [mine] if field == "tags" else Status(mine) if field == "status" else mine
    it = task(**{field: value})
    assert keeps(it, **{name: mine})
    assert keeps(it, **{name: [other, mine]})
    assert keeps(it, **{name: f"{other},{mine}"})
    assert not keeps(it, **{name: other})
    assert not keeps(task(status=Status.ERROR, type="x"), **{name: mine})


def test_a_project_may_have_a_comma_in_its_name() -> None:
    assert keeps(task(project="a,b"), project="a,b")
    assert not keeps(task(unique_id="a,b"), unique_id="a,b")


def test_any_tag_matches_but_all_filters_must() -> None:
    it = task(tags=["one", "three"], project="p")
    assert keeps(it, tags="two,three", project="p")
    assert not keeps(it, tags="two,three", project="q")


def test_comparison_is_exact() -> None:
    assert not keeps(task(project="P"), project="p")
    with pytest.raises(BadRequest, match='"status" must be one of'):
        keeps(task(), status="Pending")


def test_the_list_can_be_filtered_by_every_status() -> None:
    for status in ("completed", "pending", "canceled", "error"):
        keeps(task(), status=status)
    for status in ("accepted", "fixed", "commented", "rejected", "pending"):
        keeps(task(), customer_review_status=status)
