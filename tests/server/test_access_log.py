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
