"""The comparison of recordings with a fake that is asked the same."""

import contextlib
import datetime as dt
import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal
from urllib.parse import urlsplit

from fakescale.account.world import World
from fakescale.api.route import match
from fakescale.api.routes import ROUTES
from fakescale.recordings.arranging import Arranger
from fakescale.recordings.asking import Asked, Mode, filled, media_type, target_of
from fakescale.recordings.bindings import Bindings
from fakescale.recordings.differences import (
    Answered,
    Difference,
    differences,
    first_of_each,
    late_updates,
)
from fakescale.recordings.exchanges import Recorded, Unreadable
from fakescale.recordings.ordering import Entry, Ordering
from fakescale.recordings.reading import in_order, until_unreadable
from fakescale.recordings.report import Allowed, Compared, Facts, Report
from fakescale.values.answer import decode

_LONG = 200  # characters of a shown target
# An answer that differs is held while requests may overlap with it: this many requests without
# times, and this many answers at once.
_TRIES, _HELD = 64, 32
_LIMIT = re.compile(r"(?<=[?&])limit=[0-9]+")
_OVERLAP = dt.timedelta(seconds=1)


def compare(
    paths: Iterable[str | os.PathLike[str]],
    *,
    mode: Mode | None = None,
    allow: Iterable[str] = (),
    facts: Facts | None = None,
) -> Report:
    """Send the recorded requests in files to a fake, and compare the answers.

    ``mode`` is that of requests whose key the recording does not show: by default the mode that the
    answers tell, or else live. ``allow`` are known differences: a kind, or ``KIND:MEMBER``.
    ``facts`` finds the facts of the contract for the table of the report.

    Raises ValueError for a wrong kind. Raises Unreadable for a file or an exchange that cannot be
    read; its ``report`` has the outcomes of the exchanges before it.
    """
    return compare_exchanges(in_order(paths), mode=mode, allow=allow, facts=facts)


def compare_exchanges(
    exchanges: Iterable[Recorded],
    *,
    mode: Mode | None = None,
    allow: Iterable[str] = (),
    facts: Facts | None = None,
    each: Callable[[Compared], object] = lambda it: None,
) -> Report:
    """Do as ``compare``, with exchanges in order of time.

    ``each`` is called with the outcome of each exchange, in this order.
    """
    report = Report(facts=facts)
    try:
        for it in outcomes(exchanges, mode=mode, allow=allow):
            report.exchanges.append(it)
            each(it)
    except Unreadable as error:
        report.error = str(error)
        error.report = report
        raise
    return report


def outcomes(
    exchanges: Iterable[Recorded], *, mode: Mode | None = None, allow: Iterable[str] = ()
) -> Iterator[Compared]:
    """Yield the outcome of each exchange, in the order of the recording.

    Raises Unreadable after the outcomes of the exchanges before it.
    """
    failed: list[Unreadable] = []
    yield from _Comparison(mode, Allowed(allow)).run(until_unreadable(exchanges, failed))
    for error in failed:
        raise error


class _Tried:
    """An exchange that was asked, and its outcome so far."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.arranged: list[str] = []
        self.differences: list[Difference] | None = None
        self.bindings: Bindings | None = None

    def note(self, found: list[Difference], bindings: Bindings) -> None:
        """Note the differences of a try.

        Each part of the answer must fit in one of the tries, since overlapping requests may have
        taken effect in any order.
        """
        if self.differences is None:
            self.differences, self.bindings = found, bindings
            return
        if not found:
            self.bindings = bindings
        still = {(it.kind, it.member, it.item) for it in found}
        self.differences = [it for it in self.differences if (it.kind, it.member, it.item) in still]


class _Comparison:
    """The comparison of one recording with one fake.

    An answer that overlaps with changes, and differs, is held and tried again after each change.
    """

    def __init__(self, mode: Mode | None, allowed: Allowed) -> None:
        self._asked = Asked(mode)
        self._allowed = allowed
        self._bindings = Bindings()
        self._arranger = Arranger(self._asked, self._bindings)
        self._held: list[_Tried] = []
        self._done: dict[int, Compared] = {}

    def run(self, exchanges: Iterable[Recorded]) -> Iterator[Compared]:
        """Yield the outcomes in order, each as soon as all before it are known."""
        place = 0
        ordering = Ordering(exchanges)
        for entry in reversed(ordering.first()):  # a later answer may tell the mode of the first
            self._asked.key(entry.exchange, entry.spot)
        for entry in ordering:
            self._take(entry, ordering)
            while (done := self._done.pop(place, None)) is not None:
                yield done
                place += 1
        for tried in self._held:
            self._end(tried)
        yield from (self._done[it] for it in sorted(self._done))

    def _take(self, entry: Entry, ordering: Ordering) -> None:
        status = entry.exchange.status
        is_browsers = status == 304 or entry.exchange.method == "OPTIONS"
        if status == 429 or not 0 < status < 500 or is_browsers:
            # The service failed, and nobody knows whether it did the work. Or the browser itself
            # asked: about its cache, or whether a page may send the request.
            self._done[entry.place] = _compared(entry, "not asked")
            return
        tried = _Tried(entry)
        is_early = entry.overlaps and not entry.spot.action
        self._arrange(tried, ordering, is_early=is_early)
        self._try(tried, is_last=not is_early)
        if tried.differences and is_early:
            self._held.append(tried)
        else:
            self._end(tried)
        if entry.spot.action:
            for held in self._held:
                self._try(held, is_last=False)
        over = [it for it in self._held if not it.differences or _is_over(it.entry, entry)]
        over += [it for it in self._held[:-_HELD] if it not in over]
        for held in over:
            self._held.remove(held)
            if held.differences:
                self._arrange(held, ordering, is_early=True)
                self._try(held, is_last=True)
            self._end(held)

    def _arrange(self, tried: _Tried, ordering: Ordering, *, is_early: bool) -> None:
        exchange, spot = tried.entry.exchange, tried.entry.spot
        world = self._asked.world(self._asked.key(exchange, spot))
        is_new = spot.action != "create" or spot.made_id not in world.tasks
        with contextlib.suppress(ValueError):
            self._asked.stand_at(exchange.when, spot.moment if is_new else None)
        tried.arranged += self._arranger.arrange(
            spot,
            world,
            ordering.is_coming,
            refuses=lambda: self._refuses(tried.entry, world),
            overlaps=tried.entry.overlaps,
            is_early=is_early,
        )

    def _refuses(self, entry: Entry, world: World) -> bool:
        """Return whether the fake refuses a request in the recorded words.

        The refusal leaves no trace, not even under the Idempotency-Key.
        """
        key = (world.key[1], entry.spot.idempotency_key)
        once = self._asked.fake._state.once
        is_new = key not in once._uses
        ours = self._ask(entry)
        if is_new:
            once._uses.pop(key, None)
        recorded = _recorded(entry)
        return not differences(entry.exchange.method, recorded, ours, self._bindings.trial())

    def _try(self, tried: _Tried, *, is_last: bool) -> None:
        """Ask the fake, and note the differences."""
        entry = tried.entry
        exchange, spot = entry.exchange, entry.spot
        world = self._asked.world(self._asked.key(exchange, spot))
        recorded = _recorded(entry)
        ours = self._ask(entry)
        is_list = not spot.action and spot.noun == "task" and "status" in spot.query
        if is_last and is_list and recorded.body != ours.body:
            with contextlib.suppress(ValueError):
                while told := self._arranger.unlisted(spot, self._list(entry), world):
                    tried.arranged += told
                    ours = self._ask(entry)
        if spot.action and (recorded.status < 300) != (ours.status < 300):
            tried.arranged += self._arranger.follow(spot, ours.status, world)
        bindings = self._bindings.trial()
        since = entry.since if entry.overlaps and not spot.action else None
        same = recorded[::2] == ours[::2] and recorded.media_type in ("", ours.media_type)
        # The ids in equal answers are bound too. A task gets its recorded id anyway.
        same = same and spot.noun == "task" and not spot.is_v2

        def moment_of(id: str) -> str:
            task = world.datasets._tasks.find(id)
            return "" if task is None else task.delivered_at

        found = []
        if not same:
            found = differences(
                exchange.method,
                recorded,
                ours,
                bindings,
                since,
                moment_of,
                is_of_status="status" in spot.query,
            )
        if spot.action == "create" and spot.noun == "task" and spot.is_good:
            found += late_updates(recorded, ours)
        tried.note(found, bindings)

    def _list(self, entry: Entry) -> Any:
        """Return the fake's page of a list, with as many items as a page can have."""
        exchange = entry.exchange
        return decode(self._ask(entry, _LIMIT.sub("limit=100", exchange.url)).body)

    def _ask(self, entry: Entry, url: str = "") -> Answered:
        """Return the fake's answer to a request, or to one with another ``url``."""
        exchange = entry.exchange
        key = self._asked.key(exchange, entry.spot)
        made = entry.spot.made_id
        return self._asked.ask(
            exchange,
            key,
            self._bindings.in_target(target_of(url or exchange.url)),
            self._bindings.in_body(filled(exchange.body, entry.spot)),
            None if made in self._asked.world(key).tasks else made,
        )

    def _end(self, tried: _Tried) -> None:
        entry = tried.entry
        if tried.bindings is not None:
            tried.bindings.keep()
        endpoint = _endpoint(entry.exchange)
        found = first_of_each(tried.differences or [])
        allowed = tuple(it for it in found if self._allowed(it, endpoint))
        wrong = tuple(it for it in found if it not in allowed)
        self._done[entry.place] = _compared(entry, "differs" if wrong else "same")._replace(
            differences=wrong, allowed=allowed, arranged=tuple(tried.arranged)
        )


def _recorded(entry: Entry) -> Answered:
    """Return the recorded answer."""
    exchange = entry.exchange
    return Answered(exchange.status, media_type(exchange.answer_headers), exchange.answer)


def _compared(entry: Entry, verdict: Literal["same", "differs", "not asked"]) -> Compared:
    exchange = entry.exchange
    target = target_of(exchange.url)
    shown = target if len(target) <= _LONG else f"{target[: _LONG - 1]}…"
    request = f"{exchange.method} {shown}"
    return Compared(exchange.source, request, _endpoint(exchange), exchange.status, verdict)


def _endpoint(exchange: Recorded) -> str:
    path = urlsplit(exchange.url).path
    found = match(ROUTES, "GET" if exchange.method == "HEAD" else exchange.method, path)
    return f"{exchange.method} {found[0].path if found else path}"


def _is_over(held: Entry, entry: Entry) -> bool:
    """Return whether a held exchange cannot overlap with those after ``entry``."""
    began, when = held.exchange.when, entry.exchange.when
    if began is not None and when is not None:
        return when - began > _OVERLAP
    return entry.place - held.place > _TRIES
