"""Ids that look like those of the real API."""

import datetime as dt
import random
import re
import threading
import uuid
from collections.abc import Iterable

_MADE = re.compile("[0-9a-f]{24}")
_AHEAD = 2**32


def make_uuid(rng: random.Random) -> str:
    """Return the next UUID of ``rng``, in the form of a random (version 4) UUID."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


class TaskIds:
    """Makes task ids: 24 hex digits, of which the first eight are the creation second.

    The other sixteen digits are a counter with a random start, which ``seed`` determines if one is
    given. Observed: the digits differ. Guessed: they count. The ids of one object never repeat, and
    ascend while the clock does not run backwards.
    """

    def __init__(self, seed: str | int | None = None) -> None:
        self._latest = random.Random(seed).getrandbits(62)
        #: The number of ids made or reserved so far.
        self.total = 0
        self._lock = threading.Lock()

    def make(self, now: dt.datetime) -> str:
        """Return a new id for a task created at ``now``."""
        with self._lock:
            self._latest += 1
            self.total += 1
            return f"{int(now.timestamp()) & 0xFFFFFFFF:08x}{self._latest:016x}"

    def reserve(self, ids: Iterable[str]) -> None:
        """Never make any of ``ids``, which came from elsewhere.

        The counter goes on after the highest of them, so that no id need be kept. An id too far
        ahead is left out, since the counter never reaches it.
        """
        for text in ids:
            number = int(text[8:], 16) if _MADE.fullmatch(text) else 0
            with self._lock:
                self.total += 1
                if 0 < number - self._latest < _AHEAD:
                    self._latest = number
