"""Assumptions about the API, and the table of their outcomes.

A fact is *documented* if the reference or the official clients state it.
A fact is *observed* if the official clients' tests or published traffic show it.
A fact is *guessed* if no public source has it. It then has a reason instead of a source.
"""

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

from fakescale.contract.asking import BODY, TYPE
from fakescale.contract.target import ABSENT

KINDS = ("documented", "observed", "guessed")
OUTCOMES = ("passed", "failed", "not asked")


@dataclasses.dataclass(frozen=True)
class Assumption:
    """An assumed fact about the API."""

    #: One of ``KINDS``.
    kind: str
    #: The fact, in words; no two assumptions have the same.
    law: str
    #: The source of the fact, or the reason for a guess.
    source: str


# Sources and reasons that several assumptions share.
BATCHES = "batches page of the reference"
CALLBACKS = "callbacks page of the reference"
CLIENT = "official Python client"
DOWNLOADER = "the service's own downloader of tasks"
DUMP = "a published list of tasks of 2023"
ERRORS = "errors page of the reference"
EXPRESS = "the recorded answers come from Express, which does this"
FILES = "files page of the reference"
JOI = "the one published error text looks like a schema validator's"
LOOP = "silently starting over would loop forever"
NODE = "official Node client"
OLD = "recorded traffic of 2016"
PAGE = "tasks page of the reference"
PARAMETER = "a parameter is wrong, not the path"
PROJECTS = "projects page of the reference"
RANGE = "the page gives the range from 1 to 100"
README = "README of the official Python client"
REQUIRED = "the official client always sends it"
RUBY = "recorded traffic of 2019"
SCRIPTS = "official sample scripts"
STUDIO = "Studio page of the reference"
THIRD = "third-party clients"
TESTS = "official Python client's tests"

#: All assumptions by their laws.
ASSUMPTIONS: dict[str, Assumption] = {}


class Row(NamedTuple):
    """An assumption that a single request tests.

    ``{task}``, ``{project}`` and so on in the request and its body stand for things of the
    account; see ``asking.Things``.
    """

    assumption: Assumption
    #: The method and path, for example ``GET /tasks``.
    request: str
    #: The expected status of the answer.
    status: int
    body: Any = ABSENT


def rows(kind: str, *table: tuple[Any, ...]) -> list[Row]:
    """Return the rows of a table of (law, source, request, status[, body]), all of one kind."""
    return [Row(_assume(kind, law, source), *rest) for law, source, *rest in table]


def creations(kind: str, *table: tuple[str, str, int, Mapping[str, Any]]) -> list[Row]:
    """Return rows that create a task, from (law, source, status, members of the body)."""
    return rows(
        kind,
        *(
            (law, source, f"POST /task/{TYPE}", status, {**BODY, **changes})
            for law, source, status, changes in table
        ),
    )


def _assume(kind: str, law: str, source: str) -> Assumption:
    assumption = Assumption(kind, law, source)
    # A module that is imported again repeats its assumptions.
    assert ASSUMPTIONS.setdefault(law, assumption) == assumption, f"assumed twice: {law}"
    return assumption


def _marker(kind: str, source: str) -> Callable[[Any], Any]:
    def mark(test: Any) -> Any:
        law = test.__name__.removeprefix("test_").replace("_", " ")
        test.assumption = _assume(kind, law, source)
        return test

    return mark


def documented(source: str) -> Callable[[Any], Any]:
    """Mark a test of a fact that ``source`` documents; the test's name states the fact."""
    return _marker("documented", source)


def observed(source: str) -> Callable[[Any], Any]:
    """Mark a test of a fact that ``source`` shows."""
    return _marker("observed", source)


def guessed(reason: str) -> Callable[[Any], Any]:
    """Mark a test of a fact that is guessed for ``reason``."""
    return _marker("guessed", reason)


def report(passed: Collection[Assumption], failed: Collection[Assumption]) -> Iterator[str]:
    """Yield the lines of the table of outcomes, then one for each wrong assumption."""
    outcomes: Mapping[str, list[Assumption]] = {outcome: [] for outcome in OUTCOMES}
    for assumption in ASSUMPTIONS.values():
        is_asked = assumption in failed or assumption in passed
        outcome = "failed" if assumption in failed else "passed"
        outcomes[outcome if is_asked else "not asked"].append(assumption)
    yield f"{'':10}" + "".join(f"{outcome:>11}" for outcome in OUTCOMES)
    for kind in KINDS:
        counts = (sum(it.kind == kind for it in outcomes[outcome]) for outcome in OUTCOMES)
        yield f"{kind:10}" + "".join(f"{count:>11}" for count in counts)
    for assumption in outcomes["failed"]:
        yield f"wrong ({assumption.kind}: {assumption.source}): {assumption.law}"
