"""Checkers of types mark every slip of ``slips.py``, and no right use of ``test_uses.py``."""

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from fakescale import FakeScale
from fakescale.account import batches, files, quality, task, task_filters, task_types, team, words
from fakescale.fake import Options

HERE = Path(__file__).parent
SLIPS, USES = HERE / "slips.py", HERE / "test_uses.py"


@pytest.mark.parametrize(
    ("literal", "data"),
    [
        (words.TaskType, task_types.names()),
        (words.TypeName, task_types.spellings()),
        (words.TaskStatus, task.Status),
        (words.AuditResult, task.AUDIT_RESULTS),
        (words.ReviewStatus, task.ReviewStatus),
        (words.AuditSource, ("customer", "scale")),
        (words.BatchStatus, batches.STATUSES),
        (words.QualityKind, quality.KINDS),
        (words.Role, team.ROLES),
    ],
)
def test_each_literal_has_the_words_of_the_data(literal: Any, data: Iterable[str]) -> None:
    assert get_args(literal) == tuple(data)


@pytest.mark.parametrize(
    ("options", "data"),
    [
        (task_filters.TaskFilters, task_filters.FILTERS),
        (batches.BatchFilters, batches.FILTERS),
        (files.FileFilters, files.FILTERS),
        (files.FileOptions, files.UPLOAD.names),
        (files.ImportBody, files.IMPORT.names),
        (Options, inspect.signature(FakeScale).parameters),
    ],
)
def test_each_set_of_options_has_the_names_of_the_data(options: Any, data: Iterable[str]) -> None:
    assert set(get_type_hints(options)) == set(data)


def test_the_options_of_a_fake_have_the_types_of_its_arguments() -> None:
    given = {name: it.annotation for name, it in inspect.signature(FakeScale).parameters.items()}
    assert get_type_hints(Options) == given


def marked_by_mypy() -> set[tuple[str, int]]:
    command = [sys.executable, "-m", "mypy", "--strict", str(SLIPS), str(USES)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    found = re.findall(r"^(.*?):(\d+): error:", done.stdout, re.M)
    assert found, done.stdout + done.stderr
    return {(Path(name).name, int(line)) for name, line in found}


def marked_by_pyright(tmp_path: Path) -> set[tuple[str, int]]:
    settings = {"include": [str(SLIPS), str(USES)], "typeCheckingMode": "standard"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings), "utf-8")
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "-p", str(tmp_path)]
    command += ["--pythonpath", sys.executable]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    told = json.loads(done.stdout)["generalDiagnostics"]
    return {
        (Path(it["file"]).name, it["range"]["start"]["line"] + 1)
        for it in told
        if it["severity"] == "error"
    }


@pytest.mark.proof
@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_each_slip_is_marked_and_no_right_use(checker: str, tmp_path: Path) -> None:
    lines = SLIPS.read_text("utf-8").splitlines()
    slips = {(SLIPS.name, n) for n, line in enumerate(lines, 1) if line.endswith("  # slip")}
    assert len(slips) > 50
    assert (marked_by_mypy() if checker == "mypy" else marked_by_pyright(tmp_path)) == slips
