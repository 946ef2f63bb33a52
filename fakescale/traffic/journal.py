"""The journal: what was asked of the fake, and what it answered."""

import builtins
import datetime as dt
import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

MAX_ENTRIES = 10_000
MAX_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its answer.

    ``path`` and ``query`` are as they were sent, percent-encoded; ``headers`` have names
    like ``Idempotency-Key``; ``when`` is on the fake's clock; ``traceback`` is that of the
    bug behind a 500, ``fault`` what went wrong on purpose, ``account`` the one that the key
    led to. Status 0 is that of a connection that was reset before the answer. A body that
    nobody asked for is empty: of a GET, of a wrong key or path. That of an upload is empty
    too, since it is not kept.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    status: int
    answer: bytes
    when: dt.datetime
    traceback: str | None = None
    fault: str | None = None
    account: str | None = None

    @property
    def target(self) -> str:
        """The path, with the query if there was one."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def json(self) -> Any:
        """The request's body, read as JSON; raises ValueError when it is none."""
        return json.loads(self.body)

    @property
    def error(self) -> str | None:
        """The text of the refusal, or None if there was none; a proxy's page has none."""
        try:
            content = json.loads(self.answer) if self.status >= 400 else None
        except ValueError:
            return None
        return str(content["error"]) if isinstance(content, dict) and "error" in content else None

    def __repr__(self) -> str:
        # What is printed ends up in logs: no keys.
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
    """The latest exchanges, oldest first; older ones are dropped, by number and by bytes."""

    def __init__(self, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: deque[Exchange] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        #: The number of exchanges that ever were.
        self.total = 0

    def _append(self, exchange: Exchange) -> None:
        """Add an exchange, dropping old ones where the journal is full."""
        with self._lock:
            self.total += 1
            self._entries.append(exchange)
            self._bytes += _size(exchange)
            while len(self._entries) > 1 and (
                len(self._entries) > self._max_entries or self._bytes > self._max_bytes
            ):
                self._bytes -= _size(self._entries.popleft())

    def list(
        self,
        *,
        account: str | None = None,
        since: dt.datetime | None = None,
        limit: int | None = None,
    ) -> builtins.list[Exchange]:
        """Return the exchanges, oldest first: of one account, since a moment, the last few."""
        chosen = [
            exchange
            for exchange in self._snapshot()
            if (account is None or exchange.account == account)
            and (since is None or exchange.when >= since)
        ]
        return chosen if limit is None else chosen[max(0, len(chosen) - limit) :]

    def _forget(self, account: str) -> None:
        """Drop the exchanges of one account; ``total`` goes on counting them."""
        with self._lock:
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


def _size(exchange: Exchange) -> int:
    headers = sum(len(name) + len(value) for name, value in exchange.headers.items())
    return (
        len(exchange.path)
        + len(exchange.query)
        + headers
        + len(exchange.body)
        + len(exchange.answer)
        + len(exchange.traceback or "")
    )
