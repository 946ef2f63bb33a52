"""Threads that take turns."""

import contextlib
import functools
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from fakescale.server import crew as crew_module
from fakescale.server.crew import Crew, Steps, shared
from tests.raw import receive, wait_until

pytestmark = pytest.mark.usefixtures("own_crew")


@pytest.fixture
def crew() -> Iterator[Crew]:
    crew = Crew()
    crew.start()
    yield crew
    crew.end()


class Client:
    """A socket whose other end is a job: it does something with each byte, and sends it back."""

    def __init__(self, crew: Crew, do: Callable[[], object], patience: float = 60) -> None:
        self.socket, self._other = socket.socketpair()
        self.socket.settimeout(20)
        self._do = do
        self._patience = patience
        crew.order(lambda: crew.add(self, self._other, self._steps()))

    def _steps(self) -> Steps:
        with self._other:
            is_late = yield self._patience
            while not is_late and (byte := self._other.recv(1)):
                self._do()
                self._other.send(byte)
                is_late = yield self._patience

    def ask(self) -> bool:
        self.socket.send(b"x")
        return self.socket.recv(1) == b"x"


@pytest.fixture
def client(crew: Crew) -> Iterator[Callable[..., Client]]:
    with contextlib.ExitStack() as stack:

        def make(do: Callable[[], object] = lambda: None, **options: float) -> Client:
            client = Client(crew, do, **options)
            stack.enter_context(client.socket)
            return client

        yield make


def test_one_thread_goes_on_with_all(client: Callable[..., Client]) -> None:
    threads: set[int] = set()
    clients = [client(lambda: threads.add(threading.get_ident())) for _ in range(20)]
    assert all(it.ask() for it in clients + clients)
    assert len(threads) == 1


def test_others_go_on_while_one_gives_way(crew: Crew, client: Callable[..., Client]) -> None:
    go_on = threading.Event()

    def wait() -> None:
        crew.give_way()
        crew.give_way()  # again changes nothing
        go_on.wait(20)

    slow = [client(wait) for _ in range(3)]
    for it in slow:
        it.socket.send(b"a")
    assert client().ask()
    for it in slow:
        it.socket.send(b"b")  # is for the same thread, once it is done
    assert client().ask()
    go_on.set()
    assert [it.socket.recv(1) + it.socket.recv(1) for it in slow] == [b"ab"] * 3
    assert all(it.ask() for it in slow)


def test_others_go_on_while_one_is_stuck(client: Callable[..., Client]) -> None:
    go_on = threading.Event()
    stuck = client(lambda: go_on.wait(20))
    stuck.socket.send(b"x")
    assert client().ask()
    go_on.set()
    assert stuck.socket.recv(1) == b"x"
    assert stuck.ask()


def test_one_that_gives_way_may_ask_another(crew: Crew, client: Callable[..., Client]) -> None:
    inner = client()

    def ask() -> None:
        crew.give_way()
        assert inner.ask()

    assert client(ask).ask()


def test_one_that_is_overtaken_when_it_gives_way_does_not_do_it_again(
    crew: Crew, client: Callable[..., Client]
) -> None:
    lock = crew._lock

    class Overtaken:
        """The lock, when the watch has it first."""

        def __enter__(self) -> None:
            crew._lock = lock
            for _ in range(2):
                crew._look()
            lock.acquire()

        def __exit__(self, *exception: object) -> None:
            lock.release()

    def give_way() -> None:
        crew._lock = Overtaken()  # type: ignore[assignment]
        crew.give_way()

    before = crew._turn
    assert client(give_way).ask()
    assert crew._turn == before + 1


def test_nobody_else_gives_way(crew: Crew, client: Callable[..., Client]) -> None:
    threads = threading.active_count()
    crew.give_way()
    assert client().ask()
    assert threading.active_count() == threads


def test_a_job_is_told_when_it_has_waited_too_long(client: Callable[..., Client]) -> None:
    short, long = client(patience=0.01), client()
    assert short.socket.recv(1) == b""
    assert long.ask()


def test_a_job_that_raises_ends_alone(
    client: Callable[..., Client], caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        pytest.fail("on purpose")

    failing = client(fail)
    failing.socket.send(b"x")
    assert failing.socket.recv(1) == b""
    assert client().ask()
    assert "on purpose" in caplog.text


def test_an_order_that_raises_stops_nothing(
    crew: Crew, client: Callable[..., Client], caplog: pytest.LogCaptureFixture
) -> None:
    crew.order(lambda: 1 / 0)  # type: ignore[arg-type]
    assert client().ask()
    assert [it.levelno for it in caplog.records] == [logging.ERROR]


def test_there_may_be_more_orders_than_wakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew_module, "_LOOK_SECONDS", 3600)
    crew, is_stuck, go_on = Crew(), threading.Event(), threading.Event()
    obeyed: list[int] = []

    def wait() -> None:
        is_stuck.set()
        go_on.wait(20)

    crew.start()
    stuck = Client(crew, wait)
    with stuck.socket as one:
        one.send(b"x")
        is_stuck.wait(20)
        for number in range(2000):
            crew.order(functools.partial(obeyed.append, number))
        go_on.set()
        assert one.recv(1) == b"x"
        assert stuck.ask()
        crew.end()
    assert obeyed == [*range(2000)]


def test_an_owner_can_end_its_jobs(crew: Crew, client: Callable[..., Client]) -> None:
    one, other = client(), client()
    assert one.ask()
    crew.order(lambda: crew.drop(one))
    assert one.socket.recv(1) == b""
    assert other.ask()


def test_a_descriptor_that_is_used_again_is_another_job(
    crew: Crew, client: Callable[..., Client]
) -> None:
    for do in (lambda: None, crew.give_way) * 20:
        one = client(do)
        assert one.ask()
        one.socket.shutdown(socket.SHUT_WR)
        assert one.socket.recv(1) == b""
        one.socket.close()


def test_its_threads_end_with_it() -> None:
    crew = Crew()
    before = threading.active_count()
    crew.start()
    with contextlib.ExitStack() as stack:
        clients = [Client(crew, crew.give_way) for _ in range(20)]
        for it in clients:
            stack.enter_context(it.socket)
            it.socket.send(b"x")
        assert all(it.socket.recv(1) for it in clients)
        crew.end()
        assert [it.socket.recv(1) for it in clients] == [b""] * 20
    assert threading.active_count() == before


def test_it_ends_though_threads_are_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    crew, go_on, is_stuck = Crew(), threading.Event(), threading.Barrier(5)
    waited: list[float | None] = []
    before, join = threading.active_count(), threading.Thread.join

    def wait() -> None:
        crew.give_way()
        is_stuck.wait(20)
        go_on.wait(20)

    def count(thread: threading.Thread, timeout: float | None = None) -> None:
        join(thread, timeout)
        if thread.is_alive():
            waited.append(timeout)

    crew.start()
    with contextlib.ExitStack() as stack:
        clients = [Client(crew, wait) for _ in range(4)]
        for it in clients:
            stack.enter_context(it.socket)
            it.socket.send(b"x")
        is_stuck.wait(20)
        monkeypatch.setattr(threading.Thread, "join", count)
        crew.end()
        go_on.set()
        assert [receive(it.socket) for it in clients] == [b"x"] * 4
    assert waited == [1, 0, 0, 0]  # seconds, not as many for each
    wait_until(lambda: threading.active_count() == before)


def test_it_ends_though_one_has_not_given_way() -> None:
    crew, go_on, is_stuck = Crew(), threading.Event(), threading.Event()

    def wait() -> None:
        is_stuck.set()
        go_on.wait(20)

    before = threading.active_count()
    crew.start()
    idle, stuck = Client(crew, lambda: None), Client(crew, wait)
    with idle.socket, stuck.socket:
        assert idle.ask()
        stuck.socket.send(b"x")
        is_stuck.wait(20)
        crew.end()  # before anybody looks
        assert receive(idle.socket) == b""
        go_on.set()
        assert receive(stuck.socket) == b"x"
    wait_until(lambda: threading.active_count() == before)


def test_a_job_may_end_it() -> None:
    crew, ended = Crew(), threading.Event()

    def end() -> None:
        crew.give_way()
        crew.end()
        ended.set()

    before = threading.active_count()
    crew.start()
    with Client(crew, end).socket as client:
        client.send(b"x")
        assert ended.wait(20)
        assert receive(client) == b"x"
    wait_until(lambda: threading.active_count() == before)


def test_few_threads_wait_for_a_turn(crew: Crew, client: Callable[..., Client]) -> None:
    before = threading.active_count()
    barrier = threading.Barrier(21)

    def meet() -> None:
        crew.give_way()
        barrier.wait(20)

    clients = [client(meet) for _ in range(20)]
    for it in clients:
        it.socket.send(b"x")
    barrier.wait(20)
    assert all(it.socket.recv(1) for it in clients)
    wait_until(lambda: threading.active_count() <= before + crew_module._SPARE)
    wait_until(lambda: len(crew._threads) <= crew_module._SPARE + 1)


def test_without_a_thread_to_give_way_to_it_goes_on_itself(
    crew: Crew, client: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    one = client(crew.give_way)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        assert one.ask()
    assert one.ask()
    assert client().ask()


def test_a_process_shares_one_while_someone_uses_it() -> None:
    before = threading.active_count()
    with shared() as one:
        with shared() as same:
            assert same is one
        assert threading.active_count() == before + 2
    with shared() as another:
        assert another is not one
    assert threading.active_count() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing can be forked here")
def test_a_process_that_was_forked_has_one_of_its_own() -> None:
    code = """if True:
        import http.client, os
        from fakescale import FakeScale

        def is_served(fake):
            connection = http.client.HTTPConnection(fake.origin.removeprefix("http://"), timeout=9)
            connection.request("GET", "/v1/tasks")
            return connection.getresponse().status == 401

        with FakeScale().serve() as fake:
            assert is_served(fake)
            if (child := os.fork()) == 0:
                with FakeScale().serve() as other:
                    os._exit(not is_served(other))
            assert os.waitpid(child, 0)[1] == 0
            assert is_served(fake)
        print("served")
    """
    options = ["-W", "ignore::DeprecationWarning"]  # since Python 3.12, of a fork with threads
    done = subprocess.run(
        [sys.executable, *options, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("served\n", "")
