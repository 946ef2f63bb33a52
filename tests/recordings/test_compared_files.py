"""Files that are compared: of browsers, in several parts, and cut off."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from fakescale.recordings import Unreadable, compare, write_har, write_lines
from tests.recordings.samples import har_entry
from tests.recordings.test_seeded_differences import recording

PAGE = {"docs": [], "total": 0, "limit": 100, "offset": 0, "has_more": False}


def entry(url: str, answer: Any, **response: Any) -> dict[str, Any]:
    """Return an entry as a browser writes it."""
    text = base64.b64encode(json.dumps(answer).encode()).decode()
    content = {"mimeType": "application/json", "text": text, "encoding": "base64"}
    kind = {"name": "content-type", "value": "application/json; charset=utf-8"}
    headers = [
        {"name": ":authority", "value": "api.scale.com"},
        {"name": "authorization", "value": "Basic bGl2ZV9tZTo="},
        {"name": "sec-fetch-mode", "value": "cors"},
    ]
    return har_entry(
        request={"method": "GET", "url": url, "headers": headers},
        response={"content": content, "headers": [kind], **response},
    )


def test_a_har_of_a_browser(tmp_path: Path) -> None:
    unknown = {"status_code": 404, "error": "Task with that ID not found."}
    entries = [
        entry("https://dashboard.scale.com/app.js", "no exchange with the API"),
        entry("https://api.scale.com/v1/tasks?limit=100", PAGE),
        entry("https://api.scale.com/v1/tasks", PAGE, status=0),
        entry("https://api.scale.com/v1/task/none", unknown, status=404),
        entry("https://api.scale.com/v1/tasks", {**PAGE, "pages": 1}),
    ]
    log = {"version": "1.2", "creator": {"name": "Firefox", "version": "125"}, "entries": entries}
    (tmp_path / "browser.har").write_text(json.dumps({"log": log}))
    report = compare([tmp_path / "browser.har"])
    assert [it.verdict for it in report.exchanges] == ["same", "same", "differs"]
    [row] = report.table()
    assert (row.kind, row.member) == ("missing", "pages")


def test_the_parts_of_a_recording_are_one(tmp_path: Path) -> None:
    parts = [tmp_path / name for name in ("a.har", "b.jsonl", "c.har")]
    exchanges = recording()
    write_har(parts[0], exchanges[20:])
    write_lines(parts[1], exchanges[:8])
    write_har(parts[2], exchanges[8:20])
    report = compare(parts)
    assert report.same, report.to_text()
    assert [it.file for it in report.exchanges[::8]] == [str(parts[it]) for it in (1, 2, 2, 0)]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_that_is_cut_off_is_named(tmp_path: Path, share: float) -> None:
    file = tmp_path / "cut.har"
    write_har(file, recording())
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(Unreadable, match=r"cut\.har"):
        compare([file])
