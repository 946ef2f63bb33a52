"""Recordings are written as HAR and as lines, and read back the same."""

import datetime as dt
import json
import os
import stat
import threading
from pathlib import Path

import pytest

from fakescale.recordings import Recorded, Unreadable, read, write_har, write_lines
from fakescale.recordings.writing import HarFile, write

EXCHANGES = [
    Recorded(
        method="POST",
        url="https://api.scale.com/v1/task/chat?a=b&c=%20",
        headers=[("Content-Type", "application/json"), ("X", "\udcff")],
        body='{"instruction": "héllo"}'.encode(),
        status=200,
        answer_headers=[("Content-Type", "application/json"), ("Location", "/x")],
        answer=b"\xff\x00",
        when=dt.datetime(2021, 6, 29, 20, 21, 53, 289000, tzinfo=dt.UTC),
        source="",
    ),
    Recorded("GET", "https://api.scale.com/v1/tasks", [], b"", 599, [], b"{}", None, ""),
]


@pytest.mark.parametrize("writes", [write_har, write_lines])
def test_a_recording_is_read_back_the_same(writes: object, tmp_path: Path) -> None:
    path = tmp_path / "recording"
    assert writes(path, EXCHANGES) == 2  # type: ignore[operator]
    assert [it._replace(source="") for it in read([path])] == EXCHANGES
    assert stat.S_IMODE(path.stat().st_mode) == 0o600  # it may hold keys


def test_the_name_tells_the_form(tmp_path: Path) -> None:
    write(tmp_path / "a.HAR", EXCHANGES)
    write(tmp_path / "a.jsonl", EXCHANGES)
    assert json.loads((tmp_path / "a.HAR").read_text())["log"]["version"] == "1.2"
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 2


def test_a_har_has_all_that_the_format_demands(tmp_path: Path) -> None:
    write_har(tmp_path / "a.har", EXCHANGES)
    for entry in json.loads((tmp_path / "a.har").read_text())["log"]["entries"]:
        assert {"startedDateTime", "time", "request", "response", "cache", "timings"} == {*entry}
        assert {"method", "url", "httpVersion", "cookies", "headers", "queryString"} <= {
            *entry["request"]
        }
        assert {"status", "statusText", "httpVersion", "cookies", "headers", "content"} <= {
            *entry["response"]
        }
        assert {"size", "mimeType", "text"} <= {*entry["response"]["content"]}


def test_a_har_is_whole_after_each_exchange(tmp_path: Path) -> None:
    path = tmp_path / "a.har"
    path.write_text("a longer text than that of an empty file" * 99)
    file = HarFile(path)
    for number in range(3):
        assert len(json.loads(path.read_text())["log"]["entries"]) == number
        file.add(EXCHANGES[1])
    file.close()
    assert len(list(read([path]))) == 3


@pytest.mark.parametrize("writes", [write_har, write_lines])
def test_a_recording_is_written_over_itself(writes: object, tmp_path: Path) -> None:
    path = tmp_path / "recording"
    write_har(path, EXCHANGES)
    assert writes(path, read([path])) == 2  # type: ignore[operator]
    assert [it._replace(source="") for it in read([path])] == EXCHANGES


@pytest.mark.parametrize("writes", [write_har, write_lines])
def test_a_failed_writing_leaves_the_file(writes: object, tmp_path: Path) -> None:
    path, broken = tmp_path / "recording", tmp_path / "broken"
    path.write_text("before")
    broken.write_text('[{"url": "https://api.scale.com"}]')
    with pytest.raises(Unreadable):
        writes(path, read([broken]))  # type: ignore[operator]
    assert path.read_text() == "before"
    assert sorted(tmp_path.iterdir()) == [broken, path]


def test_a_har_into_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(path.read_text()))
    reader.start()
    write_har(path, EXCHANGES)
    reader.join()
    assert len(json.loads(found[0])["log"]["entries"]) == 2
