from typing import Any

import pytest
import time_machine

from fakescale import FakeScale
from fakescale.account.projects import Projects
from fakescale.values.errors import BadRequest, Conflict, NotFound
from tests.support import Caller

BODY: Any = {"type": "imageannotation", "name": "a b/ü"}
PATH = "/projects/a%20b%2F%C3%BC"


@pytest.fixture
def projects(fake: FakeScale) -> Projects:
    return fake.projects


def test_a_project_is_printed_as_documented(live: Caller, noon: time_machine.Traveller) -> None:
    created_at = "2024-02-29T12:00:00.000Z"
    body = {**BODY, "params": {"instruction": "Label."}, "rapid": False, "datasetId": None}
    version = {"instruction": "Label.", "version": 0, "created_at": created_at}
    printed = {**BODY, "param_history": [version], "created_at": created_at}
    assert live("POST", "/projects", body).json == printed
    assert live.get(PATH) == printed
    assert live.get("/projects") == [printed]


def test_a_project_without_params_has_no_history(live: Caller) -> None:
    assert live("POST", "/projects", {**BODY, "params": None}).json["param_history"] == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"name": "x"}, '"type" is required'),
        ({"type": "chat"}, '"name" is required'),
        ({"type": "kittens", "name": "x"}, '(got "kittens")'),
        ({"type": "chat", "name": ""}, '"name" is not allowed to be empty'),
        ({"type": "chat", "name": "x", "params": []}, '"params" must be of type object'),
        ({"type": "chat", "name": "x", "rapid": True, "studio": True}, '"studio"'),
        ({"type": "chat", "name": "x", "self": 5, "rapid": "maybe"}, '"rapid"'),
        ([], '"value" must be of type object'),
    ],
)
def test_a_bad_project_is_refused(live: Caller, body: Any, says: str) -> None:
    reply = live("POST", "/projects", body)
    assert reply.status == 400
    assert says in reply.error
    assert live.get("/projects") == []


def test_a_name_is_unique_within_a_world(live: Caller, test_mode: Caller) -> None:
    assert live("POST", "/projects", BODY).status == 200
    assert test_mode("POST", "/projects", BODY).status == 200
    reply = live("POST", "/projects", {**BODY, "type": "chat"})
    assert (reply.status, live.get(PATH)["type"]) == (409, "imageannotation")
    assert "a b/ü" in reply.error


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("POST", "/setParams"), ("POST", "/setOntology"), ("GET", "/taskTemplates")],
)
def test_an_unknown_project_is_not_found(live: Caller, method: str, path: str) -> None:
    body: dict[str, Any] = {"ontology": []} if path == "/setOntology" else {}
    reply = live(method, f"/projects/x%2Fy{path}", body)
    assert (reply.status, reply.error) == (404, 'Project "x/y" not found.')


def test_setting_params_adds_a_version(live: Caller, noon: time_machine.Traveller) -> None:
    live("POST", "/projects", {**BODY, "params": {"instruction": "a", "padding": 1}})
    noon.shift(1)
    history = live("POST", f"{PATH}/setParams", {"padding": 2}).json["param_history"]
    assert history[1] == {"padding": 2, "version": 1, "created_at": "2024-02-29T12:00:01.000Z"}
    assert history[0]["padding"] == 1
    assert live("POST", f"{PATH}/setParams").json["param_history"][2].keys() == {
        "version",
        "created_at",
    }


def test_a_patch_keeps_other_params_and_replaces_whole_values(projects: Projects) -> None:
    projects.create(**BODY, params={"a": 1, "b": {"x": 1, "y": 2}, "c": [1, 2]})
    project = projects.set_params(BODY["name"], {"b": {"x": 3}, "c": [4]}, patch=True)
    assert project.params() == {"a": 1, "b": {"x": 3}, "c": [4]}
    assert project.params(0) == {"a": 1, "b": {"x": 1, "y": 2}, "c": [1, 2]}


@pytest.mark.parametrize("patch", [True, "true", None, False])
def test_the_patch_flag_is_not_a_parameter(live: Caller, patch: Any) -> None:
    live("POST", "/projects", {**BODY, "params": {"a": 1}})
    newest = live("POST", f"{PATH}/setParams", {"b": 2, "patch": patch}).json["param_history"][-1]
    assert ("a" in newest, "patch" in newest) == (patch in (True, "true"), False)


def test_a_bad_patch_flag_adds_no_version(live: Caller) -> None:
    live("POST", "/projects", BODY)
    assert live("POST", f"{PATH}/setParams", {"patch": "perhaps"}).status == 400
    assert live.get(PATH)["param_history"] == []


def test_projects_can_be_listed_by_archived(live: Caller, projects: Projects) -> None:
    for name in ("one", "two"):
        projects.create(type="chat", name=name)
    projects.archive("one")
    names = {
        query: [project["name"] for project in live.get(f"/projects{query}")]
        for query in ("", "?archived=", "?archived=true", "?archived=False")
    }
    assert list(names.values()) == [["one", "two"], ["one", "two"], ["one"], ["two"]]
    assert live("GET", "/projects?archived=x").status == 400
    projects.archive("one", archived=False)
    assert live.get("/projects?archived=true") == []


def test_the_choices_of_an_ontology_must_differ(live: Caller) -> None:
    live("POST", "/projects", BODY)
    ontology = ["a", {"choice": "b", "subchoices": ["a"]}]
    reply = live("POST", f"{PATH}/setOntology", {"ontology": ontology, "name": "mine"})
    assert (reply.status, reply.json["ontology"]) == (200, ontology)
    for bad in (["a", "a"], ["a", {"choice": "a"}], "a", [5], None):
        assert live("POST", f"{PATH}/setOntology", {"ontology": bad}).status == 400
    assert live.get(PATH)["ontology"] == ontology
    nameless = [{"title": "x"}, {"title": "y"}]
    assert live("POST", f"{PATH}/setOntology", {"ontology": nameless}).status == 200


def test_only_some_types_have_task_templates(live: Caller, projects: Projects) -> None:
    projects.create(**BODY)
    projects.create(type="textcollection", name="text")
    assert live("GET", f"{PATH}/taskTemplates").status == 400
    assert live("GET", "/projects/text/taskTemplates").status == 404
    projects.set_template("text", {"prompt": "?"}, response_schema={"type": "object"})
    first = live.get("/projects/text/taskTemplates")
    assert (first["version"], first["template_variables"]) == (0, {"prompt": "?"})
    assert first["auto_onboard_enabled"] is False
    projects.set_template("text", {})
    assert live.get("/projects/text/taskTemplates") == {
        **{n: v for n, v in first.items() if n != "response_schema"},
        "version": 1,
        "template_variables": {},
        "updated_at": live.get("/projects/text/taskTemplates")["updated_at"],
    }


def test_types_and_models_are_shown_by_v2_once_they_are_set(
    live: Caller, projects: Projects
) -> None:
    projects.create(type="chat", name="c")
    plain = live.get("/v2/project?project_name=c")
    assert set(plain) == {"id", "name", "created_at"}
    projects.describe("c", types=["SFT", "a type of tomorrow"])
    assert projects.describe("c", models=[]).types == ["SFT", "a type of tomorrow"]
    seen = {**plain, "types": ["SFT", "a type of tomorrow"], "models": []}
    assert live.get("/v2/project?project_name=c") == seen
    assert live.get("/v2/projects")["projects"] == [seen]
    assert "types" not in live.get("/projects/c")
    with pytest.raises(BadRequest, match=r'"types\[1\]" must be'):
        projects.describe("c", types=["SFT", 5])  # type: ignore[list-item]
    with pytest.raises(BadRequest, match='"models" must be'):
        projects.describe("c", models=5)  # type: ignore[arg-type]
    assert live.get("/v2/projects")["projects"] == [seen]


def test_projects_are_a_collection(projects: Projects) -> None:
    made = [projects.create(type="chat", name=name) for name in "ab"]
    assert (list(projects), len(projects)) == (made, 2)
    assert "a" in projects
    assert "c" not in projects
    with pytest.raises(NotFound):
        projects.get("c")
    with pytest.raises(Conflict):
        projects.create(type="chat", name="a")
    with pytest.raises(BadRequest, match='"name" must be a string'):
        projects.create(5, type="chat")  # type: ignore[arg-type]
