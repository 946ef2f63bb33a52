"""Proof that the comparison finds differences: each test seeds one into the fake that is asked."""

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import vcr  # type: ignore[import-untyped]

from fakescale import FakeScale, redirect
from fakescale.account import batches, listing, task_types, tasks
from fakescale.account import task as moves
from fakescale.account.listing import Page
from fakescale.account.task import Task
from fakescale.account.tasks import Tasks
from fakescale.api.v2 import tasks as tasks_of_v2
from fakescale.recordings.comparing import compare_exchanges
from fakescale.recordings.exchanges import Recorded
from fakescale.recordings.reading import in_order
from fakescale.values import errors
from fakescale.values.frozen import FrozenList
from tests.recordings.recorder import Recorder

BODY = {"instruction": "i", "attachment_type": "text", "attachment": "a", "categories": ["b", "c"]}


@functools.cache
def recording() -> tuple[Recorded, ...]:
    """Return the exchanges of ``work``, which the recorder of the tests made."""
    fake = FakeScale(seed="seeds")
    fake.stop_clock()
    recorder = Recorder(fake)
    work(fake, lambda *given, **more: recorder(*given, **more).json)
    return tuple(recorder.exchanges)


@functools.cache
def cassette() -> tuple[Recorded, ...]:
    """Return the exchanges of ``work``, which vcrpy recorded behind the redirect."""
    fake = FakeScale(seed="seeds")
    fake.stop_clock()
    session = requests.Session()
    session.auth = (fake.api_key, "")

    def call(method: str, path: str, body: Any = None, **more: Any) -> Any:
        target = path if path.startswith("/v2/") else f"/v1{path}"
        return session.request(method, f"https://api.scale.com{target}", json=body, **more).json()

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "work.yaml")
        with redirect(fake), vcr.use_cassette(str(path)):
            work(fake, call)
        return tuple(in_order([path]))


def work(fake: FakeScale, send: Callable[..., Any]) -> None:
    """Do what a client does, with labelers who work in between."""

    def call(*given: Any, **more: Any) -> Any:
        fake.advance(seconds=1, milliseconds=1)
        return send(*given, **more)

    call("POST", "/projects", {"type": "categorization", "name": "p", "params": {"x": 1}})
    call("POST", "/batches", {"project": "p", "name": "b", "metadata": {"a": 1}})
    made = [
        call(
            "POST",
            "/task/categorization",
            {**BODY, "project": "p", "batch": "b", "unique_id": f"u{number}", "tags": ["s", "t"]},
            headers={"Idempotency-Key": f"k{number}"},
        )["task_id"]
        for number in range(5)
    ]
    again = {**BODY, "project": "p", "batch": "b", "unique_id": "u0", "tags": ["s", "t"]}
    call("POST", "/task/categorization", again, headers={"Idempotency-Key": "k0"})
    call("POST", "/task/categorization", {**BODY, "unique_id": "u1"})
    call("POST", "/task/categorization", {"instruction": "i"})
    call("GET", f"/task/{'0' * 24}")
    fake.advance(seconds=1)
    fake.tasks.complete(made[0], {"category": "b"})
    fake.tasks.fail(made[1], "gone")
    token = call("GET", "/tasks?limit=2")["next_token"]
    call("GET", f"/tasks?limit=2&next_token={token}")
    call("GET", "/tasks?status=completed")
    call("GET", "/batches/b/status")
    call("POST", f"/task/{made[0]}/audit", {"accepted": False, "comments": "no"})
    call("POST", f"/task/{made[0]}/cancel")
    call("POST", f"/task/{made[2]}/cancel?clear_unique_id=true")
    call("PUT", f"/task/{made[3]}/tags", ["u"])
    call("DELETE", f"/task/{made[3]}/tags", ["s"])
    call("POST", f"/task/{made[3]}/setMetadata", {"b": {"c": 2}})
    call("POST", f"/task/{made[3]}/unique_id", {"unique_id": "v"})
    call("GET", "/tasks?tags=u&project=p")
    call("GET", f"/task/{made[0]}")
    call("POST", "/projects/p/setParams", {"y": 2, "patch": True})
    call("GET", "/projects")
    call("GET", "/batches")
    call("GET", "/v2/tasks?project_name=p")
    call("GET", "/v2/batch?batch_name=b")
    call("POST", "/v2/batch/pause", {"batch_name": "b"})


MADE = pytest.mark.parametrize("make", [recording, cassette])


@MADE
def test_without_a_difference_all_is_the_same(make: Callable[[], tuple[Recorded, ...]]) -> None:
    report = compare_exchanges(make())
    assert report.same, report.to_text()
    assert len(report.exchanges) == 30


audit, cancel, task_init = moves.audit, moves.cancel, Task.__init__
complete, position, set_tags = moves.complete, Page._position, Tasks.set_tags
status_json, check_unique_id = batches.Batch.status_json, Tasks._check_unique_id
read_creation, set_metadata, page = task_types.read_creation, Tasks.set_metadata, listing.page
show_project = errors.ApiError.to_json


def print_more(task: Task, printed: Any, *given: Any, **more: Any) -> None:
    task_init(task, {**printed, "flavor": "x"}, *given, **more)


def print_less(task: Task, printed: Any, *given: Any, **more: Any) -> None:
    task_init(task, {**printed, "urgency": None}, *given, **more)


def print_number(task: Task, printed: Any, *given: Any, **more: Any) -> None:
    task_init(task, {**printed, "urgency": 3}, *given, **more)


def page_oldest_first(*given: Any, **more: Any) -> Any:
    docs, has_more = page(*given, **more)
    return docs[::-1], has_more


def page_without_the_last(*given: Any, **more: Any) -> Any:
    docs, has_more = page(*given, **more)
    return (docs if has_more else docs[:-1]), has_more


def params_with_more(*given: Any, **more: Any) -> Any:
    made = read_creation(*given, **more)
    return made._replace(params={**made.params, "hidden": False})


def no_tag_goes(self: Tasks, task_id: Any, tags: Any) -> Task:
    return self.get(task_id)


def merged_metadata(self: Tasks, task_id: Any, metadata: Any, *, merge: bool = False) -> Task:
    return set_metadata(self, task_id, {**metadata, "kept": True}, merge=merge)


def refuse_to_cancel(*_: Any, **__: Any) -> Task:
    raise errors.BadRequest("It is too late.")


def unique_id_kept(task: Task, now: str, *, clear_unique_id: bool) -> Task:
    return cancel(task, now, clear_unique_id=False)


def audit_always_accepted(task: Task, now: str, **more: Any) -> Task:
    return audit(task, now, **{**more, "result": "accepted"})


def total_as_text(self: Page) -> dict[str, Any]:
    return {**position(self), "total": str(self.total)}


def counts_without_errors(self: batches.Batch) -> dict[str, Any]:
    return {**status_json(self), "error": 0}


def any_unique_id(self: Tasks, *_: Any) -> None:
    return None


def other_words(self: errors.ApiError) -> dict[str, Any]:
    return {**show_project(self), "error": "Oops."}


def show_more_by_v2(*given: Any) -> dict[str, Any]:
    return {**show_task(*given), "flavor": "x"}


def tags_in_order(task: Task, now: str, **changes: Any) -> Task:
    if "tags" in changes:
        changes["tags"] = FrozenList(sorted(changes["tags"], reverse=True))
    return update(task, now, **changes)


update = moves.update
show_task = tasks_of_v2.show_task

# The places of the seeded differences, their replacements, and the differences that are found, as
# KIND MEMBER. Some differences have others in their wake: of the same task in v2, for example.
SEEDS: dict[str, tuple[Any, str, Callable[..., Any], set[str]]] = {
    "a member that the recording lacks": (Task, "__init__", print_more, {"unknown flavor"}),
    "a member that the fake lacks": (Task, "__init__", print_less, {"missing urgency"}),
    "a member of another type": (Task, "__init__", print_number, {"type urgency"}),
    "a list in another order": (
        tasks,
        "page",
        page_oldest_first,
        {"order docs[]", "missing docs[]", "unknown docs[]"},
    ),
    "a list that is too short": (
        tasks,
        "page",
        page_without_the_last,
        {"missing docs[]"},
    ),
    "a parameter that nobody gave": (
        tasks,
        "read_creation",
        params_with_more,
        {"unknown params.hidden"},
    ),
    "tags that are not removed": (
        Tasks,
        "remove_tags",
        no_tag_goes,
        {"unknown tags[]", "value tags[]"},
    ),
    "metadata that is kept": (
        Tasks,
        "set_metadata",
        merged_metadata,
        {"unknown metadata.kept"},
    ),
    "a refusal of what is allowed": (
        moves,
        "cancel",
        refuse_to_cancel,
        {"status", "text", "value status"},
    ),
    "a unique_id that is not cleared": (moves, "cancel", unique_id_kept, {"unknown unique_id"}),
    "another result of an audit": (
        moves,
        "audit",
        audit_always_accepted,
        {"value audits[].audit_result", "value customer_review_status"},
    ),
    "a total that is a text": (Page, "_position", total_as_text, {"type total"}),
    "counters that leave out errors": (
        batches.Batch,
        "status_json",
        counts_without_errors,
        {"value error"},
    ),
    "a unique_id that two tasks have": (
        Tasks,
        "_check_unique_id",
        any_unique_id,
        {"status"},
    ),
    "another text of refusals": (errors.ApiError, "to_json", other_words, {"text"}),
    "a member of v2": (tasks_of_v2, "show_task", show_more_by_v2, {"unknown flavor"}),
    "tags in another order": (moves, "update", tags_in_order, {"value tags[]"}),
}


@pytest.mark.parametrize("name", SEEDS)
@MADE
def test_a_seeded_difference_is_found_and_none_else(
    make: Callable[[], tuple[Recorded, ...]],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    complaints: list[str],
) -> None:
    exchanges = make()
    place, attribute, replacement, expected = SEEDS[name]
    monkeypatch.setattr(place, attribute, replacement)
    report = compare_exchanges(exchanges)
    found = {f"{row.kind} {row.member}".strip() for row in report.table()}
    assert found == expected
    complaints.clear()  # the answers of such a fake do not fit their schemas
