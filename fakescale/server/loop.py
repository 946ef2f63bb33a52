"""The loop that serves all servers of a process, and its workers for slow requests.

The loop accepts clients, receives, and answers quick requests. It hands the connection of a
request that may take long to a worker, which gives the connection back. Only the loop registers
connections with the selector, and it unregisters each before anyone closes it. So a child process
that holds a copy of a connection cannot keep the connection registered.
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

_SPARE = 8  # workers kept idle: starting one is far slower than waking one
_MOST_SELECTED = 500  # connections with `select`, as on Windows: it takes 512 sockets
_LONGEST = 86_400.0  # seconds of a selector's wait: some selectors take at most 24 days
PATIENCE = 1.0  # seconds that an end waits for threads

#: Returns a new connection, or None if there is none to serve.
Accept = Callable[[], Connection | None]


class Loop:
    """The thread of the servers, which runs from ``start`` to ``end``, and its workers."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._listeners: set[socket.socket] = set()
        self._connections: set[Connection] = set()  # also those on workers
        self._watched: set[Connection] = set()  # those registered with the selector
        self._ready: deque[Connection] = deque()  # watched ones that go on at once
        self._check_at = math.inf  # no watched one is due before
        # The orders of other threads, and the sockets that wake the loop for them.
        self._orders: deque[Callable[[], object]] = deque()
        self._woken, self._wake = socket.socketpair()
        for end in (self._woken, self._wake):
            end.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._is_ending = False
        self._workers = _Workers()
        self._thread = threading.Thread(target=self._run, name="fakescale", daemon=True)
        #: Whether this is a forked child process, which has none of the loop's threads.
        self.is_gone = False

    # Any thread may call these.

    def start(self) -> None:
        """Start the thread; raises RuntimeError if the system has no thread left."""
        self._thread.start()

    def end(self) -> None:
        """End the threads, except workers that do not finish in time."""
        self.order(self._stop)
        self._thread.join(PATIENCE)
        self._workers.end()
        if not self._thread.is_alive():
            while self._orders:  # late ones, from workers
                self._orders.popleft()()
            self._close()

    def order(self, order: Callable[[], object]) -> None:
        """Have the loop call ``order``, which must not take long."""
        self._orders.append(order)
        if self._thread.ident != threading.get_ident():  # the loop itself needs no waking
            with contextlib.suppress(OSError):  # the loop is awake already, or has ended
                self._wake.send(b"x")

    def listen(self, listener: socket.socket, accept: Accept) -> None:
        """Call ``accept`` from now on when a client comes."""
        self._listeners.add(listener)  # now, so that a forked child closes it
        self.order(lambda: self._selector.register(listener, selectors.EVENT_READ, accept))

    def abandon(self) -> None:
        """Close all that a forked child process has inherited."""
        self.is_gone = True
        for inherited in (*self._listeners, *(it.socket for it in self._connections)):
            inherited.close()
        self._close()

    # Only orders call this.

    def drop(self, listener: socket.socket, site: Site) -> None:
        """Accept no more clients of a site, and end its connections; those on workers end soon."""
        self._listeners.discard(listener)
        self._selector.unregister(listener)
        listener.close()
        for connection in list(self._connections):  # a copy, since workers end some meanwhile
            if connection.site is not site:
                continue
            if connection in self._watched:
                self._end(connection)
            else:
                connection.shut()  # or its worker could outlive the server

    # Inside.

    def _run(self) -> None:
        while not self._is_ending:
            try:
                self._turn()
            except Exception:  # or no server would go on
                log.exception("a bug in fakescale")

    def _turn(self) -> None:
        """Run the orders, and the connections that are ready, readable or due."""
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
        """Go on with all connections that are due."""
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
        """Take a step of a connection, and act on its result."""
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
        """Serve a connection on a worker, and give it back to the loop."""
        if _taken(connection.serve) is Step.END or connection.site.stopped.is_set():
            self._end(connection)  # on the worker, since the loop may have ended
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
    """Take a step; any exception in it ends the connection, and only that."""
    try:
        return step()
    except OSError:
        return Step.END  # the client has gone
    except BaseException:  # pytest's own too
        log.exception("a bug in fakescale")
        return Step.END


class _Workers:
    """Reused threads, as many as there are jobs at once."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0  # idle threads less queued jobs
        self._threads: set[threading.Thread] = set()

    def do(self, job: Callable[[], None]) -> None:
        """Run a job on a worker, or on this thread if the system has no thread left."""
        with self._lock:
            if self._idle <= 0:
                thread = threading.Thread(target=self._work, name="fakescale worker", daemon=True)
                with contextlib.suppress(RuntimeError):  # the system has no thread left
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
        """End the idle threads, and wait a while for the others."""
        with self._lock:
            threads = set(self._threads)
        for _ in threads:
            self._jobs.put(None)
        patience = PATIENCE  # for all threads together
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
_shared: list[Loop] = []  # the one loop, once for each block of `shared`


@contextlib.contextmanager
def shared() -> Iterator[Loop]:
    """Give the one loop of this process to a ``with`` block; the last block ends the loop."""
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
            if loop in _shared:  # not inherited by a fork
                _shared.remove(loop)
                if not _shared:
                    loop.end()


def _forget(*_: Any) -> None:
    """Drop the loop in a forked child process, which has none of its threads."""
    global _sharing  # noqa: PLW0603
    _sharing = threading.Lock()  # another thread may have held the old one
    for loop in set(_shared):
        loop.abandon()
    _shared.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
