"""Retries without the wait between them."""

import contextlib
import threading
from collections.abc import Iterator

from fakescale.redirection.patches import replaced
from fakescale.values.blocks import block

_lock = threading.Lock()
_blocks: list[None] = []  # one for each open block, in any thread
_replacement = contextlib.ExitStack()


@block
def without_backoff() -> Iterator[None]:
    """Let urllib3, and so requests and the official client, repeat requests at once.

    Use it in a ``with`` block; it affects the whole process. It replaces only the wait between
    retries, including the wait for a ``Retry-After``. That wait is in seconds of real time, which
    a test cannot freeze or move. Raises ImportError without urllib3.
    """
    from urllib3.util.retry import Retry

    with _lock:
        if not _blocks:
            _replacement.enter_context(replaced(Retry, "sleep", lambda *_, **__: None))
        _blocks.append(None)
    try:
        yield
    finally:
        with _lock:
            _blocks.pop()
            if not _blocks:
                _replacement.close()
