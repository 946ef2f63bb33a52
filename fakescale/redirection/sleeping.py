"""Sleeps of the code under test that move the clock of a fake."""

import asyncio
import contextlib
import functools
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from types import ModuleType
from typing import Any

from fakescale.fake import RUNNING, FakeScale
from fakescale.redirection.placing import Overlapping
from fakescale.values.blocks import block
from fakescale.waiting import in_thread

# Modules of the standard library that call functions of the code under test.
_CALLERS = {"asyncio", "concurrent", "contextvars", "functools", "sched", "threading", "unittest"}
# The sleeps of these packages, and of the standard library, are no part of the code under test.
# A server in this process, for example, looks around every tenth of a second.
_OTHERS = (sys.stdlib_module_names - _CALLERS) | {
    "_pytest",
    "execnet",
    "fakescale",
    "gunicorn",
    "hypercorn",
    "pytest",
    "uvicorn",
    "xdist",
}


# The open blocks: the fake of each, or None for all running ones, and its thread.
_blocks: list[tuple[FakeScale | None, int]] = []
_lock = threading.Lock()


@block
def sleeping(fake: FakeScale | None = None) -> Iterator[None]:
    """Let ``time.sleep`` and ``asyncio.sleep`` move the clock of ``fake`` instead.

    Use it in a ``with`` block. Without ``fake``, the clocks of all running fakes move.
    ``fake.sleeping()`` is the same, also for a ``RemoteFakeScale``.

    In the thread of the block, a sleep is like ``advance``: due labelers and callbacks have run
    when it returns. In other threads the clock only moves, and due work follows by itself. So a
    labeler or a receiver of callbacks may sleep too. Sleeps of several threads or tasks add up.

    The block affects the whole process, also modules that have imported ``sleep`` by name. Sleeps
    of the standard library, of servers like uvicorn, of trio and of anyio stay real. So do
    ``sleep(0)`` and timeouts, for example of ``threading.Event.wait``. A ``sleep`` that is stored
    outside of a module, for example as a default argument, stays real too.
    """
    opened = fake, threading.get_ident()
    with _PATCHES.open():
        with _lock:
            _blocks.append(opened)
        try:
            yield
        finally:
            with _lock:
                _blocks.remove(opened)


def _movers() -> list[Callable[..., None]]:
    """Return the functions that move the clocks, each of which takes ``seconds``."""
    with _lock:
        blocks = list(_blocks)
    movers: dict[int, Callable[..., None]] = {}
    for fake, thread in blocks:
        fakes: list[FakeScale] = [*RUNNING.values()] if fake is None else [fake]
        for it in fakes:
            if thread == threading.get_ident():
                movers[id(it)] = it.advance
            else:
                movers.setdefault(id(it), it._skip)
    return list(movers.values())


def _is_real(seconds: float, caller: dict[str, Any]) -> bool:
    """Return whether a sleep takes real time."""
    top = str(caller.get("__name__", "")).partition(".")[0]
    return not seconds > 0 or top in _OTHERS or not _blocks


def _move(movers: list[Callable[..., None]], seconds: float) -> None:
    for move in movers:
        move(seconds=float(seconds))


def _sleep(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def sleep(seconds: float, /) -> Any:
        if _is_real(seconds, sys._getframe(1).f_globals):
            return original(seconds)
        _move(_movers(), seconds)
        return original(0)  # lets other threads run

    return sleep


def _async_sleep(original: Callable[..., Any]) -> Callable[..., Any]:
    # Not a coroutine function: the event loop would be the caller of its first frame.
    @functools.wraps(original)
    def sleep(delay: float, result: Any = None) -> Coroutine[Any, Any, Any]:
        if _is_real(delay, sys._getframe(1).f_globals):
            coroutine: Coroutine[Any, Any, Any] = original(delay, result)
            return coroutine
        return moving(_movers(), delay, result)

    async def moving(movers: list[Callable[..., None]], delay: float, result: Any) -> Any:
        # In a thread, since the loop may have to answer the callbacks that become due.
        await in_thread(functools.partial(_move, movers, delay))
        return await original(0, result)

    return sleep


@contextlib.contextmanager
def _patched() -> Iterator[None]:
    places: tuple[tuple[Any, Callable[..., Any]], ...] = (time, _sleep), (asyncio, _async_sleep)
    pairs = [(module.sleep, patch(module.sleep)) for module, patch in places]
    _exchange(pairs)
    try:
        yield
    finally:
        _exchange([(ours, original) for original, ours in pairs])


def _exchange(pairs: list[tuple[Any, Any]]) -> None:
    """Replace the first of each pair by the second, wherever a module has it as ``sleep``.

    A module may also have it under another name, after ``from time import sleep as …``.
    """
    by_id = {id(before): after for before, after in pairs}
    for module in list(sys.modules.values()):
        if isinstance(module, ModuleType):
            names = vars(module)
            for name, value in list(names.items()):
                if id(value) in by_id and "sleep" in (name, getattr(value, "__name__", "")):
                    names[name] = by_id[id(value)]


_PATCHES = Overlapping(_patched)
