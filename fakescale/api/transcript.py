"""The transcript of events for the report of a failed test: one line, or a few, for each event."""

import datetime as dt
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from fakescale.api.near_misses import nearest, nearest_for, route_of, source, unknown_members
from fakescale.traffic.events import Event
from fakescale.traffic.journal import Exchange
from fakescale.values.keys import masked

# The official client repeats a request that gets one of these, but only over https.
_REPEATED = {0, 408, 429, *range(500, 531)}
_MOST_OF_A_BODY = 1000  # characters


class Entry(NamedTuple):
    """The lines about one event, and whether a strict test fails because of it."""

    lines: tuple[str, ...]
    is_trouble: bool = False


def entries(events: Sequence[Event], own: Collection[str | None] = ()) -> Iterator[Entry]:
    """Yield an entry for each event that tells something new.

    A line names the account if it is not one of ``own``, the accounts of the fixtures. Faults
    that never struck come last.
    """
    about = _About(events, own)
    for event in events:
        if lines := tuple(_LINES[event.kind.partition(" ")[0]](event, about)):
            yield Entry(lines, _is_trouble(event))
    struck = {it.subject for it in events if it.kind == "fault struck"}
    for event in events:
        if event.kind == "fault added" and event.subject not in struck:
            route = nearest_for(event.what.get("method"), event.what.get("path"))
            hint = f"; the nearest route is {route.method} {route.path}" if route else ""
            yield Entry((f"{_fault(event)} never struck{hint}",), is_trouble=True)


def folded(told: Iterable[Entry]) -> list[str]:
    """Return the lines of the entries; equal ones in a row are told once."""
    lines: list[str] = []
    for entry, same in itertools.groupby(told):
        times = sum(1 for _ in same)
        lines.append(entry.lines[0] + (f" × {times}" if times > 1 else ""))
        lines += entry.lines[1:]
    return lines


def bodies(exchanges: Iterable[Exchange]) -> Iterator[str]:
    """Yield the lines with the bodies of some exchanges."""
    for exchange in exchanges:
        yield f"{exchange.method} {exchange.target} -> {exchange.status or 'reset'}"
        for word, body in (("sent", exchange.body), ("got", exchange.answer)):
            if body:
                text = masked(body[: 4 * _MOST_OF_A_BODY].decode(errors="replace"))
                cut = text[:_MOST_OF_A_BODY] + "…" * (len(text) > _MOST_OF_A_BODY)
                yield f"    {word} {_line(cut)}"


class _About:
    """The parts of the events that the lines of other events need."""

    def __init__(self, events: Sequence[Event], own: Collection[str | None]) -> None:
        self.own = own
        #: The last change of each task in the events.
        self.tasks = {it.subject: it for it in events if it.kind == "task changed"}
        #: The callbacks of which more is known than that they are owed.
        self.tried = {
            (it.account, it.what["number"])
            for it in events
            if it.kind.startswith("callback") and it.kind != "callback owed"
        }
        #: The number of the last request with each method and target.
        self.last = {
            (it.exchange.method, it.exchange.target): it.number for it in events if it.exchange
        }

    def whose(self, event: Event) -> str:
        """Return the account, in brackets, if it is not a fixture's."""
        is_own = not self.own or event.account in (None, *self.own)
        return "" if is_own else f" (account: {event.account})"


def _is_trouble(event: Event) -> bool:
    if event.exchange is not None:
        return _meets_no_route(event.exchange) or any(unknown_members(event.exchange))
    if event.kind == "callback settled":
        return bool(event.what["state"] == "failed")
    return event.kind in ("callback not sent", "labeler raised")


def _meets_no_route(exchange: Exchange) -> bool:
    return exchange.status == 404 and exchange.fault is None and route_of(exchange) is None


def _request(event: Event, about: _About) -> Iterator[str]:
    exchange = event.exchange
    if exchange is None:
        return
    line = f"{exchange.method} {exchange.target} -> {exchange.status or 'reset'}"
    if exchange.error:
        line += f" {exchange.error}"
        line += "" if exchange.fault else f" (text: {source(exchange.error)})"
    task = about.tasks.get(event.subject)
    if event.subject is not None and event.subject not in exchange.path:
        line += f" {event.subject}{_unique_id(task)}"
    line += about.whose(event)
    line += f" (fault: {exchange.fault})" if exchange.fault else ""
    yield _line(line)
    if _meets_no_route(exchange):
        route = nearest(exchange.method, exchange.path)
        yield f"    the nearest route is {route.method} {route.path}"
    elif task is not None and (exchange.error or "").startswith("Task with that ID not found"):
        mode = "test" if task.what["is_test"] else "live"
        yield f"    this is a {mode} task of the account {task.account}"
    for member in unknown_members(exchange):
        yield _line(f"    {member}")
    if _is_not_repeated(event, exchange, about):
        yield (
            "    no retry followed: the official client retries over https alone;"
            " use the fixture fakescale_redirect"
        )
    yield from _indented(exchange.traceback or "")


def _is_not_repeated(event: Event, exchange: Exchange, about: _About) -> bool:
    """Return whether the official client gave up because it called the fake over http."""
    headers = exchange.headers
    return (
        exchange.status in _REPEATED
        and headers.get("User-Agent", "").startswith("scaleapi/")
        and headers.get("Host", "").rpartition(":")[0] in ("127.0.0.1", "localhost")
        and about.last[exchange.method, exchange.target] == event.number
    )


def _unique_id(task: Event | None) -> str:
    if task is None or task.what["unique_id"] is None:
        return ""
    return f" (unique_id: {task.what['unique_id']})"


def _task(event: Event, about: _About) -> Iterator[str]:
    what = event.what
    if what["by"] == "client":  # the line of the request tells it
        return
    change = f"{what['was']} -> {what['status']}"
    if what["was"] is None:
        change = f"{what['type']} created"
    elif what["was"] == what["status"]:
        change = "changed"
    whose = f"{_unique_id(event)}{about.whose(event)}"
    yield _line(f"task {event.subject} {change} by the {what['by']}{whose}")


def _batch(event: Event, about: _About) -> Iterator[str]:
    what = event.what
    if what["by"] == "client" and what["status"] != "completed":
        return  # the line of the request tells it, but not that its last task completed a batch
    change = "created" if what["was"] is None else f"{what['was']} -> {what['status']}"
    yield _line(f"batch {event.subject} {change} by the {what['by']}{about.whose(event)}")


def _project(event: Event, about: _About) -> Iterator[str]:
    what = event.what
    if what["by"] != "client":  # the line of the request tells it
        line = f"project {event.subject} changed by the {what['by']} ({what['action']})"
        yield _line(line + about.whose(event))


def _labeler(event: Event, about: _About) -> Iterator[str]:
    yield f"the labeler raised an exception for task {event.subject}{about.whose(event)}"
    yield from _indented(event.what["traceback"])


def _callback(event: Event, about: _About) -> Iterator[str]:
    what = event.what
    outcome = {
        "callback owed": "is owed, and was not tried yet; callbacks.deliver() sends what is due",
        "callback tried": f"-> {what.get('status') or what.get('error')}",
        "callback settled": "failed for good",
        "callback not sent": f"not sent: {what.get('reason')}",
    }[event.kind]
    if event.kind == "callback owed" and (
        (event.account, what["number"]) in about.tried or "://" not in what["url"]
    ):
        return
    if event.kind == "callback settled" and what["state"] == "done":
        return
    line = f"callback {what['event']} {event.subject} to {what['url']} {outcome}"
    yield _line(masked(line) + about.whose(event))
    if line.endswith("is not allowed"):
        yield "    only loopback and the hosts in callback_hosts get callbacks"


def _clock(event: Event, about: _About) -> Iterator[str]:
    if event.kind == "clock moved":
        yield f"the clock moved by {dt.timedelta(seconds=event.what['seconds'])}"
    else:
        yield f"the {event.kind}"


def _faults(event: Event, about: _About) -> Iterator[str]:
    if event.kind != "fault struck":  # the line of the request tells it
        yield _fault(event) + event.kind.removeprefix("fault")


def _fault(event: Event) -> str:
    terms = ", ".join(f"{name}={value!r}" for name, value in event.what.items())
    return _line(f"fault {event.subject}{f' ({terms})' if terms else ''}"[:200])


def _state(event: Event, about: _About) -> Iterator[str]:
    tasks = event.what.get("tasks")
    of = f" of the account {event.account}" if event.account and tasks is None else ""
    yield f"{'tasks' if tasks else 'the state'}{of} {event.kind.removeprefix('state ')}"


# By the first word of the kind.
_LINES: Mapping[str, Callable[[Event, _About], Iterator[str]]] = {
    "request": _request,
    "task": _task,
    "batch": _batch,
    "project": _project,
    "labeler": _labeler,
    "callback": _callback,
    "clock": _clock,
    "fault": _faults,
    "state": _state,
}


def _indented(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield f"    {line}"


def _line(text: str) -> str:
    """Return a text as one line, without control characters."""
    return "".join(it if it.isprintable() else repr(it)[1:-1] for it in text)
