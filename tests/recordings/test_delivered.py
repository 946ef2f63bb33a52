"""The arrangement of deliveries, datasets, results of labelers, teams and the Studio."""

from collections.abc import Callable
from typing import Any

import pytest

from fakescale import FakeScale
from tests.recordings.recorder import Recorder
from tests.recordings.test_arranging import BODY, compared, recorder_of, told

Story = Callable[[FakeScale, Recorder], object]
THREADS = {"threads": [{"id": "t", "turns": []}]}


def paged(recorder: Recorder, target: str) -> None:
    """Ask for all pages of a list."""
    token: str | None = ""
    while token is not None:
        page = recorder.ok("GET", f"{target}&limit=2{token and f'&next_token={token}'}")
        token = page.get("next_token")


def delivered(fake: FakeScale) -> Any:
    fake.projects.create("p", type="chat")
    tasks = [fake.tasks.create("chat", project="p") for _ in range(5)]
    for task in tasks[:4]:
        fake.tasks.complete(task)
    fake.deliveries.create(tasks[:1], response_schema={"type": "object"})
    fake.advance(hours=1)
    return fake.deliveries.create(tasks[:4], name="d", response_schema={"type": "object"})


def deliveries(fake: FakeScale, recorder: Recorder) -> None:
    delivery = delivered(fake)
    recorder.ok("GET", "/v2/deliveries?project_name=p")
    recorder.ok("GET", f"/v2/schema?schema_id={delivery.response_schema_id}")
    paged(recorder, f"/v2/delivery?delivery_id={delivery.id}")
    paged(recorder, f"/v2/delivery/tasks?delivery_id={delivery.id}")
    paged(recorder, "/v2/delivery/tasks?project_name=p")
    recorder.ok("GET", "/v2/delivery?delivery_name=d&project_name=p&expand=project")


def delivery_alone(target: str) -> Story:
    def story(fake: FakeScale, recorder: Recorder) -> None:
        id = delivered(fake).id
        paged(recorder, target.format(id))
        recorder.ok("GET", "/v2/deliveries?project_name=p&expand=project")

    return story


def delivery_of_a_known_task(fake: FakeScale, recorder: Recorder) -> None:
    fake.projects.create("p", type="chat")
    task = recorder.ok("POST", "/v2/task/chat", {"project_name": "p"})["task_id"]
    fake.tasks.complete(task)
    delivery = fake.deliveries.create([task])
    recorder.ok("GET", "/v2/deliveries?project_name=p")
    recorder.ok("GET", f"/v2/delivery/tasks?delivery_id={delivery.id}")


def datasets(fake: FakeScale, recorder: Recorder) -> None:
    one, two = fake.datasets.create("one"), fake.datasets.create("two")
    for dataset in (one, two):
        fake.advance(hours=1)
        fake.datasets.deliver(dataset, [THREADS] * 3)
    recorder.ok("GET", "/v2/datasets")
    recorder.ok("GET", "/v2/datasets/deliveries")
    recorder.ok("GET", f"/v2/datasets/deliveries?dataset_id={one.id}&expand=dataset")
    delivery = fake.datasets.deliveries(two)[0]
    paged(recorder, f"/v2/datasets/delivery?delivery_id={delivery.id}")
    paged(recorder, f"/v2/datasets/tasks?dataset_id={one.id}")
    task = fake.datasets.tasks(delivery)[0].id
    recorder.ok("GET", f"/v2/datasets/task?task_id={task}&expand=dataset&expand=delivery")


def dataset_task(fake: FakeScale, recorder: Recorder) -> None:
    delivery = fake.datasets.deliver(fake.datasets.create("one"), [THREADS] * 2)
    for task in fake.datasets.tasks():
        recorder.ok("GET", f"/v2/datasets/task?task_id={task.id}")
    paged(recorder, f"/v2/datasets/tasks?delivery_id={delivery.id}")


def attachment(fake: FakeScale, recorder: Recorder) -> None:
    fake.datasets.deliver(fake.datasets.create("one"), [THREADS])
    task = fake.datasets.tasks()[0]
    id = fake.datasets.attach(task, "text").id
    reply = recorder("GET", f"/v2/datasets/task/{task.id}/response_url/{id}")
    assert reply.status == 302


def results(fake: FakeScale, recorder: Recorder) -> None:
    fake.projects.create("p", type="textcollection", rapid=True)
    body = {
        "project": "p",
        "instruction": "i",
        "attachments": [{"type": "text", "content": "a"}],
        "fields": [{"type": "text", "field_id": "f", "title": "t"}],
        "expected_response": {"annotations": {}},
    }
    task = recorder.ok("POST", "/evaluation_tasks/textcollection", body)["id"]
    target = f"/quality/labelers?quality_task_ids={task}"
    recorder.ok("GET", target)
    fake.quality_tasks.record(task, "a@example.com", score=0.5)
    recorder.ok("GET", target)
    fake.advance(hours=1)
    fake.quality_tasks.record(task, "b@example.com", score=1)
    recorder.ok("GET", target)


def audits(fake: FakeScale, recorder: Recorder) -> None:
    task = fake.tasks.create("categorization", **BODY)
    fake.tasks.complete(task, {"category": "b"})
    fake.audits.create(task_id=task.id, result="accepted")
    fake.advance(hours=1)
    recorder("PUT", "/audits", {"task_id": task.id, "result": "rejected"})
    recorder.ok("GET", f"/audits?task_id={task.id}")


def in_studio(fake: FakeScale) -> None:
    fake.projects.create("p", type="categorization", studio=True)
    for name in "abc":
        fake.teammates.add(f"{name}@example.com")
        fake.studio.assign(emails=[f"{name}@example.com"], projects=["p"])
    fake.studio.create_group("p", name="g", emails=["a@example.com"])
    for name in ("b1", "b2"):
        fake.batches.create(name, project="p")


def assignments(fake: FakeScale, recorder: Recorder) -> None:
    in_studio(fake)
    fake.projects.create("q", type="categorization", studio=True)
    body = {"emails": ["a@example.com", "b@example.com"], "projects": ["q"]}
    recorder.ok("POST", "/studio/assignments/add", body)
    recorder.ok("POST", "/studio/assignments/remove", {**body, "projects": ["p"]})
    recorder.ok("GET", "/studio/assignments")
    recorder.ok("GET", "/teams")


def groups(fake: FakeScale, recorder: Recorder) -> None:
    in_studio(fake)
    recorder.ok("GET", "/studio/projects/p/groups")
    body = {"name": "h", "emails": ["b@example.com"]}
    recorder.ok("POST", "/studio/projects/p/groups", body)
    change = {"add_emails": ["c@example.com"], "remove_emails": ["b@example.com"]}
    recorder.ok("PUT", "/studio/projects/p/groups/h", change)
    recorder.ok("GET", "/studio/projects/p/groups")
    assert recorder("POST", "/studio/projects/p/groups", body).status == 409


def group_alone(fake: FakeScale, recorder: Recorder) -> None:
    in_studio(fake)
    change = {"add_emails": ["c@example.com"], "remove_emails": ["a@example.com"]}
    recorder.ok("PUT", "/studio/projects/p/groups/g", change)
    recorder.ok("GET", "/studio/projects/p/groups")


def studio_batches(fake: FakeScale, recorder: Recorder) -> None:
    in_studio(fake)
    fake.studio.set_batch_groups("b1", groups=["g"])
    recorder.ok("GET", "/studio/batches")
    order = {"batches": [{"name": "b2"}, {"name": "b1"}]}
    recorder.ok("POST", "/studio/batches/set_priorities", order)
    recorder.ok("PUT", "/studio/batches/b2", {"groups": ["g", "c@example.com"]})
    recorder.ok("POST", "/studio/batches/reset_priorities")
    recorder.ok("GET", "/studio/batches")


def studio_batch_alone(fake: FakeScale, recorder: Recorder) -> None:
    in_studio(fake)
    order = {"batches": [{"name": "b2"}, {"name": "b1"}]}
    recorder.ok("POST", "/studio/batches/set_priorities", order)
    recorder.ok("PUT", "/studio/batches/b2", {"groups": ["g", "c@example.com"]})
    recorder.ok("GET", "/studio/batches")


def names_come_after_ids(fake: FakeScale, recorder: Recorder) -> None:
    fake.projects.create("p", type="chat")
    fake.batches.create("b", project="p")
    task = fake.tasks.create("chat", project="p", batch="b")
    shown = recorder.ok("GET", f"/v2/task?task_id={task.id}")
    recorder.ok("GET", f"/v2/batch?batch_id={shown['batch']}")
    recorder.ok("GET", f"/v2/project?project_id={shown['project']}")
    recorder.ok("GET", "/v2/tasks?project_name=p&batch_name=b&expand=project&expand=batch")
    recorder.ok("POST", "/v2/task/chat", {"project_name": "p", "batch_name": "b"})


STORIES: dict[str, Story] = {
    "names after ids": names_come_after_ids,
    "deliveries": deliveries,
    "tasks of a delivery": delivery_alone("/v2/delivery?delivery_id={}"),
    "delivered tasks": delivery_alone("/v2/delivery/tasks?delivery_id={}"),
    "delivered tasks of a project": delivery_alone("/v2/delivery/tasks?project_name=p"),
    "a delivery of a known task": delivery_of_a_known_task,
    "datasets": datasets,
    "a task of a dataset": dataset_task,
    "an attachment": attachment,
    "results": results,
    "audits": audits,
    "assignments": assignments,
    "groups": groups,
    "a group": group_alone,
    "batches": studio_batches,
    "a batch": studio_batch_alone,
}


@pytest.mark.parametrize("name", STORIES)
def test_what_was_there_before_is_arranged(name: str) -> None:
    fake = FakeScale()
    recorder = recorder_of(fake)
    STORIES[name](fake, recorder)
    assert told(compared(recorder))
