from typing import Any

import pytest

from fakescale import FakeScale
from tests.support import Caller, example

ANN, BOB, EVE = "ann@e.com", "bob@e.com", "eve@e.com"


@pytest.fixture
def studio(fake: FakeScale, live: Caller) -> Caller:
    """Return a caller for an account with a team and two Studio projects."""
    for email in (ANN, BOB):
        fake.teammates.add(email)
    fake.teammates.invite(emails=[EVE], team_role="labeler")
    for name in ("p/1", "q"):
        fake.projects.create(type="chat", name=name, studio=True)
    return live


def post(live: Caller, path: str, **body: Any) -> Any:
    reply = live("POST", path, body)
    assert reply.status == 200, reply.json
    return reply.json


def names(batches: Any) -> list[str]:
    return [batch["name"] for batch in batches]


def test_only_active_teammates_have_assignments(fake: FakeScale, studio: Caller) -> None:
    nobody: dict[str, list[str]] = {"admin@example.com": [], ANN: [], BOB: []}
    assert studio.get("/studio/assignments") == nobody
    body = {"emails": [ANN, EVE], "projects": ["p/1", "q"]}
    for _ in range(2):
        assert post(studio, "/studio/assignments/add", **body) == {**nobody, ANN: ["p/1", "q"]}
    left = post(studio, "/studio/assignments/remove", emails=[ANN, BOB], projects=["p/1"])
    assert left == {**nobody, ANN: ["q"]}
    fake.teammates.accept(EVE)
    fake.teammates.disable(ANN)
    assert studio.get("/studio/assignments")[EVE] == ["p/1", "q"]
    assert ANN not in studio.get("/studio/assignments")


@pytest.mark.parametrize("path", ["/studio/assignments/add", "/studio/assignments/remove"])
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"emails": [ANN]},
        {"projects": ["q"]},
        {"emails": ANN, "projects": ["q"]},
        {"emails": [ANN, "nobody@e.com"], "projects": ["q"]},
        {"emails": [ANN], "projects": ["q", "nothing"]},
    ],
)
def test_a_bad_assignment_changes_nothing(studio: Caller, path: str, body: Any) -> None:
    post(studio, "/studio/assignments/add", emails=[ANN], projects=["p/1"])
    before = studio.get("/studio/assignments")
    assert studio("POST", path, body).status == 400
    assert studio.get("/studio/assignments") == before


def test_a_group_is_created_changed_and_listed(fake: FakeScale, studio: Caller) -> None:
    post(studio, "/studio/assignments/add", emails=[ANN, BOB], projects=["p/1"])
    made = post(studio, "/studio/projects/p%2F1/groups", emails=[ANN, ANN], name="g/1")
    assert made == {
        "id": made["id"],
        "name": "g/1",
        "numWorkers": 1,
        "isSingleton": False,
        "workers": [{"id": fake.teammates.get(ANN).id, "email": ANN}],
    }
    changes = {"add_emails": [BOB, ANN], "remove_emails": [ANN]}
    changed = studio("PUT", "/studio/projects/p%2F1/groups/g%2F1", changes).json
    assert [worker["email"] for worker in changed["workers"]] == [BOB]
    assert changed["id"] == made["id"]
    assert studio.get("/studio/projects/p%2F1/groups") == [changed]
    assert studio.get("/studio/projects/q/groups") == []
    post(studio, "/studio/assignments/remove", emails=[BOB], projects=["p/1"])
    assert studio.get("/studio/projects/p%2F1/groups")[0]["numWorkers"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "nothing/groups", {}, 404),
        ("POST", "nothing/groups", {"name": "h"}, 404),
        ("POST", "q/groups", {"name": "h", "emails": [BOB]}, 400),
        ("POST", "q/groups", {"name": "h", "emails": ["nobody@e.com"]}, 400),
        ("POST", "q/groups", {"emails": [ANN]}, 400),
        ("POST", "q/groups", {"name": "g"}, 409),
        ("PUT", "nothing/groups/g", {}, 404),
        ("PUT", "q/groups/nothing", {}, 404),
        ("PUT", "q/groups/g", {"add_emails": [BOB]}, 400),
        ("PUT", "q/groups/g", {"remove_emails": ["nobody@e.com"]}, 400),
    ],
)
def test_a_bad_group_is_refused_and_changes_nothing(
    studio: Caller, method: str, path: str, body: Any, status: int
) -> None:
    post(studio, "/studio/assignments/add", emails=[ANN], projects=["q"])
    post(studio, "/studio/projects/q/groups", emails=[ANN], name="g")
    before = studio.get("/studio/projects/q/groups")
    assert studio(method, f"/studio/projects/{path}", body).status == status
    assert studio.get("/studio/projects/q/groups") == before


def test_pending_batches_have_a_default_order(fake: FakeScale, studio: Caller) -> None:
    fake.projects.create(type="chat", name="enterprise")
    fake.batches.create(project="enterprise", name="not of the Studio")
    for name in ("old", "new", "done", "archived"):
        fake.batches.create(project="q", name=name)
    fake.batches.create(project="q", name="trial", calibration_batch=True)
    for batch in ("old", "done"):
        task = fake.tasks.create("chat", **example("chat", batch=batch))
        fake.tasks.create("chat", **example("chat", batch="old"))
        if batch == "done":
            fake.batches.finalize(batch)
        fake.tasks.complete(task.id)
    fake.batches.archive("archived")
    batches = studio.get("/studio/batches")
    assert names(batches) == ["trial", "old", "new"]
    assert batches[1] == {
        "id": fake.batches.get("old").id,
        "name": "old",
        "projectId": batches[0]["projectId"],
        "projectName": "q",
        "batchType": "Production",
        "total": 3,
        "completed": 1,
        "groups": [],
    }
    assert batches[0]["batchType"] == "Calibration"


def test_priorities_name_all_pending_batches(fake: FakeScale, studio: Caller) -> None:
    for name in "abc":
        fake.batches.create(project="q", name=name)
    for bad in ("ab", "abcc", "abd", "abcd", ""):
        body = {"batches": [{"name": name} for name in bad]}
        assert studio("POST", "/studio/batches/set_priorities", body).status == 400
    for wrong in ({}, {"batches": ["a", "b", "c"]}):
        assert studio("POST", "/studio/batches/set_priorities", wrong).status == 400
    order = [{"name": name} for name in "cab"]
    ordered = post(studio, "/studio/batches/set_priorities", batches=order)
    assert [(it["name"], it["studioPriority"]) for it in ordered] == [("c", 1), ("a", 2), ("b", 3)]
    fake.batches.create(project="q", name="d", calibration_batch=True)
    assert names(studio.get("/studio/batches")) == ["c", "a", "b", "d"]
    reset = studio("POST", "/studio/batches/reset_priorities").json
    assert names(reset) == names(studio.get("/studio/batches")) == ["d", "a", "b", "c"]
    assert "studioPriority" not in reset[0]


def test_setting_the_groups_of_a_batch_replaces_them(fake: FakeScale, studio: Caller) -> None:
    fake.batches.create(project="q", name="b/1")
    post(studio, "/studio/assignments/add", emails=[ANN], projects=["q"])
    post(studio, "/studio/projects/q/groups", emails=[], name="g")
    for groups in (["g"], [ANN], [ANN, "g"], []):
        batch = studio("PUT", "/studio/batches/b%2F1", {"groups": groups}).json
        assert batch["groups"] == groups
        assert studio.get("/studio/batches") == [batch]
    groups = studio.get("/studio/projects/q/groups")
    assert [(it["name"], it["isSingleton"]) for it in groups] == [("g", False), (ANN, True)]
    for bad in (["nothing"], [BOB], ["g", BOB], "g", None):
        assert studio("PUT", "/studio/batches/b%2F1", {"groups": bad}).status == 400
    assert studio("PUT", "/studio/batches/nothing", {"groups": []}).status == 404
    assert studio.get("/studio/batches")[0]["groups"] == []
