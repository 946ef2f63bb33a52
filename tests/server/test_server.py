"""The server, seen through raw sockets."""

import contextlib
import gc
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import freezegun
import pytest
import requests

from fakescale import FakeScale, Limits
from fakescale.server import loop as loop_module
from fakescale.server import server as server_module
from fakescale.server.loop import shared
from fakescale.server.server import Server, running, serving
from tests.raw import wait_until

AUTH = b"Authorization: Bearer live_x\r\n"
GET = b"GET /v1/tasks HTTP/1.1\r\nHost: localhost\r\n" + AUTH + b"\r\n"


class Connection:
    """A client that sends bytes and reads answers one by one."""

    def __init__(self, fake: FakeScale) -> None:
        host, port = fake.url.split("/")[2].split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=10)
        self.file = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self) -> tuple[int, dict[str, str], bytes]:
        status = int(self.file.readline().split()[1])
        fields = {}
        while line := self.file.readline().strip():
            name, _, value = line.decode().partition(": ")
            fields[name] = value
        return status, fields, self.file.read(int(fields.get("Content-Length", 0)))

    def ended(self) -> bool:
        return self.file.read(1) == b""

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@pytest.fixture
def served() -> Iterator[FakeScale]:
    with FakeScale(limits=Limits(max_body=200_000)).serve() as fake:
        yield fake


@pytest.fixture
def connection(served: FakeScale) -> Iterator[Connection]:
    with contextlib.closing(Connection(served)) as connection:
        yield connection


def post(body: bytes, *fields: bytes, path: bytes = b"/v1/task/chat") -> bytes:
    head = [b"POST " + path + b" HTTP/1.1", AUTH.strip(), *fields]
    return b"\r\n".join([*head, b"Content-Length: %d" % len(body), b"", body])


def test_a_connection_is_kept_for_many_requests(connection: Connection, served: FakeScale) -> None:
    for number in range(20):
        connection.send(post(b'{"n": %d}' % number))
        assert connection.read()[0] == 200
    assert len(served.account("x").tasks) == 20
    assert len(served.account("x").tasks._table) == 20


def test_requests_may_be_pipelined(connection: Connection) -> None:
    connection.send(post(b'{"n": 1}') + GET + post(b"") + GET)
    assert [connection.read()[0] for _ in range(4)] == [200] * 4


def test_an_answer_leaves_in_one_segment_and_at_once(
    served: FakeScale, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    options: list[int] = []
    send = socket.socket.send

    def spy(self: socket.socket, data: Any) -> int:
        if bytes(data).startswith(b"HTTP/"):
            sent.append(bytes(data))
            options.append(self.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        return send(self, data)

    monkeypatch.setattr(socket.socket, "send", spy)
    with contextlib.closing(Connection(served)) as connection:
        connection.send(GET)
        assert connection.read()[0] == 200
    [answer] = sent
    assert answer.endswith(b"}")
    assert all(options)


def test_a_client_that_asks_for_it_gets_its_connection_closed(served: FakeScale) -> None:
    for request in (
        GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        GET.replace(b"HTTP/1.1", b"HTTP/1.0"),
        GET.replace(b"HTTP/1.1", b"HTTP/1.0\r\nConnection: keep-alive, close"),
    ):
        with contextlib.closing(Connection(served)) as connection:
            connection.send(request)
            status, fields, _ = connection.read()
            assert (status, fields["Connection"]) == (200, "close")
            assert connection.ended()


def test_a_client_of_http_1_0_that_asks_for_it_keeps_its_connection(
    connection: Connection,
) -> None:
    old = GET.replace(b"HTTP/1.1", b"HTTP/1.0\r\nConnection: Keep-Alive")
    for _ in range(2):
        connection.send(old)
        status, fields, _ = connection.read()
        assert (status, fields["Connection"]) == (200, "keep-alive")
    connection.send(GET)
    assert "Connection" not in connection.read()[1]


def test_a_body_that_nobody_read_is_skipped(connection: Connection) -> None:
    connection.send(post(b"x" * 60_000).replace(AUTH.strip() + b"\r\n", b"") + GET)
    assert [connection.read()[0] for _ in range(2)] == [401, 200]


def test_a_body_over_the_limit_is_answered_before_it_is_sent(connection: Connection) -> None:
    connection.send(post(b"").replace(b"Length: 0", b"Length: 200001"))
    status, fields, body = connection.read()
    assert (status, fields["Connection"]) == (413, "close")
    assert b"200000 bytes" in body


def test_a_client_that_sends_on_regardless_still_sees_the_refusal(served: FakeScale) -> None:
    reply = requests.post(
        f"{served.url}/task/chat", data=b"x" * 20_000_000, auth=(served.api_key, "")
    )
    assert reply.status_code == 413


def test_a_client_that_reads_only_after_sending_all_sees_the_refusal_too(
    connection: Connection,
) -> None:
    connection.send(post(b"x" * 20_000_000))
    assert connection.read()[0] == 413


def test_a_client_that_waits_is_told_to_go_on_when_its_body_is_wanted(
    connection: Connection,
) -> None:
    connection.send(post(b"", b"Expect: 100-continue").replace(b"Length: 0", b"Length: 8"))
    assert connection.file.readline() == b"HTTP/1.1 100 Continue\r\n"
    assert connection.file.readline() == b"\r\n"
    connection.send(b'{"a": 1}' + GET)
    assert [connection.read()[0] for _ in range(2)] == [200, 200]


def test_a_client_that_waits_is_refused_without_going_on(connection: Connection) -> None:
    connection.send(post(b"", b"Expect: 100-continue").replace(b"Length: 0", b"Length: 200001"))
    status, fields, _ = connection.read()
    assert (status, fields["Connection"]) == (413, "close")


def test_a_chunked_body_is_decoded(served: FakeScale) -> None:
    reply = requests.post(
        f"{served.url}/task/chat", data=iter([b'{"a"', b": 1}"]), auth=(served.api_key, "")
    )
    assert (reply.status_code, reply.json()["params"]) == (200, {"a": 1})


def test_a_chunked_body_over_the_limit_is_refused(served: FakeScale) -> None:
    chunks = iter([b"x" * 100_000] * 3)
    reply = requests.post(f"{served.url}/task/chat", data=chunks, auth=(served.api_key, ""))
    assert reply.status_code == 413


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET /v1/tasks HTTP/9.9\r\n\r\n", 505),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET /v1/tasks HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"GET /v1/tasks HTTP/1.1\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", 431),
        (b"GET http://[::1/v1 HTTP/1.1\r\n\r\n", 400),
        (b"POST /v1/task/chat HTTP/1.1\r\nContent-Length: ten\r\n\r\n", 400),
        (b"POST /v1/task/chat HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST / HTTP/1.1" + b"\r\nTransfer-Encoding: chunked" * 2 + b"\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n", 400),
        (post(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"zz\r\n", 400),
    ],
)
def test_a_request_that_is_not_http_gets_a_json_error_and_the_connection_is_closed(
    connection: Connection, data: bytes, status: int
) -> None:
    connection.send(data)
    code, fields, body = connection.read()
    assert (code, fields["Connection"]) == (status, "close")
    assert fields["Content-Type"] == "application/json; charset=utf-8"
    assert json.loads(body)["status_code"] == status
    assert connection.ended()


@pytest.mark.parametrize(
    "data",
    [
        post(b"").removesuffix(b"\r\n\r\n") + b"\r\n",
        b"GET /v1/tasks HTTP/1.1\r\n" + AUTH,
        b"GET /v1/ta",
    ],
)
def test_a_request_that_breaks_off_is_not_carried_out(
    connection: Connection, served: FakeScale, data: bytes
) -> None:
    connection.send(data)
    connection.socket.shutdown(socket.SHUT_WR)
    assert connection.ended()
    assert len(served.requests) == 0


def test_a_body_that_breaks_off_creates_nothing(connection: Connection, served: FakeScale) -> None:
    connection.send(post(b"{}")[:-1])
    connection.socket.shutdown(socket.SHUT_WR)
    assert connection.read()[0] == 400
    assert len(served.account("x").tasks) == 0


def test_the_path_arrives_as_it_was_sent(connection: Connection, served: FakeScale) -> None:
    for path in (
        b"/v1/task/a%2Fb",
        b"//v1/tasks",
        b"/v1/task/\xff",
        b"http://[::1]/v1/tasks?limit=3",
        b"/v1/tasks?limit=3&\xff&project=%41\xe4",
    ):
        connection.send(b"GET " + path + b" HTTP/1.1\r\n" + AUTH + b"\r\n")
        connection.read()
    assert [(entry.path, entry.status) for entry in served.requests] == [
        ("/v1/task/a%2Fb", 404),
        ("//v1/tasks", 404),
        ("/v1/task/\xff", 404),
        ("/v1/tasks", 200),
        ("/v1/tasks", 200),
    ]
    assert served.requests[-1].query == "limit=3&\xff&project=%41\xe4"


def test_a_head_request_gets_no_body(connection: Connection) -> None:
    connection.send(GET.replace(b"GET", b"HEAD"))
    assert b"200" in connection.file.readline()
    while connection.file.readline().strip():
        pass
    connection.send(GET)
    assert connection.read()[0] == 200


@pytest.mark.parametrize("method", [b"AHEAD", b"XHEAD", b"9HEAD"])
def test_a_method_that_ends_in_head_gets_a_body(connection: Connection, method: bytes) -> None:
    connection.send(GET.replace(b"GET", method))
    status, fields, body = connection.read()
    assert (status, len(body)) == (404, int(fields["Content-Length"]))
    connection.send(GET)
    assert connection.read()[0] == 200


def test_a_missing_body_delays_no_other_body(served: FakeScale) -> None:
    with contextlib.ExitStack() as stack:
        stalled, other = (
            stack.enter_context(contextlib.closing(Connection(served))) for _ in range(2)
        )
        head = b"POST /v1/task/chat HTTP/1.1\r\n" + AUTH + b"Transfer-Encoding: chunked\r\n\r\n"
        stalled.send(head + b"5\r\n")
        other.send(head + b"2\r\n{}\r\n0\r\n\r\n")
        assert other.read()[0] == 200


def test_silent_and_stalled_clients_block_nobody(served: FakeScale) -> None:
    with contextlib.ExitStack() as stack:
        for data in (b"", b"GET /v1", post(b"").replace(b"Length: 0", b"Length: 9"), GET):
            stalled = stack.enter_context(contextlib.closing(Connection(served)))
            stalled.send(data)
        connection = stack.enter_context(contextlib.closing(Connection(served)))
        connection.send(GET)
        assert connection.read()[0] == 200


def test_requests_that_take_long_are_served_side_by_side(served: FakeScale) -> None:
    barrier = threading.Barrier(8)
    served.faults.add(status=503, predicate=lambda _: barrier.wait(10) >= 0)
    with ThreadPoolExecutor(8) as pool:
        url = f"{served.url}/tasks"
        replies = list(pool.map(lambda _: requests.get(url, auth=("live_x", "")), range(8)))
    assert [reply.status_code for reply in replies] == [503] * 8


def test_a_server_may_send_all_requests_to_workers() -> None:
    threads: set[str] = set()

    class Told(FakeScale):
        def __call__(self, environ: Any, start_response: Any) -> Any:
            threads.add(threading.current_thread().name)
            return super().__call__(environ, start_response)

    fake = Told()
    for in_place, name in ((True, "fakescale"), (False, "fakescale worker")):
        server = Server(fake, "127.0.0.1", 0, in_place=in_place)
        with running(server):
            for _ in range(3):
                assert requests.get(f"{server.origin}/v1/tasks").status_code == 401
        assert threads == {name}
        threads.clear()


def test_a_multipart_body_goes_to_a_worker_in_any_spelling() -> None:
    threads: list[str] = []

    class Told:
        def _is_quick(self, _: Any) -> bool:
            return True

        def __call__(self, _: Any, start_response: Any) -> list[bytes]:
            threads.append(threading.current_thread().name)
            start_response("200 OK", [("Content-Length", "0")])
            return []

    with serving(Told(), "127.0.0.1", 0) as origin:
        for kind in ("text/plain", "multipart/form-data", "Multipart/Form-Data"):
            requests.post(origin, data=b"--", headers={"Content-Type": f"{kind}; boundary=b"})
    assert threads == ["fakescale", "fakescale worker", "fakescale worker"]


def test_a_client_that_goes_away_in_the_middle_leaves_no_trace(
    served: FakeScale, capfd: pytest.CaptureFixture[str]
) -> None:
    for data in (b"", b"GET", post(b"")[:-20], post(b"").replace(b"Length: 0", b"Length: 9"), GET):
        connection = Connection(served)
        linger = b"\x01\0\0\0\0\0\0\0"
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.send(data)
        connection.close()
    assert requests.get(f"{served.url}/tasks", auth=("live_x", "")).status_code == 200
    assert capfd.readouterr().err == ""


def test_stopping_ends_idle_and_busy_connections() -> None:
    inside, go_on = threading.Event(), threading.Event()

    def is_slow(_: object) -> bool:
        inside.set()
        return go_on.wait(10)

    fake = FakeScale()
    fake.faults.add(status=500, predicate=is_slow)
    with contextlib.ExitStack() as stack:
        with fake.serve():
            idle = stack.enter_context(contextlib.closing(Connection(fake)))
            busy = stack.enter_context(contextlib.closing(Connection(fake)))
            busy.send(GET)
            assert inside.wait(10)
            threading.Timer(0.05, go_on.set).start()
        assert idle.ended()
        assert busy.ended()


@pytest.mark.usefixtures("own_loop")
def test_a_request_that_never_ends_gives_a_warning_and_delays_no_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def never_returns(_: object) -> bool:
        inside.set()
        return go_on.wait(20)

    fake = FakeScale()
    fake.faults.add(status=500, predicate=never_returns)
    for module in (loop_module, server_module):
        monkeypatch.setattr(module, "PATIENCE", 0.05)
    threads = threading.active_count()
    server = Server(fake, "127.0.0.1", 0)
    with shared() as loop:
        server.begin(loop)
        fake.origin = server.origin
        stuck = Connection(fake)
        stuck.send(GET)
        assert inside.wait(10)
        with pytest.warns(RuntimeWarning, match=r"(?s)has ended, but these .*in never_returns"):
            server.end()
    assert stuck.ended()
    stuck.close()
    go_on.set()
    wait_until(lambda: threading.active_count() == threads)


@pytest.mark.usefixtures("own_loop")
def test_nothing_is_left_of_a_server_that_was_stopped() -> None:
    def once() -> None:
        with FakeScale().serve() as fake, contextlib.closing(Connection(fake)) as connection:
            connection.send(GET)
            connection.read()

    once()
    gc.collect()  # garbage of other tests must not close descriptors meanwhile
    threads, descriptors = threading.active_count(), len(os.listdir("/dev/fd"))
    for _ in range(20):
        once()
    assert (threading.active_count(), len(os.listdir("/dev/fd"))) == (threads, descriptors)


@pytest.mark.skipif(sys.platform != "linux", reason="the system may hold fewer")
def test_many_may_connect_before_one_is_accepted() -> None:
    server = Server(FakeScale(), "127.0.0.1", 0)
    with contextlib.closing(server.socket), contextlib.ExitStack() as stack:
        for _ in range(500):  # over the limit, the system lets a client wait for a second
            stack.enter_context(socket.create_connection((server.host, server.port), timeout=0.5))


def test_a_picked_port_is_never_picked_again() -> None:
    ports = set()
    for _ in range(50):
        with FakeScale().serve() as fake:
            ports.add(fake.url)
    assert len(ports) == 50


def test_a_port_in_use_is_an_os_error_and_a_freed_one_is_free_at_once() -> None:
    with FakeScale().serve() as fake:
        port = int(fake.url.split("/")[2].split(":")[1])
        requests.get(f"{fake.url}/tasks")
        with pytest.raises(OSError, match="in use"), FakeScale().serve(port=port):
            pass
    with FakeScale().serve(port=port) as again:
        assert requests.get(f"{again.url}/tasks").status_code == 401


@pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6 here")
def test_a_server_listens_on_ipv6_too() -> None:
    with FakeScale().serve(host="::1") as fake:
        assert re.fullmatch(r"http://\[::1\]:\d+/v1", fake.url)
        assert requests.get(f"{fake.url}/tasks").status_code == 401


def test_a_server_binds_to_loopback_by_default() -> None:
    server = Server(FakeScale(), "localhost", 0)
    assert server.host == "127.0.0.1"
    with FakeScale().serve() as fake:
        assert fake.url.startswith("http://127.0.0.1:")
    threading.Thread(target=server.serve_forever).start()
    server.stop()


def test_the_server_sees_frozen_time_and_does_not_hang() -> None:
    with FakeScale().serve() as fake:
        with freezegun.freeze_time("2020-01-02T03:04:05Z"):
            reply = requests.get(f"{fake.url}/tasks", auth=("live_x", ""))
            assert reply.headers["Date"] == "Thu, 02 Jan 2020 03:04:05 GMT"
            made = requests.post(f"{fake.url}/task/chat", json={}, auth=("live_x", "")).json()
            assert made["created_at"] == "2020-01-02T03:04:05.000Z"
            with FakeScale().serve():
                pass
        assert fake.now().year == time.gmtime().tm_year


def test_stopping_twice_is_harmless() -> None:
    server = Server(FakeScale(), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    server.stop()
    thread.join()
    server.stop()


def test_a_signal_that_reaches_another_thread_stops_it_too() -> None:
    code = """if True:
        import http.client, os, signal, threading
        from fakescale import FakeScale
        from fakescale.server.server import Server

        server = Server(FakeScale(), "127.0.0.1", 0)
        server.stop_at(signal.SIGTERM)

        def client():
            connection = http.client.HTTPConnection("127.0.0.1", server.port)
            for _ in range(50):  # by then the main thread is waiting
                connection.request("GET", "/")
                connection.getresponse().read()
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
            ended.wait()

        ended = threading.Event()
        thread = threading.Thread(target=client)
        thread.start()
        server.serve_forever()
        print("ended", signal.set_wakeup_fd(-1))
        ended.set()
    """
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True, timeout=20
    )
    assert (done.stdout, done.stderr) == ("ended -1\n", "")
