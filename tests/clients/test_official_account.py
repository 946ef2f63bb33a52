"""The official client against the served fake: its methods other than those about tasks."""

import io
import json

import pytest
import scaleapi
from scaleapi.batches import BatchStatus
from scaleapi.exceptions import (
    ScaleDuplicateResource,
    ScaleInvalidRequest,
    ScaleNotEnabled,
    ScaleResourceNotFound,
    ScaleUnauthorized,
)
from scaleapi.tasks import TaskType
from scaleapi.teams import TeammateRole

from fakescale import FakeScale
from tests.support import example


@pytest.fixture
def client(served: FakeScale) -> scaleapi.ScaleClient:
    return scaleapi.ScaleClient(served.api_key, api_instance_url=served.url)


def test_projects(served: FakeScale, client: scaleapi.ScaleClient) -> None:
    with pytest.raises(ScaleResourceNotFound):
        client.get_project("a b/ü")
    made = client.create_project("a b/ü", TaskType.TextCollection, {"instruction": "one"})
    assert (made.name, made.type, made.version) == ("a b/ü", "textcollection", 0)
    with pytest.raises(ScaleDuplicateResource):
        client.create_project("a b/ü", TaskType.TextCollection)
    project = client.get_project("a b/ü")
    project = client.update_project(project.name, patch=True, title="two")
    assert (project.version, project.instruction, project.params["title"]) == (1, "one", "two")
    assert client.update_project("a b/ü", instruction="three").instruction == "three"
    assert [it.name for it in client.projects()] == [it.name for it in client.get_projects()]
    served.projects.set_template("a b/ü", {"x": 1}, response_schema={})
    assert project.get_template().get_response_schema() == {}
    assert client.get_project_template("a b/ü").template_variables == {"x": 1}


def test_batches(served: FakeScale, client: scaleapi.ScaleClient) -> None:
    client.create_project("p", TaskType.Chat)
    names = ["b/1", "b 2", "b3", "b4"]
    for name in names:
        batch = client.create_batch("p", name, callback="http://e.com", metadata={"k": name})
        assert (batch.name, batch.status) == (name, BatchStatus.InProgress.value)
    with pytest.raises(ScaleDuplicateResource):
        client.create_batch("p", "b/1")
    newest = client.batches(limit=3)
    assert [batch.name for batch in newest] == names[:0:-1]
    assert newest.total == 4
    assert [batch.name for batch in client.get_batches("p")] == names[::-1]
    batch = client.get_batch("b/1")
    batch.finalize()
    client.finalize_batch("b/1")
    assert client.set_batch_metadata("b/1", {"n": 1}).metadata == {"n": 1}
    client.create_task(TaskType.Chat, **example("chat", batch="b/1"))
    assert client.batch_status("b/1")["pending"] == 1
    batch.get_status()
    assert batch.tasks_pending == 1
    assert served.batches.get("b/1").counts == {"pending": 1}


def test_files(served: FakeScale, client: scaleapi.ScaleClient) -> None:
    served.files.keep_content = True
    file = client.upload_file(
        io.BytesIO(b"hello"),
        project_name="p",
        reference_id="r",
        metadata=json.dumps({"k": "v"}),
    )
    assert served.files.get(file.id).content == b"hello"
    assert served.files.get(file.id).metadata == {"k": "v"}
    with pytest.raises(ScaleDuplicateResource):
        client.upload_file(io.BytesIO(b"hello"), reference_id="r")
    imported = client.import_file("https://e.com/a.png", project_name="p")
    assert imported.as_dict()["project_names"] == ["p"]
    for attachment in (file.attachment_url, imported.attachment_url):
        body = example("imageannotation", attachment=attachment)
        task = client.create_task(TaskType.ImageAnnotation, **body)
        assert task.params["attachment"] == attachment
    with pytest.raises(ScaleInvalidRequest):
        client.import_file("")


def test_teams(client: scaleapi.ScaleClient) -> None:
    [admin] = client.list_teammates()
    assert admin.role == TeammateRole.Admin.value
    _, invited = client.invite_teammates(["a@e.com"], TeammateRole.Labeler)
    assert (invited.email, invited.role, invited.is_studio_labeler) == ("a@e.com", "labeler", True)
    assert invited.expiry
    assert client.update_teammates_role(["a@e.com"], TeammateRole.Manager)[1].role == "manager"
    assert invited.update_teammate_role(TeammateRole.Member)[1].role == "member"
    with pytest.raises(ScaleInvalidRequest):
        client.update_teammates_role([admin.email], TeammateRole.Member)
    with pytest.raises(ScaleResourceNotFound):
        client.update_teammates_role(["nobody@e.com"], TeammateRole.Member)


def test_studio(served: FakeScale, client: scaleapi.ScaleClient) -> None:
    emails = ["a@e.com", "b@e.com"]
    for email in emails:
        served.teammates.add(email)
    client.create_project("p/1", TaskType.Chat, studio=True)
    assert client.list_studio_assignments()["a@e.com"].assigned_projects == []
    added = client.add_studio_assignments(emails, ["p/1"])
    assert added["b@e.com"].assigned_projects == ["p/1"]
    group = client.create_project_group("p/1", ["a@e.com"], "g/1")
    assert (group.name, group.numWorkers, group.isSingleton) == ("g/1", 1, False)
    changed = client.update_project_group("p/1", "g/1", ["b@e.com"], ["a@e.com"])
    assert [worker.email for worker in changed.workers[0]] == ["b@e.com"]
    assert [it.id for it in client.list_project_groups("p/1")] == [group.id]
    for name in ("x/1", "y"):
        client.create_batch("p/1", name)
    assert client.assign_studio_batches("x/1", ["g/1", "a@e.com"]).groups == ["g/1", "a@e.com"]
    assert [it.name for it in client.list_studio_batches()] == ["x/1", "y"]
    ordered = client.set_studio_batches_priorities(["y", "x/1"])
    assert [(it.name, it.studio_priority) for it in ordered] == [("y", 1), ("x/1", 2)]
    assert [it.name for it in client.reset_studio_batches_priorities()] == ["x/1", "y"]
    assert client.remove_studio_assignments(emails, ["p/1"])["a@e.com"].assigned_projects == []


def test_quality_tasks(served: FakeScale, client: scaleapi.ScaleClient) -> None:
    client.create_project("p", TaskType.ImageAnnotation, rapid=True)
    body = example("imageannotation", project="p", expected_response={"annotations": []})
    one = client.create_evaluation_task(TaskType.ImageAnnotation, **body, initial_response={})
    two = client.create_training_task(TaskType.ImageAnnotation, **body)
    assert one.expected_response == two.expected_response == {"annotations": []}
    assert [task.id for task in served.quality_tasks] == [two.id, one.id]
    del body["expected_response"]
    with pytest.raises(ScaleInvalidRequest):
        client.create_training_task(TaskType.ImageAnnotation, **body)


def test_a_disabled_type_raises_not_enabled(
    served: FakeScale, client: scaleapi.ScaleClient
) -> None:
    served.disable_type("chat")
    with pytest.raises(ScaleNotEnabled):
        client.create_task(TaskType.Chat, **example("chat"))


def test_a_wrong_key_is_unauthorized_everywhere(served: FakeScale) -> None:
    client = scaleapi.ScaleClient("dummy_api_key", api_instance_url=served.url)
    with pytest.raises(ScaleUnauthorized):
        client.batches(limit=1)
    with pytest.raises(ScaleUnauthorized):
        client.upload_file(io.BytesIO(b"x" * 2**20))
