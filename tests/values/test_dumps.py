import contextlib
import datetime as dt
import json
import threading
from typing import Any

import hypothesis
import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from fakescale import FakeScale
from fakescale.account.world import _OWNERS
from fakescale.receiver import Receiver
from fakescale.values.errors import ApiError, BadRequest
from tests.account.test_printed import PRINTED
from tests.support import Caller, example, examples

ACCOUNTS = ["fakescale", "other"]
MODES = ["live", "test"]


def shown(fake: FakeScale) -> Any:
    """Return the answers of the endpoints in all worlds, by API key."""
    seen = {}
    for key in [f"{mode}_{account}" for mode in MODES for account in ACCOUNTS]:
        caller = Caller(fake, key)
        tasks = caller.get("/tasks")
        batches = caller.get("/batches")["docs"]
        seen[key] = {
            "tasks": tasks,
            "each": [caller.get(f"/task/{task['task_id']}") for task in tasks["docs"]],
            "projects": caller.get("/projects"),
            "batches": batches,
            "counts": [caller.get(f"/batches/{batch['name']}/status") for batch in batches],
            "unique_ids": caller.get("/tasks?unique_id=u,v"),
        }
    return seen


def replayed(fake: FakeScale) -> list[bytes]:
    headers = {"Idempotency-Key": "k"}
    return [
        Caller(fake, f"{mode}_fakescale")("POST", "/task/chat", {"n": 1}, headers=headers).bytes
        for mode in MODES
    ]


STEPS = st.tuples(
    st.sampled_from(["create", "complete", "fail", "cancel", "recall", "tag", "audit", "advance"]),
    st.sampled_from(MODES),
    st.sampled_from(ACCOUNTS),
    st.integers(0, 5),
)


def take(fake: FakeScale, action: str, mode: str, account: str, number: int) -> None:
    world = fake.account(account).world(is_test=mode == "test")
    if "p" not in world.projects:
        world.projects.create(type="chat", name="p", params={"instruction": "i"}, rapid=True)
        world.batches.create(project="p", name="b", callback="a@b", metadata={"k": [1]})
    ids = [task.id for task in world.tasks]
    if action == "advance":
        fake.advance(minutes=number)
    elif action == "create":
        unique_id = "uvwxyz"[number]
        world.tasks.create("chat", batch="b" if number % 2 else None, unique_id=unique_id)
    elif ids and action == "tag":
        world.tasks.add_tags(ids[number % len(ids)], ["t"])
    elif ids and action == "audit":
        world.tasks.audit(ids[number % len(ids)], "rejected", "no")
    elif ids:
        getattr(world.tasks, action)(ids[number % len(ids)])


@hypothesis.settings(max_examples=examples(40))
@given(st.lists(STEPS, max_size=25))
def test_a_round_trip_changes_no_answer_of_an_endpoint(steps: list[Any]) -> None:
    with time_machine.travel("2024-01-01T00:00:00Z", tick=False) as traveller:
        fake = FakeScale(complete_after=dt.timedelta(minutes=7))
        answers = replayed(fake)
        for step in steps:
            with contextlib.suppress(ApiError):
                take(fake, *step)
        dump = json.loads(json.dumps(fake.dump()))
        copy = FakeScale()
        copy.tasks.create("chat", unique_id="gone")
        copy.load(dump)
        assert copy.dump() == dump
        assert shown(copy) == shown(fake)
        assert replayed(copy) == replayed(fake) == answers
        # The two fakes stay the same as time passes.
        for minutes in (3, 3, 30):
            traveller.shift(minutes * 60)
            assert shown(copy) == shown(fake)
        assert copy.now() == fake.now()


def test_a_dump_holds_more_than_tasks() -> None:
    fake = FakeScale()
    fake.projects.create(type="textcollection", name="rapid", rapid=True)
    fake.projects.create(type="chat", name="studio", studio=True)
    fake.batches.create(project="studio", name="b")
    fake.files.keep_content = True
    fake.files.upload(b"x", project_name="p", metadata={"k": [1]}, reference_id="r")
    fake.files.import_file(file_url="https://e.com/a")
    fake.teammates.add("a@e.com")
    fake.teammates.invite(emails=["b@e.com"], team_role="member")
    fake.studio.assign(emails=["a@e.com"], projects=["studio"])
    fake.studio.create_group("studio", name="g", emails=["a@e.com"])
    fake.studio.set_batch_groups("b", groups=["g", "a@e.com"])
    fake.studio.set_priorities(batches=[{"name": "b"}])
    body = example("textcollection", project="rapid", expected_response={"a": {}})
    quality = fake.quality_tasks.create("training", "textcollection", **body)
    fake.quality_tasks.record(quality.id, "a@e.com", score=1)
    task = fake.tasks.complete(fake.tasks.create("chat").id, {})
    fake.audits.create(task_id=task.id, result="fixed")
    fake.disable_type("chat")
    dump = json.loads(json.dumps(fake.dump()))
    copy = FakeScale()
    copy.load(dump)
    assert copy.dump() == dump
    for path in (
        "/files?project=p",
        "/teams",
        "/studio/assignments",
        "/studio/projects/studio/groups",
        "/studio/batches",
        f"/quality/labelers?quality_task_ids={quality.id}",
        f"/audits?task_id={task.id}",
    ):
        seen = Caller(fake).get(path)
        assert Caller(copy).get(path) == seen
        assert len(seen) > 0
    assert copy.quality_tasks.get(quality.id).to_json() == quality.to_json()
    assert [file.sha256 for file in copy.files] == [file.sha256 for file in fake.files]
    assert Caller(copy)("POST", "/task/chat", {}).status == 402


def test_a_dump_keeps_the_age_of_a_saved_answer(noon: time_machine.Traveller) -> None:
    fake, copy = FakeScale(), FakeScale()
    answers = replayed(fake)
    fake.advance(hours=23)
    copy.load(fake.dump())
    assert replayed(copy) == answers
    copy.advance(hours=1)
    assert replayed(copy) != answers


def test_loading_printed_tasks_keeps_earlier_tasks(fake: FakeScale) -> None:
    fake.tasks.create("chat")
    fake.load([PRINTED])
    fake.load({"docs": [{**PRINTED, "task_id": "x", "unique_id": "v"}], "total": 1})
    assert len(fake.tasks) == 3


@pytest.mark.parametrize(
    "data",
    [
        None,
        5,
        {},
        {"fakescale": 2},
        {"fakescale": 1},
        {"fakescale": 1, "advanced_ms": "x"},
        {**FakeScale().dump(), "accounts": {"a": {}}},
        {**FakeScale().dump(), "accounts": 5},
        {**FakeScale().dump(), "saved_answers": [{}]},
    ],
)
def test_data_that_is_not_a_dump_is_refused_and_changes_nothing(fake: FakeScale, data: Any) -> None:
    fake.tasks.create("chat")
    before = fake.dump()
    with pytest.raises(BadRequest):
        fake.load(data)
    assert fake.dump() == before


def test_the_refusal_of_a_dump_names_an_unknown_field(fake: FakeScale) -> None:
    fake.tasks.create("chat")
    dump = json.loads(json.dumps(fake.dump()))
    dump["accounts"]["fakescale"]["live"]["tasks"]["tasks"][0]["colour"] = "red"
    with pytest.raises(BadRequest, match=r'"tasks\[0\]" has an unknown member \(got "colour"\)'):
        fake.load(dump)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ((), "colour"),
        (("accounts", "fakescale", "live"), "fakescale.live.colour"),
        (("accounts", "fakescale", "test", "tasks"), "fakescale.test.tasks.colour"),
        (("accounts", "fakescale", "live", "studio"), "fakescale.live.studio.colour"),
    ],
)
def test_an_unknown_member_of_a_dump_is_refused(
    fake: FakeScale, path: tuple[str, ...], name: str
) -> None:
    fake.tasks.create("chat")
    dump = json.loads(json.dumps(fake.dump()))
    place = dump
    for step in path:
        place = place[step]
    place["colour"] = "red"
    with pytest.raises(BadRequest, match=f'"{name}" is not a member of a dump'):
        fake.load(dump)


def test_the_copy_of_a_fake_sends_the_callbacks_it_owed(
    noon: time_machine.Traveller, callback_receiver: Receiver
) -> None:
    fake, copy = FakeScale(), FakeScale()
    fake.projects.create(type="chat", name="p")
    fake.batches.create(project="p", name="b", callback=callback_receiver.url)
    for url in (callback_receiver.url, "a@example.com", "http://localhost:1/"):
        task = fake.tasks.create("chat", batch="b", callback_url=url)
        callback_receiver.answer(503)
        fake.tasks.complete(task.id)
    callback_receiver.answer(503, times=9)
    fake.callbacks.deliver()
    # As if the dump came from a fake that may send to example.com.
    dump = json.loads(json.dumps(fake.dump()).replace("localhost:1", "example.com"))
    copy.load(dump)
    assert [it.subject for it in copy.callbacks] == [it.subject for it in fake.callbacks]
    states = {it.url: it.state for it in copy.callbacks}
    assert states["a@example.com"] == "recorded"
    assert states["http://example.com/"] == "not sent: example.com is not allowed"
    callback_receiver.clear()
    callback_receiver.answer(200, times=9)
    copy.advance(minutes=72)
    told = [received.json.get("task_id", "the batch") for received in callback_receiver.received]
    [first] = copy.tasks.list(start_time="2000-01-01", status="completed")[-1:]
    assert set(told) == {first.id, "the batch"}
    assert first.callback_completed
    copy.tasks.complete(copy.tasks.create("chat", callback_url="a@b").id)
    numbers = [it.number for it in copy.callbacks]
    assert numbers == sorted(set(numbers))


def test_a_world_is_dumped_as_of_one_moment(
    fake: FakeScale, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = fake.world()
    got_in = []

    def enter() -> None:
        if world.tasks._lock.acquire(blocking=False):
            got_in.append(True)
            world.tasks._lock.release()

    for name in _OWNERS:
        owner = getattr(world, name)

        def dump(original: Any = owner._dump) -> Any:
            thread = threading.Thread(target=enter)
            thread.start()
            thread.join()
            return original()

        monkeypatch.setattr(owner, "_dump", dump)
    fake.dump()
    assert got_in == []


def test_loading_recounts_tasks_and_repeats_no_callback(fake: FakeScale) -> None:
    fake.projects.create(type="chat", name="p")
    fake.batches.create(project="p", name="b", callback="a@b")
    first, _ = (fake.tasks.create("chat", batch="b") for _ in range(2))
    fake.tasks.complete(first.id)
    dump = json.loads(json.dumps(fake.dump()))
    [batch] = dump["accounts"]["fakescale"]["live"]["batches"]
    assert "counts" not in batch
    batch["counts"] = {"pending": 7}
    batch["status"], batch["completed_at"] = "completed", first.created_at
    fake.load(dump)
    loaded = fake.batches.get("b")
    assert loaded.counts == {"pending": 1, "completed": 1}
    assert (loaded.status, loaded.completed_at) == ("completed", first.created_at)
    assert [it.event for it in fake.callbacks] == []


@pytest.mark.parametrize("turnaround", [None, dt.timedelta(hours=2)])
def test_loading_a_dump_sets_its_turnaround(turnaround: dt.timedelta | None) -> None:
    fake = FakeScale(complete_after=dt.timedelta(hours=1))
    fake.turnaround = turnaround
    dump = json.loads(json.dumps(fake.dump()))
    fake.load(dump)
    assert fake.turnaround == turnaround
    fake.turnaround = lambda task: None
    fake.load(dump)
    assert fake.turnaround == turnaround


def test_loading_a_dump_keeps_a_callable_turnaround() -> None:
    fake = FakeScale(complete_after=dt.timedelta(hours=1))
    fake.turnaround = turnaround = lambda task: dt.timedelta(hours=3)
    fake.load(json.loads(json.dumps(fake.dump())))
    assert fake.turnaround is turnaround


def test_loaded_ids_are_never_made_again(noon: time_machine.Traveller) -> None:
    def fill(fake: FakeScale, name: str) -> list[str]:
        fake.projects.create(type="textcollection", name=name, rapid=True)
        task = fake.test.tasks.create("chat")
        fake.files.upload(b"x")
        fake.studio._new_group(name, "g", [])
        quality = fake.quality_tasks.create(
            "training",
            "textcollection",
            **example("textcollection", project=name, expected_response={}),
        )
        return [
            fake.batches.create(project=name, name=name).id,
            fake.test.audits.create(task_id=task.id).id,
            quality.id,
            fake.quality_tasks.record(quality.id, "a@e.com").id,
            task.id,
            fake.teammates.add(f"{name}@e.com").id,
            fake.files.list()[0].id,
            fake.studio.groups(name)[0].id,
        ]

    first, second = FakeScale(seed=1), FakeScale(seed=1)
    ids = fill(first, "p")
    second.load(json.loads(json.dumps(first.dump())))
    for number in range(9):
        ids += fill(second, f"p{number}")
    assert len(ids) == len(set(ids))


WORLD = ("accounts", "fakescale", "live")
TASK = (*WORLD, "tasks", "tasks", 0)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((*TASK, "task_id"), 5),
        ((*TASK, "status"), "done"),
        ((*TASK, "metadata"), []),
        ((*TASK, "tags"), [1]),
        ((*TASK, "tags"), "t"),
        ((*TASK, "priority"), True),
        ((*TASK, "is_test"), 1),
        ((*TASK, "updated_at"), "noon"),
        ((*TASK, "project"), "nothing"),
        ((*TASK, "batch"), "nothing"),
        ((*TASK, "batch"), "other"),
        ((*TASK, "unique_id"), "twice"),
        ((*WORLD, "tasks", "tasks", 1), None),
        ((*WORLD, "tasks", "beside"), []),
        ((*WORLD, "tasks", "beside"), {"nothing": {}}),
        ((*WORLD, "tasks", "beside", "ID"), {"traceback": 5}),
        ((*WORLD, "tasks", "beside", "ID"), {"clear_unique_id_on_error": "yes"}),
        ((*WORLD, "tasks", "beside", "ID"), {"colour": "red"}),
        ((*WORLD, "tasks", "due"), {"nothing": "2024-01-01T00:00:00.000Z"}),
        ((*WORLD, "tasks", "due"), []),
        ((*WORLD, "tasks", "due", "ID"), "soon"),
        ((*WORLD, "tasks", "due", "ID"), None),
        ((*WORLD, "tasks", "looks"), {"nothing": 1}),
        ((*WORLD, "tasks", "looks"), []),
        ((*WORLD, "tasks", "looks", "ID"), 0),
        ((*WORLD, "batches", 0, "project"), "nothing"),
        ((*WORLD, "batches", 0, "status"), "begun"),
        ((*WORLD, "projects", 0, "param_history"), [5]),
        ((*WORLD, "projects", 0, "name"), []),
        ((*WORLD, "teammates"), []),
        ((*WORLD, "files", 0, "project_names"), "p"),
        ((*WORLD, "studio", "assigned"), {"a": [5]}),
        (
            (*WORLD, "studio", "groups"),
            [{"id": "g", "name": "g", "project": "p", "workers": ["x"]}],
        ),
        ((*WORLD, "studio", "order"), [[]]),
        ((*WORLD, "disabled_types"), "chat"),
        ((*WORLD, "callback_url"), 5),
        (("accounts", ""), "COPY"),
        (("saved_answers", 0, "status"), "200"),
        *((("saved_answers", 0, "status"), it) for it in (0, True, 100, 204, 304, 429, 500, 999)),
        *((("saved_answers", 0, "body"), it) for it in ("", "{", "NaN", 5)),
        (("saved_answers", 0, "fingerprint"), []),
        (("saved_answers", 0, "colour"), "red"),
        (("callbacks", 0, "colour"), "red"),
        (("callbacks", 0, "number"), "x"),
        (("callbacks", 0, "account"), 5),
        (("turnaround_ms",), "x"),
        (("turnaround_ms",), -1),
    ],
)
def test_a_broken_dump_is_refused_and_changes_nothing(path: tuple[Any, ...], value: Any) -> None:
    fake = FakeScale(complete_after=dt.timedelta(hours=1))
    replayed(fake)
    for name in "pq":
        fake.projects.create(type="chat", name=name, params={})
    fake.batches.create(project="p", name="b")
    fake.batches.create(project="q", name="other")
    fake.files.upload(b"x", project_name="p")
    task = fake.tasks.create("chat", batch="b", unique_id="u", priority=10)
    fake.tasks.create("chat", unique_id="twice")
    done = fake.tasks.create("chat", callback_url="a@b")
    fake.tasks.complete(done.id)
    before = fake.dump()
    broken = json.loads(json.dumps(before))
    tasks = broken["accounts"]["fakescale"]["live"]["tasks"]["tasks"]
    tasks.sort(key=lambda it: it["task_id"] != task.id)
    FakeScale().load(broken)
    *way, last = [task.id if step == "ID" else step for step in path]
    place = broken
    for step in way:
        place = place[step]
    place[last] = broken["accounts"]["fakescale"] if value == "COPY" else value
    with pytest.raises(BadRequest):
        fake.load(broken)
    assert fake.dump() == before
