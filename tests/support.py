"""Helpers of the tests: a caller of the API without a socket, and bodies of creations."""

import io
import json
import sys
import threading
import urllib.parse
from collections.abc import Iterable
from typing import Any, NamedTuple

import hypothesis
import pytest
from werkzeug.datastructures import Headers

from fakescale import FakeScale
from fakescale.account import task_types

ABSENT = object()
ASCII = bytes(range(128))
# The task types that require a project.
REQUIRED_HOMES = {
    "sensorfusion": ["project"],
    "multistage": ["project"],
    "lidartopdown": ["project"],
}


class Reply(NamedTuple):
    status: int
    json: Any
    headers: Any
    bytes: bytes

    @property
    def error(self) -> str:
        assert self.json["status_code"] == self.status, self.json
        text = self.json["error"]
        assert isinstance(text, str)
        return text


class HeldCreation(NamedTuple):
    """Two events: a creation sets ``inside`` when it begins, and waits for ``go_on``."""

    inside: threading.Event
    go_on: threading.Event


def sent(
    app: Any, method: str, url: str, data: bytes | None, headers: dict[str, str]
) -> tuple[int, Headers, bytes]:
    """Send a request to an application; werkzeug's client does this in twice the time."""
    url = urllib.parse.quote(url, safe=ASCII)
    path, _, query = url.partition("?")
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": urllib.parse.unquote(path, "latin-1"),
        "QUERY_STRING": query,
        "REQUEST_URI": url,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(data or b""),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if data is not None:
        environ["CONTENT_LENGTH"] = str(len(data))
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        is_content = key in ("CONTENT_TYPE", "CONTENT_LENGTH")
        environ[key if is_content else f"HTTP_{key}"] = value
    begun: list[Any] = []
    body = b"".join(app(environ, lambda *started: begun.extend(started)))
    status, fields = begun
    return int(status[:3]), Headers(fields), body


class Caller:
    """Calls a fake's API within this process, as one user."""

    def __init__(self, fake: FakeScale, key: str | None = None) -> None:
        self._fake = fake
        self._key = fake.api_key if key is None else key

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = ABSENT,
        *,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        headers = {"Authorization": f"Bearer {self._key}", **(headers or {})}
        if body is not ABSENT:
            headers.setdefault("Content-Type", "application/json")
            data = json.dumps(body).encode()
        url = path if path.startswith("/v2/") else f"/v1{path}"
        status, fields, text = sent(self._fake, method, url, data, headers)
        is_json = fields["Content-Type"] == "application/json; charset=utf-8"
        assert is_json or method == "OPTIONS" or path.startswith("/v2/datasets/")
        content = json.loads(text) if is_json and method != "HEAD" else None
        return Reply(status, content, fields, text)

    def get(self, path: str) -> Any:
        reply = self("GET", path)
        assert reply.status == 200, reply.json
        return reply.json

    def create(self, type: str = "chat", **changes: Any) -> Any:
        if project := example(type, **changes).get("project"):
            self("POST", "/projects", {"type": type, "name": project})
        reply = self("POST", f"/task/{type}", example(type, **changes))
        assert reply.status == 200, reply.json
        return reply.json


def examples(number: int) -> int:
    """Return the number of examples for this run if a thorough run tries ``number``."""
    thorough = hypothesis.settings.get_profile("thorough").max_examples
    return max(1, number * hypothesis.settings().max_examples // thorough)


def proofs(bugs: Iterable[str], *daily: str) -> list[Any]:
    """Return the names of bugs that a checker must find, for ``parametrize``.

    All names except the ``daily`` ones are marked as proofs, which a run skips by default.
    """
    names = [*bugs]
    assert {*daily} <= {*names}
    return [
        name if name in daily else pytest.param(name, marks=pytest.mark.proof) for name in names
    ]


def example(type: str, **changes: Any) -> dict[str, Any]:
    """Return the example body of a type with changes; ``ABSENT`` leaves a member out.

    The body lacks the unique_id, so that it can be used twice. It lacks the project and the
    batch unless the type requires them, so that they need not exist.
    """
    names = ["unique_id", "project", "batch"]
    absent = {name: ABSENT for name in names if name not in REQUIRED_HOMES.get(type, ())}
    body = {**task_types.example(type)[0], **absent, **changes}
    return {name: value for name, value in body.items() if value is not ABSENT}
