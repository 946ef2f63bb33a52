"""The ``Idempotency-Key``: a repeated request is carried out once and gets the same answer."""

import datetime as dt
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fakescale.values.answer import Answer, decode, is_final
from fakescale.values.clock import Clock, read_moment, stamp
from fakescale.values.errors import Conflict, TooManyRequests

# Documented: keys are forgotten after 24 hours. Guessed: these begin with the first use.
LIFETIME = dt.timedelta(hours=24)
# Guessed: refusals that do not depend on the request itself are not saved. Documented: a 429 is
# safe to repeat, so it must not be saved either.
_NOT_SAVED = {401, 429}
#: The error of a request whose key belongs to one still in progress; the text is guessed.
IN_FLIGHT = "A request with the provided idempotency key is still being processed."


# Text, and bools, which JSON can hold.
Key = tuple[str | bool, ...]


@dataclass(slots=True)
class _Use:
    fingerprint: Key
    since: dt.datetime
    answer: Answer | None = None  # None while the first request is in progress

    def is_over(self, now: dt.datetime) -> bool:
        return now - self.since >= LIFETIME


_SAVED = {"key", "fingerprint", "since", "status", "body"}  # the members in a dump


class OncePerKey:
    """The saved answers of all accounts, by key; another user's key is a conflict."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._uses: OrderedDict[Key, _Use] = OrderedDict()

    def __len__(self) -> int:
        return len(self._uses)

    def run(self, key: Key, fingerprint: Key, work: Callable[[], Answer]) -> Answer:
        """Return the answer of ``work``, or the saved answer of the first use of ``key``.

        ``fingerprint`` stands for the user and the parameters. Raises Conflict if the key was
        first used with another fingerprint. Raises TooManyRequests while its first use is in
        progress.
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
                if answer is not None and _is_saved(answer.status):
                    mine.answer = answer
                elif self._uses.get(key) is mine:
                    del self._uses[key]
        return answer

    def dump(self) -> list[dict[str, Any]]:
        """Return the saved answers as JSON-able data for ``restore``."""
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
        """Restore a dump; raises one of several errors if ``data`` is not a dump."""
        for item in data:
            if unknown := item.keys() - _SAVED:
                raise ValueError(f"not a member of a saved answer: {min(unknown)}")
            # ``api/app.py`` makes the fingerprint of a request; its first part is the account.
            if not isinstance(item["status"], int) or not isinstance(item["fingerprint"][0], str):
                raise TypeError(f"not a saved answer: {item}")
            if not _is_saved(item["status"]):
                raise ValueError(f"not the status of a saved answer: {item['status']}")
            decode(item["body"])
            answer = Answer(item["status"], item["body"].encode())
            use = _Use(tuple(item["fingerprint"]), read_moment(item["since"]), answer)
            self._uses[tuple(item["key"])] = use

    def forget(self, chosen: Callable[[Any], bool]) -> None:
        """Drop the saved answers for whose fingerprint ``chosen`` returns True."""
        with self._lock:
            for key in [key for key, use in self._uses.items() if chosen(use.fingerprint)]:
                del self._uses[key]

    def _forget(self, now: dt.datetime) -> None:
        """Drop expired keys, so that memory does not grow forever."""
        while self._uses:
            key, use = next(iter(self._uses.items()))
            if not use.is_over(now):
                return
            del self._uses[key]


def _is_saved(status: int) -> bool:
    """Return whether an answer with this status is saved."""
    return is_final(status) and status < 500 and status not in _NOT_SAVED
