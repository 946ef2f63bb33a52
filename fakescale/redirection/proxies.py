"""The environment variables that list the hosts to reach without a proxy."""

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def no_proxy(*hosts: str) -> Iterator[None]:
    """Set the environment so that clients reach the hosts without a proxy; blocks may overlap."""
    names = ("no_proxy", "NO_PROXY")  # clients differ in the one they read
    before = {name: os.environ.get(name) for name in names}
    direct = before["no_proxy"] or before["NO_PROXY"]
    added, after = {}, {}
    for name in names:
        listed = _listed(before[name] or direct)
        # A `*` only works alone.
        added[name] = [host for host in hosts if listed != ["*"] and host not in listed]
        if added[name]:
            os.environ[name] = ",".join([*listed, *added[name]])
        after[name] = os.environ.get(name)
    try:
        yield
    finally:
        for name in names:
            value = before[name]
            if (now := os.environ.get(name)) != after[name]:  # set by other code since
                value = ",".join(it for it in _listed(now) if it not in added[name]) or None
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _listed(value: str | None) -> list[str]:
    return [host.strip() for host in value.split(",") if host.strip()] if value else []
