"""The journal: the requests that the fake received, and its answers."""

import builtins
import datetime as dt
import json
import operator
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, overload

from fakescale.values.matching import matching, not_in_time
from fakescale.values.paths import pattern
from fakescale.waiting import HIDDEN, Wait, in_thread, look_once

MAX_ENTRIES = 10_000
MAX_BYTES = 32 * 2**20


class Exchange(NamedTuple):
    """One request and its answer."""

    #: The HTTP method.
    method: str
    #: The path as it was sent, percent-encoded.
    path: str
    #: The query as it was sent, percent-encoded; empty if there was none.
    query: str
    #: The header fields of the request, by names like ``Idempotency-Key``.
    headers: Mapping[str, str]
    #: The request's body. It is empty if nothing read it: for a GET, a wrong key or a wrong path.
    #: It is also empty for an upload, which is not kept.
    body: bytes
    #: The status of the answer, or 0 if the connection was reset before the answer.
    status: int
    #: The body of the answer.
    answer: bytes
    #: The time of the request, on the fake's clock.
    when: dt.datetime
    #: The traceback of the bug behind a 500, or None.
    traceback: str | None = None
    #: The effect of the faults that struck the request, in a few words, or None.
    fault: str | None = None
    #: The name of the account that the API key led to, or None.
    account: str | None = None

    @property
    def target(self) -> str:
        """The path, followed by ``?`` and the query if there was one."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def json(self) -> Any:
        """The request's body, parsed as JSON; raises ValueError if it is not JSON."""
        return json.loads(self.body)

    @property
    def answer_json(self) -> Any:
        """The body of the answer, parsed as JSON; raises ValueError if it is not JSON."""
        return json.loads(self.answer)

    @property
    def error(self) -> str | None:
        """The error text of a refusal; None for other answers, and for a proxy's HTML page."""
        try:
            content = json.loads(self.answer) if self.status >= 400 else None
        except ValueError:
            return None
        return str(content["error"]) if isinstance(content, dict) and "error" in content else None

    def __repr__(self) -> str:
        # Printed text ends up in logs, so it shows no keys.
        headers = {name: _masked(name, value) for name, value in self.headers.items()}
        return (
            f"<Exchange {self.method} {self.target} {headers} {self.body!r}"
            f" -> {self.status} {self.answer!r}{f' ({self.fault})' if self.fault else ''}>"
        )


def _masked(name: str, value: str) -> str:
    if name != "Authorization":
        return value
    scheme = value.partition(" ")[0]
    return f"{scheme} ***" if scheme.lower() in ("basic", "bearer") else "***"


class Journal(Sequence[Exchange]):
    """The latest exchanges, oldest first.

    The journal drops the oldest when it holds more than 10,000 exchanges or 32 MiB.
    """

    def __init__(
        self,
        max_entries: int = MAX_ENTRIES,
        max_bytes: int = MAX_BYTES,
        *,
        wait: Wait = look_once,
    ) -> None:
        self._wait = wait
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: deque[Exchange] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        self._counts: Counter[str | None] = Counter()  # by account
        #: The number of all exchanges so far, dropped ones included.
        self.total = 0

    def _append(self, exchange: Exchange) -> int:
        """Add an exchange, and return its bytes; drop old ones if the journal is full."""
        added = _size(exchange)
        with self._lock:
            self.total += 1
            self._counts[exchange.account] += 1
            self._entries.append(exchange)
            self._bytes += added
            while len(self._entries) > 1 and (
                len(self._entries) > self._max_entries or self._bytes > self._max_bytes
            ):
                self._bytes -= _size(self._entries.popleft())
        return added

    def list(
        self,
        *,
        method: str | None = None,
        path: str | None = None,
        status: int | None = None,
        account: str | None = None,
        since: dt.datetime | None = None,
        limit: int | None = None,
    ) -> builtins.list[Exchange]:
        """Return the exchanges, oldest first.

        ``method``, ``path``, ``status`` and ``account`` choose those that have this value. In
        ``path``, ``/v1`` may be left out, ``<name>`` stands for one segment, and ``*`` for any
        text; it may have a query. ``since`` chooses those from a time of the fake's clock on.
        ``limit`` chooses the latest ones, up to this number.
        """
        method = method and method.upper()
        fits = _fitting(path)
        chosen = [
            exchange
            for exchange in self._snapshot()
            if method in (None, exchange.method)
            and fits(exchange)
            and status in (None, exchange.status)
            and account in (None, exchange.account)
            and (since is None or exchange.when >= since)
        ]
        return chosen if limit is None else chosen[max(0, len(chosen) - limit) :]

    def assert_sent(
        self,
        method: str | None = None,
        path: str | None = None,
        count: int | None = None,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        account: str | None = None,
        **members: Any,
    ) -> builtins.list[Exchange]:
        """Return the exchanges that fit all arguments, oldest first.

        ``method``, ``path``, ``status`` and ``account`` are those of ``list``. The request has
        all ``headers``, whose names match in any case, and its JSON body has all ``members``. An
        object may have further members, and None stands for a missing member.

        Raises AssertionError unless ``count`` requests fit, or at least one if that is None. It
        shows the nearest requests, and how they differ.
        """
        __tracebackhide__ = HIDDEN
        fits = _fitting(path)
        expected = {
            "method": method and method.upper(),
            "path": path,
            "status": status,
            "headers": headers and {name.title(): it for name, it in headers.items()},
            "body": members or None,
        }
        expected = {name: it for name, it in expected.items() if it is not None}

        def show(exchange: Exchange) -> dict[str, Any]:
            return {
                "method": exchange.method,
                "path": path if fits(exchange) else exchange.target,
                "status": exchange.status,
                "headers": {name.title(): it for name, it in exchange.headers.items()},
                "body": _body(exchange) if members else None,
            }

        items = self.list(account=account)
        return matching("sent request", items, show, expected, count, _label)

    def wait_for(
        self,
        count: int = 1,
        timeout: float = 10,
        *,
        method: str | None = None,
        path: str | None = None,
        status: int | None = None,
        account: str | None = None,
    ) -> builtins.list[Exchange]:
        """Wait until ``count`` requests were answered, and return all of them, oldest first.

        Waits in real time, up to ``timeout`` seconds, also while the clock is frozen. Requests
        from before the call count too. The other arguments are those of ``list``. Raises
        AssertionError if there are fewer requests in the end.
        """
        __tracebackhide__ = HIDDEN
        asked = {"method": method, "path": path, "status": status}
        found: builtins.list[Exchange] = []

        def look() -> builtins.list[Exchange] | None:
            found[:] = self.list(method=method, path=path, status=status, account=account)
            return found if len(found) >= count else None

        if self._wait(look, timeout) is None:
            asked = {name: it for name, it in asked.items() if it is not None}
            items = self.list(account=account)
            raise not_in_time("request", found, count, timeout, asked, items, _label)
        return found

    async def until(
        self,
        count: int = 1,
        timeout: float = 10,
        *,
        method: str | None = None,
        path: str | None = None,
        status: int | None = None,
        account: str | None = None,
    ) -> builtins.list[Exchange]:
        """Wait as ``wait_for`` does, in async code, while the event loop runs on."""
        __tracebackhide__ = HIDDEN
        return await in_thread(
            lambda: self.wait_for(
                count, timeout, method=method, path=path, status=status, account=account
            )
        )

    def counted(self, *, account: str | None = None) -> int:
        """Return ``total``, or the part of it that came from ``account`` since its last reset."""
        with self._lock:
            return self.total if account is None else self._counts[account]

    def _forget(self, account: str) -> None:
        """Drop the exchanges of an account; ``total`` still counts them."""
        with self._lock:
            self._counts.pop(account, None)
            self._entries = deque(it for it in self._entries if it.account != account)
            self._bytes = sum(map(_size, self._entries))

    def _snapshot(self) -> builtins.list[Exchange]:
        with self._lock:
            return list(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self._snapshot())

    def __reversed__(self) -> Iterator[Exchange]:
        return reversed(self._snapshot())

    @overload
    def __getitem__(self, index: int) -> Exchange: ...
    @overload
    def __getitem__(self, index: slice) -> builtins.list[Exchange]: ...
    def __getitem__(self, index: int | slice) -> Exchange | builtins.list[Exchange]:
        return self._snapshot()[index]

    def __repr__(self) -> str:
        return f"<Journal of {len(self)} exchanges>"


def _fitting(path: str | None) -> Callable[[Exchange], bool]:
    """Return the function that says whether the path of an exchange fits ``path``."""
    if path is None:
        return lambda exchange: True
    patterns = [pattern(each) for each in (path, f"/v1{path}")]
    part = operator.attrgetter("target" if "?" in path else "path")
    return lambda exchange: any(it.fullmatch(part(exchange)) for it in patterns)


def _body(exchange: Exchange) -> Any:
    """Return the parsed body, or its bytes if it is not JSON."""
    try:
        return exchange.json
    except ValueError:
        return exchange.body


def _label(exchange: Exchange) -> str:
    return f"{exchange.method} {exchange.target} -> {exchange.status}"


def _size(exchange: Exchange) -> int:
    headers = sum(map(len, exchange.headers)) + sum(map(len, exchange.headers.values()))
    return (
        len(exchange.method)
        + len(exchange.path)
        + len(exchange.query)
        + len(exchange.account or "")
        + headers
        + len(exchange.body)
        + len(exchange.answer)
        + len(exchange.traceback or "")
    )
