"""The faults of a fake, some of them ready-made; they test a client's retries.

Faults apply before authentication, like a proxy, and once per request. An answer that a fault
puts in place of the API's work is never saved under an Idempotency-Key. The work behind an
answer that was only lost is saved.
"""

import builtins
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any, Concatenate, Literal, ParamSpec

from fakescale.traffic.fault import Asked, Effect, Fault, Terms, check
from fakescale.traffic.idempotency import IN_FLIGHT
from fakescale.values.clock import Clock
from fakescale.values.errors import NotFound, TooManyRequests
from fakescale.values.keys import leads_to
from fakescale.values.paths import pattern

P = ParamSpec("P")

#: The paths of all creations of tasks, quality tasks among them.
CREATIONS = (
    *(f"/v1/{kind}/<type>" for kind in ("task", "evaluation_tasks", "training_tasks")),
    "/v2/task",
    "/v2/task/chat",
)

# Observed in 2016: a 503 was an HTML page of the host; its text is guessed.
_OUTAGE_PAGE = (
    "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n"
    "<body>\r\n<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n"
    "</body>\r\n</html>\r\n"
)

# The event of a fault that was added tells these in fields of its own, or not at all.
_NOT_TOLD = {"id", "hits", "account", "api_key"}


def _taking(
    terms: Callable[P, Terms],
) -> Callable[[Callable[..., Fault]], Callable[Concatenate["Faults", P], Fault]]:
    """Return a decorator that gives a method the signature of ``terms``."""

    def decorate(method: Callable[..., Fault]) -> Callable[Concatenate["Faults", P], Fault]:
        own = inspect.signature(method)
        arguments = inspect.signature(terms).parameters.values()
        parameters = [own.parameters["self"], *arguments]
        method.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        return method

    return decorate


class Faults:
    """The faults of a fake, in the order in which they were added; safe in any thread.

    The first fault that strikes a request decides the outcome, and later ones do not count the
    request. A fault that only delays lets the next one decide too.
    """

    def __init__(self, clock: Clock, note: Callable[..., None] = lambda *_, **__: None) -> None:
        self._clock = clock
        self._note = note
        self._lock = threading.Lock()
        self._faults: builtins.list[Fault] = []
        self._added = 0

    @_taking(Terms)
    def add(self, **terms: Any) -> Fault:
        """Let requests go wrong from now on, until the fault is removed.

        The arguments are the fields of `Terms`. Some choose the requests, and others say how
        these go wrong: ``status``, ``delay``, ``reset``, ``truncated`` or ``lost``. At least one
        of these five is needed.

        Returns the new fault. Raises TypeError or ValueError, naming the argument, for terms that
        make no sense.
        """
        checked = Terms(**terms)
        with self._lock:
            fault = Fault(checked, str(self._added), self._clock.now(), self.remove)
            self._added += 1
            self._faults.append(fault)
        told = {name: it for name, it in fault.to_json().items() if name not in _NOT_TOLD}
        self._note("fault added", str(fault.id), account=fault.account, **told)
        return fault

    # Ready-made faults, documented or observed of the API, except where guessed.

    def rate_limit(
        self, per_second: int, *, api_key: str | None = None, account: str | None = None
    ) -> Fault:
        """Let each API key make only ``per_second`` requests in a second of the fake's clock.

        Further requests get 429 (documented) with ``Retry-After: 1``. ``api_key`` or ``account``
        limits the fault to one key or one account. No limits are published. The header and the
        text are guessed, and so is the rule that refused requests do not count.
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

        The fault ends after ``minutes`` of the fake's clock; without them it has no end.
        ``api_key`` or ``account`` limits it to one key or one account.
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
        """Create tasks, but answer 500, or ``reset`` the connection.

        The fault strikes the next ``times`` creations, or all if that is None. ``reset`` is
        ``before`` the answer or ``within`` it. ``api_key`` or ``account`` limits the fault to one
        key or one account. The official client expects this: a 500 may hide a task that was
        created.
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
        """Refuse creations with an Idempotency-Key as if an equal request were in flight.

        The fault strikes the next ``times`` such creations, or all if that is None. ``api_key``
        or ``account`` limits it to one key or one account. Documented: the refusal is rare, has
        status 429, and is safe to repeat.
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
        """Remove a fault, given as a ``Fault`` or its id; raises NotFound if it is not there."""
        number = fault.id if isinstance(fault, Fault) else fault
        with self._lock:
            for candidate in self._faults:
                if candidate.id == number:
                    self._faults.remove(candidate)
                    self._note("fault removed", str(number), account=candidate.account)
                    return
        raise NotFound(f"There is no fault {number}.")

    def _forget(self, account: str) -> None:
        """Remove the faults that name an account, or an API key of it."""
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
        """Return the effects on a request, in order, and count the request."""
        effects = []
        for fault in self:
            if fault._concerns(
                asked, self._clock.now()
            ):  # without the lock: a predicate may do anything
                with self._lock:
                    strikes = fault in self._faults and fault._strikes(
                        asked.api_key, self._clock.now()
                    )
                if strikes:
                    where = {"method": asked.method, "path": asked.path}
                    self._note("fault struck", str(fault.id), account=fault.account, **where)
                    effects.append(fault.effect)
                    if not fault.effect.only_delays:
                        break
        return effects

    def _may_take_long(self) -> bool:
        """Return whether some fault delays answers or has a predicate."""
        return any(fault._may_take_long for fault in self._faults)

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
