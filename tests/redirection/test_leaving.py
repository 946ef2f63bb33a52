"""The end of a redirection restores everything.

The guard of an earlier test's fake keeps its patches until the run ends. Then these tests run
together in a process of their own, so this file imports little.
"""

import concurrent.futures
import contextlib
import functools
import os
import pkgutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from fakescale import redirect
from fakescale.redirection.patches import PATCHES
from fakescale.values.hosts import HOST

# Installed, but imported by no client here: the table of patches names it.
pytest.importorskip("pycares")


@functools.cache
def _all_in_a_process(root: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", __file__]
    subprocess.run(command, check=True, cwd=root, capture_output=True)


@pytest.fixture
def runs_here(request: pytest.FixtureRequest) -> bool:
    """Return False if the test has run in a process of its own instead."""
    if PATCHES._blocks:
        _all_in_a_process(request.config.rootpath)
    return not PATCHES._blocks


def _state() -> list[Any]:
    ways = []
    for owner, name, _ in PATCHES.table:
        if owner.startswith("eventlet."):  # not installed
            continue
        place = pkgutil.resolve_name(owner)
        ways.append((owner, name, vars(place).get(name), getattr(place, name, None)))
    return [ways, dict(os.environ)]


def test_leaving_restores_everything(runs_here: bool) -> None:
    if not runs_here:
        return
    before = _state()
    with contextlib.suppress(ZeroDivisionError), redirect():
        unchanged = [way[:2] for way in _state()[0] if way in before[0]]
        assert unchanged == [("pycares:Channel", "gethostbyname")]  # only version 4 had it
        raise ZeroDivisionError
    assert _state() == before


def test_there_is_one_redirection_at_a_time(runs_here: bool) -> None:
    if not runs_here:
        return
    before = _state()
    with redirect() as fake:
        with pytest.raises(RuntimeError, match="redirected in this process already"), redirect():
            raise AssertionError
        with concurrent.futures.ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError):
            pool.submit(redirect().__enter__).result()
        url, headers = f"https://{HOST}/v1/tasks", {"Authorization": "Bearer live_pets"}
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as reply:
            assert reply.status == 200
        assert fake.requests.total == 1
    assert _state() == before
