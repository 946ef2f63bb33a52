from typing import Any

import pytest

from fakescale import ApiError, FakeScale
from fakescale.account import task_types
from fakescale.account.quality import TYPES
from tests.support import Caller, example

EXPECTED = {"annotations": [{"label": "a"}]}
PATHS = {"evaluation": "/evaluation_tasks", "training": "/training_tasks"}


@pytest.fixture
def rapid(fake: FakeScale, live: Caller) -> Caller:
    """Return a caller for an account that has a Rapid project for each type, named like it."""
    for type in map(task_types.required, (*TYPES, "chat")):
        fake.projects.create(type=type, name=type, rapid=True)
    return live


def body(type: str = "textcollection", **more: Any) -> dict[str, Any]:
    return example(type, **{"project": type, "expected_response": EXPECTED, **more})


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize("type", TYPES)
def test_every_type_can_be_created(fake: FakeScale, rapid: Caller, kind: str, type: str) -> None:
    given = body(type, initial_response={"annotations": []}, unique_id="u", metadata={"k": 1})
    reply = rapid("POST", f"{PATHS[kind]}/{type}", given)
    assert reply.status == 200, reply.json
    assert "task_id" not in reply.json
    assert {name: reply.json[name] for name in ("type", "project", "unique_id", "metadata")} == {
        "type": type,
        "project": type,
        "unique_id": "u",
        "metadata": {"k": 1},
    }
    assert reply.json["expected_response"] == EXPECTED
    assert reply.json["initial_response"] == {"annotations": []}
    assert not {"expected_response", "initial_response"} & reply.json["params"].keys()
    [task] = [it for it in fake.quality_tasks if it.kind == kind]
    assert (task.id, task.kind, task.to_json()) == (reply.json["id"], kind, reply.json)
    assert fake.quality_tasks.get(task.id) == task
    assert len(fake.tasks) == 0


@pytest.mark.parametrize(
    ("type", "changes", "status"),
    [
        ("textcollection", {"expected_response": None}, 400),
        ("textcollection", {"expected_response": [1]}, 400),
        ("textcollection", {"initial_response": "x"}, 400),
        ("textcollection", {"project": None}, 400),
        ("textcollection", {"project": "nothing"}, 400),
        ("textcollection", {"project": "enterprise"}, 400),
        ("textcollection", {"attachments": None}, 400),
        ("chat", {}, 400),
        ("nothing", {}, 404),
    ],
)
def test_a_bad_quality_task_is_refused_and_changes_nothing(
    fake: FakeScale, rapid: Caller, type: str, changes: Any, status: int
) -> None:
    fake.projects.create(type="textcollection", name="enterprise")
    given = {**body(type if type == "chat" else "textcollection"), **changes}
    for path in PATHS.values():
        assert rapid("POST", f"{path}/{type}", given).status == status
    assert len(fake.quality_tasks) == 0


def test_a_quality_task_inherits_the_params_of_its_project(fake: FakeScale, rapid: Caller) -> None:
    fake.projects.set_params("textcollection", {"title": "from the project"})
    task = rapid("POST", "/training_tasks/textcollection", body()).json
    assert task["params"]["title"] == "from the project"


def test_an_idempotency_key_repeats_the_answer(fake: FakeScale, rapid: Caller) -> None:
    key = {"Idempotency-Key": "k"}
    one, two = (
        rapid("POST", "/evaluation_tasks/textcollection", body(), headers=key) for _ in range(2)
    )
    assert one.bytes == two.bytes
    assert len(fake.quality_tasks) == 1
    assert rapid("POST", "/training_tasks/textcollection", body(), headers=key).status == 409


def test_a_unique_id_is_unique_among_quality_tasks(rapid: Caller) -> None:
    given = body(unique_id="u")
    statuses = [rapid("POST", f"{path}/textcollection", given).status for path in PATHS.values()]
    assert statuses == [200, 409]


def test_a_disabled_type_has_no_quality_tasks(fake: FakeScale, rapid: Caller) -> None:
    fake.disable_type("textcollection")
    assert rapid("POST", "/training_tasks/textcollection", body()).status == 402


def test_recorded_results_of_labelers_are_listed(fake: FakeScale, rapid: Caller) -> None:
    quality = fake.quality_tasks
    one, two = (quality.create("training", "textcollection", **body()) for _ in range(2))
    results = [
        quality.record(task.id, email, score=0.5)
        for task in (one, two)
        for email in ("a@e.com", "b@e.com")
    ]
    assert rapid("GET", "/quality/labelers").status == 400
    page = rapid.get(f"/quality/labelers?quality_task_ids={one.id},{two.id}&limit=3")
    assert page["docs"] == [result.to_json() for result in results[:0:-1]]
    assert page["docs"][0] == {
        "quality_task_id": two.id,
        "labeler_email": "b@e.com",
        "created_at": results[-1].created_at,
        "score": 0.5,
    }
    token = page["next_token"]
    rest = rapid.get(f"/quality/labelers?quality_task_ids={one.id},{two.id}&next_token={token}")
    assert rest["docs"] == [results[0].to_json()]
    both = rapid.get(f"/quality/labelers?quality_task_ids={one.id}&labeler_emails=b@e.com")
    assert both["docs"] == [results[1].to_json()]


def test_an_unknown_task_or_kind_is_refused(fake: FakeScale) -> None:
    with pytest.raises(ApiError):
        fake.quality_tasks.record("nothing", "a@e.com")
    with pytest.raises(ApiError):
        fake.quality_tasks.create("exam", "textcollection")  # type: ignore[arg-type]


def test_a_finalized_batch_takes_no_quality_tasks(fake: FakeScale, rapid: Caller) -> None:
    fake.batches.create(project="textcollection", name="b")
    path = "/evaluation_tasks/textcollection"
    assert rapid("POST", path, body(batch="b")).status == 200
    fake.batches.finalize("b")
    reply = rapid("POST", path, body(batch="b"))
    assert (reply.status, '"batch" must not be finalized' in reply.error) == (400, True)
    assert len(fake.quality_tasks) == 1


def test_clear_unique_id_on_error_is_not_printed(rapid: Caller) -> None:
    given = body(unique_id="u", clear_unique_id_on_error=True)
    reply = rapid("POST", "/training_tasks/textcollection", given)
    assert reply.status == 200
    assert "clear_unique_id_on_error" not in {*reply.json, *reply.json["params"]}
