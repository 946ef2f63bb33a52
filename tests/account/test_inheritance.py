from typing import Any

import pytest

from fakescale import FakeScale
from fakescale.values.errors import BadRequest, NotFound
from tests.support import ABSENT, Caller, example

PARAMS = {"instruction": "Of the project.", "geometries": {"box": {}}, "padding": 3}
URL = {"attachment": "https://example.com/1.jpg"}


@pytest.fixture
def homes(fake: FakeScale) -> FakeScale:
    fake.projects.create(type="imageannotation", name="p", params=PARAMS)
    fake.projects.create(type="imageannotation", name="q")
    fake.projects.create(type="imageannotation", name="rapid", rapid=True)
    fake.batches.create(project="p", name="b")
    fake.batches.create(project="rapid", name="r")
    return fake


def test_a_task_inherits_missing_members_before_it_is_validated(
    homes: FakeScale, live: Caller
) -> None:
    task = live("POST", "/task/imageannotation", {"project": "p", **URL}).json
    assert task["params"].items() >= {**URL, "padding": 3}.items()
    assert task["params"]["geometries"].keys() == {"box"}
    assert (task["instruction"], task["project"]) == ("Of the project.", "p")
    assert task["project_param_version"] == 0


def test_a_task_overrides_its_project_and_instructions_are_joined(homes: FakeScale) -> None:
    task = homes.tasks.create("imageannotation", project="p", instruction="Mine.", padding=7, **URL)
    assert task.params["padding"] == 7
    assert task.instruction == "Mine.\nOf the project."
    nulls = homes.tasks.create(
        "imageannotation", project="p", instruction=None, padding=None, **URL
    )
    assert (nulls.params["padding"], nulls.instruction) == (3, "Of the project.")


@pytest.mark.parametrize("name", ["project_version", "project_param_version"])
@pytest.mark.parametrize("as_text", [False, True])
def test_a_task_can_request_an_older_version(homes: FakeScale, name: str, as_text: bool) -> None:
    homes.projects.set_params("p", {"geometries": {"line": {}}})
    newest = homes.tasks.create("imageannotation", project="p", **URL)
    assert (newest.params["geometries"].keys(), newest.project_param_version) == ({"line"}, 1)
    version: Any = "0" if as_text else 0
    older = homes.tasks.create("imageannotation", project="p", **{name: version}, **URL)
    assert (older.params["padding"], older.project_param_version) == (3, 0)
    assert name not in older.params
    for bad in (2, -2, "x", 1.5):
        with pytest.raises(BadRequest, match="version"):
            homes.tasks.create("imageannotation", project="p", **{name: bad}, **URL)


def test_version_minus_one_inherits_nothing(homes: FakeScale) -> None:
    with pytest.raises(BadRequest, match='"geometries" is required'):
        homes.tasks.create("imageannotation", project="p", project_version=-1, **URL)
    geometries: dict[str, Any] = {"point": {}}
    task = homes.tasks.create(
        "imageannotation", project="p", project_version=-1, geometries=geometries, **URL
    )
    assert (task.instruction, task.project_param_version) == (None, None)


def test_a_project_without_params_passes_nothing_on(homes: FakeScale) -> None:
    task = homes.tasks.create("imageannotation", project="q", geometries={"box": {}}, **URL)
    assert "project_param_version" not in task.to_json()


def test_a_batch_implies_its_project(homes: FakeScale) -> None:
    for project in ({}, {"project": "p"}):
        task = homes.tasks.create("imageannotation", batch="b", **project, **URL)
        assert (task.project, task.batch, task.params["padding"]) == ("p", "b", 3)
    assert [task.batch for task in homes.tasks.list(project="p", batch="b")] == ["b", "b"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"project": "nothing"}, '"project" must be the name of a project (got "nothing")'),
        ({"batch": "nothing"}, '"batch" must be the name of a batch (got "nothing")'),
        ({"batch": "b", "project": "q"}, '"project" must be that of the batch, "p" (got "q")'),
        ({"project": "rapid"}, '"batch" is required'),
        ({"project": 5}, '"project" must be a string'),
        ({"batch": ""}, '"batch" is not allowed to be empty'),
        ({"project": ["p"]}, '"project" must be a string'),
    ],
)
def test_a_bad_batch_or_project_is_refused(
    homes: FakeScale, live: Caller, body: Any, says: str
) -> None:
    reply = live("POST", "/task/imageannotation", example("imageannotation", **body))
    assert reply.status == 400
    assert says in reply.error
    assert len(homes.tasks) == 0


def test_a_task_must_have_the_type_of_its_project(homes: FakeScale) -> None:
    with pytest.raises(BadRequest, match='"project" must be a project of type chat'):
        homes.tasks.create("chat", project="p")
    homes.projects.create(type="categorize", name="c")
    body = example("categorization", project="c")
    assert homes.tasks.create("categorize", **body).type == "categorization"


def test_an_unknown_type_is_not_found_even_in_an_unknown_project(homes: FakeScale) -> None:
    with pytest.raises(NotFound):
        homes.tasks.create("kittens", project="nothing")  # type: ignore[arg-type]


def test_worlds_share_no_projects(homes: FakeScale, test_mode: Caller) -> None:
    reply = test_mode("POST", "/task/imageannotation", {"project": "p", **URL})
    assert (reply.status, "name of a project" in reply.error) == (400, True)


def test_a_member_that_the_project_lacks_is_still_required(homes: FakeScale) -> None:
    with pytest.raises(BadRequest, match="attachment"):
        homes.tasks.create("imageannotation", **example("imageannotation", attachment=ABSENT))


def test_loading_a_task_creates_its_project_and_batch(fake: FakeScale, homes: FakeScale) -> None:
    printed = homes.tasks.create("imageannotation", batch="b", **URL).to_json()
    other = FakeScale()
    other.tasks.load([printed])
    assert other.projects.get("p").type == "imageannotation"
    assert other.batches.get("b").status_json()["pending"] == 1
    homes.tasks.load([{**printed, "task_id": "x"}])
    assert homes.batches.get("b").status_json()["pending"] == 2


def test_a_task_never_inherits_its_identity_or_place(fake: FakeScale) -> None:
    params = {"batch": "b", "unique_id": "u", "project": "x", "project_version": 7}
    fake.projects.create(type="chat", name="p", params={**params, "project_param_version": 7})
    for _ in range(2):
        task = fake.tasks.create("chat", project="p")
        assert (task.project, task.batch, task.unique_id) == ("p", None, None)
        assert (task.project_param_version, task.params.keys() & params.keys()) == (0, set())
