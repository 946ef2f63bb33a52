"""What an assumption is, what became of those that were asked, and the table that tells it.

A fact about the API is *documented* by its maker, in the reference or the official clients;
or *observed*, in the official clients' own tests and in published traffic; or *guessed*,
since nothing tells, with a reason in place of a source.
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
    """A fact, of one of ``KINDS``, and where it is from."""

    kind: str
    law: str
    source: str


# Sources, and reasons, that stand for several.
BATCHES = "batches page of the reference"
CALLBACKS = "callbacks page of the reference"
CLIENT = "official Python client"
DUMP = "a published list of tasks of 2023"
ERRORS = "errors page of the reference"
EXPRESS = "the recorded answers are of Express, which does so"
FILES = "files page of the reference"
JOI = "the one published text looks like a schema validator's"
LOOP = "to begin again silently would never end"
NODE = "official Node client"
OLD = "recorded traffic of 2016"
PAGE = "tasks page of the reference"
PARAMETER = "a parameter is wrong, the path is not"
PROJECTS = "projects page of the reference"
RANGE = "the page gives the range from 1 to 100"
README = "README of the official Python client"
REQUIRED = "the official client always sends it"
RUBY = "recorded traffic of 2019"
SCRIPTS = "official sample scripts"
STUDIO = "Studio page of the reference"
THIRD = "third-party clients"
TESTS = "official Python client's tests"

#: All there are, by their laws.
ASSUMPTIONS: dict[str, Assumption] = {}


class Row(NamedTuple):
    """A question that is one request, such as ``GET /tasks``, and the status that it gets.

    In the request and its body ``{task}``, ``{project}`` and so on stand for things of the
    account; see ``asking.Things``.
    """

    assumption: Assumption
    request: str
    status: int
    body: Any = ABSENT


def rows(kind: str, *table: tuple[Any, ...]) -> list[Row]:
    """Return rows of one kind, each from law, source, request, status and maybe a body."""
    return [Row(_assume(kind, law, source), *rest) for law, source, *rest in table]


def creations(kind: str, *table: tuple[str, str, int, Mapping[str, Any]]) -> list[Row]:
    """Return rows for creations of a task, from law, source, status and what the body has."""
    return rows(
        kind,
        *(
            (law, source, f"POST /task/{TYPE}", status, {**BODY, **changes})
            for law, source, status, changes in table
        ),
    )


def _assume(kind: str, law: str, source: str) -> Assumption:
    assumption = Assumption(kind, law, source)
    # The same again when a module is imported anew.
    assert ASSUMPTIONS.setdefault(law, assumption) == assumption, f"assumed twice: {law}"
    return assumption


def _marker(kind: str, source: str) -> Callable[[Any], Any]:
    def mark(test: Any) -> Any:
        law = test.__name__.removeprefix("test_").replace("_", " ")
        test.assumption = _assume(kind, law, source)
        return test

    return mark


def documented(source: str) -> Callable[[Any], Any]:
    """Mark a test, named for the fact that it asks for, which ``source`` documents."""
    return _marker("documented", source)


def observed(source: str) -> Callable[[Any], Any]:
    """Mark a test for a fact that ``source`` shows."""
    return _marker("observed", source)


def guessed(reason: str) -> Callable[[Any], Any]:
    """Mark a test for a fact that nothing tells, which is guessed for this reason."""
    return _marker("guessed", reason)


def report(passed: Collection[Assumption], failed: Collection[Assumption]) -> Iterator[str]:
    """Yield the lines of the table, and one for each assumption that is wrong."""
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
        yield f"not so ({assumption.kind}: {assumption.source}): {assumption.law}"
