"""Ids that look like those of the real API."""

import datetime as dt
import itertools
import random
import uuid
from collections.abc import Iterable


def make_uuid(rng: random.Random) -> str:
    """Return the next UUID of ``rng``, in the form of a random (version 4) UUID."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


class TaskIds:
    """Makes task ids: 24 hex digits, of which the first eight are the creation second.

    The other sixteen digits are a counter with a random start, which ``seed`` determines if
    one is given. They are observed to differ; that they count is guessed. The ids of one
    object never repeat, and ascend while the clock does not run backwards.
    """

    def __init__(self, seed: str | int | None = None) -> None:
        self._reserved: set[str] = set()
        self._first = self._latest = random.Random(seed).getrandbits(62)
        self._numbers = itertools.count(self._first)

    @property
    def total(self) -> int:
        """The number of ids made or reserved so far."""
        return self._latest - self._first + len(self._reserved)

    def make(self, now: dt.datetime) -> str:
        """Return a new id for a task created at ``now``."""
        while True:
            self._latest = number = next(self._numbers)
            made = f"{int(now.timestamp()) & 0xFFFFFFFF:08x}{number:016x}"
            if made not in self._reserved:
                return made

    def reserve(self, ids: Iterable[str]) -> None:
        """Never make any of ``ids``, which came from elsewhere."""
        self._reserved.update(ids)
