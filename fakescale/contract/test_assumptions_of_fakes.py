"""Facts that only a fake is asked for, one test each.

The calls about the team and Studio would send mail to people; the others need a fake's helpers.
The file is over 300 lines because each fact is a test of its own.
"""

from typing import Any

import pytest

from fakescale.contract.asking import (
    TYPE,
    get,
    make,
    make_batch,
    make_project,
    ok,
    task,
)
from fakescale.contract.assumptions import (
    CALLBACKS,
    CLIENT,
    ERRORS,
    PARAMETER,
    README,
    STUDIO,
    documented,
    guessed,
    observed,
)
from fakescale.contract.target import ABSENT, Target
from fakescale.receiver import Receiver

ANN, BOB = "ann@example.com", "bob@example.com"


@documented(f"{CLIENT}; {STUDIO}")
def test_an_invitation_is_answered_with_the_whole_team(steered: Target) -> None:
    before = get(steered, "/teams")
    body = {"emails": [ANN], "team_role": "labeler"}
    after = ok(steered.call("POST", "/teams/invite", body))
    assert [member["email"] for member in after] == [*(it["email"] for it in before), ANN]
    assert after == get(steered, "/teams")


@guessed("the answer is the whole team anyway")
def test_inviting_a_member_again_changes_nothing(steered: Target) -> None:
    replies = [
        ok(steered.call("POST", "/teams/invite", {"emails": [ANN], "team_role": role}))
        for role in ("labeler", "member")
    ]
    assert replies[0] == replies[1]


@guessed("the roles are listed")
@pytest.mark.parametrize(("email", "role"), [("nonsense", "labeler"), (ANN, "king")])
def test_a_bad_address_or_role_is_refused(email: str, role: str, steered: Target) -> None:
    body = {"emails": [email], "team_role": role}
    assert steered.call("POST", "/teams/invite", body).status == 400


@guessed("nothing is published")
def test_the_role_of_an_unknown_member_or_an_admin_cannot_be_set(steered: Target) -> None:
    admin = get(steered, "/teams")[0]["email"]
    for email, status in ((ANN, 404), (admin, 400)):
        body = {"emails": [email], "team_role": "member"}
        assert steered.call("POST", "/teams/set_role", body).status == status


@pytest.fixture
def studio(steered: Target) -> Target:
    """Return an account with a Studio project ``p``; Ann is assigned to it, Bob is not."""
    for email in (ANN, BOB):
        steered.world.teammates.add(email)
    steered.world.projects.create(type=TYPE, name="p", studio=True)
    body = {"emails": [ANN], "projects": ["p"]}
    ok(steered.call("POST", "/studio/assignments/add", body))
    return steered


@documented(f"{CLIENT}; {STUDIO}")
def test_assignments_list_the_projects_of_each_address(studio: Target) -> None:
    assert get(studio, "/studio/assignments")[ANN] == ["p"]
    body = {"emails": [ANN], "projects": ["p"]}
    assert ok(studio.call("POST", "/studio/assignments/remove", body))[ANN] == []


@guessed(f"{PARAMETER}, or the other way round")
@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/studio/assignments/add", {"emails": ["x@example.com"], "projects": ["p"]}, 400),
        ("POST", "/studio/assignments/add", {"emails": [ANN], "projects": ["q"]}, 400),
        ("GET", "/studio/projects/q/groups", ABSENT, 404),
        ("PUT", "/studio/projects/p/groups/g", {"add_emails": [ANN]}, 404),
        ("PUT", "/studio/batches/b", {"groups": []}, 404),
    ],
)
def test_an_unknown_name_in_studio_is_404_in_a_path_and_400_in_a_body(
    method: str, path: str, body: Any, status: int, studio: Target
) -> None:
    assert studio.call(method, path, body).status == status


@documented(README)
def test_members_of_a_group_must_be_assigned_to_its_project(studio: Target) -> None:
    path = "/studio/projects/p/groups"
    assert studio.call("POST", path, {"emails": [BOB], "name": "g"}).status == 400
    group = ok(studio.call("POST", path, {"emails": [ANN], "name": "g"}))
    assert group.keys() >= {"id", "name", "numWorkers", "isSingleton"}


@guessed("a group is identified by its name")
def test_a_group_name_is_unique_in_its_project(studio: Target) -> None:
    body = {"emails": [], "name": "g"}
    replies = [studio.call("POST", "/studio/projects/p/groups", body) for _ in range(2)]
    assert [reply.status for reply in replies] == [200, 409]


@documented(README)
def test_priorities_must_name_all_pending_batches(studio: Target) -> None:
    first, second = (make_batch(studio, "p") for _ in range(2))
    for batch in (first, second):
        make(studio, batch=batch)
        ok(studio.call("POST", f"/batches/{batch}/finalize"))
    path = "/studio/batches/set_priorities"
    assert studio.call("POST", path, {"batches": [{"name": second}]}).status == 400
    both = [{"name": second}, {"name": first}]
    order = ok(studio.call("POST", path, {"batches": both}))
    assert [batch["name"] for batch in order] == [second, first]


# Quality tasks and fixless audits


@documented(CLIENT)
@pytest.mark.parametrize("kind", ["evaluation_tasks", "training_tasks"])
def test_a_quality_task_has_an_id_and_the_expected_response(kind: str, steered: Target) -> None:
    steered.world.projects.create(type="textcollection", name="r", rapid=True)
    body = {
        "project": "r",
        "instruction": "i",
        "attachments": [{"type": "text", "content": "c"}],
        "fields": [{"type": "text", "field_id": "f", "title": "t"}],
        "expected_response": {"annotations": {"f": ["x"]}},
    }
    made = ok(steered.call("POST", f"/{kind}/textcollection", body))
    assert made["id"]
    assert made["expected_response"] == body["expected_response"]
    assert "task_id" not in made


@guessed("quality tasks are documented for Rapid projects")
def test_a_quality_task_of_a_project_that_is_not_rapid_is_refused(steered: Target) -> None:
    steered.world.projects.create(type="textcollection", name="e")
    body = {
        "project": "e",
        "instruction": "i",
        "attachments": [{"type": "text", "content": "c"}],
        "fields": [{"type": "text", "field_id": "f", "title": "t"}],
        "expected_response": {"annotations": {"f": ["x"]}},
    }
    assert steered.call("POST", "/training_tasks/textcollection", body).status == 400


@documented("fixless audits page of the reference")
def test_a_fixless_audit_is_created_with_201(steered: Target) -> None:
    made = make(steered)
    steered.world.tasks.complete(made["task_id"])
    body = {"task_id": made["task_id"], "result": "accepted", "url": "https://example.com/a.json"}
    assert steered.call("PUT", "/audits", body).status == 201
    assert len(get(steered, f"/audits?task_id={made['task_id']}")) == 1


# Results, errors and recalls


@documented("page of the reference about secure result URLs: they are turned on by request")
def test_a_result_file_is_served_to_anyone(steered: Target) -> None:
    body = {
        "instruction": "i",
        "attachment_type": "image",
        "attachments": ["https://example.com/1.jpg"],
        "geometries": {"box": {"objects_to_annotate": ["cat"]}},
    }
    made = ok(steered.call("POST", "/task/videoannotation", body))
    steered.world.tasks.complete(made["task_id"])
    url = task(steered, made["task_id"])["response"]["annotations"]["url"]
    path = f"/task/{made['task_id']}/response_url/"
    assert url.startswith(f"{steered.url}{path}")
    path += url.rpartition("/")[2]
    assert steered.call("GET", path).status == 200
    assert steered.call("GET", path, headers={"Authorization": None}).status == 200


@documented(ERRORS)
def test_the_response_names_an_attachment_that_cannot_be_fetched(steered: Target) -> None:
    made = make(steered, attachment_type="image", attachment="https://example.com/gone.jpg")
    steered.world.tasks.fail(made["task_id"])
    response = task(steered, made["task_id"])["response"]
    assert response["error"] == "One or more attachments could not be downloaded."
    [attachment] = response["attachments"]
    assert attachment["url"] == "https://example.com/gone.jpg"
    assert isinstance(attachment["statusCode"], int)


@documented(CALLBACKS)
def test_a_recalled_task_is_pending_again(steered: Target) -> None:
    made = make(steered)
    steered.world.tasks.complete(made["task_id"])
    steered.world.tasks.recall(made["task_id"])
    assert task(steered, made["task_id"])["status"] == "pending"


@guessed("the task must be done again")
def test_a_recalled_task_has_no_response(steered: Target) -> None:
    made = make(steered)
    steered.world.tasks.complete(made["task_id"])
    steered.world.tasks.recall(made["task_id"])
    assert not {"response", "completed_at"} & task(steered, made["task_id"]).keys()


# Callbacks


@documented(CALLBACKS)
def test_a_completion_sends_a_callback_with_the_task(
    steered: Target, callback_receiver: Receiver
) -> None:
    made = make(steered, callback_url=callback_receiver.url)
    steered.world.tasks.complete(made["task_id"], response={"category": "big"})
    steered.fake.callbacks.deliver()
    [received] = callback_receiver.received
    assert received.method == "POST"
    assert received.headers["Content-Type"].startswith("application/json")
    assert received.headers["scale-callback-auth"] == steered.world.callback_auth_key
    body = received.json
    assert (body["task_id"], body["status"]) == (made["task_id"], "completed")
    assert body["response"] == body["task"]["response"] == {"category": "big"}


@documented(f"{CALLBACKS}: its events")
def test_errors_audits_and_recalls_send_callbacks_too(
    steered: Target, callback_receiver: Receiver
) -> None:
    first, second = (make(steered, callback_url=callback_receiver.url) for _ in range(2))
    tasks = steered.world.tasks
    tasks.fail(first["task_id"])
    tasks.complete(second["task_id"])
    ok(steered.call("POST", f"/task/{second['task_id']}/audit", {"accepted": False}))
    tasks.recall(second["task_id"])
    steered.fake.callbacks.deliver()
    statuses = [received.json["status"] for received in callback_receiver.received]
    assert statuses == ["error", "completed", "completed", "pending"]
    # Guessed: missing members are left out.
    assert "response" not in callback_receiver.received[-1].json


@guessed("the documented events do not include them")
def test_cancels_and_changes_of_metadata_tags_and_unique_id_send_no_callback(
    steered: Target, callback_receiver: Receiver
) -> None:
    path = f"/task/{make(steered, callback_url=callback_receiver.url)['task_id']}"
    ok(steered.call("POST", f"{path}/setMetadata", {"a": 1}))
    ok(steered.call("PUT", f"{path}/tags", ["a"]))
    ok(steered.call("POST", f"{path}/unique_id", {"unique_id": "u"}))
    ok(steered.call("POST", f"{path}/cancel"))
    steered.fake.callbacks.deliver()
    assert callback_receiver.received == []


@documented(f"{CALLBACKS}: up to 20 times within 24 hours; the equal gaps are guessed")
def test_a_failed_callback_is_retried_20_times_in_24_hours(
    steered: Target, callback_receiver: Receiver
) -> None:
    callback_receiver.answer(500, times=100)
    made = make(steered, callback_url=callback_receiver.url)
    steered.world.tasks.complete(made["task_id"])
    steered.fake.callbacks.deliver()
    steered.fake.advance(hours=24, milliseconds=-1)
    assert len(callback_receiver.received) == 20
    assert "callback_completed" not in task(steered, made["task_id"])
    steered.fake.advance(hours=48)
    assert len(callback_receiver.received) == 21
    assert task(steered, made["task_id"])["callback_completed"] is False


@documented("the tasks page for one name, the callbacks page for the other")
def test_a_delivered_callback_is_noted_on_the_task_under_both_names(
    steered: Target, callback_receiver: Receiver
) -> None:
    callback_receiver.answer(204)
    made = make(steered, callback_url=callback_receiver.url)
    steered.world.tasks.complete(made["task_id"])
    steered.fake.callbacks.deliver()
    seen = task(steered, made["task_id"])
    assert seen["callback_completed"] is seen["callback_succeeded"] is True


@guessed("the documentation describes one mechanism")
def test_test_mode_sends_callbacks_with_a_key_of_its_own(
    steered: Target, callback_receiver: Receiver
) -> None:
    test_mode = steered.in_mode(test=True)
    make(test_mode, callback_url=callback_receiver.url)
    steered.fake.callbacks.deliver()
    [received] = callback_receiver.received
    key = received.headers["scale-callback-auth"]
    assert key == test_mode.world.callback_auth_key != steered.world.callback_auth_key


@guessed("its body was never published")
def test_a_completed_batch_sends_a_callback(steered: Target, callback_receiver: Receiver) -> None:
    body = {"project": make_project(steered), "name": "b", "callback": callback_receiver.url}
    ok(steered.call("POST", "/batches", body))
    steered.world.tasks.complete(make(steered, batch="b")["task_id"])
    steered.fake.callbacks.deliver()
    [received] = callback_receiver.received
    assert (received.json["batch_name"], received.json["status"]) == ("b", "completed")
    assert received.json["batch"]["name"] == "b"


@observed("two third-party clients, which disagree on the path")
@pytest.mark.parametrize("name", ["send_callback", "send-callback"])
def test_a_callback_can_be_sent_again(
    name: str, steered: Target, callback_receiver: Receiver
) -> None:
    made = make(steered, callback_url=callback_receiver.url)
    steered.world.tasks.complete(made["task_id"])
    ok(steered.call("POST", f"/task/{made['task_id']}/{name}"))
    steered.fake.callbacks.deliver()
    assert len(callback_receiver.received) == 2
