"""The reading of recordings: cassettes of vcrpy and VCR, HAR files, and lines of JSON.

The form of a file is recognised by its content. A file is read in pieces, and no path in it is
followed.
"""

import contextlib
import datetime as dt
import heapq
import itertools
import os
from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from fakescale.recordings import json_items
from fakescale.recordings.exchanges import Recorded, Unreadable
from fakescale.recordings.forms import FORMS
from fakescale.recordings.texts import MAX_EXCHANGE, Text, opened, reason_of
from fakescale.values.hosts import HOSTS

# The exchanges of a file that may be out of order: this many, with this many bytes.
_WINDOW = 1000
_WINDOW_BYTES = MAX_EXCHANGE
_EARLIEST = dt.datetime.min.replace(tzinfo=dt.UTC)


def read(
    paths: Iterable[str | os.PathLike[str]], *, hosts: Container[str] = HOSTS
) -> Iterator[Recorded]:
    """Yield the exchanges with one of ``hosts``, file by file, in the order of each file.

    A request without an answer is left out. Raises Unreadable at the first file or exchange that
    cannot be read, after the exchanges before it. Raises ImportError for YAML without PyYAML.
    """
    if isinstance(paths, str | bytes | os.PathLike):
        raise TypeError(f"the paths must be several, for example a list, not {paths!r}")
    for path in paths:
        for source, kind, item in items(path):
            form = FORMS[kind]
            with reading(source):
                if not leads_to(form.url(item), hosts):
                    continue
                exchange = form.read(item, source)
            if exchange is not None:
                yield exchange


def in_order(
    paths: Iterable[str | os.PathLike[str]], *, hosts: Container[str] = HOSTS
) -> Iterator[Recorded]:
    """Do as ``read``, but yield the exchanges of all files in the order of their times.

    An exchange without a time follows the one before it, and a file without times comes first. A
    file whose first exchange cannot be read comes last. The memory is bounded. Files are open only
    while their times overlap. Within a file, an exchange may be up to 1,000 places out of order.
    """
    files = list(paths)
    firsts: list[Recorded | None] = []
    failed: list[Unreadable] = []
    for path in files:
        firsts.append(None)
        try:
            firsts[-1] = next(read([path], hosts=hosts), None)
        except Unreadable as error:
            failed.append(error)
    waiting = [
        (first.when or _EARLIEST, number)
        for number, first in enumerate(firsts)
        if first is not None
    ]
    heapq.heapify(waiting)
    running: list[tuple[dt.datetime, int, Recorded, Iterator[tuple[dt.datetime, Recorded]]]] = []

    def go_on(number: int, exchanges: Iterator[tuple[dt.datetime, Recorded]]) -> None:
        for when, exchange in itertools.islice(exchanges, 1):
            heapq.heappush(running, (when, number, exchange, exchanges))

    while waiting or running:
        while waiting and (not running or waiting[0] <= running[0][:2]):
            _, number = heapq.heappop(waiting)
            go_on(number, _sorted(read([files[number]], hosts=hosts)))
        if running:
            _, number, exchange, exchanges = heapq.heappop(running)
            yield exchange
            go_on(number, exchanges)
    for first_error in failed:
        raise first_error


def _sorted(exchanges: Iterable[Recorded]) -> Iterator[tuple[dt.datetime, Recorded]]:
    """Yield the exchanges of a file with their times, sorted within the window."""
    window: list[tuple[dt.datetime, int, Recorded]] = []
    size, when = 0, _EARLIEST
    failed: list[Unreadable] = []
    for number, exchange in enumerate(until_unreadable(exchanges, failed)):
        when = exchange.when or when
        heapq.heappush(window, (when, number, exchange))
        size += len(exchange.body) + len(exchange.answer)
        while len(window) > _WINDOW or size > _WINDOW_BYTES:
            first, _, found = heapq.heappop(window)
            size -= len(found.body) + len(found.answer)
            yield first, found
    while window:
        first, _, found = heapq.heappop(window)
        yield first, found
    for error in failed:
        raise error


def until_unreadable(exchanges: Iterable[Recorded], failed: list[Unreadable]) -> Iterator[Recorded]:
    """Yield exchanges until one cannot be read, and put the error into ``failed``."""
    try:
        yield from exchanges
    except Unreadable as error:
        failed.append(error)


def items(path: str | os.PathLike[str]) -> Iterator[tuple[str, str, Any]]:
    """Yield the place, the form and the value of each item in a file; raises Unreadable."""
    name = os.fspath(path)
    with opened(path) as (text, head):
        values = _items_of(name, head)(text)
        for number in itertools.count(1):
            source = f"{name}, exchange {number}"
            with reading(source):
                found = next(values, None)
            if found is None:
                return
            text.begin()
            yield (source, *found)


@contextlib.contextmanager
def reading(source: str) -> Iterator[None]:
    """Turn an error of an exchange into Unreadable, which names the place."""
    try:
        yield
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{source}: {reason_of(error)}") from None


def _items_of(name: str, head: str) -> Callable[[Text], Iterator[tuple[str, Any]]]:
    """Return the reader of a file with this beginning."""
    first = head.lstrip()[:1]
    if first in ("{", "["):
        return json_items.items
    if not first:
        raise Unreadable(f"{name}: it is empty")
    try:
        from fakescale.recordings.yaml_items import items as items_of_yaml
    except ImportError as error:
        raise ImportError(
            f"{name}: YAML needs PyYAML: pip install 'fakescale[recordings]'"
        ) from error
    return items_of_yaml


def leads_to(url: str, hosts: Container[str]) -> bool:
    """Return whether the host of ``url`` is one of ``hosts``."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return False
    return host is not None and host.removesuffix(".") in hosts
