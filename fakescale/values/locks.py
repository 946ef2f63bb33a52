"""A lock that makes calls for its holder once it is free."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

_RLock: Any = type(threading.RLock())


class PatientLock(_RLock):  # type: ignore[misc]  # checkers of types take the class for final
    """A reentrant lock that puts calls off until its holder has released it.

    A call that runs code of others, for example a line of the log, must not be made with a lock
    held. That code may wait for another thread, and that thread for the lock.
    """

    def __init__(self) -> None:
        super().__init__()  # gevent and eventlet put a class of Python in place of that of C
        self._late: deque[Callable[[], object]] = deque()

    def afterwards(self, call: Callable[[], object]) -> None:
        """Have ``call`` made soon, by a thread that does not hold the lock."""
        with self:
            self._late.append(call)

    def __exit__(self, *error: object) -> None:
        """Release the lock, and make the calls that were put off."""
        super().__exit__(*error)
        while self._late and not self._is_owned():
            try:
                call = self._late.popleft()
            except IndexError:  # another thread was first
                return
            call()
