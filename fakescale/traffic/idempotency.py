"""The ``Idempotency-Key``: the same request twice is done once and answered alike."""

import datetime as dt
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fakescale.values.answer import Answer
from fakescale.values.clock import Clock, read_moment, stamp
from fakescale.values.errors import Conflict, TooManyRequests

# Documented: keys are forgotten after 24 hours; guessed: since their first use.
LIFETIME = dt.timedelta(hours=24)
#: The length of a key at most; guessed.
LONGEST_KEY = 255
# Guessed: what is not an answer to the request itself is not saved. 429 is documented as
# safe to repeat, so it must not stick.
_NOT_SAVED = {401, 429}
#: How the twin of a request that is being worked on is refused; the text is guessed.
IN_FLIGHT = "A request with the provided idempotency key is still being processed."


# Text, and what else JSON can hold.
Key = tuple[str | bool, ...]


@dataclass(slots=True)
class _Use:
    fingerprint: Key
    since: dt.datetime
    answer: Answer | None = None  # None while the first request is being worked on

    def is_over(self, now: dt.datetime) -> bool:
        return now - self.since >= LIFETIME


class OncePerKey:
    """The saved answers, by key. One for all accounts: another user's key is a conflict."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._uses: OrderedDict[Key, _Use] = OrderedDict()

    def __len__(self) -> int:
        return len(self._uses)

    def run(self, key: Key, fingerprint: Key, work: Callable[[], Answer]) -> Answer:
        """Return what ``work`` answers, or what it answered when ``key`` was first used.

        ``fingerprint`` stands for the user and the parameters. Raises Conflict when the
        key was used with others, TooManyRequests while its first use is being worked on.
        """
        with self._lock:
            now = self._clock.now()
            self._forget(now)
            use = self._uses.get(key)
            if use is None or use.is_over(now):
                mine = self._uses[key] = _Use(fingerprint, now)
                self._uses.move_to_end(key)
            elif use.fingerprint != fingerprint:
                raise Conflict(  # guessed; only the status is documented
                    "The provided idempotency key is already in use for a different request."
                )
            elif use.answer is None:
                raise TooManyRequests(IN_FLIGHT)
            else:
                return use.answer
        answer = None
        try:
            answer = work()
        finally:
            with self._lock:
                if answer is not None and answer.status < 500 and answer.status not in _NOT_SAVED:
                    mine.answer = answer
                elif self._uses.get(key) is mine:
                    del self._uses[key]
        return answer

    def dump(self) -> list[dict[str, Any]]:
        """Return all that ``restore`` needs, JSON-able."""
        with self._lock:
            return [
                {
                    "key": list(key),
                    "fingerprint": list(use.fingerprint),
                    "since": stamp(use.since),
                    "status": use.answer.status,
                    "body": use.answer.body.decode(),
                }
                for key, use in self._uses.items()
                if use.answer is not None
            ]

    def restore(self, data: Iterable[Mapping[str, Any]]) -> None:
        """Take over what ``dump`` returned; raises one of many errors if it is none."""
        for item in data:
            # Those of a request: see ``api/app.py``, and ``forget``.
            if not isinstance(item["status"], int) or not isinstance(item["fingerprint"][0], str):
                raise TypeError(f"no saved answer: {item}")
            answer = Answer(item["status"], item["body"].encode())
            use = _Use(tuple(item["fingerprint"]), read_moment(item["since"]), answer)
            self._uses[tuple(item["key"])] = use

    def forget(self, chosen: Callable[[Any], bool]) -> None:
        """Drop the answers to requests whose fingerprint is ``chosen``."""
        with self._lock:
            for key in [key for key, use in self._uses.items() if chosen(use.fingerprint)]:
                del self._uses[key]

    def _forget(self, now: dt.datetime) -> None:
        """Drop expired keys, oldest first, so that memory does not grow for ever."""
        while self._uses:
            key, use = next(iter(self._uses.items()))
            if not use.is_over(now):
                return
            del self._uses[key]
