"""One loop for all servers of a process, and the workers that it leaves slow requests to.

The loop accepts, waits, receives, and answers what is quick. Whatever may take long goes to
a worker, connection and all, which gives the connection back. Only the loop registers with
the selector; it unregisters a connection before anyone closes it. So a child process that
holds a copy of the connection cannot keep it registered.
"""

import contextlib
import functools
import logging
import math
import os
import queue
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from fakescale.server.connection import Connection, Site, Step
from fakescale.values.clock import steady

log = logging.getLogger("fakescale")

_SPARE = 8  # workers that wait for work: making one is slower by far
_MOST_SELECTED = 500  # by `select`, which Windows has: it takes 512 sockets
_LONGEST = 86_400.0  # seconds that a selector is let wait: some take no more than 24 days
PATIENCE = 1.0  # seconds to wait for threads at an end

#: Returns a new connection, or None where there is none to serve.
Accept = Callable[[], Connection | None]


class Loop:
    """The thread of the servers, from ``start`` to ``end``, and its workers."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._listeners: set[socket.socket] = set()
        self._connections: set[Connection] = set()  # those of workers too
        self._watched: set[Connection] = set()  # those that the selector knows
        self._ready: deque[Connection] = deque()  # those of them that go on at once
        self._check_at = math.inf  # the earliest moment at which one of them may be due
        # What others ask of the loop, and how it is woken for that.
        self._orders: deque[Callable[[], object]] = deque()
        self._woken, self._wake = socket.socketpair()
        for end in (self._woken, self._wake):
            end.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._is_ending = False
        self._workers = _Workers()
        self._thread = threading.Thread(target=self._run, name="fakescale", daemon=True)
        #: Whether this process was forked from that of the loop, and so has none of its threads.
        self.is_gone = False

    # For all threads.

    def start(self) -> None:
        """Begin; raises RuntimeError when the system has no thread left."""
        self._thread.start()

    def end(self) -> None:
        """End the threads, but for workers that are at something for long."""
        self.order(self._stop)
        self._thread.join(PATIENCE)
        self._workers.end()
        if not self._thread.is_alive():
            while self._orders:  # of workers, that came too late
                self._orders.popleft()()
            self._close()

    def order(self, order: Callable[[], object]) -> None:
        """Have something done by the loop; it must not take long."""
        self._orders.append(order)
        if self._thread.ident != threading.get_ident():  # which looks for orders anyway
            with contextlib.suppress(OSError):  # it is awake already, or has ended
                self._wake.send(b"x")

    def listen(self, listener: socket.socket, accept: Accept) -> None:
        """Let ``accept`` be called from now on when a client comes."""
        self._listeners.add(listener)  # at once, so that a child forked meanwhile closes it
        self.order(lambda: self._selector.register(listener, selectors.EVENT_READ, accept))

    def abandon(self) -> None:
        """Close what a process inherited that was forked from that of the loop."""
        self.is_gone = True
        for inherited in (*self._listeners, *(it.socket for it in self._connections)):
            inherited.close()
        self._close()

    # For orders.

    def drop(self, listener: socket.socket, site: Site) -> None:
        """Accept no more clients of a site; end its connections, and those of workers soon."""
        self._listeners.discard(listener)
        self._selector.unregister(listener)
        listener.close()
        for connection in list(self._connections):  # a copy: workers end some meanwhile
            if connection.site is not site:
                continue
            if connection in self._watched:
                self._end(connection)
            else:
                connection.shut()  # a worker that waits for it would outlive the server

    # The thread.

    def _run(self) -> None:
        while not self._is_ending:
            try:
                self._turn()
            except Exception:  # or else all would stand still
                log.exception("a bug in fakescale")

    def _turn(self) -> None:
        """Do what was ordered, what is ready, and what can be received or is due."""
        for _ in range(len(self._orders)):
            self._orders.popleft()()
        for _ in range(len(self._ready)):
            connection = self._ready.popleft()
            if connection in self._watched:
                self._take(connection, connection.go_on)
        for key, _ in self._selector.select(self._patience()):
            if key.data is None:
                self._woken.recv(4096)
            elif not isinstance(key.data, Connection):
                self._accept(key.data)
            elif key.data in self._watched and key.data not in self._ready:
                self._take(key.data, key.data.on_readable)
        if steady() >= self._check_at:
            self._check()

    def _patience(self) -> float:
        if self._ready or self._orders or self._is_ending:
            return 0
        return max(0.0, min(self._check_at - steady(), _LONGEST))

    def _check(self) -> None:
        """Go on with all that are due."""
        now, self._check_at = steady(), math.inf
        for connection in list(self._watched):
            if connection.due <= now:
                self._take(connection, connection.on_due)
            else:
                self._check_at = min(self._check_at, connection.due)

    def _accept(self, accept: Accept) -> None:
        if (connection := accept()) is None:
            return
        self._connections.add(connection)
        is_select = isinstance(self._selector, selectors.SelectSelector)
        if is_select and len(self._selector.get_map()) >= _MOST_SELECTED:
            self._end(connection)
        else:
            self._take(connection, connection.begin)

    def _take(self, connection: Connection, step: Callable[[], Step]) -> None:
        """Take a step of a connection, and do what it asks for."""
        taken = _taken(step)
        if taken is Step.END or connection.site.stopped.is_set():
            self._end(connection)
        elif taken is Step.LEAVE:
            self._unwatch(connection)
            self._workers.do(functools.partial(self._serve, connection))
        else:
            if connection not in self._watched:
                self._watched.add(connection)
                self._selector.register(connection.socket, selectors.EVENT_READ, connection)
            if taken is Step.AGAIN:
                self._ready.append(connection)
            self._check_at = min(self._check_at, connection.due)

    def _serve(self, connection: Connection) -> None:
        """Go on with a connection on a worker, and give it back."""
        if _taken(connection.serve) is Step.END or connection.site.stopped.is_set():
            self._end(connection)  # here: the loop may have ended
        else:
            self.order(lambda: self._take(connection, connection.take_back))

    def _end(self, connection: Connection) -> None:
        self._unwatch(connection)
        self._connections.discard(connection)
        connection.close()

    def _unwatch(self, connection: Connection) -> None:
        if connection in self._watched:
            self._watched.discard(connection)
            self._selector.unregister(connection.socket)

    def _stop(self) -> None:
        self._is_ending = True

    def _close(self) -> None:
        self._selector.close()
        self._woken.close()
        self._wake.close()


def _taken(step: Callable[[], Step]) -> Step:
    """Take a step; whatever goes wrong in it ends the connection, and nothing else."""
    try:
        return step()
    except OSError:
        return Step.END  # the client has gone
    except BaseException:  # of pytest's, too
        log.exception("a bug in fakescale")
        return Step.END


class _Workers:
    """Threads that outlive what they do, as many as there is to do at once."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0  # those that wait for a job, less the jobs that wait for one
        self._threads: set[threading.Thread] = set()

    def do(self, job: Callable[[], None]) -> None:
        """Have a job done; without any thread, here and now."""
        with self._lock:
            if self._idle <= 0:
                thread = threading.Thread(target=self._work, name="fakescale worker", daemon=True)
                with contextlib.suppress(RuntimeError):  # the system has none left
                    thread.start()
                    self._threads.add(thread)
                    self._idle += 1
            if has_threads := bool(self._threads):
                self._idle -= 1
        if has_threads:
            self._jobs.put(job)
        else:
            job()

    def end(self) -> None:
        """Let the threads end that are at nothing; wait a while for the others."""
        with self._lock:
            threads = set(self._threads)
        for _ in threads:
            self._jobs.put(None)
        patience = PATIENCE  # for all of them together
        for thread in threads - {threading.current_thread()}:
            thread.join(patience)
            if thread.is_alive():
                patience = 0

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            with self._lock:
                if self._idle >= _SPARE:
                    break
                self._idle += 1
        with self._lock:
            self._threads.discard(threading.current_thread())


_sharing = threading.Lock()
_shared: list[Loop] = []  # as often as it is used


@contextlib.contextmanager
def shared() -> Iterator[Loop]:
    """Give the one loop of this process, which lasts from the first such block to the last."""
    with _sharing:
        if _shared:
            loop = _shared[0]
        else:
            loop = Loop()
            loop.start()
        _shared.append(loop)
    try:
        yield loop
    finally:
        with _sharing:
            if loop in _shared:  # and not of the process that this one was forked from
                _shared.remove(loop)
                if not _shared:
                    loop.end()


def _forget(*_: Any) -> None:
    """Have no loop in a process that was forked, since it has none of the threads."""
    global _sharing  # noqa: PLW0603
    _sharing = threading.Lock()  # which another thread may have held
    for loop in set(_shared):
        loop.abandon()
    _shared.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
