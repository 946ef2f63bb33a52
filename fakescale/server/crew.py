"""A crew: threads that take turns at going on with jobs.

With a thread for each connection, Python's lock goes to and fro whenever one sends or receives,
which takes longer than to answer. So one thread, whose turn it is, waits for all sockets, and
goes on with the jobs of those that can be read, one after the other. Before it does what may
take long it gives way to another thread; where it does not, whoever looks after it sees to it.
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
from collections.abc import Callable, Generator, Iterator

log = logging.getLogger("fakescale")

#: A job, as what is done each time its socket can be read. It yields for how many seconds it
#: waits then, and is sent whether that was too long.
Steps = Generator[float, bool, None]

_LOOK_SECONDS = 0.05  # between two looks: what lasts from one to the next takes long
_SPARE = 8  # threads that wait for a turn: making one is slower by far


class _Job:
    """Steps, and where they are."""

    __slots__ = ("due", "fd", "is_late", "owner", "steps")

    def __init__(self, owner: object, fd: int, steps: Steps) -> None:
        self.owner = owner
        self.fd = fd
        self.steps = steps
        self.due = math.inf  # the number of the look at which it has waited too long
        self.is_late: bool | None = None  # at first there is nobody to send it to

    def go_on(self) -> float | None:
        """Do a step; return for how long to wait, None at the end."""
        is_late, self.is_late = self.is_late, False
        try:
            return self.steps.send(is_late)  # type: ignore[arg-type]
        except StopIteration:
            return None
        except BaseException:  # of pytest's, too: without this thread all would stand still
            log.exception("a bug in fakescale")
            return None

    def close(self) -> None:
        """Do what is left to be done, unless a thread is at it, which then sees to that."""
        with contextlib.suppress(ValueError):
            self.steps.close()


class Crew:
    """Threads for jobs, from ``start`` to ``end``, and one that looks after them."""

    def __init__(self) -> None:
        # The thread whose turn it is is the only one that touches these three.
        self._selector = selectors.DefaultSelector()
        self._jobs: dict[int, _Job] = {}  # those that the selector knows
        self._ready: deque[_Job] = deque()
        # What it is to do before, which anyone may add to.
        self._orders: deque[Callable[[], None]] = deque()
        self._woken, self._wake = socket.socketpair()
        for end in (self._woken, self._wake):
            end.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)

        self._lock = threading.Lock()
        self._turn = 0  # the number of this turn,
        self._leader = 0  # the thread whose it is,
        self._under_way: _Job | None = None  # what it is at,
        self._steps = 0  # the number of that step,
        self._seen = 0  # and of the one that it was at when it was last looked after
        self._looks = 0
        self._look_seconds = _LOOK_SECONDS
        self._threads: set[threading.Thread] = set()
        self._spare = 0  # how many of them wait for a turn
        self._turns: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._is_ending = False
        self._watch = threading.Thread(target=self._look_after, name="fakescale", daemon=True)
        self._end = threading.Lock()
        self._end.acquire()

    def start(self) -> None:
        """Let the threads begin; raises RuntimeError when the system has none left."""
        with self._lock:
            self._pass_on()
        self._watch.start()

    def end(self) -> None:
        """End the jobs and the threads, but for those that are at something for long."""
        self._end.release()
        self._watch.join()
        with self._lock:
            self._is_ending = True
            for _ in range(self._spare):
                self._turns.put(None)
        self.order(lambda: None)
        patience = 1.0  # for all of them together
        for thread in self._threads - {threading.current_thread()}:
            thread.join(patience)
            if thread.is_alive():
                patience = 0
        while self._orders:  # a thread may have come to the end of a step meanwhile
            self._obey(self._orders.popleft())
        for job in self._jobs.values():
            job.close()
        self._selector.close()
        self._woken.close()
        self._wake.close()

    def order(self, order: Callable[[], None]) -> None:
        """Have something done by the thread whose turn it is; it must not take long."""
        self._orders.append(order)
        if self._leader != threading.get_ident():  # it looks for orders before it waits
            with contextlib.suppress(OSError):  # there are wakes enough, or it has ended
                self._wake.send(b"x")

    def add(self, owner: object, connection: socket.socket, steps: Steps) -> None:
        """Begin a job, which goes on when ``connection`` can be read; in an order."""
        job = _Job(owner, connection.fileno(), steps)
        if (wait := job.go_on()) is not None:
            self._await(job, wait)

    def drop(self, owner: object) -> None:
        """End the jobs of an owner, but for those that other threads are at; in an order."""
        self._ready = deque(job for job in self._ready if job.owner is not owner)
        for job in [job for job in self._jobs.values() if job.owner is owner]:
            self._forget(job)
            job.close()

    def give_way(self) -> None:
        """Let another thread have the turn, where it is this one's."""
        with self._lock, contextlib.suppress(RuntimeError):  # the system has none left
            # Under the lock, or else two could pass it on; not in an order, to which the thread
            # would come back as if it still had the turn.
            if self._leader == threading.get_ident() and self._under_way is not None:
                self._pass_on()

    def _look_after(self) -> None:
        # A lock is waited for without a clock that can be frozen.
        while not self._end.acquire(timeout=self._look_seconds):
            self._look()

    def _look(self) -> None:
        self._looks += 1
        with self._lock, contextlib.suppress(RuntimeError):
            if self._under_way is not None and self._steps == self._seen:
                self._pass_on()
            self._seen = self._steps
        if any(job.due < self._looks for job in list(self._jobs.values())):
            self.order(self._hurry)

    def _hurry(self) -> None:
        """Go on with what has waited too long."""
        for job in self._jobs.values():
            if job.due < self._looks and job not in self._ready:
                job.is_late = True
                self._ready.append(job)

    def _pass_on(self) -> None:
        """Let the turn be that of another thread; under the lock."""
        if self._is_ending:
            return
        if not self._spare:
            thread = threading.Thread(target=self._work, name="fakescale", daemon=True)
            thread.start()
            self._threads.add(thread)
            self._spare += 1
        self._spare -= 1
        self._turn += 1
        self._leader = 0
        if self._under_way is not None:  # or else the next one would go on with it as well
            self._orders.appendleft(functools.partial(self._forget, self._under_way))
            self._under_way = None
        self._turns.put(self._turn)

    def _work(self) -> None:
        while (turn := self._turns.get()) is not None:
            self._lead(turn)
            with self._lock:
                if self._is_ending or self._spare == _SPARE:
                    break
                self._spare += 1
        self._threads.discard(threading.current_thread())

    def _lead(self, turn: int) -> None:
        """Go on with what is ready, until the turn is another's."""
        self._leader = threading.get_ident()
        while not self._is_ending:
            while self._orders:
                self._obey(self._orders.popleft())
            if not self._ready:
                self._select()
                continue
            job = self._ready.popleft()
            self._steps += 1
            self._under_way = job
            wait = job.go_on()
            with self._lock:
                is_ending, is_over = self._is_ending, self._turn != turn
                if not is_over:
                    self._under_way = None
                elif wait is not None and not is_ending:
                    self.order(functools.partial(self._await, job, wait))
            if is_ending:
                job.close()
            if is_ending or is_over:
                return
            if wait is None:
                self._forget(job)
            else:
                job.due = self._looks + wait / self._look_seconds

    def _obey(self, order: Callable[[], None]) -> None:
        try:
            order()
        except Exception:
            log.exception("a bug in fakescale")

    def _select(self) -> None:
        for key, _ in self._selector.select():
            if key.data is None:
                self._woken.recv(4096)
            else:
                self._ready.append(key.data)

    def _await(self, job: _Job, wait: float) -> None:
        self._selector.register(job.fd, selectors.EVENT_READ, job)
        self._jobs[job.fd] = job
        job.due = self._looks + wait / self._look_seconds

    def _forget(self, job: _Job) -> None:
        del self._jobs[job.fd]
        self._selector.unregister(job.fd)


_sharing = threading.Lock()
_shared: list[Crew] = []  # as often as it is used


@contextlib.contextmanager
def shared() -> Iterator[Crew]:
    """Give the one crew of this process, which lasts from the first such block to the last."""
    with _sharing:
        if _shared:
            crew = _shared[0]
        else:
            crew = Crew()
            crew.start()
        _shared.append(crew)
    try:
        yield crew
    finally:
        with _sharing:
            if crew in _shared:  # and not of the process that this one was forked from
                _shared.remove(crew)
                if not _shared:
                    crew.end()


def _forget() -> None:
    """Have no crew, since a process that was forked has none of its threads."""
    _shared.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
