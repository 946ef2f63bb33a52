"""Lists: a query with its filters, the page, and the token that leads to the next one.

Here is the mechanism alone. Each noun has a table of its filters beside itself, and makes
them with ``since``, ``until``, ``any_of``, ``one_of``, ``sharing`` and ``including``.
The file is over 300 lines, since those makers, their readers and schemas belong together.
"""

import base64
import binascii
import bisect
import datetime as dt
import itertools
import json
import operator
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from fakescale.values.answer import encode
from fakescale.values.clock import read_moment, stamp
from fakescale.values.errors import invalid

Item = TypeVar("Item")

# The schemas of the values that the readers take.
_MOMENT = {
    "anyOf": [
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "date"},
        {"const": ""},  # as good as absent
    ]
}
_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_FLAG = {"type": "boolean"}

# Lists are sorted by it: (created_at, id). Both are in the token too.
SortKey = tuple[str, str]


# Reads a parameter, given its name, for the refusal, and its values.
Reader = Callable[[str, Sequence[str]], Any]


class Parameter(NamedTuple):
    """A parameter of a query: its reader, and the JSON Schema of its values."""

    read: Reader
    schema: Mapping[str, Any]


class Filter(NamedTuple):
    """A parameter that keeps some of the items of a list.

    ``keep`` takes the value that was read and the values of ``field``, and says for each
    whether it is kept. It takes them all at once, which is ten times as fast as one by one.
    """

    read: Reader
    field: str
    keep: Callable[[Any, Iterable[Any]], Iterable[bool]]
    schema: Mapping[str, Any]


# How many items are filtered at a time. No other thread can run meanwhile.
_PORTION = 5_000


class Query(NamedTuple):
    """The filters that are set, each with its value, and the page."""

    filters: Mapping[str, tuple["Filter", Any]] = MappingProxyType({})
    limit: int = 100
    offset: int = 0
    after: SortKey | None = None
    limited_response: bool = False

    def select(self, items: list[Item]) -> list[Item]:
        """Return the items that pass all filters (guessed: AND between filters)."""
        selected: list[Item] = []
        for begin in range(0, len(items), _PORTION):
            selected += self._select(items[begin : begin + _PORTION])
        return selected

    def _select(self, items: list[Item]) -> list[Item]:
        for it, wanted in self.filters.values():
            values = map(operator.attrgetter(it.field), items)
            items = list(itertools.compress(items, it.keep(wanted, values)))
        return items


#: Returns the sort key of an item.
sort_key: Callable[[Any], SortKey] = operator.attrgetter("created_at", "id")


class Page(NamedTuple):
    """One page, newest first, and the number of matches on all pages."""

    docs: Sequence[Any]
    total: int
    query: Query
    has_more: bool
    sort_key: Callable[[Any], SortKey] = sort_key

    def to_json(self) -> dict[str, Any]:
        """Return the page as the API prints it.

        ``offset`` is not documented, but the official client fails without it. The token
        is left out of the last page.
        """
        form = "to_limited_json" if self.query.limited_response else "to_json"
        show = operator.methodcaller(form)
        return {"docs": [show(item) for item in self.docs], **self._position()}

    def to_text(self) -> str:
        """Return the JSON text of a page of tasks as the API prints it, compact and in ASCII."""
        if self.query.limited_response:
            return encode(self.to_json())
        docs = ",".join(task.to_text() for task in self.docs)
        return f'{{"docs":[{docs}],{encode(self._position())[1:]}'

    def _position(self) -> dict[str, Any]:
        position: dict[str, Any] = {
            "total": self.total,
            "limit": self.query.limit,
            "offset": self.query.offset,
            "has_more": self.has_more,
        }
        if self.has_more:
            position["next_token"] = token(self.sort_key(self.docs[-1]))
        return position


def page(
    matches: Sequence[Any], query: Query, key: Callable[[Any], SortKey] | None = None
) -> tuple[Sequence[Any], bool]:
    """Return the matches on a page, newest first, and whether there are more behind them.

    ``matches`` are all matches, oldest first: sort keys, or items that ``key`` gives one for.
    """
    if query.after is not None:
        end = bisect.bisect_left(matches, query.after, key=key)
    else:
        end = max(0, len(matches) - query.offset)
    start = max(0, end - query.limit)
    return matches[start:end][::-1], start > 0


def read_query(
    parameters: Mapping[str, Sequence[str]],
    known: Mapping[str, Filter | Parameter],
    needs: Sequence[str] = (),
) -> Query:
    """Return the query of a query string; each parameter comes with all its values.

    ``known`` are the filters of the list and its parameters of ``PAGE``. One of ``needs`` must
    be given. Raises BadRequest.
    """
    read = read_parameters(parameters, known, needs)
    after = read.get("next_token")
    return Query(
        # Not for "," alone, which names nothing.
        filters={
            name: (row, read[name])
            for name, row in known.items()
            if name in read and isinstance(row, Filter) and read[name] != frozenset()
        },
        limit=read.get("limit", 100),
        offset=0 if after else read.get("offset", 0),
        after=after,
        limited_response=read.get("limited_response", False),
    )


def read_parameters(
    parameters: Mapping[str, Sequence[str]],
    known: Mapping[str, Filter | Parameter],
    needs: Sequence[str] = (),
) -> dict[str, Any]:
    """Return those parameters of a query that are ``known`` and given.

    Unknown parameters are ignored and empty values count as absent (both observed). Raises
    BadRequest, also when none of ``needs`` is given.
    """
    given = {
        name: [text for text in parameters[name] if text] for name in known if name in parameters
    }
    read = {name: known[name].read(name, texts) for name, texts in given.items() if texts}
    if needs and not any(read.get(name) for name in needs):
        if len(needs) > 1:
            raise invalid("value", f"must contain at least one of [{', '.join(needs)}]")
        raise invalid(needs[0], "is required")
    return read


def filters_query(filters: Mapping[str, Any], known: Mapping[str, Filter]) -> Query:
    """Return the query for filters given in Python: text, a moment, or several of them.

    A comma splits a text here as it does in a query. Raises TypeError for the name of no
    filter, BadRequest for a bad value.
    """
    texts = {}
    for name, value in filters.items():
        if name not in known:
            raise TypeError(f"{name!r} is not a filter; there are {', '.join(known)}")
        several = value if isinstance(value, Collection) and not isinstance(value, str) else [value]
        texts[name] = [_text(item) for item in several if item is not None]
    return read_query(texts, known)


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, dt.date) else str(value)


# The readers.


def read_several(name: str, texts: Sequence[str]) -> frozenset[str]:
    """Return all texts."""
    # Documented: comma-joined or repeated, any of them. There is no way to escape a comma.
    return frozenset(part for text in texts for part in text.split(",") if part)


def read_names(name: str, texts: Sequence[str]) -> frozenset[str]:
    """Return all texts, each also as a whole."""
    # Documented as one text: so a comma may belong to the name. Several are a guess.
    return read_several(name, texts) | frozenset(texts)


def _read_among(allowed: Collection[str]) -> Reader:
    def read(name: str, texts: Sequence[str]) -> frozenset[str]:
        wanted = read_several(name, texts)
        if unknown := wanted.difference(allowed):
            raise invalid(name, f"must be one of [{', '.join(allowed)}]", min(unknown))
        return wanted

    return read


def _read_moment(name: str, texts: Sequence[str]) -> dt.datetime:
    try:
        return read_moment(texts[-1])
    except ValueError:
        raise invalid(name, "must be a time in ISO 8601", texts[-1]) from None


def _read_earliest(name: str, texts: Sequence[str]) -> str:
    moment = _read_moment(name, texts)
    try:  # up to whole milliseconds, so that the comparison of stamps is exact
        return stamp(moment + dt.timedelta(microseconds=-moment.microsecond % 1000))
    except OverflowError:
        return "~"  # past the last millisecond there is: after every stamp


def _read_latest(name: str, texts: Sequence[str]) -> str:
    return stamp(_read_moment(name, texts))


def _read_object(name: str, texts: Sequence[str]) -> Mapping[str, Any]:
    try:
        value = json.loads(texts[-1])
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise invalid(name, "must be an object, as JSON", texts[-1])
    return value


def read_boolean(name: str, texts: Sequence[str]) -> bool:
    """Return the boolean that the last text says (guessed: ``true`` and ``1``, any case)."""
    text = texts[-1].lower()
    if text not in ("true", "1", "false", "0"):
        raise invalid(name, "must be a boolean", texts[-1])
    return text in ("true", "1")


_DIGITS = 18
_MOST = 10**_DIGITS - 1


def _number(least: int, most: int | None, default: int) -> Parameter:
    schema = {"type": "integer", "minimum": least, "maximum": most or _MOST, "default": default}
    reach = f"at least {least}" if most is None else f"from {least} to {most}"

    def read(name: str, texts: Sequence[str]) -> int:
        text = texts[-1]
        number = int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else -1
        if least <= number and (most is None or number <= most):
            return number
        raise invalid(name, f"must be a whole number {reach}", text)

    return Parameter(read, schema)


# The filters. One keeps items by the values of a field of theirs.


def since(field: str) -> Filter:
    """Return the filter by the earliest moment.

    Guessed: bounds are inclusive, and an item without the time never matches.
    """
    return Filter(
        _read_earliest,
        field,
        lambda bound, moments: [(it or "") >= bound for it in moments],
        _MOMENT,
    )


def until(field: str) -> Filter:
    """Return the filter by the latest moment, with the same guesses."""
    return Filter(
        _read_latest,
        field,
        lambda bound, moments: [(it or "~") <= bound for it in moments],
        _MOMENT,
    )


def any_of(field: str, read: Reader = read_several) -> Filter:
    """Return the filter that keeps an item whose text is among the given ones."""
    return Filter(read, field, lambda wanted, names: map(wanted.__contains__, names), _TEXTS)


def one_of(field: str, allowed: Collection[str]) -> Filter:
    """Return the same filter; it refuses texts that are not ``allowed``."""
    schema = {"type": "array", "items": {"type": "string", "enum": list(allowed)}}
    return any_of(field, _read_among(allowed))._replace(schema=schema)


def sharing(field: str, read: Reader = read_several) -> Filter:
    """Return the filter that keeps an item with several texts, one of them given."""
    return Filter(
        read,
        field,
        lambda wanted, several: map(operator.not_, map(wanted.isdisjoint, several)),
        _TEXTS,
    )


def including(field: str) -> Filter:
    """Return the filter that keeps an item whose object has every given member."""
    return Filter(
        _read_object,
        field,
        lambda wanted, objects: [
            all(it.get(name) == wanted[name] for name in wanted) for it in objects
        ],
        {"type": "object"},
    )


def token(last: SortKey) -> str:
    """Return the token of the page behind ``last``, in the published format."""
    pair = {"task_id": last[1], "created_at": last[0]}
    return base64.b64encode(json.dumps(pair, separators=(",", ":")).encode()).decode()


def _read_token(name: str, texts: Sequence[str]) -> SortKey:
    text = texts[-1]
    try:
        pair = json.loads(base64.b64decode(text, validate=True))
        task_id = pair.get("task_id", pair.get("id"))  # observed in 2023: `id`
        created_at = stamp(read_moment(pair["created_at"]))
    except (binascii.Error, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        task_id = None
    if not isinstance(task_id, str):
        raise invalid(name, "must be the next_token of a page", text)
    return created_at, task_id


#: The parameters of a page.
PAGE: Mapping[str, Parameter] = {
    "limit": _number(1, 100, default=100),
    "offset": _number(0, None, default=0),
    "next_token": Parameter(_read_token, _TEXT),
}
#: A boolean, and a text.
FLAG = Parameter(read_boolean, _FLAG)
WORD = Parameter(lambda name, texts: texts[-1], _TEXT)
