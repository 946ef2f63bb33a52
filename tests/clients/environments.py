"""Environments of clients from the package registries, which ``.clients/`` keeps.

A test that needs one is skipped if it cannot be installed. With ``CI`` in the environment, as
.ci/run sets it, the test fails then.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

#: The folder of the environments, which git ignores.
CACHE = Path(__file__).parents[2] / ".clients"


def python_with(*requirements: str) -> Path:
    """Return the ``bin`` of a virtual environment that has these packages."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    home = CACHE / f"{_name(requirements)}-{version}"

    def make() -> None:
        _call([sys.executable, "-m", "venv", str(home)])
        _call([str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", *requirements])

    _keep(home, requirements, make)
    return home / "bin"


def modules_with(*requirements: str) -> Path:
    """Return a folder whose ``node_modules`` has these packages."""
    needs("node", "npm")
    home = CACHE / _name(requirements)

    def make() -> None:
        home.mkdir()
        (home / "package.json").write_text('{"private": true}', "utf-8")
        # Without the scripts of packages, which may load more from elsewhere.
        flags = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
        _call(["npm", "install", "--prefix", str(home), *flags, *requirements])

    _keep(home, requirements, make)
    return home


def source_of(requirement: str) -> Path:
    """Return the folder of the source of a Python package, which has its tests."""
    home = CACHE / f"source-{_name([requirement])}"

    def make() -> None:
        flags = ("--quiet", "--no-deps", "--no-binary", ":all:", "--dest", str(home))
        _call([sys.executable, "-m", "pip", "download", *flags, requirement])
        [archive] = home.glob("*.tar.gz")
        shutil.unpack_archive(archive, home, filter="data")
        archive.unlink()

    _keep(home, [requirement], make)
    [folder] = (it for it in home.iterdir() if it.is_dir())
    return folder


def needs(*commands: str) -> None:
    """Skip the test unless these commands are installed."""
    for command in commands:
        if shutil.which(command) is None:
            _go_without(f"{command} is not installed")


def output(command: Sequence[str | Path], folder: Path, **variables: str) -> str:
    """Run a program that must succeed, and return what it printed."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **variables},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def told(command: Sequence[str | Path], folder: Path, **variables: str) -> Any:
    """Run a program that prints JSON and must succeed, and return that."""
    return json.loads(output(command, folder, **variables))


class _NotInstalled(Exception):
    pass


def _name(requirements: Sequence[str]) -> str:
    return requirements[0].replace("@", "-").replace("/", "-").replace(":", "-").strip("-")


def _keep(home: Path, requirements: Sequence[str], make: Callable[[], None]) -> None:
    """Call ``make`` unless an earlier run has made ``home`` with the same requirements."""
    done, text = home / "installed.txt", " ".join(requirements)
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process of xdist may make it
        if done.exists() and done.read_text("utf-8") == text:
            return
        shutil.rmtree(home, ignore_errors=True)
        try:
            make()
        except _NotInstalled as error:
            _go_without(f"{text} could not be installed: {error}")
        done.write_text(text, "utf-8")


def _call(command: Sequence[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    if done.returncode:
        lines = (done.stderr.strip() or "it failed").splitlines()
        # npm tells the reason first, and pip last.
        raise _NotInstalled(lines[0] if command[0] == "npm" else lines[-1])


def _go_without(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
