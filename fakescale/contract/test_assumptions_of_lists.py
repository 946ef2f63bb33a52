"""Facts about ``GET /tasks``, one test each, most within a project of its own.

The file is over 300 lines because each fact is a test of its own.
"""

import base64
import datetime as dt
import json
from typing import Any

import pytest

from fakescale.contract.asking import TYPE, Things, get, ids, make, make_project, ok, quoted, task
from fakescale.contract.assumptions import (
    CLIENT,
    EXPRESS,
    LOOP,
    PAGE,
    RANGE,
    TESTS,
    Row,
    documented,
    guessed,
    observed,
    rows,
)
from fakescale.contract.target import Target
from fakescale.values.clock import read_moment, stamp

SINGLE = [
    *rows(
        "documented",
        (
            "a time may have an offset",
            PAGE,
            "GET /tasks?start_time=2021-04-25T03:14:15-07:00&limit=1",
            200,
        ),
        ("a time may be a date", PAGE, "GET /tasks?start_time=2021-04-25&limit=1", 200),
        (
            "several statuses may be joined by commas",
            PAGE,
            "GET /tasks?status=pending,completed&limit=1",
            200,
        ),
        (
            "there are four outcomes of a review",
            PAGE,
            "GET /tasks?customer_review_status=accepted,fixed,commented,rejected&limit=1",
            200,
        ),
    ),
    *rows(
        "observed",
        (
            "a time may lack an offset and have microseconds",
            TESTS,
            "GET /tasks?start_time=2024-01-02T03:04:05.123456&limit=1",
            200,
        ),
        (
            "a time may have a space instead of the T",
            CLIENT,
            "GET /tasks?end_time=2024-01-02%2003:04:05.123456&limit=1",
            200,
        ),
        (
            "unknown parameters are ignored",
            "a published list of tasks of 2023",
            "GET /tasks?project_id=x&limit=1",
            200,
        ),
        (
            "the client's include_attachment_url is accepted",
            CLIENT,
            "GET /tasks?include_attachment_url=True&limit=1",
            200,
        ),
        (
            "error is a status too",
            "README of the official Python client",
            "GET /tasks?status=error&limit=1",
            200,
        ),
        (
            "a review may be pending",
            CLIENT,
            "GET /tasks?customer_review_status=pending&limit=1",
            200,
        ),
    ),
    *rows(
        "guessed",
        ("a limit of 0 is refused", RANGE, "GET /tasks?limit=0", 400),
        ("a limit of 101 is refused", RANGE, "GET /tasks?limit=101", 400),
        ("a negative limit is refused", RANGE, "GET /tasks?limit=-1", 400),
        ("a limit that is not a number is refused", RANGE, "GET /tasks?limit=x", 400),
        ("a limit that is not a whole number is refused", RANGE, "GET /tasks?limit=1.5", 400),
        ("a token that is not base64 is refused", LOOP, "GET /tasks?next_token=!&limit=1", 400),
        ("a token that is not JSON is refused", LOOP, "GET /tasks?next_token=YWJj&limit=1", 400),
        ("a token that lacks the id is refused", LOOP, "GET /tasks?next_token=e30=&limit=1", 400),
        (
            "a negative offset is refused",
            "there is no such position",
            "GET /tasks?offset=-1&limit=1",
            400,
        ),
        (
            "an unknown status is refused",
            "the page lists the statuses",
            "GET /tasks?status=nonsense&limit=1",
            400,
        ),
        (
            "statuses are case-sensitive",
            "nothing hints at folding",
            "GET /tasks?status=Pending&limit=1",
            400,
        ),
        (
            "an unknown outcome of a review is refused",
            "the page lists the outcomes",
            "GET /tasks?customer_review_status=nonsense&limit=1",
            400,
        ),
        (
            "an unreadable time is refused",
            "like a bad limit",
            "GET /tasks?start_time=yesterday&limit=1",
            400,
        ),
        (
            "an unreadable boolean is refused",
            "like a bad limit",
            "GET /tasks?limited_response=perhaps&limit=1",
            400,
        ),
        (
            "an unknown type matches nothing",
            "the list of types keeps growing",
            "GET /tasks?type={new}&limit=1",
            200,
        ),
        (
            "an unknown project matches nothing",
            "a filter is not a look-up",
            "GET /tasks?project={new}&limit=1",
            200,
        ),
        (
            "an unknown batch matches nothing",
            "a filter is not a look-up",
            "GET /tasks?batch={new}&limit=1",
            200,
        ),
    ),
]


@pytest.mark.parametrize("row", SINGLE, ids=lambda row: row.assumption.law)
def test_a_single_request(row: Row, api: Target) -> None:
    reply = Things(api).ask(row.request, row.body)
    assert reply.status == row.status
    if "matches nothing" in row.assumption.law:
        assert (reply.json["docs"], reply.json["total"]) == ([], 0)


def listed(api: Target, project: str, query: str = "") -> Any:
    """Return a page of the tasks of a project."""
    return get(api, f"/tasks?project={quoted(project)}{query}")


def three(api: Target, **params: Any) -> tuple[str, list[str]]:
    """Create a project with three tasks; return its name and their ids, newest first."""
    project = make_project(api)
    made = [make(api, project=project, **params)["task_id"] for _ in range(3)]
    return project, made[::-1]


# The page


@documented(PAGE)
def test_the_newest_task_comes_first(api: Target) -> None:
    project, made = three(api)
    assert ids(listed(api, project)) == made


@documented(f"{PAGE}; {CLIENT}")
def test_total_counts_all_matches_on_every_page(api: Target) -> None:
    project, _ = three(api)
    first = listed(api, project, "&limit=1")
    assert first["total"] == listed(api, project)["total"] == 3
    token = quoted(first["next_token"])
    assert listed(api, project, f"&limit=1&next_token={token}")["total"] == 3


@documented(PAGE)
def test_the_token_leads_from_page_to_page_to_the_end(api: Target) -> None:
    project, made = three(api)
    seen, query = [], "&limit=2"
    for _ in range(2):
        page = listed(api, project, query)
        seen.append((ids(page), page["has_more"]))
        query = f"&limit=2&next_token={quoted(page.get('next_token', ''))}"
    assert seen == [(made[:2], True), (made[2:], False)]


@documented(PAGE)
def test_the_limit_defaults_to_100_and_is_returned_as_a_number(api: Target) -> None:
    project = make_project(api)
    assert listed(api, project)["limit"] == 100
    assert listed(api, project, "&limit=2")["limit"] == 2


@observed(f"{CLIENT}, which fails without it; the tasks page lacks it")
def test_a_page_has_an_offset(api: Target) -> None:
    assert listed(api, make_project(api))["offset"] == 0


@observed(TESTS)
def test_an_empty_list_is_not_an_error(api: Target) -> None:
    page = listed(api, make_project(api))
    assert (page["docs"], page["total"], page["has_more"]) == ([], 0, False)


@guessed("the client reads it with a default; the page shows it if more follows")
def test_the_last_page_has_no_token(api: Target) -> None:
    project, _ = three(api)
    assert "next_token" not in listed(api, project)
    assert "next_token" in listed(api, project, "&limit=1")


@documented(f"{PAGE}: the token of its example, decoded")
def test_the_token_is_base64_of_json_with_an_id_and_its_time(api: Target) -> None:
    project, made = three(api)
    pair = json.loads(base64.b64decode(listed(api, project, "&limit=1")["next_token"]))
    assert pair.keys() == {"task_id", "created_at"}
    assert pair["task_id"] in made


@guessed("the other way is as likely")
def test_the_token_names_the_last_task_of_the_page(api: Target) -> None:
    project, made = three(api)
    pair = json.loads(base64.b64decode(listed(api, project, "&limit=2")["next_token"]))
    assert pair["task_id"] == made[1]


@observed("a published list of tasks of 2023")
def test_the_id_in_a_token_may_be_called_id(api: Target) -> None:
    project, made = three(api)
    pair = {"id": made[0], "created_at": task(api, made[0])["created_at"]}
    token = base64.b64encode(json.dumps(pair).encode()).decode()
    assert ids(listed(api, project, f"&next_token={quoted(token)}")) == made[1:]


@guessed("a token holds only a position")
def test_a_token_works_with_other_filters_and_after_changes(api: Target) -> None:
    project, made = three(api)
    token = quoted(listed(api, project, "&limit=1")["next_token"])
    ok(api.call("PUT", f"/task/{made[0]}/tags", ["a"]))
    assert ids(listed(api, project, f"&type={TYPE}&next_token={token}")) == made[1:]


@guessed("a token holds only a position")
def test_a_token_of_another_account_shows_none_of_its_tasks(live: Target, other: Target) -> None:
    for api in (live, other):
        three(api)
    token = quoted(get(live, "/tasks?limit=1")["next_token"])
    theirs = ids(get(other, "/tasks"))
    assert set(ids(get(other, f"/tasks?next_token={token}"))) <= set(theirs)


@guessed("the token has both the time and the id")
def test_tasks_of_the_same_moment_are_sorted_by_id(steered: Target) -> None:
    _, made = three(steered)
    assert len({task(steered, task_id)["created_at"] for task_id in made}) == 1
    assert ids(get(steered, "/tasks")) == sorted(made, reverse=True)


@observed("official sample scripts")
def test_an_empty_token_gives_the_first_page(api: Target) -> None:
    project, made = three(api)
    assert ids(listed(api, project, "&next_token=")) == made


@observed("recorded traffic of 2019")
def test_an_offset_skips_the_newest_and_is_returned(api: Target) -> None:
    project, made = three(api)
    page = listed(api, project, "&offset=1")
    assert (ids(page), page["offset"], page["total"]) == (made[1:], 1, 3)


@observed("recorded traffic of 2019")
def test_empty_filters_are_ignored(api: Target) -> None:
    project, made = three(api)
    assert ids(listed(api, project, "&status=&type=&batch&tags=")) == made


@documented(CLIENT)
def test_a_limited_response_has_few_members(api: Target) -> None:
    project, _ = three(api, metadata={"a": 1})
    for doc in listed(api, project, "&limited_response=True")["docs"]:
        assert doc.keys() - {"otherVersion"} == {"task_id", "status", "metadata", "project"}


@documented(f"{PAGE}: its examples are alike")
def test_a_task_is_the_same_in_the_list_and_alone(api: Target) -> None:
    project, made = three(api)
    assert listed(api, project)["docs"] == [task(api, task_id) for task_id in made]


@guessed("the member that it adds was never published")
def test_include_attachment_url_changes_nothing(api: Target) -> None:
    project, _ = three(api)
    assert listed(api, project, "&include_attachment_url=true") == listed(api, project)


@observed(TESTS)
def test_a_new_task_is_listed_at_once(api: Target) -> None:
    project, made = three(api)
    assert ids(listed(api, project, "&limit=3")) == made


@documented(f"{PAGE}: an example is canceled")
def test_canceled_tasks_are_listed(live: Target) -> None:
    project, made = three(live)
    ok(live.call("POST", f"/task/{made[0]}/cancel"))
    assert ids(listed(live, project)) == made
    assert ids(listed(live, project, "&status=canceled")) == made[:1]


# Filters


@documented(PAGE)
def test_the_list_can_be_filtered_by_status_type_and_project(api: Target) -> None:
    project, made = three(api)
    status = task(api, made[0])["status"]
    assert ids(listed(api, project, f"&status={status}&type={TYPE}")) == made
    assert ids(listed(api, project, "&status=canceled")) == []
    assert ids(listed(api, project, "&type=comparison")) == []


@documented(f"{PAGE}: comma-joined or repeated")
def test_several_unique_ids_mean_any_of_them(api: Target) -> None:
    names = [api.name() for _ in range(3)]
    made = [make(api, unique_id=name)["task_id"] for name in names]
    for query in (f"unique_id={names[0]},{names[2]}", f"unique_id={names[0]}&unique_id={names[2]}"):
        assert ids(get(api, f"/tasks?{query}")) == [made[2], made[0]]


@guessed("the page gives no way to escape a comma")
def test_a_comma_within_a_unique_id_splits_it(api: Target) -> None:
    first, second = api.name(), api.name()
    make(api, unique_id=f"{first},{second}")
    found = make(api, unique_id=second)["task_id"]
    assert ids(get(api, f"/tasks?unique_id={quoted(f'{first},{second}')}")) == [found]


@guessed("unique_ids work like this")
def test_several_tags_mean_any_of_them(api: Target) -> None:
    project = make_project(api)
    made = [make(api, project=project, tags=tags)["task_id"] for tags in (["a"], ["b"], ["c"])]
    for query in ("&tags=a,b", "&tags=a&tags=b"):
        assert ids(listed(api, project, query)) == [made[1], made[0]]


@guessed(EXPRESS)
@pytest.mark.parametrize("query", ["tags[]=a&tags[]=b", "tags[0]=a&tags[1]=b", "tags[99]=a,b"])
def test_brackets_make_a_list_of_values(api: Target, query: str) -> None:
    project = make_project(api)
    made = [make(api, project=project, tags=tags)["task_id"] for tags in (["a"], ["b"], ["c"])]
    assert ids(listed(api, project, f"&{query}")) == made[1::-1]


@guessed("the reference types one of these as an array")
def test_several_types_and_projects_mean_any_of_them(api: Target) -> None:
    project, made = three(api)
    other = make_project(api)
    assert ids(listed(api, project, f"&project={quoted(other)}&type=chat&type={TYPE}")) == made


@guessed("that is what filters are for")
def test_a_task_must_match_all_filters(api: Target) -> None:
    project = make_project(api)
    found = make(api, project=project, tags=["a"])["task_id"]
    make(api, project=project, tags=["b"])
    make(api, tags=["a"])
    assert ids(listed(api, project, "&tags=a")) == [found]


@guessed("the page speaks of minimum and maximum values")
@pytest.mark.parametrize(
    ("after", "before", "field"),
    [
        ("start_time", "end_time", "created_at"),
        ("completed_after", "completed_before", "completed_at"),
        ("updated_after", "updated_before", "updated_at"),
    ],
)
def test_bounds_of_time_are_inclusive(
    after: str, before: str, field: str, test_mode: Target
) -> None:
    project = make_project(test_mode)
    made = make(test_mode, project=project)["task_id"]
    moment = read_moment(task(test_mode, made)[field])
    tick = dt.timedelta(milliseconds=1)
    for name, bound, found in (
        (after, moment, [made]),
        (before, moment, [made]),
        (after, moment + tick, []),
        (before, moment - tick, []),
    ):
        assert ids(listed(test_mode, project, f"&{name}={stamp(bound)}")) == found


@guessed("the official client's documentation speaks of UTC")
def test_a_time_without_an_offset_is_utc(api: Target) -> None:
    project = make_project(api)
    made = make(api, project=project)
    naive = made["created_at"].removesuffix("Z")
    found = ids(listed(api, project, f"&start_time={naive}&end_time={naive}"))
    assert found == [made["task_id"]]


@guessed("a date names no other moment")
def test_a_date_means_its_midnight_even_as_an_upper_bound(api: Target) -> None:
    project = make_project(api)
    made = make(api, project=project)
    created_at = read_moment(made["created_at"])
    midnight = created_at.replace(hour=0, minute=0, second=0, microsecond=0)
    found = ids(listed(api, project, f"&end_time={created_at.date()}"))
    assert found == ([made["task_id"]] if created_at == midnight else [])
    assert ids(listed(api, project, f"&start_time={created_at.date()}")) == [made["task_id"]]


@guessed("pending tasks have no completed_at")
def test_filters_of_completion_never_find_pending_tasks(live: Target) -> None:
    project, _ = three(live)
    assert ids(listed(live, project, "&completed_after=2001-01-01")) == []
    assert ids(listed(live, project, "&completed_before=2999-01-01")) == []


@observed(TESTS)
def test_a_window_after_the_last_task_is_empty(api: Target) -> None:
    made = make(api)
    after = read_moment(made["created_at"]) + dt.timedelta(seconds=0.5)
    naive = stamp(after).removesuffix("Z")
    assert get(api, f"/tasks?start_time={naive}&end_time={naive}")["docs"] == []


@documented(PAGE)
def test_the_list_can_be_filtered_by_review(test_mode: Target) -> None:
    project, made = three(test_mode)
    ok(test_mode.call("POST", f"/task/{made[0]}/audit", {"accepted": True}))
    ok(test_mode.call("POST", f"/task/{made[1]}/audit", {"accepted": False}))
    for query, found in (
        ("accepted", made[:1]),
        ("rejected", made[1:2]),
        ("accepted,rejected", made[:2]),
        ("fixed", []),
    ):
        assert ids(listed(test_mode, project, f"&customer_review_status={query}")) == found
