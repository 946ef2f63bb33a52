"""Retries without the wait between them."""

import contextlib
import threading
from collections.abc import Iterator

from fakescale.redirection.patches import replaced

_lock = threading.Lock()
_blocks: list[None] = []  # one for each block that is within, in whatever thread
_replacement = contextlib.ExitStack()


@contextlib.contextmanager
def without_backoff() -> Iterator[None]:
    """Let urllib3, and so requests and the official client, repeat requests at once.

    For the length of a ``with`` block, in the whole process. Of urllib3 nothing but the wait
    is replaced, also that for a Retry-After: it is one of real seconds, and no clock that a
    test can freeze or move. Raises ImportError without urllib3.
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
