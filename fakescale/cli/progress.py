"""A line on a terminal that shows that long work goes on; nothing elsewhere."""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator

from fakescale.cli.tables import escaped
from fakescale.values.clock import steady

_PAUSE = 0.2  # seconds between two looks of the line


@contextlib.contextmanager
def progress(task: str) -> Iterator[Callable[[str], None]]:
    """Show ``task`` and the seconds so far on standard error, if it is a terminal.

    The ``with`` block gets a function that adds the step that the work has reached.
    """
    stream = sys.stderr
    if stream is None or not stream.isatty():
        yield lambda step: None
        return
    begun, ended, step = steady(), threading.Event(), ""
    width = 0

    def show() -> None:
        nonlocal width
        text = f"{escaped(task)}{step and f', {step}'} … {steady() - begun:.0f} s"
        width = max(width, len(text))
        print(f"\r{text:<{width}}", end="", file=stream, flush=True)

    def run() -> None:
        while not ended.wait(_PAUSE):
            show()

    def note(text: str) -> None:
        nonlocal step
        step = text
        show()

    show()
    thread = threading.Thread(target=run, name="fakescale progress", daemon=True)
    thread.start()
    try:
        yield note
    finally:
        ended.set()
        thread.join()
        print(f"\r{'':<{width}}\r", end="", file=stream, flush=True)
