"""Patterns of paths, as the routes and the faults have them."""

import functools
import re


@functools.cache
def pattern(path: str) -> re.Pattern[str]:
    """Return the pattern that matches whole paths.

    ``<name>`` is one segment, and a group of this name. ``*`` is any text. One slash at the
    end is tolerated (guessed).
    """
    names: set[str] = set()

    def wild(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return ".*"
        # A pattern takes a name once, and not every text is one.
        is_group = name.isidentifier() and name not in names
        names.add(name)
        return f"(?P<{name}>[^/]+)" if is_group else "[^/]+"

    return re.compile(re.sub(r"<(\w+)>|\\\*", wild, re.escape(path)) + "/?", re.DOTALL)
