"""Retries without the wait between them."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fakescale.fake import RUNNING
from fakescale.redirection.placing import Overlapping, replaced
from fakescale.values.blocks import block

if TYPE_CHECKING:
    from urllib3.util.retry import Retry


def _skip(retry: "Retry", response: Any = None) -> None:
    """Move the clocks on by the wait before a retry."""
    wait = None
    if retry.respect_retry_after_header and response is not None:
        wait = retry.get_retry_after(response)
    for fake in list(RUNNING.values()):
        fake._skip(wait or retry.get_backoff_time())


def _patched() -> contextlib.AbstractContextManager[None]:
    from urllib3.util.retry import Retry

    return replaced(Retry, "sleep", _skip)


_PATCHES = Overlapping(_patched)


@block
def without_backoff() -> Iterator[None]:
    """Let urllib3, and so requests and the official client, repeat requests at once.

    Use it in a ``with`` block; it affects the whole process. It leaves out the waits between
    retries, including the wait for a ``Retry-After``. Instead, the clocks of all running fakes move
    on by the same time. So a rate limit ends. Raises ImportError without urllib3.
    """
    with _PATCHES.open():
        yield
