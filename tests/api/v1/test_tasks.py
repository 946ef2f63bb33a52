"""Each endpoint of the tasks, and its refusals, without a socket."""

import re
from typing import Any

import pytest

from fakescale import FakeScale
from fakescale.account import task_types
from fakescale.values.errors import NotFound
from tests.support import Caller, example

UNKNOWN = "0" * 24


def test_a_creation_answers_with_the_task(live: Caller) -> None:
    live("POST", "/projects", {"type": "imageannotation", "name": "streets"})
    body = example(
        "imageannotation",
        unique_id="u",
        tags=["t"],
        metadata={"k": "é"},
        priority=10,
        project="streets",
    )
    task = live("POST", "/task/imageannotation", body).json
    assert re.fullmatch("[0-9a-f]{24}", task["task_id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", task["created_at"])
    of_each = {"min_width": 0, "min_height": 0, "examples": []}
    geometries = {name: {**of_each, **spec} for name, spec in body["geometries"].items()}
    parked = {"allow_multiple": False, **body["annotation_attributes"]["parked"]}
    assert task == {
        "task_id": task["task_id"],
        "created_at": task["created_at"],
        "updated_at": task["created_at"],
        "type": "imageannotation",
        "status": "pending",
        "instruction": body["instruction"],
        "params": {
            "attachment_type": "image",
            "attachment": body["attachment"],
            "with_labels": True,
            "geometries": geometries,
            "annotation_attributes": {"parked": parked},
        },
        "callback_url": body["callback_url"],
        "metadata": {"k": "é"},
        "tags": ["t"],
        "unique_id": "u",
        "project": "streets",
        "is_test": False,
        "priority": 10,
        "urgency": "standard",
        "processed_attachments": [],
    }
    assert live.get(f"/task/{task['task_id']}") == task


@pytest.mark.parametrize("type", task_types.names())
def test_every_type_can_be_created_listed_and_completed(type: str, test_mode: Caller) -> None:
    made = test_mode.create(type)
    assert (made["type"], made["status"], made["is_test"]) == (type, "completed", True)
    assert set(made["response"])
    assert test_mode.get(f"/tasks?type={type}")["docs"] == [made]


def test_forms_are_bodies_too(live: Caller) -> None:
    form = (
        b"instruction=Big+or+small%3F&attachment_type=text&attachment=car&categories[]=big"
        b"&categories[]=small&metadata[k]=v&tags=t&allow_multiple=true&priority=20"
    )
    reply = live(
        "POST",
        "/task/categorization",
        data=form,
        headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
    )
    assert reply.status == 200, reply.json
    assert reply.json["params"] == {
        "attachment_type": "text",
        "attachment": "car",
        "categories": ["big", "small"],
        "allow_multiple": True,
    }
    assert (reply.json["metadata"], reply.json["tags"]) == ({"k": "v"}, ["t"])
    assert reply.json["priority"] == 20


def test_an_unknown_id_gets_the_known_text(live: Caller) -> None:
    assert live("GET", f"/task/{UNKNOWN}").error == "Task with that ID not found."
    assert live("POST", f"/task/{UNKNOWN}/cancel").error == "Task with that ID not found."


# Listing


def test_a_page_has_what_the_official_client_needs(live: Caller) -> None:
    made = [live.create() for _ in range(3)]
    page = live.get("/tasks?limit=2")
    assert list(page) == ["docs", "total", "limit", "offset", "has_more", "next_token"]
    assert page["docs"] == made[:0:-1]
    assert (page["total"], page["limit"], page["offset"], page["has_more"]) == (3, 2, 0, True)
    last = live.get(f"/tasks?limit=2&next_token={page['next_token']}")
    assert list(last) == ["docs", "total", "limit", "offset", "has_more"]
    assert (last["docs"], last["total"], last["has_more"]) == (made[:1], 3, False)


def test_paging_by_offset(live: Caller) -> None:
    made = [live.create() for _ in range(5)]
    page = live.get("/tasks?limit=2&offset=1")
    assert page["docs"] == [made[3], made[2]]
    assert (page["offset"], page["has_more"], page["total"]) == (1, True, 5)
    assert live.get("/tasks?offset=9")["docs"] == []


def test_a_window_without_tasks_is_an_empty_page(live: Caller) -> None:
    live.create()
    page = live.get("/tasks?start_time=2999-01-01&project=nothing")
    assert page == {"docs": [], "total": 0, "limit": 100, "offset": 0, "has_more": False}


def test_a_limited_response_has_four_members(live: Caller) -> None:
    live.create("chat", metadata={"a": 1}, tags=["t"])
    live.create("chat", project="p")
    docs = live.get("/tasks?limited_response=True")["docs"]
    assert [set(doc) for doc in docs] == [
        {"task_id", "status", "metadata", "project"},
        {"task_id", "status", "metadata"},
    ]
    assert "params" in live.get("/tasks?limited_response=false")["docs"][0]


def test_the_query_of_the_official_client_is_accepted(live: Caller) -> None:
    task = live.create()
    assert live.get("/tasks?include_attachment_url=True")["docs"] == [task]


def test_canceled_and_failed_tasks_are_listed_too(fake: FakeScale, live: Caller) -> None:
    ids = [live.create()["task_id"] for _ in range(3)]
    fake.tasks.cancel(ids[0])
    fake.tasks.fail(ids[1])
    assert live.get("/tasks")["total"] == 3
    assert live.get("/tasks?status=error,canceled")["total"] == 2
    assert live.get("/tasks?status=error&status=pending")["total"] == 2
    assert live.get("/tasks?status=,&tags=,")["total"] == 3


def test_a_token_of_another_world_leaks_nothing(fake: FakeScale, live: Caller) -> None:
    for _ in range(2):
        live.create()
    token = live.get("/tasks?limit=1")["next_token"]
    other = Caller(fake, "live_other")
    assert other.get(f"/tasks?next_token={token}")["docs"] == []


# Cancel


@pytest.mark.parametrize(
    ("state", "status"),
    [("pending", 200), ("canceled", 200), ("completed", 400), ("error", 400), ("started", 400)],
)
def test_a_task_can_be_canceled_until_work_starts(
    fake: FakeScale, live: Caller, state: str, status: int
) -> None:
    task_id = live.create("chat", unique_id="u")["task_id"]
    steer: dict[str, Any] = {
        "canceled": fake.tasks.cancel,
        "completed": fake.tasks.complete,
        "error": fake.tasks.fail,
        "started": fake.tasks.start,
    }
    if state in steer:
        steer[state](task_id)
    before = live.get(f"/task/{task_id}")
    reply = live("POST", f"/task/{task_id}/cancel?clear_unique_id=true")
    assert reply.status == status
    after = live.get(f"/task/{task_id}")
    if status == 200:
        assert reply.json == after
        assert after["status"] == "canceled"
        assert not {"unique_id", "completed_at", "response"} & set(after)
    else:
        assert after == before


@pytest.mark.parametrize(
    ("query", "cleared"),
    [("", False), ("?clear_unique_id=false", False), ("?clear_unique_id=", False),
     ("?clear_unique_id=True", True), ("?clear_unique_id=1", True)],
)  # fmt: skip
def test_canceling_clears_the_unique_id_when_told_to(
    live: Caller, query: str, cleared: bool
) -> None:
    task_id = live.create("chat", unique_id="u")["task_id"]
    task = live("POST", f"/task/{task_id}/cancel{query}").json
    assert ("unique_id" not in task) == cleared
    again = live("POST", "/task/chat", {"unique_id": "u"})
    assert again.status == (200 if cleared else 409)


def test_a_flag_that_is_no_boolean_cancels_nothing(live: Caller) -> None:
    task_id = live.create()["task_id"]
    reply = live("POST", f"/task/{task_id}/cancel?clear_unique_id=maybe")
    assert (reply.status, live.get(f"/task/{task_id}")["status"]) == (400, "pending")
    assert reply.error.endswith('"clear_unique_id" must be a boolean (got "maybe")')


# Metadata, unique_id, tags


def test_metadata_is_the_raw_object(live: Caller) -> None:
    path = f"/task/{live.create('chat', metadata={'a': 1})['task_id']}"
    for body in ({"b": [2]}, {"metadata": {"c": 3}}, {}):
        assert live("POST", f"{path}/setMetadata", body).json["metadata"] == body
        assert live.get(path)["metadata"] == body
    live("POST", f"{path}/setMetadata", {"d": 4})
    assert live("POST", f"{path}/setMetadata").json["metadata"] == {}


@pytest.mark.parametrize("body", [[], "x", 5, True, {"k": "x" * 11_000}])
def test_bad_metadata_changes_nothing(live: Caller, body: Any) -> None:
    path = f"/task/{live.create('chat', metadata={'a': 1})['task_id']}"
    assert live("POST", f"{path}/setMetadata", body).status == 400
    assert live.get(path)["metadata"] == {"a": 1}


def test_a_unique_id_can_be_set_and_deleted(live: Caller) -> None:
    path = f"/task/{live.create()['task_id']}"
    owner = live.create("chat", unique_id="mine")["task_id"]
    assert live("POST", f"{path}/unique_id", {"unique_id": "new"}).json["unique_id"] == "new"
    clash = live("POST", f"{path}/unique_id", {"unique_id": "mine"})
    assert (clash.status, clash.error) == (
        409,
        f'The unique_id ("mine") is already used for a different task ({owner}).',
    )
    assert live.get("/tasks?unique_id=new,mine")["total"] == 2
    for _ in range(2):
        assert "unique_id" not in live("DELETE", f"{path}/unique_id").json
    assert live.get("/tasks?unique_id=new")["total"] == 0


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, '"unique_id" is required'),
        ({"unique_id": None}, '"unique_id" is required'),
        ({"unique_id": ""}, '"unique_id" is not allowed to be empty'),
        ({"unique_id": 5}, '"unique_id" must be a string (got 5)'),
        ({"unique_id": "u", "clear_unique_id_on_error": "x"}, '"clear_unique_id_on_error"'),
        (["u"], '"value" must be of type object'),
    ],
)
def test_a_bad_unique_id_changes_nothing(live: Caller, body: Any, says: str) -> None:
    task = live.create("chat", unique_id="old")
    reply = live("POST", f"/task/{task['task_id']}/unique_id", body)
    assert reply.status == 400
    assert says in reply.error
    assert live.get(f"/task/{task['task_id']}") == task


def test_the_flag_may_come_with_the_unique_id(fake: FakeScale, live: Caller) -> None:
    task_id = live.create()["task_id"]
    body = {"unique_id": "u", "clear_unique_id_on_error": True}
    assert "clear_unique_id_on_error" not in live("POST", f"/task/{task_id}/unique_id", body).json
    fake.tasks.fail(task_id)
    assert live.create("chat", unique_id="u")


def test_tags_are_the_raw_array(live: Caller) -> None:
    path = f"/task/{live.create()['task_id']}/tags"
    assert live("POST", path, ["tag1", "tag2", "tag3"]).json["tags"] == ["tag1", "tag2", "tag3"]
    assert live("DELETE", path, ["tag1", "tag2", "x"]).json["tags"] == ["tag3"]
    assert live("PUT", path, ["tag3", "b"]).json["tags"] == ["tag3", "b"]
    assert live("PUT", path).json["tags"] == ["tag3", "b"]
    assert live("DELETE", path).json["tags"] == ["tag3", "b"]
    assert "tags" not in live("POST", path).json


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
@pytest.mark.parametrize("body", [{}, {"tags": ["a"]}, "a", 5, ["a", None], ["a", ""], ["a", 5]])
def test_bad_tags_change_nothing(live: Caller, method: str, body: Any) -> None:
    task_id = live.create("chat", tags=["old"])["task_id"]
    assert live(method, f"/task/{task_id}/tags", body).status == 400
    assert live.get(f"/task/{task_id}")["tags"] == ["old"]


def test_a_sixth_tag_is_refused_but_any_number_may_be_removed(live: Caller) -> None:
    path = f"/task/{live.create('chat', tags=['a', 'z'])['task_id']}/tags"
    for method in ("PUT", "POST"):
        assert '"tags" must contain less' in live(method, path, list("abcdef")).error
    assert live("DELETE", path, list("abcdef")).json["tags"] == ["z"]


# Audit


def test_an_audit_is_a_review(fake: FakeScale, live: Caller) -> None:
    task_id = live.create()["task_id"]
    fake.tasks.complete(task_id)
    path = f"/task/{task_id}/audit"
    assert live("POST", path, {"accepted": False, "comments": "no"}).status == 200
    task = live("POST", path, {"accepted": True, "comments": None}).json
    assert [audit["audit_result"] for audit in task["audits"]] == ["accepted", "rejected"]
    assert {audit["audit_source"] for audit in task["audits"]} == {"customer"}
    assert task["customer_review_status"] == "accepted"
    assert task["customer_review_comments"] == ["no"]
    assert live.get("/tasks?customer_review_status=accepted")["total"] == 1
    assert live.get("/tasks?customer_review_status=rejected,fixed")["total"] == 0


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, '"accepted" is required'),
        ({"accepted": None}, '"accepted" is required'),
        ({"accepted": "yes"}, '"accepted" must be a boolean (got "yes")'),
        ({"accepted": True, "comments": 5}, '"comments" must be a string (got 5)'),
        ([], '"value" must be of type object'),
    ],
)
def test_a_bad_audit_changes_nothing(fake: FakeScale, live: Caller, body: Any, says: str) -> None:
    task_id = live.create()["task_id"]
    fake.tasks.complete(task_id)
    reply = live("POST", f"/task/{task_id}/audit", body)
    assert reply.status == 400
    assert says in reply.error
    assert "audits" not in live.get(f"/task/{task_id}")


def test_only_a_completed_task_is_audited(live: Caller) -> None:
    reply = live("POST", f"/task/{live.create()['task_id']}/audit", {"accepted": True})
    assert reply.status == 400
    assert "pending and cannot be audited" in reply.error


def test_a_disabled_type_is_refused_with_the_known_text_until_it_is_enabled(
    fake: FakeScale, live: Caller, test_mode: Caller
) -> None:
    fake.disable_type("categorize")  # an alias
    for caller in (live, test_mode):
        reply = caller("POST", "/task/categorization", example("categorization"))
        assert (reply.status, reply.error) == (
            402,
            "You have not been authorized to use this API endpoint, "
            "please contact sales at sales@scale.ai to be enabled.",
        )
        assert caller("POST", "/task/chat", example("chat")).status == 200
    assert Caller(fake, "live_other").create("categorization")
    assert fake.tasks.list(type="categorization") == []
    fake.enable_type("categorization")
    assert live.create("categorization")
    with pytest.raises(NotFound):
        fake.disable_type("nothing")  # type: ignore[arg-type]
