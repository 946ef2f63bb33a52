"""Listing tasks: the filters, the page, and the token that leads to the next one."""

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

from fakescale.account.task import ReviewStatus, Status, Task
from fakescale.values.answer import encode
from fakescale.values.clock import read_moment, stamp
from fakescale.values.errors import invalid

Item = TypeVar("Item")

# Lists are sorted by it: (created_at, id). Both are in the token too.
SortKey = tuple[str, str]


class Parameter(NamedTuple):
    """A parameter of a query: how it is read, and the JSON Schema of what it takes."""

    read: Callable[[str, Sequence[str]], Any]
    schema: Mapping[str, Any]


class Filter(NamedTuple):
    """A parameter that says which tasks, or what else is listed, are kept.

    ``keep`` is given what was read and the values of ``field``, and says which are kept. It
    is given all of them at once since that is ten times as fast as one after the other.
    """

    read: Callable[[str, Sequence[str]], Any]
    field: str
    keep: Callable[[Any, Iterable[Any]], Iterable[bool]]
    schema: Mapping[str, Any]


# So many items are gone through in one go, during which no other thread can run.
_PORTION = 5_000


class Query(NamedTuple):
    """What was asked for: the filters that are set, each with its value, and the page."""

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


#: Returns the sort key of a task, or of what else is listed.
sort_key: Callable[[Any], SortKey] = operator.attrgetter("created_at", "id")


class Page(NamedTuple):
    """One page, newest first, and the number of all matches, whatever the page."""

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
        show = _limited if self.query.limited_response else operator.methodcaller("to_json")
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

    ``matches`` are all there are, oldest first: sort keys, or what ``key`` gives one of.
    """
    if query.after is not None:
        end = bisect.bisect_left(matches, query.after, key=key)
    else:
        end = max(0, len(matches) - query.offset)
    start = max(0, end - query.limit)
    return matches[start:end][::-1], start > 0


def read_query(
    parameters: Mapping[str, Sequence[str]],
    known: Mapping[str, Filter | Parameter] | None = None,
    needs: Sequence[str] = (),
) -> Query:
    """Return what a query string asks for; each parameter comes with all its values.

    ``known`` are the filters and the parameters of ``PAGE`` that there are, by default those
    of tasks; one of ``needs`` must be given. Raises BadRequest.
    """
    known = TASK_QUERY if known is None else known
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


def filters_query(filters: Mapping[str, Any], known: Mapping[str, Filter] | None = None) -> Query:
    """Return the query for filters given in Python: text, a moment, or several of them.

    A comma splits a text here as it does in a query.

    Raises TypeError for the name of no filter, BadRequest for a bad value.
    """
    known = FILTERS if known is None else known
    texts = {}
    for name, value in filters.items():
        if name not in known:
            raise TypeError(f"{name!r} is not a filter; there are {', '.join(known)}")
        several = value if isinstance(value, Collection) and not isinstance(value, str) else [value]
        texts[name] = [_text(item) for item in several if item is not None]
    return read_query(texts, known)


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, dt.date) else str(value)


# The readers. Each takes the parameter's name, for the refusal, and its values.


def _several(name: str, texts: Sequence[str]) -> frozenset[str]:
    # Documented: comma-joined or repeated, any of them. There is no way to escape a comma.
    return frozenset(part for text in texts for part in text.split(",") if part)


def _names(name: str, texts: Sequence[str]) -> frozenset[str]:
    # Documented as one text: so a comma may belong to the name. Several are a guess.
    return _several(name, texts) | frozenset(texts)


def _among(allowed: Collection[str]) -> Callable[[str, Sequence[str]], frozenset[str]]:
    def read(name: str, texts: Sequence[str]) -> frozenset[str]:
        wanted = _several(name, texts)
        if unknown := wanted.difference(allowed):
            raise invalid(name, f"must be one of [{', '.join(allowed)}]", min(unknown))
        return wanted

    return read


def _moment(name: str, texts: Sequence[str]) -> dt.datetime:
    try:
        return read_moment(texts[-1])
    except ValueError:
        raise invalid(name, "must be a time in ISO 8601", texts[-1]) from None


def _earliest(name: str, texts: Sequence[str]) -> str:
    moment = _moment(name, texts)
    try:  # up to whole milliseconds, so that the comparison of stamps is exact
        return stamp(moment + dt.timedelta(microseconds=-moment.microsecond % 1000))
    except OverflowError:
        return "~"  # past the last millisecond there is: after every stamp


def _latest(name: str, texts: Sequence[str]) -> str:
    return stamp(_moment(name, texts))


def _json_object(name: str, texts: Sequence[str]) -> Mapping[str, Any]:
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


def _since(field: str) -> Filter:
    # Guessed: bounds are inclusive, and a task without the time never matches.
    return Filter(
        _earliest, field, lambda bound, moments: [(it or "") >= bound for it in moments], _MOMENT
    )


def _until(field: str) -> Filter:
    return Filter(
        _latest, field, lambda bound, moments: [(it or "~") <= bound for it in moments], _MOMENT
    )


def _any_of(field: str, read: Callable[[str, Sequence[str]], frozenset[str]] = _several) -> Filter:
    return Filter(read, field, lambda wanted, names: map(wanted.__contains__, names), _TEXTS)


def _overlap(wanted: frozenset[str], several: Iterable[Sequence[str]]) -> Iterable[bool]:
    return map(operator.not_, map(wanted.isdisjoint, several))


def _include(wanted: Mapping[str, Any], objects: Iterable[Mapping[str, Any]]) -> Iterable[bool]:
    return [all(it.get(name) == wanted[name] for name in wanted) for it in objects]


def _one_of(field: str, allowed: Collection[str]) -> Filter:
    schema = {"type": "array", "items": {"type": "string", "enum": list(allowed)}}
    return _any_of(field, _among(allowed))._replace(schema=schema)


# The schemas of what the readers take.
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

# The filters of the list, by the name of their parameter. Only a wrong status is refused
# (guessed): types keep growing, and a name that nothing bears matches nothing.
FILTERS: Mapping[str, Filter] = {
    "start_time": _since("created_at"),
    "end_time": _until("created_at"),
    "completed_after": _since("completed_at"),
    "completed_before": _until("completed_at"),
    "updated_after": _since("updated_at"),
    "updated_before": _until("updated_at"),
    "status": _one_of("status", tuple(Status)),
    "type": _any_of("type"),
    "project": _any_of("project", _names),
    "batch": _any_of("batch", _names),
    "customer_review_status": _one_of("customer_review_status", tuple(ReviewStatus)),
    "unique_id": _any_of("unique_id"),
    # Guessed: a task with any of the tags matches.
    "tags": Filter(_several, "tags", _overlap, _TEXTS),
}


#: The statuses of a batch (documented).
BATCH_STATUSES = ("staging", "in_progress", "completed")

# Those of the list of batches. Guessed: that it filters by the time of completion as the
# list of tasks does; one client names the parameters.
BATCH_FILTERS: Mapping[str, Filter] = {
    "start_time": _since("created_at"),
    "end_time": _until("created_at"),
    "completed_after": _since("completed_at"),
    "completed_before": _until("completed_at"),
    # Observed in that client: on the time of the last audit; guessed: of any of its tasks.
    "audited_after": _since("audited_at"),
    "audited_before": _until("audited_at"),
    "status": _one_of("status", BATCH_STATUSES),
    "project": _any_of("project", _names),
    "exclude_archived": Filter(
        read_boolean,
        "archived",
        lambda exclude, archived: [not (exclude and it) for it in archived],
        _FLAG,
    ),
}


# Those of the list of files (both names are documented). Guessed: that the metadata is JSON
# in a text, of which a file must have every member.
FILE_FILTERS: Mapping[str, Filter] = {
    "project": Filter(_names, "project_names", _overlap, _TEXTS),
    "metadata": Filter(_json_object, "metadata", _include, {"type": "object"}),
}

# Those of the list of what labelers achieved in quality tasks (observed in a client).
LABELER_FILTERS: Mapping[str, Filter] = {
    "quality_task_ids": _any_of("quality_task_id"),
    "labeler_emails": _any_of("labeler_email"),
}


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


def _limited(task: Task) -> dict[str, Any]:
    # Documented, with one member more, of which nothing is known but the name.
    printed = task.to_json()
    return {
        name: printed[name]
        for name in ("task_id", "status", "metadata", "project")
        if name in printed
    }


#: The parameters of a page.
PAGE: Mapping[str, Parameter] = {
    "limit": _number(1, 100, default=100),
    "offset": _number(0, None, default=0),
    "next_token": Parameter(_read_token, _TEXT),
}
#: A boolean, and a text.
FLAG = Parameter(read_boolean, _FLAG)
WORD = Parameter(lambda name, texts: texts[-1], _TEXT)
#: All that the list of tasks takes.
TASK_QUERY: Mapping[str, Filter | Parameter] = {
    **FILTERS,
    **PAGE,
    "limited_response": FLAG,
    # Read, so that a wrong value is refused, but without effect: what it adds to a task has
    # never been published.
    "include_attachment_url": FLAG,
}
BATCH_QUERY: Mapping[str, Filter | Parameter] = {
    **BATCH_FILTERS,
    "limit": PAGE["limit"],
    "offset": PAGE["offset"],
}
FILE_QUERY: Mapping[str, Filter | Parameter] = {**FILE_FILTERS, **PAGE}
LABELER_QUERY: Mapping[str, Filter | Parameter] = {**LABELER_FILTERS, **PAGE}
