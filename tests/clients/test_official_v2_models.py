"""The official client's models parse the answers to all that the strategies of v2 draw."""

from collections.abc import Callable, Mapping
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scaleapi.api_client import v2

from fakescale import FakeScale, strategies
from fakescale.account import thread_schemas
from fakescale.account import threads as parts
from tests.support import Caller, examples

FEW = hypothesis.settings(max_examples=examples(25))
OPTS = "&".join(f"opts={it}" for it in parts.OPTS)
MODELS: Mapping[str, Callable[[Any], Any]] = {
    "/v2/task/chat": v2.Task.from_dict,
    "/v2/task": v2.Task.from_dict,
    "/v2/task/metadata": v2.Task.from_dict,
    "/v2/batch": v2.Batch.from_dict,
    "/v2/batch/finalize": v2.Batch.from_dict,
    "/v2/batch/pause": v2.PauseBatch200Response.from_dict,
    "/v2/batch/resume": v2.ResumeBatch200Response.from_dict,
    "/v2/batch/cancel": v2.CancelBatch200Response.from_dict,
    "/v2/batch/metadata": v2.Batch.from_dict,
}


def ready(path: str) -> tuple[FakeScale, dict[str, Any]]:
    """Return a fake in which a request to the path succeeds, and the members that name things."""
    fake = FakeScale(seed="v2")
    project = fake.projects.create("p", type="chat")
    staged = path.endswith("/finalize")
    batch = fake.batches._create({"name": "b", "project": "p"}, staged=staged)
    task = fake.tasks.create("chat", project="p", batch="b")
    if path.endswith("/resume"):
        fake.batches.pause("b")
    if "/task" in path and not path.endswith("/metadata"):
        return fake, {"project_id": project.id, "batch_name": "b"}
    if path == "/v2/batch":
        return fake, {"project": "p"}
    return fake, {"task_id": task.id, "batch_id": batch.id}


@pytest.mark.parametrize("path", MODELS)
def test_every_request_of_v2_is_accepted_and_its_answer_parsed(path: str) -> None:
    @FEW
    @given(st.data())
    def check(data: st.DataObject) -> None:
        fake, named = ready(path)
        request = data.draw(strategies.v2_requests(path, **named))
        assert request.path == path
        reply = Caller(fake)("POST", request.path, request.body)
        assert reply.status == 200, reply.json
        assert MODELS[path](reply.json)
        for name in ("metadata", "callback"):
            if name in request.body and name in reply.json and not request.body.get("merge"):
                assert reply.json[name] == request.body[name]

    check()


def test_there_is_a_model_for_each_path_of_a_request() -> None:
    seen: set[str] = set()

    @hypothesis.settings(max_examples=100, derandomize=True, database=None)
    @given(strategies.v2_requests())
    def check(request: strategies.V2Request) -> None:
        seen.add(request.path)

    check()
    assert seen == {*MODELS}


@given(strategies.threads())
@hypothesis.settings(max_examples=examples(60))
def test_threads_are_stored_as_they_are_and_parsed(threads: list[dict[str, Any]]) -> None:
    fake = FakeScale()
    fake.projects.create("p", type="chat")
    task = fake.tasks.create("chat", project="p")
    task = fake.tasks.complete(task, {"threads": threads})
    live = Caller(fake)
    assert live.get(f"/task/{task.id}")["response"] == {"threads": threads}
    shown = live.get(f"/v2/task?task_id={task.id}&{OPTS}")
    assert shown["threads"] == threads
    for it in (shown, live.get(f"/v2/task?task_id={task.id}")):
        assert len(v2.Task.from_dict(it).threads) == len(threads)
    for it in [*parts.annotations(threads)][:3]:
        found = live.get(f"/v2/annotation?annotation_id={it['id']}")
        assert v2.Annotation.from_dict(found).actual_instance.key == it["key"]


def test_annotations_of_all_kinds_are_drawn() -> None:
    seen: set[str] = set()

    @hypothesis.settings(max_examples=100, derandomize=True, database=None)
    @given(strategies.threads())
    def check(threads: list[dict[str, Any]]) -> None:
        found = [*parts.annotations(threads)]
        assert len({it["id"] for it in found}) == len(found)
        seen.update(it["type"] for it in found)

    check()
    assert seen == {*thread_schemas.VALUES}
