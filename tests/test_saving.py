"""The files that the command writes."""

import errno
import os
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakescale import saving
from fakescale.saving import check, save, save_or_tell


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "_PATIENCE", 0.05)


def failing(number: int) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("before", [None, "an old and longer text"])
def test_a_file_is_written_in_one_step(tmp_path: Path, before: str | None) -> None:
    file = tmp_path / "x"
    if before:
        file.write_text(before)
    assert save(file, "é".encode()) == file
    assert file.read_text("utf-8") == "é"
    assert file.stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["x"]


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_is_followed(tmp_path: Path, exists: bool) -> None:
    (tmp_path / "a").mkdir()
    target, link = tmp_path / "a" / "x", tmp_path / "link"
    link.symlink_to(target)
    if exists:
        target.touch()
    assert check(str(link)) == link
    assert save(link, b"x") == target
    assert link.is_symlink()
    assert target.read_text() == "x"
    assert names(target.parent) == ["x"]


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    assert check(str(pipe)) == pipe
    thread = threading.Thread(target=lambda: read.append(pipe.read_text()))
    thread.start()
    assert save(pipe, b"x" * 200_000) is None
    thread.join(10)
    assert read == ["x" * 200_000]
    assert pipe.is_fifo()


def test_devices_are_written_into(tmp_path: Path) -> None:
    assert save(check("/dev/null"), b"x") is None
    assert Path("/dev/null").is_char_device()
    reader, writer = os.pipe()
    with open(reader, "rb") as read:
        assert save(check(f"/dev/fd/{writer}"), b"x") is None
        os.close(writer)
        assert read.read() == b"x"


def test_the_output_is_continued(tmp_path: Path) -> None:
    file, before = tmp_path / "x", os.dup(1)
    try:
        with file.open("wb") as output:
            os.dup2(output.fileno(), 1)
            os.write(1, b"a line\n")
            assert save(check("/dev/stdout"), b"content") is None
    finally:
        os.dup2(before, 1)
        os.close(before)
    assert file.read_text() == "a line\ncontent"


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EXDEV, errno.EACCES, errno.EROFS])
@pytest.mark.parametrize("step", ["os.replace", "tempfile.mkstemp"])
def test_a_file_that_cannot_be_replaced_is_written_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, step: str
) -> None:
    file = tmp_path / "x"
    file.write_text("an old and longer text")
    monkeypatch.setattr(step, failing(number))
    assert save(file, b"new") == file
    assert file.read_text() == "new"
    assert names(tmp_path) == ["x"]


def test_a_failure_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "x"
    file.write_text("old")
    monkeypatch.setattr("os.replace", failing(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left"):
        save(file, b"new")
    assert file.read_text() == "old"
    assert names(tmp_path) == ["x"]
    assert saving.temporary == set()


def test_what_cannot_be_written_goes_to_the_temporary_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reasons = {
        "/dev/full": "No space left on device",
        str(tmp_path / "no" / "x"): "No such file or directory",
        str(pipe): "No such device or address",
    }
    for path, reason in reasons.items():
        line = save_or_tell(Path(path), b"x")
        assert line is not None
        start = f"cannot write {path}: {reason}; the state is in "
        assert line.startswith(start)
        file = Path(line.removeprefix(start))
        assert (file.parent, file.read_text()) == (tmp_path, "x")
        assert file.stat().st_mode & 0o777 == 0o600
        file.unlink()
    assert save_or_tell(tmp_path / "x", b"x") is None
    assert names(tmp_path) == ["pipe", "x"]
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    lost = save_or_tell(tmp_path / "no" / "x", b"x")
    assert lost is not None
    assert "the state is lost, since the temporary directory fails too: No such file" in lost


def test_a_reader_who_reads_nothing_is_not_waited_for(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with pytest.raises(TimeoutError, match="Nobody reads it"):
        save(Path(f"/dev/fd/{writer}"), b"x" * 1_000_000)
    os.close(reader)
    os.close(writer)


def test_a_process_that_ends_at_once_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replace(*_: Any) -> None:
        saving.remove_temporary()  # as a signal handler does
        assert names(tmp_path) == []

    monkeypatch.setattr("os.replace", replace)
    save(tmp_path / "x", b"x")


def test_a_path_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        for path, reason in {
            "": "directory or a socket",
            "file/x": "Not a directory",
            "no/x": "No such file or directory",
            "socket": "directory or a socket",
            "loop": "Too many levels of symbolic links",
            "x" * 300: "File name too long",
        }.items():
            with pytest.raises(OSError, match=reason):
                check(f"{tmp_path}/{path}")
