"""Patterns of paths, for routes and faults."""

import functools
import re


@functools.cache
def pattern(path: str) -> re.Pattern[str]:
    """Return the regular expression, to be matched with a whole path, for ``path``.

    ``<name>`` matches one segment and is a group of this name. ``*`` matches any text. One
    slash at the end is tolerated (guessed).
    """
    names: set[str] = set()

    def wild(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return ".*"
        # A group needs an identifier, and each name only once.
        is_group = name.isidentifier() and name not in names
        names.add(name)
        return f"(?P<{name}>[^/]+)" if is_group else "[^/]+"

    return re.compile(re.sub(r"<(\w+)>|\\\*", wild, re.escape(path)) + "/?", re.DOTALL)
