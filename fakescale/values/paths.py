"""Patterns of paths, for routes and faults."""

import functools
import re


@functools.cache
def pattern(path: str) -> re.Pattern[str]:
    """Return the regular expression, to be matched with a whole path, for ``path``.

    ``<name>`` matches one segment and is a group of this name. ``*`` matches any text. One
    slash at the end is tolerated (guessed).

    The expression gives back nothing after the first way to match the text up to a ``*``, or up
    to a later ``<name>`` of the same segment. Such a way ends earliest, so no other one could do
    better, and the time does not grow with the number of wildcards.
    """
    names: set[str] = set()
    *chunks, last = path.split("*")
    if not chunks:
        return re.compile(_expression(last, names) + "/?", re.DOTALL)
    first, *inner = (_expression(chunk, names, earliest=True) for chunk in chunks)
    middle = "".join(f"(?>.*?{chunk})" for chunk in inner if chunk)
    return re.compile(f"(?>{first}){middle}.*{_expression(last, names)}/?", re.DOTALL)


def _expression(chunk: str, names: set[str], *, earliest: bool = False) -> str:
    """Return the expression for a part of a path without ``*``.

    ``earliest`` lets it match the shortest text. ``names`` are those of the groups so far.
    """
    text, *rest = re.split(r"<(\w+)>", chunk)
    expression = re.escape(text)
    for number in range(0, len(rest), 2):
        name, text = rest[number : number + 2]
        is_within = "/" not in text and number + 2 < len(rest)  # before another in its segment
        segment = "[^/]+?" if earliest or is_within else "[^/]+"
        # A group needs an identifier, and each name only once.
        if name.isidentifier() and name not in names:
            names.add(name)
            segment = f"(?P<{name}>{segment})"
        part = segment + re.escape(text)
        expression += f"(?>{part})" if is_within else part
    return expression
