"""One fault: its terms, the requests that it strikes, and its effect on them.

To add a kind of fault, add a field with its check to ``Terms``, and a branch. A new way to choose
requests has its branch in ``Fault._concerns`` or ``Fault._strikes``. A new way to go wrong has it
in ``Terms.effect`` or ``Effect.spoil``. No other file needs to change, so this one is long.
"""

import contextlib
import dataclasses
import datetime as dt
import functools
import http
import itertools
import math
import random
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self

from fakescale.values.answer import Answer, encode, is_final
from fakescale.values.clock import stamp
from fakescale.values.errors import NotFound
from fakescale.values.frozen import EMPTY_DICT, freeze
from fakescale.values.keys import leads_to
from fakescale.values.paths import pattern

_DAY_SECONDS = 86_400
_SECOND = dt.timedelta(seconds=1)
# Ids are unique in the process, so that an old id never finds a fault that a reset brought.
_ids = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as a fault's predicate sees it, like an ``Exchange`` without an answer."""

    #: The HTTP method.
    method: str
    #: The path as it was sent, percent-encoded.
    path: str
    #: The query as it was sent, percent-encoded; empty if there was none.
    query: str
    #: The header fields, by names like ``Idempotency-Key``.
    headers: Mapping[str, str] = dataclasses.field(repr=False)  # a log must not show the key
    #: The API key, or None if the request has none. The key need not be valid.
    api_key: str | None = dataclasses.field(repr=False)
    #: Returns the body; use ``json`` instead.
    content: Callable[[], Any] = dataclasses.field(repr=False)

    @property
    def json(self) -> Any:
        """The parsed body, or None if it is empty or an upload.

        Raises BadRequest if the body is bad. The predicate may let it pass: the client then gets
        that refusal as its answer.
        """
        return self.content()


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """The effect of a fault on one request."""

    #: A description in a few words, for the journal.
    text: str
    #: Whether the API carries the request out.
    works: bool
    #: The seconds of real time for which the answer is held back.
    delay: float
    #: The answer that replaces the API's own, or None.
    answer: Answer | None
    #: ``before`` or ``within`` if the connection is reset before or within the answer, or None.
    reset: str | None
    #: Whether half of the body is missing.
    truncated: bool

    @property
    def only_delays(self) -> bool:
        """Whether the fault leaves the answer itself unchanged."""
        return self.works and not (self.answer or self.reset or self.truncated)

    def spoil(self, answer: Answer) -> Answer:
        """Return the answer to send in place of ``answer``; status 0 means that none is sent."""
        if self.reset == "before":
            return Answer(0, b"", is_reset=True)
        answer = self.answer or answer
        half = answer.body[: len(answer.body) // 2]
        if self.truncated:
            return answer._replace(body=half)
        if self.reset == "within":
            headers = {**answer.headers, "Content-Length": str(len(answer.body))}
            return Answer(answer.status, half, headers, is_reset=True)
        return answer


# The checks of the terms.


class _Check(NamedTuple):
    types: tuple[type, ...]
    holds: Callable[[Any], object]
    rule: str


def _term(*types: Any, holds: Callable[[Any], object] = lambda value: True, rule: str = "") -> Any:
    """Return an optional field whose value must be of ``types`` and satisfy ``holds``."""
    return dataclasses.field(default=None, metadata={"check": _Check(types, holds, rule)})


_count = functools.partial(_term, int, holds=lambda count: count >= 1, rule="must be at least 1")
_name = functools.partial(_term, str, holds=bool, rule="must not be empty")


def _is_path(path: str) -> bool:
    """Return whether a request to the API may have the path; other paths would never strike."""
    return path.startswith(("/v1/", "/v2/", "/*", "/<", "*"))


def _is_unicode(text: str) -> bool:
    return text.encode(errors="ignore").decode() == text


def _is_line(text: str) -> bool:
    """Return whether a header field can hold ``text``."""
    return text.isascii() and text.isprintable()


# The server sends these fields itself, or a term of their own sets them.
_OWN_HEADERS = {"content-type", "content-length", "transfer-encoding", "connection", "date"}


def _are_headers(headers: Mapping[Any, Any]) -> bool:
    return all(
        isinstance(name, str)
        and re.fullmatch(r"[\w!#$%&'*+.^`|~-]+", name, re.ASCII)
        and name.lower() not in _OWN_HEADERS
        and isinstance(value, str)
        and _is_line(value)
        for name, value in headers.items()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The arguments of ``Faults.add``. All are optional; None and False mean "not given".

    The terms up to ``per_second`` choose the requests that the fault strikes. A request must meet
    all that are given. The terms from ``status`` on say how these requests go wrong.

    Raises TypeError or ValueError, naming the argument, for terms that make no sense.
    """

    # The requests that the fault strikes.

    #: Only requests with this method.
    method: str | None = _term(str, holds=str.isalpha, rule="must be a method of HTTP")
    #: Only requests whose percent-encoded path matches this pattern. ``<name>`` matches one
    #: segment, and ``*`` matches any text.
    path: str | None = _term(str, holds=_is_path, rule='must begin with "/v1/", "/v2/" or "*"')
    #: Only requests with this API key.
    api_key: str | None = _name()
    #: Only requests with any API key of this account.
    account: str | None = _name()
    #: Only requests for which this function, given an ``Asked``, returns a true value.
    predicate: Callable[[Asked], object] | None = _term(Callable)  # noqa: RUF009
    #: Only from the ``nth`` matching request on; the first is 1.
    nth: int | None = _count()
    #: At most this many requests in all.
    times: int | None = _count()
    #: Each matching request with this probability, from 0 to 1.
    probability: float | None = _term(
        float, int, holds=lambda chance: 0 <= chance <= 1, rule="must be from 0 to 1"
    )
    #: The seed of the random draws. The default is the number of faults added before this one.
    seed: int | str | None = _term(int, str)
    #: Only for this many minutes of the fake's clock, from now on.
    minutes: float | None = _term(
        float, int, holds=lambda minutes: 0 < minutes < math.inf, rule="must be more than 0"
    )
    #: Only requests over this number per API key, within a second of the fake's clock.
    per_second: int | None = _count()

    # The effect on these requests.

    #: Answer with this status and the API's error body, and do not carry the request out.
    status: int | None = _term(
        int, holds=is_final, rule="must be a status of HTTP, 200 or more, that allows a body"
    )
    #: The text in the error body. The default, the status's phrase, is guessed.
    error: str | None = _term(str)
    #: Further header fields of the answer with ``status``.
    headers: Mapping[str, str] | None = _term(
        Mapping,
        holds=_are_headers,
        rule="must hold text, and none of " + ", ".join(sorted(_OWN_HEADERS)),
    )
    #: The body of the answer with ``status``, in place of the error body.
    body: str | None = _term(str, holds=_is_unicode, rule="must hold no half of a surrogate pair")
    #: The content type of ``body``. The default is HTML.
    content_type: str | None = _term(str, holds=_is_line, rule="must be a line of ASCII")
    #: Send the answer this many seconds of real time late, after the request is carried out.
    delay: float | None = _term(
        float, int, holds=lambda delay: 0 <= delay <= _DAY_SECONDS, rule="must be within a day"
    )
    #: Reset the connection: ``before`` carries nothing out and sends nothing, and ``within``
    #: resets it after half of the body.
    reset: Literal["before", "within"] | None = _term(
        str, holds=("before", "within").__contains__, rule='must be "before" or "within"'
    )
    #: Send only half of the body, with a Content-Length that agrees.
    truncated: bool | None = _term(bool)
    #: Always carry the request out, but lose its answer. By default a 500 comes instead;
    #: ``status``, ``reset`` or ``truncated`` choose another outcome.
    lost: bool | None = _term(bool)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if getattr(self, field.name) is not None:
                check(field.name, getattr(self, field.name))
        given = self.given()
        for name, needed in _NEEDS.items():
            if name in given and needed not in given:
                raise ValueError(f"{name} means nothing without {needed}")
        for one, other in _EXCLUDES:
            if one in given and other in given:
                raise ValueError(f"{one} and {other} exclude each other")
        if self.reset == "before" and "status" in given:
            raise ValueError('status means nothing if reset is "before"')
        if not given.keys() & set(_EFFECTS):
            raise ValueError(f"one of {', '.join(_EFFECTS)} is needed, or nothing would happen")
        if self.headers is not None:
            object.__setattr__(self, "headers", freeze(self.headers))

    def given(self) -> dict[str, Any]:
        """Return the given terms, by name."""
        terms = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: it for name, it in terms.items() if it is not None and it is not False}

    def effect(self) -> Effect:
        """Return the effect of the fault on each request that it strikes."""
        status = self.status
        if self.lost and not (status or self.reset or self.truncated):
            status = 500
        told = {
            "answer lost": self.lost,
            f"status {status}": status,
            f"reset {self.reset} the answer": self.reset,
            "truncated": self.truncated,
            f"delay {self.delay} s": self.delay is not None,
        }
        return Effect(
            text=", ".join(text for text, is_so in told.items() if is_so),
            works=bool(self.lost) or (status is None and self.reset != "before"),
            delay=self.delay or 0,
            answer=None if status is None else self._answer(status),
            reset=self.reset,
            truncated=bool(self.truncated),
        )

    def _answer(self, status: int) -> Answer:
        headers = dict(self.headers or EMPTY_DICT)
        if self.body is not None:
            is_html = self.content_type is None
            headers["Content-Type"] = "text/html; charset=utf-8" if is_html else self.content_type
            return Answer(status, self.body.encode(), freeze(headers))
        text = http.HTTPStatus(status).phrase if self.error is None else self.error  # guessed
        body = encode({"status_code": status, "error": text})
        return Answer(status, body, freeze(headers))


# Each term that means nothing without another, and the pairs that contradict each other.
_NEEDS = {
    "error": "status",
    "headers": "status",
    "body": "status",
    "content_type": "body",
    "seed": "probability",
}
_EXCLUDES = (("error", "body"), ("reset", "truncated"))
_EFFECTS = ("status", "delay", "reset", "truncated", "lost")
_CHECKS = {field.name: field.metadata["check"] for field in dataclasses.fields(Terms)}


def check(name: str, value: Any) -> None:
    """Raise TypeError or ValueError unless the argument ``name`` may be ``value``."""
    types, holds, rule = _CHECKS[name]
    # Python counts a bool as an int; a fault does not.
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        kinds = " or ".join(kind.__name__ for kind in types)
        raise TypeError(f"{name} must be of type {kinds} (got {value!r})")
    if not holds(value):
        raise ValueError(f"{name} {rule} (got {value!r})")


class Fault:
    """A fault that ``Faults.add`` has added.

    Use it in a ``with`` block to remove it at the end of the block.
    """

    def __init__(
        self, terms: Terms, seed: str, now: dt.datetime, remove: Callable[["Fault"], None]
    ) -> None:
        #: The number of the fault, which ``Faults.remove`` takes.
        self.id = next(_ids)
        #: The number of requests that the fault has struck.
        self.hits = 0
        #: The effect on each request that the fault strikes.
        self.effect = terms.effect()
        self._terms = terms
        self._remove = remove
        self._seen = 0  # the number of requests that `_concerns` counted
        self._random = random.Random(seed if terms.seed is None else terms.seed)
        self._passed: dict[str | None, deque[dt.datetime]] = {}
        self._until: dt.datetime | None = None
        if terms.minutes is not None:
            try:
                self._until = now + dt.timedelta(minutes=terms.minutes)
            except OverflowError:
                raise ValueError("minutes must end within the calendar") from None

    @property
    def api_key(self) -> str | None:
        """The only API key whose requests the fault strikes, or None for all keys."""
        return self._terms.api_key

    @property
    def account(self) -> str | None:
        """The only account whose requests the fault strikes, or None for all accounts."""
        return self._terms.account

    @property
    def _may_take_long(self) -> bool:
        return self._terms.predicate is not None or self._terms.delay is not None

    def to_json(self) -> dict[str, Any]:
        """Return ``id``, ``hits`` and the given arguments as a JSON-able dict.

        The dict shows a predicate by its name. With ``minutes`` it also has ``until``, the time
        at which the fault ends, on the fake's clock.
        """
        printed = {"id": self.id, "hits": self.hits, **self._terms.given()}
        if "predicate" in printed:
            printed["predicate"] = getattr(printed["predicate"], "__name__", "predicate")
        if self._until is not None:
            printed["until"] = stamp(self._until)
        return printed

    def _concerns(self, asked: Asked, now: dt.datetime) -> bool:
        """Return whether the fault counts the request ``asked``, and so may strike it."""
        terms = self._terms
        return (
            not self._is_over(now)
            and (terms.method is None or terms.method.upper() == asked.method)
            and (terms.path is None or pattern(terms.path).fullmatch(asked.path) is not None)
            and terms.api_key in (None, asked.api_key)
            and (terms.account is None or leads_to(asked.api_key or "", terms.account))
            and (terms.predicate is None or bool(terms.predicate(asked)))
        )

    def _strikes(self, api_key: str | None, now: dt.datetime) -> bool:
        """Count a request that the fault concerns, and return whether the fault strikes it."""
        terms = self._terms
        self._seen += 1
        if (
            self._seen < (terms.nth or 1)
            or self._is_over(now)
            or (terms.per_second is not None and self._lets_pass(terms.per_second, api_key, now))
            or self._random.random() >= (1 if terms.probability is None else terms.probability)
        ):
            return False
        self.hits += 1
        return True

    def _is_over(self, now: dt.datetime) -> bool:
        """Return whether the fault has ended."""
        is_used_up = self._terms.times is not None and self.hits >= self._terms.times
        return is_used_up or (self._until is not None and now >= self._until)

    def _lets_pass(self, limit: int, api_key: str | None, now: dt.datetime) -> bool:
        passed = self._passed.setdefault(api_key, deque(maxlen=limit))
        # A clock that was set back must not refuse requests until it has caught up.
        if len(passed) == limit and dt.timedelta() <= now - passed[0] < _SECOND:
            return False
        passed.append(now)
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(NotFound):  # already removed by hand, or by a reset
            self._remove(self)

    def __repr__(self) -> str:
        return f"<Fault {self.id}: {self.effect.text}, {self.hits} hits>"
