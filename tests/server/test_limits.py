"""The limits of the server."""

import contextlib
import dataclasses
import errno
import json
import math
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from fakescale import FakeScale, Limits
from fakescale.cli import serve_parser
from fakescale.cli.flags import SERVE, fill
from fakescale.cli.serve import start
from fakescale.server import connection, loop
from fakescale.server.server import serving
from tests.raw import (
    Answered,
    connect,
    converse,
    descriptors,
    read_answers,
    receive,
    wait_until,
    watching,
)
from tests.server.test_hostile import Scripted, drive
from tests.server.test_server import GET, post

TINY = 0.05  # seconds; a slower client is too slow
UNFINISHED = post(b"{}")[:-1]
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(autouse=True)
def _watched(own_loop: None) -> Iterator[None]:
    with watching():
        yield


def ask(origin: str, *pieces: bytes, end: str = "wait") -> list[Answered]:
    return read_answers(converse(origin, pieces, end))


def is_served(fake: FakeScale) -> bool:
    with contextlib.suppress(ConnectionResetError):  # far too many connections are just closed
        return [answer.status for answer in ask(fake.url, GET, end="half-close")] == [200]
    return False


def check_refusal(answer: Answered, status: int, *words: str) -> None:
    assert answer.status == status
    assert answer.headers["connection"] == "close"
    body = json.loads(answer.body)
    assert body["status_code"] == status
    for word in words:
        assert word in body["error"]


@pytest.mark.parametrize(
    ("limits", "most", "more", "status", "words"),
    [
        (
            Limits(max_request_line=40),
            b"GET /v1/tasks?limit=1234567890 HTTP/1.1\r\n\r\n",
            b"GET /v1/tasks?limit=123456789012 HTTP/1.1\r\n\r\n",
            414,
            "request line is over 40 bytes",
        ),
        (
            Limits(max_headers=2),
            b"GET / HTTP/1.1\r\nA: b\r\nC: d\r\n\r\n",
            b"GET / HTTP/1.1\r\nA: b\r\nC: d\r\nE: f\r\n\r\n",
            431,
            "more than 2 header fields",
        ),
        (
            Limits(max_header_bytes=50),
            b"GET / HTTP/1.1\r\nA: " + b"b" * 45 + b"\r\n\r\n",
            b"GET / HTTP/1.1\r\nA: " + b"b" * 46 + b"\r\n\r\n",
            431,
            "fields are over 50 bytes",
        ),
        (Limits(max_body=4), post(b"null"), post(b"\nnull"), 413, "larger than 4 bytes"),
    ],
)
def test_a_request_over_a_limit_is_refused(
    limits: Limits, most: bytes, more: bytes, status: int, words: str
) -> None:
    with FakeScale(limits=limits).serve() as fake:
        [answer] = ask(fake.url, most, end="half-close")
        assert answer.status not in (status, 400)
        answer = ask(fake.url, more, end="half-close")[0]
        assert (answer.status, words in answer.body.decode()) == (status, True)


@pytest.mark.parametrize(
    ("begun", "status"),
    [
        (b"GET /" + b"x" * 1000, 414),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 10, 431),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * 1000, 431),
        (b"\x16\x03\x01\x02\0\x01", 400),  # TLS
        (b"PRI * HTTP/2.0\r\n", 505),
        (UNFINISHED.split(b"Content-Length")[0] + CHUNKED + b"1;" + b"x" * 5000, 400),
        (UNFINISHED.split(b"Content-Length")[0] + CHUNKED + b"0\r\n" + b"A: b\r\n" * 100, 400),
    ],
)
def test_a_hopeless_request_is_refused_before_its_end(begun: bytes, status: int) -> None:
    limits = Limits(max_request_line=100, max_headers=5, max_header_bytes=100)
    with FakeScale(limits=limits).serve() as fake, connect(fake.url) as one:
        one.sendall(begun)
        [answer] = read_answers(receive(one))
        check_refusal(answer, status)


def test_a_silent_connection_is_closed_without_an_answer() -> None:
    with FakeScale(limits=Limits(idle_seconds=TINY)).serve() as fake:
        assert ask(fake.url) == []
        assert [answer.status for answer in ask(fake.url, GET)] == [200]


def test_a_head_that_stalls_is_refused() -> None:
    with FakeScale(limits=Limits(idle_seconds=TINY)).serve() as fake:
        [answer] = ask(fake.url, GET[:-2])
        check_refusal(answer, 408, "head")
        assert len(fake.requests) == 0


@pytest.mark.parametrize("limits", [Limits(idle_seconds=TINY), Limits(body_seconds=TINY)])
def test_a_body_that_stalls_is_refused_and_creates_nothing(limits: Limits) -> None:
    chunked = UNFINISHED.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked")
    waiting = UNFINISHED.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
    with FakeScale(limits=limits).serve() as fake:
        for request in (UNFINISHED, chunked.replace(b"\r\n{", b"\r\n2\r\n{"), waiting):
            [answer] = ask(fake.url, request)
            check_refusal(answer, 408, "body")
        assert [entry.status for entry in fake.requests] == [408] * 3
        assert len(fake.account("x").tasks) == 0


def drip(connection: socket.socket, over: threading.Event) -> None:
    """Send a byte now and then, until the connection ends."""
    with contextlib.suppress(OSError):
        while not over.wait(0.01):
            connection.sendall(b"x")


@pytest.mark.parametrize(
    ("limits", "begun", "words"),
    [
        (Limits(head_seconds=TINY), b"GET / HTTP/1.1\r\nA: ", "head"),
        (Limits(head_seconds=TINY), b"\r\n", "head"),
        (
            Limits(body_seconds=TINY),
            post(b"").replace(b"Length: 0", b"Length: 100000"),
            "body",
        ),
        (
            Limits(body_seconds=TINY),
            post(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"1000\r\n",
            "body",
        ),
    ],
)
def test_a_client_that_is_never_silent_may_still_be_too_slow(
    limits: Limits, begun: bytes, words: str
) -> None:
    over = threading.Event()
    with FakeScale(limits=limits).serve() as fake, connect(fake.url) as one:
        one.sendall(begun)
        dripping = threading.Thread(target=drip, args=(one, over))
        dripping.start()
        [answer] = read_answers(receive(one))
        over.set()
        dripping.join()
        check_refusal(answer, 408, words)


def test_a_client_is_not_late_when_the_server_is(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    for module in (connection, loop):
        monkeypatch.setattr(module, "steady", lambda: now[0])

    class Slow:
        def _is_quick(self, _: Any) -> bool:
            return True

        def __call__(self, _: Any, start_response: Any) -> list[bytes]:
            now[0] += 1000
            start_response("200 OK", [("Content-Length", "0")])
            return []

    with serving(Slow(), "127.0.0.1", 0) as origin:
        answers = ask(origin, GET * 5, end="half-close")
    assert [answer.status for answer in answers] == [200] * 5


def test_the_time_between_requests_does_not_count_for_the_head() -> None:
    with FakeScale(limits=Limits(head_seconds=0.3)).serve() as fake, connect(fake.url) as one:

        def ask_in_two_pieces() -> None:
            one.sendall(GET[:-2])
            threading.Event().wait(0.01)  # so that they do not arrive as one
            one.sendall(GET[-2:])
            assert one.recv(65536).startswith(b"HTTP/1.1 200")

        ask_in_two_pieces()
        threading.Event().wait(0.4)
        ask_in_two_pieces()


def test_a_client_may_not_stay_after_its_last_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_LINGER_SECONDS", TINY)
    with FakeScale().serve() as fake:
        ask(fake.url, GET, end="half-close")
        before = descriptors()
        with connect(fake.url) as one:
            one.sendall(b"NONSENSE\r\n\r\n")
            assert receive(one).startswith(b"HTTP/1.1 400")
            wait_until(lambda: descriptors() == before + 1)  # the client's own


def test_a_long_unwanted_body_is_not_read_to_its_end() -> None:
    chunks = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    head = b"POST /v1/task/chat HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    end = b"0\r\n\r\n"
    with FakeScale().serve() as fake:
        for number, statuses in ((0, [401, 200]), (1, [401, 200]), (3, [401])):
            sent = head + chunks * number + end + GET
            answers = ask(fake.url, sent, end="half-close")
            assert [answer.status for answer in answers] == statuses


def test_a_client_that_reads_nothing_is_given_up() -> None:
    limits = Limits(idle_seconds=TINY)
    with FakeScale(limits=limits).serve() as fake:
        fake.tasks.create("chat", instruction="x" * 10_000_000)
        ask(fake.url, GET, end="half-close")
        before = descriptors()
        with connect(fake.url) as deaf:
            key = fake.api_key.encode()
            deaf.sendall(b"GET /v1/tasks HTTP/1.1\r\nAuthorization: Bearer " + key + b"\r\n\r\n")
            wait_until(lambda: len(fake.requests) == 2)
            wait_until(lambda: descriptors() == before + 1)  # the client's own
        assert [answer.status for answer in ask(fake.url, GET)] == [200]


def test_a_client_that_reads_slowly_but_steadily_gets_all() -> None:
    content = b"x" * 1_000_000

    class Slow(Scripted):
        """A socket whose client takes a while for each 50 kB."""

        def settimeout(self, seconds: float) -> None:
            self.seconds = seconds

        def send(self, data: bytes) -> int:
            return super().send(data[:50_000])

        def sendall(self, data: bytes) -> int:
            raise TimeoutError  # its timeout would be for all bytes together

    def answer(_: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", str(len(content)))])
        return [content]

    slow: Any = Slow([GET])
    site = connection.Site(app=answer, limits=Limits(), environ={}, in_place=True, entrance=None)
    tracemalloc.start()
    try:
        drive(connection.Connection(slow, ("127.0.0.1", 1), site))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert b"".join(slow.sent).endswith(b"\r\n\r\n" + content)
    assert slow.seconds == Limits().idle_seconds
    assert peak < len(content) / 2  # no copy of the answer is made


def test_a_connection_too_many_is_refused_and_the_others_go_on() -> None:
    limits = Limits(max_connections=3)
    with FakeScale(limits=limits).serve() as fake, contextlib.ExitStack() as stack:
        threads = threading.active_count()
        held = [stack.enter_context(connect(fake.url)) for _ in range(3)]
        for one in held:
            one.sendall(GET)
            assert one.recv(65536).startswith(b"HTTP/1.1 200")
        for pieces in ([], [GET], [post(b"x" * 100_000)]):
            [answer] = ask(fake.url, *pieces)
            check_refusal(answer, 503, "3 connections")
        assert threading.active_count() <= threads + 8
        assert len(fake.requests) == 3
        held[0].sendall(GET)
        assert held[0].recv(65536).startswith(b"HTTP/1.1 200")
        held.pop().close()
        wait_until(lambda: is_served(fake))


def test_a_flood_of_connections_starts_few_threads() -> None:
    with FakeScale(limits=Limits(max_connections=2)).serve() as fake:
        threads = threading.active_count()
        with contextlib.ExitStack() as stack:
            for _ in range(100):
                stack.enter_context(connect(fake.url))
            last = stack.enter_context(connect(fake.url))
            assert last.recv(1) == b""  # closed without a refusal
            assert threading.active_count() <= threads + 20
        wait_until(lambda: is_served(fake))


def test_few_threads_stay_after_slow_requests() -> None:
    with FakeScale().serve() as fake:
        threads = threading.active_count()
        with contextlib.ExitStack() as stack:
            fake.faults.add(delay=3600, times=30)
            for _ in range(30):
                stack.enter_context(connect(fake.url)).sendall(GET)
            wait_until(lambda: threading.active_count() >= threads + 30)
            assert is_served(fake)
        threads = threading.active_count()
    assert threading.active_count() < threads - 30


def test_one_thread_serves_all_quick_requests() -> None:
    with FakeScale().serve() as fake, contextlib.ExitStack() as stack:
        threads = threading.active_count()
        for _ in range(30):
            stack.enter_context(connect(fake.url)).sendall(GET[:-1])
            ask(fake.url, GET, end="half-close")
        assert threading.active_count() == threads


def test_a_system_without_threads_or_descriptors_serves_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = [2, 2]
    start, accept = threading.Thread.start, socket.socket.accept

    def start_seldom(thread: threading.Thread) -> None:
        if left[0]:
            left[0] -= 1
            raise RuntimeError("can't start new thread")
        start(thread)

    def accept_seldom(listener: socket.socket) -> Any:
        if left[1]:
            left[1] -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return accept(listener)

    with FakeScale().serve() as fake:
        monkeypatch.setattr(threading.Thread, "start", start_seldom)
        monkeypatch.setattr(socket.socket, "accept", accept_seldom)
        fake.faults.add(delay=0.001, times=2)
        for _ in range(2):
            assert [answer.status for answer in ask(fake.url, GET, end="half-close")] == [200]
        assert [answer.status for answer in ask(fake.url, GET, end="half-close")] == [200]
        assert left == [0, 0]


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
@pytest.mark.parametrize("field", dataclasses.fields(Limits), ids=lambda field: field.name)
def test_a_limit_must_be_over_zero(field: Any, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field.name} must be over 0"):
        Limits(**{field.name: value})  # type: ignore[arg-type]


def test_every_limit_is_a_flag_of_the_command() -> None:
    for number, field in enumerate(dataclasses.fields(Limits), 7):
        flag = f"--{field.name.replace('_', '-')}"
        options = serve_parser().parse_args(["--port=0", flag, f"{number}"])
        fill(options, SERVE, {})
        fake, _, server, _, _ = start(options)
        assert getattr(fake.limits, field.name) == getattr(server.site.limits, field.name) == number
        server.stop()
        server.serve_forever()


def test_a_client_that_sends_slowly_holds_nobody_up() -> None:
    begun = UNFINISHED.split(b"Content-Length")[0] + CHUNKED + b"5\r\n"
    with FakeScale().serve() as fake, connect(fake.url) as one:
        one.sendall(begun)
        assert is_served(fake)


def test_a_client_that_reads_slowly_holds_nobody_up() -> None:
    content = b"x" * 20_000_000  # more than the system buffers

    def answer(_: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", str(len(content)))])
        return [content]

    other = serving(answer, "127.0.0.1", 0)
    with FakeScale().serve() as fake, other as origin, connect(origin) as one:
        one.sendall(GET)
        assert is_served(fake)
        one.shutdown(socket.SHUT_WR)
        assert receive(one).endswith(b"\r\n\r\n" + content)
