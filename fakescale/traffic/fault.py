"""What a fault can do to a request, and what can be said about one."""

import http
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from fakescale.values.answer import Answer
from fakescale.values.frozen import EMPTY_DICT, freeze

_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a fault does to one request."""

    #: What it is, in a few words, for the journal.
    text: str
    #: Whether the API does its work.
    works: bool
    #: The seconds for which the answer is held back.
    delay: float
    #: What stands in place of the API's own answer.
    answer: Answer | None
    reset: str | None
    truncated: bool

    @property
    def only_delays(self) -> bool:
        """Whether the answer is what it would have been."""
        return self.works and not (self.answer or self.reset or self.truncated)

    def spoil(self, answer: Answer) -> Answer:
        """Return what becomes of ``answer``; status 0 stands for nothing at all."""
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


def effect(given: Mapping[str, Any]) -> Effect:
    """Return what a fault with these arguments, which were checked, does."""
    lost, reset, truncated = (given.get(name) for name in ("lost", "reset", "truncated"))
    status = given.get("status")
    if lost and not (status or reset or truncated):
        status = 500
    answer = None
    if status is not None:
        headers = dict(given.get("headers", EMPTY_DICT))
        if "body" in given:
            headers["Content-Type"] = given.get("content_type", "text/html; charset=utf-8")
            answer = Answer(status, given["body"].encode(), freeze(headers))
        else:
            text = given.get("error", http.HTTPStatus(status).phrase)  # guessed
            body = {"status_code": status, "error": text}
            answer = Answer(
                status, json.dumps(body, separators=(",", ":")).encode(), freeze(headers)
            )
    told = {
        "answer lost": lost,
        f"status {status}": status,
        f"reset {reset} the answer": reset,
        "truncated": truncated,
        f"delay {given.get('delay')} s": "delay" in given,
    }
    return Effect(
        text=", ".join(text for text, is_so in told.items() if is_so),
        works=bool(lost) or (answer is None and reset != "before"),
        delay=given.get("delay", 0),
        answer=answer,
        reset=reset,
        truncated=bool(truncated),
    )


# What the arguments must be.


class _Rule(NamedTuple):
    types: tuple[type, ...]
    holds: Callable[[Any], bool]
    text: str


def _always(value: Any) -> bool:
    return True


def _is_unicode(text: str) -> bool:
    return text.encode(errors="ignore").decode() == text


def _is_line(text: str) -> bool:
    """Whether ``text`` can stand in a header field."""
    return text.isascii() and text.isprintable()


# What the server says for itself, or what has an argument of its own.
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


def _is_status(status: int) -> bool:
    """Whether a final answer with a body can have ``status``, and it has a name."""
    return status >= 200 and status in set(http.HTTPStatus) - {204, 205, 304}


_COUNT = _Rule((int,), lambda count: count >= 1, "must be at least 1")
_FLAG = _Rule((bool,), _always, "")
_RULES = {
    "method": _Rule((str,), str.isalpha, "must be a method of HTTP"),
    "path": _Rule(
        (str,), lambda path: path[:1] in ("/", "*") and path, 'must begin with "/" or "*"'
    ),
    "api_key": _Rule((str,), bool, "must not be empty"),
    "account": _Rule((str,), bool, "must not be empty"),
    "predicate": _Rule((Callable,), _always, ""),  # type: ignore[arg-type]
    "nth": _COUNT,
    "times": _COUNT,
    "probability": _Rule((float, int), lambda chance: 0 <= chance <= 1, "must be from 0 to 1"),
    "seed": _Rule((int, str), _always, ""),
    "minutes": _Rule((float, int), lambda minutes: 0 < minutes < math.inf, "must be more than 0"),
    "per_second": _COUNT,
    "status": _Rule((int,), _is_status, "must be one of HTTP's from 200 on that have a body"),
    "error": _Rule((str,), _always, ""),
    "headers": _Rule(
        (Mapping,), _are_headers, "must hold text, and none of " + ", ".join(sorted(_OWN_HEADERS))
    ),
    "body": _Rule((str,), _is_unicode, "must hold no half of a surrogate pair"),
    "content_type": _Rule((str,), _is_line, "must be a line of ASCII"),
    "delay": _Rule((float, int), lambda delay: 0 <= delay <= _DAY_SECONDS, "must be within a day"),
    "reset": _Rule((str,), ("before", "within").__contains__, 'must be "before" or "within"'),
    "truncated": _FLAG,
    "lost": _FLAG,
}

# Arguments that mean nothing without others, and such that contradict each other.
_NEEDS = {
    "error": {"status"},
    "headers": {"status"},
    "body": {"status"},
    "content_type": {"body"},
    "seed": {"probability"},
}
_EXCLUDES = (("error", "body"), ("reset", "truncated"))
_EFFECTS = ("status", "delay", "reset", "truncated", "lost")


def check(name: str, value: Any) -> None:
    """Raise TypeError or ValueError unless the argument ``name`` may be ``value``."""
    rule = _RULES[name]
    # A bool is an int in Python alone.
    if not isinstance(value, rule.types) or (isinstance(value, bool) and bool not in rule.types):
        kinds = " or ".join(kind.__name__ for kind in rule.types)
        raise TypeError(f"{name} must be of type {kinds} (got {value!r})")
    if not rule.holds(value):
        raise ValueError(f"{name} {rule.text} (got {value!r})")


def checked(**arguments: Any) -> Mapping[str, Any]:
    """Return the arguments that were given: neither None nor False.

    Raises TypeError or ValueError, naming the argument, for what makes no sense.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    for name, value in given.items():
        check(name, value)
    given = {name: value for name, value in given.items() if value is not False}
    for name, needed in _NEEDS.items():
        if name in given and not needed & given.keys():
            raise ValueError(f"{name} means nothing without {' or '.join(needed)}")
    for one, other in _EXCLUDES:
        if one in given and other in given:
            raise ValueError(f"{one} and {other} exclude each other")
    if given.get("reset") == "before" and "status" in given:
        raise ValueError('status means nothing where reset is "before"')
    if not given.keys() & set(_EFFECTS):
        raise ValueError(f"one of {', '.join(_EFFECTS)} is needed, or nothing would happen")
    if "headers" in given:
        given["headers"] = freeze(given["headers"])
    return given
