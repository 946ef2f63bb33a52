import json
from typing import Any

import pytest

from fakescale import FakeScale
from fakescale.account.printed import printed_tasks, read_file, read_task
from fakescale.values.errors import BadRequest, Conflict

# A completed task as in the API reference, with members from other sources.
PRINTED = {
    "task_id": "576ba74eec471ff9b01557cc",
    "created_at": "2016-06-23T09:09:34.752Z",
    "updated_at": "2016-06-23T09:10:02.798Z",
    "completed_at": "2016-06-23T09:10:02.798Z",
    "type": "imageannotation",
    "status": "completed",
    "instruction": "Box the car.",
    "params": {"attachment": "https://example.com/1.jpg"},
    "callback_url": "http://www.example.com/callback",
    "callback_completed": True,
    "response": {"annotations": [{"label": "car"}]},
    "metadata": {"k": [1]},
    "audits": [{"audit_result": "fixed"}],
    "tags": ["t"],
    "unique_id": "u",
    "project": "p",
    "batch": "b",
    "is_test": False,
    "priority": 0,
    "projectId": "5" * 24,
    "urgency": "day",
    "processed_attachments": [],
    "document_pages": [{"width": 850, "height": 1100}],
    "customer_review_status": "fixed",
    "customer_review_comments": [{"text": "?"}],
    "attempts": [],
}


def without(*names: str, **changes: Any) -> dict[str, Any]:
    return {name: item for name, item in {**PRINTED, **changes}.items() if name not in names}


def test_a_printed_task_is_printed_again_as_it_was() -> None:
    assert read_task(PRINTED, is_test=False).to_json() == PRINTED


def test_a_task_in_compact_form_can_be_read() -> None:
    compact = {name: PRINTED[name] for name in ("task_id", "created_at", "type", "status")}
    task = read_task(compact, is_test=True)
    assert task.to_json() == {
        **compact,
        "updated_at": PRINTED["created_at"],
        "params": {},
        "metadata": {},
        "is_test": True,
        "urgency": "standard",
        "processed_attachments": [],
    }


def test_an_empty_urgency_can_be_read() -> None:
    task = FakeScale().tasks.create("chat", urgency="")
    assert read_task(task.to_json(), is_test=False).urgency == ""


def test_null_counts_as_absent() -> None:
    assert read_task(without(appsheetProjectId=None, batch=None), is_test=False).batch is None


def test_times_are_kept_in_the_form_of_the_api() -> None:
    task = read_task(without(created_at="2016-06-23T11:09:34.7529+02:00"), is_test=False)
    assert task.created_at == PRINTED["created_at"]


@pytest.mark.parametrize("name", ["task_id", "created_at", "type", "status"])
def test_a_required_member_must_be_present(name: str) -> None:
    with pytest.raises(BadRequest, match=f'"{name}" is required'):
        read_task(without(name), is_test=False)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"status": "done"}, '"status" must be one of'),
        ({"created_at": "noon"}, '"created_at" must be a time'),
        ({"tags": [1]}, '"tags[0]" must be a string'),
        ({"params": []}, '"params" must be of type object'),
        ({"task_id": ""}, '"task_id" is not allowed to be empty'),
        ({"x": float("nan")}, "nan"),
    ],
)
def test_a_member_of_the_wrong_type_is_named(changes: Any, says: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        read_task(without(**changes), is_test=False)
    assert says in str(refusal.value)


@pytest.mark.parametrize("printed", [None, [], "x", 5])
def test_a_value_that_is_not_an_object_is_refused(printed: Any) -> None:
    with pytest.raises(BadRequest, match="must be of type object"):
        read_task(printed, is_test=False)


def test_loading_is_all_or_nothing() -> None:
    fake = FakeScale()
    other = without(task_id="x", unique_id="v")
    for bad, error in (
        (without("status"), BadRequest),
        (without(unique_id="w"), Conflict),  # the task_id again
        (without(task_id="y"), Conflict),  # the unique_id again
    ):
        with pytest.raises(error):
            fake.tasks.load([PRINTED, other, bad])
        assert len(fake.tasks) == 0
    fake.tasks.load([PRINTED, other])
    assert [task.id for task in fake.tasks] == ["x", PRINTED["task_id"]]
    with pytest.raises(Conflict):
        fake.tasks.create("chat", unique_id="v")


def test_a_loaded_task_of_an_unknown_type_can_be_completed() -> None:
    fake = FakeScale()
    fake.tasks.load([without("completed_at", "response", status="pending", type="new", params={})])
    assert fake.tasks.complete(str(PRINTED["task_id"])).response == {}


def test_a_file_holds_an_array_or_a_page() -> None:
    assert printed_tasks(read_file(json.dumps([PRINTED]))) == [PRINTED]
    assert printed_tasks(read_file(json.dumps({"docs": [PRINTED], "total": 1}))) == [PRINTED]
    for text in ("{}", "5", '{"docs": {}}', "nonsense", "[" * 100_000, ""):
        with pytest.raises(BadRequest):
            printed_tasks(read_file(text))


def test_a_loaded_task_is_in_the_project_of_its_batch() -> None:
    fake = FakeScale()
    fake.projects.create(type="imageannotation", name="p")
    fake.projects.create(type="imageannotation", name="q")
    fake.batches.create(project="p", name="b")
    lone = without("project", "unique_id", task_id="x")
    new = {"batch": "new", "unique_id": None}
    for bad, says in (
        (without(project="q"), r'"[0].project" must be that of the batch, "p" (got "q")'),
        (without("project", batch="new"), r'"[0].batch" must be the name of a batch'),
    ):
        with pytest.raises(BadRequest) as refusal:
            fake.tasks.load([bad, lone])
        assert says in str(refusal.value)
    with pytest.raises(BadRequest, match="that of the batch"):
        fake.tasks.load([without(project="q", **new), without(task_id="y", **new)])
    assert (len(fake.tasks), len(fake.batches)) == (0, 1)
    fake.tasks.load([lone, without("project", task_id="y", **new), without(task_id="z", **new)])
    assert {task.project for task in fake.tasks} == {"p"}
    assert fake.batches.get("b").status_json()["completed"] == 1
    assert fake.batches.get("new").status_json()["completed"] == 2
    fake.tasks.recall("y")
    assert fake.batches.get("new").status_json()["pending"] == 1
