"""Deliveries, datasets, deleted and reported tasks, and the threads that are stored."""

import json
from typing import Any

import pytest

from fakescale import BadRequest, Conflict, FakeScale, NotFound
from fakescale.account import threads
from fakescale.account.listing import Query
from tests.support import Caller


@pytest.fixture
def chats(fake: FakeScale) -> FakeScale:
    fake.projects.create("p", type="chat")
    fake.projects.create("q", type="chat")
    return fake


def done(fake: FakeScale, **more: Any) -> Any:
    return fake.tasks.complete(fake.tasks.create("chat", project="p", **more))


def test_a_delivery_keeps_the_responses_of_its_time(chats: FakeScale) -> None:
    task = done(chats)
    delivery = chats.deliveries.create([task])
    assert (delivery.name, delivery.project, delivery.task_count) == ("Delivery 1", "p", 1)
    chats.tasks.recall(task)
    assert task.response is not None
    assert chats.deliveries[0].responses[task.id] == {"threads": task.response["threads"]}
    plain = chats.tasks.complete(task, {"annotations": []})
    later = chats.deliveries.create([plain.id], name="later")
    assert later.responses[task.id] == {"annotations": []}
    assert chats.deliveries._of_task(task) == later
    assert [it.name for it in chats.deliveries] == ["later", "Delivery 1"]


def test_a_delivery_is_refused_with_the_reason(chats: FakeScale) -> None:
    chats.deliveries.create([done(chats)], name="d")
    pending = chats.tasks.create("chat", project="p")
    for tasks, more, kind, says in (
        ([], {}, BadRequest, '"project" is required'),
        ([pending], {}, BadRequest, r'"tasks\[0\]" must be a completed task'),
        ([done(chats)], {"project": "q"}, BadRequest, 'must be of the project "q"'),
        ([done(chats)], {"project": "x"}, NotFound, 'Project "x" not found'),
        (["x"], {}, NotFound, "Task with that ID"),
        ([done(chats)], {"name": "d"}, Conflict, 'the name "d" already exists'),
    ):
        options: dict[str, Any] = more
        with pytest.raises(kind, match=says):
            chats.deliveries.create(tasks, **options)
    assert len(chats.deliveries) == 1
    assert chats.deliveries.create([], project="q", name="d").task_count == 0


def test_names_of_datasets_are_unique(fake: FakeScale) -> None:
    dataset = fake.datasets.create("ds")
    fake.datasets.deliver(dataset, [], name="d")
    with pytest.raises(Conflict):
        fake.datasets.create("ds")
    with pytest.raises(Conflict):
        fake.datasets.deliver(dataset, [], name="d")
    bad: Any = [1]
    with pytest.raises(BadRequest, match=r'"responses\[0\]" must be of type object'):
        fake.datasets.deliver(dataset, bad)


def test_deliveries_datasets_and_deleted_tasks_survive_a_dump(chats: FakeScale) -> None:
    task = done(chats)
    made = chats.deliveries.create([task], response_schema={"a": 1})
    dataset = chats.datasets.create("ds")
    chats.datasets.deliver(dataset, [{"threads": []}])
    attachment = chats.datasets.attach(chats.datasets.tasks()[0], "text")
    chats.tasks.delete(task)
    other = FakeScale()
    dump = json.loads(json.dumps(chats.dump()))
    other.load(dump)
    assert other.deliveries.get(made) == made
    assert other.deliveries.schema(made.response_schema_id or "").json == '{"a":1}'
    assert other.datasets.tasks() == chats.datasets.tasks()
    assert other.datasets.attachment(attachment) == attachment
    assert other.tasks._get_of_all(task.id) == task
    assert len(other.tasks) == 0
    world = dump["accounts"]["fakescale"]["live"]
    world["deliveries"]["deliveries"][0]["project"] = "x"
    with pytest.raises(BadRequest, match="must match the rest of the dump"):
        other.load(dump)
    for name in ("deliveries", "datasets"):  # as in a dump of an earlier version
        del world[name]
    del world["tasks"]["deleted"]
    other.load(dump)
    assert len(other.deliveries) == 0


def test_a_deleted_task_is_gone_from_v1_and_its_batch(chats: FakeScale) -> None:
    chats.batches.create("b", project="p")
    first = done(chats, batch="b", unique_id="u")
    second = chats.tasks.create("chat", project="p", batch="b")
    assert chats.tasks.delete(second) == second
    assert chats.batches.get("b").status == "completed"
    chats.tasks.delete(first)
    assert len(chats.tasks) == sum(chats.batches.get("b").counts.values()) == 0
    with pytest.raises(NotFound):
        chats.tasks.get(first)
    assert done(chats, unique_id="u").unique_id == "u"
    [event, *_] = chats.events.list(kind="task changed", subject=second.id)[::-1]
    assert event.what["status"] == "deleted"


@pytest.mark.parametrize("statuses", ["", "completed", "deleted", "deleted,pending"])
def test_pages_of_v2_are_parts_of_the_whole_list(
    chats: FakeScale, monkeypatch: pytest.MonkeyPatch, statuses: str
) -> None:
    monkeypatch.setattr("fakescale.account.listing._PAGE_PORTION", 3)
    made = [done(chats).id for _ in range(20)]
    pending = chats.tasks.create("chat", project="p").id
    for task_id in made[::3]:
        chats.tasks.delete(task_id)
    wanted = {
        "": {*made, pending},
        "completed": {*made} - {*made[::3]},
        "deleted": {*made[::3]},
        "deleted,pending": {*made[::3], pending},
    }
    live, seen, token = Caller(chats), [], ""
    while token is not None:
        page = live.get(f"/v2/tasks?project_name=p&limit=4&status={statuses}&next_token={token}")
        assert len(page["tasks"]) <= 4
        seen += [it["task_id"] for it in page["tasks"]]
        token = page.get("next_token")
    assert seen == sorted(wanted[statuses], reverse=True)


@pytest.mark.parametrize(
    "path", ["/v2/delivery/tasks?project_name=p", "/v2/datasets/tasks?dataset_id={}"]
)
def test_all_pages_look_at_each_task_about_once(
    chats: FakeScale, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr("fakescale.account.listing._PAGE_PORTION", 10)
    chats.deliveries.create([done(chats) for _ in range(300)])
    dataset = chats.datasets.create("d")
    for name in "abc":
        chats.datasets.deliver(dataset, [{}] * 100, name=name)
    looked = 0

    def select(query: Query, items: list[Any]) -> list[Any]:
        nonlocal looked
        looked += len(items)
        return original(query, items)

    original = Query.select
    monkeypatch.setattr(Query, "select", select)
    live, token = Caller(chats), ""
    seen: list[str] = []
    while token is not None:
        page = live.get(f"{path.format(dataset.id)}&limit=10&next_token={token}")
        seen += [it["task_id"] for it in page.get("docs") or page["tasks"]]
        token = page.get("next_token")
    assert len(seen) == len({*seen}) == 300
    assert looked <= 3 * 300


def test_tasks_of_datasets_are_listed_newest_first_also_after_a_load(chats: FakeScale) -> None:
    dataset = chats.datasets.create("d")
    for days in (2, -1):
        chats.datasets.deliver(dataset, [{"days": days}] * 2)
        chats.advance(days=1)
    other = FakeScale()
    other.load(chats.dump())
    for fake in (chats, other):
        found = Caller(fake).get(f"/v2/datasets/tasks?dataset_id={dataset.id}")["tasks"]
        assert [it["response"]["days"] for it in found] == [-1, -1, 2, 2]


def test_the_latest_delivery_of_a_task_is_shown_also_after_a_load(chats: FakeScale) -> None:
    task = done(chats)
    made = [chats.deliveries.create([task], name=name) for name in "ab"]
    other = FakeScale()
    other.load(chats.dump())
    for fake in (chats, other):
        [doc] = Caller(fake).get("/v2/delivery/tasks?project_name=p")["docs"]
        assert doc["delivery_id"] == made[1].id


def test_threads_are_completed_when_they_are_stored(chats: FakeScale) -> None:
    rating = {"key": "k", "type": "integer", "value": 3.0}  # Node prints 3
    message = {"role": "user", "annotations": [rating, rating]}
    task = chats.tasks.create("chat", project="p")
    done = chats.tasks.complete(task, {"threads": [{"turns": [{"messages": [message]}]}]})
    assert done.response is not None
    [thread] = done.response["threads"]
    [turn] = thread["turns"]
    assert (thread["id"], turn["id"], turn["messages"][0]["source_id"]) == (
        "thread_0",
        "turn_0",
        "user",
    )
    assert repr(turn["messages"][0]["annotations"][0]["value"]) == "3"
    ids = [it["id"] for it in threads.annotations(done.response["threads"])]
    assert ids == [f"an_{task.id}_0", f"an_{task.id}_1"]


@pytest.mark.parametrize(
    ("annotation", "says"),
    [
        ({"key": "k", "type": "odd"}, r"annotations\[0\].type"),
        ({"type": "text"}, r"annotations\[0\].key"),
        ({"key": "k"}, r"annotations\[0\].type"),
        ({"key": "k", "type": "integer", "value": "3"}, r"annotations\[0\].value"),
        ({"key": "k", "type": "integer", "possible_values": [[1]]}, "possible_values"),
        ({"key": "k", "type": "ranked_groups", "value": ["a"]}, "value"),
        ({"key": "k", "type": "text", "labels": "l"}, "labels"),
        ({"key": "k", "type": "file", "value": [{"url": 5}]}, r"value\[0\].url"),
        ({"key": "k", "type": "integer", "value": 10**20}, "value"),
        ({"key": "k", "type": "text", "metadata": {"criteria": 5}}, "metadata.criteria"),
        ({"key": "k", "type": "text", "metadata": {"criteria": {}}}, "metadata.criteria.id"),
    ],
)
def test_threads_that_no_client_could_read_are_refused(
    chats: FakeScale, annotation: Any, says: str
) -> None:
    task = chats.tasks.create("chat", project="p")
    with pytest.raises(BadRequest, match=says):
        chats.tasks.complete(task, {"threads": [{"annotations": [annotation]}]})
    assert chats.tasks.get(task) == task


def test_a_labeler_s_threads_are_completed_too(chats: FakeScale) -> None:
    chats.labeler = lambda task: {"threads": [{}]}
    chats.turnaround = chats.now() - chats.now()
    task = chats.tasks.create("chat", project="p")
    done = chats.tasks.get(task)
    assert done.response == {"threads": [{"id": "thread_0", "turns": [], "annotations": []}]}


WRONG = [5, [5], [{}], [{"id": "t", "turns": 5, "annotations": []}], "x", None]


@pytest.mark.parametrize("wrong", WRONG)
def test_v2_shows_no_threads_of_another_form_which_a_loaded_task_may_have(
    chats: FakeScale, wrong: Any
) -> None:
    printed = chats.tasks.complete(chats.tasks.create("chat", project="p")).to_json()
    response = {"threads": wrong}
    fake = FakeScale()
    fake.load([json.loads(json.dumps({**printed, "response": response}))])
    live = Caller(fake)
    assert live.get(f"/task/{printed['task_id']}")["response"] == response
    assert live.get(f"/v2/task?task_id={printed['task_id']}&opts=submissions")["threads"] == []
    assert live.get("/v2/tasks?project_name=p")["tasks"][0]["threads"] == []
    assert live("GET", "/v2/annotation?annotation_id=t").status == 404
    fake.deliveries.create([printed["task_id"]])
    [doc] = live.get("/v2/delivery/tasks?project_name=p")["docs"]
    assert doc["response"] == response


def test_a_member_named_threads_of_another_kind_is_free() -> None:
    fake = FakeScale()
    task = fake.tasks.complete(fake.tasks.create("chat"), {"threads": {"free": 1}})
    assert threads.of(task.response) == []
