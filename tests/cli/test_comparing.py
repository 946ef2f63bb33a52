"""The command ``compare``."""

import json
from pathlib import Path

import pytest

from fakescale.cli import main
from fakescale.recordings import write_har
from tests.recordings.test_report import changed
from tests.recordings.test_seeded_differences import recording

Out = pytest.CaptureFixture[str]


@pytest.fixture
def same(tmp_path: Path) -> str:
    write_har(tmp_path / "same.har", recording())
    return str(tmp_path / "same.har")


@pytest.fixture
def other(tmp_path: Path) -> str:
    write_har(tmp_path / "other.har", changed('"urgency":', '"flavor":1,"urgency":'))
    return str(tmp_path / "other.har")


def status(*given: str) -> int:
    """Return the exit status of the command."""
    try:
        main(["compare", *given])
    except SystemExit as error:
        return int(error.code or 0)
    return 0


def test_the_report_is_printed(same: str, capsys: Out) -> None:
    assert status(same) == 0
    out, error = capsys.readouterr()
    assert out.startswith(f"{same}, exchange 1: POST /v1/projects: same\n")
    assert out.endswith("30 exchanges: 30 same, 0 different, 0 not asked\n")
    assert error == ""


def test_a_difference_is_status_1(other: str, capsys: Out) -> None:
    assert status(other) == 1
    assert "missing flavor in POST /v1/task/<type>" in capsys.readouterr().out
    assert status(other, "--allow", "missing:flavor") == 0


def test_the_report_is_json_and_junit(other: str, tmp_path: Path, capsys: Out) -> None:
    junit = tmp_path / "junit.xml"
    assert status(other, "--json", "--junit", str(junit)) == 1
    assert json.loads(capsys.readouterr().out)["counts"]["differs"] > 5
    assert f'classname="{other}"' in junit.read_text()


def test_the_redacted_copy_differs_in_the_same(other: str, tmp_path: Path, capsys: Out) -> None:
    copy = str(tmp_path / "copy.har")
    status(other, "--json", "--redact", copy)
    before = json.loads(capsys.readouterr().out)
    status(copy, "--json")
    after = json.loads(capsys.readouterr().out)
    assert before["counts"] == after["counts"]
    assert [row["member"] for row in before["table"]] == [row["member"] for row in after["table"]]
    assert "fakescale:" not in Path(copy).read_text()


@pytest.mark.parametrize("flag", ["--redact", "--junit"])
@pytest.mark.parametrize("name", ["same.har", "./same.har", "link.har", "hard.har"])
def test_no_output_overwrites_a_recording(
    same: str, flag: str, name: str, tmp_path: Path, capsys: Out
) -> None:
    (tmp_path / "link.har").symlink_to(same)
    (tmp_path / "hard.har").hardlink_to(same)
    before = Path(same).read_bytes()
    assert status(same, flag, f"{tmp_path}/{name}") == 2
    assert f"would overwrite {same}" in capsys.readouterr().err
    assert Path(same).read_bytes() == before


def test_two_outputs_are_two_files(same: str, tmp_path: Path) -> None:
    assert status(same, "--redact", f"{tmp_path}/out", "--junit", f"{tmp_path}/./out") == 2
    assert status(same, "--redact", "/dev/null", "--junit", "/dev/null") == 0


WRONG = {
    (): "compare needs a FILE",
    ("none.har",): "cannot compare: none.har: No such file",
    ("--allow", "member", "x"): "'member' is not one of: status, text",
    ("--mode", "other", "x"): "--mode",
    ("--junit", "no/folder/x", "x"): "cannot be written",
}


@pytest.mark.parametrize("given", WRONG)
def test_wrong_arguments_are_status_2(given: tuple[str, ...], capsys: Out) -> None:
    assert status(*given) == 2
    assert WRONG[given] in capsys.readouterr().err


def test_an_unreadable_file_is_status_2(same: str, tmp_path: Path, capsys: Out) -> None:
    broken = tmp_path / "broken.har"
    broken.write_bytes(Path(same).read_bytes()[:-400])
    assert status(same, str(broken)) == 2
    out, error = capsys.readouterr()
    assert str(broken) in error
    assert out.startswith(f"{same}, exchange 1: POST /v1/projects: same\n")


def broken_behind(other: str) -> None:
    """Let the last exchange of a file be unreadable."""
    content = json.loads(Path(other).read_text())
    content["log"]["entries"][-1]["response"]["status"] = "none"
    Path(other).write_text(json.dumps(content))


def test_the_exchanges_before_an_unreadable_one_are_told(
    other: str, tmp_path: Path, capsys: Out
) -> None:
    broken_behind(other)
    junit, copy = tmp_path / "junit.xml", tmp_path / "copy.har"
    assert status("none.har", other, "--junit", str(junit), "--redact", str(copy)) == 2
    out, error = capsys.readouterr()
    assert f"cannot compare: {other}, exchange 30: it has no status" in error
    assert "missing flavor in POST /v1/task/<type>" in out
    assert "29 exchanges:" in out.splitlines()[-1]
    assert "exchange 30: it has no status" in junit.read_text()
    assert "missing flavor" in junit.read_text()
    assert not copy.exists()
    status(other, "--json")
    assert json.loads(capsys.readouterr().out)["error"].endswith("it has no status")


def test_a_file_without_an_exchange_of_the_api_is_told(
    same: str, tmp_path: Path, capsys: Out
) -> None:
    empty = str(tmp_path / "empty.har")
    write_har(empty, [recording()[0]._replace(url="https://other.example/v1/tasks")])
    assert status(empty) == 2
    assert f"no exchange with api.scale.com in {empty}" in capsys.readouterr().err
    assert status(empty, same) == 0
    assert capsys.readouterr().err == f"fakescale: no exchange with api.scale.com in {empty}\n"


def test_the_mode_is_told(tmp_path: Path) -> None:
    lines = [it._replace(headers=[("Content-Type", "application/json")]) for it in recording()]
    write_har(tmp_path / "keyless.har", lines[:3])
    assert status(str(tmp_path / "keyless.har")) == 0
    assert status(str(tmp_path / "keyless.har"), "--mode", "test") == 1
