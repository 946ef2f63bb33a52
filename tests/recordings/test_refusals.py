"""The arrangement of what a refusal shows, if the recording lacks what made it."""

from collections.abc import Callable
from typing import Any

import pytest

from fakescale import FakeScale
from fakescale.recordings.comparing import compare_exchanges
from tests.recordings.recorder import Recorder
from tests.recordings.test_arranging import ANSWER, BODY, compared, recorder_of, told

Story = Callable[[FakeScale, Recorder], object]


def refused(recorder: Recorder, status: int, *given: Any, **more: Any) -> Any:
    reply = recorder(*given, **more)
    assert reply.status == status, reply.json
    return reply.json


def created(fake: FakeScale, **more: Any) -> str:
    return fake.tasks.create("categorization", **{**BODY, **more}).id


def unique_id(fake: FakeScale, recorder: Recorder) -> None:
    owner = created(fake, unique_id="u")
    body = {**BODY, "unique_id": "u"}
    assert owner in refused(recorder, 409, "POST", "/task/categorization", body)["error"]
    recorder.ok("GET", "/tasks?unique_id=u")
    recorder.ok("POST", f"/task/{owner}/cancel?clear_unique_id=true")
    recorder.ok("POST", "/task/categorization", body)


def unique_id_of_another(fake: FakeScale, recorder: Recorder) -> None:
    created(fake, unique_id="u")
    task = created(fake)
    refused(recorder, 409, "POST", f"/task/{task}/unique_id", {"unique_id": "u"})
    recorder.ok("GET", f"/task/{task}")


def idempotency_key(fake: FakeScale, recorder: Recorder) -> None:
    headers = {"Idempotency-Key": "k"}
    recorder("POST", "/task/categorization", {**BODY, "instruction": "x"}, headers=headers)
    recorder.exchanges.clear()
    refused(recorder, 409, "POST", "/task/categorization", BODY, headers=headers)
    fake.advance(hours=25)
    recorder.ok("POST", "/task/categorization", BODY, headers=headers)


def project_name(fake: FakeScale, recorder: Recorder) -> None:
    fake.projects.create("p", type="categorization")
    refused(recorder, 409, "POST", "/projects", {"type": "categorization", "name": "p"})
    recorder.ok("GET", "/projects/p")


def batch_name(fake: FakeScale, recorder: Recorder) -> None:
    fake.projects.create("p", type="categorization")
    fake.batches.create("b", project="p")
    refused(recorder, 409, "POST", "/batches", {"project": "p", "name": "b"})
    recorder.ok("GET", "/batches/b")
    refused(recorder, 409, "POST", "/v2/batch", {"project_name": "p", "name": "b"})


def reference_id(fake: FakeScale, recorder: Recorder) -> None:
    fake.files.upload(b"1", reference_id="r")
    body = {"file_url": "https://a.example/b.png", "reference_id": "r"}
    refused(recorder, 409, "POST", "/files/import", body)


def cancel(move: Callable[[FakeScale, str], object]) -> Story:
    def story(fake: FakeScale, recorder: Recorder) -> None:
        task = created(fake)
        move(fake, task)
        refused(recorder, 400, "POST", f"/task/{task}/cancel")
        recorder.ok("GET", f"/task/{task}")

    return story


def audit(move: Callable[[FakeScale, str], object]) -> Story:
    def story(fake: FakeScale, recorder: Recorder) -> None:
        task = created(fake)
        move(fake, task)
        refused(recorder, 400, "POST", f"/task/{task}/audit", {"accepted": True})
        recorder.ok("GET", f"/task/{task}")

    return story


def wrong_body(path: str, body: Any) -> Story:
    def story(fake: FakeScale, recorder: Recorder) -> None:
        task = created(fake)
        refused(recorder, 400, "POST", path.format(task), body)

    return story


def finalize(fake: FakeScale, recorder: Recorder) -> None:
    fake.projects.create("p", type="categorization", rapid=True)
    fake.batches.create("b", project="p")
    fake.batches.finalize("b")
    refused(recorder, 400, "POST", "/batches/b/finalize")


def v2_batch(action: str) -> Story:
    def story(fake: FakeScale, recorder: Recorder) -> None:
        fake.projects.create("p", type="chat")
        fake.batches.create("b", project="p")
        fake.tasks.create("chat", project="p", batch="b")
        if action == "pause":
            fake.batches.pause("b")
        if action == "cancel":
            fake.batches.cancel("b")
        refused(recorder, 400, "POST", f"/v2/batch/{action}", {"batch_name": "b"})

    return story


def project_params(fake: FakeScale, recorder: Recorder) -> None:
    fake.projects.create("p", type="categorization")
    refused(recorder, 400, "POST", "/projects/p/setParams", [1])


def homes(fake: FakeScale, recorder: Recorder) -> None:
    fake.projects.create("p", type="categorization")
    fake.batches.create("b", project="p")
    body = {**BODY, "project": "p", "batch": "b", "instruction": 5}
    refused(recorder, 400, "POST", "/task/categorization", body)


def unknown_homes(fake: FakeScale, recorder: Recorder) -> None:
    refused(recorder, 400, "POST", "/task/categorization", {**BODY, "project": "q"})
    refused(recorder, 400, "POST", "/task/categorization", {**BODY, "batch": "c"})


def v2_homes(fake: FakeScale, recorder: Recorder) -> None:
    fake.projects.create("p", type="chat")
    fake.batches.create("b", project="p")
    body = {"project_name": "p", "batch_name": "b", "metadata": 5}
    refused(recorder, 400, "POST", "/v2/task/chat", body)


# How to make a refusal that shows something to be there.
STORIES: dict[str, Story] = {
    "unique_id": unique_id,
    "unique_id of another": unique_id_of_another,
    "Idempotency-Key": idempotency_key,
    "project": project_name,
    "batch": batch_name,
    "reference_id": reference_id,
    "cancel completed": cancel(lambda fake, it: fake.tasks.complete(it, ANSWER)),
    "cancel error": cancel(lambda fake, it: fake.tasks.fail(it, "gone")),
    "cancel started": cancel(lambda fake, it: fake.tasks.start(it)),
    "audit pending": audit(lambda fake, it: None),
    "audit canceled": audit(lambda fake, it: fake.tasks.cancel(it)),
    "audit error": audit(lambda fake, it: fake.tasks.fail(it, "gone")),
    "setMetadata": wrong_body("/task/{}/setMetadata", [1]),
    "tags": wrong_body("/task/{}/tags", {"a": 1}),
    "finalize": finalize,
    "pause": v2_batch("pause"),
    "resume": v2_batch("resume"),
    "cancel batch": v2_batch("cancel"),
    "setParams": project_params,
    "homes": homes,
    "unknown homes": unknown_homes,
    "homes of v2": v2_homes,
}


# The fake refuses these without knowing the thing, so they show nothing.
UNTOLD = {"setMetadata", "tags", "setParams", "unknown homes", "homes of v2"}


@pytest.mark.parametrize("name", STORIES)
def test_what_a_refusal_shows_is_there_already(name: str) -> None:
    fake = FakeScale()
    recorder = recorder_of(fake)
    STORIES[name](fake, recorder)
    report = compared(recorder)
    assert bool(told(report)) == (name not in UNTOLD)


def test_a_creation_that_the_service_failed_to_answer_is_found_by_its_unique_id() -> None:
    fake = FakeScale()
    recorder = recorder_of(fake)
    body = {**BODY, "unique_id": "u"}
    fake.faults.add(status=503, times=1)
    refused(recorder, 503, "POST", "/task/categorization", body)
    owner = created(fake, unique_id="u")  # the service did the work, and failed after it
    assert owner in refused(recorder, 409, "POST", "/task/categorization", body)["error"]
    recorder.ok("GET", "/tasks?unique_id=u")
    recorder.ok("GET", f"/task/{owner}")
    assert told(compared(recorder)) == [
        f"task {owner} is there already, pending",
        f"task {owner} is there already, pending",
    ]


def test_a_known_task_whose_unique_id_is_refused_without_a_reason_is_a_difference() -> None:
    recorder = recorder_of(FakeScale())
    body = {**BODY, "unique_id": "u"}
    task = recorder.ok("POST", "/task/categorization", body)["task_id"]
    refused(recorder, 409, "POST", "/task/categorization", body)
    recorder.ok("DELETE", f"/task/{task}/unique_id")
    created, again, deleted = recorder.in_order()
    report = compare_exchanges(
        [created, deleted._replace(when=again.when), again._replace(when=deleted.when)]
    )
    assert [it.verdict for it in report.exchanges] == ["same", "same", "differs"]


def test_a_project_that_a_client_makes_later_is_not_there_already() -> None:
    recorder = recorder_of(FakeScale())
    body = {**BODY, "project": "p"}
    refused(recorder, 400, "POST", "/task/categorization", body)
    recorder.ok("POST", "/projects", {"type": "categorization", "name": "p"})
    recorder.ok("POST", "/task/categorization", body)
    exchanges = recorder.in_order()
    other = b'{"status_code": 400, "error": "No."}'
    report = compare_exchanges([exchanges[0]._replace(answer=other), *exchanges[1:]])
    assert [str(it) for it in report.exchanges[0].differences] == [
        'text: recorded "No.", the fake has "Parameter is invalid, reason: \\"project\\" must be'
        ' the name of a project (got \\"p\\")"'
    ]
    assert [it.verdict for it in report.exchanges[1:]] == ["same", "same"]


def test_a_move_of_a_known_task_that_is_refused_without_a_reason_is_a_difference() -> None:
    recorder = recorder_of(FakeScale())
    task = recorder.ok("POST", "/task/categorization", BODY)["task_id"]
    recorder.ok("POST", f"/task/{task}/cancel")
    created, canceled = recorder.in_order()
    refusal = canceled._replace(status=400, answer=b'{"status_code": 400, "error": "No."}')
    report = compare_exchanges([created, refusal])
    assert [it.kind for it in report.exchanges[1].differences] == ["status"]


def spoiled_creation(recorder: Recorder) -> None:
    """Let a creation be refused, whose batch nobody made."""
    body = {**BODY, "project": "q", "batch": "c"}
    refused(recorder, 400, "POST", "/task/categorization", body)


def no_priority(recorder: Recorder) -> None:
    refused(recorder, 400, "POST", "/batches/c/prioritize")


def no_metadata(recorder: Recorder) -> None:
    refused(recorder, 400, "POST", "/v2/batch/metadata", {"batch_name": "c"})


@pytest.mark.parametrize("refuse", [spoiled_creation, no_priority, no_metadata])
def test_a_refusal_that_the_fake_gives_anyway_shows_nothing(
    refuse: Callable[[Recorder], None],
) -> None:
    recorder = recorder_of(FakeScale())
    recorder.ok("POST", "/projects", {"type": "chat", "name": "q"})
    refuse(recorder)
    assert recorder("GET", "/batches/c").status == 404
    recorder.ok("GET", "/batches")
    assert not told(compared(recorder))


def test_a_refusal_under_an_idempotency_key_is_tried_without_a_trace() -> None:
    fake = FakeScale()
    fake.projects.create("p", type="categorization")
    recorder = recorder_of(fake)
    body = {**BODY, "project": "p", "instruction": 5}
    for _ in range(2):
        refused(
            recorder, 400, "POST", "/task/categorization", body, headers={"Idempotency-Key": "k"}
        )
    assert told(compared(recorder)) == ["project p is there already"]


def test_a_refused_move_names_a_known_batch_by_its_id() -> None:
    recorder = recorder_of(FakeScale())
    recorder.ok("POST", "/projects", {"type": "chat", "name": "p"})
    id = recorder.ok("POST", "/v2/batch", {"project_name": "p", "name": "b"})["id"]
    refused(recorder, 400, "POST", "/v2/batch/resume", {"batch_id": id})
    recorder.ok("GET", "/projects")
    assert not told(compared(recorder))


def test_a_conflict_leaves_the_type_of_a_known_project() -> None:
    recorder = recorder_of(FakeScale())
    body = {"type": "categorization", "name": "p"}
    recorder.ok("POST", "/projects", body)
    refused(recorder, 409, "POST", "/projects", body)
    refused(recorder, 400, "POST", "/v2/task/chat", {"project_name": "p"})
    assert not told(compared(recorder))


@pytest.mark.parametrize("path", ["/task/{}/audit", "/audits"])
def test_a_refusal_corrects_a_guess(path: str) -> None:
    fake = FakeScale()
    recorder = recorder_of(fake)
    recorder.ok("POST", "/projects", {"type": "categorization", "name": "p"})
    task = recorder.ok("POST", "/task/categorization", {**BODY, "project": "p"})["task_id"]
    fake.tasks.fail(task, "gone")
    recorder.ok("GET", "/tasks?status=pending")  # it is not there, so it may be completed
    method, body = ("PUT", {"task_id": task}) if path == "/audits" else ("POST", {"accepted": True})
    refused(recorder, 400, method, path.format(task), body)
    recorder.ok("GET", f"/task/{task}")
    assert told(compared(recorder)) == [
        f"task {task} is not pending any more",
        f"task {task} is error",
        f"task {task} is error",
    ]


@pytest.mark.parametrize("unique_id", ["0", "b", "s3://x/602c399c6d092c00115aa3c9.png", "u(v)"])
def test_the_owner_of_any_unique_id_is_found_in_the_text(unique_id: str) -> None:
    fake = FakeScale()
    recorder = recorder_of(fake)
    owner = created(fake, unique_id=unique_id)
    body = {**BODY, "unique_id": unique_id}
    assert owner in refused(recorder, 409, "POST", "/task/categorization", body)["error"]
    recorder.ok("GET", f"/task/{owner}")
    compared(recorder)
