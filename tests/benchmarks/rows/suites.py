"""The cost of a fixture for a test, and of the plugin for every suite."""

import resource
import subprocess
import tempfile

from tests.benchmarks.lab import Lab, once
from tests.benchmarks.measure import Round, Row, Target
from tests.benchmarks.rows.requests import Side
from tests.benchmarks.venvs import python_beside

_TESTS = 200
_HTTPSERVER = "pytest-httpserver"


def suite(use: str, figure: str, tests: int = _TESTS) -> Side:
    """Return a side: a figure of a suite in which ``tests`` tests use a fixture."""
    peer = _HTTPSERVER if use.startswith(_HTTPSERVER) else "fakescale"
    return once("suite", use, figure, tests, beside=peer)


def collecting(*options: str) -> Side:
    """Return a side: the milliseconds of CPU for collecting one test."""

    def prepare(lab: Lab) -> Round:
        folder = lab.enter(tempfile.TemporaryDirectory())
        with open(f"{folder}/test_it.py", "w", encoding="utf-8") as file:
            file.write("def test_nothing(): pass\n")
        python = python_beside("fakescale")
        command = [python, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider", *options]

        def collect() -> float:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([*command, folder], check=True, capture_output=True, cwd=folder)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            taken = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            return 1000 * taken

        return lambda: min(collect() for _ in range(4))  # other work can only add to the time

    return prepare


ROWS = (
    Row(
        name="fixture",
        what="the cost of the fixture `fakescale` for a test, without a request",
        unit="ms",
        sides={"fakescale": suite("fakescale", "cost")},
        targets=(Target(at_most=0.45),),
    ),
    Row(
        name="fixture-post",
        what="the cost of the fixture and one creation for a test",
        unit="ms",
        sides={
            "fakescale": suite("fakescale with a POST", "cost"),
            "pytest-httpserver": suite("pytest-httpserver with a POST", "cost"),
        },
        targets=(Target(at_most=1.3, times="pytest-httpserver"),),
    ),
    Row(
        name="first-test",
        what="CPU of the first test of a run, with the fixture and one creation",
        unit="ms",
        sides={
            "fakescale": suite("fakescale with a POST", "first", 1),
            "pytest-httpserver": suite("pytest-httpserver with a POST", "first", 1),
            "nothing": suite("nothing", "first", 1),
        },
        targets=(Target(at_most=60),),
    ),
    Row(
        name="fixture-app",
        what="the cost of the fixture `fakescale_app` for a test",
        unit="ms",
        sides={"fakescale": suite("fakescale_app", "cost")},
        targets=(Target(at_most=0.2),),
    ),
    Row(
        name="session-end",
        what="from the last test to the end of pytest's run, with fakes used",
        unit="ms",
        sides={
            "fakescale": suite("fakescale with a POST", "end", 20),
            # pytest collects garbage at the end, which takes longer with more modules.
            "only imported": suite("imports", "end", 20),
            "nothing": suite("nothing", "end", 20),
            "pytest-httpserver": suite("pytest-httpserver with a POST", "end", 20),
        },
        targets=(Target(at_most=1, beyond="only imported"),),
    ),
    Row(
        name="collect",
        what="CPU of `pytest --collect-only`, the plugin installed but unused",
        unit="ms",
        sides={"fakescale": collecting(), "-p no:fakescale": collecting("-p", "no:fakescale")},
        targets=(Target(at_most=2, beyond="-p no:fakescale"),),
    ),
)
