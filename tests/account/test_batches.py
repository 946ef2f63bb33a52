import datetime as dt
from typing import Any

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from fakescale import FakeScale
from fakescale.account.batches import Batches
from fakescale.values.errors import ApiError
from tests.support import Caller

# A body as the official client sends it.
BODY = {
    "project": "p",
    "name": "b 1/ü",
    "callback": "",
    "calibration_batch": False,
    "self_label_batch": False,
    "metadata": {},
}
PATH = "/batches/b%201%2F%C3%BC"


@pytest.fixture
def batches(fake: FakeScale) -> Batches:
    fake.projects.create(type="chat", name="p")
    fake.projects.create(type="chat", name="rapid", rapid=True)
    fake.projects.create(type="chat", name="studio", studio=True)
    return fake.batches


def test_a_batch_is_printed_as_documented(
    live: Caller, batches: Batches, noon: time_machine.Traveller
) -> None:
    body = {**BODY, "callback": "https://example.com/cb", "metadata": {"k": 1}}
    printed = {
        "name": BODY["name"],
        "project": "p",
        "status": "in_progress",
        "callback": "https://example.com/cb",
        "created_at": "2024-02-29T12:00:00.000Z",
        "metadata": {"k": 1},
    }
    assert live("POST", "/batches", body).json == printed
    assert live.get(PATH) == printed
    assert live.get(f"{PATH}/status") == {
        "status": "in_progress",
        "pending": 0,
        "completed": 0,
        "canceled": 0,
        "error": 0,
    }
    assert live.get("/batches") == {
        "docs": [printed],
        "totalDocs": 1,
        "total": 1,
        "limit": 100,
        "offset": 0,
        "has_more": False,
        "totalPages": 1,
        "hasNextPage": False,
        "nextPage": None,
    }


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": None}, '"name" is required'),
        ({"project": None}, '"project" is required'),
        ({"project": "q"}, '"project" must be the name of a project (got "q")'),
        ({"callback": "nobody"}, '"callback" must be a URL or an e-mail address'),
        ({"metadata": []}, '"metadata" must be of type object'),
        ({"metadata": {"k": "x" * 11_000}}, '"metadata" must not be larger'),
        ({"calibration_batch": "x", "self": 1}, '"calibration_batch" must be a boolean'),
    ],
)
def test_a_bad_batch_is_refused(
    live: Caller, batches: Batches, changes: dict[str, Any], says: str
) -> None:
    reply = live("POST", "/batches", {**BODY, **changes})
    assert reply.status == 400
    assert says in reply.error
    assert len(batches) == 0


def test_a_name_is_unique_over_all_projects(live: Caller, batches: Batches) -> None:
    assert live("POST", "/batches", {**BODY, "callback": None}).status == 200
    assert live("POST", "/batches", {**BODY, "project": "rapid"}).status == 409


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/status"),
        ("POST", "/finalize"),
        ("POST", "/setMetadata"),
        ("POST", "/prioritize"),
    ],
)
def test_an_unknown_batch_is_not_found(live: Caller, method: str, path: str) -> None:
    reply = live(method, f"/batches/x{path}", {"priority": 10})
    assert (reply.status, reply.error) == (404, 'Batch "x" not found.')


@pytest.mark.parametrize("project", ["rapid", "studio"])
def test_a_staged_batch_is_finalized_once_and_then_closed(
    fake: FakeScale, live: Caller, batches: Batches, project: str
) -> None:
    batches.create(project=project, name="s")
    task = fake.tasks.create("chat", batch="s")
    other = fake.tasks.create("chat", batch="s")
    fake.tasks.cancel(other.id)
    assert live.get("/batches/s/status")["status"] == "staging"
    assert live("POST", "/batches/s/finalize").json["status"] == "in_progress"
    assert live("POST", "/batches/s/finalize").status == 400
    reply = live("POST", "/task/chat", {"batch": "s"})
    assert '"batch" must not be finalized already (got "s")' in reply.error
    fake.tasks.complete(task.id)
    assert live.get("/batches/s")["status"] == "completed"


def test_finalizing_completes_a_staged_batch_without_pending_tasks(
    fake: FakeScale, batches: Batches
) -> None:
    batches.create(project="rapid", name="s")
    fake.tasks.complete(fake.tasks.create("chat", batch="s").id)
    assert batches.get("s").status == "staging"
    assert batches.finalize("s").status == "completed"


def test_finalizing_another_batch_does_nothing(live: Caller, batches: Batches) -> None:
    batches.create(project="p", name="b")
    for _ in range(2):
        reply = live("POST", "/batches/b/finalize")
        assert (reply.status, reply.json["status"]) == (200, "in_progress")


def test_a_batch_is_completed_with_its_last_pending_task(fake: FakeScale, batches: Batches) -> None:
    batches.create(project="p", name="b")
    tasks = [fake.tasks.create("chat", batch="b") for _ in range(3)]
    fake.tasks.complete(tasks[0].id)
    fake.tasks.cancel(tasks[1].id)
    assert batches.get("b").status == "in_progress"
    fake.tasks.fail(tasks[2].id)
    assert batches.get("b").status == "completed"
    assert batches.list(completed_after="2000-01-01") == [batches.get("b")]
    fake.tasks.recall(tasks[0].id)
    assert batches.get("b").status == "in_progress"
    fake.tasks.complete(tasks[0].id)
    fake.tasks.create("chat", batch="b")
    assert batches.get("b").status == "in_progress"
    assert batches.list(completed_after="2000-01-01") == []


def test_a_batch_is_completed_at_the_time_of_its_last_task(noon: time_machine.Traveller) -> None:
    fake = FakeScale(complete_after=dt.timedelta(hours=1))
    fake.projects.create(type="chat", name="p")
    fake.batches.create(project="p", name="b")
    fake.tasks.create("chat", batch="b")
    fake.advance(hours=5)
    assert fake.batches.get("b").completed_at == "2024-02-29T13:00:00.000Z"
    fake.batches.create(project="p", name="c")
    fake.tasks.create("chat", batch="c")
    fake.advance(hours=5)
    assert [batch.name for batch in fake.batches.list(status="completed")] == ["c", "b"]
    assert [batch.status for batch in fake.batches] == ["completed", "completed"]


def test_metadata_is_replaced(live: Caller, batches: Batches) -> None:
    batches.create(project="p", name="b", metadata={"a": 1})
    assert live("POST", "/batches/b/setMetadata", {"b": 2}).json["metadata"] == {"b": 2}
    assert live("POST", "/batches/b/setMetadata", []).status == 400
    assert live("POST", "/batches/b/setMetadata").json["metadata"] == {}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"priority": 10}, 200),
        ({"priority": "30"}, 200),
        ({"priority": 9}, 400),
        ({"priority": 31}, 400),
        ({}, 400),
        ({"priority": 15.5, "name": "x"}, 400),
    ],
)
def test_a_priority_is_from_10_to_30(
    live: Caller, batches: Batches, body: Any, status: int
) -> None:
    batches.create(project="p", name="b")
    reply = live("POST", "/batches/b/prioritize", body)
    assert reply.status == status
    assert status == 400 or reply.json == {"result": "ok"}


def test_the_list_is_newest_first_filtered_and_paged(
    live: Caller, batches: Batches, noon: time_machine.Traveller
) -> None:
    for number in range(5):
        batches.create(project="p" if number % 2 else "rapid", name=f"b{number}")
        noon.shift(1)
    batches.archive("b4")

    def names(query: str) -> list[str]:
        return [batch["name"] for batch in live.get(f"/batches{query}")["docs"]]

    assert names("") == ["b4", "b3", "b2", "b1", "b0"]
    assert names("?limit=2&offset=1") == ["b3", "b2"]
    assert names("?project=p") == ["b3", "b1"]
    assert names("?status=staging&exclude_archived=True") == ["b2", "b0"]
    assert names("?exclude_archived=False&status=") == names("")
    assert names("?start_time=2024-02-29T12:00:03Z") == ["b4", "b3"]
    assert names("?end_time=2024-02-29T12:00:01Z") == ["b1", "b0"]
    assert names("?project=nothing") == []
    page = live.get("/batches?limit=2&offset=2")
    assert (page["totalDocs"], page["has_more"]) == (5, True)
    assert live.get("/batches?limit=2&offset=3")["has_more"] is False
    for query in ("limit=0", "limit=101", "offset=-1", "status=done", "exclude_archived=x"):
        assert live("GET", f"/batches?{query}").status == 400


ACTIONS = ["create", "complete", "fail", "cancel", "recall", "start"]


@given(
    st.booleans(),
    st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 4), st.sampled_from("ab"))),
)
def test_counts_equal_the_lengths_of_lists(is_test: bool, steps: list[Any]) -> None:
    fake = FakeScale()
    world = fake.test if is_test else fake.account("fakescale").world(is_test=False)
    world.projects.create(type="chat", name="p")
    for name in "ab":
        world.batches.create(project="p", name=name)
    ids: list[str] = []
    for action, number, batch in steps:
        try:
            if action == "create":
                ids.append(world.tasks.create("chat", batch=batch).id)
            elif ids:
                getattr(world.tasks, action)(ids[number % len(ids)])
        except ApiError:
            pass
        for name in "ab":
            status = world.batches.get(name).status_json()
            tasks = world.tasks.list(batch=name)
            for kind in ("pending", "completed", "canceled", "error"):
                assert status[kind] == len(world.tasks.list(batch=name, status=kind))
            done = bool(tasks) and status["pending"] == 0
            assert status["status"] == ("completed" if done else "in_progress")


def test_batches_are_a_collection(batches: Batches) -> None:
    made = [batches.create(project="p", name=name) for name in "ab"]
    assert (list(batches), len(batches)) == (made[::-1], 2)
    assert "a" in batches
    with pytest.raises(TypeError, match="'colour' is not a filter"):
        batches.list(colour="red")  # type: ignore[call-arg]


def test_a_completed_batch_owes_its_callback(fake: FakeScale, batches: Batches) -> None:
    url = "http://www.example.com/callback"
    batches.create(project="p", name="b", callback=url)
    batches.create(project="p", name="silent")
    batches.create(project="rapid", name="s", callback=url)
    for name in ("b", "silent", "s"):
        fake.tasks.complete(fake.tasks.create("chat", batch=name).id)
    [owed] = fake.callbacks
    assert (owed.event, owed.subject, owed.url) == ("batch", "b", url)
    printed = batches.get("b").to_json()
    assert owed.json == {"batch": printed, "batch_name": "b", "status": "completed"}
    batches.finalize("s")
    assert [it.subject for it in fake.callbacks] == ["b", "s"]
    task = fake.tasks.list(batch="b")[0]
    fake.tasks.recall(task.id)
    fake.tasks.cancel(task.id)
    assert [it.subject for it in fake.callbacks] == ["b", "s", "b"]


def test_a_change_of_a_batch_returns_its_current_status(noon: time_machine.Traveller) -> None:
    fake = FakeScale(complete_after=dt.timedelta(hours=1))
    fake.projects.create(type="chat", name="p")
    fake.batches.create(project="p", name="b")
    fake.tasks.create("chat", batch="b")
    noon.shift(3600)
    assert fake.batches.set_metadata("b", {}).status == "completed"


def test_the_callback_of_the_last_task_precedes_that_of_the_batch(
    fake: FakeScale, batches: Batches
) -> None:
    batches.create(project="p", name="b", callback="a@example.com")
    task = fake.tasks.create("chat", batch="b", callback_url="a@example.com")
    fake.tasks.complete(task.id)
    assert [it.event for it in fake.callbacks] == ["completed", "batch"]
    world = fake.test
    world.projects.create(type="chat", name="p")
    world.batches.create(project="p", name="b", callback="a@example.com")
    world.tasks.create("chat", batch="b", callback_url="a@example.com")
    assert [it.event for it in fake.callbacks][2:] == ["completed", "batch"]


def test_batches_can_be_listed_by_their_last_audit(
    fake: FakeScale, live: Caller, noon: time_machine.Traveller
) -> None:
    fake.projects.create(type="chat", name="homes")
    for name in ("audited", "other"):
        fake.batches.create(project="homes", name=name)
        task = fake.tasks.create("chat", batch=name)
        fake.tasks.complete(task.id)
    noon.shift(3600)
    fake.tasks.audit(fake.tasks.list(batch="audited")[0].id, "accepted")

    def names(query: str) -> list[str]:
        return [batch["name"] for batch in live.get(f"/batches?{query}")["docs"]]

    assert names("audited_after=2024-02-29T13:00:00Z") == ["audited"]
    assert names("audited_after=2024-02-29T13:00:01Z") == []
    assert names("audited_before=2024-02-29T13:00:00Z") == ["audited"]
    assert names("audited_before=2024-02-29T12:59:59Z") == []
    assert fake.batches.get("audited").completed_at == "2024-02-29T12:00:00.000Z"
    assert "audited_at" not in live.get("/batches/audited")
