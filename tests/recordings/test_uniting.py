"""Homes and tasks that a recording shows piece by piece, in the order of these stories."""

from collections.abc import Callable

import pytest

from fakescale import FakeScale
from tests.recordings.recorder import Recorder
from tests.recordings.test_arranging import BODY, compared, recorder_of, told
from tests.recordings.test_refusals import refused

CHAT = {"project_name": "p"}


def old_project(fake: FakeScale, recorder: Recorder) -> None:
    fake.projects.create("old", type="categorization")
    fake.projects.set_ontology("old", ontology=["a"])
    recorder.ok("POST", "/projects", {"type": "categorization", "name": "new"})
    recorder.ok("POST", "/task/categorization", {**BODY, "project": "old"})
    recorder.ok("GET", "/projects")
    recorder.ok("GET", "/v2/projects")


def old_batch(fake: FakeScale, recorder: Recorder) -> None:
    fake.projects.create("p", type="categorization")
    fake.batches.create("old", project="p", metadata={"a": 1})
    recorder.ok("POST", "/batches", {"project": "p", "name": "new"})
    recorder.ok("POST", "/task/categorization", {**BODY, "batch": "old"})
    recorder.ok("GET", "/batches?detailed=true")
    recorder.ok("GET", "/v2/batches?project_name=p")


def id_then_v1(fake: FakeScale, recorder: Recorder) -> None:
    fake.projects.create("p", type="chat")
    fake.batches.create("b", project="p")
    task = fake.tasks.create("chat", project="p", batch="b", tags=["t"], unique_id="u")
    recorder.ok("GET", f"/v2/task?task_id={task.id}")
    recorder.ok("GET", f"/task/{task.id}")
    recorder.ok("GET", "/projects")
    recorder.ok("GET", "/batches")


def id_of_a_known_batch(fake: FakeScale, recorder: Recorder) -> None:
    fake.projects.create("p", type="chat")
    fake.batches.create("b", project="p")
    fake.tasks.create("chat", project="p", batch="b")
    recorder.ok("GET", "/batches/b")
    recorder.ok("POST", "/v2/batch/pause", {"batch_id": fake.batches.get("b").id})
    recorder.ok("GET", "/v2/batch?batch_name=b")


def id_in_a_refusal(fake: FakeScale, recorder: Recorder) -> None:
    fake.projects.create("p", type="chat")
    fake.batches.create("b", project="p")
    recorder.ok("GET", "/batches/b")
    refused(recorder, 400, "POST", "/v2/batch/resume", {"batch_id": fake.batches.get("b").id})


def project_of_a_batch(fake: FakeScale, recorder: Recorder) -> None:
    fake.projects.create("p", type="categorization")
    fake.batches.create("b", project="p")
    recorder.ok("GET", "/batches/b/status")
    recorder.ok("GET", "/projects")
    recorder.ok("POST", "/task/categorization", {**BODY, "batch": "b", "project": "p"})


def instruction(fake: FakeScale, recorder: Recorder) -> None:
    fake.projects.create("p", type="categorization", params={"instruction": "more"})
    recorder.ok("POST", "/task/categorization", {**BODY, "project": "p"})
    recorder.ok("POST", "/task/categorization", {**BODY, "project": "p", "instruction": "j"})


def audit_of_an_old_task(fake: FakeScale, recorder: Recorder) -> None:
    fake.projects.create("p", type="categorization")
    task = fake.tasks.create("categorization", project="p", **BODY)
    fake.tasks.complete(task, {"category": "b"})
    recorder.ok("GET", f"/task/{task.id}")
    assert recorder("PUT", "/audits", {"task_id": task.id}).status == 201
    recorder.ok("GET", f"/v2/task?task_id={task.id}")


def studio_project(fake: FakeScale, recorder: Recorder) -> None:
    fake.projects.create("p", type="categorization", studio=True)
    recorder.ok("POST", "/batches", {"project": "p", "name": "b"})
    recorder.ok("POST", "/task/categorization", {**BODY, "project": "p"})
    recorder.ok("GET", "/studio/batches")


def types(fake: FakeScale, recorder: Recorder) -> None:
    fake.projects.create("p", type="categorization")
    fake.batches.create("b", project="p")
    refused(recorder, 400, "POST", "/v2/task/chat", {**CHAT, "batch_name": "b"})
    recorder.ok("POST", "/task/categorization", {**BODY, "batch": "b"})


def other_home(fake: FakeScale, recorder: Recorder) -> None:
    fake.projects.create("p", type="categorization")
    fake.projects.create("q", type="categorization")
    fake.batches.create("b", project="p")
    refused(recorder, 400, "POST", "/task/categorization", {**BODY, "project": "q", "batch": "b"})
    recorder.ok("GET", "/batches/b")


def closed(fake: FakeScale, recorder: Recorder) -> None:
    fake.projects.create("p", type="categorization", rapid=True)
    fake.batches.create("b", project="p")
    fake.batches.finalize("b")
    refused(recorder, 400, "POST", "/task/categorization", {**BODY, "batch": "b"})
    refused(recorder, 400, "POST", "/task/categorization", {**BODY, "project": "p"})


def finalized_twice(fake: FakeScale, recorder: Recorder) -> None:
    fake.projects.create("p", type="categorization")
    fake.batches.create("b", project="p")
    recorder.ok("POST", "/batches/b/finalize")
    recorder.ok("POST", "/batches/b/finalize")


def studio_refusals(fake: FakeScale, recorder: Recorder) -> None:
    fake.projects.create("p", type="categorization", studio=True)
    fake.batches.create("b", project="p")
    refused(recorder, 404, "PUT", "/studio/projects/p/groups/g", {})
    refused(recorder, 400, "PUT", "/studio/batches/b", {"groups": ["g"]})
    refused(recorder, 400, "POST", "/studio/batches/set_priorities", {"batches": []})
    recorder.ok("GET", "/studio/batches")


def unique_id(fake: FakeScale, recorder: Recorder) -> None:
    fake.projects.create("p", type="chat")
    task = fake.tasks.create("chat", project="p", unique_id="u")
    recorder.ok("GET", f"/v2/task?task_id={task.id}")
    refused(recorder, 409, "POST", "/task/categorization", {**BODY, "unique_id": "u"})
    recorder.ok("GET", f"/task/{task.id}")


STORIES: dict[str, Callable[[FakeScale, Recorder], None]] = {
    "a project is older than others": old_project,
    "a batch is older than others": old_batch,
    "v1 tells names after v2 told ids": id_then_v1,
    "v2 tells the id of a batch": id_of_a_known_batch,
    "a refusal tells the batch of an id": id_in_a_refusal,
    "a creation tells the project of a batch": project_of_a_batch,
    "a creation tells the instruction of its project": instruction,
    "a refusal tells the unique_id of a task of v2": unique_id,
    "an audit follows a look": audit_of_an_old_task,
    "a task without a batch tells of the Studio": studio_project,
    "a refusal tells a type": types,
    "a refusal tells the project of a batch": other_home,
    "a refusal tells that a batch is closed": closed,
    "a batch is finalized twice": finalized_twice,
    "the Studio refuses": studio_refusals,
}


@pytest.mark.parametrize("name", STORIES)
def test_pieces_fit_together(name: str) -> None:
    fake = FakeScale()
    recorder = recorder_of(fake)
    STORIES[name](fake, recorder)
    assert told(compared(recorder))
