"""Facts about projects, batches, files and the team, one test each.

The file is over 300 lines because each fact is a test of its own.
"""

import re
from typing import Any

import pytest

from fakescale.contract.asking import (
    BODY,
    TYPE,
    Things,
    get,
    make,
    make_batch,
    make_project,
    ok,
    post,
    quoted,
)
from fakescale.contract.assumptions import (
    BATCHES,
    CLIENT,
    DOWNLOADER,
    FILES,
    NODE,
    PARAMETER,
    PROJECTS,
    README,
    REQUIRED,
    SCRIPTS,
    TESTS,
    THIRD,
    Row,
    creations,
    documented,
    guessed,
    observed,
    rows,
)
from fakescale.contract.target import ABSENT, Target

SINGLE = [
    *rows(
        "documented",
        ("a project can be retrieved by its name", CLIENT, "GET /projects/{project}", 200),
        ("a batch can be asked for its status", CLIENT, "GET /batches/{batch}/status", 200),
        (
            "a project name can be used only once",
            README,
            "POST /projects",
            409,
            {"type": TYPE, "name": "{project}"},
        ),
        (
            "a batch name can be used only once, even in another project",
            BATCHES,
            "POST /batches",
            409,
            {"project": "{project}", "name": "{batch}"},
        ),
    ),
    *rows(
        "observed",
        ("an unknown project is not found", TESTS, "GET /projects/{new}", 404),
        (
            "a batch of a project that is neither Rapid nor Studio can be finalized",
            TESTS,
            "POST /batches/{batch}/finalize",
            200,
        ),
        (
            "a batch may have all members that the client always sends",
            CLIENT,
            "POST /batches",
            200,
            {
                "project": "{project}",
                "name": "{new}",
                "callback": "",
                "calibration_batch": False,
                "self_label_batch": False,
                "metadata": {},
            },
        ),
        (
            "a project may have all members that the client always sends",
            CLIENT,
            "POST /projects",
            200,
            {
                "type": TYPE,
                "name": "{new}",
                "params": None,
                "datasetId": None,
                "rapid": False,
                "studio": False,
            },
        ),
        (
            "a batch may have unknown members",
            "a third-party client",
            "POST /batches",
            200,
            {"project": "{project}", "name": "{new}", "callback_url": "http://example.com/"},
        ),
        (
            "batches can be prioritized",
            THIRD,
            "POST /batches/{batch}/prioritize",
            200,
            {"priority": 10},
        ),
        (
            "the client's exclude_archived is accepted",
            CLIENT,
            "GET /batches?exclude_archived=False&limit=1",
            200,
        ),
    ),
    *rows(
        "guessed",
        ("an unknown batch is not found", "like an unknown project", "GET /batches/{new}", 404),
        (
            "the status of an unknown batch is not found",
            "like an unknown project",
            "GET /batches/{new}/status",
            404,
        ),
        ("a batch needs a name", REQUIRED, "POST /batches", 400, {"project": "{project}"}),
        ("a batch needs a project", REQUIRED, "POST /batches", 400, {"name": "{new}"}),
        (
            "a batch of an unknown project is refused with 400",
            PARAMETER,
            "POST /batches",
            400,
            {"project": "{new}", "name": "{new}"},
        ),
        (
            "an unknown project has no batches",
            "like tasks",
            "GET /batches?project={new}",
            200,
        ),
        ("the limit of batches is from 1 to 100", "like tasks", "GET /batches?limit=101", 400),
        ("the offset of batches must not be negative", "like tasks", "GET /batches?offset=-1", 400),
        (
            "the priority of a batch is from 10 to 30",
            THIRD,
            "POST /batches/{batch}/prioritize",
            400,
            {"priority": 31},
        ),
        ("a project needs a name", REQUIRED, "POST /projects", 400, {"type": TYPE}),
        ("a project needs a type", REQUIRED, "POST /projects", 400, {"name": "{new}"}),
        (
            "a project of an unknown type is refused with 400",
            PARAMETER,
            "POST /projects",
            400,
            {"type": "{new}", "name": "{new}"},
        ),
        (
            "a project cannot be both Rapid and Studio",
            "they exclude each other",
            "POST /projects",
            400,
            {"type": TYPE, "name": "{new}", "rapid": True, "studio": True},
        ),
        (
            "setting parameters of an unknown project is a 404",
            "like looking it up",
            "POST /projects/{new}/setParams",
            404,
            {},
        ),
        ("a project may have no template", CLIENT, "GET /projects/{texts}/taskTemplates", 404),
        (
            "only projects of some types have a template",
            CLIENT,
            "GET /projects/{project}/taskTemplates",
            400,
        ),
        (
            "an ontology must not repeat a choice",
            NODE,
            "POST /projects/{project}/setOntology",
            400,
            {"ontology": ["a", "a"]},
        ),
        ("a list of files needs a project", FILES, "GET /files", 400),
        ("labelers' results need tasks or labelers", THIRD, "GET /quality/labelers", 400),
        ("an upload without a file is refused", "nothing to upload", "POST /files/upload", 400),
        ("an import without a file_url is refused", FILES, "POST /files/import", 400, {}),
        (
            "a training task needs an expected response",
            CLIENT,
            "POST /training_tasks/textcollection",
            400,
            {"project": "{project}"},
        ),
        (
            "an evaluation task needs an expected response",
            CLIENT,
            "POST /evaluation_tasks/textcollection",
            400,
            {"project": "{project}"},
        ),
    ),
    *creations(
        "guessed",
        (
            "an unknown version of the params is refused",
            PARAMETER,
            400,
            {"project": "{project}", "project_version": 7},
        ),
    ),
]


@pytest.mark.parametrize("row", SINGLE, ids=lambda row: row.assumption.law)
def test_a_single_request(row: Row, api: Target) -> None:
    assert Things(api).ask(row.request, row.body).status == row.status


# Projects


@documented(f"{PROJECTS}; {CLIENT}")
def test_a_project_has_name_type_time_and_the_history_of_its_params(api: Target) -> None:
    name = make_project(api, params={"instruction": "Look."})
    project = get(api, f"/projects/{quoted(name)}")
    assert (project["name"], project["type"]) == (name, TYPE)
    [version] = project["param_history"]
    assert (version["instruction"], version["version"]) == ("Look.", 0)
    assert version["created_at"] == project["created_at"]


@documented(f"{CLIENT}; the page shows one object")
def test_the_list_of_projects_is_an_array(api: Target) -> None:
    name = make_project(api)
    projects = get(api, "/projects")
    assert name in [project["name"] for project in projects]


@documented(README)
def test_setting_params_adds_a_version(api: Target) -> None:
    path = f"/projects/{quoted(make_project(api, params={'a': 1, 'b': [1]}))}/setParams"
    project = ok(api.call("POST", path, {"b": [2]}))
    assert [version["version"] for version in project["param_history"]] == [0, 1]
    assert "a" not in project["param_history"][-1]


@documented(CLIENT)
def test_patch_keeps_the_other_params_and_is_not_stored(api: Target) -> None:
    path = f"/projects/{quoted(make_project(api, params={'a': 1, 'b': [1, 2]}))}/setParams"
    version = ok(api.call("POST", path, {"b": [3], "patch": True}))["param_history"][-1]
    assert (version["a"], version["b"]) == (1, [3])
    assert "patch" not in version


@guessed("the official client sends no body for {}")
def test_setting_params_without_a_body_adds_an_empty_version(api: Target) -> None:
    path = f"/projects/{quoted(make_project(api, params={'a': 1}))}/setParams"
    history = ok(api.call("POST", path))["param_history"]
    assert history[-1].keys() == {"version", "created_at"}


@guessed("the official client quotes the name")
@pytest.mark.parametrize("odd", [" and a/b", "ü,?#%"])
def test_a_project_may_have_any_name(odd: str, api: Target) -> None:
    name = api.name(odd)
    ok(api.call("POST", "/projects", {"type": TYPE, "name": name}))
    assert get(api, f"/projects/{quoted(name)}")["name"] == name


@documented(f"{PROJECTS}; {NODE}")
def test_a_task_inherits_the_newest_params_and_its_own_win(api: Target) -> None:
    params = {"categories": ["x", "y"], "instruction": "of the project"}
    project = make_project(api, params=params)
    made = make(api, project=project, categories=ABSENT, instruction="of the task")
    assert made["params"]["categories"] == ["x", "y"]
    assert re.match("of the task.*of the project", made["instruction"], re.DOTALL)
    assert make(api, project=project)["params"]["categories"] == BODY["categories"]


@observed("a published list of tasks of 2023")
def test_a_task_has_its_project_and_the_version_of_its_params(api: Target) -> None:
    project = make_project(api, params={"a": 1})
    made = make(api, project=project)
    assert (made["project"], made["project_param_version"]) == (project, 0)


@observed(f"{NODE} for one name, a user's code for the other")
@pytest.mark.parametrize("name", ["project_version", "project_param_version"])
def test_a_task_may_ask_for_an_older_version(name: str, api: Target) -> None:
    project = make_project(api, params={"colour": "red"})
    path = f"/projects/{quoted(project)}/setParams"
    ok(api.call("POST", path, {"colour": "blue"}))
    made = make(api, project=project, **{name: 0})
    assert (made["params"]["colour"], made["project_param_version"]) == ("red", 0)
    assert make(api, project=project)["params"]["colour"] == "blue"


@documented(NODE)
def test_version_minus_one_ignores_the_params_of_the_project(api: Target) -> None:
    project = make_project(api, params={"colour": "red"})
    assert "colour" not in make(api, project=project, project_version=-1)["params"]


# Batches


@documented(f"{CLIENT}; {NODE}")
def test_a_batch_has_name_project_status_time_and_metadata(api: Target) -> None:
    project = make_project(api)
    name = make_batch(api, project)
    batch = get(api, f"/batches/{quoted(name)}")
    assert (batch["name"], batch["project"], batch["metadata"]) == (name, project, {})
    assert batch["created_at"]


@observed(TESTS)
def test_a_batch_starts_in_progress_and_finalizing_changes_nothing(api: Target) -> None:
    path = f"/batches/{quoted(make_batch(api))}"
    assert get(api, path)["status"] == "in_progress"
    for _ in range(2):
        assert ok(api.call("POST", f"{path}/finalize"))["status"] == "in_progress"


@documented("batches overview of the reference")
def test_a_batch_of_a_rapid_project_is_staged_until_it_is_finalized(steered: Target) -> None:
    path = f"/batches/{make_batch(steered, make_project(steered, rapid=True))}"
    assert get(steered, path)["status"] == "staging"
    assert ok(steered.call("POST", f"{path}/finalize"))["status"] == "in_progress"


@observed(SCRIPTS)
def test_a_rapid_batch_cannot_be_finalized_twice(steered: Target) -> None:
    path = f"/batches/{make_batch(steered, make_project(steered, rapid=True))}/finalize"
    assert [steered.call("POST", path).status for _ in range(2)] == [200, 400]


@documented("batches overview of the reference")
def test_a_finalized_batch_accepts_no_tasks(steered: Target) -> None:
    batch = make_batch(steered, make_project(steered, rapid=True))
    assert post(steered, batch=batch).status == 200
    ok(steered.call("POST", f"/batches/{batch}/finalize"))
    assert post(steered, batch=batch).status == 400


@documented("batches overview of the reference")
def test_a_batch_is_completed_with_its_last_task(steered: Target) -> None:
    batch = make_batch(steered)
    made = [make(steered, batch=batch)["task_id"] for _ in range(2)]
    statuses = []
    for task_id in made:
        steered.world.tasks.complete(task_id)
        statuses.append(get(steered, f"/batches/{batch}")["status"])
    assert statuses == ["in_progress", "completed"]


@guessed("they will never be done")
def test_canceled_and_failed_tasks_do_not_keep_a_batch_in_progress(steered: Target) -> None:
    batch = make_batch(steered)
    first, second = (make(steered, batch=batch)["task_id"] for _ in range(2))
    steered.world.tasks.fail(first)
    ok(steered.call("POST", f"/task/{second}/cancel"))
    assert get(steered, f"/batches/{batch}")["status"] == "completed"


@guessed("otherwise any task in test mode would close its batch")
def test_a_completed_batch_accepts_a_task_and_is_in_progress_again(steered: Target) -> None:
    batch = make_batch(steered)
    steered.world.tasks.complete(make(steered, batch=batch)["task_id"])
    make(steered, batch=batch)
    assert get(steered, f"/batches/{batch}")["status"] == "in_progress"


@documented(f"{CLIENT}; {NODE}; third parties use other names")
def test_the_status_of_a_batch_counts_its_tasks_by_status(steered: Target) -> None:
    batch = make_batch(steered)
    made = [make(steered, batch=batch)["task_id"] for _ in range(4)]
    steered.world.tasks.complete(made[0])
    steered.world.tasks.fail(made[1])
    ok(steered.call("POST", f"/task/{made[2]}/cancel"))
    status = get(steered, f"/batches/{batch}/status")
    counters = {name: status[name] for name in ("pending", "completed", "error", "canceled")}
    assert counters == dict.fromkeys(counters, 1)
    assert status["status"] == "in_progress"


@documented(f"{CLIENT}: totalDocs; {NODE}: total")
def test_a_page_of_batches_has_both_names_for_the_count(api: Target) -> None:
    project = make_project(api)
    made = [make_batch(api, project) for _ in range(3)]
    page = get(api, f"/batches?project={quoted(project)}&limit=2")
    assert [batch["name"] for batch in page["docs"]] == made[:0:-1]
    assert page["totalDocs"] == page["total"] == 3
    assert (page["limit"], page["offset"], page["has_more"]) == (2, 0, True)
    rest = get(api, f"/batches?project={quoted(project)}&limit=2&offset=2")
    assert [batch["name"] for batch in rest["docs"]] == made[:1]


@observed(DOWNLOADER)
def test_a_page_of_batches_says_how_many_pages_there_are(api: Target) -> None:
    project = make_project(api)
    made = [make_batch(api, project) for _ in range(3)]
    path = f"/batches?project={quoted(project)}&limit=2"
    page = get(api, path)
    assert (page["totalPages"], page["hasNextPage"], page["nextPage"]) == (2, True, 2)
    rest = get(api, f"{path}&offset=2")
    assert (rest["totalPages"], rest["hasNextPage"], rest["nextPage"]) == (2, False, None)
    assert [batch["name"] for batch in rest["docs"]] == made[:1]


@guessed("a client that follows nextPage must name it somehow")
def test_a_page_of_batches_is_chosen_by_its_number(api: Target) -> None:
    project = make_project(api)
    made = [make_batch(api, project) for _ in range(3)]
    page = get(api, f"/batches?project={quoted(project)}&limit=2&page=2")
    assert [batch["name"] for batch in page["docs"]] == made[:1]


@guessed("the metadata of a task is replaced")
def test_metadata_of_a_batch_is_replaced_not_merged(api: Target) -> None:
    path = f"/batches/{quoted(make_batch(api))}"
    for metadata in ({"a": 1}, {"b": 2}):
        batch = ok(api.call("POST", f"{path}/setMetadata", metadata))
        assert batch["metadata"] == metadata
    assert get(api, path)["metadata"] == {"b": 2}


@documented(f"{CLIENT}: it quotes every character")
def test_a_batch_may_have_a_slash_in_its_name(api: Target) -> None:
    name = api.name("/b c")
    body = {"project": make_project(api), "name": name}
    ok(api.call("POST", "/batches", body))
    assert get(api, f"/batches/{quoted(name)}/status")["status"] == "in_progress"


@guessed("an empty batch must be able to be in progress")
def test_an_empty_staging_batch_can_be_finalized(steered: Target) -> None:
    batch = make_batch(steered, make_project(steered, studio=True))
    finalized = ok(steered.call("POST", f"/batches/{batch}/finalize"))
    assert finalized["status"] == "in_progress"


# Files


def upload(api: Target, *parts: str) -> Any:
    """Upload a small file in a form with more parts."""
    head = 'Content-Disposition: form-data; name="file"; filename="a.txt"'
    body = "".join(f"--X\r\n{part}\r\n" for part in (f"{head}\r\n\r\nhello", *parts)) + "--X--\r\n"
    headers: dict[str, str | None] = {"Content-Type": "multipart/form-data; boundary=X"}
    return api.call("POST", "/files/upload", data=body.encode(), headers=headers)


@observed(f"{TESTS}; {README}")
def test_an_upload_has_an_id_and_an_attachment_url(api: Target) -> None:
    file = ok(upload(api))
    assert re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", file["id"])
    assert file["attachment_url"].startswith("scaledata://")
    assert file["id"] not in file["attachment_url"]


@observed(TESTS)
def test_an_import_has_an_id_and_an_attachment_url(api: Target) -> None:
    body = {"file_url": "https://example.com/a.png", "display_name": api.name()}
    file = ok(api.call("POST", "/files/import", body))
    assert file["id"]
    assert file["attachment_url"].startswith("scaledata://")


@documented(FILES)
def test_a_reference_id_can_be_used_only_once(api: Target) -> None:
    part = f'Content-Disposition: form-data; name="reference_id"\r\n\r\n{api.name()}'
    assert [upload(api, part).status for _ in range(2)] == [200, 409]


# Team


@observed(TESTS)
def test_a_team_is_never_empty(api: Target) -> None:
    team = get(api, "/teams")
    assert team
    assert all({"email", "role"} <= member.keys() for member in team)
