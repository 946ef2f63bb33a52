"""The arrangement of state that a recording shows, but that no client in it made."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest

from fakescale import FakeScale
from fakescale.recordings.comparing import compare_exchanges
from fakescale.recordings.report import Report
from tests.recordings.recorder import Recorder

BODY = {"instruction": "i", "attachment_type": "text", "attachment": "a", "categories": ["b", "c"]}
ANSWER = {"category": "b"}


def recorder_of(fake: FakeScale) -> Recorder:
    fake.stop_clock()

    class Ticking(Recorder):
        def __call__(self, *given: Any, **more: Any) -> Any:
            fake.advance(seconds=2, milliseconds=3)
            return super().__call__(*given, **more)

    return Ticking(fake)


def batch_of(recorder: Recorder, count: int) -> list[str]:
    """Create a project, a batch and tasks in it; return the ids of the tasks."""
    recorder.ok("POST", "/projects", {"type": "categorization", "name": "p"})
    recorder.ok("POST", "/batches", {"project": "p", "name": "b"})
    body = {**BODY, "project": "p", "batch": "b"}
    return [recorder.ok("POST", "/task/categorization", body)["task_id"] for _ in range(count)]


def compared(recorder: Recorder) -> Report:
    report = compare_exchanges(recorder.in_order())
    assert report.same, report.to_text()
    return report


def told(report: Report) -> list[str]:
    return [text for _, text in report.arranged]


# The things that somebody does to a task between two looks of a client, each with the text that
# tells it.
MOVES: dict[str, tuple[Callable[[FakeScale, str], object], str]] = {
    "complete": (lambda fake, it: fake.tasks.complete(it, ANSWER), "is completed"),
    "fail": (lambda fake, it: fake.tasks.fail(it, "gone"), "is error"),
    "start": (lambda fake, it: fake.tasks.start(it), "is started"),
    "cancel": (lambda fake, it: fake.tasks.cancel(it), "is canceled"),
    "metadata": (lambda fake, it: fake.tasks.set_metadata(it, {"a": 1}), "has other metadata"),
    "tags": (lambda fake, it: fake.tasks.set_tags(it, ["a"]), "has other tags"),
    "unique_id": (lambda fake, it: fake.tasks.set_unique_id(it, "v"), "has other unique_id"),
    "no unique_id": (lambda fake, it: fake.tasks.clear_unique_id(it), "has other unique_id"),
}


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("path", ["/task/{}", "/tasks", "/tasks?project=p"])
def test_a_change_that_no_client_made_is_arranged(name: str, path: str) -> None:
    fake = FakeScale()
    recorder = recorder_of(fake)
    recorder.ok("POST", "/projects", {"type": "categorization", "name": "p"})
    body = {**BODY, "project": "p", "unique_id": "u"}
    task = recorder.ok("POST", "/task/categorization", body)["task_id"]
    recorder.ok("GET", f"/task/{task}")
    change, text = MOVES[name]
    change(fake, task)
    recorder.ok("GET", path.format(task))
    recorder.ok("GET", f"/task/{task}")
    assert told(compared(recorder)) == [f"task {task} {text}"]


def test_audits_and_recalls_are_arranged() -> None:
    fake = FakeScale()
    recorder = recorder_of(fake)
    task = recorder.ok("POST", "/task/categorization", BODY)["task_id"]
    fake.tasks.complete(task, ANSWER)
    recorder.ok("POST", f"/task/{task}/audit", {"accepted": False, "comments": "mine"})
    fake.tasks.audit(task, "fixed", "theirs", source="scale")
    fake.tasks.audit(task, "accepted", "hm")
    recorder.ok("GET", f"/task/{task}")
    fake.tasks.recall(task)
    recorder.ok("GET", "/tasks")
    assert [it.partition(task)[2] for it in told(compared(recorder))] == [
        " is completed",
        " is audited: fixed",
        " is audited: accepted",
        " is pending",
    ]


def test_what_was_there_before_is_arranged() -> None:
    fake = FakeScale()
    fake.projects.create("p", type="categorization", params={"instruction": "x"})
    fake.batches.create("b", project="p")
    tasks = [fake.tasks.create("categorization", **BODY, project="p", batch="b") for _ in range(5)]
    fake.tasks.complete(tasks[0], ANSWER)
    fake.tasks.cancel(tasks[1])
    recorder = recorder_of(fake)
    page = recorder.ok("GET", "/tasks?limit=2")
    recorder.ok("GET", f"/tasks?limit=2&next_token={page['next_token']}")
    recorder.ok("GET", "/projects/p")
    recorder.ok("GET", "/batches")
    recorder.ok("POST", f"/task/{tasks[4].id}/cancel")
    recorder.ok("POST", f"/task/{tasks[3].id}/setMetadata", {"a": 1})
    recorder.ok("GET", "/batches/b/status")
    recorder.ok("POST", "/task/categorization", {**BODY, "project": "p", "batch": "b"})
    report = compared(recorder)
    assert f"task {tasks[4].id} is there already, pending" in told(report)
    assert {it for it in told(report) if "task" not in it} == {
        "project p is there already",
        "batch b is there already",
    }


@pytest.mark.parametrize("action", ["cancel", "audit", "unique_id", "tags", "setMetadata"])
def test_a_task_is_there_as_it_was_before_the_first_request(action: str) -> None:
    fake = FakeScale()
    task = fake.tasks.create("categorization", **BODY, unique_id="u", tags=["a"])
    if action == "audit":
        fake.tasks.complete(task, ANSWER)
    recorder = recorder_of(fake)
    bodies: dict[str, Any] = {
        "audit": {"accepted": True, "comments": "fine"},
        "unique_id": {"unique_id": "v"},
        "tags": ["b"],
        "setMetadata": {"a": 1},
    }
    given = [bodies[action]] if action in bodies else []
    recorder.ok("POST", f"/task/{task.id}/{action}", *given)
    recorder.ok("GET", f"/task/{task.id}")
    [text] = told(compared(recorder))
    assert text.startswith(f"task {task.id} is there already")


def test_a_list_of_pending_tasks_shows_which_are_pending_no_more() -> None:
    fake = FakeScale()
    recorder = recorder_of(fake)
    tasks = [recorder.ok("POST", "/task/categorization", BODY)["task_id"] for _ in range(3)]
    fake.tasks.complete(tasks[0], ANSWER)
    fake.tasks.fail(tasks[1], "gone")
    recorder.ok("GET", "/tasks?status=pending")
    recorder.ok("GET", "/tasks")
    assert sorted(told(compared(recorder))) == sorted(
        [
            f"task {tasks[0]} is not pending any more",
            f"task {tasks[1]} is not pending any more",
            f"task {tasks[0]} is completed",
            f"task {tasks[1]} is error",
        ]
    )


def test_the_counters_of_a_batch_show_the_work_of_labelers() -> None:
    fake = FakeScale()
    recorder = recorder_of(fake)
    tasks = batch_of(recorder, 4)
    fake.tasks.complete(tasks[0], ANSWER)
    fake.tasks.fail(tasks[1], "gone")
    recorder.ok("GET", "/batches/b/status")
    fake.tasks.complete(tasks[2], ANSWER)
    fake.tasks.cancel(tasks[3])
    recorder.ok("GET", "/batches/b")
    recorder.ok("GET", "/batches/b/status")
    recorder.ok("GET", "/tasks")
    compared(recorder)


def test_a_guess_of_the_counters_gives_way_to_what_a_client_does() -> None:
    fake = FakeScale()
    recorder = recorder_of(fake)
    tasks = batch_of(recorder, 4)
    fake.tasks.complete(tasks[0], ANSWER)
    fake.tasks.complete(tasks[1], ANSWER)
    recorder.ok("GET", "/batches/b/status")
    recorder.ok("POST", f"/task/{tasks[3]}/cancel")
    recorder.ok("POST", f"/task/{tasks[2]}/cancel")
    recorder.ok("GET", "/batches/b/status")
    recorder.ok("GET", "/tasks")
    compared(recorder)


@pytest.mark.parametrize("first", range(4))
def test_a_wrong_guess_is_undone_by_an_own_cancel(first: int) -> None:
    fake = FakeScale()
    recorder = recorder_of(fake)
    tasks = [recorder.ok("POST", "/task/categorization", BODY)["task_id"] for _ in range(4)]
    others = [it for place, it in enumerate(tasks) if place != first]
    for task in others:
        fake.tasks.complete(task, ANSWER)
    recorder.ok("GET", "/tasks?status=pending&type=categorization&limit=1")
    recorder.ok("POST", f"/task/{tasks[first]}/cancel")
    exchanges = recorder.in_order()
    listed = {"docs": [], "total": 0, "limit": 1, "offset": 0, "has_more": False}
    exchanges[4] = exchanges[4]._replace(answer=json.dumps(listed).encode())
    report = compare_exchanges(exchanges)
    assert report.exchanges[5].verdict == "same", report.to_text()


def test_refusals_show_the_state_of_a_task() -> None:
    fake = FakeScale()
    recorder = recorder_of(fake)
    for move in (
        lambda it: fake.tasks.complete(it, ANSWER),
        lambda it: fake.tasks.fail(it, "gone"),
        fake.tasks.start,
    ):
        task = recorder.ok("POST", "/task/categorization", BODY)["task_id"]
        move(task)
        assert recorder("POST", f"/task/{task}/cancel").status == 400
        recorder.ok("GET", f"/task/{task}")
    compared(recorder)


def test_types_that_are_not_enabled_are_arranged() -> None:
    fake = FakeScale()
    recorder = recorder_of(fake)
    fake.disable_type("categorization")
    assert recorder("POST", "/task/categorization", BODY).status == 402
    fake.enable_type("categorization")
    recorder.ok("POST", "/task/categorization", BODY)
    assert told(compared(recorder)) == ["the type categorization is not enabled"]


def test_files_and_teams_are_arranged() -> None:
    fake = FakeScale()
    old = fake.files.upload(b"1", project_name="p", display_name="old")
    fake.teammates.add("a@example.com", "manager", first_name="A")
    recorder = recorder_of(fake)
    new = recorder.ok(
        "POST", "/files/import", {"file_url": "https://a.example/b.png", "project_name": "p"}
    )
    recorder.ok("GET", "/files?project=p")
    recorder.ok("GET", "/teams")
    recorder.ok("POST", "/teams/invite", {"emails": ["b@example.com"], "team_role": "labeler"})
    body = {**BODY, "attachment": new["attachment_url"]}
    recorder.ok("POST", "/task/categorization", body)
    assert told(compared(recorder)) == [
        f"file {old.id} is there already",
        "a team of 2 is there already",
    ]


def test_v2_is_arranged_too() -> None:
    fake = FakeScale()
    fake.projects.create("q", type="chat")
    fake.batches.create("b", project="q")
    tasks = [fake.tasks.create("chat", project="q", batch="b") for _ in range(3)]
    recorder = recorder_of(fake)
    recorder.ok("GET", f"/v2/task?task_id={tasks[0].id}&expand=project&expand=batch")
    recorder.ok("GET", "/v2/tasks?project_name=q")
    fake.tasks.complete(tasks[0])
    fake.tasks.fail(tasks[1])
    fake.tasks.delete(tasks[2])
    page = recorder.ok("GET", "/v2/tasks?project_name=q&limit=2")
    recorder.ok("GET", f"/v2/tasks?project_name=q&limit=2&next_token={page['next_token']}")
    made = recorder.ok("POST", "/v2/task/chat", {"project_name": "q", "batch_name": "b"})
    recorder.ok("POST", "/v2/task/metadata", {"task_id": made["task_id"], "metadata": {"a": 1}})
    recorder.ok("GET", "/v2/batches?project_name=q")
    recorder.ok("POST", "/v2/batch/pause", {"batch_name": "b"})
    recorder.ok("GET", f"/v2/project?project_id={made['project']}")
    compared(recorder)


def test_test_mode_and_accounts_are_apart() -> None:
    fake = FakeScale()
    recorder = recorder_of(fake)
    for key in ("live_one", "test_one", "live_two", "two|test"):
        recorder.ok("POST", "/task/categorization", {**BODY, "unique_id": "u"}, key=key)
        recorder.ok("GET", "/tasks", key=key)
    assert told(compared(recorder)) == []


@pytest.mark.parametrize("mode", ["live", "test"])
def test_the_mode_is_told_where_the_key_is_redacted(mode: Any) -> None:
    fake = FakeScale()
    recorder = recorder_of(fake)
    recorder.ok("POST", "/task/categorization", BODY, key=f"{mode}_one")
    exchanges = [it._replace(headers=[*it.headers[1:]]) for it in recorder.in_order()]
    report = compare_exchanges(exchanges, mode=mode)
    assert report.same, report.to_text()
    other: Any = {"live": "test", "test": "live"}[mode]
    assert not compare_exchanges(exchanges, mode=other).same


@pytest.mark.parametrize("mode", ["live", "test"])
def test_answers_tell_the_mode_where_the_key_is_redacted(mode: Any) -> None:
    fake = FakeScale()
    recorder = recorder_of(fake)
    key = f"{mode}_one"
    recorder.ok("GET", "/tasks", key=key)
    task = recorder.ok("POST", "/task/categorization", BODY, key=key)["task_id"]
    recorder.ok("GET", f"/task/{task}", key=key)
    recorder.ok("GET", "/tasks?limit=1&offset=1", key=key)
    exchanges = [it._replace(headers=[*it.headers[1:]]) for it in recorder.in_order()]
    other = {"live": "test", "test": "live"}[mode]
    recorder.exchanges.clear()
    recorder.ok("POST", "/task/categorization", BODY, key=f"{other}_two")
    report = compare_exchanges([*exchanges[:1], *recorder.exchanges, *exchanges[1:]])
    assert report.same, report.to_text()


def test_a_refused_key_is_refused() -> None:
    recorder = recorder_of(FakeScale(api_keys=["live_one"]))
    assert recorder("GET", "/tasks", key="live_two").status == 401
    compared(recorder)


def test_no_request_is_sent_by_a_callback() -> None:
    fake = FakeScale()
    recorder = recorder_of(fake)
    url = "http://127.0.0.1:9/hook"
    task = recorder.ok("POST", "/task/categorization", {**BODY, "callback_url": url})["task_id"]
    fake.tasks.complete(task, ANSWER)
    recorder.ok("GET", f"/task/{task}")
    compared(recorder)


def test_the_failures_of_the_service_are_not_asked() -> None:
    fake = FakeScale()
    recorder = recorder_of(fake)
    fake.faults.add(status=503, times=1)
    assert recorder("POST", "/task/categorization", BODY).status == 503
    recorder.ok("POST", "/task/categorization", BODY)
    report = compared(recorder)
    assert [it.verdict for it in report.exchanges] == ["not asked", "same"]


def test_a_recording_without_times_compares_too() -> None:
    fake = FakeScale()
    recorder = recorder_of(fake)
    task = recorder.ok("POST", "/task/categorization", BODY)["task_id"]
    fake.advance(days=2)
    fake.tasks.complete(task, ANSWER)
    recorder.ok("GET", f"/tasks?completed_after={(fake.now() - dt.timedelta(1)).isoformat()[:19]}")
    exchanges = [it._replace(when=None) for it in recorder.exchanges]
    report = compare_exchanges(exchanges)
    assert report.same, report.to_text()


def test_a_thousand_tasks_paged_twice_are_the_same() -> None:
    fake = FakeScale()
    for number in range(1000):
        fake.tasks.create("categorization", **BODY, unique_id=str(number))
    recorder = recorder_of(fake)
    for _ in range(2):
        target: str | None = "/tasks"
        while target is not None:
            page = recorder.ok("GET", target)
            token = page.get("next_token")
            target = token and f"/tasks?next_token={token}"
    report = compared(recorder)
    assert len(report.exchanges) == 20
    assert len(report.arranged) == 1000


def changed(recorder: Recorder, place: int, **members: Any) -> list[str]:
    """Return the differences if a recorded answer shows other members; None leaves one out."""
    exchanges = recorder.in_order()
    answer = {**json.loads(exchanges[place].answer), **members}
    answer = {name: it for name, it in answer.items() if it is not None}
    exchanges[place] = exchanges[place]._replace(answer=json.dumps(answer).encode())
    return [f"{row.kind} {row.member}" for row in compare_exchanges(exchanges).table()]


@pytest.mark.parametrize(
    ("method", "action", "body", "members", "difference"),
    [
        ("POST", "cancel", None, {"status": "pending"}, "value status"),
        ("POST", "cancel", None, {"tags": None}, "unknown tags"),
        ("POST", "cancel", None, {"unique_id": None}, "unknown unique_id"),
        ("PUT", "tags", ["b"], {"tags": None}, "unknown tags"),
        ("DELETE", "unique_id", None, {"unique_id": "u"}, "missing unique_id"),
    ],
)
def test_an_own_change_that_got_lost_is_a_difference(
    method: str, action: str, body: Any, members: Any, difference: str
) -> None:
    recorder = recorder_of(FakeScale())
    creation = {**BODY, "unique_id": "u", "tags": ["a"]}
    task = recorder.ok("POST", "/task/categorization", creation)["task_id"]
    recorder.ok(method, f"/task/{task}/{action}", *([] if body is None else [body]))
    recorder.ok("GET", f"/task/{task}")
    assert changed(recorder, 2, **members) == [difference]


def test_a_batch_does_not_go_back_to_staging() -> None:
    recorder = recorder_of(FakeScale())
    recorder.ok("POST", "/projects", {"type": "categorization", "name": "p", "rapid": True})
    recorder.ok("POST", "/batches", {"project": "p", "name": "b"})
    recorder.ok("POST", "/batches/b/finalize")
    recorder.ok("GET", "/batches/b")
    assert changed(recorder, 3) == []
    assert changed(recorder, 3, status="staging") == ["value status"]


def test_a_huge_counter_is_a_difference_at_once() -> None:
    recorder = recorder_of(FakeScale())
    batch_of(recorder, 1)
    recorder.ok("GET", "/batches/b/status")
    assert "value completed" in changed(recorder, 3, pending=0, completed=10**12)


def test_a_task_that_only_a_head_shows_is_there_already() -> None:
    fake = FakeScale()
    task = fake.tasks.create("categorization", **BODY).id
    recorder = recorder_of(fake)
    recorder.ok("GET", f"/task/{task}")
    head = recorder.exchanges[0]._replace(method="HEAD", answer=b"")
    report = compare_exchanges([head, *recorder.exchanges])
    assert report.same, report.to_text()


def test_an_update_long_after_the_creation_is_a_difference() -> None:
    recorder = recorder_of(FakeScale())
    recorder.ok("POST", "/task/categorization", BODY)
    assert changed(recorder, 0) == []
    late = "2099-01-01T00:00:00.000Z"
    assert changed(recorder, 0, updated_at=late) == ["value updated_at"]


@pytest.mark.parametrize(("method", "status"), [("OPTIONS", 204), ("GET", 304)])
def test_what_a_browser_asks_for_itself_is_not_asked(method: str, status: int) -> None:
    recorder = recorder_of(FakeScale())
    recorder.ok("GET", "/tasks")
    exchange = recorder.exchanges[0]._replace(method=method, status=status, answer=b"")
    [outcome] = compare_exchanges([exchange]).exchanges
    assert outcome.verdict == "not asked"


def test_an_upload_without_its_content_has_the_recorded_size() -> None:
    recorder = recorder_of(FakeScale())
    part = b'--x\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
    body = part % (b"project_name", b"", b"p") + part % (b"file", b'; filename="a.png"', b"1234")
    fields = {"Content-Type": "multipart/form-data; boundary=x"}
    recorder("POST", "/files/upload", data=body + b"--x--\r\n", headers=fields)
    exchange = recorder.exchanges[0]
    assert exchange.status == 200
    emptied = exchange._replace(body=exchange.body.replace(b"1234", b""))
    report = compare_exchanges([emptied])
    assert report.same, report.to_text()


def test_an_error_of_v2_gets_its_response_when_v1_shows_it() -> None:
    fake = FakeScale()
    recorder = recorder_of(fake)
    recorder.ok("POST", "/projects", {"type": "categorization", "name": "p"})
    task = recorder.ok("POST", "/task/categorization", {**BODY, "project": "p"})["task_id"]
    fake.tasks.fail(task, "gone")
    recorder.ok("GET", f"/v2/task?task_id={task}")
    assert recorder.ok("GET", f"/task/{task}")["response"] == {"error": "gone"}
    compared(recorder)


def test_a_page_of_pending_tasks_tells_who_is_not_pending() -> None:
    fake = FakeScale()
    recorder = recorder_of(fake)
    tasks = [recorder.ok("POST", "/task/categorization", BODY)["task_id"] for _ in range(8)]
    for place in (0, 3, 4, 7):
        fake.tasks.complete(tasks[place], ANSWER)
    page = recorder.ok("GET", "/tasks?status=pending&limit=2")
    assert [it["task_id"] for it in page["docs"]] == [tasks[6], tasks[5]]
    recorder.ok("GET", f"/tasks?status=pending&limit=2&next_token={page['next_token']}")
    recorder.ok("GET", "/tasks?status=pending&limit=1&offset=3")
    compared(recorder)


def test_a_list_of_completed_tasks_corrects_a_guess() -> None:
    fake = FakeScale()
    recorder = recorder_of(fake)
    task = recorder.ok("POST", "/task/categorization", BODY)["task_id"]
    fake.tasks.fail(task, "gone")
    recorder.ok("GET", "/tasks?status=pending")
    recorder.ok("GET", "/tasks?status=completed")
    recorder.ok("GET", "/tasks")
    compared(recorder)


def test_a_finalized_batch_that_is_completed_has_no_pending_task() -> None:
    fake = FakeScale()
    recorder = recorder_of(fake)
    recorder.ok("POST", "/projects", {"type": "categorization", "name": "p", "rapid": True})
    recorder.ok("POST", "/batches", {"project": "p", "name": "b"})
    task = recorder.ok("POST", "/task/categorization", {**BODY, "batch": "b"})["task_id"]
    fake.tasks.complete(task, ANSWER)
    assert recorder.ok("POST", "/batches/b/finalize")["status"] == "completed"
    recorder.ok("GET", f"/task/{task}")
    compared(recorder)


def test_a_move_of_v2_shows_a_batch_beside_its_message() -> None:
    fake = FakeScale()
    fake.projects.create("p", type="chat")
    fake.batches.create("b", project="p")
    fake.tasks.create("chat", project="p", batch="b")
    recorder = recorder_of(fake)
    recorder.ok("POST", "/v2/batch/pause", {"batch_name": "b"})
    compared(recorder)


def test_an_error_is_shown_together_with_its_completed_batch() -> None:
    fake = FakeScale()
    recorder = recorder_of(fake)
    recorder.ok("POST", "/projects", {"type": "chat", "name": "p"})
    recorder.ok("POST", "/batches", {"project": "p", "name": "b"})
    body = {"project_name": "p", "batch_name": "b"}
    task = recorder.ok("POST", "/v2/task/chat", body)["task_id"]
    fake.tasks.fail(task, "gone")
    recorder.ok("GET", f"/v2/task?task_id={task}&expand=batch")
    compared(recorder)
