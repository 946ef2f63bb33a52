"""The mechanism of lists: queries, filters, pages and the tokens of next pages.

The table of filters of each noun is in the noun's own file. It is made with ``since``,
``until``, ``any_of``, ``one_of``, ``sharing`` and ``including``. The file has over 300 lines,
since these functions, their readers and their schemas belong together.
"""

import base64
import binascii
import bisect
import datetime as dt
import itertools
import json
import operator
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from fakescale.values.answer import encode
from fakescale.values.clock import read_moment, stamp
from fakescale.values.errors import invalid
from fakescale.values.named import named

Item = TypeVar("Item")

# The schemas of the values of parameters.
_MOMENT = {
    "anyOf": [
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "date"},
        {"const": ""},  # counts as absent
    ]
}
_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_FLAG = {"type": "boolean"}
_OBJECT = {"type": "object"}

# The key that lists are sorted by: (created_at, id). The token holds both too.
SortKey = tuple[str, str]


# Reads the values of a parameter. The name of the parameter is for the error message.
Reader = Callable[[str, Sequence[str]], Any]


class Parameter(NamedTuple):
    """A parameter of a query: its reader and the JSON Schema of its value."""

    read: Reader
    schema: Mapping[str, Any]


class Filter(NamedTuple):
    """A parameter that selects some of the items of a list.

    ``keep`` takes the parameter's value and the values of ``field`` in all items. It returns,
    for each item, whether the item is kept. One call for all items is ten times as fast as a
    call for each.
    """

    read: Reader
    field: str
    keep: Callable[[Any, Iterable[Any]], Iterable[bool]]
    schema: Mapping[str, Any]


# The number of items to filter at a time, during which no other thread can run.
_PORTION = 5_000
# The number of items that a page of v2 reads at a time.
_PAGE_PORTION = 1_000


class Query(NamedTuple):
    """A query of a list: its filters and its page."""

    #: The filters that are set, each with its value, by parameter.
    filters: Mapping[str, tuple["Filter", Any]] = MappingProxyType({})
    limit: int = 100
    offset: int = 0
    #: The sort key of the last item of the previous page, from the token.
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

    def is_after(self, item: Any) -> bool:
        """Return whether an item comes after the previous page, on which all are newer."""
        return self.after is None or sort_key(item) < self.after


#: Returns the sort key of an item.
sort_key: Callable[[Any], SortKey] = operator.attrgetter("created_at", "id")


class Page(NamedTuple):
    """One page of a list."""

    #: The items on the page, newest first.
    docs: Sequence[Any]
    #: The number of matches on all pages.
    total: int
    #: The query that the page answers.
    query: Query
    #: Whether there is a next page.
    has_more: bool
    sort_key: Callable[[Any], SortKey] = sort_key

    def to_json(self) -> dict[str, Any]:
        """Return the page as a dict, as the API prints it.

        ``offset`` is not documented, but the official client fails without it. The last page
        has no token.
        """
        form = "to_limited_json" if self.query.limited_response else "to_json"
        show = operator.methodcaller(form)
        return {"docs": [show(item) for item in self.docs], **self._position()}

    def to_text(self) -> bytes:
        """Return the JSON text of a page of tasks as the API prints it: compact, in UTF-8."""
        if self.query.limited_response:
            return encode(self.to_json())
        docs = b",".join([task.to_text() for task in self.docs])
        return b'{"docs":[%b],%b' % (docs, encode(self._position())[1:])

    @property
    def next_token(self) -> str | None:
        """The token of the next page, or None on the last page."""
        return token(self.sort_key(self.docs[-1])) if self.has_more else None

    def _position(self) -> dict[str, Any]:
        position: dict[str, Any] = {
            "total": self.total,
            "limit": self.query.limit,
            "offset": self.query.offset,
            "has_more": self.has_more,
        }
        if self.has_more:
            position["next_token"] = self.next_token
        return position


def page(
    matches: Sequence[Any], query: Query, key: Callable[[Any], SortKey] | None = None
) -> tuple[Sequence[Any], bool]:
    """Return the matches on a page, newest first, and whether there is a next page.

    ``matches`` are all matches, oldest first. They are sort keys, unless ``key`` returns the
    sort key of each.
    """
    if query.after is not None:
        end = bisect.bisect_left(matches, query.after, key=key)
    else:
        end = max(0, len(matches) - query.offset)
    start = max(0, end - query.limit)
    return matches[start:end][::-1], start > 0


def newest(
    query: Query,
    keys: Sequence[SortKey],
    get: Callable[[str], Item],
    lock: AbstractContextManager[Any],
) -> Iterator[Item]:
    """Yield the items after the query's token that pass its filters, newest first.

    ``keys`` are the sort keys of all items, oldest first, and ``get`` returns the item with an id.
    They are read in portions, so a page costs no more than the items on the way to its end.
    """
    bound = query.after
    while True:
        with lock:
            end = len(keys) if bound is None else bisect.bisect_left(keys, bound)
            part = keys[max(0, end - _PAGE_PORTION) : end]
            items = [get(id) for _, id in part]
        if not part:
            return
        bound = part[0]
        yield from reversed(query.select(items))


def read_query(
    parameters: Mapping[str, Any],
    known: Mapping[str, Filter | Parameter],
    needs: Sequence[str] = (),
    written: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> Query:
    """Return the query of a query string, given as all values of each parameter.

    ``known`` are the parameters of the list. If ``needs`` is not empty, one of its parameters
    must be given. Raises BadRequest for a bad value or a missing parameter.
    """
    read = read_parameters(parameters, known, needs, written)
    after = read.get("next_token")
    limit = read.get("limit", 100)
    skipped = (read.get("page", 1) - 1) * limit
    return Query(
        # A filter by "," alone, which names nothing, is left out.
        filters={
            name: (row, read[name])
            for name, row in known.items()
            if name in read and isinstance(row, Filter) and read[name] != frozenset()
        },
        limit=limit,
        offset=0 if after else read.get("offset", skipped),
        after=after,
        limited_response=read.get("limited_response", False),
    )


def read_parameters(
    parameters: Mapping[str, Any],
    known: Mapping[str, Filter | Parameter],
    needs: Sequence[str] = (),
    written: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the values of the ``known`` parameters that are given.

    A value of ``parameters`` is a text or several. ``written`` has the names for refusals, by the
    parameter and the value. Unknown parameters are ignored and empty values count as absent (both
    observed). Raises BadRequest for a bad value, or if none of ``needs`` is given.
    """
    read = {}
    for name, row in known.items():
        own_name, several = name, None
        if name in written:
            several = written[name]
            if len({*several.values()}) == 1:
                own_name, several = next(iter(several.values())), None
        if texts := _texts(own_name, parameters.get(name, ""), row.schema):
            if several is not None:  # a bad text is refused by its own name
                for text in texts:
                    row.read(several.get(text, name), [text])
            read[name] = row.read(own_name, texts)
    if needs and not any(read.get(name) for name in needs):
        if len(needs) > 1:
            raise invalid("value", f"must contain at least one of [{', '.join(needs)}]")
        raise invalid(needs[0], "is required")
    return read


def _texts(name: str, value: Any, schema: Mapping[str, Any]) -> list[str]:
    """Return the texts of a parameter that are not empty.

    An object, as in ``metadata[a]=b``, becomes JSON. Raises BadRequest for an object if the
    parameter takes none.
    """
    # A long list is an object with the indices as names.
    if isinstance(value, Mapping) and all(map(str.isdigit, value)):
        value = list(value.values())
    if isinstance(value, Mapping) and schema == _OBJECT:
        value = encode(value).decode()
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in texts):
        raise invalid(name, "must be a text or several", value)  # guessed
    return [text for text in texts if text]


def filters_query(filters: Mapping[str, Any], known: Mapping[str, Filter | Parameter]) -> Query:
    """Return the query for filters given in Python: a text, a moment, or several of them.

    A comma splits a text, as it does in a query string. Raises TypeError for an unknown
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
    text = named(value)
    return text.isoformat() if isinstance(text, dt.date) else str(text)


# The readers.


def read_several(name: str, texts: Sequence[str]) -> frozenset[str]:
    """Return all texts, split at commas."""
    # Documented: values are joined by commas or repeated, and any of them matches. A comma
    # cannot be escaped.
    return frozenset(part for text in texts for part in text.split(",") if part)


def read_names(name: str, texts: Sequence[str]) -> frozenset[str]:
    """Return all texts, split at commas, and also each text as a whole."""
    # Documented as one text, so a comma may belong to the name. Several texts are guessed.
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
        return "~"  # past the last millisecond of the calendar: sorts after every stamp


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
    """Return the boolean that the last text spells (guessed: ``true`` and ``1``, any case)."""
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


# The filters.


def since(field: str) -> Filter:
    """Return the filter that keeps items whose ``field`` is at or after a moment.

    Guessed: the bound is inclusive, and an item without that time never matches.
    """
    return Filter(
        _read_earliest,
        field,
        lambda bound, moments: [(it or "") >= bound for it in moments],
        _MOMENT,
    )


def until(field: str) -> Filter:
    """Return the filter that keeps items whose ``field`` is at or before a moment.

    Guessed: the bound is inclusive, and an item without that time never matches.
    """
    return Filter(
        _read_latest,
        field,
        lambda bound, moments: [(it or "~") <= bound for it in moments],
        _MOMENT,
    )


def any_of(field: str, read: Reader = read_several) -> Filter:
    """Return the filter that keeps items whose ``field`` is one of the given texts."""
    return Filter(read, field, lambda wanted, names: map(wanted.__contains__, names), _TEXTS)


def one_of(field: str, allowed: Collection[str]) -> Filter:
    """Return a filter like ``any_of``, but one that refuses texts that are not ``allowed``."""
    schema = {"type": "array", "items": {"type": "string", "enum": list(allowed)}}
    return any_of(field, _read_among(allowed))._replace(schema=schema)


def sharing(field: str, read: Reader = read_several) -> Filter:
    """Return the filter that keeps items whose ``field``, a list, holds one of the given texts."""
    return Filter(
        read,
        field,
        lambda wanted, several: map(operator.not_, map(wanted.isdisjoint, several)),
        _TEXTS,
    )


def including(field: str) -> Filter:
    """Return the filter that keeps items whose ``field``, an object, has every given member.

    Guessed: a text also matches the number or boolean that it spells, since names in brackets
    only have texts.
    """
    return Filter(
        _read_object,
        field,
        lambda wanted, objects: [
            all(_is_given(wanted[name], it.get(name)) for name in wanted) for it in objects
        ],
        _OBJECT,
    )


def _is_given(wanted: Any, value: Any) -> bool:
    is_spelled = isinstance(wanted, str) and isinstance(value, int | float)
    return bool(wanted == value) or (is_spelled and wanted == encode(value).decode())


def choice(*words: str) -> Parameter:
    """Return a parameter that takes one of ``words``."""

    def read(name: str, texts: Sequence[str]) -> str:
        if texts[-1] not in words:
            raise invalid(name, f"must be one of [{', '.join(words)}]", texts[-1])
        return texts[-1]

    return Parameter(read, {"type": "string", "enum": list(words)})


def token(last: SortKey) -> str:
    """Return the token of the page after the sort key ``last``, in the published format."""
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
#: The number of a page, for lists whose pages are numbered.
NUMBER_OF_PAGE = _number(1, None, default=1)
#: A boolean parameter.
FLAG = Parameter(read_boolean, _FLAG)
#: A text parameter.
WORD = Parameter(lambda name, texts: texts[-1], _TEXT)
