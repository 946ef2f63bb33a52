"""Retries without the wait between them."""

import contextlib
from collections.abc import Iterator

from fakescale.detours import replaced


@contextlib.contextmanager
def without_backoff() -> Iterator[None]:
    """Let urllib3, and so requests and the official client, repeat requests at once.

    For the length of a ``with`` block, in the whole process. Of urllib3 nothing but the wait
    is replaced, also that for a Retry-After: it is one of real seconds, and no clock that a
    test can freeze or move. Raises ImportError without urllib3.
    """
    from urllib3.util.retry import Retry

    with replaced(Retry, "sleep", lambda *_, **__: None):
        yield
