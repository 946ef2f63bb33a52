"""The lines about exchanges."""

import datetime as dt
import io
import re
import time

import pytest

from fakescale import FakeScale
from fakescale.server.access_log import AccessLog
from tests.support import Caller


def lines(fake: FakeScale, *, bodies: bool = False) -> list[str]:
    stream = io.StringIO()
    log = AccessLog(stream, bodies=bodies)
    for exchange in fake.requests:
        log(exchange, 0.0012)
    return stream.getvalue().splitlines(keepends=True)


def test_a_line_shows_the_request_and_the_answer(fake: FakeScale, live: Caller) -> None:
    live("GET", "/tasks?limit=3")
    fake.faults.add(status=503)
    live("GET", "/task/x\x1b[31m")
    first, second = (line.split(" ", 2)[2] for line in lines(fake))
    assert first == "GET /v1/tasks?limit=3 200 1.2ms account=fakescale\n"
    assert re.fullmatch(r"GET /v1/task/x\\x1b\[31m 503 1.2ms \(fault: .*\)\n", second)


def test_a_line_names_the_task_that_v2_has_in_the_query_the_path_or_the_body(
    fake: FakeScale, live: Caller
) -> None:
    fake.projects.create("p", type="chat")
    task = live("POST", "/v2/task/chat", {"project_name": "p"}).json["task_id"]
    other = "0" * 24
    live("GET", f"/v2/task?expand=project&task_id={task}&opts=submissions")
    live("GET", f"/v2/task?task_id={other}")
    live("GET", f"/v2/datasets/task?task_id={other}")
    live("GET", f"/v2/datasets/task/{other}/response_url/x")
    live("POST", "/v2/task/metadata", {"task_id": task, "metadata": {}})
    live("GET", f"/v2/tasks?project_name=p&x_task_id={task}")
    live("GET", f"/v2/annotation?annotation_id={task}")
    named = [re.search(r" task=(\w+)", line) for line in lines(fake)]
    assert [it and it[1] for it in named] == [
        *(task, task, other, other, other, task),
        *(None, None),
    ]


def test_the_bodies_follow_on_the_same_line(fake: FakeScale, live: Caller) -> None:
    live("POST", "/task/chat", data=b'{"a":\n1}')
    [line] = lines(fake, bodies=True)
    assert line.split(" ", 2)[2].endswith("}\n")
    assert re.match(
        r'POST /v1/task/chat 200 1.2ms .* {"a":\\n1} -> {"task_id":', line.split(" ", 2)[2]
    )


def test_a_line_begins_with_the_time_of_the_machine(
    fake: FakeScale, live: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = dt.datetime(2024, 2, 29, 12, 0, 59, 999_900)
    moments = iter([moment, moment, moment + dt.timedelta(microseconds=100)])
    monkeypatch.setattr(time, "time", lambda: next(moments).timestamp())
    fake.advance(days=1)
    for _ in range(3):
        live("GET", "/tasks")
    assert [line[:24] for line in lines(fake)] == [
        "2024-02-29 12:00:59,999 ",
        "2024-02-29 12:00:59,999 ",
        "2024-02-29 12:01:00,000 ",
    ]


def test_a_closed_stream_breaks_nothing(fake: FakeScale, live: Caller) -> None:
    live("GET", "/tasks")
    stream = io.StringIO()
    stream.close()
    AccessLog(stream, bodies=False)(fake.requests[0], 0)
