"""A suite in a pytest of its own: the cost of a fixture for each test and at the end of the run.

Tests with the fixture and tests without it take turns. The time of a test is all that pytest does
for it, including setup, teardown and hooks. ``cost`` is the milliseconds by which the median is
higher with the fixture. ``first`` is the milliseconds of CPU of the first test. ``end`` is the
milliseconds from the end of the last test to the end of the run.
"""

import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path

import pytest

_BEGINNING = """
from tests.benchmarks.clients import Client
from tests.benchmarks.requests_sent import CREATE, TASK, create
"""
_WITHOUT = "def test_{}_none(): pass"
#: A test that uses a fixture, by the name of the use.
USES = {
    "nothing": _WITHOUT,
    "imports": "def test_{}_it(): import fakescale.fake, fakescale.server.server",
    "fakescale": "def test_{}_it(fakescale): pass",
    "fakescale_app": "def test_{}_it(fakescale_app): pass",
    "fakescale with a POST": """
def test_{}_it(fakescale):
    client = Client(int(fakescale.url.split(":")[2].split("/")[0]))
    client.ask(create(fakescale.api_key))
    client.close()
""",
    "pytest-httpserver with a POST": """
def test_{}_it(httpserver):
    httpserver.expect_request(CREATE, method="POST").respond_with_json(TASK)
    client = Client(httpserver.port)
    client.ask(create())
    client.close()
""",
}


class Stopwatch:
    """Notes the time of each test, by the end of its name.

    It also notes the CPU of the first test, and the end of the last.
    """

    def __init__(self) -> None:
        self.taken: dict[str, list[float]] = defaultdict(list)
        self.first = 0.0
        self.ended = 0.0

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        begin, cpu = time.perf_counter(), time.process_time()
        done = yield
        self.first = self.first or 1000 * (time.process_time() - cpu)
        self.taken[item.name.rsplit("_")[-1]].append(1000 * (time.perf_counter() - begin))
        return done

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_call(self) -> None:
        self.ended = time.perf_counter()


def run(use: str, figure: str, count: int) -> float:
    """Return ``cost``, ``first`` or ``end`` of a suite with ``count`` tests of each kind."""
    tests = [test.format(number) for number in range(count) for test in (USES[use], _WITHOUT)]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pytest.ini").write_text("[pytest]\n")
        file = Path(folder) / "test_it.py"
        file.write_text("\n".join([_BEGINNING, *tests]))
        watch = Stopwatch()
        status = pytest.main(["-q", "-p", "no:cacheprovider", str(file)], plugins=[watch])
        end = time.perf_counter()
    if status:
        raise RuntimeError("the suite failed")
    if figure == "first":
        return watch.first
    if figure == "end":
        return 1000 * (end - watch.ended)
    return statistics.median(watch.taken["it"]) - statistics.median(watch.taken["none"])


if __name__ == "__main__":
    output, sys.stdout = sys.stdout, sys.stderr
    print(run(sys.argv[1], sys.argv[2], int(sys.argv[3])), file=output)
