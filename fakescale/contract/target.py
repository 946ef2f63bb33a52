"""What the contract tests ask: one account of a server that speaks the API, over HTTP."""

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
_SECONDS = 60  # without a word from the server
_PAUSE = 0.5  # between two requests to a server that is not of this machine
# What has a path such as /task/TYPE, where one is made.
_MAKERS = ("task", "training_tasks", "evaluation_tasks")
_IDLE = 5.0  # seconds after which a connection may have been closed at the other end


class Reply(NamedTuple):
    """An answer; ``json`` is None where the body is no JSON."""

    status: int
    json: Any
    headers: http.client.HTTPMessage
    bytes: bytes

    @property
    def error(self) -> str:
        """The text of an error in the API's form; fails the test where it is another."""
        assert self.json["status_code"] == self.status, self.json
        text = self.json["error"]
        assert isinstance(text, str), self.json
        return text


class Stopped(Exception):
    """The server wants no more requests, and gets none."""


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
        #: The account's name, and whether it is its test world that is meant.
        self.account, self.is_test = read_key(key)
        #: The FakeScale or RemoteFakeScale that steers the server; None if nothing does.
        self.fake: Any = fake
        self._line = line or Line(self.url)

    def __repr__(self) -> str:
        return f"<Target {self.url}, {'test' if self.is_test else 'live'} mode>"

    @property
    def world(self) -> Any:
        """What steers this account in this mode: it has ``tasks``, ``projects`` and so on."""
        assert self.fake is not None, "nothing steers this server"
        return self.fake.world(self.account, test=self.is_test)

    @property
    def is_far(self) -> bool:
        """Whether it may be the real service: then few, small and slow things are asked."""
        return self._line.is_far

    @property
    def stopped(self) -> str | None:
        """Why the server is asked no more, if so."""
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
        """Send a request with the key, and return the answer.

        ``path`` follows ``url``, as it is to be sent. ``body`` is sent as JSON, ``data`` as
        it is. Of ``headers`` those that are None are left out. Raises Stopped when a server
        of another machine has had enough.
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
        """Return a name that nothing has yet."""
        return self._line.name(word)

    def task_id(self) -> str:
        """Return an id of the form of a task's that no task has."""
        return self._line.note(f"{'0' * 8}{secrets.token_hex(8)}")

    def in_mode(self, *, test: bool) -> "Target":
        """Return the same account in test or in live mode; of a server with one key, its own."""
        if test == self.is_test:
            return self
        assert self.fake is not None, "the key leads to the other mode"
        key = self.fake.world(self.account, test=test).api_key
        return Target(self.url, key, fake=self.fake, line=self._line)

    @contextlib.contextmanager
    def clean(self) -> Iterator["Target"]:
        """Give an account without anything in it, for a ``with`` block, in the same mode.

        Where nothing steers the server it is the present one, with all that is in it.
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
        """Let the server's clock stand, so that ``fake.advance`` alone moves it."""
        assert self.fake is not None, "nothing moves this server's clock"
        self.fake.stop_clock()
        try:
            yield
        finally:
            self.fake.start_clock()


class Line:
    """The connections to one server, one for each thread, and what the server is to be spared."""

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
        # What was made here, or never was: all that a server of another machine is told to
        # change.
        self._ours: set[str] = set()

    def name(self, word: str) -> str:
        """Return a name like no other, which ends with ``word``; it is ours."""
        return self.note(f"contract-{self._run}-{next(self._numbers)}{word}")

    def note(self, name: str) -> str:
        """Return ``name``, once it is noted that what is called so is ours."""
        self._ours.add(name)
        return name

    def send(self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]) -> Reply:
        """Send a request and return its answer; raises Stopped, and OSError."""
        if self.is_far:
            self._spare(method, path)
        reply = self._send(method, f"{self._base}{path}", data, headers)
        if isinstance(reply.json, dict) and "task_id" in reply.json and method == "POST":
            self.note(str(reply.json["task_id"]))
        if self.is_far and (reply.status == 429 or reply.status >= 500):
            self.stopped = f"{method} {path} was answered with {reply.status}"
        return reply

    def _spare(self, method: str, path: str) -> None:
        """Wait for the next moment that suits; refuse what could touch what is not ours."""
        nouns = [unquote(noun) for noun in path.partition("?")[0].strip("/").split("/")]
        makes = (len(nouns) == 1 and method == "POST") or (
            nouns[0] == "files" or (len(nouns) == 2 and nouns[0] in _MAKERS)
        )
        if method not in ("GET", "HEAD") and not makes and not self._ours & {*nouns}:
            raise AssertionError(f"{method} {path} could change what this run has not made")
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
        # Forgotten until all went well: a broken one is of no use to the next request.
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
        # A head and its body are two segments.
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def connector(url: str) -> Callable[[], http.client.HTTPConnection]:
    """Return what makes a connection to the server of a URL."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else _Connection
    return functools.partial(kind, parts.hostname or "", parts.port, timeout=_SECONDS)
