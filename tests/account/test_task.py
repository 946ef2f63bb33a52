import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from fakescale.account import task as moves
from fakescale.account.task import TRANSITIONS, ReviewStatus, Status, Task
from fakescale.values.errors import BadRequest
from fakescale.values.frozen import FrozenDict, FrozenList

THEN, NOW = "2024-01-01T00:00:00.000Z", "2024-01-02T00:00:00.000Z"

ACTIONS: dict[str, Callable[[Task], Task]] = {
    "start": lambda task: moves.start(task, NOW),
    "complete": lambda task: moves.complete(task, NOW, FrozenDict(a=1)),
    "fail": lambda task: moves.fail(task, NOW, FrozenDict(error="x")),
    "cancel": lambda task: moves.cancel(task, NOW, clear_unique_id=False),
    "recall": lambda task: moves.recall(task, NOW),
    "audit": lambda task: moves.audit(
        task, NOW, result="accepted", comments=None, source="customer", audited_by="a@example.com"
    ),
}
STATES = ["pending", "started", "completed", "canceled", "error"]


def task_in(state: str, **changes: Any) -> Task:
    started = state == "started"
    members = {
        "task_id": "a" * 24,
        "created_at": THEN,
        "updated_at": THEN,
        "type": "chat",
        "status": Status.PENDING if started else Status(state),
        "work_started": started,
    }
    clear = changes.pop("clear_unique_id_on_error", False)
    return Task({**members, **changes}, clear_unique_id_on_error=clear)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("state", STATES)
def test_a_move_follows_the_table_of_transitions(state: str, action: str) -> None:
    before = task_in(state)
    if (state, action) in TRANSITIONS:
        after = ACTIONS[action](before)
        assert after.status == TRANSITIONS[state, action]
        assert after.updated_at == (THEN if (state, action) == ("canceled", "cancel") else NOW)
    else:
        with pytest.raises(BadRequest):
            ACTIONS[action](before)
    assert before == task_in(state)


def test_no_method_of_a_task_reads_like_a_status() -> None:
    # ``assert task.completed`` would be true of a pending task.
    words = {*Status, *ReviewStatus, *moves._PAST.values(), "called_back", "changed"}
    assert {"completed", "started", "failed", "audited", "recalled"} <= words
    assert [name for name in words if hasattr(Task, name)] == []
    methods = {name for name, it in vars(Task).items() if callable(it) and name[0] != "_"}
    assert methods == {"to_json", "to_limited_json", "to_text"}
    with pytest.raises(AttributeError):
        assert task_in("pending").completed  # type: ignore[attr-defined]


def test_the_table_allows_canceling_as_documented() -> None:
    allowed = {state for state, action in TRANSITIONS if action == "cancel"}
    assert allowed == {"pending", "canceled"}


def test_canceling_a_completed_task_gets_the_observed_message() -> None:
    with pytest.raises(
        BadRequest, match=r"^The task was already completed and cannot be canceled\.$"
    ):
        ACTIONS["cancel"](task_in("completed"))


def test_completing_sets_the_response_and_the_time() -> None:
    after = ACTIONS["complete"](task_in("pending"))
    assert (after.completed_at, after.response) == (NOW, {"a": 1})


def test_recalling_removes_the_response() -> None:
    task = task_in("completed", completed_at=THEN, response=FrozenDict(), work_started=True)
    after = ACTIONS["recall"](task)
    assert (after.completed_at, after.response, after.work_started) == (None, None, False)
    assert ACTIONS["cancel"](after).status == "canceled"


@pytest.mark.parametrize("clear", [True, False])
def test_failing_clears_the_unique_id_on_request(clear: bool) -> None:
    task = task_in("pending", unique_id="u", clear_unique_id_on_error=clear)
    assert ACTIONS["fail"](task).unique_id == (None if clear else "u")


def test_canceling_again_can_still_clear_the_unique_id() -> None:
    task = task_in("canceled", unique_id="u")
    assert moves.cancel(task, NOW, clear_unique_id=False) is task
    assert moves.cancel(task, NOW, clear_unique_id=True).unique_id is None


def test_audits_are_newest_first_and_only_the_customer_reviews() -> None:
    task = task_in("completed")
    for result, source in (("rejected", "customer"), ("fixed", "scale"), ("accepted", "customer")):
        task = moves.audit(
            task, NOW, result=result, comments=f"c-{result}", source=source, audited_by="x"
        )
        if source == "scale":
            assert task.customer_review_status == "rejected"
    assert [audit["audit_result"] for audit in task.audits] == ["accepted", "fixed", "rejected"]
    assert task.customer_review_comments == ["c-accepted", "c-rejected"]
    assert set(task.audits[0]) == {
        "audited_by", "audited_at", "audit_time_secs", "audit_result", "audit_source",
    }  # fmt: skip


def test_updated_at_never_goes_back() -> None:
    task = task_in("pending", updated_at="2030-01-01T00:00:00.000Z")
    assert moves.start(task, NOW).updated_at == task.updated_at


def test_a_new_task_prints_only_the_members_it_has() -> None:
    assert task_in("pending").to_json() == {
        "task_id": "a" * 24,
        "created_at": THEN,
        "updated_at": THEN,
        "type": "chat",
        "status": "pending",
        "params": {},
        "metadata": {},
        "is_test": False,
        "urgency": "standard",
        "processed_attachments": [],
    }


def test_members_are_printed_in_the_documented_order() -> None:
    full = task_in(
        "completed",
        completed_at=NOW, instruction="i", callback_url="c", callback_completed=True,
        callback_succeeded=True, response=FrozenDict(),
        audits=FrozenList([FrozenDict()]), tags=FrozenList(["t"]), unique_id="u",
        project="p", batch="b", project_param_version=1, is_test=True, priority=10,
        urgency="day", document_pages=FrozenList([FrozenDict(width=1)]), work_started=True,
        customer_review_status="fixed", customer_review_comments=FrozenList(["c"]),
        sensitive_content_reports=FrozenList([FrozenDict(type="t")]),
        projectId="x",
    )  # fmt: skip
    assert list(full.to_json())[:16] == [
        "task_id", "created_at", "updated_at", "completed_at", "type", "status", "instruction",
        "params", "callback_url", "callback_completed", "callback_succeeded", "response",
        "metadata", "audits", "tags", "unique_id",
    ]  # fmt: skip
    assert full.to_json()["projectId"] == "x"
    hidden = {"_text", "id", "clear_unique_id_on_error", "traceback"}
    fields = Task.__annotations__.keys() - hidden
    assert set(full.to_json()) == fields | {"task_id", "projectId"}


def test_tasks_are_values_that_can_be_hashed() -> None:
    assert len({task_in("pending"), task_in("pending"), task_in("error")}) == 2
    with pytest.raises(AttributeError, match="cannot be changed"):
        task_in("pending").status = Status.ERROR
    with pytest.raises(AttributeError, match="cannot be changed"):
        del task_in("pending").status


def test_the_text_of_a_task_is_its_json() -> None:
    task = task_in(
        "completed",
        instruction='"é\u2028\\',
        params=FrozenDict(a=[{"b": None}], c="\U0001f600"),
        response={},
        audits=FrozenList([FrozenDict(audit_result="fixed")]),
        tags=FrozenList(["t"]),
        callback_completed=False,
        priority=10,
        projectId=[],
        nothing=None,
    )
    printed = json.dumps(task.to_json(), separators=(",", ":"), ensure_ascii=False)
    assert task.to_text() == printed.encode()
    assert task.extra == {"projectId": []}
    assert task.to_json()["params"] == {"a": [{"b": None}], "c": "\U0001f600"}


def test_the_values_in_a_task_cannot_be_changed() -> None:
    given = {"a": [1]}
    task = task_in("pending", params=given, metadata=given)
    given["a"].append(2)
    assert task.params == task.metadata == {"a": [1]}
    held: Any
    for held in (task.params, task.params["a"], task.to_json()["metadata"]):
        with pytest.raises(TypeError, match="cannot be changed"):
            held.clear()
    assert moves.replace(task, status=Status.ERROR).params == {"a": [1]}
    assert pickle.loads(pickle.dumps(task)) == task


def test_an_empty_object_in_a_task_cannot_be_changed() -> None:
    given: dict[str, Any] = {}
    task = task_in("pending", params=given)
    given["a"] = 1
    assert task.params == {}
    held: Any = task.params
    with pytest.raises(TypeError, match="cannot be changed"):
        held["a"] = 1
