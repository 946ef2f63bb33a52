"""The official client's second client, ``client.v2``: all its methods, with all parameters.

Each answer is parsed by the client's own strict models.
"""

import datetime as dt
import inspect
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import scaleapi
from scaleapi.api_client import v2
from scaleapi.api_client.v2.exceptions import ApiException, NotFoundException

import fakescale as package
from fakescale import FakeScale
from fakescale.account import task_types, thread_schemas, threads
from fakescale.account.words import TaskType
from fakescale.account.world import World
from tests.support import example

LONG_AGO, FAR = dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2099, 1, 1)
OPTS = [*threads.OPTS]
EVERYWHERE = ("project", "batch")


class Side(NamedTuple):
    """A client, and the world that it reaches."""

    api: Any
    client: Any
    world: World


def side_of(fake: FakeScale, account: str, *, test: bool, at: str | None = None) -> Side:
    """Return a client of a world; ``at`` is the host of its configuration."""
    world = fake.world(account, test=test)
    client = scaleapi.ScaleClient(world.api_key)
    if at is not None:
        client.v2.api_client.configuration.host = at
    return Side(client.v2, client, world)


@pytest.fixture
def side(served: FakeScale) -> Side:
    return side_of(served, "a", test=False, at=served.origin)


def a_task(side: Side, **more: Any) -> Any:
    if "P" not in side.world.projects:
        side.world.projects.create("P", type="chat")
        side.world.batches.create("B", project="P")
    task = side.world.tasks.create("chat", project="P", batch="B", **more)
    return task if task.status == "completed" else side.world.tasks.complete(task)


# A call of each method, with all its parameters.


def create_chat_task(side: Side) -> Iterator[str]:
    a_task(side)
    project, batch = side.world.projects.get("P"), side.world.batches.get("B")
    request = v2.CreateChatTaskRequest(
        project_id=project.id,
        project_name="P",
        batch_id=batch.id,
        batch_name="B",
        template_variables={"prompt": "Why?", "deep": {"n": None}},
        metadata={"a": 1},
        callback_url="mailto:somebody@example.com",
    )
    task = side.api.create_chat_task(request)
    assert (task.status.value, task.threads, task.metadata) == ("pending", [], {"a": 1})
    assert side.world.tasks.get(task.task_id).params["template_variables"]["prompt"] == "Why?"
    yield "create_chat_task"


def get_tasks(side: Side) -> Iterator[str]:
    task = a_task(side)
    project, batch = side.world.projects.get("P"), side.world.batches.get("B")
    found = side.api.get_tasks(
        project_id=project.id,
        project_name="P",
        batch_id=batch.id,
        batch_name="B",
        status="completed",
        completed_after=LONG_AGO,
        completed_before=FAR,
        limit=1,
        expand=EVERYWHERE,
        opts=OPTS,
    )
    assert [it.task_id for it in found.tasks] == [task.id]
    assert found.tasks[0].project.actual_instance.name == "P"
    assert found.tasks[0].batch.actual_instance.name == "B"
    assert found.next_token is None
    yield "get_tasks"
    one = side.api.get_task(task_id=task.id, expand=EVERYWHERE, opts=OPTS)
    assert one.threads[0].turns[0].messages[1].source_id == "base_model"
    yield "get_task"
    [annotation] = one.threads[0].turns[0].messages[1].annotations
    annotation_id = annotation.actual_instance.id
    same = side.api.get_annotation(annotation_id=annotation_id)
    assert same.actual_instance.key == "overall_rating"
    yield "get_annotation"
    for merge, after in ((False, {"a": {"b": 1}}), (True, {"a": {"b": 1, "c": [None]}})):
        body = {"a": {"c": [None]} if merge else {"b": 1}}
        request = v2.SetTaskMetadataRequest(task_id=task.id, metadata=body, merge=merge)
        assert side.api.set_task_metadata(request).metadata == after
    yield "set_task_metadata"


def projects(side: Side) -> Iterator[str]:
    a_task(side)
    project = side.world.projects.get("P")
    assert side.api.get_project(project_id=project.id, project_name="other").name == "P"
    assert side.api.get_project(project_name="P").id == project.id
    yield "get_project"
    side.world.projects.describe("P", types=["SFT", "Evals"], models=["base_model"])
    [found] = side.api.get_projects(created_after=LONG_AGO, created_before=FAR).projects
    assert (found.name, found.types, found.models) == ("P", ["SFT", "Evals"], ["base_model"])
    yield "get_projects"


def batches(side: Side) -> Iterator[str]:
    a_task(side)
    project = side.world.projects.get("P")
    request = v2.CreateBatchRequest(
        name="C",
        project_id=project.id,
        project_name="P",
        callback="a@b.example",
        staging_batch=True,
        metadata={"x": [True, "é"]},
    )
    batch = side.api.create_batch(request)
    assert (batch.status.value, batch.callback, batch.metadata) == (
        "staging",
        "a@b.example",
        {"x": [True, "é"]},
    )
    yield "create_batch"
    named = v2.BatchOperationRequest(batch_id=batch.id, batch_name="ignored")
    assert side.api.get_batch(batch_id=batch.id, batch_name="B", expand=["project"]).name == "C"
    assert side.api.get_batch(batch_name="B").project.actual_instance == project.id
    yield "get_batch"
    assert side.api.finalize_batch(named).status.value == "in_progress"
    yield "finalize_batch"
    found = side.api.get_batches(
        project_id=project.id,
        project_name="P",
        status="completed",
        created_after=LONG_AGO,
        created_before=FAR,
        completed_after=LONG_AGO,
        completed_before=FAR,
        limit=1,
        expand=["project"],
    )
    assert [it.name for it in found.batches] == ["B"]
    yield "get_batches"
    request = v2.SetBatchMetadataRequest(batch_id=batch.id, metadata={"x": 1}, merge=True)
    assert side.api.set_batch_metadata(request).metadata == {"x": 1}
    yield "set_batch_metadata"
    # Observed: a batch without tasks cannot be paused.
    assert side.api.pause_batch(named).batch.status.value == "in_progress"
    yield "pause_batch"
    with pytest.raises(ApiException, match="in_progress and cannot be resumed") as refused:
        side.api.resume_batch(named)
    assert refused.value.status == 400
    yield "resume_batch"
    reply = side.api.cancel_batch(named)
    assert reply.batch.status.value == "cancelled"
    assert reply.message == "Batch cancellation initiated. Unstarted tasks will be cancelled."
    yield "cancel_batch"
    with pytest.raises(ApiException):
        side.api.resume_batch(named)


def deliveries(side: Side) -> Iterator[str]:
    task = a_task(side)
    project = side.world.projects.get("P")
    made = side.world.deliveries.create([task], name="D", response_schema={"type": "object"})
    found = side.api.get_deliveries(
        project_id=project.id,
        project_name="P",
        delivered_after=LONG_AGO,
        delivered_before=FAR,
        expand=["project"],
    )
    assert [(it.name, it.task_count) for it in found.deliveries] == [("D", 1)]
    yield "get_deliveries"
    page = side.api.get_delivery(
        delivery_id=made.id,
        delivery_name="other",
        project_id=project.id,
        project_name="P",
        limit=5,
        expand=[*EVERYWHERE, "delivery"],
        opts=OPTS,
    )
    assert [it.task_id for it in page.tasks] == [task.id]
    assert page.delivery.actual_instance.name == "D"
    assert side.api.get_delivery(delivery_name="D", project_name="P").tasks
    yield "get_delivery"
    docs = side.api.get_delivery_tasks(
        delivery_id=made.id,
        project_id=project.id,
        project_name="P",
        status="completed",
        completed_after=LONG_AGO,
        completed_before=FAR,
        limit=5,
    )
    assert docs.total == 1
    assert docs.docs[0].response == {"threads": task.response["threads"]}
    yield "get_delivery_tasks"
    schema = side.api.get_schema(schema_id=docs.docs[0].response_schema_id)
    assert schema.var_schema.var_json == '{"type":"object"}'
    yield "get_schema"


def datasets(side: Side) -> Iterator[str]:
    dataset = side.world.datasets.create("DS")
    made = side.world.datasets.deliver(dataset, [{"threads": [{"turns": [{}, {}]}]}], name="D")
    [task] = side.world.datasets.tasks()
    assert [it.name for it in side.api.get_datasets().datasets] == ["DS"]
    yield "get_datasets"
    times = {"delivered_after": LONG_AGO, "delivered_before": FAR}
    found = side.api.get_dataset_deliveries(dataset_id=dataset.id, expand=["dataset"], **times)
    assert found.deliveries[0].metadata.turn_count == 2
    yield "get_dataset_deliveries"
    both = ["dataset", "delivery"]
    page = side.api.get_dataset_delivery(delivery_id=made.id, limit=5, expand=both)
    assert [it.task_id for it in page.tasks] == [task.id]
    yield "get_dataset_delivery"
    one = side.api.get_dataset_task(task_id=task.id, expand=both)
    assert one.response == task.response
    yield "get_dataset_task"
    page = side.api.get_dataset_tasks(
        dataset_id=dataset.id, delivery_id=made.id, limit=5, expand=both, **times
    )
    assert [it.task_id for it in page.tasks] == [task.id]
    yield "get_dataset_tasks"
    attachment = side.world.datasets.attach(task, "tide,table", media_type="text/csv")
    assert side.api.get_dataset_task_response_url(task.id, attachment.id) is None
    reply = side.api.get_dataset_task_response_url_with_http_info(task.id, attachment.id)
    assert reply.raw_data == b"tide,table"
    with pytest.raises(NotFoundException):
        side.api.get_dataset_task_response_url("t/1", attachment.id)
    yield "get_dataset_task_response_url"


WORKFLOWS: list[Callable[[Side], Iterator[str]]] = [
    create_chat_task,
    get_tasks,
    projects,
    batches,
    deliveries,
    datasets,
]


METHODS = {
    name
    for name, _ in inspect.getmembers(v2.V2Api, inspect.isfunction)
    if name[0] != "_" and not name.endswith(("_with_http_info", "_without_preload_content"))
}


@pytest.mark.parametrize("test", [False, True])
@pytest.mark.parametrize("way", ["host", "redirect"])
def test_each_method_with_every_parameter(way: str, test: bool) -> None:
    opened: Any = package.redirect() if way == "redirect" else FakeScale().serve()
    called: set[str] = set()
    with opened as fake:
        for number, workflow in enumerate(WORKFLOWS):
            at = None if way == "redirect" else fake.origin
            called.update(workflow(side_of(fake, f"account{number}", test=test, at=at)))
    assert called == METHODS
    assert len(METHODS) == 25


def looks(side: Side, task_id: str) -> Any:
    """Look at a task with each choice of ``expand`` and ``opts``, and return the last look."""
    for expand in ((), ("project",), EVERYWHERE):
        for opts in ([], *[[it] for it in OPTS], OPTS):
            task = side.api.get_task(task_id=task_id, expand=expand, opts=opts)
    return task


@pytest.mark.parametrize("type", task_types.names())
def test_a_task_of_each_type_is_parsed(side: Side, type: TaskType) -> None:
    body = example(type, project="P", batch=None)
    side.world.projects.create("P", type=type)
    make: Callable[[], Any] = lambda: side.world.tasks.create(type, **body)  # noqa: E731
    if "lidar_task" in body:
        of_lidar: TaskType = "lidarannotation"
        lidar = side.world.tasks.create(of_lidar, **example(of_lidar))
        body["lidar_task"] = side.world.tasks.complete(lidar).id
    ends: dict[str, Callable[[Any], Any]] = {
        "pending": lambda it: it,
        "completed": side.world.tasks.complete,
        "canceled": side.world.tasks.cancel,
        "error": side.world.tasks.fail,
        "deleted": side.world.tasks.delete,
    }
    for status, end in ends.items():
        task = looks(side, end(make()).id)
        assert task.status.value == status
        is_chat = type in threads.TYPES and status == "completed"
        assert bool(task.threads) == is_chat
        assert (task.completed_at is not None) == (status == "completed")
    found = side.api.get_tasks(project_name="P", expand=EVERYWHERE, opts=OPTS).tasks
    assert sorted(it.status.value for it in found) == sorted(ends)
    for status in ends:
        [one] = side.api.get_tasks(project_name="P", status=status).tasks
        assert one.status.value == status


VALUES: dict[str, Any] = {
    "integer": 3,
    "boolean": True,
    "text": "t",
    "category": "c",
    "category_multiple": ["c"],
    "ranked_choices": ["a", "b"],
    "ranked_groups": [["a", "b"], ["c"]],
    "labeled_text": [{"label": "l", "text": "t"}],
    "file": [{"url": "https://example.com/a", "mime_type": "text/plain"}],
    "rubric_criteria": {"weight": 1.5, "more": 1},
    "rubric_rating": {"score": 1, "color": "red"},
    "workspace_container": {"workspace_id": "w", "stdout_output": {"content": "c"}},
}
CHOICES = {"integer": [1, 3], "boolean": [True], "category": ["c"], "category_multiple": ["c"]}
DETAILS: dict[str, Any] = {
    "title": "t",
    "description": "d",
    "labels": ["l"],
    "justification": "j",
    "not_applicable": False,
    "cannot_assess": False,
    "metadata": {"criteria": "an_1", "more": 1},
}


def annotation_of(kind: str) -> dict[str, Any]:
    choices = {"possible_values": CHOICES[kind]} if kind in CHOICES else {}
    return {"key": kind, "type": kind, "value": VALUES[kind], **DETAILS, **choices}


def test_every_kind_of_annotation_is_parsed_everywhere(side: Side) -> None:
    assert {*VALUES} == {*thread_schemas.VALUES} == {it.value for it in v2.AnnotationType}
    all_kinds = [annotation_of(kind) for kind in VALUES]
    rubric = {"criteria_definitions": [{"criterion": "c", "weight": 1, "annotations": all_kinds}]}
    evaluation = {
        "criteria_evaluations": [{"criterion_definition_id": "criterion_0", "score": 1}],
        "annotations": all_kinds,
        "total_score": 1,
        "percentage": 0.5,
    }
    content = {
        "text": "t",
        "reference_texts": [{"content": "c", "category": "k", "url": "u"}],
        "chunks": [{"text": "t", "annotations": all_kinds}],
        "reasoning": [{"content": "c"}],
        "attachments": [],
    }
    message = {
        "role": "assistant",
        "content": content,
        "annotations": all_kinds,
        "model_parameters": {"model": "m", "temperature": 1, "top_p": 0.5, "top_k": 1},
        "rubric_evaluations": [evaluation],
    }
    turn = {"messages": [{"role": "user"}, message], "annotations": all_kinds, "rubrics": [rubric]}
    submission = {"submitted_at": "2025-01-01T00:00:00Z", "contributor_id": "c"}
    thread = {"turns": [turn], "annotations": all_kinds, "submissions": [submission]}
    side.world.projects.create("P", type="chat")
    task = side.world.tasks.create("chat", project="P")
    task = side.world.tasks.complete(task, {"threads": [thread]})
    seen = looks(side, task.id)
    assert seen.threads[0].submissions[0].contributor_id == "c"
    assert seen.threads[0].turns[0].messages[1].model_parameters.top_k == 1
    found = [*threads.annotations(threads.of(task.response))]
    assert len(found) == len({it["id"] for it in found}) == 6 * len(VALUES)
    for it in found:
        same = side.api.get_annotation(it["id"]).actual_instance
        assert (same.type, same.title) == (it["type"], "t")
    bare = side.api.get_task(task.id).threads[0]
    assert bare.submissions is None
    assert bare.turns[0].messages[1].model_parameters is None
    assert bare.annotations[0].actual_instance.title is None


def test_the_client_cannot_parse_attachments(side: Side) -> None:
    side.world.projects.create("P", type="chat")
    task = side.world.tasks.create("chat", project="P")
    content = {"attachments": [{"url": "https://example.com/a.png", "mime_type": "image/png"}]}
    turn = {"messages": [{"role": "user", "content": content}]}
    side.world.tasks.complete(task, {"threads": [{"turns": [turn]}]})
    with pytest.raises(ValueError, match=r"[Mm]ultiple matches"):
        side.api.get_task(task.id)
    raw = side.api.get_task_without_preload_content(task.id)
    assert b'"attachments":[{"url":"https://example.com/a.png"}]' in raw.data


@pytest.mark.parametrize(
    ("annotation", "error"),
    [
        ({"type": "file", "value": {"url": "https://example.com/a"}}, ValueError),
        ({"type": "workspace_container", "value": {"last_code_run_event": {}}}, NameError),
    ],
)
def test_the_client_cannot_parse_some_annotations(
    side: Side, annotation: Any, error: type[Exception]
) -> None:
    side.world.projects.create("P", type="chat")
    task = side.world.tasks.create("chat", project="P")
    side.world.tasks.complete(task, {"threads": [{"annotations": [{"key": "k", **annotation}]}]})
    with pytest.raises(error):
        side.api.get_task(task.id)
    raw = json.loads(side.api.get_task_without_preload_content(task.id).data)
    assert raw["threads"][0]["annotations"][0]["value"] == annotation["value"]


def test_errors_and_reports_are_parsed(side: Side) -> None:
    side.world.projects.create("P", type="chat")
    task, other, last = (side.world.tasks.create("chat", project="P") for _ in range(3))
    side.world.tasks.fail(task, {"errors": [{"type": "LANGUAGE_MISMATCH", "message": "m"}]})
    assert side.api.get_task(task.id).errors[0].message == "m"
    side.world.tasks.fail(other, {"errors": [{"type": "odd"}]})
    assert side.api.get_task(other.id).errors is None
    side.world.tasks.complete(last)
    side.world.tasks.report(last, "violence", "m")
    seen = side.api.get_task(last.id)
    assert (seen.threads, seen.sensitive_content_reports[0].type) == (None, "violence")


def pages(read: Callable[..., Any], name: str, **more: Any) -> list[Any]:
    """Return the items of all pages."""
    items: list[Any] = []
    token = None
    for _ in range(20):
        page = read(next_token=token, limit=100, **more)
        items += getattr(page, name)
        token = page.next_token
        if token is None:
            return items
    raise AssertionError("the pages do not end")


@pytest.mark.parametrize("count", [250, pytest.param(1000, marks=pytest.mark.proof)])
def test_the_pages_of_many_end(side: Side, count: int) -> None:
    world = side.world
    world.projects.create("P", type="chat")
    for number in range(count):
        world.batches.create(f"B{number}", project="P")
    tasks = [world.tasks.create("chat", project="P", batch="B0") for _ in range(count)]
    for task in tasks:
        world.tasks.complete(task, {"threads": []})
    made = world.deliveries.create(tasks)
    data = world.datasets.create("DS")
    world.datasets.deliver(data, [{}] * count)
    for _ in range(count):
        world.deliveries.create([], project="P")
    assert len(list(itertools.islice(side.client.v2_get_tasks(None, "P"), count + 100))) == count
    [dataset_delivery] = world.datasets.deliveries()
    for read, name, more in (
        (side.api.get_tasks, "tasks", {"batch_name": "B0"}),
        (side.api.get_batches, "batches", {"project_name": "P"}),
        (side.api.get_delivery, "tasks", {"delivery_id": made.id}),
        (side.api.get_delivery_tasks, "docs", {"delivery_id": made.id}),
        (side.api.get_dataset_tasks, "tasks", {"dataset_id": data.id}),
        (side.api.get_dataset_delivery, "tasks", {"delivery_id": dataset_delivery.id}),
    ):
        ids = [getattr(it, "id", None) or it.task_id for it in pages(read, name, **more)]
        assert len(ids) == len({*ids}) == count, name
    assert len(side.api.get_deliveries(project_name="P").deliveries) == count + 1
