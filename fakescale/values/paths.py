"""Patterns of paths, for routes and faults."""

import functools
import re
from typing import NamedTuple


class WithWildcards(NamedTuple):
    """A compiled pattern with at least one ``*``.

    The time to match a text grows with its length alone, not with its square: each expression
    matches the shortest text, and gives nothing back. Such a match leaves the most for the rest
    of the pattern, so no other match could do better.
    """

    #: The expression for the part up to the last ``*``.
    head: re.Pattern[str]
    #: The expression for the part after the last ``*``, for the text read backwards.
    tail: re.Pattern[str]

    def fullmatch(self, text: str) -> re.Match[str] | None:
        """Return a match, which has no groups, if the pattern matches the whole of ``text``."""
        found = self.head.match(text)
        return found and self.tail.match(text[found.end() :][::-1])


@functools.lru_cache(maxsize=1_000)  # faults and searches may bring any number
def pattern(path: str) -> re.Pattern[str] | WithWildcards:
    """Return the expression, to be matched with a whole path, for ``path``.

    ``<name>`` matches one segment, and is a group of this name in a path without ``*``. ``*``
    matches any text. One slash at the end is tolerated (guessed).
    """
    # Each chunk holds texts, with the name of a segment between each two.
    first, *rest = (re.split(r"<(\w+)>", chunk) for chunk in path.split("*"))
    if not rest:
        return re.compile(_expression(first, set()) + "/?", re.DOTALL)
    *inner, last = (chunk[::2] for chunk in rest)
    head = f"(?>{_shortest(first[::2])})" + "".join(map(_found, inner))
    tail = "(?:/|)" + _shortest([text[::-1] for text in reversed(last)])
    return WithWildcards(re.compile(head, re.DOTALL), re.compile(tail, re.DOTALL))


def _expression(chunk: list[str], names: set[str]) -> str:
    """Return the expression for a pattern without ``*``. ``names`` are those of the groups."""
    text, *rest = chunk
    expression = re.escape(text)
    for number in range(0, len(rest), 2):
        name, text = rest[number : number + 2]
        is_within = "/" not in text and number + 2 < len(rest)  # before another in its segment
        segment = "[^/]+?" if is_within else "[^/]+"
        # A group needs an identifier, and each name only once.
        if name.isidentifier() and name not in names:
            names.add(name)
            segment = f"(?P<{name}>{segment})"
        part = segment + re.escape(text)
        expression += f"(?>{part})" if is_within else part
    return expression


def _shortest(texts: list[str]) -> str:
    """Return the expression for the shortest match of texts with a segment between each two."""
    text, *rest = texts
    expression = re.escape(text)
    for number, text in enumerate(rest, 1):
        part = "[^/]+?" + re.escape(text)
        is_within = "/" not in text and number < len(rest)  # before another in its segment
        expression += f"(?>{part})" if is_within else part
    return expression


def _found(texts: list[str]) -> str:
    """Return the expression for any text, and the first match of ``texts`` after it."""
    text, *rest = texts
    start = re.escape(text)
    if rest and not text:
        # Any text before may also take the segment, except its last character.
        text, *rest = rest
        start = "[^/]" + re.escape(text)
    if not rest:
        return f"(?>.*?{start})"
    end = _shortest(["", *rest])
    if "/" in text:
        return f"(?>.*?{start}{end})"
    # If the end is not found from one place in a segment, it is from no later place there.
    return f"(?>(?:(?>.*?{start})(?!{end})[^/]*)*+.*?{start}{end})"
