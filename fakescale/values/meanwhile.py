"""Letting other requests be served while this one takes long."""

import contextvars
from collections.abc import Callable

#: What gives way, where this thread is serving a request.
serving: contextvars.ContextVar[Callable[[], None] | None] = contextvars.ContextVar(
    "serving", default=None
)


def give_way() -> None:
    """Let other requests be served, before something that takes long or makes requests."""
    if (give_way := serving.get()) is not None:
        give_way()
