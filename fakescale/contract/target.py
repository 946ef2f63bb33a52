"""One account of a server that the contract tests call over HTTP."""

import base64
import contextlib
import functools
import http.client
import itertools
import json
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Self
from urllib.parse import unquote, urlsplit

from fakescale.fake import FakeScale
from fakescale.remote import RemoteFakeScale
from fakescale.values.hosts import is_loopback
from fakescale.values.keys import read_key

ABSENT: Any = object()
_SECONDS = 60  # without a byte from the server
_PAUSE = 0.5  # seconds between two requests to a server on another machine
# Nouns of the paths that create something by its type, like /task/TYPE.
_MAKERS = ("task", "training_tasks", "evaluation_tasks")
_IDLE = 5.0  # seconds after which the server may have closed a connection


class Reply(NamedTuple):
    """An answer of the server."""

    status: int
    #: None if the body is not JSON.
    json: Any
    headers: http.client.HTTPMessage
    bytes: bytes

    @property
    def error(self) -> str:
        """The text of an error; the test fails if the answer is not an error in the API's form."""
        assert self.json["status_code"] == self.status, self.json
        text = self.json["error"]
        assert isinstance(text, str), self.json
        return text


class Stopped(Exception):
    """A server on another machine has answered with 429 or 5xx, and gets no more requests."""


class Target:
    """One account of a server, in the mode of its key. Safe to call from any thread."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        fake: FakeScale | RemoteFakeScale | None = None,
        line: "Line | None" = None,
    ) -> None:
        #: The base URL, with ``/v1``.
        self.url = url
        self.key = key
        #: The name of the account, and whether the key is of test mode.
        self.account, self.is_test = read_key(key)
        #: The FakeScale or RemoteFakeScale that steers the server; None for other servers.
        self.fake: Any = fake
        self._line = line or Line(self.url)

    def __repr__(self) -> str:
        return f"<Target {self.url}, {'test' if self.is_test else 'live'} mode>"

    @property
    def world(self) -> Any:
        """The helpers of this account in its mode: ``tasks``, ``projects`` and so on."""
        assert self.fake is not None, "This server is not a fakescale: it has no helpers."
        return self.fake.world(self.account, test=self.is_test)

    @property
    def is_far(self) -> bool:
        """Whether the server is on another machine; the tests then make few and slow requests."""
        return self._line.is_far

    @property
    def stopped(self) -> str | None:
        """The reason why the server gets no more requests, or None."""
        return self._line.stopped

    def call(
        self,
        method: str,
        path: str,
        body: Any = ABSENT,
        *,
        headers: Mapping[str, str | None] | None = None,
        data: bytes | None = None,
    ) -> Reply:
        """Send a request with the key and return the answer.

        ``path`` is appended to ``url`` unchanged; one that begins with ``/v2/`` is one of v2.
        ``body`` is sent as JSON, ``data`` unchanged. A header that is None is left out. Raises
        Stopped if a server on another machine has answered with 429 or 5xx before.
        """
        fields: dict[str, str | None] = {"Authorization": f"Basic {self._basic}"}
        if body is not ABSENT:
            data = json.dumps(body).encode()
            fields["Content-Type"] = "application/json"
        fields |= headers or {}
        given = {name: value for name, value in fields.items() if value is not None}
        return self._line.send(method, path, data, given)

    @property
    def _basic(self) -> str:
        return base64.b64encode(f"{self.key}:".encode()).decode()

    def name(self, word: str = "") -> str:
        """Return a new name, which ends with ``word``."""
        return self._line.name(word)

    def task_id(self) -> str:
        """Return a well-formed id that no task has."""
        return self._line.note(f"{'0' * 8}{secrets.token_hex(8)}")

    def in_mode(self, *, test: bool) -> "Target":
        """Return the same account in test or live mode; a server with one key has only its own."""
        if test == self.is_test:
            return self
        assert self.fake is not None, "The key is of the other mode."
        key = self.fake.world(self.account, test=test).api_key
        return Target(self.url, key, fake=self.fake, line=self._line)

    @contextlib.contextmanager
    def clean(self) -> Iterator["Target"]:
        """Give an empty account in the same mode, for a ``with`` block.

        On a server that is not a fakescale, it is this account with all its contents.
        """
        if self.fake is None:
            yield self
            return
        account = f"contract-{secrets.token_hex(8)}"
        key = f"{'test' if self.is_test else 'live'}_{account}"
        try:
            yield Target(self.url, key, fake=self.fake, line=self._line)
        finally:
            self.fake.reset(account)

    @contextlib.contextmanager
    def standing_time(self) -> Iterator[None]:
        """Stop the server's clock for a ``with`` block; only ``fake.advance`` moves it."""
        assert self.fake is not None, "This server is not a fakescale: its clock cannot be stopped."
        self.fake.stop_clock()
        try:
            yield
        finally:
            self.fake.start_clock()


class Line:
    """The connections to one server, one for each thread.

    A server on another machine gets few requests a second. It gets no request that could change
    things that this run has not made.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connect = connector(url)
        self._base = parts.path
        self.is_far = not is_loopback(parts.hostname or "")
        self.stopped: str | None = None
        self._mine = threading.local()
        self._all: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()
        self._next_at = 0.0
        self._run = secrets.token_hex(6)
        self._numbers = itertools.count()
        # Names and ids that this run has made. Only these may be changed on another machine.
        self._ours: set[str] = set()

    def name(self, word: str) -> str:
        """Return a unique name that ends with ``word``, and note it as ours."""
        return self.note(f"contract-{self._run}-{next(self._numbers)}{word}")

    def note(self, name: str) -> str:
        """Note ``name`` as ours, and return it."""
        self._ours.add(name)
        return name

    def send(self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]) -> Reply:
        """Send a request and return the answer. Raises Stopped and OSError."""
        is_v2 = path.startswith("/v2/")
        if self.is_far:
            self._spare(method, path, data if is_v2 else None)
        base = self._base.removesuffix("/v1") if is_v2 else self._base
        reply = self._send(method, f"{base}{path}", data, headers)
        if isinstance(reply.json, dict) and "task_id" in reply.json and method == "POST":
            self.note(str(reply.json["task_id"]))
        if self.is_far and (reply.status == 429 or reply.status >= 500):
            self.stopped = f"{method} {path} was answered with {reply.status}"
        return reply

    def _spare(self, method: str, path: str, data: bytes | None) -> None:
        """Refuse a request that could change other things; then wait until the pause is over.

        A request of v2 names the things in its body, ``data``.
        """
        nouns = [unquote(noun) for noun in path.partition("?")[0].strip("/").split("/")]
        if data is not None:
            nouns = ["v2", *(it for it in json.loads(data).values() if isinstance(it, str))]
        makes = (len(nouns) == 1 and method == "POST") or (
            nouns[0] == "files" or (len(nouns) == 2 and nouns[0] in _MAKERS)
        )
        if method not in ("GET", "HEAD") and not makes and not self._ours & {*nouns}:
            raise AssertionError(
                f"{method} {path} could change something that this run has not made."
            )
        with self._lock:
            if self.stopped:
                raise Stopped(self.stopped)
            wait = self._next_at - time.monotonic()
            if wait > 0:
                threading.Event().wait(wait)
            self._next_at = time.monotonic() + _PAUSE

    def _send(
        self, method: str, target: str, data: bytes | None, headers: Mapping[str, str]
    ) -> Reply:
        connection, last = getattr(self._mine, "connection", (None, 0.0))
        if connection is None or time.monotonic() - last > _IDLE:
            if connection is not None:
                connection.close()
            connection = self._connect()
            self._all.append(connection)
        # Kept only once all went well: the next request cannot use a broken connection.
        self._mine.connection = None, 0.0
        connection.request(method, target, data, dict(headers))
        answer = connection.getresponse()
        content = answer.read()
        self._mine.connection = connection, time.monotonic()
        try:
            value = json.loads(content)
        except ValueError:
            value = None
        return Reply(answer.status, value, answer.headers, content)

    def close(self) -> None:
        """Close all connections."""
        for connection in self._all:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        super().connect()
        # http.client sends a head and its body in two segments.
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def connector(url: str) -> Callable[[], http.client.HTTPConnection]:
    """Return a function that makes a connection to the server of a URL."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else _Connection
    return functools.partial(kind, parts.hostname or "", parts.port, timeout=_SECONDS)
