import functools
import json
from collections import Counter
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakescale import FakeScale, strategies
from fakescale.account import task_types, threads
from fakescale.account.words import TaskType
from fakescale.strategies import creations, invalid
from fakescale.values.errors import NotFound
from fakescale.values.keywords import PHRASES, json_bytes
from tests.support import Caller, examples

TYPES = task_types.names()
FEW = hypothesis.settings(max_examples=examples(12))
STEADY = hypothesis.settings(max_examples=100, derandomize=True, database=None)


def caller(type: TaskType) -> tuple[Caller, dict[str, Any]]:
    """Return a caller of a fake with all things that a creation may name, and the ids of tasks."""
    fake = FakeScale(seed="strategies")
    if home := task_types.example(type)[0].get("project"):
        fake.projects.create(type=type, name=home)
    named = {}
    for member, wanted in task_types.references(type).items():
        task = fake.tasks._submit(wanted["type"], task_types.example(wanted["type"])[0] | HOMELESS)
        named[member] = fake.tasks.complete(task.id).id
    return Caller(fake), named


HOMELESS = {"project": None, "unique_id": None}


@pytest.mark.parametrize("type", TYPES)
def test_every_creation_is_accepted(type: TaskType) -> None:
    live, named = caller(type)

    @FEW
    @given(strategies.tasks(type, unique_id=None, **named))
    def check(creation: strategies.Creation) -> None:
        reply = live("POST", f"/task/{creation.type}", creation.body)
        assert reply.status == 200, reply.json
        assert "unique_id" not in reply.json

    check()


@pytest.mark.parametrize("type", TYPES)
def test_every_invalid_creation_is_refused_with_the_member_s_name(type: TaskType) -> None:
    live, _ = caller(type)

    @FEW
    @given(strategies.invalid_tasks(type))
    def check(creation: strategies.InvalidCreation) -> None:
        assert creation.rule in PHRASES
        reply = live("POST", f"/task/{creation.type}", creation.body)
        assert reply.status == 400, reply.json
        # One observed text says "entity name".
        assert creation.member in reply.error.replace(" ", "_")

    check()


@pytest.mark.parametrize("type", TYPES)
def test_every_response_has_the_published_shape(type: TaskType) -> None:
    example = task_types.example(type)[1]

    @FEW
    @given(strategies.responses(type))
    def check(response: dict[str, Any]) -> None:
        if type not in ASKED_FOR:
            # The threads that v2 shows are beside the published members.
            more = {"threads"} if type in threads.TYPES else set()
            assert set(response) - more == set(example)
        for name in response.keys() & example.keys() - {*ASKED_FOR.get(type, ())}:
            assert isinstance(response[name], kind(example[name])), name

    check()


# The members of responses that depend, or whose values depend, on the task's parameters.
ASKED_FOR = {
    "categorization": ["category", "category_id"],
    "comparison": [],
    "phonecall": [],
    "transcription": [],
}


def kind(value: Any) -> type | tuple[type, ...]:
    """Return the Python types of a JSON value; any number may be an integer or a float."""
    for of in (dict, list, str):
        if isinstance(value, of):
            return of
    return (int, float)


@given(st.lists(strategies.task_objects(), max_size=3, unique_by=lambda it: it["task_id"]))
@hypothesis.settings(max_examples=examples(40))
def test_printed_tasks_can_be_loaded_and_printed_again(printed: list[dict[str, Any]]) -> None:
    names = [task["unique_id"] for task in printed if "unique_id" in task]
    hypothesis.assume(len({*names}) == len(names))
    fake = FakeScale()
    fake.load(printed)
    for task in printed:
        loaded = json.loads(json.dumps(fake.tasks.get(task["task_id"]).to_json()))
        assert loaded == {**task, "is_test": False}


@pytest.mark.parametrize("status", ["pending", "completed", "canceled", "error"])
@FEW
@given(data=st.data())
def test_the_status_of_printed_tasks_can_be_chosen(status: Any, data: st.DataObject) -> None:
    task = data.draw(strategies.task_objects("chat", status=status, tags=["t"]))
    assert (task["type"], task["status"], task["tags"]) == ("chat", status, ["t"])
    assert ("response" in task) == (status in ("completed", "error"))
    assert ("completed_at" in task) == (status == "completed")


def test_members_can_be_given_and_left_out() -> None:
    @FEW
    @given(strategies.tasks("chat", unique_id=st.just("u"), project="p", tags=None))
    def check(creation: strategies.Creation) -> None:
        assert (creation.body["unique_id"], creation.body["project"]) == ("u", "p")
        assert "tags" not in creation.body

    check()


def test_tags_metadata_and_unique_ids_are_valid_and_collide() -> None:
    seen: Counter[str] = Counter()
    fake = FakeScale()

    @STEADY
    @given(strategies.tags(), strategies.metadata(), strategies.unique_ids())
    def check(tags: list[str], metadata: dict[str, Any], unique_id: str) -> None:
        assert json_bytes(metadata) < 10_240
        task = fake.tasks.create("chat", tags=tags, metadata=metadata, unique_id=unique_id)
        assert list(task.tags) == tags
        fake.tasks.cancel(task.id, clear_unique_id=True)
        seen[unique_id] += 1

    check()
    assert max(seen.values()) > 5
    assert all(any(odd in text for text in seen) for odd in (",", "/", '"', "ü"))


@pytest.mark.parametrize("rule", PHRASES)
def test_every_rule_is_broken(rule: str) -> None:
    flaws = {
        name: (type, members)
        for type in TYPES
        for broken, name, members in invalid.body_flaws(type)
        if broken == rule
    }
    assert flaws
    for name, (type, members) in [*flaws.items()][:6]:
        bodies = functools.partial(creations.bodies, type)
        named = functools.partial(is_named, type)
        broken = invalid.having(name, members, bodies)
        found = hypothesis.find(broken, named, settings=hypothesis.settings(STEADY, phases=ONCE))
        assert found.path.startswith(name)


ONCE = [hypothesis.Phase.generate]


def is_named(type: str, broken: invalid.Broken) -> bool:
    return broken.path in creations.refusal(type, broken.value).replace(" ", "_")


def test_all_types_are_drawn_and_an_alias_is_a_type() -> None:
    types = set()

    @STEADY
    @given(strategies.tasks())
    def check(creation: strategies.Creation) -> None:
        types.add(creation.type)

    check()
    assert len(types) > 20
    assert hypothesis.find(strategies.tasks("categorize"), lambda it: True).type == "categorization"


def test_a_creation_shrinks_to_what_its_type_requires() -> None:
    # Without its explanation, which takes most of the time.
    phases = [hypothesis.Phase.generate, hypothesis.Phase.shrink]
    settings = hypothesis.settings(STEADY, phases=phases)
    smallest = hypothesis.find(strategies.tasks("annotation"), lambda it: True, settings=settings)
    assert set(smallest.body) == {"attachment", "objects_to_annotate"}
    assert hypothesis.find(strategies.tasks("chat"), lambda it: True, settings=settings).body == {}


def test_drawn_values_may_be_changed() -> None:
    @FEW
    @given(strategies.tasks("imageannotation"), strategies.task_objects("imageannotation"))
    def check(creation: strategies.Creation, task: dict[str, Any]) -> None:
        creation.body["geometries"]["box"] = {}
        task["params"]["geometries"].clear()

    check()


def test_members_of_requests_of_v2_can_be_given_and_left_out() -> None:
    @FEW
    @given(strategies.v2_requests(name=st.just("n"), project="p", metadata=None, task_id="t"))
    def check(request: strategies.V2Request) -> None:
        path, body = request
        assert body.keys().isdisjoint({"metadata", "project_id", "batch_id", "batch_name"})
        assert ("project" in body) == (path in ("/v2/task", "/v2/task/chat", "/v2/batch"))
        assert body.get("name", "n") == "n"
        assert ("task_id" in body) == (path == "/v2/task/metadata")

    check()
    with pytest.raises(NotFound, match='no path "/v2/tasks" of v2'):
        strategies.v2_requests("/v2/tasks")


def test_an_unknown_type_or_status_is_refused_at_once() -> None:
    for strategy in (strategies.tasks, strategies.invalid_tasks, strategies.responses):
        with pytest.raises(NotFound, match='no task type "kittens"'):
            strategy("kittens")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="done"):
        strategies.task_objects("chat", status="done")  # type: ignore[arg-type]
