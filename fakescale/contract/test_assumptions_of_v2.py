"""Facts about the v2 API, one test each.

On a server of another machine the tests name things by name, so that they change only their own.
"""

from typing import Any

import pytest

from fakescale.contract.asking import get, make, make_batch, make_project, ok, quoted
from fakescale.contract.assumptions import TESTS, documented, guessed, observed
from fakescale.contract.target import Reply, Target

MODELS = "models of the official Python client"
GENAI = "GenAI site of the reference"
SILENT = "the reference does not say"


def ask(api: Target, path: str, **body: Any) -> Reply:
    """Send a POST to v2."""
    return api.call("POST", f"/v2{path}", body)


def look(api: Target, path: str, **query: Any) -> Any:
    """Return the JSON of a GET of v2."""
    return get(api, f"/v2{path}?" + "&".join(f"{k}={quoted(str(v))}" for k, v in query.items()))


def chats(api: Target) -> str:
    return make_project(api, type="chat")


def batch(api: Target, **more: Any) -> Any:
    return ok(ask(api, "/batch", name=api.name(), project_name=make_project(api), **more))


def chat(api: Target, project: str, **more: Any) -> Any:
    return ok(ask(api, "/task/chat", project_name=project, **more))


@observed(TESTS)
def test_a_project_of_v1_is_in_the_list_of_v2(api: Target) -> None:
    project = make_project(api)
    assert project in [it["name"] for it in look(api, "/projects")["projects"]]


@observed(TESTS)
def test_v2_finds_a_project_by_its_name(api: Target) -> None:
    project = make_project(api)
    assert look(api, "/project", project_name=project)["name"] == project


@documented(MODELS)
def test_v2_finds_a_project_by_its_id(api: Target) -> None:
    found = look(api, "/project", project_name=make_project(api))
    assert look(api, "/project", project_id=found["id"]) == found


@documented(MODELS)
def test_a_project_shows_its_types_and_models(steered: Target) -> None:
    project = chats(steered)
    steered.world.projects.describe(project, types=["SFT"], models=["base_model"])
    shown = look(steered, "/project", project_name=project)
    assert (shown["types"], shown["models"]) == (["SFT"], ["base_model"])


@observed(TESTS)
def test_a_batch_of_v2_can_be_read_at_once_and_is_listed(api: Target) -> None:
    made = batch(api)
    assert look(api, "/batch", batch_id=made["id"])["name"] == made["name"]
    project = look(api, "/batch", batch_name=made["name"], expand="project")["project"]["name"]
    found = look(api, "/batches", project_name=project, limit=10)["batches"]
    assert [it["id"] for it in found] == [made["id"]]


@documented(MODELS)
def test_a_batch_of_v2_always_has_metadata(api: Target) -> None:
    assert batch(api)["metadata"] == {}


@documented(f"{GENAI}; {MODELS}")
def test_v2_refers_by_id_and_expands_on_demand(api: Target) -> None:
    made = batch(api)
    assert isinstance(made["project"], str)
    whole = look(api, "/batch", batch_name=made["name"], expand="project")["project"]
    assert whole["id"] == made["project"]


@observed(TESTS)
def test_a_cancelled_batch_cannot_be_resumed(api: Target) -> None:
    name = batch(api)["name"]
    assert ok(ask(api, "/batch/cancel", batch_name=name))["batch"]["status"] == "cancelled"
    assert 400 <= ask(api, "/batch/resume", batch_name=name).status < 500


@observed(TESTS)
def test_a_batch_without_tasks_cannot_be_paused_though_the_answer_is_200(api: Target) -> None:
    name = batch(api)["name"]
    ok(ask(api, "/batch/pause", batch_name=name))
    assert look(api, "/batch", batch_name=name)["status"] == "in_progress"


@documented(GENAI)
def test_staging_batch_puts_a_batch_into_staging_until_it_is_finalized(api: Target) -> None:
    made = batch(api, staging_batch=True)
    assert made["status"] == "staging"
    assert ok(ask(api, "/batch/finalize", batch_name=made["name"]))["status"] == "in_progress"


@documented(GENAI)
@pytest.mark.parametrize("action", ["finalize", "resume"])
def test_a_batch_in_progress_cannot_be_finalized_or_resumed(action: str, api: Target) -> None:
    name = batch(api)["name"]
    assert 400 <= ask(api, f"/batch/{action}", batch_name=name).status < 500


@guessed(f"{SILENT}; 409 would be possible too")
def test_a_forbidden_move_of_a_batch_is_400(api: Target) -> None:
    assert ask(api, "/batch/resume", batch_name=batch(api)["name"]).status == 400


@documented(GENAI)
def test_a_paused_batch_keeps_its_unstarted_tasks_pending(steered: Target) -> None:
    name = make_batch(steered)
    task = make(steered, batch=name)["task_id"]
    reply = ok(ask(steered, "/batch/pause", batch_name=name))
    assert reply["batch"]["status"] == "paused"
    assert get(steered, f"/task/{task}")["status"] == "pending"
    assert ok(ask(steered, "/batch/resume", batch_name=name))["batch"]["status"] == "in_progress"


@documented(GENAI)
def test_a_cancelled_batch_has_its_unstarted_tasks_canceled(steered: Target) -> None:
    name = make_batch(steered)
    task, started = (make(steered, batch=name)["task_id"] for _ in range(2))
    steered.world.tasks.start(started)
    ok(ask(steered, "/batch/cancel", batch_name=name))
    statuses = [get(steered, f"/task/{it}")["status"] for it in (task, started)]
    assert statuses == ["canceled", "pending"]


@guessed("v1's client does not check the status")
def test_v1_shows_a_paused_batch_as_paused(steered: Target) -> None:
    name = make_batch(steered)
    make(steered, batch=name)
    ok(ask(steered, "/batch/pause", batch_name=name))
    assert get(steered, f"/batches/{quoted(name)}")["status"] == "paused"


@documented(MODELS)
def test_metadata_of_v2_is_replaced_unless_it_is_to_merge_deeply(api: Target) -> None:
    project = chats(api)
    task = chat(api, project, metadata={"a": {"b": 1}})["task_id"]
    for merge, metadata, after in (
        (True, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
        (False, {"d": 3}, {"d": 3}),
    ):
        changed = ok(ask(api, "/task/metadata", task_id=task, metadata=metadata, merge=merge))
        assert changed["metadata"] == after


@documented(GENAI)
def test_a_chat_task_is_pending_without_threads_in_the_answer_to_its_creation(api: Target) -> None:
    made = chat(api, chats(api), template_variables={"prompt": "Why?"})
    assert (made["status"], made["threads"]) == ("pending", [])


@documented(f"{GENAI}: an older page")
def test_a_chat_task_can_be_created_at_the_older_path(api: Target) -> None:
    assert ok(ask(api, "/task", project_name=chats(api)))["status"] == "pending"


@observed("earlier tests in the repository of the official Python client")
def test_v2_shows_a_task_of_v1_under_the_same_id(api: Target) -> None:
    project = make_project(api)
    task = make(api, project=project)["task_id"]
    assert look(api, "/task", task_id=task)["task_id"] == task
    assert [it["task_id"] for it in look(api, "/tasks", project_name=project)["tasks"]] == [task]


@guessed("one store has one task")
def test_v1_shows_a_task_of_v2_with_its_names(api: Target) -> None:
    project = chats(api)
    task = chat(api, project, template_variables={"prompt": "Why?"})["task_id"]
    seen = get(api, f"/task/{task}")
    assert (seen["project"], seen["params"]["template_variables"]) == (project, {"prompt": "Why?"})


@guessed("a GenAI task always has a project")
def test_v2_does_not_show_a_task_without_a_project(api: Target) -> None:
    task = make(api)["task_id"]
    assert api.call("GET", f"/v2/task?task_id={task}").status == 404


@guessed("the archetype pages show such threads")
def test_a_chat_task_of_test_mode_is_completed_with_one_thread(test_mode: Target) -> None:
    task = chat(test_mode, chats(test_mode), template_variables={"prompt": "Why?"})["task_id"]
    seen = look(test_mode, "/task", task_id=task)
    [thread] = seen["threads"]
    [turn] = thread["turns"]
    assert seen["status"] == "completed"
    assert [it["role"] for it in turn["messages"]] == ["user", "assistant"]
    assert turn["messages"][0]["content"]["text"] == "Why?"


@documented(GENAI)
def test_the_last_page_of_v2_has_no_token(api: Target) -> None:
    project = chats(api)
    made = [chat(api, project)["task_id"] for _ in range(3)]
    first = look(api, "/tasks", project_name=project, limit=2)
    token = first["next_token"]
    last = look(api, "/tasks", project_name=project, limit=2, next_token=token)
    assert "next_token" not in last
    assert {it["task_id"] for it in first["tasks"] + last["tasks"]} == {*made}


@documented(GENAI)
@pytest.mark.parametrize("path", ["/task", "/tasks", "/batch", "/project", "/annotation"])
def test_a_required_parameter_of_v2_is_missed_with_400(path: str, api: Target) -> None:
    assert api.call("GET", f"/v2{path}").status == 400


@documented(GENAI)
@pytest.mark.parametrize("limit", [0, 101])
def test_a_page_of_v2_has_1_to_100_items(limit: int, api: Target) -> None:
    assert api.call("GET", f"/v2/batches?limit={limit}").status == 400


@guessed("the table of error codes")
@pytest.mark.parametrize("path", ["/task?task_id=", "/batch?batch_id=", "/project?project_id="])
def test_an_unknown_id_of_v2_is_not_found(path: str, api: Target) -> None:
    assert api.call("GET", f"/v2{path}{api.task_id()}").status == 404


@guessed("as for the lists of v1")
def test_a_list_of_v2_in_an_unknown_project_is_empty(api: Target) -> None:
    assert look(api, "/tasks", project_name=api.name())["tasks"] == []


@guessed("as for the parameters of v1")
def test_a_creation_in_an_unknown_project_of_v2_is_400(api: Target) -> None:
    assert ask(api, "/task/chat", project_name=api.name()).status == 400


@documented(GENAI)
def test_a_unique_id_can_be_used_once_in_v1_and_v2(api: Target) -> None:
    project, unique_id = chats(api), api.name()
    chat(api, project, unique_id=unique_id)
    assert ask(api, "/task/chat", project_name=project, unique_id=unique_id).status == 409


@documented(MODELS)
def test_a_schema_id_of_another_form_is_400(api: Target) -> None:
    assert api.call("GET", "/v2/schema?schema_id=x").status == 400
    assert api.call("GET", f"/v2/schema?schema_id={api.task_id()}").status == 404


@documented(GENAI)
def test_a_delivery_lists_its_tasks(steered: Target) -> None:
    project = chats(steered)
    task = chat(steered, project)["task_id"]
    other = chat(steered, project)["task_id"]
    steered.world.tasks.complete(task)
    steered.world.deliveries.create([task], name="first")
    [delivery] = look(steered, "/deliveries", project_name=project)["deliveries"]
    assert (delivery["name"], delivery["task_count"]) == ("first", 1)
    page = look(steered, "/delivery", delivery_id=delivery["id"])
    assert [it["task_id"] for it in page["tasks"]] == [task]
    docs = look(steered, "/delivery/tasks", project_name=project)
    ids = {it["task_id"]: it["delivery_id"] for it in docs["docs"]}
    assert ids == {task: delivery["id"], other: None}
    assert docs["total"] == 2
