"""The environment variables that list the hosts to reach without a proxy."""

import contextlib
import os
import threading
from collections.abc import Iterator

_NAMES = ("no_proxy", "NO_PROXY")  # clients differ in the one they read
_lock = threading.Lock()
_open: list[tuple[str, ...]] = []  # the hosts of each open block
_before: dict[str, str | None] = {}  # the values without any block
_within: dict[str, str | None] = {}  # the values that were set last
_added: dict[str, list[str]] = {}  # the hosts that were added to each


@contextlib.contextmanager
def no_proxy(*hosts: str) -> Iterator[None]:
    """Set the environment so that clients reach the hosts without a proxy.

    Blocks may overlap, in any order and in several threads.
    """
    with _lock:
        if not _open:
            _before.update({name: os.environ.get(name) for name in _NAMES})
            _within.update(_before)
            _added.update({name: [] for name in _NAMES})
        _open.append(hosts)
        _renew()
    try:
        yield
    finally:
        with _lock:
            _open.remove(hosts)
            _renew()


def _renew() -> None:
    """Set the variables to their values without any block, with the hosts of the open blocks."""
    for name in _NAMES:
        if (now := os.environ.get(name)) != _within[name]:  # set by other code since
            _before[name] = ",".join(it for it in _listed(now) if it not in _added[name]) or None
    wanted = dict.fromkeys(host for hosts in _open for host in hosts)
    direct = _before["no_proxy"] or _before["NO_PROXY"]
    for name in _NAMES:
        listed = _listed(_before[name] or direct)
        # A `*` only works alone.
        _added[name] = [host for host in wanted if listed != ["*"] and host not in listed]
        value = ",".join([*listed, *_added[name]]) if _added[name] else _before[name]
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
        _within[name] = value


def _listed(value: str | None) -> list[str]:
    return [host.strip() for host in value.split(",") if host.strip()] if value else []
