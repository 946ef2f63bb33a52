"""The deep merge of JSON objects."""

from collections.abc import Mapping
from typing import Any

from fakescale.values.frozen import FrozenDict


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> FrozenDict:
    """Return ``old`` with the members of ``new``; objects in both merge member by member.

    Documented: new values win. Guessed: arrays, scalars and null replace the old value.
    """
    both = {
        name: merged(old[name], value)
        if isinstance(value, Mapping) and isinstance(old.get(name), Mapping)
        else value
        for name, value in new.items()
    }
    return FrozenDict({**old, **both})
