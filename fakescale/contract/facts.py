"""The facts of the contract nearest to a difference that a recording shows.

A fact is found by its words: it names the member, or the noun and the verb of the endpoint. So it
may be about something else, and a reader decides.
"""

import functools
import importlib
import pkgutil
import re
from collections.abc import Sequence
from pathlib import Path

from fakescale.contract.assumptions import ASSUMPTIONS, Assumption

_MOST = 3
# Words that many facts have, so that they tell nothing.
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by can docs for get has have id in is it its may must no none not of"
        " on one or other post put delete task than that the them they to too type value what when"
        " which with",
    )
)


def nearest(endpoint: str, member: str) -> Sequence[str]:
    """Return lines about the facts nearest to a member of the answer of an endpoint, if any.

    ``endpoint`` is like ``GET /v1/task/<task_id>``, and ``member`` a path like ``docs[].tags[]``,
    or empty for the status and the text of an answer. Raises ImportError without the extra
    ``contract``, whose tests state the facts.
    """
    of_endpoint = _words(re.sub(r"<\w+>|/v\d/", "/", endpoint))
    of_member = _words(member.rpartition(".")[2])
    wanted = of_member or of_endpoint
    found = []
    for fact, words in _facts():
        shared = wanted & words
        if len(shared) >= min(2, len(wanted)) and shared:
            score = 2 * len(shared) + len(of_endpoint & words) - len(words) / 20
            found.append((score, fact))
    best = sorted(found, key=lambda it: -it[0])[:_MOST]
    return [_line(fact) for _, fact in best]


def _line(fact: Assumption) -> str:
    if fact.kind == "guessed":
        return f"nearest guess: {fact.law} (guessed: {fact.source})"
    return f"nearest fact: {fact.law} ({fact.kind}: {fact.source})"


@functools.cache
def _facts() -> Sequence[tuple[Assumption, frozenset[str]]]:
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name.startswith("test_assumptions"):
            importlib.import_module(f"fakescale.contract.{module.name}")
    return [(fact, _words(fact.law)) for fact in ASSUMPTIONS.values()]


def _words(text: str) -> frozenset[str]:
    """Return the words of a text in the singular, without those that tell nothing."""
    parts = re.findall(r"[A-Z]?[a-z0-9]+", text)
    words = (it.lower() for it in parts)
    return frozenset(it if it.endswith("ss") else it.removesuffix("s") for it in words) - _COMMON
