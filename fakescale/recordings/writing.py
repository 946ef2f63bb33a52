"""The writing of recordings: HAR 1.2, and lines of JSON, one exchange at a time."""

import base64
import contextlib
import http
import io
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from fakescale.recordings.exchanges import Recorded
from fakescale.recordings.forms import NO_TIME
from fakescale.values.clock import stamp

_END = b"\n]}}\n"
# The mode of a new file: a recording may hold keys.
_MODE = 0o600


class HarFile:
    """A HAR file that is whole after each exchange, unless it is a pipe or the like.

    Raises OSError if it cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file: io.FileIO = _create(path)
        self._is_seekable = self._file.seekable()
        self._is_first = True
        from fakescale import __version__

        creator = json.dumps({"name": "fakescale", "version": __version__})
        head = f'{{"log": {{"version": "1.2", "creator": {creator}, "entries": ['
        self._put(head.encode())

    def add(self, exchange: Recorded) -> None:
        """Write an exchange."""
        comma = b"" if self._is_first else b","
        self._is_first = False
        self._put(comma + b"\n" + _text(_entry(exchange)))

    def close(self) -> None:
        """Write the end, and close the file."""
        if not self._is_seekable:
            self._write(_END)
        self._file.close()

    def _put(self, content: bytes) -> None:
        if not self._is_seekable:
            self._write(content)
            return
        # One call writes the end too, so that the file is whole whenever the process is killed.
        self._write(content + _END)
        self._file.seek(-len(_END), os.SEEK_CUR)

    def _write(self, content: bytes) -> None:
        rest = memoryview(content)
        while rest:
            rest = rest[self._file.write(rest) or 0 :]


def write_har(path: str | os.PathLike[str], exchanges: Iterable[Recorded]) -> int:
    """Write exchanges to a HAR file, and return their number; raises OSError.

    The file is replaced at the end, so the exchanges may be read from it.
    """
    with _replacing(path) as new, contextlib.closing(HarFile(new)) as file:
        return _counted(map(file.add, exchanges))


def write_lines(path: str | os.PathLike[str], exchanges: Iterable[Recorded]) -> int:
    """Write exchanges as lines of JSON, and return their number; raises OSError.

    The file is replaced at the end, so the exchanges may be read from it.
    """
    with _replacing(path) as new, io.BufferedWriter(_create(new)) as file:
        return _counted(file.write(_text(_line(it)) + b"\n") for it in exchanges)


def write(path: str | os.PathLike[str], exchanges: Iterable[Recorded]) -> int:
    """Write HAR to a path that ends with ``.har``, and lines of JSON to any other.

    The file is replaced at the end, so the exchanges may be read from it.
    """
    is_har = Path(path).suffix.lower() == ".har"
    return (write_har if is_har else write_lines)(path, exchanges)


@contextlib.contextmanager
def _replacing(path: str | os.PathLike[str]) -> Iterator[str | os.PathLike[str]]:
    """Give the path of a new file, which replaces ``path`` at the end.

    Give ``path`` itself if it is a special file, the output of this process, or in a folder that
    takes no new file.
    """
    target = os.path.realpath(path)
    if not _is_replaced(path, target):
        yield path
        return
    number, new = tempfile.mkstemp(prefix=".fakescale-", dir=os.path.dirname(target))
    os.close(number)
    try:
        yield new
        try:
            os.replace(new, target)
        except OSError:  # it is mounted on its own, or open elsewhere
            shutil.copyfile(new, target)
            os.unlink(new)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise


def _is_replaced(path: str | os.PathLike[str], target: str) -> bool:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return True
    if not os.access(os.path.dirname(target), os.W_OK):
        return False
    # A link below /proc may lead to a file without a name.
    is_file = stat.S_ISREG(status.st_mode) and os.path.exists(target)
    return is_file and not any(_leads_to(number, status) for number in (1, 2))


def _leads_to(number: int, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(number), status)
    except OSError:  # it is closed
        return False


def _create(path: str | os.PathLike[str]) -> io.FileIO:
    def opener(name: str, flags: int) -> int:
        return os.open(name, flags, _MODE)

    return io.FileIO(path, "w", opener=opener)


def _counted(steps: Iterable[object]) -> int:
    return sum(1 for _ in steps)


def _text(value: Any) -> bytes:
    # The standard library, since a header may hold half of a surrogate pair.
    return json.dumps(value).encode()


def _line(exchange: Recorded) -> dict[str, Any]:
    """Return the form of an exchange in lines of JSON; ``forms`` reads it."""
    return {
        "when": exchange.when and _stamp(exchange),
        "method": exchange.method,
        "url": exchange.url,
        "headers": exchange.headers,
        **_body("body", exchange.body),
        "status": exchange.status,
        "answer_headers": exchange.answer_headers,
        **_body("answer", exchange.answer),
    }


def _body(name: str, body: bytes) -> dict[str, str]:
    try:
        return {name: body.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(body).decode()}


def _entry(exchange: Recorded) -> dict[str, Any]:
    """Return the entry of an exchange in a HAR."""
    posted = {}
    if exchange.body:
        kind = _header(exchange.headers, "content-type")
        posted = {"postData": {"mimeType": kind, **_content(exchange.body)}}
    kind = _header(exchange.answer_headers, "content-type")
    return {
        "startedDateTime": _stamp(exchange),
        "time": 0,
        "request": {
            "method": exchange.method,
            "url": exchange.url,
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": list(_named(exchange.headers)),
            "queryString": list(_named(_query(exchange.url))),
            **posted,
            "headersSize": -1,
            "bodySize": len(exchange.body),
        },
        "response": {
            "status": exchange.status,
            "statusText": _phrase(exchange.status),
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": list(_named(exchange.answer_headers)),
            "content": {
                "size": len(exchange.answer),
                "mimeType": kind or "x-unknown",
                **_content(exchange.answer),
            },
            "redirectURL": _header(exchange.answer_headers, "location"),
            "headersSize": -1,
            "bodySize": len(exchange.answer),
        },
        "cache": {},
        "timings": {"send": 0, "wait": 0, "receive": 0},
    }


def _content(body: bytes) -> dict[str, str]:
    try:
        return {"text": body.decode()}
    except UnicodeDecodeError:
        return {"text": base64.b64encode(body).decode(), "encoding": "base64"}


def _named(fields: Iterable[tuple[str, str]]) -> Iterator[dict[str, str]]:
    return ({"name": name, "value": value} for name, value in fields)


def _query(url: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(urlsplit(url).query, keep_blank_values=True)
    except ValueError:
        return []


def _header(fields: Sequence[tuple[str, str]], name: str) -> str:
    return next((value for each, value in fields if each.lower() == name), "")


def _stamp(exchange: Recorded) -> str:
    return NO_TIME if exchange.when is None else stamp(exchange.when)


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""
