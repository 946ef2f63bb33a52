"""The official client's own tests, unmodified, in a run that is redirected."""

import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.clients.environments import output, source_of

pytestmark = pytest.mark.registry


def test_the_client_s_own_tests_pass(tmp_path: Path) -> None:
    """They were written against the real service, and make what they need at the import."""
    source = source_of(f"scaleapi=={version('scaleapi')}")
    shutil.copytree(source / "tests", tmp_path / "tests")
    (tmp_path / "tests" / "test_image.png").touch()  # the archive lacks the file that is uploaded
    command = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir=.", "tests"]
    command += ["-p", "no:randomly", "-p", "no:xdist", "-p", "no:cacheprovider"]
    options = ["--fakescale-redirect", "--fakescale-scope=session"]
    printed = output([*command, *options], tmp_path, SCALE_TEST_API_KEY="test_suite")
    assert " passed" in printed
