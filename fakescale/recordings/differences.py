"""The differences between a recorded answer and the fake's answer to the same request.

The file has over 300 lines, since it has a rule for each kind of member.
"""

import datetime as dt
import itertools
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

from fakescale.account.listing import token
from fakescale.recordings.bindings import ID, Bindings
from fakescale.recordings.names import worth
from fakescale.values.answer import decode
from fakescale.values.clock import read_moment

#: The kinds of differences. ``missing`` is a member that the fake lacks, ``unknown`` one that
#: the recording lacks. ``text`` is the text of a refusal. ``order`` is that of a list.
Kind = Literal["status", "text", "missing", "unknown", "type", "value", "order"]
KINDS = get_args(Kind)

_MOST = 50  # differences of one exchange, and of one kind and member
_LONG = 80  # characters of a shown value
_LONG_TEXT = 300  # characters of a shown text of a refusal
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(\.\d+)?(Z|[+-]\d\d:?\d\d)?")
# The refused value, at the end of a message of the fake.
_GOT = re.compile(r" \(got .*\)\.?", re.DOTALL)
_NEAR = dt.timedelta(minutes=1)  # the distance of times that count as equal
_URL = re.compile(r"(https?|s3|gs|scaledata)://\S+")

# The members that a client chose, or that follow from what it chose: their values are equal.
_CHOSEN = {
    "params",
    "metadata",
    "tags",
    "unique_id",
    "instruction",
    "callback",
    "callback_url",
    "display_name",
    "reference_id",
    "template_variables",
    "initial_response",
    "expected_response",
    "ontology",
}
# The members whose values nothing in a recording determines: only their types are compared.
_MADE_UP = {
    "audited_by",
    "audit_time_secs",
    "callback_completed",
    "callback_succeeded",
    "mime_type",
    "isSingleton",
    "message",
}
# The objects that a labeler makes. Only the names and types of their members are compared.
_LABELED = {"response", "threads", "errors"}
# The members of a page that depend on other pages.
_POSITION = {
    "total",
    "totalDocs",
    "has_more",
    "hasNextPage",
    "nextPage",
    "totalPages",
    "next_token",
}
# The members that count things.
_COUNTERS = {
    *_POSITION,
    "pending",
    "completed",
    "canceled",
    "error",
}
_ITEMS = ("docs", "tasks", "batches")  # the members that hold the items of a page
_IDENTITIES = ("id", "task_id", "name", "email")


class Difference(NamedTuple):
    """A difference between the recording and the fake."""

    #: The kind.
    kind: Kind
    #: The path of the member, for example ``docs[].params.objects``; empty for a status or text.
    member: str
    #: The recorded value, shortened.
    recorded: str
    #: The value of the fake, shortened.
    ours: str
    #: The id or name of the item of a list that has it; empty outside of lists.
    item: str = ""

    def __str__(self) -> str:
        place = f" {self.member}" if self.member else ""
        return f"{self.kind}{place}: recorded {self.recorded}, the fake has {self.ours}"


class Answered(NamedTuple):
    """An answer to compare."""

    status: int
    #: The media type, without parameters; empty without a body.
    media_type: str
    body: bytes


class _Words(NamedTuple):
    """Words that a difference shows instead of a value."""

    text: str


_NOTHING = _Words("nothing")


def differences(
    method: str,
    recorded: Answered,
    ours: Answered,
    bindings: Bindings,
    since: str | None = None,
    moment_of: Callable[[str], str] = lambda key: "",
    *,
    is_of_status: bool = False,
) -> list[Difference]:
    """Return the differences of two answers; new ids of the recording are bound to the fake's.

    ``since`` is the time since which other requests may have changed things, or None. Counters are
    then not compared, nor the state and the place of a thing that changed since. ``moment_of``
    takes the id of an item that does not show its time, and returns the time by which it is sorted.
    ``is_of_status`` says that the answer lists the things of one status. Then nobody knows which
    things the next pages have.
    """
    found = _Comparison(bindings, since, moment_of, is_of_status=is_of_status)
    if recorded.status != ours.status:
        found.note("status", "", _status(recorded), _status(ours))
    elif method != "HEAD":
        found.answers(recorded, ours)
    return found.differences


def late_updates(recorded: Answered, ours: Answered) -> list[Difference]:
    """Return the difference of two creations in the age of ``updated_at``, if there is one.

    The two times are equal in the answer (inferred), or a few ms apart in test mode (observed).
    """
    try:
        theirs, mine = decode(recorded.body), decode(ours.body)
        ages = [
            read_moment(it["updated_at"]) - read_moment(it["created_at"]) for it in (theirs, mine)
        ]
    except (ValueError, LookupError, TypeError, AttributeError):
        return []
    if abs(ages[0] - ages[1]) <= _NEAR:
        return []
    shown = _shown(theirs["updated_at"]), _shown(mine["updated_at"])
    return [Difference("value", "updated_at", *shown)]


def first_of_each(found: Iterable[Difference]) -> list[Difference]:
    """Return the first difference of each kind and member."""
    firsts: dict[tuple[str, str], Difference] = {}
    for it in found:
        firsts.setdefault((it.kind, it.member), it)
    return list(firsts.values())


def _status(answer: Answered) -> str:
    try:
        text = decode(answer.body)["error"] if answer.status >= 400 else None
    except (ValueError, LookupError, TypeError):
        text = None
    return str(answer.status) if text is None else f"{answer.status} ({_shown(text)})"


class _Comparison:
    """The comparison of one pair of answers."""

    def __init__(
        self,
        bindings: Bindings,
        since: str | None,
        moment_of: Callable[[str], str],
        *,
        is_of_status: bool,
    ) -> None:
        self._bindings = bindings
        self._is_of_status = is_of_status
        self._moment_of = moment_of
        self._since = since
        self._found: dict[tuple[Kind, str], list[Difference]] = {}
        self._item = ""

    @property
    def differences(self) -> list[Difference]:
        """The differences so far."""
        return [it for several in self._found.values() for it in several]

    def note(self, kind: Kind, member: str, recorded: Any, ours: Any) -> None:
        """Add a difference, unless there are very many."""
        known = self._found.setdefault((kind, member), []) if len(self._found) < _MOST else None
        if known is not None and len(known) < _MOST:
            most = _LONG_TEXT if kind == "text" else _LONG
            theirs, mine = (it if kind == "status" else _shown(it, most) for it in (recorded, ours))
            known.append(Difference(kind, member, theirs, mine, self._item))

    def answers(self, recorded: Answered, ours: Answered) -> None:
        """Compare two answers of the same status."""
        try:
            theirs = decode(recorded.body)
        except ValueError:
            theirs = _NOTHING
        try:
            mine = decode(ours.body)
        except ValueError:
            mine = _NOTHING
        types = recorded.media_type, ours.media_type
        if theirs is _NOTHING or mine is _NOTHING:
            # A page, an image or nothing: their contents are made up.
            if types[0] != types[1] or (theirs is _NOTHING) != (mine is _NOTHING):
                self.note("type", "", _form_of(recorded, theirs), _form_of(ours, mine))
            return
        if types[0] and types[0] != types[1]:
            self.note("type", "", *types)
        if recorded.status >= 400 and isinstance(theirs, dict) and isinstance(mine, dict):
            texts = self._bindings.in_json(theirs.pop("error", None)), mine.pop("error", None)
            if not _say_the_same(*texts):
                self.note("text", "", *texts)
        self._values(theirs, mine, "", is_chosen=False)

    def _values(self, theirs: Any, mine: Any, path: str, *, is_chosen: bool) -> None:
        name = path[path.rfind(".") + 1 :].removesuffix("[]")
        is_chosen = is_chosen or name in _CHOSEN
        if _type(theirs) != _type(mine):
            self.note("type", path, theirs, mine)
        elif name in _LABELED and not is_chosen:
            self._labels(theirs, mine, path)
        elif isinstance(theirs, dict):
            self._objects(theirs, mine, path, is_chosen=is_chosen)
        elif isinstance(theirs, list):
            self._lists(theirs, mine, path, is_chosen=is_chosen)
        elif name in _MADE_UP and not is_chosen:
            return
        elif isinstance(theirs, str):
            self._texts(theirs, mine, path, is_chosen=is_chosen)
        elif theirs != mine:
            self.note("value", path, theirs, mine)

    def _objects(
        self, theirs: dict[str, Any], mine: dict[str, Any], path: str, *, is_chosen: bool
    ) -> None:
        if self._since is not None and not is_chosen:
            times = str(theirs.get("updated_at", "")), str(mine.get("updated_at", ""))
            if times[0] < times[1] and times[1] >= self._since:
                return
        skipped: Iterable[str] = () if is_chosen else self._position(theirs, mine)
        if self._since is not None and not is_chosen:
            skipped = {*skipped, *_COUNTERS}
            if "task_id" not in theirs:  # the status of a batch follows from its counters
                skipped.add("status")
        before = f"{path}." if path else ""
        for name, value in theirs.items():
            if name in skipped:
                continue
            if name not in mine:
                self.note("missing", f"{before}{name}", value, _NOTHING)
            else:
                self._values(value, mine[name], f"{before}{name}", is_chosen=is_chosen)
        for name, value in mine.items():
            if name not in theirs and name not in skipped:
                self.note("unknown", f"{before}{name}", _NOTHING, value)

    def _position(self, theirs: dict[str, Any], mine: dict[str, Any]) -> set[str]:
        """Bind the token of the next page; return the members that the recording leaves open.

        If the recorded list goes on after its page, the fake cannot know its length, since the
        recording may never show the other items.
        """
        items = next((it for it in _ITEMS if isinstance(theirs.get(it), list)), None)
        if items is None or not (_goes_on(theirs) or _goes_on(mine)):
            return set()
        theirs_next, mine_next = theirs.get("next_token"), mine.get("next_token")
        knows_less = _goes_on(theirs) and (
            # The fake may know only a part of the other pages.
            self._is_of_status or not _goes_on(mine) or _total(mine) < _total(theirs)
        )
        if isinstance(theirs_next, str):
            if not isinstance(mine_next, str) and knows_less and mine.get(items):
                last = mine[items][-1]
                key = last.get("attachment_url", last.get("task_id", last.get("id", "")))
                mine_next = token((last.get("created_at") or self._moment_of(key), key))
            if isinstance(mine_next, str):
                self._bindings.bind(theirs_next, mine_next)
        if knows_less:
            return _POSITION
        return {"next_token"} if theirs_next and mine_next else set()

    def _labels(self, theirs: Any, mine: Any, path: str) -> None:
        """Compare the names and types of the members of an object that a labeler makes.

        Below the first level only types are compared. The items of a list are of several shapes.
        So an item differs only if the fake has items, and none of its type.
        """
        if isinstance(theirs, dict) and theirs != mine:
            for name, value in theirs.items():
                if name not in mine:
                    self.note("missing", f"{path}.{name}", value, _NOTHING)
                elif _type(value) != _type(mine[name]):
                    self.note("type", f"{path}.{name}", value, mine[name])
                else:
                    self._shapes(value, mine[name], f"{path}.{name}")
            for name in mine:
                if name not in theirs:
                    self.note("unknown", f"{path}.{name}", _NOTHING, mine[name])

    def _shapes(self, theirs: Any, mine: Any, path: str) -> None:
        """Compare two values of the same type that labelers make, by the types in them."""
        if isinstance(theirs, dict):
            for name in theirs.keys() & mine.keys():
                several = theirs[name], mine[name]
                if None in several:
                    continue
                if _type(several[0]) != _type(several[1]):
                    self.note("type", f"{path}.{name}", *several)
                else:
                    self._shapes(*several, f"{path}.{name}")
        elif isinstance(theirs, list) and mine:
            types = {_type(it) for it in mine}
            for item in theirs:
                if _type(item) not in types:
                    self.note("type", f"{path}[]", item, mine[0])

    def _texts(self, theirs: str, mine: str, path: str, *, is_chosen: bool) -> None:
        if is_chosen:
            if mine not in (theirs, self._bindings.in_text(theirs)):
                self.note("value", path, theirs, mine)
            return
        if theirs == mine:
            is_id = len(theirs) in (24, 36) and ID.fullmatch(theirs)
            if is_id and not self._bindings.agree(theirs, mine):
                self.note("value", path, theirs, mine)
            return
        times = _MOMENT.fullmatch(theirs), _MOMENT.fullmatch(mine)
        if times[0] and times[1]:
            if _form(theirs) != _form(mine):
                self.note("type", path, theirs, mine)
            return
        if ID.sub("", theirs) == ID.sub("", mine):
            pairs = zip(ID.findall(theirs), ID.findall(mine), strict=False)
            if all(len(a) == len(b) and self._bindings.agree(a, b) for a, b in pairs):
                return
        elif _are_like_urls(theirs, mine):
            ids = ID.findall(theirs), ID.findall(mine)
            if len(ids[0]) == len(ids[1]):
                for recorded, ours in zip(*ids, strict=True):
                    self._bindings.agree(recorded, ours)
            return
        self.note("value", path, theirs, mine)

    def _lists(
        self, theirs: Sequence[Any], mine: Sequence[Any], path: str, *, is_chosen: bool
    ) -> None:
        pairs: list[tuple[Any, Any]]
        names = None if is_chosen else _identity(theirs, mine)
        if names is None:
            pairs = list(zip(theirs, mine, strict=False))
            gone, more = list(theirs[len(mine) :]), list(mine[len(theirs) :])
        else:
            pairs, gone, more = self._paired(theirs, mine, names, path)
        outer = self._item
        for item, other in pairs:
            self._item = item[names] if names else outer
            self._values(item, other, f"{path}[]", is_chosen=is_chosen)
        gone, more = ([it for it in several if not self._is_new(it)] for several in (gone, more))
        more = [it for it in more if not _is_stand_in(it)]
        for item in gone:
            self._item = item[names] if names else outer
            self.note("missing", f"{path}[]", item, _NOTHING)
        for item in more:
            self._item = item[names] if names else outer
            self.note("unknown", f"{path}[]", _NOTHING, item)
        self._item = outer

    def _is_new(self, item: Any) -> bool:
        """Return whether an item of a list changed while other requests went on."""
        if self._since is None or not isinstance(item, Mapping):
            return False
        return str(item.get("updated_at") or item.get("created_at") or "") >= self._since

    def _paired(
        self, theirs: Sequence[Any], mine: Sequence[Any], name: str, path: str
    ) -> tuple[list[tuple[Any, Any]], list[Any], list[Any]]:
        """Return the pairs of items with the same identity, and the items that are left over."""
        places = {item[name]: place for place, item in enumerate(mine)}
        found: dict[int, int] = {}  # the place of a recorded item -> that of the fake's
        for place, item in enumerate(theirs):
            ours = self._bindings.find(item[name]) or item[name]
            if ours in places:
                found[place] = places.pop(ours)
        # New files and groups are in the same order on both sides. Tasks have their recorded ids.
        free = iter(sorted(places.values()) if name == "id" else ())
        for place, item in enumerate(theirs):
            if place in found or not ID.fullmatch(item[name]) or self._bindings.find(item[name]):
                continue
            if (other := next(free, None)) is not None:
                found[place] = other
        order = [found[place] for place in sorted(found)]
        for before, after in itertools.pairwise(order):
            times = mine[before].get("created_at"), mine[after].get("created_at")
            if before > after and (times[0] is None or times[0] != times[1]):
                self.note("order", f"{path}[]", mine[before][name], mine[after][name])
        taken = set(found.values())
        return (
            [(theirs[place], mine[other]) for place, other in sorted(found.items())],
            [item for place, item in enumerate(theirs) if place not in found],
            [item for place, item in enumerate(mine) if place not in taken],
        )


def _identity(theirs: Sequence[Any], mine: Sequence[Any]) -> str | None:
    """Return the member by which all items of two lists are told apart, or None."""
    items = [*theirs, *mine]
    if not items or not all(isinstance(item, Mapping) for item in items):
        return None
    for name in _IDENTITIES:
        if all(isinstance(item.get(name), str) for item in items):
            return name
    return None


def _is_stand_in(item: Any) -> bool:
    """Return whether an item is a project or batch whose name the recording does not tell."""
    name = item.get("name") if isinstance(item, Mapping) else None
    return isinstance(name, str) and worth(name) < 2


def _say_the_same(recorded: Any, ours: Any) -> bool:
    """Return whether two texts of refusals are equal, except for the value that the fake names."""
    if isinstance(recorded, str) and isinstance(ours, str) and " (got " not in recorded:
        return recorded.removesuffix(".") == _GOT.sub("", ours).removesuffix(".") or (
            recorded == ours
        )
    return bool(recorded == ours)


def _goes_on(page: Mapping[str, Any]) -> bool:
    flags = page.get("has_more"), page.get("hasNextPage")
    return True in flags or bool(page.get("next_token"))


def _total(page: Mapping[str, Any]) -> int:
    total = page.get("total", page.get("totalDocs"))
    return total if isinstance(total, int) else 0


def _form_of(answer: Answered, content: Any) -> Any:
    """Return words about the body of an answer, or its media type."""
    if not answer.body:
        return _Words("no body")
    if content is _NOTHING and answer.media_type in ("", "application/json"):
        return _Words("a body that is not JSON")
    return answer.media_type


def _type(value: Any) -> str:
    return {int: "number", float: "number"}.get(type(value), type(value).__name__)


def _form(moment: str) -> str:
    return re.sub(r"\d", "0", moment)


def _are_like_urls(theirs: str, mine: str) -> bool:
    """Return whether two texts are URLs, and both or none are of the API's own scheme."""
    schemes = [found[1] for found in (_URL.fullmatch(theirs), _URL.fullmatch(mine)) if found]
    return len(schemes) == 2 and schemes.count("scaledata") != 1


def _shown(value: Any, most: int = _LONG) -> str:
    if isinstance(value, _Words):
        return value.text
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= most else f"{text[: most - 1]}…"
