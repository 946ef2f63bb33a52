"""Context managers that warn if nobody enters them."""

import contextlib
import functools
import sys
import warnings
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
Entered = TypeVar("Entered")
Result = TypeVar("Result")


class Block(Generic[Entered]):
    """A context manager, which also decorates functions, as those of ``contextlib`` do.

    It warns, with the line that made it, if it is neither entered nor used as a decorator.
    """

    def __init__(
        self, make: Callable[[], contextlib.AbstractContextManager[Entered]], call: str
    ) -> None:
        self._make = make
        self._call = call
        self._manager: contextlib.AbstractContextManager[Entered] | None = None
        self._is_used = False
        frame = sys._getframe(1)
        while frame.f_back and frame.f_globals.get("__name__", "").startswith("fakescale."):
            frame = frame.f_back  # the line of the test, not one of this package
        self._place = frame.f_code.co_filename, frame.f_lineno

    def __enter__(self) -> Entered:
        self._is_used = True
        self._manager = self._make()
        return self._manager.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        assert self._manager is not None  # noqa: S101
        return self._manager.__exit__(kind, error, traceback)

    def __call__(self, function: Callable[P, Result]) -> Callable[P, Result]:
        """Return ``function`` so that each call of it runs in a block of its own."""
        self._is_used = True

        @functools.wraps(function)
        def within(*args: P.args, **kwargs: P.kwargs) -> Result:
            with self._make():
                return function(*args, **kwargs)

        return within

    def __del__(self) -> None:
        if not self._is_used:
            text = f"{self._call}() has no effect without `with`"
            warnings.warn_explicit(text, RuntimeWarning, *self._place)


def block(function: Callable[P, Iterator[Entered]]) -> Callable[P, Block[Entered]]:
    """Return a function that makes a `Block` of a generator, like ``contextlib.contextmanager``."""
    manager = contextlib.contextmanager(function)

    @functools.wraps(function)
    def made(*args: Any, **kwargs: Any) -> Block[Entered]:
        return Block(functools.partial(manager, *args, **kwargs), function.__name__)

    return made
