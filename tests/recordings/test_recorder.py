"""A command runs behind the proxy, and all that it sends is recorded."""

import datetime as dt
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fakescale import FakeScale
from fakescale.cli import main
from fakescale.recordings import read, record, recorder
from fakescale.recordings.writing import HarFile

# Without a package that takes long to import.
_SCRIPT = """
import sys, urllib.request, urllib.error
for path, body in (("task/chat", b'{"instruction": "a"}'), ("task/none", None)):
    headers = {"Authorization": "Bearer live_me", "Content-Type": "application/json"}
    request = urllib.request.Request(f"https://api.scale.com/v1/{path}", body, headers)
    try:
        urllib.request.urlopen(request).read()
    except urllib.error.HTTPError as error:
        assert error.code == 404
sys.exit(7)
"""


@pytest.fixture(autouse=True)
def _extra() -> None:
    pytest.importorskip("trustme")


def test_what_a_command_sends(tmp_path: Path) -> None:
    fake, out = FakeScale(seed=1), tmp_path / "out.har"
    fake.stop_clock()
    assert record([sys.executable, "-c", _SCRIPT], out, fake) == 7
    assert [(*it[:2], it.body, it.status, it.answer, it.when) for it in read([out])] == [
        (
            it.method,
            f"https://api.scale.com{it.path}",
            it.body,
            it.status,
            it.answer,
            it.when,
        )
        for it in fake.requests
    ]
    first = next(read([out]))
    assert ("Authorization", "Bearer live_me") in first.headers
    assert ("Content-Type", "application/json; charset=utf-8") in first.answer_headers


def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command goes on, and the error is told at its end."""

    def add(*_: object) -> None:
        raise OSError("The disk is full")

    monkeypatch.setattr(HarFile, "add", add)
    fake = FakeScale()
    with pytest.raises(OSError, match="full"):
        record([sys.executable, "-c", _SCRIPT], tmp_path / "out.har", fake)
    assert [it.status for it in fake.requests] == [200, 404]


def shell(script: str, out: Path) -> int:
    return record(["sh", "-c", script], out)


def test_the_status_of_the_command(tmp_path: Path) -> None:
    out = tmp_path / "out.har"
    assert shell("exit 3", out) == 3
    assert shell("kill -KILL $$", out) == 128 + signal.SIGKILL
    assert json.loads(out.read_text())["log"]["entries"] == []


def test_signals_are_passed_on(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    script = "trap 'exit 9' TERM; kill -TERM $PPID; while :; do :; done"
    assert shell(script, tmp_path / "out.har") == 9
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tasks = FakeScale()
    tasks.tasks.create("chat", instruction="a")
    Path("state.json").write_text(json.dumps(tasks.dump()))

    def status(*arguments: str) -> object:
        with pytest.raises(SystemExit) as ended:
            main(["record", *arguments])
        return ended.value.code

    assert status("--out", "a.har", "--load", "state.json", "--", "sh", "-c", "exit 4") == 4
    assert status("-o", "a.har", "sh", "--", "-c", "exit 5") == 5
    assert status("-o", "a.har", "--", "no-such-command") == 127
    assert status("-o", "a.har", "--", str(tmp_path)) == 126
    assert status("-o", "a.har", "--load", "a.har", "--", "true") == 2
    assert status("-o", "none/a.har", "--", "true") == 2
    assert status("-o", "./state.json", "--load", "state.json", "--", "true") == 2
    assert json.loads(Path("state.json").read_text()) == tasks.dump()
    assert status("--", "true") == status("-o", "a.har") == 2
    told = capsys.readouterr().err
    warning = "fakescale: recorded 0 exchanges; a command that ignores HTTPS_PROXY may have talked"
    assert told.count(warning) == 2
    assert "cannot record: no-such-command: No such file or directory" in told
    assert "record needs --out FILE -- COMMAND" in told


def test_the_command_has_a_labeler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fakes: list[FakeScale] = []

    def run(command: object, out: object, fake: FakeScale) -> int:
        fakes.append(fake)
        return 0

    monkeypatch.setattr(recorder, "record", run)
    arguments = ["--labeler", "lively", "--complete-after", "2h", "--seed", "s"]
    with pytest.raises(SystemExit) as ended:
        main(["record", "-o", str(tmp_path / "a.har"), *arguments, "--", "true"])
    assert ended.value.code == 0
    [fake] = fakes
    assert fake.turnaround == dt.timedelta(hours=2)
    assert fake.labeler is not FakeScale().labeler
    assert "lively" in fake.labeler.__qualname__


def test_a_kill_leaves_a_file_that_can_be_read(tmp_path: Path) -> None:
    """The command kills its parent, the recorder, after its last request."""
    out = tmp_path / "out.har"
    script = _SCRIPT.replace("sys.exit(7)", "import os; os.kill(os.getppid(), 9)")
    command = [sys.executable, "-m", "fakescale", "record", "-o", str(out), "--"]
    ended = subprocess.run([*command, sys.executable, "-c", script], check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert [it.status for it in read([out])] == [200, 404]
