"""The loop that all servers of a process share, and its workers."""

import contextlib
import functools
import logging
import os
import selectors
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fakescale import FakeScale, Limits
from fakescale.server import loop as loop_module
from fakescale.server.connection import Connection
from fakescale.server.loop import Loop, shared
from tests.raw import connect, converse, read_answers, receive, wait_until, watching
from tests.server.test_server import GET

pytestmark = pytest.mark.usefixtures("own_loop")


@pytest.fixture
def loop() -> Iterator[Loop]:
    with shared() as loop:
        yield loop


def is_served(fake: FakeScale) -> bool:
    return [it.status for it in read_answers(converse(fake.url, [GET]))] == [200]


def test_an_order_that_fails_does_not_end_the_loop(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    loop.order(lambda: 1 / 0)
    with FakeScale().serve() as fake:
        assert is_served(fake)
    assert [it.levelno for it in caplog.records] == [logging.ERROR]


@pytest.mark.parametrize("step", ["begin", "on_readable", "go_on", "serve", "take_back", "on_due"])
def test_a_step_that_fails_ends_only_its_connection(
    step: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd(BaseException):  # like pytest's own
        pass

    def fail(_: object) -> Any:
        raise Odd

    fake = FakeScale(limits=Limits(idle_seconds=0.05)) if step == "on_due" else FakeScale()
    with fake.serve():
        if step in ("serve", "take_back"):
            fake.faults.add(delay=0.001, times=1)
        with monkeypatch.context() as patch:
            patch.setattr(Connection, step, fail)
            with connect(fake.url) as one:
                one.sendall(GET)
                with contextlib.suppress(ConnectionResetError):  # because of unread bytes
                    receive(one)
        assert is_served(fake)
    assert "a bug in fakescale" in caplog.messages


def test_there_may_be_more_orders_than_wakes(loop: Loop) -> None:
    is_stuck, go_on, obeyed = threading.Event(), threading.Event(), list[int]()

    def wait() -> None:
        is_stuck.set()
        go_on.wait(20)

    loop.order(wait)
    assert is_stuck.wait(20)
    for number in range(2000):
        loop.order(functools.partial(obeyed.append, number))
    go_on.set()
    wait_until(lambda: obeyed == [*range(2000)])


def test_a_client_may_be_silent_for_longer_than_a_selector_can_wait() -> None:
    with FakeScale(limits=Limits(idle_seconds=10**9)).serve() as fake:
        assert is_served(fake)


def test_a_process_shares_one_loop_while_a_block_uses_it() -> None:
    before = threading.active_count()
    with shared() as one:
        with shared() as same:
            assert same is one
        assert threading.active_count() == before + 1
    with shared() as another:
        assert another is not one
    assert threading.active_count() == before


def test_few_workers_stay_idle_and_all_end_with_the_loop() -> None:
    before = threading.active_count()
    barrier = threading.Barrier(21)
    fake = FakeScale()
    fake.faults.add(status=500, predicate=lambda _: barrier.wait(20) >= 0, times=20)
    with shared():
        with fake.serve(), contextlib.ExitStack() as stack:
            for _ in range(20):
                stack.enter_context(connect(fake.url)).sendall(GET)
            barrier.wait(20)
            wait_until(lambda: len(fake.requests) == 20)
            wait_until(lambda: threading.active_count() <= before + 1 + loop_module._SPARE)
        assert threading.active_count() > before + 1
    assert threading.active_count() == before


def test_the_loop_ends_even_if_workers_are_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "PATIENCE", 0.05)
    before, inside, go_on = threading.active_count(), threading.Event(), threading.Event()

    def wait() -> None:
        inside.set()
        go_on.wait(20)

    loop = Loop()
    loop.start()
    loop._workers.do(wait)
    assert inside.wait(20)
    loop.end()
    assert threading.active_count() == before + 1
    go_on.set()
    wait_until(lambda: threading.active_count() == before)


def test_a_job_that_waits_for_a_worker_runs_even_if_the_loop_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop_module, "PATIENCE", 0.05)
    before, inside, go_on, done = (threading.active_count(), *(threading.Event() for _ in "123"))

    def wait() -> None:
        inside.set()
        go_on.wait(20)

    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    loop = Loop()
    loop.start()
    loop._workers.do(wait)
    assert inside.wait(20)
    monkeypatch.setattr(threading.Thread, "start", fail)
    loop._workers.do(done.set)
    loop.end()
    go_on.set()
    wait_until(lambda: threading.active_count() == before)
    assert done.is_set()


def test_no_more_connections_are_accepted_than_select_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(selectors, "DefaultSelector", selectors.SelectSelector)
    monkeypatch.setattr(loop_module, "_MOST_SELECTED", 5)  # includes the listener and the wake
    with FakeScale().serve() as fake, contextlib.ExitStack() as stack:
        held = [stack.enter_context(connect(fake.url)) for _ in range(3)]
        for one in held:
            one.sendall(GET)
            assert one.recv(65536).startswith(b"HTTP/1.1 200")
        more = stack.enter_context(connect(fake.url))
        assert more.recv(1) == b""
        held.pop().close()
        wait_until(lambda: answers(fake))


def answers(fake: FakeScale) -> bool:
    with contextlib.suppress(ConnectionResetError):  # the server closed it at once
        return is_served(fake)
    return False


def test_a_slow_predicate_delays_only_its_own_request() -> None:
    inside, go_on = threading.Event(), threading.Event()

    def is_slow(asked: Any) -> bool:
        if asked.path != "/slow":
            return False
        inside.set()
        return go_on.wait(20)

    with FakeScale().serve() as fake, connect(fake.url) as one:
        fake.faults.add(status=503, predicate=is_slow)
        one.sendall(b"GET /slow HTTP/1.1\r\n\r\n")
        assert inside.wait(20)
        assert is_served(fake)
        go_on.set()
        assert one.recv(65536).startswith(b"HTTP/1.1 503")


def test_a_burst_of_clients_leaves_nothing_behind() -> None:
    with watching(), FakeScale().serve() as fake:
        for _ in range(3):
            with contextlib.ExitStack() as stack:
                clients = [stack.enter_context(connect(fake.url)) for _ in range(30)]
                for client in clients:
                    client.sendall(GET)


# Forks.

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing can be forked here")
# The common beginning of the scripts below: a fake, and functions that send it requests.
SCRIPT = """if True:
    import http.client, json, multiprocessing, os, resource, socket, subprocess, sys, threading
    from fakescale import FakeScale

    def ask(port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/v1/tasks", headers={"Authorization": "Bearer live_x"})
        reply = connection.getresponse()
        assert json.loads(reply.read())["total"] == 0
        connection.close()

    def port_of(fake):
        return int(fake.origin.rpartition(":")[2])

    def fork():
        # The child stays until this process ends; this waits until it runs.
        if os.fork() == 0:
            os.write(told, b"x")
            os.close(ends)
            os.read(ended, 1)
            os._exit(0)
        os.read(heard, 1)

    heard, told = os.pipe()
    ended, ends = os.pipe()

    def check_nobody_listens(port):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=20)
        except ConnectionRefusedError:
            return
        raise AssertionError("somebody listens")

    def cpu():
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime
"""


def run(script: str) -> None:
    # Since Python 3.12, forks with threads are deprecated.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", SCRIPT + script]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("well\n", "")


@needs_fork
def test_a_forked_process_has_its_own_loop() -> None:
    run("""
    with FakeScale().serve() as fake:
        ask(port_of(fake))
        if (child := os.fork()) == 0:
            with FakeScale().serve() as other:
                ask(port_of(other))
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        ask(port_of(fake))
    print("well")
    """)


@needs_fork
def test_a_child_that_holds_ended_connections_harms_no_server() -> None:
    run("""
    CLIENT = '''if True:
        import http.client, sys
        connections = []
        for _ in range(3):
            connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
            connection.request("GET", "/v1/tasks")
            connection.getresponse().read()
            connections.append(connection)
        print("ready", flush=True)
        sys.stdin.readline()
    '''
    context = multiprocessing.get_context("fork")
    go_on = context.Event()
    with FakeScale().serve() as fake:
        command = [sys.executable, "-c", CLIENT, str(port_of(fake))]
        client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert client.stdout.readline() == b"ready\\n"
        worker = context.Process(target=go_on.wait)
        worker.start()
        client.communicate(b"\\n")
        for _ in range(20):
            ask(port_of(fake))
        before = cpu()
        threading.Event().wait(0.3)
        assert cpu() - before < 0.1, "a core burns"
        go_on.set()
        worker.join()
    print("well")
    """)


@needs_fork
def test_subprocesses_and_forks_beside_busy_clients_harm_no_server() -> None:
    run("""
    CLIENT = '''if True:
        import http.client, sys, threading
        def ask():
            for _ in range(60):
                connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
                connection.request("GET", "/v1/tasks", headers={"Authorization": "Bearer live_x"})
                assert connection.getresponse().read()
                connection.close()
            answered.append(60)
        answered = []
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(sum(answered))
    '''
    context = multiprocessing.get_context("fork")
    go_on = context.Event()

    with FakeScale().serve() as fake:
        command = [sys.executable, "-c", CLIENT, str(port_of(fake))]
        clients = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
        workers = []  # they hold copies of connections until they end
        while any(client.poll() is None for client in clients):
            subprocess.run(["true"])
            if len(workers) < 8:
                workers.append(context.Process(target=go_on.wait))
                workers[-1].start()
        assert [int(client.communicate()[0]) for client in clients] == [240, 240]
        assert len(fake.requests) == 480
        ask(port_of(fake))
        before = cpu()
        threading.Event().wait(0.3)
        assert cpu() - before < 0.1, "a core burns"
        go_on.set()
        for worker in workers:
            worker.join()
    print("well")
    """)


@needs_fork
def test_a_child_keeps_no_connection_and_no_port_of_its_parent() -> None:
    run("""
    with FakeScale().serve() as fake:
        port = port_of(fake)
        with socket.create_connection(("127.0.0.1", port), timeout=20) as one:
            one.sendall(b"GET /v1/tasks HTTP/1.1\\r\\n\\r\\n")
            assert one.recv(65536).startswith(b"HTTP/1.1 401")
            fork()
            fake.faults.add(reset="within", path="/v1/tasks")
            one.sendall(b"GET /v1/tasks HTTP/1.1\\r\\n\\r\\n")
            try:
                while one.recv(65536):
                    pass
                raise AssertionError("that was no reset")
            except ConnectionResetError:
                pass
    check_nobody_listens(port)
    print("well")
    """)


@needs_fork
def test_a_child_forked_at_once_keeps_no_port() -> None:
    run("""
    with FakeScale().serve() as fake:
        port = port_of(fake)
        fork()
    check_nobody_listens(port)
    print("well")
    """)


@needs_fork
def test_a_child_that_leaves_the_block_ends_nothing_of_its_parent() -> None:
    run("""
    with FakeScale().serve() as fake:
        with socket.create_connection(("127.0.0.1", port_of(fake)), timeout=20) as one:
            for _ in range(2):
                one.sendall(b"GET /v1/tasks HTTP/1.1\\r\\n\\r\\n")
                assert one.recv(65536).startswith(b"HTTP/1.1 401")
                if (child := os.fork()) == 0:
                    break
                assert os.waitpid(child, 0)[1] == 0
        if child:
            ask(port_of(fake))
    if child == 0:
        os._exit(0)
    print("well")
    """)
