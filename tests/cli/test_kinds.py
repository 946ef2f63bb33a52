"""The kinds of values."""

import argparse
import datetime as dt
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakescale.cli import kinds


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (kinds.seconds, "0", 0),
        (kinds.seconds, "1.5", 1.5),
        (kinds.seconds, "90s", 90),
        (kinds.seconds, "250ms", 0.25),
        (kinds.seconds, "15m", 900),
        (kinds.seconds, "1d12h", 129_600),
        (kinds.seconds, "2w", 1_209_600),
        (kinds.duration, "25h", dt.timedelta(hours=25)),
        (kinds.size, "7", 7),
        (kinds.size, "7B", 7),
        (kinds.size, "1MB", 10**6),
        (kinds.size, "1.5 kb", 1500),
        (kinds.size, "64KiB", 2**16),
        (kinds.size, "2gib", 2**31),
        (kinds.count, "12", 12),
        (kinds.port, "0", 0),
        (kinds.port, "65535", 65535),
        (kinds.switch, "Yes", True),
        (kinds.switch, "0", False),
        (kinds.origin, "localhost:8000", "http://localhost:8000"),
        (kinds.origin, "https://box/v1/", "https://box"),
        (kinds.origin, "http://[::1]:80/base/v1", "http://[::1]:80/base"),
        (kinds.member, "a=1", ("a", 1)),
        (kinds.member, 'a="1"', ("a", "1")),
        (kinds.member, "a=b=c", ("a", "b=c")),
        (kinds.member, "a=", ("a", "")),
        (kinds.json_value, ' {"a": [1]}', {"a": [1]}),
        (kinds.limit("max_body", kinds.size), "1MB", 10**6),
    ],
)
def test_a_value_is_read(kind: Callable[[str], Any], text: str, value: object) -> None:
    assert kind(text) == value


@pytest.mark.parametrize(
    ("kind", "texts", "expected"),
    [
        (
            kinds.seconds,
            ["", "soon", "-1", "nan", "inf", "1e3", "h", "1h 2m", "1x", "²h", "1.h"],
            "is not a duration: it must be seconds, or like 90s, 15m, 2h, 1d12h",
        ),
        (kinds.seconds, ["36501d", "9" * 400 + "w"], "is not a duration of at most 100 years"),
        (
            kinds.size,
            ["", "-1", "1XB", "MB", "1e3", "٣"],
            "is not a size: it must be bytes, or like 64KiB, 1MB, 2GB",
        ),
        (kinds.count, ["", "-1", "1.5", "x", "²"], "is not a whole number"),
        (kinds.port, ["", "65536", "-1", "http", "²"], "is not a port: it must be 0 to 65535"),
        (kinds.switch, ["", "2", "maybe"], "is not 1 or 0"),
        (
            kinds.origin,
            ["", "ftp://x", "http://", "http://x:y", "http://x:0", "http://[x", "a b", "x\n"],
            "is not a URL: it must be like http://127.0.0.1:8675",
        ),
        (kinds.member, ["", "a", "=a"], "is not NAME=VALUE"),
        (kinds.json_value, ["nowhere", "\0"], "is not JSON like {…}, and not a file"),
        (kinds.json_value, ["{", "[" * 100_000], "it is not JSON"),
        (kinds.json_value, ["[]"], "it must be a JSON object, like {…}"),
        (kinds.limit("max_body", kinds.size), ["0", "2GB"], "is not over 0 and at most 10**9"),
        (kinds.writable, ["/nowhere/x", "\0"], "cannot be written"),
    ],
)
def test_another_text_is_refused(
    kind: Callable[[str], Any], texts: list[str], expected: str
) -> None:
    for text in texts:
        with pytest.raises(argparse.ArgumentTypeError) as refused:
            kind(text)
        assert expected in str(refused.value), text


def test_json_comes_from_a_file_or_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "x.json"
    file.write_text('\ufeff{"é": 1}', "utf-8")
    assert kinds.json_value(str(file)) == {"é": 1}
    monkeypatch.setattr("sys.stdin", io.StringIO('{"a": 1}'))
    assert kinds.json_value("-") == {"a": 1}
    file.write_text("x")
    with pytest.raises(argparse.ArgumentTypeError, match="is not JSON"):
        kinds.json_value(str(file))
