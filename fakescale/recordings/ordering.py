"""The order in which recorded exchanges are asked.

A recording is in the order in which its requests began. Requests of several threads overlap, so
one may have taken effect before another that began earlier. These rules find the order of effects,
among the next 200 exchanges:

- An exchange that shows a thing is asked after the exchange that makes the thing.
- An exchange that shows a change which is later than its own begin is asked after that change.
- Changes are asked in the order of the times that their answers tell.
- A request that only reads, began before a change and does not show it is asked before the change.
"""

import contextlib
import datetime as dt
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence

from fakescale.recordings.exchanges import Recorded
from fakescale.recordings.spots import Spot, mentions, read_spot
from fakescale.values.clock import read_moment, stamp

_AHEAD = 200  # exchanges
_NEAR = 16  # exchanges that may overlap with one, if the recording tells no times
_LATEST = dt.datetime.max.replace(tzinfo=dt.UTC)
_SECOND = dt.timedelta(seconds=1)
_APART = dt.timedelta(minutes=10)  # the clocks of client and server, at most
_SLACK = dt.timedelta(milliseconds=2)
_LONGEST = dt.timedelta(minutes=1)  # a request
_REMEMBERED = 10_000  # keys


class Entry:
    """An exchange with its place in the recording."""

    def __init__(self, place: int, exchange: Recorded) -> None:
        #: The number in the recording, from 0.
        self.place = place
        self.exchange = exchange
        self.spot: Spot = read_spot(exchange)
        #: The keys of the things that it makes.
        self.makes = set(self.spot.makes())
        #: The keys of the things and changes that it makes itself, so nothing arranges them.
        self.does = {*self.makes, *self.spot.does()}
        #: Whether the recording shows that other requests went on at the same time.
        self.overlaps = False
        #: The time of its effect, on the clock of ``when``; None if unknown.
        self.effect: dt.datetime | None = None
        #: The time at which the request began, on the server's clock, as the API prints times; ""
        #: if unknown.
        self.began = ""
        self._mentions: set[str] | None = None

    @property
    def since(self) -> str | None:
        """The time since which other requests may have changed what it reads, if that is known."""
        if not self.began:
            return None
        return stamp(read_moment(self.began) - _SECOND)

    @property
    def mentions(self) -> set[str]:
        """The keys of the things that it shows to exist."""
        if self._mentions is None:
            self._mentions = mentions(self.exchange, self.spot, self.began)
        return self._mentions


class Ordering:
    """The exchanges of a recording, in the order in which they are asked."""

    def __init__(self, exchanges: Iterable[Recorded]) -> None:
        self._coming = iter(exchanges)
        self._places = 0
        self._waiting: deque[Entry] = deque()
        self._makers: dict[str, Entry] = {}  # the waiting ones that make things, by their keys
        self._does: Counter[str] = Counter()  # the keys of the things and changes to come
        # The latest keys of things that were made.
        self._made: OrderedDict[str, None] = OrderedDict()
        self._apart: dt.timedelta | None = None  # the server's clock minus the client's, at least
        self._overlaps_until: tuple[int, dt.datetime | None] = (-1, None)

    def first(self) -> Sequence[Entry]:
        """Return the next exchanges, in the order of the recording."""
        self._fill()
        return self._waiting

    def __iter__(self) -> Iterator[Entry]:
        self._fill()
        while self._waiting:
            entry = self._next(self._waiting[0])
            self._waiting.remove(entry)
            for key in entry.makes:
                if self._makers.get(key) is entry:
                    del self._makers[key]
            self._does.subtract(entry.does)
            self._does += Counter()  # without zeros
            self._mark(entry)
            yield entry
            self._fill()

    def is_coming(self, key: str) -> bool:
        """Return whether a waiting exchange makes the thing or the change with this key."""
        return key in self._does

    def _fill(self) -> None:
        while len(self._waiting) < _AHEAD:
            exchange = next(self._coming, None)
            if exchange is None:
                return
            entry = Entry(self._places, exchange)
            self._places += 1
            self._place_in_time(entry)
            self._remember(entry)
            self._waiting.append(entry)
            self._does.update(entry.does)
            for key in entry.makes:
                self._makers.setdefault(key, entry)

    def _place_in_time(self, entry: Entry) -> None:
        """Set the times of an exchange: when its request began, and when a change took effect.

        The clocks of client and server may differ. The least difference seen counts as that of
        the clocks. The rest of a difference is the time that a request took.
        """
        when, moment = entry.exchange.when, entry.spot.moment
        # A time without a fraction is cut to seconds, and says nothing about overlaps.
        if when is None or when.microsecond == 0:
            return
        apart = None
        if moment is not None:
            with contextlib.suppress(ValueError):
                apart = read_moment(moment) - when
        # A repeated answer to an Idempotency-Key tells the time of the first request.
        if entry.spot.action == "create" and any(it in self._made for it in entry.makes):
            apart = None
        if apart is not None and abs(apart) <= _APART:
            if entry.spot.action == "create" and (self._apart is None or apart < self._apart):
                self._apart = apart
            if self._apart is not None:
                entry.effect = when + max(apart - self._apart, dt.timedelta())
        entry.began = stamp(when + (self._apart or dt.timedelta()))

    def _remember(self, entry: Entry) -> None:
        # A request that gets a repeated answer makes nothing.
        entry.makes = {it for it in entry.makes if it not in self._made}
        self._made.update(dict.fromkeys(entry.makes))
        while len(self._made) > _REMEMBERED:
            self._made.popitem(last=False)

    def _next(self, entry: Entry) -> Entry:
        """Return the exchange to ask next; ``entry`` is the first that waits."""
        seen = {entry.place}
        while (maker := self._maker(entry)) is not None and maker.place not in seen:
            self._note_overlap(entry)
            self._note_overlap(maker)
            seen.add(maker.place)
            entry = maker
        if entry.effect is None:
            return entry
        began_before = []
        for other in self._waiting:
            if _began(other) >= entry.effect:
                break
            if other is not entry:
                began_before.append(other)
        if began_before:
            self._note_overlap(entry)
            changes = [it for it in began_before if it.effect is not None]
            entry = min([entry, *changes], key=_by_effect)
        for other in began_before:
            self._note_overlap(other)
        if not entry.overlaps or entry.effect is None:
            return entry
        # Times are cut to milliseconds, so two of the same moment may be in either order.
        for other in self._waiting:
            if _began(other) > entry.effect + _SLACK:
                break
            if other.spot.action == "" and other.spot.is_good and not entry.makes & other.mentions:
                return other
        return entry

    def _maker(self, entry: Entry) -> Entry | None:
        """Return the first waiting exchange that makes a thing that ``entry`` shows."""
        if not self._makers.keys() - entry.makes:
            return None
        found = (self._makers[it] for it in entry.mentions & self._makers.keys())
        others = (it for it in found if it is not entry and _may_overlap(entry, it))
        return min(others, key=lambda it: it.place, default=None)

    def _note_overlap(self, entry: Entry) -> None:
        entry.overlaps = True
        when = entry.exchange.when
        self._overlaps_until = entry.place + _NEAR, when and when + _SECOND

    def _mark(self, entry: Entry) -> None:
        """Mark an exchange that is near to overlapping ones."""
        place, moment = self._overlaps_until
        when = entry.exchange.when
        if when is not None and moment is not None:
            entry.overlaps |= when <= moment
        else:
            entry.overlaps |= entry.place <= place


def _began(entry: Entry) -> dt.datetime:
    return entry.exchange.when or _LATEST


def _by_effect(entry: Entry) -> tuple[dt.datetime, str, int]:
    # The ids tell the order of two things that were made in the same millisecond.
    return entry.effect or _LATEST, entry.spot.made_id or "", entry.place


def _may_overlap(entry: Entry, other: Entry) -> bool:
    began = entry.exchange.when, other.exchange.when
    return None in began or abs(began[0] - began[1]) <= _LONGEST  # type: ignore[operator]
