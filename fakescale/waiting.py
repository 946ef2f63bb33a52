"""Waits in real time, for threads and for async code."""

import contextlib
import operator
import sys
import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

Found = TypeVar("Found")

#: The value of ``__tracebackhide__`` in a function: pytest leaves it out of a failed assertion.
HIDDEN = operator.methodcaller("errisinstance", AssertionError)


class Wait(Protocol):
    """Waits until something is there."""

    def __call__(self, look: Callable[[], Found | None], timeout: float, /) -> Found | None:
        """Return the first result of ``look`` that is not None.

        Calls ``look`` now, and again each time that something has happened. Returns None after
        ``timeout`` seconds of real time.
        """


def look_once(look: Callable[[], Found | None], timeout: float, /) -> Found | None:
    """Return the result of ``look`` without a wait, since nothing tells when to look again."""
    return look()


async def in_thread(work: Callable[[], Found]) -> Found:
    """Return the result of ``work``, which blocks, while the event loop runs on.

    The loop is one of asyncio or trio. If the caller is canceled, the work goes on alone. The
    wait needs no timer of the loop, which may be frozen.
    """
    __tracebackhide__ = HIDDEN
    trio = sys.modules.get("trio")
    if trio is not None and _runs_trio(trio):
        found: Found = await trio.to_thread.run_sync(work, abandon_on_cancel=True)
        return found
    import asyncio

    loop = asyncio.get_running_loop()
    done: asyncio.Future[Found] = loop.create_future()

    def resolve(take: Callable[[Any], None], outcome: Any) -> None:
        if not done.done():  # canceled
            take(outcome)

    def run() -> None:
        __tracebackhide__ = HIDDEN
        outcome: tuple[Callable[[Any], None], Any]
        try:
            outcome = done.set_result, work()
        except BaseException as error:
            outcome = done.set_exception, error
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(resolve, *outcome)

    threading.Thread(target=run, name="fakescale-wait", daemon=True).start()
    return await done


def _runs_trio(trio: Any) -> bool:
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        return False
    return True
