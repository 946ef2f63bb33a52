"""The thread that runs due work by itself, as time passes."""

import datetime as dt
import logging
import threading
import warnings
from collections.abc import Callable

from fakescale.values.clock import Clock
from fakescale.values.stacks import stack_of

# In seconds. A shorter wait would make the thread spin; so work may be this late.
_SHORTEST_WAIT = 0.01
_LONGEST_WAIT = 3600.0
# The time that `end` waits for a labeler, in seconds of real time; a request waits as long.
_PATIENCE = 10.0

log = logging.getLogger("fakescale")


class Ticker:
    """Calls ``happen`` whenever something is due, from ``begin`` until ``end``.

    ``next_due`` returns the time of the next due work, or None. A thread runs only while there is
    work ahead. It waits in real time, so it notices a clock that was frozen or moved only at the
    next ``wake``. Code that moves a clock must therefore run the due work itself.
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
        self._is_over = False
        self._thread: threading.Thread | None = None
        self._looking = False  # False once the thread is in its last instructions

    def begin(self) -> None:
        """Begin to run due work, unless it was ended for good."""
        with self._lock:
            if self._is_over:
                return
            self._running = True
        if self._next_due() is not None:  # no thread without work
            self.wake()

    def end(self, *, for_good: bool = False) -> None:
        """Run no more work, and return when the thread has ended.

        With ``for_good``, no work ever begins again.

        A labeler may never return. If the thread does not end in time, a RuntimeWarning shows its
        stack.
        """
        with self._lock:
            self._running = False
            self._is_over = self._is_over or for_good
            self._woken.set()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_PATIENCE)
            if thread.is_alive():
                stack = stack_of(thread.ident)
                warnings.warn(f"a labeler has not ended:\n{stack}", RuntimeWarning, stacklevel=2)
                return
        if for_good:  # so that nothing here refers back to the forgotten state
            self._next_due, self._happen = lambda: None, lambda: None

    def wake(self) -> None:
        """Look again for due work; takes no other lock."""
        with self._lock:
            self._woken.set()
            if self._running and not self._looking:
                thread = threading.Thread(target=self._run, name="fakescale-ticker", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:  # the system has no thread left; the next call tries
                    log.warning("due work must wait: %s", error)
                    return
                self._looking = True
                self._thread = thread

    def _run(self) -> None:
        while True:
            self._woken.clear()
            if self._running:
                try:
                    self._happen()
                except BaseException:  # a labeler may raise pytest's own, to fail a test
                    log.exception("due work failed")
            due = self._next_due() if self._running else None
            if due is None:
                with self._lock:
                    if not self._running or not self._woken.is_set():
                        self._looking = False
                        return
                continue
            seconds = (due - self._clock.now()).total_seconds()
            self._woken.wait(min(max(seconds, _SHORTEST_WAIT), _LONGEST_WAIT))
