"""The views of the page and their actions, in a real browser."""

import datetime as dt
import json
import re
import subprocess

import pytest

from fakescale.api.operations import operations
from tests.clients.environments import needs
from tests.support import Caller
from tests.ui.conftest import Ui
from tests.ui.stock import stock

pytestmark = pytest.mark.browser

CREATION = {
    "attachment": "https://pictures.example/a.png",
    "geometries": {"box": {"objects_to_annotate": ["car", "person"]}},
}


# Tasks.


def test_tasks_are_filtered_by_fields_that_the_address_keeps(ui: Ui) -> None:
    stock(ui.fake)
    ui.open()
    ui.expect(ui.rows()).to_have_count(4)
    ui.page.get_by_label("status", exact=True).select_option("completed")
    ui.expect(ui.rows()).to_have_count(2)
    assert ui.page.url.endswith("#/tasks?status=completed")
    ui.open("#/tasks?status=error")
    ui.expect(ui.rows()).to_have_count(1)
    ui.page.get_by_role("link", name="no filter").click()
    ui.expect(ui.rows()).to_have_count(4)
    ui.page.get_by_role("link", name="pending 1").click()
    ui.expect(ui.rows()).to_have_count(1)


def test_new_tasks_do_not_move_the_rows(ui: Ui) -> None:
    first = ui.fake.tasks.create("chat")
    ui.open()
    ui.expect(ui.rows()).to_have_count(1)
    ui.fake.tasks.create("chat")
    ui.fake.tasks.create("chat")
    ui.fake.tasks.cancel(first)
    ui.sees("2 new")
    ui.expect(ui.rows()).to_have_count(1)
    ui.expect(ui.rows()).to_contain_text("canceled")
    ui.press("2 new")
    ui.expect(ui.rows()).to_have_count(3)


def test_an_empty_fake_shows_the_first_task_at_once(ui: Ui) -> None:
    ui.open()
    ui.sees("There is no task yet")
    ui.fake.tasks.create("chat")
    ui.expect(ui.rows()).to_have_count(1)


def test_tasks_come_in_pages(ui: Ui) -> None:
    for _ in range(60):
        ui.fake.tasks.create("chat")
    ui.open()
    ui.sees("50 of 60")
    ui.press("older")
    ui.sees("10 of 60")
    ui.press("newer")
    ui.sees("50 of 60")


def test_ticked_tasks_are_completed_together(ui: Ui) -> None:
    tasks = [ui.fake.tasks.create("chat") for _ in range(3)]
    ui.open()
    for task in tasks[:2]:
        ui.page.get_by_label(f"tick {task.id}").check()
    ui.sees("2 ticked")
    ui.press("complete")
    ui.expect(ui.page.get_by_role("link", name="completed 2")).to_be_visible()
    assert [it.status for it in map(ui.fake.tasks.get, tasks)] == ["completed"] * 2 + ["pending"]


def test_a_task_is_created_from_the_example_of_its_type(ui: Ui) -> None:
    ui.open()
    ui.page.get_by_text("create a task", exact=True).click()
    ui.page.locator("#create-type").select_option("textcollection")
    ui.press("create")
    ui.expect(ui.page).to_have_url(re.compile("#/task/[0-9a-f]{24}$"))
    [task] = ui.fake.tasks
    assert task.type == "textcollection"


def test_a_bad_body_is_told_beside_the_form(ui: Ui) -> None:
    ui.open()
    ui.page.get_by_text("create a task", exact=True).click()
    ui.expect(ui.page.locator("#create-body")).not_to_have_value("")
    ui.page.locator("#create-body").fill("{")
    ui.press("create")
    ui.sees("JSON")
    ui.page.locator("#create-body").fill('{"geometries": 5}')
    ui.may_refuse = True
    ui.press("create")
    ui.sees("Please include an attachment")


# One task.


def opened(ui: Ui, **members: object) -> str:
    task = ui.fake.tasks.create("imageannotation", **{**CREATION, **members})
    ui.open(f"#/task/{task.id}")
    return task.id


def test_a_task_is_worked_on(ui: Ui) -> None:
    task_id = opened(ui)
    ui.expect(ui.page.get_by_role("img", name="no shapes")).to_be_visible()
    ui.press("start")
    ui.done("tasks.start")
    ui.press("complete")
    ui.done("tasks.complete")
    ui.sees("pending → completed by test")
    ui.press("audit …")
    ui.page.get_by_label("result (optional)").select_option("rejected")
    ui.fill("comments (optional)", "too small")
    ui.press("Do: audit …")
    ui.done("tasks.audit")
    assert ui.fake.tasks.get(task_id).customer_review_status == "rejected"
    ui.press("recall")
    ui.done("tasks.recall")
    assert ui.fake.tasks.get(task_id).status == "pending"


def test_a_response_is_given_and_drawn(ui: Ui) -> None:
    task_id = opened(ui)
    ui.press("complete with …")
    boxes = [
        {"type": "box", "label": label, "left": 10, "top": 20, "width": 30, "height": 40}
        for label in ("car", "person")
    ]
    ui.fill("response (optional), as JSON", json.dumps({"annotations": boxes}))
    ui.press("Do: complete with …")
    ui.sees("2 shapes as a table")
    image = ui.page.get_by_role("img", name="2 shapes: car, person")
    ui.expect(image).to_be_visible()
    assert image.evaluate("it => it.complete && it.naturalWidth > 0")
    ui.page.get_by_label("car (1)").uncheck()
    ui.expect(ui.page.get_by_label("person (1)")).to_be_checked()
    with ui.page.expect_download() as saved:
        ui.press("save as SVG")
    assert saved.value.suggested_filename == f"{task_id}.svg"


def test_a_task_fails_with_a_reason(ui: Ui) -> None:
    task_id = opened(ui)
    ui.press("fail …")
    ui.fill("response (optional)", "blurred")
    ui.press("Do: fail …")
    ui.done("tasks.fail")
    assert ui.fake.tasks.get(task_id).response == {"error": "blurred"}


def test_a_task_is_changed_and_canceled(ui: Ui) -> None:
    task_id = opened(ui)
    ui.press("set metadata …")
    ui.fill("metadata, as JSON", '{"a": [1]}')
    ui.press("Do: set metadata …")
    ui.done("tasks.set_metadata")
    ui.press("set unique_id …")
    ui.fill("unique_id", "u")
    ui.press("Do: set unique_id …")
    ui.done("tasks.set_unique_id")
    ui.press("set tags …")
    ui.fill("tags, as JSON", '["a", "b"]')
    ui.press("Do: set tags …")
    ui.done("tasks.set_tags")
    ui.press("cancel …")
    ui.page.get_by_label("clear_unique_id").check()
    ui.press("Do: cancel …")
    ui.done("tasks.cancel")
    task = ui.fake.tasks.get(task_id)
    assert (task.metadata, task.unique_id, task.tags) == ({"a": [1]}, None, ["a", "b"])
    ui.may_refuse = True
    ui.press("delete")
    ui.press("Yes, delete")
    ui.sees("Task with that ID not found.")
    assert len(ui.fake.tasks) == 0


def test_a_callback_is_sent_again(ui: Ui) -> None:
    task = ui.fake.tasks.create("chat", callback_url="a@example.com")
    ui.fake.tasks.complete(task)
    ui.open(f"#/task/{task.id}")
    ui.press("send the callback again")
    ui.done("tasks.send_callback")
    assert len(ui.fake.callbacks) == 2


def test_the_life_of_a_task_tells_gaps(ui: Ui) -> None:
    task = ui.fake.tasks.create("chat")
    Caller(ui.fake)("GET", f"/task/{task.id}")
    ui.fake.advance(minutes=71)
    ui.fake.tasks.complete(task)
    ui.open(f"#/task/{task.id}")
    ui.sees("71 min later")
    ui.page.get_by_role("link", name=f"GET /v1/task/{task.id} → 200").click()
    ui.sees("GET /v1/task/<task_id>")


def test_a_picture_of_others_is_loaded_only_when_asked(ui: Ui) -> None:
    asked: list[str] = []
    pixel = b"\x89PNG\r\n\x1a\n"

    def answer(route: object) -> None:
        asked.append(route.request.url)  # type: ignore[attr-defined]
        route.fulfill(body=pixel, content_type="image/png")  # type: ignore[attr-defined]

    ui.page.route("https://pictures.example/**", answer)
    ui.fake.tasks.complete(opened(ui))
    ui.sees("allow this tab to load the image from pictures.example")
    assert asked == []
    ui.page.get_by_role("link", name="allow this tab").click()
    ui.page.get_by_role("button", name="load the image from pictures.example").click()
    ui.expect(ui.page.get_by_role("img", name="the attachment")).to_be_attached()
    ui.page.wait_for_function("document.querySelector('img.under').complete")
    assert asked == [CREATION["attachment"]]


# Requests.


def test_a_refused_request_tells_what_was_wrong(ui: Ui) -> None:
    stock(ui.fake)
    ui.open("#/requests")
    ui.expect(ui.rows()).to_have_count(4)
    ui.page.get_by_label("only").select_option("refused")
    ui.expect(ui.rows()).to_have_count(2)
    ui.page.get_by_role("link", name="POST /v1/task/imageannotation").click()
    ui.sees('"geometries" must be of type object')
    ui.expect(ui.page.locator(".tree mark")).to_have_text("geometries")
    ui.sees('unknown member "car"')
    ui.sees("Bearer ***")
    ui.press("copy as curl")
    copied = ui.page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("curl -s -X POST")
    assert "live_" not in copied
    with ui.page.expect_download() as saved:
        ui.press("save as HAR")
    assert "live_" not in saved.value.path().read_text("utf-8")


def test_a_wrong_path_tells_the_nearest_route(ui: Ui) -> None:
    Caller(ui.fake)("GET", "/taks")
    ui.open("#/requests")
    ui.page.get_by_role("link", name="GET /v1/taks").click()
    ui.sees("the nearest is GET /v1/tasks")
    ui.sees("the text is guessed")


def test_new_requests_come_by_themselves_and_old_ones_when_asked(ui: Ui) -> None:
    call = Caller(ui.fake)
    for _ in range(120):
        call("GET", "/tasks")
    ui.open("#/requests")
    ui.sees("100 shown of 120")
    call("GET", "/teams")
    ui.expect(ui.rows().first).to_contain_text("/v1/teams")
    ui.press("older")
    ui.sees("121 shown of 121")
    ui.fill("text", "teams")
    ui.page.keyboard.press("Enter")
    ui.expect(ui.rows()).to_have_count(1)


def test_a_fault_is_told_beside_its_request(ui: Ui) -> None:
    ui.fake.faults.add(path="/v1/tasks", status=503, times=1)
    Caller(ui.fake)("GET", "/tasks")
    ui.open("#/requests?only=faults")
    ui.expect(ui.rows()).to_have_count(1)
    ui.expect(ui.rows()).to_contain_text("503")


# Callbacks.


def test_the_page_tells_why_a_callback_failed(ui: Ui) -> None:
    stock(ui.fake)
    ui.open()
    ui.page.get_by_role("link", name="Callbacks 1 undelivered").click()
    ui.sees("No answer came")
    ui.sees("Start the fake with --callback-host for this host")
    ui.press("details of 0")
    ui.sees("Attempts")
    ui.page.get_by_label("state").select_option("owed")
    ui.expect(ui.page.get_by_role("button", name="send again")).to_have_count(1)


def test_callbacks_are_delivered_and_sent_again(ui: Ui) -> None:
    stock(ui.fake)
    ui.open("#/callbacks")
    ui.press("deliver what is due")
    ui.done("callbacks.deliver")
    ui.page.get_by_role("button", name="advance to the next thing due", exact=False).click()
    ui.done("advance")
    assert len(ui.fake.callbacks[0].attempts) == 2
    ui.page.get_by_role("button", name="send again").first.click()
    ui.done("callbacks.redeliver")
    assert len(ui.fake.callbacks) == 4


def test_an_address_is_set_where_there_is_none(ui: Ui) -> None:
    ui.open("#/callbacks")
    ui.press("set the account's address …")
    ui.fill("value (optional)", "http://127.0.0.1:9000/x")
    ui.press("Do: set the account's address …")
    ui.done("callback_url")
    assert ui.fake.callback_url == "http://127.0.0.1:9000/x"


# Faults, the clock, the timeline.


def test_faults_are_added_and_removed(ui: Ui) -> None:
    ui.open("#/faults")
    for name, operation in (
        ("lose the answer of the next creation", "lost_answer"),
        ("503 for the next two requests", "add"),
        ("outage for 5 minutes", "outage"),
        ("2 requests a second", "rate_limit"),
        ("refuse the next repeated creation", "duplicate_in_flight"),
    ):
        ui.press(name)
        ui.done(f"faults.{operation}")
    ui.press("another fault …")
    ui.fill("path (optional)", "/v1/tasks")
    ui.fill("status (optional)", "418")
    ui.press("Do: another fault …")
    ui.expect(ui.rows()).to_have_count(6)
    last = ui.fake.faults.list()[-1]
    assert {"path": "/v1/tasks", "status": 418}.items() <= last.to_json().items()
    ui.press(f"remove {last.id}")
    ui.expect(ui.rows()).to_have_count(5)


def test_the_clock_is_moved_and_stopped(ui: Ui) -> None:
    ui.open("#/clock")
    for name in ("+1 min", "+1 h", "+1 day"):
        ui.press(name)
        ui.done("advance")
        ui.page.evaluate("document.querySelector('[role=status]').textContent")
    ui.sees("ahead of real time")
    ui.press("stop")
    ui.sees("stopped")
    ui.press("start")
    ui.sees("running")
    ui.press("advance by …")
    ui.fill("seconds (optional)", "30")
    ui.press("Do: advance by …")
    ui.done("advance")
    assert sum(it.what["seconds"] for it in ui.fake.events(kind="clock moved")) == 90_090
    ui.press("set the turnaround, in seconds …")
    ui.fill("value (optional)", "120")
    ui.press("Do: set the turnaround, in seconds …")
    ui.sees("2 min after its creation")
    ui.press("complete no task by itself")
    ui.sees("No labeler completes tasks by itself.")


def test_the_clock_goes_to_the_next_thing_due(ui: Ui) -> None:
    ui.fake.turnaround = dt.timedelta(hours=2)
    task = ui.fake.tasks.create("chat")
    ui.open("#/clock")
    ui.page.get_by_role("button", name="advance to the next thing due", exact=False).click()
    ui.done("advance")
    assert ui.fake.tasks.get(task).status == "completed"


def test_the_timeline_folds_idle_time_and_zooms(ui: Ui) -> None:
    stock(ui.fake)
    ui.fake.advance(hours=1)
    ui.fake.tasks.create("chat")
    ui.open("#/timeline")
    lanes = ui.page.locator("svg.lanes")
    ui.expect(lanes.locator(".fold").first).to_be_attached()
    before = lanes.locator(".dot").count()
    box = lanes.bounding_box()
    assert box is not None
    ui.page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 100)
    ui.page.mouse.down()
    ui.page.mouse.move(box["x"] + box["width"] * 0.95, box["y"] + 100)
    ui.page.mouse.up()
    ui.expect(lanes.locator(".dot")).not_to_have_count(before)
    ui.press("all")
    ui.expect(lanes.locator(".dot")).to_have_count(before)
    for name in ("zoom in", "earlier", "later", "zoom out"):
        ui.press(name)
    ui.page.locator("tbody a[data-row]", has_text="GET /v1/taks").click()
    ui.sees("the nearest is GET /v1/tasks")


# Projects, accounts, the state.


def test_projects_and_batches_are_made_and_moved(ui: Ui) -> None:
    ui.open("#/projects")
    ui.press("create a project …")
    ui.fill("name", "drive")
    ui.press("Do: create a project …")
    ui.done("projects.create")
    ui.press("create a batch …")
    ui.fill("project", "drive")
    ui.fill("name", "first")
    ui.press("Do: create a batch …")
    ui.done("batches.create")
    ui.fake.tasks.create("imageannotation", **CREATION, project="drive", batch="first")
    ui.press("pause first")
    ui.done("batches.pause")
    ui.press("resume first")
    ui.done("batches.resume")
    ui.press("cancel first")
    ui.press("Yes, cancel first")
    ui.done("batches.cancel")
    ui.press("archive drive")
    ui.press("Yes, archive drive")
    ui.done("projects.archive")


def test_an_account_is_chosen_and_reset(ui: Ui) -> None:
    other = ui.fake.account("other")
    other.tasks.create("chat")
    other.test.tasks.create("chat")
    ui.open("#/accounts")
    ui.expect(ui.rows()).to_have_count(2)
    ui.press("copy the live key of other")
    ui.page.get_by_role("link", name="other", exact=True).click()
    ui.expect(ui.rows()).to_have_count(1)
    ui.page.get_by_label("mode").select_option("test")
    ui.expect(ui.rows()).to_contain_text("completed")
    ui.page.get_by_role("link", name="Accounts").click()
    ui.press("reset other")
    ui.press("Yes, reset other")
    ui.done("reset")
    assert len(ui.fake.account("other").tasks) == 0


def test_the_state_is_dumped_loaded_and_reset(ui: Ui) -> None:
    ui.fake.tasks.create("chat")
    ui.open("#/state")
    with ui.page.expect_download() as saved:
        ui.press("download a dump")
    file = saved.value.path()
    ui.press("reset everything")
    ui.press("Yes, reset everything")
    ui.done("reset")
    assert len(ui.fake.tasks) == 0
    ui.page.locator("#load").set_input_files(file)
    ui.done("load")
    assert len(ui.fake.tasks) == 1
    ui.may_refuse = True
    ui.page.locator("#load").set_input_files(
        {"name": "bad.json", "mimeType": "application/json", "buffer": b"[5]"}
    )
    ui.expect(ui.page.get_by_role("status")).to_contain_text("bad.json was not loaded")


def test_each_operation_has_a_form(ui: Ui) -> None:
    ui.open("#/operations")
    ui.fill("name", "nearest")
    ui.page.keyboard.press("Enter")
    ui.expect(ui.rows()).to_have_count(1)
    ui.press("nearest")
    ui.fill("method", "GET")
    ui.fill("path", "/v1/taks")
    ui.press("Do: nearest")
    ui.sees("GET /v1/tasks")


def test_each_operation_is_listed(ui: Ui) -> None:
    ui.open("#/operations")
    ui.expect(ui.rows()).to_have_count(len(operations(type(ui.fake))))


def test_the_line_beside_a_button_does_the_same(ui: Ui) -> None:
    needs("curl")
    task = ui.fake.tasks.create("chat")
    ui.open(f"#/task/{task.id}")
    line = ui.curl("complete")
    subprocess.run(line, shell=True, check=True, capture_output=True, timeout=30)
    ui.sees("pending → completed by test")
