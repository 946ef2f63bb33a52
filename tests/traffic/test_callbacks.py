"""Callbacks: which are owed, and their outcomes; sent ones go over real sockets."""

import base64
import contextlib
import datetime as dt
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import freezegun
import pytest
import requests
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from fakescale import FakeScale
from fakescale.account.task import Task
from fakescale.receiver import Receiver
from fakescale.server.server import serving
from fakescale.traffic.callbacks import GAP, RETRIES
from fakescale.traffic.outbox import Outbox
from fakescale.values.clock import Clock
from fakescale.values.errors import BadRequest, NotFound
from fakescale.values.frozen import FrozenDict
from fakescale.values.hosts import Address, NotSent, is_loopback, read_address, read_host
from tests.support import Caller

DAY = dt.timedelta(days=1)


class Post:
    """A carrier that sends nothing, records its calls, and gives the answers that were set."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.targets: list[str] = []

    def post(self, address: Address, auth_key: str | None, content: bytes) -> int:
        self.targets.append(address.target)
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        return int(answer)

    def break_off(self) -> None:
        raise AssertionError


class Waiting(Post):
    """A carrier whose posts to ``/slow`` wait until they may go on or are broken off."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.go_on = threading.Event(), threading.Event()
        self.broken = False

    def post(self, address: Address, auth_key: str | None, content: bytes) -> int:
        if address.target == "/slow":
            self.inside.set()
            assert self.go_on.wait(10)
            if self.broken:
                raise ConnectionError
        return super().post(address, auth_key, content)

    def break_off(self) -> None:
        self.broken = True
        self.go_on.set()


def owe(outbox: Outbox, url: str = "http://localhost/x", **more: Any) -> None:
    details = {"account": "a", "is_test": False, "event": "completed", "subject": "t"}
    outbox._owe(**{**details, "url": url, "body": FrozenDict(), **more})


def completed(fake: FakeScale, url: str | None) -> Task:
    more = {} if url is None else {"callback_url": url}
    return fake.tasks.complete(fake.tasks.create("chat", **more).id, {"a": 1})


def threads() -> list[str]:
    """Return the names of the threads that send callbacks."""
    return [it.name for it in threading.enumerate() if it.name.startswith("fakescale-")]


@pytest.fixture(autouse=True)
def _alone() -> None:
    """Wait for threads of earlier tests, which may be in their last instructions."""
    for thread in threading.enumerate():
        if thread.name.startswith("fakescale-"):
            thread.join(10)


# The callbacks that are owed.


def test_a_completion_callback_has_the_task_as_it_was_then(
    fake: FakeScale, callback_receiver: Receiver
) -> None:
    task = completed(fake, callback_receiver.url)
    [delivery] = fake.callbacks.deliver()
    fake.tasks.set_metadata(task.id, {"later": True})
    [received] = callback_receiver.received
    assert received.json == {
        "task": task.to_json(),
        "response": {"a": 1},
        "task_id": task.id,
        "status": "completed",
    }
    assert received.method == "POST"
    assert received.headers["Content-Type"] == "application/json"
    assert received.headers["scale-callback-auth"] == "live_auth_fakescale"
    assert delivery == fake.callbacks[0]
    assert (delivery.event, delivery.subject, delivery.state) == ("completed", task.id, "done")
    assert (delivery.account, delivery.is_test) == ("fakescale", False)
    assert (delivery.json, delivery.body) == (received.json, received.body)
    assert [(it.status, it.error) for it in delivery.attempts] == [(200, None)]


def test_each_event_owes_one_callback_and_nothing_else_does(
    fake: FakeScale, callback_receiver: Receiver
) -> None:
    tasks = fake.tasks
    one, two, three = (tasks.create("chat", callback_url=callback_receiver.url) for _ in range(3))
    tasks.start(one.id)
    tasks.complete(one.id)
    tasks.audit(one.id, "rejected")
    tasks.set_metadata(one.id, {"k": "v"})
    tasks.add_tags(one.id, ["t"])
    tasks.set_unique_id(one.id, "u")
    tasks.recall(one.id)
    tasks.fail(two.id)
    tasks.cancel(three.id)
    tasks.cancel(three.id)
    fake.callbacks.deliver()
    told = [(it.json["task_id"], it.json["status"]) for it in callback_receiver.received]
    assert told == [
        (one.id, "completed"),
        (one.id, "completed"),
        (one.id, "pending"),
        (two.id, "error"),
    ]
    assert [it.event for it in fake.callbacks] == ["completed", "audit", "recall", "error"]
    bodies = [it.json for it in callback_receiver.received]
    assert ["response" in body for body in bodies] == [True, True, False, True]
    assert bodies[1]["task"]["audits"][0]["audit_result"] == "rejected"


def test_a_test_task_is_called_back_at_its_creation_with_the_test_key(
    fake: FakeScale, callback_receiver: Receiver
) -> None:
    task = fake.test.tasks.create("chat", callback_url=callback_receiver.url)
    fake.callbacks.deliver()
    [received] = callback_receiver.received
    assert received.json["status"] == "completed"
    assert received.json["task"]["completed_at"] > task.created_at
    assert received.headers["scale-callback-auth"] == fake.test.callback_auth_key
    assert fake.test.callback_auth_key == "test_auth_fakescale"
    assert fake.test.tasks.get(task.id).callback_completed


def test_a_labeler_s_completion_is_called_back_without_a_request(
    noon: time_machine.Traveller, callback_receiver: Receiver
) -> None:
    fake = FakeScale(complete_after=dt.timedelta(hours=2))
    fake.tasks.create("chat", callback_url=callback_receiver.url)
    assert fake.callbacks.deliver() == []
    noon.shift(dt.timedelta(hours=2))
    assert [it.event for it in fake.callbacks.deliver()] == ["completed"]
    assert len(callback_receiver.received) == 1


def test_loaded_tasks_owe_no_callback(fake: FakeScale) -> None:
    other = FakeScale()
    other.tasks.load([completed(fake, "http://localhost/x").to_json()])
    assert list(other.callbacks) == []


def test_a_dump_holds_all_callbacks_and_the_default_address(
    callback_receiver: Receiver,
) -> None:
    with FakeScale().serve() as fake:
        fake.test.callback_url = callback_receiver.url
        task = completed(fake, callback_receiver.url)
        fake.callbacks.deliver()
        completed(fake, "http://localhost:1/")
        fake.callbacks.deliver()
        before = list(fake.callbacks)
        fake.load(fake.dump())
        assert fake.tasks.get(task.id).callback_completed
        assert fake.test.callback_url == callback_receiver.url
        assert list(fake.callbacks) == before
        assert [it.state for it in before] == ["done", "owed"]
        fake.test.tasks.create("chat")
        assert len(callback_receiver.wait_for(2)) == 2


def test_the_account_s_default_address_is_for_tasks_without_one(
    fake: FakeScale, callback_receiver: Receiver
) -> None:
    account = fake.account("fakescale")
    completed(fake, None)
    assert list(fake.callbacks) == []
    fake.callback_url = "http://www.example.com/default"
    completed(fake, None)
    assert account.callback_url == fake.test.callback_url == "http://www.example.com/default"
    completed(fake, "http://www.example.com/own")
    assert [it.url.rpartition("/")[2] for it in fake.callbacks] == ["default", "own"]
    fake.test.callback_url = callback_receiver.url
    fake.test.tasks.create("chat")
    fake.callbacks.deliver()
    assert len(callback_receiver.received) == 1
    assert fake.account("other").callback_url is None
    account.callback_url = None
    completed(fake, None)
    assert len(fake.callbacks) == 3
    with pytest.raises(BadRequest, match="must be a URL or an e-mail address"):
        fake.callback_url = "nowhere"


def test_any_account_name_gives_a_key_that_a_header_can_hold() -> None:
    keys = {FakeScale(account=name).callback_auth_key for name in ("a\nb", "é日", "a b", "a")}
    assert len(keys) == 4
    assert all(key.isascii() and key.isprintable() and " " not in key for key in keys)
    assert FakeScale().account("x").callback_auth_key == "live_auth_x"


@pytest.mark.parametrize("path", ["send_callback", "send-callback"])
def test_a_callback_can_be_sent_again(
    fake: FakeScale, live: Caller, callback_receiver: Receiver, path: str
) -> None:
    task = completed(fake, callback_receiver.url)
    reply = live("POST", f"/task/{task.id}/{path}")
    assert (reply.status, reply.json) == (200, {"success": True})
    fake.callbacks.deliver()
    assert [it.json["task_id"] for it in callback_receiver.received] == [task.id] * 2
    assert live("POST", f"/task/nobody/{path}").status == 404


def test_a_task_without_a_callback_cannot_send_it_again(fake: FakeScale) -> None:
    def refused(task: Task) -> str:
        with pytest.raises(BadRequest) as refusal:
            fake.tasks.send_callback(task.id)
        return str(refusal.value)

    pending = fake.tasks.create("chat", callback_url="http://localhost/x")
    assert "is pending" in refused(pending)
    assert "is canceled" in refused(fake.tasks.cancel(pending.id))
    assert "no callback_url" in refused(completed(fake, None))
    with pytest.raises(NotFound):
        fake.tasks.send_callback("x")
    assert list(fake.callbacks) == []


# The addresses that are allowed.


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://www.example.com/callback", "www.example.com is not allowed"),
        ("https://user:secret@Example.COM.:8443/x", "example.com is not allowed"),
        ("http://localhost.example.com/", "localhost.example.com is not allowed"),
        ("http://notlocalhost/", "notlocalhost is not allowed"),
        ("http://localhost@10.0.0.1/", "10.0.0.1 is not allowed"),
        ("http://0.0.0.0/", "0.0.0.0 is not allowed"),
        ("http://2130706433/", "2130706433 is not allowed"),
        ("http://127.1/", "127.1 is not allowed"),
        ("http://[::ffff:10.0.0.1]/", "::ffff:10.0.0.1 is not allowed"),
        ("http://169.254.169.254/latest", "169.254.169.254 is not allowed"),
        ("http://bücher.example/", "xn--bcher-kva.example is not allowed"),
        ("ftp://localhost/x", "ftp:// is not allowed"),
        ("http://[::1/x", "the address is malformed"),
        ("http://localhost:http/x", "the address is malformed"),
        ("http://" + "a" * 80 + "/x", "the address is malformed"),
        ("http:///x", "the address is malformed"),
    ],
)
def test_a_callback_that_is_not_allowed_is_recorded_and_never_sent(
    fake: FakeScale, monkeypatch: pytest.MonkeyPatch, url: str, reason: str
) -> None:
    def never(*args: object) -> None:
        raise AssertionError(args)

    for name in ("getaddrinfo", "gethostbyname", "socket", "create_connection"):
        monkeypatch.setattr(f"socket.{name}", never)
    task = completed(fake, url)
    assert threads() == []
    assert fake.callbacks.deliver() == []
    fake.advance(days=2)
    [delivery] = fake.callbacks
    assert delivery.state == f"not sent: {reason}"
    assert (delivery.url, delivery.attempts, delivery.next_at) == (url, (), None)
    assert fake.tasks.get(task.id).to_json() == task.to_json()


@given(st.text())
def test_any_text_is_an_allowed_address_or_not_sent(text: str) -> None:
    with contextlib.suppress(NotSent):
        address = read_address(f"http://{text}", [])
        assert is_loopback(address.host)
        assert address.target.isascii()
        assert address.target.isprintable()
        assert " " not in address.target


@pytest.mark.parametrize(
    ("url", "origin", "target"),
    [
        ("http://localhost", "localhost", "/"),
        ("http://LOCALHOST.:8000/a%2Fb c?q?&é#x", "localhost:8000", "/a%2Fb%20c?q?&%C3%A9"),
        ("https://a.localhost:443/", "a.localhost", "/"),
        ("http://127.9.9.9/", "127.9.9.9", "/"),
        ("http://[::1]:443/?", "[::1]:443", "/"),
        ("http://user:secret@hooks.example/x", "hooks.example", "/x"),
    ],
)  # fmt: skip
def test_loopback_and_named_hosts_are_allowed(url: str, origin: str, target: str) -> None:
    address = read_address(url, [read_host("Hooks.Example.")])
    assert (address.origin, address.target) == (origin, target)
    assert address.named == (origin == "hooks.example")


@pytest.mark.parametrize("host", ["", "a:80", "http://a", "a/b", "a b", "me@a", "*.a\n"])
def test_other_texts_are_not_hosts(host: str) -> None:
    with pytest.raises(ValueError, match="is not a host"):
        FakeScale(callback_hosts=["good", host])


@pytest.mark.parametrize(
    ("hosts", "state"),
    [
        ([], "not sent: 127.0.0.1 is not allowed"),
        (["app"], "not sent: 127.0.0.1 is not allowed"),
        (["localhost"], "owed"),
        (["127.0.0.1"], "owed"),
    ],
)
def test_loopback_must_be_named_while_others_can_reach_the_fake(
    hosts: list[str], state: str
) -> None:
    fake = FakeScale(callback_hosts=hosts)
    with fake.serve(host="0.0.0.0"):
        completed(fake, "http://127.0.0.1:0/x")
        fake.callbacks.deliver()
        assert fake.callbacks[0].state == state
    with fake.serve():
        completed(fake, "http://127.0.0.1:0/x")
        fake.callbacks.deliver()
        assert fake.callbacks[1].state == "owed"


def test_loopback_is_looked_at_again_when_a_callback_is_sent(fake: FakeScale) -> None:
    completed(fake, "http://127.0.0.1:0/x")
    fake.callbacks.deliver()
    with fake.serve(host="0.0.0.0"):
        fake.advance(hours=2)
        assert fake.callbacks[0].state == "not sent: 127.0.0.1 is not allowed"


def test_e_mail_is_recorded_and_never_sent(fake: FakeScale) -> None:
    task = completed(fake, "me@example.com")
    assert fake.callbacks.deliver() == []
    fake.advance(days=2)
    [delivery] = fake.callbacks
    assert (delivery.state, delivery.attempts, delivery.next_at) == ("recorded", (), None)
    assert delivery.json["task_id"] == task.id
    assert "callback_completed" not in fake.tasks.get(task.id).to_json()


# The schedule.


@pytest.mark.parametrize("how", ["freezegun", "time_machine", "advance"])
def test_a_callback_fails_after_twenty_retries_within_a_day(
    fake: FakeScale, callback_receiver: Receiver, how: str
) -> None:
    callback_receiver.answer(503, times=100)
    with contextlib.ExitStack() as stack:
        if how == "freezegun":
            frozen = stack.enter_context(freezegun.freeze_time("2024-02-29T12:00:00Z"))
            move: Callable[[dt.timedelta], object] = frozen.tick
        else:
            travel = time_machine.travel("2024-02-29T12:00:00Z", tick=False)
            traveller = stack.enter_context(travel)
            move = traveller.shift
        start = fake.now()
        task = completed(fake, callback_receiver.url)
        assert fake.callbacks.deliver()[0].next_at == start + GAP
        if how == "advance":
            fake.advance(hours=24, milliseconds=-1)
        else:
            for number in range(1, RETRIES):
                move(GAP - dt.timedelta(milliseconds=1))
                assert fake.callbacks.deliver() == []
                move(dt.timedelta(milliseconds=1))
                assert len(fake.callbacks.deliver()[0].attempts) == number + 1
            move(GAP - dt.timedelta(milliseconds=1))
            fake.callbacks.deliver()
        assert fake.tasks.get(task.id).callback_completed is None
        assert len(fake.callbacks[0].attempts) == RETRIES
        fake.advance(milliseconds=1)
        [delivery] = fake.callbacks
        assert (delivery.state, delivery.next_at) == ("failed", None)
        whens = [attempt.when for attempt in delivery.attempts]
        assert whens == [start + number * dt.timedelta(minutes=72) for number in range(21)]
        assert whens[-1] == start + DAY
        assert {attempt.status for attempt in delivery.attempts} == {503}
        fake.advance(days=3)
        assert len(callback_receiver.received) == 21
        told = fake.tasks.get(task.id)
        names = list(told.to_json())
        at = names.index("callback_url")
        assert names[at + 1 : at + 3] == ["callback_completed", "callback_succeeded"]
        assert told.to_json()["callback_completed"] is False
        assert told.to_json()["callback_succeeded"] is False
        assert told.updated_at == task.updated_at


def test_a_retry_that_gets_a_2xx_is_the_last(fake: FakeScale, callback_receiver: Receiver) -> None:
    for status in (500, 302, 404, 204):
        callback_receiver.answer(status)
    task = completed(fake, callback_receiver.url)
    fake.advance(days=2)
    [delivery] = fake.callbacks
    assert [attempt.status for attempt in delivery.attempts] == [500, 302, 404, 204]
    assert delivery.state == "done"
    assert len({received.body for received in callback_receiver.received}) == 1
    told = fake.tasks.get(task.id)
    assert (told.callback_completed, told.callback_succeeded) == (True, True)
    assert told.updated_at == task.updated_at


def test_a_leap_of_the_clock_skips_no_retry(noon: time_machine.Traveller) -> None:
    post = Post(*[500] * 30)
    outbox = Outbox(Clock(), post)
    owe(outbox)
    noon.shift(DAY)
    assert outbox.deliver()[0].state == "failed"
    assert len(post.targets) == 21


def test_an_advance_runs_due_work_in_order_of_time(
    noon: time_machine.Traveller, callback_receiver: Receiver
) -> None:
    fake = FakeScale(complete_after=dt.timedelta(hours=1))
    one = fake.tasks.create("chat", callback_url=f"{callback_receiver.url}/one")
    noon.shift(dt.timedelta(minutes=30))
    fake.account("b").test.tasks.create("chat")
    two = fake.account("b").tasks.create("chat", callback_url=f"{callback_receiver.url}/two")
    callback_receiver.answer(500)
    fake.advance(hours=5)
    paths = [received.path.rpartition("/")[2] for received in callback_receiver.received]
    assert paths == ["one", "two", "one"]
    whens = [attempt.when for delivery in fake.callbacks for attempt in delivery.attempts]
    assert [f"{when:%H:%M}" for when in whens] == ["13:00", "14:12", "13:30"]
    assert fake.tasks.get(one.id).completed_at == "2024-02-29T13:00:00.000Z"
    assert fake.account("b").tasks.get(two.id).completed_at == "2024-02-29T13:30:00.000Z"
    assert fake.now() == dt.datetime(2024, 2, 29, 17, 30, tzinfo=dt.UTC)


def test_an_advance_that_leaves_the_calendar_moves_nothing(
    fake: FakeScale, noon: time_machine.Traveller
) -> None:
    completed(fake, "http://localhost:0/x")
    before = fake.now()
    with pytest.raises(OverflowError):
        fake.advance(days=3_650_000)
    assert fake.now() == before
    fake.advance(hours=1)
    assert fake.now() == before + dt.timedelta(hours=1)


# The outbox by itself.


def test_deliver_returns_the_callbacks_tried_since_the_last_call() -> None:
    outbox = Outbox(Clock(), Post(200, OSError("no"), ValueError()))
    for number in range(3):
        owe(outbox, subject=str(number))
    owe(outbox, "me@example.com")
    assert [it.subject for it in outbox.deliver()] == ["0", "1", "2"]
    assert outbox.deliver() == []
    assert [it.state for it in outbox] == ["done", "owed", "owed", "recorded"]
    assert [it.attempts[0].error for it in outbox[:3]] == [None, "no", "ValueError"]
    assert len(outbox) == 4
    assert repr(outbox) == "<Outbox of 4 callbacks, 2 of them owed>"


def test_a_refused_address_is_neither_done_nor_failed() -> None:
    outcomes: list[bool] = []
    outbox = Outbox(Clock(), Post(NotSent("localhost is not allowed")))
    owe(outbox, on_outcome=outcomes.append)
    assert outbox.deliver() == []
    assert outbox[0].state == "not sent: localhost is not allowed"
    assert (outcomes, outbox._next_due()) == ([], None)


def test_callbacks_to_one_receiver_go_in_order() -> None:
    post = Post()
    outbox = Outbox(Clock(), post)
    for number in range(50):
        owe(outbox, f"http://localhost/{number}")
    outbox.deliver()
    assert post.targets == [f"/{number}" for number in range(50)]


def test_one_receiver_does_not_hold_up_another() -> None:
    post = Waiting()
    outbox = Outbox(Clock(), post)
    done = threading.Event()
    owe(outbox, "http://localhost:1/slow")
    assert post.inside.wait(10)
    owe(outbox, "http://localhost:2/fast", on_outcome=lambda ok: done.set())
    assert done.wait(10)
    post.go_on.set()
    assert len(outbox.deliver()) == 2
    assert post.targets == ["/fast", "/slow"]


def test_a_receiver_that_waits_for_a_thread_gets_one() -> None:
    post = Waiting()
    outbox = Outbox(Clock(), post)
    done = threading.Event()
    for port in range(1, 9):
        owe(outbox, f"http://localhost:{port}/slow")
    owe(outbox, "http://localhost:9/last", on_outcome=lambda ok: done.set())
    assert post.inside.wait(10)
    assert post.targets == []
    post.go_on.set()
    assert done.wait(10)


def test_a_retry_that_is_put_off_wakes_the_ticker() -> None:
    woken: list[None] = []
    outbox = Outbox(Clock(), Post(200, 500), wake=lambda: woken.append(None))
    for number in (0, 1):
        owe(outbox)
        outbox.deliver()
        assert len(woken) == number


def test_a_thread_that_cannot_start_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[None] = []
    outbox = Outbox(Clock(), post := Waiting(), wake=lambda: woken.append(None))
    start, failures = threading.Thread.start, iter([True] * 2)

    def may_fail(thread: threading.Thread) -> None:
        if next(failures, False):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", may_fail)
    owe(outbox)
    assert woken == [None]
    with pytest.raises(RuntimeError, match="no thread left"):
        outbox.deliver()
    assert [it.state for it in outbox.deliver()] == ["done"]
    assert post.targets == ["/x"]
    outbox._stop(for_good=True)


def test_many_receivers_that_are_down_hold_up_none(noon: time_machine.Traveller) -> None:
    """A callback to owe costs the same with any number of receivers."""
    outbox = Outbox(Clock(), post := Post(*[500] * 500))
    for port in range(1, 501):
        owe(outbox, f"http://localhost:{port}/")
    outbox.deliver()
    assert len(outbox._put_off) == 500
    looked = 0

    class Counted(list[Any]):
        def __getitem__(self, index: Any) -> Any:
            nonlocal looked
            looked += 1
            return super().__getitem__(index)

    outbox._put_off = Counted(outbox._put_off)
    for _ in range(10):
        owe(outbox, "http://localhost:501/")
        outbox.deliver()
    assert len(post.targets) == 510
    assert looked < 200


def test_there_may_be_more_receivers_than_threads() -> None:
    outbox = Outbox(Clock(), post := Post())
    for port in range(1, 100):
        owe(outbox, f"http://localhost:{port}/")
    assert {it.state for it in outbox.deliver()} == {"done"}
    assert len(post.targets) == 99


def test_an_owed_callback_is_never_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fakescale.traffic.outbox.MAX_OVER", 3)
    outbox = Outbox(Clock(), Post(*[500] * 5))
    for number in range(5):
        owe(outbox, subject=f"owed {number}")
    outbox.deliver()
    for number in range(5):
        owe(outbox, subject=str(number))
    outbox.deliver()
    kept = [f"owed {number}" for number in range(5)] + ["2", "3", "4"]
    assert [it.subject for it in outbox] == kept


def test_a_stop_breaks_off_callbacks_without_an_attempt() -> None:
    post = Waiting()
    outbox = Outbox(Clock(), post)
    owe(outbox, "http://localhost/slow")
    owe(outbox, "http://localhost/next")
    assert post.inside.wait(10)
    outbox._stop()
    assert threads() == []
    assert [(it.state, it.attempts) for it in outbox] == [("owed", ())] * 2
    post.broken = False
    assert [it.state for it in outbox.deliver()] == ["done"] * 2
    outbox._stop(for_good=True)
    owe(outbox)
    assert outbox.deliver() == []
    assert outbox._next_due() is None
    assert outbox[-1].state == "owed"


def test_a_bug_in_on_outcome_hangs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    outbox = Outbox(Clock(), Post())
    owe(outbox, on_outcome=lambda ok: 1 // 0)
    outbox.deliver()
    assert "ZeroDivisionError" in caplog.text


def test_a_callback_that_is_not_sent_is_logged_while_others_can_use_the_account(
    fake: FakeScale, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def note(*told: Any, **more: Any) -> None:
        """Do as a handler that gives lines to a thread, which looks the task up."""
        [task] = pool.submit(fake.tasks.list).result(10)
        seen.append((task.status, told[-1].rpartition(" not sent: ")[2]))

    monkeypatch.setattr(logging.getLogger("fakescale"), "log", note)
    task = fake.tasks.create("chat", callback_url="http://consumer:8000/")
    with ThreadPoolExecutor(1) as pool:
        fake.tasks.complete(task)
        fake.tasks.send_callback(task)
    assert seen == [("completed", "consumer is not allowed")] * 2


def test_a_callback_is_always_logged_as_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "fakescale")
    outbox = Outbox(Clock(), Post(OSError("no\nway")))
    owe(outbox, "http://localhost/x\x1b", subject="t\n")
    outbox.deliver()
    # Other tests' threads may still log their last lines.
    mine = [line for line in caplog.messages if "localhost/x" in line]
    [line] = mine
    start = r"callback completed t\n to http://localhost/x\x1b no\nway, try 1 of 21, the next at 2"
    assert line.startswith(start)


def test_a_callback_that_is_given_up_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    outbox = Outbox(clock, Post(*[503] * (RETRIES + 1)))
    owe(outbox, "http://localhost/y")
    for _ in range(RETRIES + 1):
        outbox.deliver()
        clock.advance(hours=24 / RETRIES)
    [record] = [it for it in caplog.records if "localhost/y" in it.getMessage()]
    assert record.levelname == "WARNING"
    assert record.getMessage().endswith("failed after 21 tries: 503")
    assert vars(record)["facts"]["state"] == "failed"


def test_a_retry_after_the_end_of_the_calendar_breaks_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with time_machine.travel("9999-12-31T23:00:00Z", tick=False):
        outbox = Outbox(Clock(), Post(500))
        owe(outbox)
        assert outbox.deliver()[0].next_at == dt.datetime.max.replace(tzinfo=dt.UTC)


# Together with the fake.


def test_a_receiver_may_call_the_api_back(callback_receiver: Receiver) -> None:
    with FakeScale().serve() as fake:
        auth = (fake.api_key, "")

        def audits(environ: Any, start_response: Any) -> list[bytes]:
            body = json.loads(environ["wsgi.input"].read())
            task = f"{fake.url}/task/{body['task_id']}"
            assert requests.get(task, auth=auth).json()["status"] == "completed"
            if "audits" not in body["task"]:
                requests.post(f"{task}/audit", json={"accepted": True}, auth=auth)
                fake.tasks.create("chat", callback_url=callback_receiver.url)
            start_response("200 OK", [("Content-Length", "0")])
            return []

        with serving(audits, "127.0.0.1", 0) as origin:
            tasks = [completed(fake, origin) for _ in range(2)]
            fake.callbacks.deliver()
        assert [it.state for it in fake.callbacks] == ["done"] * 4
        assert {fake.tasks.get(task.id).customer_review_status for task in tasks} == {"accepted"}
        assert all(fake.tasks.get(task.id).callback_completed for task in tasks)


def test_callbacks_are_sent_without_being_asked_for(
    fake: FakeScale, callback_receiver: Receiver
) -> None:
    completed(fake, callback_receiver.url)
    assert len(callback_receiver.wait_for(1)) == 1


def test_due_work_happens_by_itself_while_the_fake_is_served(
    callback_receiver: Receiver,
) -> None:
    with FakeScale(complete_after=dt.timedelta(milliseconds=50)).serve() as fake:
        callback_receiver.answer(503)
        task = fake.tasks.create("chat", callback_url=callback_receiver.url)
        callback_receiver.wait_for(1)
        fake.callbacks.deliver()
        # The system clock moves unnoticed by the fake, as if time had passed.
        fake._state.clock.advance(seconds=GAP.total_seconds())
        fake._state._ticker.wake()
        callback_receiver.wait_for(2)
        fake.callbacks.deliver()
        assert fake.tasks.get(task.id).callback_completed


def test_an_advance_waits_for_callbacks_that_are_being_sent(
    fake: FakeScale, noon: time_machine.Traveller
) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow(environ: Any, start_response: Any) -> list[bytes]:
        inside.set()
        assert go_on.wait(10)
        start_response("500 Internal Server Error", [("Content-Length", "0")])
        return []

    with serving(slow, "127.0.0.1", 0) as origin:
        start = fake.now()
        completed(fake, origin)
        assert inside.wait(10)
        timer = threading.Timer(0.05, go_on.set)
        timer.start()
        fake.advance(hours=3)
        timer.join()
    assert [it.when - start for it in fake.callbacks[0].attempts] == [0 * GAP, GAP, 2 * GAP]


def test_due_work_still_happens_after_a_reset(callback_receiver: Receiver) -> None:
    with FakeScale(complete_after=dt.timedelta(milliseconds=50)).serve() as fake:
        fake.reset()
        fake.tasks.create("chat", callback_url=callback_receiver.url)
        callback_receiver.wait_for(1)


def test_a_reset_forgets_callbacks_and_late_requests_send_none(
    callback_receiver: Receiver,
) -> None:
    with FakeScale().serve() as fake:
        tasks, outbox = fake.tasks, fake.callbacks
        callback_receiver.answer(503)
        completed(fake, callback_receiver.url)
        fake.callback_url = callback_receiver.url
        outbox.deliver()
        fake.reset()
        assert list(fake.callbacks) == []
        assert fake.callback_url is None
        fake.advance(days=2)
        tasks.complete(tasks.create("chat", callback_url=callback_receiver.url).id)
        outbox.deliver()
        assert len(callback_receiver.received) == 1


@pytest.fixture
def hanging() -> Iterator[str]:
    """Return the URL of a receiver that never answers."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


def test_nothing_is_left_when_a_fake_is_no_longer_served(
    callback_receiver: Receiver, hanging: str
) -> None:
    def once() -> None:
        with FakeScale(complete_after=DAY).serve() as fake:
            fake.tasks.create("chat")
            completed(fake, hanging)
            completed(fake, hanging)
            completed(fake, callback_receiver.url)
            callback_receiver.wait_for(1)
        callback_receiver.clear()
        assert {it.state for it in fake.callbacks} <= {"owed", "done"}
        assert fake.callbacks[0].attempts == ()

    def left() -> tuple[int, int]:
        return len(threads()), len(os.listdir("/dev/fd"))

    once()
    before = left()
    for _ in range(10):
        once()
    # The receiver closes its connections a moment after the senders have.
    assert left()[0] == before[0] == 0
    assert left()[1] <= before[1] + 2


def test_fakes_of_fixtures_leave_nothing_behind(pytester: pytest.Pytester, hanging: str) -> None:
    pytester.makepyfile(
        f"""
        import threading

        def complete(fake):
            fake.tasks.complete(fake.tasks.create("chat", callback_url={hanging!r}).id)

        def test_served(fakescale): complete(fakescale)
        def test_app(fakescale_app): complete(fakescale_app)
        def test_made(fakescale_factory):
            with fakescale_factory(served=False) as fake:
                complete(fake)
        def test_left(callback_receiver):
            names = [it.name for it in threading.enumerate()]
            assert [name for name in names if name.startswith("fakescale-")] == []
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:randomly")
    result.assert_outcomes(passed=4)


def test_frozen_time_stops_no_callback(callback_receiver: Receiver) -> None:
    with freezegun.freeze_time("2020-01-01"), FakeScale().serve() as fake:
        callback_receiver.answer(500)
        completed(fake, callback_receiver.url)
        callback_receiver.wait_for(1)
        [delivery] = fake.callbacks.deliver()
        assert delivery.attempts[0].when == dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
        fake.advance(hours=2)
        assert fake.callbacks[0].state == "done"


@pytest.mark.parametrize(
    ("written", "sent"), [("us%40er:p%C3%A9", "us@er:pé"), ("user", "user:"), (":pw", ":pw")]
)
def test_a_password_in_the_address_is_sent_as_basic_authorization(
    fake: FakeScale, callback_receiver: Receiver, written: str, sent: str
) -> None:
    url = callback_receiver.url.replace("http://", f"http://{written}@")
    completed(fake, url)
    [delivery] = fake.callbacks.deliver()
    assert (delivery.state, delivery.url) == ("done", url)
    [received] = callback_receiver.received
    given = base64.b64encode(sent.encode()).decode()
    assert received.headers["Authorization"] == f"Basic {given}"
    assert received.headers["Host"] in callback_receiver.url
