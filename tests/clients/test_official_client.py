"""The official client against the served fake: all of its methods about tasks."""

import contextlib
import datetime as dt
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import scaleapi
import time_machine
from scaleapi.exceptions import (
    ScaleDuplicateResource,
    ScaleInvalidRequest,
    ScaleResourceNotFound,
    ScaleUnauthorized,
)
from scaleapi.tasks import TaskReviewStatus, TaskStatus, TaskType

from fakescale import FakeScale
from fakescale.account import task_types
from tests.support import example


@pytest.fixture
def live(served: FakeScale) -> scaleapi.ScaleClient:
    return scaleapi.ScaleClient(served.api_key, api_instance_url=served.url)


@pytest.fixture
def client(served: FakeScale) -> scaleapi.ScaleClient:
    """Return a client in test mode, like the one in the client's own tests."""
    return scaleapi.ScaleClient(served.test_api_key, api_instance_url=served.url)


def make_homes(client: scaleapi.ScaleClient, type: str, body: dict[str, Any]) -> None:
    """Create the project and the batch that a body names."""
    with contextlib.suppress(ScaleDuplicateResource):
        if "project" in body:
            client.create_project(body["project"], TaskType(type))
    with contextlib.suppress(ScaleDuplicateResource):
        if "batch" in body:
            client.create_batch(body["project"], body["batch"])


def first(tasks: Iterator[scaleapi.Task]) -> list[scaleapi.Task]:
    """Return the tasks that the client yields, at most 100: a page could lead to itself."""
    return list(itertools.islice(tasks, 100))


def create(client: scaleapi.ScaleClient, **more: Any) -> scaleapi.Task:
    make_homes(client, "categorization", more)
    body = example("categorization", callback_url="http://www.example.com/callback", **more)
    return client.create_task(TaskType.Categorization, force=True, **body)


@pytest.mark.parametrize("type", TaskType)
def test_create_task_of_every_type_of_the_client(
    client: scaleapi.ScaleClient, type: TaskType
) -> None:
    body = example(type.value)
    make_homes(client, type.value, body)
    task = client.create_task(type, **body)
    assert (task.type, task.status, task.metadata) == (
        type.value,
        "completed",
        body.get("metadata", {}),
    )


def test_the_fake_has_every_type_of_the_client() -> None:
    assert {type.value for type in TaskType} <= set(task_types.names())


def test_a_wrong_key_is_unauthorized(served: FakeScale) -> None:
    client = scaleapi.ScaleClient("dummy_api_key", api_instance_url=served.url)
    with pytest.raises(ScaleUnauthorized) as error:
        client.tasks(limit=1)
    assert error.value.message == "Your API key does not correspond to a registered user."
    assert error.value.code == 401


@pytest.mark.parametrize(
    ("type", "missing"),
    [
        ("categorization", "categories"),
        ("transcription", "fields"),
        ("imageannotation", "geometries"),
        ("documenttranscription", "features"),
        ("annotation", "objects_to_annotate"),
        ("polygonannotation", "attachment"),
        ("lineannotation", "objects_to_annotate"),
        ("datacollection", "fields"),
        ("textcollection", "attachments"),
    ],
)
def test_a_missing_parameter_is_an_invalid_request(
    client: scaleapi.ScaleClient, type: str, missing: str
) -> None:
    body = example(type)
    del body[missing]
    body.pop("repeatable_fields", None)
    with pytest.raises(ScaleInvalidRequest):
        client.create_task(TaskType(type), **body)


def test_get_task(client: scaleapi.ScaleClient) -> None:
    made = create(client, metadata={"k": 1})
    seen = client.get_task(made.id)
    assert seen.status == TaskStatus.Completed.value
    for name in ("callback_url", "instruction", "params", "metadata", "type", "created_at"):
        assert getattr(seen, name) == getattr(made, name)
    assert "tags" not in seen.as_dict()
    made.refresh()
    assert made.as_dict() == seen.as_dict()
    with pytest.raises(ScaleResourceNotFound):
        client.get_task("fake_id_qwertyuiop")


def test_cancel_task(live: scaleapi.ScaleClient, client: scaleapi.ScaleClient) -> None:
    with pytest.raises(ScaleInvalidRequest) as error:
        create(client).cancel()
    assert error.value.message == "The task was already completed and cannot be canceled."
    task = create(live, unique_id="u")
    task.cancel()
    assert live.cancel_task(task.id).unique_id == "u"
    assert "unique_id" not in live.cancel_task(task.id, True).as_dict()


def test_unique_ids(client: scaleapi.ScaleClient) -> None:
    task = create(client, unique_id="u, v")
    with pytest.raises(ScaleDuplicateResource) as error:
        create(client, unique_id="u, v")
    assert task.id in error.value.message
    other = create(client)
    with pytest.raises(ScaleDuplicateResource):
        other.update_unique_id("u, v")
    assert client.update_task_unique_id(task.id, "new").unique_id == "new"
    assert client.get_task(task.id).unique_id == "new"
    task.clear_unique_id()
    assert "unique_id" not in client.clear_task_unique_id(task.id).as_dict()


def test_metadata(client: scaleapi.ScaleClient) -> None:
    task = create(client)
    assert task.metadata == {}
    assert client.set_task_metadata(task.id, {"a": "é"}).metadata == {"a": "é"}
    task.refresh()
    assert task.metadata == {"a": "é"}
    task.set_metadata({})
    assert client.get_task(task.id).metadata == {}


def test_tags(client: scaleapi.ScaleClient) -> None:
    task = create(client)
    task.set_tags(["tag1", "tag2", "tag3"])
    assert client.get_task(task.id).tags == ["tag1", "tag2", "tag3"]
    task.delete_tags(["tag1", "tag2"])
    assert client.get_task(task.id).tags == ["tag3"]
    assert client.add_task_tags(task.id, ["tag3", "x"]).tags == ["tag3", "x"]
    assert client.delete_task_tags(task.id, []).tags == ["tag3", "x"]
    assert "tags" not in client.set_task_tags(task.id, []).as_dict()


def test_audit(client: scaleapi.ScaleClient) -> None:
    task = create(client, project="p")
    task.audit(False, "wrong")
    client.audit_task(task.id, True)
    assert client.get_task(task.id).customer_review_status == "accepted"
    found = client.get_tasks("p", review_status=[TaskReviewStatus.Accepted, TaskReviewStatus.Fixed])
    assert [task.id for task in first(found)] == [task.id]


def test_tasks_and_its_pages(client: scaleapi.ScaleClient) -> None:
    made = [create(client).id for _ in range(5)]
    newest = client.tasks(limit=3)
    assert [task.id for task in newest] == made[:1:-1]
    assert (newest.total, newest.limit, newest.offset, newest.has_more) == (5, 3, 0, True)
    rest = client.tasks(limit=3, next_token=newest.next_token)
    assert [task.id for task in rest.docs] == made[1::-1]
    assert (rest.has_more, rest.next_token) == (False, None)


def test_an_empty_window(client: scaleapi.ScaleClient) -> None:
    create(client)
    later = dt.datetime.now(dt.UTC).replace(tzinfo=None) + dt.timedelta(seconds=0.5)
    page = client.tasks(start_time=later.isoformat(), end_time=str(later + dt.timedelta(hours=1)))
    assert page.docs == []


def test_get_tasks_with_every_filter(client: scaleapi.ScaleClient) -> None:
    batch = "b, with/all ü"
    wanted = [create(client, batch=batch, project="p", unique_id=f"u{n}", tags=["t", str(n)]).id
              for n in range(3)]  # fmt: skip
    create(client, project="p")
    found = client.get_tasks(
        project_name="p",
        batch_name=batch,
        task_type=TaskType.Categorization,
        status=TaskStatus.Completed,
        unique_id=["u0", "u1", "u2", "u3"],
        completed_after="2000-01-01 00:00:00.000000",
        completed_before="2999-01-01 00:00:00.000000",
        updated_after="2000-01-01",
        updated_before="2999-01-01T00:00:00Z",
        created_after="2000-01-01",
        created_before="2999-01-01",
        tags=["t"],
        limit=1,
    )
    assert [task.id for task in first(found)] == wanted[::-1]
    limited = first(client.get_tasks(batch_name=batch, limited_response=True))
    assert [set(task.as_dict()) for task in limited] == [
        {"task_id", "status", "metadata", "project"}
    ] * 3


def test_get_tasks_count(client: scaleapi.ScaleClient) -> None:
    for number in range(4):
        create(client, project="p", batch="b" if number % 2 else "c")
    assert client.get_tasks_count("p") == len(first(client.get_tasks("p"))) == 4
    assert client.get_tasks_count("p", "b") == 2
    assert client.get_tasks_count("nothing") == 0


def test_the_client_works_from_many_threads(served: FakeScale, live: scaleapi.ScaleClient) -> None:
    threads = [threading.Thread(target=create, args=(live,)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(served.tasks) == 12


def test_the_client_works_while_the_clock_is_frozen(
    live: scaleapi.ScaleClient, noon: time_machine.Traveller
) -> None:
    made = [create(live, project="p").id for _ in range(3)]
    found = live.get_tasks("p", created_after="2024-02-29 12:00:00.000000", limit=1)
    assert [task.id for task in first(found)] == made[::-1]
