"""Values that stand for a text: a member of an enum for its value, a record for its key."""

import enum
from typing import Any


def named(value: Any) -> Any:
    """Return the text that ``value`` stands for, or ``value`` itself.

    A member of an enum stands for its value. A record, for example a `Task`, stands for the
    field that its class names in ``_key``.
    """
    if isinstance(value, enum.Enum):
        return value.value
    key = getattr(type(value), "_key", None)
    return getattr(value, key) if isinstance(key, str) else value
