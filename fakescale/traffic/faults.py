"""Faults: which requests go wrong, and how, so that a client's retries can be tested.

A fault stands in front of the API, as a proxy does: it is looked for once per request, before
the key is checked. What keeps the API from its work is never saved under an Idempotency-Key;
the work behind an answer that was only lost is.
"""

import builtins
import contextlib
import datetime as dt
import itertools
import math
import random
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from fakescale.traffic.fault import Effect, check, checked, effect
from fakescale.traffic.idempotency import IN_FLIGHT
from fakescale.values.clock import Clock, stamp
from fakescale.values.errors import NotFound, TooManyRequests
from fakescale.values.keys import leads_to
from fakescale.values.paths import pattern

#: The paths of all creations of tasks, quality tasks among them.
CREATIONS = tuple(f"/v1/{kind}/<type>" for kind in ("task", "evaluation_tasks", "training_tasks"))

_SECOND = dt.timedelta(seconds=1)
# Observed in 2016: a 503 was an HTML page of the host; its text is guessed.
_OUTAGE_PAGE = (
    "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n"
    "<body>\r\n<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n"
    "</body>\r\n</html>\r\n"
)
# Numbered throughout the process: an id from before a reset leads to no fault from after it.
_ids = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as a predicate sees it: like an Exchange that has no answer yet."""

    method: str
    #: As it was sent, percent-encoded; so is the query.
    path: str
    query: str
    headers: Mapping[str, str]
    api_key: str | None
    content: Callable[[], Any]

    @property
    def json(self) -> Any:
        """The body, or None if it is empty; raises BadRequest, the client's own, if it is bad."""
        return self.content()


class Fault:
    """A fault that was added; at the end of a ``with`` block of it, it is removed."""

    def __init__(self, faults: "Faults", clock: Clock, seed: str, given: Mapping[str, Any]) -> None:
        #: The number by which it can be removed.
        self.id = next(_ids)
        #: How many requests it has struck.
        self.hits = 0
        self._faults = faults
        self._given = given
        self._seen = 0  # how many it could have struck
        self._random = random.Random(given.get("seed", seed))
        self._passed: dict[str | None, deque[dt.datetime]] = {}
        self._until: dt.datetime | None = None
        if "minutes" in given:
            try:
                self._until = clock.now() + dt.timedelta(minutes=given["minutes"])
            except OverflowError:
                raise ValueError("minutes must not lead out of the calendar") from None
        self.effect = effect(given)

    @property
    def api_key(self) -> str | None:
        """The API key whose requests it concerns alone, if there is one."""
        return self._given.get("api_key")

    @property
    def account(self) -> str | None:
        """The account whose requests, by any of its keys, it concerns alone, if there is one."""
        return self._given.get("account")

    def to_json(self) -> dict[str, Any]:
        """Return its ``id``, ``hits`` and arguments as JSON-able data.

        Of a predicate that is its name; ``until`` is when ``minutes`` are over.
        """
        printed = {"id": self.id, "hits": self.hits, **self._given}
        if "predicate" in printed:
            printed["predicate"] = getattr(printed["predicate"], "__name__", "predicate")
        if self._until is not None:
            printed["until"] = stamp(self._until)
        return printed

    def _concerns(self, asked: Asked) -> bool:
        """Return whether ``asked`` is one of the requests that are counted."""
        given = self._given
        return (
            given.get("method", asked.method).upper() == asked.method
            and pattern(given.get("path", "*")).fullmatch(asked.path) is not None
            and given.get("api_key", asked.api_key) == asked.api_key
            and ("account" not in given or leads_to(asked.api_key or "", given["account"]))
            and ("predicate" not in given or bool(given["predicate"](asked)))
        )

    def _strikes(self, api_key: str | None, now: dt.datetime) -> bool:
        """Count a request that it concerns, and return whether it strikes that."""
        given = self._given
        self._seen += 1
        if (
            self._seen < given.get("nth", 1)
            or self.hits >= given.get("times", math.inf)
            or (self._until is not None and now >= self._until)
            or ("per_second" in given and self._lets_pass(given["per_second"], api_key, now))
            or self._random.random() >= given.get("probability", 1)
        ):
            return False
        self.hits += 1
        return True

    def _lets_pass(self, limit: int, api_key: str | None, now: dt.datetime) -> bool:
        passed = self._passed.setdefault(api_key, deque(maxlen=limit))
        # A clock that was set back must not close the door until it has caught up.
        if len(passed) == limit and dt.timedelta() <= now - passed[0] < _SECOND:
            return False
        passed.append(now)
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(NotFound):  # by hand, or by a reset
            self._faults.remove(self)

    def __repr__(self) -> str:
        return f"<Fault {self.id}: {self.effect.text}, {self.hits} hits>"


class Faults:
    """The faults of a fake, in the order in which they were added. Safe in any thread.

    The first that strikes a request settles what happens to it and the later ones do not
    count it, but for faults that only delay: those go together with the next that strikes.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._faults: builtins.list[Fault] = []
        self._added = 0

    def add(
        self,
        *,
        method: str | None = None,
        path: str | None = None,
        api_key: str | None = None,
        account: str | None = None,
        predicate: Callable[[Asked], object] | None = None,
        nth: int | None = None,
        times: int | None = None,
        probability: float | None = None,
        seed: int | str | None = None,
        minutes: float | None = None,
        per_second: int | None = None,
        status: int | None = None,
        error: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        content_type: str | None = None,
        delay: float | None = None,
        reset: Literal["before", "within"] | None = None,
        truncated: bool | None = None,
        lost: bool | None = None,
    ) -> Fault:
        """Let requests go wrong from now on, until the fault is removed.

        Which: those with this ``method``; whose raw path is like ``path``, in which ``<name>``
        stands for one segment and ``*`` for any text; with this ``api_key``; with any key of
        this ``account``; for which ``predicate`` is true of an Asked. Of those not the first
        ``nth - 1``; only ``times`` of them; each with ``probability``, drawn from ``seed`` (by
        default from the number of faults that were added before); for ``minutes`` of the
        fake's clock; those of an API key that come after ``per_second`` others within a second
        of that clock.

        What: the answer has this ``status`` and the API's error body with ``error``, or
        ``body`` with ``content_type`` (HTML by default), and ``headers``; the work is not
        done. It comes ``delay`` real seconds late, after the work. The connection is
        ``reset`` "before" the answer, and the work not done, or "within" it: after half of
        the body. The body is ``truncated``: half of it, and the Content-Length agrees. With
        ``lost`` the work is always done, and its answer lost: without any of these a 500
        comes instead.

        Raises TypeError or ValueError, naming the argument, for what makes no sense.
        """
        given = checked(
            method=method,
            path=path,
            api_key=api_key,
            account=account,
            predicate=predicate,
            nth=nth,
            times=times,
            probability=probability,
            seed=seed,
            minutes=minutes,
            per_second=per_second,
            status=status,
            error=error,
            headers=headers,
            body=body,
            content_type=content_type,
            delay=delay,
            reset=reset,
            truncated=truncated,
            lost=lost,
        )
        with self._lock:
            fault = Fault(self, self._clock, str(self._added), given)
            self._added += 1
            self._faults.append(fault)
        return fault

    # What the API documents.

    def rate_limit(
        self, per_second: int, *, api_key: str | None = None, account: str | None = None
    ) -> Fault:
        """Let each API key make only so many requests in a second of the fake's clock.

        The others get 429 (documented) with ``Retry-After: 1``. No limits are published;
        the header, the text, and that refused requests do not count are guessed.
        """
        check("per_second", per_second)
        return self.add(
            per_second=per_second,
            api_key=api_key,
            account=account,
            status=429,
            error="Too many requests.",
            headers={"Retry-After": "1"},  # whole seconds; clients ignore 0
        )

    def outage(
        self,
        *,
        minutes: float | None = None,
        api_key: str | None = None,
        account: str | None = None,
    ) -> Fault:
        """Answer everything with a proxy's 503, an HTML page (observed in 2016).

        It ends when so many ``minutes`` of the fake's clock are over.
        """
        return self.add(
            minutes=minutes, api_key=api_key, account=account, status=503, body=_OUTAGE_PAGE
        )

    def lost_answer(
        self,
        *,
        times: int | None = 1,
        reset: Literal["before", "within"] | None = None,
        api_key: str | None = None,
        account: str | None = None,
    ) -> Fault:
        """Create tasks, but answer 500 or ``reset`` the connection.

        The official client expects as much: a 500 may hide a task that was created.
        """
        return self.add(
            method="POST",
            predicate=_creates,
            times=times,
            reset=reset,
            api_key=api_key,
            account=account,
            lost=True,
        )

    def duplicate_in_flight(
        self, *, times: int | None = 1, api_key: str | None = None, account: str | None = None
    ) -> Fault:
        """Refuse creations with an Idempotency-Key as twins of one that is in flight.

        Documented: rare, with status 429, and safe to repeat.
        """
        return self.add(
            method="POST",
            predicate=_creates_once,
            times=times,
            api_key=api_key,
            account=account,
            status=TooManyRequests.status,
            error=IN_FLIGHT,
        )

    def remove(self, fault: Fault | int) -> None:
        """Remove a fault, given as it is or by its id; raises NotFound if it isn't there."""
        number = fault.id if isinstance(fault, Fault) else fault
        with self._lock:
            for candidate in self._faults:
                if candidate.id == number:
                    self._faults.remove(candidate)
                    return
        raise NotFound(f"There is no fault {number}.")

    def _forget(self, account: str) -> None:
        """Remove the faults of one account, and of keys that lead to it."""
        with self._lock:
            self._faults = [
                fault
                for fault in self._faults
                if fault.account != account and not leads_to(fault.api_key or "", account)
            ]

    def list(self) -> builtins.list[Fault]:
        """Return all faults, in the order in which they were added."""
        with self._lock:
            return self._faults.copy()

    def _decide(self, asked: Asked) -> builtins.list[Effect]:
        """Return what is to happen to a request, in this order; counts it."""
        effects = []
        for fault in self:
            if fault._concerns(asked):  # without the lock: a predicate may do anything
                with self._lock:
                    strikes = fault in self._faults and fault._strikes(
                        asked.api_key, self._clock.now()
                    )
                if strikes:
                    effects.append(fault.effect)
                    if not fault.effect.only_delays:
                        break
        return effects

    def __iter__(self) -> Iterator[Fault]:
        return iter(self.list())

    def __len__(self) -> int:
        return len(self._faults)

    def __repr__(self) -> str:
        return f"<Faults {list(self)}>"


def _creates(asked: Asked) -> bool:
    return any(pattern(path).fullmatch(asked.path) for path in CREATIONS)


def _creates_once(asked: Asked) -> bool:
    return _creates(asked) and bool(asked.headers.get("Idempotency-Key"))
