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
from typing import Any, Protocol

from fakescale.server.connection import Connection, Step
from fakescale.values.clock import steady

log = logging.getLogger("fakescale")

_SPARE = 8  # workers that wait for work: making one is slower by far
_MOST_SELECTED = 500  # by `select`, which Windows has: it takes 512 sockets
_LONGEST = 86_400.0  # seconds that a selector is let wait: some take no more than 24 days
PATIENCE = 1.0  # seconds to wait for threads at an end


class Listener(Protocol):
    """A server, as far as the loop knows one."""

    socket: socket.socket

    def accept(self) -> Connection | None:
        """Return a new connection, or None where there is none to serve."""

    def forget(self, connection: Connection) -> None:
        """Note that a connection was closed."""

    def abandon(self) -> None:
        """Close all in a process that was forked from that of the loop."""


class Loop:
    """The thread of the servers, from ``start`` to ``end``, and its workers."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._listeners: set[Listener] = set()
        self._watched: dict[Connection, Listener] = {}
        self._ready: deque[Connection] = deque()  # those of the watched that go on at once
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
            self._close()

    def order(self, order: Callable[[], object]) -> None:
        """Have something done by the loop; it must not take long."""
        self._orders.append(order)
        if self._thread.ident != threading.get_ident():  # which looks for orders anyway
            with contextlib.suppress(OSError):  # it is awake already, or has ended
                self._wake.send(b"x")

    def listen(self, listener: Listener) -> None:
        """Accept the connections of a server from now on."""
        self._listeners.add(listener)  # at once, so that a child forked meanwhile closes it
        self.order(lambda: self._selector.register(listener.socket, selectors.EVENT_READ, listener))

    def abandon(self) -> None:
        """Close what a process inherited that was forked from that of the loop."""
        self.is_gone = True
        for listener in self._listeners:
            listener.abandon()
        self._close()

    # For orders.

    def drop(self, listener: Listener) -> None:
        """Accept no more of them, and end those that no worker is at."""
        self._listeners.discard(listener)
        self._selector.unregister(listener.socket)
        for connection in [it for it, owner in self._watched.items() if owner is listener]:
            self._follow(connection, listener, Step.END)

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
                self._step(connection, self._watched[connection], connection.go_on)
        for key, _ in self._selector.select(self._patience()):
            if key.data is None:
                self._woken.recv(4096)
            elif isinstance(key.data, Connection):
                # It may have ended in this very turn.
                if (owner := self._watched.get(key.data)) and key.data not in self._ready:
                    self._step(key.data, owner, key.data.on_readable)
            elif key.data in self._listeners:
                self._accept(key.data)
        if steady() >= self._check_at:
            self._check()

    def _patience(self) -> float:
        if self._ready or self._orders or self._is_ending:
            return 0
        return max(0.0, min(self._check_at - steady(), _LONGEST))

    def _check(self) -> None:
        """Go on with all that are due."""
        now, self._check_at = steady(), math.inf
        for connection, owner in list(self._watched.items()):
            if connection.due <= now:
                self._step(connection, owner, connection.on_due)
            else:
                self._check_at = min(self._check_at, connection.due)

    def _accept(self, listener: Listener) -> None:
        connection = listener.accept()
        if connection is None:
            return
        if not self._has_room():
            connection.close()
            listener.forget(connection)
            return
        self._step(connection, listener, connection.begin)

    def _has_room(self) -> bool:
        is_select = isinstance(self._selector, selectors.SelectSelector)
        return not is_select or len(self._selector.get_map()) < _MOST_SELECTED

    def _step(self, connection: Connection, owner: Listener, step: Callable[[], Step]) -> None:
        self._follow(connection, owner, _taken(step))

    def _follow(self, connection: Connection, owner: Listener, step: Step) -> None:
        """Do what a step asks for."""
        if step in (Step.WAIT, Step.AGAIN) and not connection.site.stopped.is_set():
            if connection not in self._watched:
                self._watched[connection] = owner
                self._selector.register(connection.socket, selectors.EVENT_READ, connection)
            if step is Step.AGAIN:
                self._ready.append(connection)
            self._check_at = min(self._check_at, connection.due)
            return
        if self._watched.pop(connection, None) is not None:
            self._selector.unregister(connection.socket)
        if step is Step.LEAVE:
            self._workers.do(functools.partial(self._serve, connection, owner))
        else:
            connection.close()
            owner.forget(connection)

    def _serve(self, connection: Connection, owner: Listener) -> None:
        """Let a worker go on with a connection, and give it back."""
        if _taken(connection.serve) is Step.END or connection.site.stopped.is_set():
            connection.close()
            owner.forget(connection)
        else:
            self.order(lambda: self._step(connection, owner, connection.take_back))

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
                try:
                    thread.start()
                except RuntimeError:  # the system has none left
                    thread = None  # type: ignore[assignment]
                else:
                    self._threads.add(thread)
                    self._idle += 1
            has_threads = bool(self._threads)
            if has_threads:
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
