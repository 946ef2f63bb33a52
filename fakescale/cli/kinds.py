"""The kinds of values that flags and arguments take, each read from its text.

Every function raises ArgumentTypeError for another text. The message says what is expected.
"""

import argparse
import datetime as dt
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fakescale.server.limits import Limits

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)(ms|s|m|h|d|w))+")
_SIZES = {"": 1, "B": 1} | {
    f"{letter}{end}": base**power
    for power, letter in enumerate("KMG", 1)
    for end, base in (("B", 1000), ("IB", 1024))
}
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([A-Za-z]*)")
_LONGEST = 36_500 * 86_400  # seconds: 100 years
SWITCH = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


def _wrong(text: str, expected: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"{text!r} is not {expected}")


def port(text: str) -> int:
    """Return a port."""
    if not (text.isascii() and text.isdecimal()) or int(text) > 0xFFFF:
        raise _wrong(text, "a port: it must be 0 to 65535")
    return int(text)


def seconds(text: str) -> float:
    """Return a duration in seconds."""
    number = sum(float(it) * _UNITS[unit] for it, unit in _parts(text))
    if number > _LONGEST:
        raise _wrong(text, "a duration of at most 100 years")
    return number


def _parts(text: str) -> list[tuple[str, str]]:
    if re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII):
        return [(text, "s")]
    if text.isascii() and _DURATION.fullmatch(text):
        return re.findall(r"([\d.]+)(ms|[smhdw])", text)
    raise _wrong(text, "a duration: it must be seconds, or like 90s, 15m, 2h, 1d12h")


def duration(text: str) -> dt.timedelta:
    """Return a duration."""
    return dt.timedelta(seconds=seconds(text))


def size(text: str) -> int:
    """Return a size in bytes."""
    found = _SIZE.fullmatch(text) if text.isascii() else None
    unit = _SIZES.get(found[2].upper()) if found else None
    if found is None or unit is None:
        raise _wrong(text, "a size: it must be bytes, or like 64KiB, 1MB, 2GB")
    return int(float(found[1]) * unit) if "." in found[1] else int(found[1]) * unit


def count(text: str) -> int:
    """Return a number of things."""
    if not (text.isascii() and text.isdecimal()):
        raise _wrong(text, "a whole number")
    return int(text)


def limit(name: str, kind: Callable[[str], float]) -> Callable[[str], float]:
    """Return the kind of the limit ``name``: ``kind``, over 0 and at most 10**9."""

    def read(text: str) -> float:
        value = kind(text)
        try:
            Limits(**{name: value})  # type: ignore[arg-type]
        except ValueError:
            raise _wrong(text, "over 0 and at most 10**9") from None
        return value

    return read


def switch(text: str) -> bool:
    """Return the value of a flag without a value, which an environment variable gives."""
    if text.lower() not in SWITCH:
        raise _wrong(text, "1 or 0")
    return SWITCH[text.lower()]


def writable(text: str) -> Path:
    """Return the path of a file that can be written."""
    from fakescale import saving

    try:
        return saving.check(text)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise argparse.ArgumentTypeError(f"{text!r} cannot be written: {reason}") from None


def is_same_file(output: str | Path, file: str | Path) -> bool:
    """Return whether two paths lead to the same file, which may be there or not."""
    try:
        is_same = os.path.samefile(output, file)
    except (OSError, ValueError):  # one is not there
        return os.path.realpath(output) == os.path.realpath(file)
    return is_same and os.path.isfile(file)


def origin(text: str) -> str:
    """Return the address of a server without ``/v1``; ``http://`` may be missing."""
    from urllib.parse import urlsplit

    url = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url or not url.isprintable() or " " in url:
        raise _wrong(text, "a URL: it must be like http://127.0.0.1:8675")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix('/v1')}"


def json_value(text: str) -> Any:
    """Return a JSON object: ``text`` itself, a file that it names, or standard input for ``-``."""
    where, content = "it", text
    if not text.lstrip().startswith(("{", "[")):
        where = "standard input" if text == "-" else text
        try:
            # An editor of Windows may have put a mark at the beginning.
            content = sys.stdin.read() if text == "-" else Path(text).read_text("utf-8-sig")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise _wrong(text, f"JSON like {{…}}, and not a file: {reason}") from None
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"{where} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"{where} must be a JSON object, like {{…}}")
    return value


def member(text: str) -> tuple[str, Any]:
    """Return the name and the value of ``NAME=VALUE``; the value is JSON, or else a text."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise _wrong(text, "NAME=VALUE")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


def difference(text: str) -> str:
    """Return a kind of differences between a recording and the fake, or KIND:MEMBER."""
    from fakescale.recordings.report import Allowed

    try:
        Allowed([text])
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text
