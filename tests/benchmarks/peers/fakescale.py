"""A fake of the fixture, inside a test that has made a given number of tasks."""

import sys
import tempfile
from pathlib import Path

import pytest

_TEST = """
import sys
from tests.benchmarks.peers import stay
from tests.benchmarks.requests_sent import TYPE, next_number, params

def test_it(fakescale):
    for _ in range({count}):
        fakescale.tasks.create(TYPE, **params(next_number()))
    stay(int(fakescale.url.split(":")[2].split("/")[0]), sys.__stdout__)
"""

if __name__ == "__main__":
    sys.stdout = sys.stderr
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "test_it.py"
        file.write_text(_TEST.format(count=int(sys.argv[1])))
        options = ["-q", "--capture=no", "-p", "no:cacheprovider", "-c", "/dev/null"]
        sys.exit(pytest.main([*options, f"--rootdir={folder}", str(file)]))
