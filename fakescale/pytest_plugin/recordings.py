"""The recordings of ``--fakescale-compare``: each file is a test item."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from fakescale.recordings.exchanges import Unreadable
from fakescale.recordings.report import Allowed, Report
from fakescale.values.hosts import HOST


class _Differs(Exception):
    """A recording and the fake differ."""

    def __init__(self, report: Report) -> None:
        super().__init__(report.summary())
        self.report = report


class RecordingItem(pytest.Item):
    """A test that a fake answers as a recording did."""

    def runtest(self) -> None:
        """Compare the file; raises an error if anything differs that is not allowed."""
        from fakescale.cli.comparing import facts
        from fakescale.recordings import compare

        report = compare(
            [self.path],
            mode=cast(Any, self.config.getini("fakescale_compare_mode") or None),
            allow=self.config.getini("fakescale_compare_allow"),
            facts=facts(),
        )
        if not report.same:
            raise _Differs(report)
        if not report.exchanges:
            pytest.skip(f"no exchange with {HOST} in {self.path}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the exchanges that differ and the table, rather than a traceback."""
        error = excinfo.value
        report = getattr(error, "report", None)
        if isinstance(error, _Differs | Unreadable) and report is not None and report.exchanges:
            lines = [line for it in report.differing for line in it.lines()]
            told = [] if report.error is None else [report.error]
            return "\n".join([*lines, report.ending(), *told])
        if isinstance(error, Unreadable | ImportError):
            return str(error)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return the place and the title of the test."""
        return self.path, None, f"recording: {self.nodeid}"


class _RecordingFile(pytest.File):
    def collect(self) -> Iterator[pytest.Item]:
        """Yield the one test of the file."""
        yield RecordingItem.from_parent(self, name="compare")


def check(config: pytest.Config) -> None:
    """Raise UsageError for a pattern that fits no file, and for wrong ini keys."""
    paths(config)
    mode = config.getini("fakescale_compare_mode")
    if mode not in ("", "live", "test"):
        raise pytest.UsageError(f"fakescale_compare_mode is live or test (got {mode!r})")
    try:
        Allowed(config.getini("fakescale_compare_allow"))
    except ValueError as error:
        raise pytest.UsageError(f"fakescale_compare_allow: {error}") from None


def paths(config: pytest.Config) -> list[Path]:
    """Return the files that the patterns of a run fit; raises UsageError if one fits none.

    Patterns of the option begin at the working directory, those of the ini key at the root.
    """
    found: dict[Path, None] = {}
    for root, patterns in (
        (config.invocation_params.dir, config.getoption("--fakescale-compare")),
        (config.rootpath, config.getini("fakescale_compare")),
    ):
        for pattern in patterns or ():
            fitting = [it for it in _fitting(root, pattern) if it.is_file()]
            if not fitting:
                raise pytest.UsageError(f"--fakescale-compare: no file fits {pattern!r}")
            found.update(dict.fromkeys(fitting))
    return list(found)


def _fitting(root: Path, pattern: str) -> Iterable[Path]:
    texts = glob.glob(os.path.expanduser(pattern), root_dir=root, recursive=True)
    return [root / text for text in sorted(texts)]


def add_to(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Add a test for each file to the collected tests."""
    for path in paths(session.config):
        file = _RecordingFile.from_parent(session, path=path)
        added: list[pytest.Item | pytest.Collector] = list(file.collect())
        items += [it for it in added if isinstance(it, pytest.Item)]
        report = pytest.CollectReport(file.nodeid, "passed", None, added)
        session.ihook.pytest_collectreport(report=report)
