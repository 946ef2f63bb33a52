"""Control over HTTP: every operation does and refuses the same as its Python helper."""

import asyncio
import datetime as dt
import enum
import inspect
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import time_machine
import werkzeug.test

import fakescale as package
from fakescale import ApiError, BadRequest, FakeScale, NotFound, RemoteFakeScale, Status
from fakescale.api.operations import operations
from tests.account.test_printed import PRINTED
from tests.conftest import NOON
from tests.support import Caller, examples, sent

OPERATIONS = operations(FakeScale)
Side = Any  # a FakeScale or a RemoteFakeScale: a step cannot tell which


def a_task(side: Side, **params: Any) -> str:
    return str(side.tasks.create("chat", **params).id)


def a_batch(side: Side, **more: Any) -> Any:
    side.projects.create(type="chat", name="p", **more)
    return side.batches.create(project="p", name="b", metadata={"n": 1})


def list_(side: Side) -> Any:
    for n in range(3):
        a_task(side, unique_id=f"u{n}", tags=["t"] if n else [])
    side.test.tasks.create("chat")
    return [
        side.tasks.list(),
        side.tasks.list(tags="t", start_time=dt.datetime(2024, 1, 1, tzinfo=dt.UTC)),
        side.tasks.list(unique_id=["u0", "u2"], end_time="2024-03-01"),
        side.test.tasks.list(),
        side.account("other").tasks.list(),
        [task.id for task in side.tasks],
        len(side.tasks),
        side.tasks.list(status=Status.PENDING, type=[Kind.CHAT]),
        side.tasks.list(status=["pending", Kind.PENDING], type="chat,annotation"),
        [side.tasks[0], side.tasks[-1], side.tasks[1:], side.projects[:1]],
    ]


class Kind(enum.Enum):
    """An enum like those of the official client, whose members are no texts."""

    CHAT = "chat"
    PENDING = "pending"
    ACCEPTED = "accepted"


def one(side: Side) -> Any:
    for task in side.tasks:
        side.tasks.complete(task)
    a_task(side, unique_id="u", metadata={"a": 1})
    found = [side.tasks.one(unique_id="u"), side.tasks.one(status="pending")]
    a_task(side)
    for filters in ({"unique_id": "v"}, {}, {"status": Status.PENDING}):
        try:
            side.tasks.one(**filters)
        except ApiError as error:
            found.append(type(error))
    return found


def drawings(side: Side) -> Any:
    geometries = {"box": {"objects_to_annotate": ["cat"]}, "point": {}}
    body = {"attachment": "http://a.test/x.jpg", "geometries": geometries}
    task = side.tasks.create("imageannotation", **body)
    # Not a video, since the URL of its file would tell the port of its side.
    document = side.test.tasks.create(
        "documenttranscription",
        attachments=["http://a.test/0.pdf"],
        features=[{"type": "block", "label": "x"}],
    )
    evil = {"annotations": [{"label": "<\x00", "left": 1e300}]}
    found = [side.tasks.drawing(task)]
    side.tasks.complete(task)
    return [
        *found,
        side.tasks.drawing(task.id),
        side.tasks.drawing(task, without=["cat"]),
        side.test.tasks.drawing(document, frame=2),
        side.tasks.drawing(side.tasks.complete(a_task(side), evil)),
        package.draw(side.tasks.get(task)),
    ]


def a_value_for_its_key(side: Side) -> Any:
    batch = a_batch(side)
    task = side.tasks.create(Kind.CHAT, project=side.projects.get("p"), batch=batch)
    done = [
        side.tasks.get(task),
        side.tasks.start(task),
        side.tasks.complete(task_id=task),
        side.tasks.audit(task, Kind.ACCEPTED),
        side.tasks.list(project=side.projects[0], batch=[batch]),
        side.batches.archive(batch),
        side.projects.archive(side.projects[0]),
        side.batches.create("c", project=side.projects[0]),
    ]
    audit = side.audits.create(task, accepted=True)
    return [*done, audit, side.audits.get(audit), side.audits.list(task_id=task)]


def get(side: Side) -> Any:
    task_id = a_task(side, instruction="é", metadata={"a": [1, 2.5, None, {"b": True}]})
    return [side.tasks.get(task_id), side.tasks.get(task_id=task_id)]


def create(side: Side) -> Any:
    side.projects.create(type="chat", name="p", params={"instruction": "i"})
    return [
        side.tasks.create("chat", unique_id="u", clear_unique_id_on_error=True),
        side.tasks.create("textcollection", attachments=[{"type": "text", "content": "x"}]),
        side.tasks.create("chat", project="p", instruction="t", unknown={"kept": 1}),
        side.test.tasks.create("chat"),
        side.test.tasks.list(),
        side.account("other").test.tasks.create("chat"),
    ]


def start(side: Side) -> Any:
    return side.tasks.start(a_task(side))


def complete(side: Side) -> Any:
    given = side.tasks.complete(a_task(side), response={"annotations": [1]})
    return [given, side.tasks.complete(a_task(side)), side.tasks.complete(a_task(side), {"a": 1})]


def fail(side: Side) -> Any:
    given = [side.tasks.fail(a_task(side), it) for it in ({"e": "x"}, "blurred")]
    return [*given, side.tasks.fail(a_task(side))]


def recall(side: Side) -> Any:
    return side.tasks.recall(side.tasks.complete(a_task(side)).id)


def audit(side: Side) -> Any:
    task_id = side.tasks.complete(a_task(side)).id
    return [
        side.tasks.audit(task_id, "rejected", "bad"),
        side.tasks.audit(task_id, "fixed", source="scale"),
        side.tasks.audit(result="accepted", task_id=task_id, comments=None),
        side.tasks.audit(task_id, accepted=False, comments="no"),
    ]


def cancel(side: Side) -> Any:
    task_id = a_task(side, unique_id="u")
    return [side.tasks.cancel(task_id), side.tasks.cancel(task_id, clear_unique_id=True)]


def load_tasks(side: Side) -> Any:
    return [side.tasks.load([PRINTED]), side.test.tasks.load(iter([PRINTED])), side.tasks.list()]


def create_project(side: Side) -> Any:
    return [
        side.projects.create("p", type="chat", params={"instruction": "i"}, rapid=True),
        side.test.projects.create(type="textcollection", name="p", studio=True),
    ]


def list_projects(side: Side) -> Any:
    create_project(side)
    side.projects.create(type="chat", name="q")
    return [
        side.projects.list(),
        side.projects.list(archived=True),
        list(side.test.projects),
        [name in side.projects for name in ("q", "r")],
    ]


def archive_project(side: Side) -> Any:
    a_batch(side)
    return [side.projects.archive("p"), side.projects.archive("p", archived=False)]


def set_template(side: Side) -> Any:
    a_batch(side)
    done = side.projects.set_template("p", {"a": {"type": "text"}}, auto_onboard_enabled=True)
    return [done, side.projects.list()]


def describe_project(side: Side) -> Any:
    a_batch(side)
    done = side.projects.describe("p", types=["SFT", "Evals"])
    return [done, side.projects.describe("p", models=[]), side.projects.list()]


def create_batch(side: Side) -> Any:
    return [a_batch(side), a_batch(side.account("other"), studio=True)]


def list_batches(side: Side) -> Any:
    a_batch(side)
    task_id = a_task(side, batch="b")
    before = side.batches.list()
    side.tasks.complete(task_id)
    return [before, side.batches.list(status="completed"), len(side.batches), "b" in side.batches]


def archive_batch(side: Side) -> Any:
    a_batch(side)
    done = [side.batches.archive("b"), side.batches.list(exclude_archived=True)]
    return [*done, side.batches.archive("b", archived=False)]


def api_key(side: Side) -> Any:
    other = side.account("other")
    return [side.api_key, side.test_api_key, side.test.api_key, other.api_key, other.test_api_key]


def requests_(side: Side) -> Any:
    return [
        list(side.requests),
        side.requests.total,
        side.requests.counted(),
        side.requests.counted(account="other"),
        side.requests.list(account="other"),
        side.requests.list(limit=2),
        side.requests.list(method="get", path="/tasks", status=200),
        side.requests.list(method="POST", path="/v1/task/<type>", status=400),
        side.requests.list(since=dt.datetime(2025, 1, 1, tzinfo=dt.UTC)),
        [exchange.account for exchange in side.requests],
    ]


def events(side: Side) -> Any:
    def told(event: Any) -> Any:
        # No two durations are equal, and the ids of faults are unique in the process.
        what = {name: value for name, value in event.what.items() if name != "duration"}
        subject = None if event.kind.startswith("fault") else event.subject
        return [event.when, event.kind, subject, what, event.exchange]

    begin = side.events.total
    task = side.tasks.complete(a_task(side, unique_id="é"))
    side.tasks.create("chat")
    found = [
        *side.events,
        *side.events(after=begin),
        *side.events.list(kind="task", subject=task),
        *side.events.list(kind="request", account="other"),
        side.events.wait_for(kind="task changed", subject=task.id, after=begin),
    ]
    numbers = [event.number for event in side.events]
    assert numbers == sorted(set(numbers))
    assert list(side.events[-2:]) == list(side.events)[-2:]
    for asked in ({"kind": "task"}, {"subject": 5}):
        with pytest.raises(AssertionError, match="no event came in time that fits: "):
            side.events.wait_for(timeout=0, after=side.events.total, **asked)
    # In a fake that is served, due callbacks and labelers come in by themselves.
    steady = [event for event in found if event.kind.partition(" ")[0] not in ("callback", "clock")]
    return list(map(told, steady))


def url(side: Side) -> Any:
    served = side.__dict__.get("served", side)  # each side is served at its own port, or not
    return side.url == served.url


def advance(side: Side) -> Any:
    moments = [side.advance(hours=25), side.now()]
    moments += [side.advance(minutes=1, seconds=0.5), side.now()]
    side.advance(dt.timedelta(days=1), hours=1)
    return [*moments, side.now()]


def now(side: Side) -> Any:
    return side.now()


def stop_clock(side: Side) -> Any:
    return [side.stop_clock(), side.stop_clock(), side.advance(hours=1), side.now()]


def start_clock(side: Side) -> Any:
    return [side.start_clock(), stop_clock(side), side.start_clock(), side.now()]


def reset(side: Side) -> Any:
    a_task(side)
    a_task(side.account("other"))
    side.advance(hours=1)
    gone = [side.reset(account="other"), side.account("other").tasks.list(), side.tasks.list()]
    return [*gone, side.reset(), side.tasks.list(), side.now()]


def dump(side: Side) -> Any:
    a_task(side)
    side.advance(hours=1)
    return side.dump()


def load(side: Side) -> Any:
    state = dump(side)
    a_task(side)
    return [side.load(state), side.tasks.list(), side.load([PRINTED]), side.tasks.list()]


def disable_type(side: Side) -> Any:
    side.disable_type("chat")
    refused = []
    for tasks in (side.tasks, side.test.tasks, side.account("other").tasks):
        try:
            refused.append(tasks.create("chat").status)
        except ApiError as error:
            refused.append((error.status, str(error)))
    return [refused, side.enable_type("chat"), side.tasks.create("chat").status]


def add_teammate(side: Side) -> Any:
    added = side.teammates.add("a@example.com", "manager", company="A")
    return [added, side.teammates.list(), list(side.test.teammates)]


def accept_invitation(side: Side) -> Any:
    side.teammates.add("a@example.com")
    done = [side.teammates.accept("a@example.com"), side.teammates.disable("a@example.com")]
    return [*done, side.teammates.list()]


def record(side: Side) -> Any:
    len(side.account("other").tasks)  # makes the account on both sides, which takes ids
    for call in (side.quality_tasks.record, side.account("other").quality_tasks.record):
        try:
            call("5f", "a@example.com")
        except ApiError as error:
            return [error.status, str(error)]
    return None


def set_turnaround(side: Side) -> Any:
    task_id = a_task(side)
    side.turnaround = dt.timedelta(hours=1)
    side.advance(minutes=90)
    done = side.tasks.get(task_id)
    side.turnaround = None
    return done


def attributes(side: Side) -> Any:
    seen = []
    for url in ("a@example.com", None):
        side.callback_url = url
        seen += [side.callback_url, side.test.callback_url]
    side.test.callback_url = "b@example.com"
    other = side.world("other", test=True)
    seen += [side.world().callback_url, side.test.callback_url, other.callback_url]
    side.test.callback_url = None
    for home in (side, side.test, side.account("other"), other):
        seen.append(home.callback_auth_key)
    seen += [other.tasks.list(), other.api_key, side.turnaround]
    # So long that nothing becomes due: a served fake would complete tasks in the background.
    side.turnaround = dt.timedelta(days=400, seconds=1.5)
    seen.append(side.turnaround)
    side.turnaround = None
    return seen


def set_metadata(side: Side) -> Any:
    task_id = a_task(side)
    return [
        side.tasks.set_metadata(task_id, {"a": [1]}),
        side.tasks.set_unique_id(task_id, "v", clear_unique_id_on_error=True),
        side.tasks.clear_unique_id(task_id),
        side.tasks.add_tags(task_id, ["a", "b"]),
        side.tasks.remove_tags(task_id, ("a",)),
        side.tasks.set_tags(task_id, iter(["c"]) if isinstance(side, RemoteFakeScale) else ["c"]),
    ]


def get_project(side: Side) -> Any:
    a_batch(side)
    done = [
        side.projects.set_params("p", {"instruction": "i"}),
        side.projects.set_params("p", {"a": 1}, patch=True),
        side.projects.set_ontology("p", ontology=["cat", {"choice": "dog"}]),
        side.projects.get("p"),
    ]
    side.projects.set_template("p", {"a": {"type": "text"}})
    return [*done, side.projects.template("p")]


def get_batch(side: Side) -> Any:
    a_batch(side, studio=True)
    return [
        side.batches.set_metadata("b", {"a": 1}),
        side.batches.prioritize("b", priority=20),
        side.batches.finalize("b"),
        side.batches.get("b"),
    ]


def invite(side: Side) -> Any:
    return [
        side.teammates.invite(emails=["c@example.com"], team_role="labeler"),
        side.teammates.set_role(emails=["c@example.com"], team_role="manager"),
        side.teammates.get("c@example.com"),
        [email in side.teammates for email in ("c@example.com", "d@example.com")],
    ]


def list_files(side: Side) -> Any:
    file = side.files.import_file(file_url="http://example.com/a.png", metadata={"a": 1})
    done = [file, side.files.get(file.id), side.files.list(), len(side.files)]
    done += [file in side.files, side.files.keep_content]
    side.files.keep_content = True
    uploaded = side.__dict__.get("served", side).files.upload(b"\xff\x00")
    done += [side.files.keep_content, side.files.get(uploaded.id).content]
    side.files.keep_content = False
    return [*done, side.test.files.keep_content]


def studio(side: Side) -> Any:
    a_batch(side, studio=True)
    emails = ["e@example.com", "f@example.com"]
    for email in emails:
        side.teammates.add(email)
    return [
        side.studio.assign(emails=emails, projects=["p"]),
        side.studio.create_group("p", name="g", emails=emails[:1]),
        side.studio.change_group("p", "g", add_emails=emails[1:]),
        side.studio.groups("p"),
        side.studio.batches(),
        side.studio.set_batch_groups("b", groups=["g", emails[0]]),
        side.studio.set_priorities(batches=[{"name": "b"}]),
        side.studio.reset_priorities(),
        side.studio.unassign(emails=emails[:1], projects=["p"]),
        side.studio.assignments(),
        bool(side.studio),
    ]


def audits(side: Side) -> Any:
    task_id = side.tasks.complete(a_task(side)).id
    audit = side.audits.create(task_id=task_id, accepted=True)
    listed = [side.audits.list(task_id=task_id), list(side.audits), side.audits.get(audit.id)]
    return [audit, *listed, audit in side.audits, audit.id in side.audits, "x" in side.audits]


def quality_tasks(side: Side) -> Any:
    side.projects.create(type="textcollection", name="rapid", rapid=True)
    made = side.quality_tasks.create(
        "training",
        "textcollection",
        project="rapid",
        attachments=[{"type": "text", "content": "x"}],
        expected_response={"a": 1},
    )
    listed = [side.quality_tasks.list("evaluation"), side.quality_tasks.list()]
    return [made, side.quality_tasks.get(made.id), *listed, made in side.quality_tasks]


def contains(side: Side) -> Any:
    a_batch(side)
    task = side.tasks.create("chat")
    side.tasks.complete(a_task(side, callback_url="a@example.com"))
    [delivery] = side.callbacks
    known = [task, task.id, delivery, "p", "b", "admin@example.com", None, 5]
    homes = ("tasks", "projects", "batches", "teammates", "files", "audits", "quality_tasks")
    return [
        [[it in getattr(side, home) for it in known] for home in (*homes, "callbacks")],
        [side.callbacks[0], side.callbacks[-1], side.callbacks[:5], side.callbacks[5:]],
        [list(reversed(side.callbacks)), side.callbacks.index(delivery)],
    ]


NOWHERE = "http://127.0.0.1:9/callback"


def callbacks(side: Side) -> Any:
    side.callback_url = "a@example.com"
    for url in (None, NOWHERE, "http://www.example.com/callback"):
        side.tasks.complete(a_task(side, callback_url=url))
    side.test.tasks.create("chat")
    side.callback_url = None
    done = [side.tasks.send_callback(side.tasks.list()[0].id), side.callbacks.deliver()]
    other = side.callbacks.list(account="other")
    owed = side.callbacks.list(state="owed", limit=1)
    counts = [side.callbacks.counts(name) for name in ("fakescale", "nobody")]
    listed = [list(side.callbacks), len(side.callbacks), side.callbacks.list()[0].state]
    return [*done, other, *listed, owed, counts]


def failure(call: Callable[..., Any], *placed: Any, **given: Any) -> str:
    """Return the text of the AssertionError that a call raises."""
    with pytest.raises(AssertionError) as caught:
        call(*placed, **given)
    return str(caught.value)


def assertions(side: Side) -> Any:
    side.callback_url = "a@example.com"
    task = side.tasks.complete(a_task(side, unique_id="u", metadata={"a": 1, "b": [2]}))
    side.callback_url = None
    sent = side.requests.assert_sent
    return [
        side.tasks.assert_created("chat", unique_id="u"),
        side.tasks.assert_created(metadata={"a": 1}),
        side.tasks.assert_created(Kind.CHAT, count=2),
        side.test.tasks.assert_created(count=0),
        failure(side.tasks.assert_created, "chat", 1, unique_id="v"),
        sent("POST", "/task/chat", status=200, account="fakescale"),
        failure(sent, "GET", "/tasks", count=5, headers={"Accept": "x"}, unique_id="u"),
        side.callbacks.assert_delivered(task, "completed", state="recorded", task_id=task.id),
        failure(side.callbacks.assert_delivered, task),
        failure(side.callbacks.assert_delivered, account="other"),
    ]


def waits(side: Side) -> Any:
    side.callback_url = "a@example.com"
    task = side.tasks.complete(a_task(side))
    side.callback_url = None
    return [
        side.tasks.wait_for(status="completed"),
        side.tasks.wait_for(0, 0, type="chat", status="error"),
        failure(side.tasks.wait_for, 500, timeout=0, status="pending"),
        side.requests.wait_for(2, 0, method="POST"),
        failure(side.requests.wait_for, 900, 0, path="/tasks", account="other"),
        side.callbacks.wait_for(1, 0, subject=task, state="recorded"),
        failure(side.callbacks.wait_for, timeout=0, event="error"),
        asyncio.run(side.tasks.until(status="completed")),
        asyncio.run(side.requests.until(2, 0, method="POST")),
        asyncio.run(side.callbacks.until(state=None)),
        asyncio.run(side.events.until(kind="task changed", subject=task)).number,
        failure(lambda: asyncio.run(side.tasks.until(500, timeout=0))),
    ]


def manners(side: Side) -> Any:
    side.callback_url = "a@example.com"
    side.callbacks.duplicate(3, account="fakescale")
    side.callbacks.shuffle("x")
    side.callbacks.delay(dt.timedelta(hours=1), account="other")
    side.tasks.complete(a_task(side))
    side.callbacks.shuffle(None)
    first = side.callbacks[0]
    again = [side.callbacks.redeliver(it, auth_key=key) for it, key in ((first, "x"), (0, False))]
    return [*again, *side.callbacks]


def faults(side: Side) -> Any:
    def told(fault: Any) -> Any:
        return {name: value for name, value in fault.to_json().items() if name != "id"}

    added = [
        side.faults.add(status=503, headers={"X-A": "b"}, path="/v1/*", nth=2),
        side.faults.add(status=500, seed=3, probability=0.5),
        side.faults.add(reset="within", method="POST", api_key="live_x"),
        side.faults.rate_limit(10),
        side.faults.outage(minutes=5),
        side.faults.lost_answer(times=2),
        side.faults.duplicate_in_flight(),
    ]
    seen = [told(fault) for fault in side.faults.list()]
    with side.faults.add(status=500) as fault:
        hits = fault.hits
    removed = [side.faults.remove(fault.id) for fault in added]
    return [[told(fault) for fault in added], seen, hits, removed, len(side.faults)]


#: Every operation, and a step that uses it: both sides must return the same.
def batch_moves(side: Side) -> Any:
    batch = a_batch(side)
    side.tasks.create("chat", batch="b")
    moved = [side.batches.pause(batch), side.batches.resume("b"), side.batches.cancel(batch)]
    merged = side.batches.set_metadata("b", {"m": {"x": 1}}, merge=True)
    return [*moved, merged, side.tasks.list(batch="b", status="canceled")]


def deleted_tasks(side: Side) -> Any:
    task = side.tasks.create("chat", unique_id="u")
    gone = side.tasks.delete(task)
    return [gone, side.tasks.list(), side.tasks.create("chat", unique_id="u")]


def reports(side: Side) -> Any:
    task = a_task(side)
    return [side.tasks.report(task, "violence", "m"), side.tasks.report(task, type="t", message="")]


def deliveries(side: Side) -> Any:
    side.projects.create(type="chat", name="p")
    tasks = [side.tasks.complete(a_task(side, project="p")) for _ in range(2)]
    schema = {"type": "object"}
    first = side.deliveries.create(tasks, name="d", response_schema=schema)
    empty = side.deliveries.create([], project="p")
    return [
        first,
        empty,
        first.task_count,
        side.deliveries.get(first),
        side.deliveries.list(project="p"),
        side.deliveries.schema(first.response_schema_id),
        [len(side.deliveries), side.deliveries[0]],
    ]


def datasets(side: Side) -> Any:
    dataset = side.datasets.create("ds")
    delivery = side.datasets.deliver(dataset, [{"threads": [{"turns": [{}]}]}, {}], name="d")
    [task, _] = side.datasets.tasks(delivery)
    attachment = side.datasets.attach(task, "text", media_type="text/csv")
    return [
        side.datasets.get(dataset),
        side.datasets.list(),
        delivery,
        side.datasets.delivery(delivery),
        side.datasets.deliveries(dataset),
        side.datasets.task(task),
        attachment,
        side.datasets.attachment(attachment),
    ]


def pages(side: Side) -> Any:
    for number in range(3):
        a_task(side, unique_id=str(number))
    first = side.tasks.page(2)
    rest = side.tasks.page(limit=2, next_token=first.next_token)
    return [first, rest, side.tasks.page(unique_id="1"), side.tasks.counts()]


def summaries(side: Side) -> Any:
    side.stop_clock()
    side.turnaround = dt.timedelta(hours=1)
    a_task(side)
    found = side.summary()
    assert side.summary(since=found.number) is None
    of_test = side.summary(test=True)
    told = [it._replace(number=0, state="") for it in (found, of_test)]
    return [*told, side.next_due(), side.worlds()]


def explanations(side: Side) -> Any:
    calls = [it for it in side.events if it.exchange is not None]
    told = [side.explain(it.number) for it in calls]
    try:
        side.explain(10**9)
    except NotFound as error:
        return [told[-3:], side.nearest("get", "/v1/taks"), str(error)]
    return None


def addresses(side: Side) -> Any:
    return "/" + side.ui.split("/", 3)[3]


STEPS: dict[str, Callable[[Side], Any]] = {
    "tasks.page": pages,
    "tasks.counts": pages,
    "callbacks.counts": callbacks,
    "summary": summaries,
    "next_due": summaries,
    "worlds": summaries,
    "nearest": explanations,
    "explain": explanations,
    "ui": addresses,
    "api_key": api_key,
    "test_api_key": api_key,
    "url": url,
    "callback_url": attributes,
    "callback_auth_key": attributes,
    "tasks.create": create,
    "tasks.get": get,
    "tasks.list": list_,
    "tasks.one": one,
    "tasks.drawing": drawings,
    "tasks.cancel": cancel,
    "tasks.set_metadata": set_metadata,
    "tasks.set_unique_id": set_metadata,
    "tasks.clear_unique_id": set_metadata,
    "tasks.add_tags": set_metadata,
    "tasks.set_tags": set_metadata,
    "tasks.remove_tags": set_metadata,
    "tasks.audit": audit,
    "tasks.send_callback": callbacks,
    "tasks.start": start,
    "tasks.complete": complete,
    "tasks.fail": fail,
    "tasks.recall": recall,
    "tasks.load": load_tasks,
    "projects.create": create_project,
    "projects.get": get_project,
    "projects.list": list_projects,
    "projects.set_params": get_project,
    "projects.set_ontology": get_project,
    "projects.template": get_project,
    "projects.set_template": set_template,
    "projects.describe": describe_project,
    "projects.archive": archive_project,
    "batches.create": create_batch,
    "batches.get": get_batch,
    "batches.list": list_batches,
    "batches.finalize": get_batch,
    "batches.set_metadata": get_batch,
    "batches.prioritize": get_batch,
    "batches.archive": archive_batch,
    "quality_tasks.create": quality_tasks,
    "quality_tasks.get": quality_tasks,
    "quality_tasks.list": quality_tasks,
    "quality_tasks.record": record,
    "audits.create": audits,
    "audits.list": audits,
    "audits.get": audits,
    "files.import_file": list_files,
    "files.get": list_files,
    "files.list": list_files,
    "files.keep_content": list_files,
    "teammates.invite": invite,
    "teammates.set_role": invite,
    "teammates.get": invite,
    "teammates.list": add_teammate,
    "teammates.add": add_teammate,
    "teammates.accept": accept_invitation,
    "teammates.disable": accept_invitation,
    "batches.pause": batch_moves,
    "batches.resume": batch_moves,
    "batches.cancel": batch_moves,
    "tasks.delete": deleted_tasks,
    "tasks.report": reports,
    **dict.fromkeys(
        ("deliveries.create", "deliveries.get", "deliveries.list", "deliveries.schema"), deliveries
    ),
    **{
        f"datasets.{name}": datasets
        for name in (
            "create",
            "get",
            "list",
            "deliver",
            "delivery",
            "deliveries",
            "task",
            "tasks",
            "attach",
            "attachment",
        )
    },
    "studio.assignments": studio,
    "studio.assign": studio,
    "studio.unassign": studio,
    "studio.groups": studio,
    "studio.create_group": studio,
    "studio.change_group": studio,
    "studio.batches": studio,
    "studio.set_batch_groups": studio,
    "studio.set_priorities": studio,
    "studio.reset_priorities": studio,
    "disable_type": disable_type,
    "enable_type": disable_type,
    "turnaround": set_turnaround,
    "requests.list": requests_,
    "requests.counted": requests_,
    "events.list": events,
    "events.wait_for": events,
    "events.total": events,
    "tasks.assert_created": assertions,
    "tasks.wait_for": waits,
    "requests.assert_sent": assertions,
    "requests.wait_for": waits,
    "callbacks.assert_delivered": assertions,
    "callbacks.wait_for": waits,
    "callbacks.redeliver": manners,
    "callbacks.duplicate": manners,
    "callbacks.delay": manners,
    "callbacks.shuffle": manners,
    "callbacks.list": callbacks,
    "callbacks.deliver": callbacks,
    "faults.add": faults,
    "faults.rate_limit": faults,
    "faults.outage": faults,
    "faults.lost_answer": faults,
    "faults.duplicate_in_flight": faults,
    "faults.list": faults,
    "faults.remove": faults,
    "accounts": lambda side: side.accounts(),
    "now": now,
    "advance": advance,
    "stop_clock": stop_clock,
    "start_clock": start_clock,
    "reset": reset,
    "dump": dump,
    "load": load,
}


def test_there_is_a_step_for_each_operation() -> None:
    assert set(OPERATIONS) == set(STEPS)


class Sides:
    """Two fakes in the same state, of which one is reached only over HTTP."""

    def __init__(self) -> None:
        # The ids hold milliseconds, and so are equal only while time stands still.
        self.local, self.served = FakeScale(seed="tests"), FakeScale(seed="tests")
        for fake in (self.local, self.served):
            Caller(fake)("POST", "/task/chat", data=b'{"a": "\xc3\xa9"}')
            Caller(fake, "test_other")("GET", "/tasks?limit=0")
            Caller(fake, "nobody")("GET", "/tasks")
            Caller(fake)("POST", "/task/chat", data=b"\xff\x00")

    def remote(self) -> RemoteFakeScale:
        remote = RemoteFakeScale(self.served.url)
        remote.__dict__["served"] = self.served  # some steps need more than a remote fake has
        return remote

    def compare(self, step: Callable[[Side], Any]) -> None:
        with self.served.serve():
            theirs = step(self.remote())
        assert theirs == step(self.local)
        assert theirs != []


@pytest.fixture
def sides(noon: time_machine.Traveller) -> Sides:
    return Sides()


@pytest.mark.parametrize("name", STEPS)
def test_every_operation_does_over_http_what_it_does_in_python(name: str, sides: Sides) -> None:
    called = []

    def step(side: Side) -> Any:
        if isinstance(side, RemoteFakeScale):
            post = side._post

            def noting(operation: str, *more: Any) -> Any:
                called.append(operation)
                return post(operation, *more)

            side.__dict__["_post"] = noting
        return STEPS[name](side)

    sides.compare(step)
    assert name in called or name == "url"  # a remote fake knows its URL without a call


def test_a_walk_through_all_operations_leaves_both_sides_alike(noon: Any) -> None:
    dice = random.Random(3)
    steps = [*dict.fromkeys(STEPS.values())]  # one step may use several operations
    for _ in range(examples(6)):
        sides = Sides()
        with sides.served.serve():
            remote = sides.remote()
            for step in dice.sample(steps, len(steps)):
                outcomes = []
                for side in (sides.local, remote):
                    try:
                        outcomes.append(step(side))
                    except Exception as error:
                        outcomes.append((type(error), str(error)))
                assert outcomes[0] == outcomes[1], step.__name__
        assert sides.served.tasks.list() == sides.local.tasks.list()
        assert list(sides.served.requests) == list(sides.local.requests)


def test_a_remote_collection_holds_the_same_items(sides: Sides) -> None:
    sides.compare(contains)


def test_a_value_stands_for_its_key(sides: Sides) -> None:
    sides.compare(a_value_for_its_key)


def test_the_path_of_a_file_is_read_where_the_helper_is_called(
    sides: Sides, tmp_path: Path
) -> None:
    (tmp_path / "tasks.json").write_text(json.dumps([PRINTED]), "utf-8")
    (tmp_path / "page.json").write_text(json.dumps({"docs": [PRINTED]}), "utf-8")
    (tmp_path / "bad.json").write_text("[", "utf-8")

    def load_files(side: Side) -> Any:
        side.load(tmp_path / "tasks.json")
        side.test.tasks.load(str(tmp_path / "page.json"))
        state = dump(side)
        (tmp_path / "dump.json").write_text(json.dumps(state), "utf-8")
        side.reset()
        side.load(str(tmp_path / "dump.json"))
        with pytest.raises(BadRequest, match=r"bad\.json is not a JSON file"):
            side.load(tmp_path / "bad.json")
        with pytest.raises(FileNotFoundError):
            side.tasks.load("nothing.json")
        return [side.tasks.list(), side.test.tasks.list()]

    sides.compare(load_files)


def test_no_call_over_http_makes_the_server_read_a_file(fake: FakeScale, tmp_path: Path) -> None:
    file = tmp_path / "tasks.json"
    file.write_text(json.dumps([PRINTED]), "utf-8")
    for operation, argument in (("load", "data"), ("tasks.load", "printed")):
        reply = post(fake, operation, **{argument: str(file)})
        assert (reply.status_code, f'"{argument}" must be' in reply.json["error"]) == (400, True)
    assert len(fake.tasks) == 0


# Over HTTP


def post(fake: FakeScale, operation: str, /, **arguments: Any) -> Any:
    return werkzeug.test.Client(fake).post(f"/_fakescale/{operation}", json=arguments)


def result(fake: FakeScale, operation: str, /, **arguments: Any) -> Any:
    reply = post(fake, operation, **arguments)
    assert reply.status_code == 200, reply.data
    assert list(reply.json) == ["result"]
    return reply.json["result"]


def test_a_result_is_a_task_as_the_api_prints_it(fake: FakeScale, live: Caller) -> None:
    task = result(fake, "tasks.create", type="chat", unique_id="u")
    assert live.get(f"/task/{task['task_id']}") == task
    done = result(fake, "tasks.complete", task_id=task["task_id"], response={"a": 1})
    assert (done["status"], done["response"]) == ("completed", {"a": 1})
    assert result(fake, "tasks.list", status="completed") == [done]
    assert fake.tasks.get(task["task_id"]).response == {"a": 1}


def test_account_and_test_select_the_world(fake: FakeScale) -> None:
    result(fake, "tasks.create", type="chat", account="other", test=True)
    assert len(fake.account("other").test.tasks) == 1
    assert result(fake, "tasks.list") == result(fake, "tasks.list", test=True) == []
    [task] = result(fake, "tasks.list", account="other", test=True)
    assert task["is_test"]
    assert result(fake, "api_key", account=None, test=True) == fake.test_api_key


def test_times_are_text(fake: FakeScale, noon: time_machine.Traveller) -> None:
    assert result(fake, "now") == NOON
    assert result(fake, "advance", hours=1) is None
    assert result(fake, "now") == "2024-02-29T13:00:00.000Z"
    Caller(fake).get("/tasks")
    [exchange] = result(fake, "requests.list", since="2024-02-29T13:00:00Z")
    assert exchange["when"] == "2024-02-29T13:00:00.000Z"
    assert json.loads(exchange["answer"])["docs"] == []
    assert result(fake, "requests.list", since="2024-02-29T13:00:01Z") == []


def test_a_property_is_read_and_set_by_one_name(fake: FakeScale) -> None:
    assert result(fake, "callback_url") is None
    url = result(fake, "callback_url", value="a@example.com", test=True)
    assert url == fake.test.callback_url == "a@example.com"
    assert fake.callback_url is None
    assert result(fake, "callback_url", value=None, test=True) is None
    assert fake.test.callback_url is None
    assert result(fake, "turnaround") is None
    assert result(fake, "turnaround", value=90) == 90
    assert fake.turnaround == dt.timedelta(seconds=90)
    fake.turnaround = lambda task: None
    reply = post(fake, "turnaround")
    assert (reply.status_code, reply.json["error"]) == (
        400,
        "The turnaround is a function, which is not JSON.",
    )


def test_control_calls_are_in_no_journal(fake: FakeScale) -> None:
    result(fake, "now")
    post(fake, "nowhere")
    werkzeug.test.Client(fake).get("/_fakescale/")
    assert fake.requests.total == 0


@pytest.mark.parametrize(
    ("operation", "arguments", "status", "text"),
    [
        ("tasks.get", {}, 400, '"task_id" is required'),
        ("tasks.get", {"task_id": 5}, 400, '"task_id" must be a string (got 5)'),
        ("tasks.get", {"task_id": ["x"]}, 400, '"task_id" must be a string (got ["x"])'),
        ("tasks.get", {"task_id": None}, 400, '"task_id" must be a string (got null)'),
        ("tasks.get", {"task_id": "5f"}, 404, "Task with that ID not found."),
        (
            "tasks.get",
            {"task_id": "5f", "x": 1},
            400,
            '"x" is not an argument of tasks.get; it takes: task',
        ),
        ("tasks.create", {}, 400, '"type" is required'),
        ("tasks.create", {"type": "nonsense"}, 404, ""),
        ("tasks.create", {"type": "chat", "metadata": 5}, 400, '"metadata" must be of type object'),
        ("tasks.create", {"type": "chat", "test": 1}, 400, '"test" must be a boolean (got 1)'),
        (
            "tasks.create",
            {"type": "chat", "account": 1},
            400,
            '"account" must be one of [null, str',
        ),
        ("tasks.create", {"type": "chat", "account": "a:b"}, 400, "'a:b' cannot be the name of"),
        ("tasks.create", {"type": "chat", "account": ""}, 400, "'' cannot be the name of"),
        ("tasks.list", {"statuses": "pending"}, 400, '"statuses" is not an argument of tasks.list'),
        ("tasks.list", {"type": "chta"}, 400, 'a task type; the nearest is "chat" (got "chta")'),
        ("tasks.audit", {"task_id": "5f"}, 400, "takes either a result or accepted="),
        ("tasks.list", {"status": "nonsense"}, 400, '"status" must be one of'),
        ("tasks.list", {"status": {"a": 1}}, 400, '"status" must be one of'),
        ("tasks.complete", {"task_id": "5f", "response": "x"}, 400, '"response" must be'),
        ("tasks.audit", {"task_id": "5f", "result": "great"}, 400, '"result" must be one of'),
        ("tasks.load", {"printed": {}}, 400, "neither an array of tasks nor a page"),
        ("tasks.load", {"printed": [5]}, 400, '"[0]" must be of type object'),
        ("load", {"data": {}}, 400, '"fakescale" must be 2'),
        ("load", {"data": {"fakescale": 2}}, 400, "not a dump"),
        ("projects.set_template", {"name": "p"}, 400, '"template_variables" is required'),
        (
            "projects.set_template",
            {"name": "p", "template_variables": {}},
            404,
            'Project "p" not found.',
        ),
        ("batches.create", {"project": "p", "name": "b"}, 400, '"project" must be the name of'),
        ("advance", {"hours": "1"}, 400, '"hours" must be a number (got "1")'),
        ("advance", {"account": "x"}, 400, '"account" is not an argument of advance; it takes: by'),
        ("advance", {"years": 1}, 400, '"years" is not an argument of advance'),
        ("advance", {"hours": -1}, 400, "advance: the fake's clock cannot go back"),
        ("advance", {"by": -1}, 400, "advance: the fake's clock cannot go back"),
        ("advance", {"days": 1e300}, 400, "advance: "),
        ("advance", {"days": 10**9}, 400, "advance: "),
        ("now", {"x": 1}, 400, '"x" is not an argument of now; it takes: none'),
        (
            "requests.list",
            {"since": "soon"},
            400,
            '"since" must be a time in ISO 8601 (got "soon")',
        ),
        ("requests.list", {"since": 5}, 400, '"since" must be'),
        ("requests.list", {"limit": 1.5}, 400, '"limit" must be'),
        ("nowhere", {}, 404, "There is no operation POST /_fakescale/nowhere"),
        ("tasks", {}, 404, "There is no operation POST /_fakescale/tasks;"),
        ("tasks.explode", {}, 404, "There is no operation POST /_fakescale/tasks.explode"),
        ("tasks._submit", {}, 404, "There is no operation POST /_fakescale/tasks._submit"),
        ("tasks%2Elist", {}, 404, "There is no operation POST /_fakescale/tasks%2Elist"),
        ("test.tasks.list", {}, 404, "There is no operation POST /_fakescale/test.tasks.list"),
        ("labeler", {}, 404, "There is no operation POST /_fakescale/labeler"),
        ("turnaround", {"value": "1"}, 400, '"value" must be'),
        ("turnaround", {"value": -1}, 400, "turnaround: a turnaround must be between zero and"),
        ("turnaround", {"value": 1e300}, 400, "turnaround: "),
        ("turnaround", {"test": True}, 400, '"test" is not an argument of turnaround; it takes'),
        ("callback_url", {"value": "x"}, 400, '"callback_url" must be'),
        ("callback_auth_key", {"value": "x"}, 400, '"value" is not an argument of callback_auth_'),
        ("files.keep_content", {"value": None}, 400, '"value" must be a boolean (got null)'),
        ("faults.add", {"predicate": "x"}, 400, '"predicate" is not an argument of faults.add'),
        ("health", {}, 404, "There is no operation POST /_fakescale/health"),
    ],
)
def test_a_refusal_says_what_is_wrong(
    fake: FakeScale, operation: str, arguments: Any, status: int, text: str
) -> None:
    reply = post(fake, operation, **arguments)
    assert reply.status_code == reply.json["status_code"] == status, reply.data
    assert text in reply.json["error"]
    assert len(fake.tasks) == 0


@pytest.mark.parametrize("body", ["[]", "5", '"x"', "{nonsense", '{"a": NaN}', "\ufffd"])
def test_a_body_must_be_an_object(fake: FakeScale, body: str) -> None:
    client = werkzeug.test.Client(fake)
    reply = client.post("/_fakescale/now", data=body, content_type="application/json")
    assert reply.status_code == 400
    assert client.post("/_fakescale/now", content_type="application/json").status_code == 200


WRONG: list[Any] = [None, True, -1, 1e300, "", "\0", [], [[]], {}, {"a": None}]


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_argument_makes_a_500(name: str) -> None:
    arguments = OPERATIONS[name].arguments
    for value in WRONG:
        fake = FakeScale(seed="tests")
        each = [{argument: value} for argument in arguments]
        each += [{"else": value}, {"type": "chat", "type_": value}] if value == [] else []
        for given in [*each, dict.fromkeys(arguments, value)]:
            short = {"timeout": 0} if name.endswith(".wait_for") else {}
            body, headers = (
                json.dumps({**short, **given}).encode(),
                {"Content-Type": "application/json"},
            )
            status, *_ = sent(fake, "POST", f"/_fakescale/{name}", body, headers)
            assert status in (200, 400, 404, 409, 417), f"{name}, given {given}"
        fake.callbacks._stop(for_good=True)


def test_a_bug_is_a_500_with_its_traceback_in_the_log(
    fake: FakeScale, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fake, "world", lambda **which: 1 / 0)
    assert post(fake, "tasks.list").status_code == 500
    assert "ZeroDivisionError" in caplog.text


def test_the_list_describes_each_operation_and_its_arguments(fake: FakeScale) -> None:
    client = werkzeug.test.Client(fake)
    replies: list[Any] = [client.get(path).json for path in ("/_fakescale/", "/_fakescale")]
    assert replies[0] == replies[1]
    listed = replies[0]["operations"]
    assert list(listed) == list(OPERATIONS)
    assert listed["tasks.audit"] == {
        "description": "Audit a completed task, and return it.",
        "arguments": {
            "task_id": {"type": "string", "required": True},
            "result": {"type": ["string", "null"], "required": False, "default": None},
            "comments": {"type": ["string", "null"], "required": False, "default": None},
            "accepted": {"type": ["boolean", "null"], "required": False, "default": None},
            "source": {"type": "string", "required": False, "default": "customer"},
            "account": {"type": ["string", "null"], "required": False, "default": None},
            "test": {"type": "boolean", "required": False, "default": False},
        },
    }
    assert listed["tasks.create"]["arguments"]["…"] == {"description": "Any further argument."}
    assert listed["advance"]["arguments"]["hours"] == {
        "type": "number",
        "required": False,
        "default": 0,
    }
    assert listed["tasks.list"]["arguments"]["status"] == {
        "type": ["string", "array", "null"],
        "required": False,
        "default": None,
    }
    for name, described in listed.items():
        assert described["description"].endswith("."), name


def test_no_argument_of_a_helper_is_named_like_a_selector() -> None:
    for operation in OPERATIONS.values():
        names = [*operation.parameters, *operation.selectors]
        assert len(names) == len(operation.arguments), operation.name
        kinds = {parameter.kind for parameter in operation.parameters}
        assert inspect.Parameter.VAR_POSITIONAL not in kinds
