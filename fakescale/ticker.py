"""The thread that lets due things happen by themselves, as time goes by."""

import datetime as dt
import logging
import threading
import warnings
from collections.abc import Callable

from fakescale.values.clock import Clock
from fakescale.values.stacks import stack_of

# Also how late something may be, in seconds; keeps it from spinning.
_SHORTEST_WAIT = 0.01
_LONGEST_WAIT = 3600.0
# How long an end waits for a labeler, in seconds of real time; as long as a request does.
_PATIENCE = 10.0

log = logging.getLogger("fakescale")


class Ticker:
    """Calls ``happen`` whenever something is due, from ``begin`` until ``end``.

    ``next_due`` tells when that is, or None. There is a thread only while something is
    ahead. Its waits are of real time, so a clock that is frozen or moved is not noticed
    until the next ``wake``; whoever moves one calls what ``happen`` calls.
    """

    def __init__(
        self,
        clock: Clock,
        next_due: Callable[[], dt.datetime | None],
        happen: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._next_due = next_due
        self._happen = happen
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._running = False
        self._thread: threading.Thread | None = None
        self._looking = False  # until the thread is in its last instructions

    def begin(self) -> None:
        """Begin to look after what becomes due."""
        self._running = True
        if self._next_due() is not None:  # or else a thread would be started for nothing
            self.wake()

    def end(self) -> None:
        """Look no more, and return when the thread has ended.

        Warns, with its stack, of a thread that does not end: a labeler may wait for ever.
        """
        with self._lock:
            self._running = False
            self._woken.set()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_PATIENCE)
            if thread.is_alive():
                stack = stack_of(thread.ident)
                warnings.warn(f"a labeler has not ended:\n{stack}", RuntimeWarning, stacklevel=2)

    def wake(self) -> None:
        """Look again at what is due next; waits for nobody's lock."""
        with self._lock:
            self._woken.set()
            if self._running and not self._looking:
                self._looking = True
                self._thread = threading.Thread(
                    target=self._run, name="fakescale-ticker", daemon=True
                )
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._woken.clear()
            if self._running:
                try:
                    self._happen()
                except BaseException:  # a labeler's, which may fail a test that way
                    log.exception("what was due could not happen")
            due = self._next_due() if self._running else None
            if due is None:
                with self._lock:
                    if not self._running or not self._woken.is_set():
                        self._looking = False
                        return
                continue
            seconds = (due - self._clock.now()).total_seconds()
            self._woken.wait(min(max(seconds, _SHORTEST_WAIT), _LONGEST_WAIT))
