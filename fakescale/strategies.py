"""Hypothesis strategies for what clients send to the API and what it prints (extra ``contract``).

All that depends on the task type is derived from ``task_types.json``, by the vocabulary that
its schemas use. ``type`` is a task type everywhere; without one, any of the 34 is drawn.
Unknown types raise NotFound.
"""

import dataclasses
import datetime as dt
import functools
import json
import operator
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from fakescale.account import task as moves
from fakescale.account import task_types
from fakescale.account.responses import failure
from fakescale.account.responses import response as make_up
from fakescale.account.task import AUDIT_RESULTS, Status, Task
from fakescale.account.task_types import read_creation, resolved
from fakescale.values.clock import stamp
from fakescale.values.errors import BadRequest
from fakescale.values.frozen import EMPTY_DICT

Schema = Mapping[str, Any]


class Creation(NamedTuple):
    """The body of a ``POST /v1/task/{type}``."""

    type: str
    body: dict[str, Any]


class InvalidCreation(NamedTuple):
    """One that is refused with 400: ``member`` breaks ``rule``.

    The member is spelled as in the refusal (``labels[0].name``); the rule is a keyword of
    JSON Schema or one of our own (``schemas.PHRASES``). Where members break it together,
    it is the first that is named.
    """

    type: str
    body: dict[str, Any]
    member: str
    rule: str


def unique_ids() -> SearchStrategy[str]:
    """Return unique_ids: few, so that they collide, and awkward ones."""
    return st.sampled_from(UNIQUE_IDS)


def tags() -> SearchStrategy[list[str]]:
    """Return arrays of at most five tags, without repetitions: few tags, and awkward ones."""
    return st.lists(st.sampled_from(TAGS), max_size=5, unique=True)


def metadata() -> SearchStrategy[dict[str, Any]]:
    """Return metadata of tasks and batches, far below the limit of 10,240 bytes."""
    return st.dictionaries(_NAMES, _JSON, max_size=3)


def tasks(type: str | None = None, /, **members: Any) -> SearchStrategy[Creation]:
    """Return creations that are valid by the schema of their type.

    ``members`` are those that the body must have: values, or strategies of them; None leaves
    one out. What must exist beforehand (``project``, ``batch``, ``lidar_task``) is left out
    unless the type requires it: then it has the name that the type's example has. Few
    unique_ids are drawn, so that a second creation may be refused with 409.
    """
    return _creations(_types(type), members)


def invalid_tasks(type: str | None = None, /) -> SearchStrategy[InvalidCreation]:
    """Return creations that break one rule of their type's schema, and which one."""
    return _invalid_creations(_types(type))


def responses(type: str | None = None, /) -> SearchStrategy[dict[str, Any]]:
    """Return responses in the shape of their type, to tasks of all parameters.

    Those that the fake makes up, but with any number of annotations, anywhere.
    """
    return task_objects(type, status="completed").map(lambda task: dict(task["response"]))


def task_objects(
    type: str | None = None, /, *, status: str | None = None, **members: Any
) -> SearchStrategy[dict[str, Any]]:
    """Return tasks as the API prints them, in any status unless ``status`` says which.

    ``members`` are those of the creation, as for ``tasks``. Few unique_ids are drawn, so
    that two tasks may have the same. Raises ValueError for no status.
    """
    statuses = list(Status) if status is None else [Status(status)]
    return _printed(_types(type), statuses, members)


# The universes.

UNIQUE_IDS = (
    "u",
    "U",
    "a,b",
    "s3://bucket/file.png",
    'she said "u"',
    "100% & ?#+ ;",
    "Zürich/東京 ✓",
    " ",
)
TAGS = ("a", "A", "a,b", "a/b", '"a"', " a ", "größe", "✓")
_NAMES = st.sampled_from(["a", "", "a.b", "$set", "ключ"])
_TEXTS = ("cat", "big dog", "https://example.com/image.png", "Größe, 大きい ✓", '<b> "x" & \\n')
_ABSENT = object()

# JSON of little depth: what the schemas leave open is not looked into.
_LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "x", *_TEXTS])
_JSON = _LEAVES | st.lists(_LEAVES, max_size=2) | st.dictionaries(_NAMES, _LEAVES, max_size=2)


# What a schema allows, of the vocabulary that the data file uses.

_FORMATS = {
    "callback": ("http://www.example.com/callback", "labels@example.com"),
    "nonblank": TAGS,
    "url": ("https://example.com/a.wav", "s3://bucket/a.wav"),
}


def _strings(schema: Schema) -> SearchStrategy[str]:
    if "format" in schema:
        return st.sampled_from(_FORMATS[schema["format"]])
    return st.sampled_from(_TEXTS) | st.text(min_size=schema.get("minLength", 0), max_size=8)


def _integers(schema: Schema) -> SearchStrategy[int]:
    return st.integers(schema.get("minimum", 0), schema.get("maximum", 1000))


def _arrays(schema: Schema) -> SearchStrategy[list[Any]]:
    items = _values(schema["items"]) if "items" in schema else _JSON
    least = schema.get("minItems", 0)
    most = min(schema.get("maxItems", least + 2), least + 2)
    by = schema.get("uniqueBy")
    unique = None if by is None else operator.itemgetter(by)
    return st.lists(items, min_size=least, max_size=most, unique_by=unique)


def _objects(schema: Schema, given: Mapping[str, Any] = EMPTY_DICT) -> SearchStrategy[Any]:
    if "properties" not in schema:
        least = schema.get("minProperties", 0)
        return st.dictionaries(_NAMES, _JSON, min_size=least, max_size=least + 2)
    known = {name: _values(part) for name, part in schema["properties"].items()}
    return _drawn_objects(schema, known, given)


_OF_TYPE: Mapping[str, Callable[[Schema], SearchStrategy[Any]]] = {
    "string": _strings,
    "integer": _integers,
    "number": lambda schema: st.integers(0, 1000) | st.floats(0, 1000),
    "boolean": lambda schema: st.booleans(),
    "null": lambda schema: st.none(),
    "array": _arrays,
    "object": _objects,
}


def _values(schema: Schema) -> SearchStrategy[Any]:
    schema = resolved(schema)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return st.one_of([_OF_TYPE[kind](schema) for kind in _kinds(schema)])


def _kinds(schema: Schema) -> Sequence[str]:
    kinds: str | Sequence[str] = schema["type"]
    return [kinds] if isinstance(kinds, str) else kinds


@st.composite
def _drawn_objects(
    draw: DrawFn,
    schema: Schema,
    known: Mapping[str, SearchStrategy[Any]],
    given: Mapping[str, Any],
    seldom: Collection[str] = (),
) -> dict[str, Any]:
    """Draw an object that ``schema`` allows, but for its conditions and ``notRepeated``.

    ``known`` says how each member is drawn. ``given`` are values, or strategies of them, or
    _ABSENT; those of ``seldom`` are there only where the schema wants them.
    """
    rules = schema.get("allOf", ())
    drawn = {
        name: draw(value) if isinstance(value, SearchStrategy) else value
        for name, value in given.items()
    }
    names = {name: None for name, value in drawn.items() if value is not _ABSENT}
    names |= {name: None for name in schema.get("required", ()) if name not in drawn}
    for alternatives in _alternatives(rules):
        left = [name for name in alternatives if name not in drawn]
        if left and names.keys().isdisjoint(alternatives):
            usual = [name for name in left if name not in seldom]
            names[draw(st.sampled_from(usual or left[:1]))] = None
    rest = [name for name in known if name not in {*names, *drawn, *seldom}]
    if rest:
        least = max(0, schema.get("minProperties", 0) - len(names))
        for name in draw(st.lists(st.sampled_from(rest), unique=True, min_size=least, max_size=4)):
            if not any(name in peers and names.keys() & peers for peers in _peers(rules)):
                names[name] = None
    value = {name: drawn[name] if name in drawn else draw(known[name]) for name in names}
    for low, high in schema.get("ascending", ()):
        if drawn.keys().isdisjoint({low, high}) and None not in (value.get(low), value.get(high)):
            value[low], value[high] = sorted([value[low], value[high]])
    return value


def _alternatives(rules: Sequence[Schema]) -> list[list[str]]:
    """Return the groups of members of which one must be there."""
    return [[branch["required"][0] for branch in it["anyOf"]] for it in rules if "anyOf" in it]


def _peers(rules: Sequence[Schema]) -> list[Sequence[str]]:
    """Return the groups of members that exclude each other."""
    return [it["not"]["required"] for it in rules if "not" in it]


# Creations.

# What says how other members are drawn than their schema does.
_COMMON: Mapping[str, SearchStrategy[Any]] = {
    "unique_id": unique_ids(),
    "tags": tags(),
    "metadata": metadata(),
}
# What must exist beforehand, besides what the type refers to.
_ELSEWHERE = ("project", "batch", "project_version", "project_param_version")


def _types(type: str | None) -> Sequence[str]:
    return task_types.names() if type is None else [task_types.required(type)]


def _bodies(type: str, given: Mapping[str, Any]) -> SearchStrategy[dict[str, Any]]:
    known, seldom = _members(type)
    return _drawn_objects(task_types.schema(type), known, given, seldom)


@functools.cache
def _members(type: str) -> tuple[Mapping[str, SearchStrategy[Any]], Collection[str]]:
    """Return how each member of a body is drawn, and which are there only when required."""
    example = task_types.example(type)[0]
    seldom = {*_ELSEWHERE, *task_types.references(type)}
    known = {}
    for name, part in task_types.schema(type)["properties"].items():
        known[name] = _COMMON[name] if name in _COMMON else _values(part)
        if name in example:  # more like what people send than what a schema can say
            usual = st.just(example[name])
            known[name] = usual if name in seldom else usual | known[name]
    return known, seldom


@st.composite
def _creations(draw: DrawFn, types: Sequence[str], members: Mapping[str, Any]) -> Creation:
    type = draw(st.sampled_from(types))
    given = {name: _ABSENT if value is None else value for name, value in members.items()}
    body = draw(_bodies(type, given).filter(lambda body: not _refusal(type, body)))
    return Creation(type, _plain(body))


def _plain(value: Any) -> Any:
    """Return a JSON value as new dicts and lists, which may be changed."""
    return json.loads(json.dumps(value))


def _refusal(type: str, body: Mapping[str, Any]) -> str:
    try:
        read_creation(type, body)
    except BadRequest as error:
        return str(error)
    return ""


# Creations that break a rule.


class _Broken(NamedTuple):
    """A value, and where in it a rule is broken, spelled as a refusal spells it."""

    path: str
    value: Any


def _below(head: str, path: str) -> str:
    return f"{head}{path}" if path[:1] in ("", "[") else f"{head}.{path}"


# One value of each type, none of which is read as another when it comes as text.
_SAMPLES: Mapping[str, Any] = {
    "string": "neither here nor there",
    "integer": 7,
    "number": 0.5,
    "boolean": True,
    "array": [],
    "object": {},
}


def _wrong_types(schema: Schema) -> SearchStrategy[Any]:
    kinds = {*_kinds(schema)} | ({"integer"} if "number" in _kinds(schema) else set())
    return st.sampled_from([value for kind, value in _SAMPLES.items() if kind not in kinds])


def _too_many(schema: Schema) -> SearchStrategy[Any]:
    items = _values(schema["items"]) if "items" in schema else _JSON
    many = schema["maxItems"] + 1
    return st.lists(items, min_size=many, max_size=many)


# What breaks a rule by itself, by the rule's keyword.
_BREAKING: Mapping[str, Callable[[Schema], SearchStrategy[Any]]] = {
    "type": _wrong_types,
    "enum": lambda schema: st.just(_SAMPLES[_kinds(schema)[0]]),
    "format": lambda schema: st.just(" "),
    "minLength": lambda schema: st.just(""),
    "minItems": lambda schema: st.just([]),
    "maxItems": _too_many,
    "minProperties": lambda schema: st.just({}),
    "minimum": lambda schema: st.integers(-1000, schema["minimum"] - 1),
    "maximum": lambda schema: st.integers(schema["maximum"] + 1, 1000),
    "ascending": lambda schema: st.one_of(
        [_objects(schema, {low: 2, high: 1}) for low, high in schema["ascending"]]
    ),
    "maxDistinct": lambda schema: st.just([f"t{n}" for n in range(schema["maxDistinct"] + 1)]),
    "maxJsonBytes": lambda schema: st.just({"k": "x" * schema["maxJsonBytes"]}),
    "uniqueBy": lambda schema: _values(schema["items"]).map(lambda item: [item, item]),
}


def _flaws(schema: Schema) -> Iterator[tuple[str, SearchStrategy[_Broken]]]:
    """Yield each rule of a value, and of what is in it, with values that break it."""
    schema = resolved(schema)
    for keyword in schema:
        if keyword in _BREAKING:
            yield keyword, _BREAKING[keyword](schema).map(lambda value: _Broken("", value))
    for rule, broken in _flaws(schema["items"]) if "items" in schema else ():
        yield rule, broken.map(lambda it: _Broken(_below("[0]", it.path), [it.value]))
    for rule, name, members in _member_flaws(schema):
        yield rule, _having(name, members, functools.partial(_objects, schema))


def _member_flaws(schema: Schema) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield each rule of an object's members, the name to blame, and members that break it."""
    for name in schema.get("required", ()):
        yield "required", name, {name: _ABSENT}
    for name, part in schema.get("properties", EMPTY_DICT).items():
        if part is False:
            yield "falseSchema", name, {name: _JSON}
        for rule, broken in _flaws(part) if part else ():
            yield rule, name, {name: broken}
    rules = schema.get("allOf", ())
    for names in _alternatives(rules):
        yield "anyOf", names[0], dict.fromkeys(names, _ABSENT)
    for peers in _peers(rules):
        yield "not", peers[0], {name: _values(schema["properties"][name]) for name in peers}
    for it in rules:
        if "notRepeated" in it:
            single, several = it["notRepeated"]
            yield "notRepeated", several, {single: "x", several: [{single: "x"}]}
        if "if" in it:
            premise = {name: part["const"] for name, part in it["if"]["properties"].items()}
            for rule, name, members in _member_flaws(it["then"]):
                yield rule, name, {**premise, **members}


@st.composite
def _having(
    draw: DrawFn,
    name: str,
    members: Mapping[str, Any],
    objects: Callable[[Mapping[str, Any]], SearchStrategy[Any]],
) -> _Broken:
    """Draw one of ``objects`` that has ``members``, broken at ``name`` or below it."""
    path, given = name, {}
    for key, value in members.items():
        drawn = draw(value) if isinstance(value, SearchStrategy) else value
        if isinstance(drawn, _Broken):
            path = _below(path, drawn.path)
            drawn = drawn.value
        given[key] = drawn
    return _Broken(path, draw(objects(given)))


@functools.cache
def _body_flaws(type: str) -> list[tuple[str, str, dict[str, Any]]]:
    return list(_member_flaws(task_types.schema(type)))


@st.composite
def _invalid_creations(draw: DrawFn, types: Sequence[str]) -> InvalidCreation:
    type = draw(st.sampled_from(types))
    rule, name, members = draw(st.sampled_from(_body_flaws(type)))
    broken = draw(_having(name, members, functools.partial(_bodies, type)))
    # Another rule may be the first to answer; one known text says "entity name".
    assume(broken.path in _refusal(type, broken.value).replace(" ", "_"))
    return InvalidCreation(type, _plain(broken.value), broken.path, rule)


# Tasks as they are printed.

_MOMENTS = st.datetimes(
    dt.datetime(2020, 1, 1), dt.datetime(2029, 12, 31), timezones=st.just(dt.UTC)
)
_SPANS = st.integers(0, 10**7).map(lambda seconds: dt.timedelta(seconds=seconds))
_HEXES = st.integers(0, 16**16 - 1).map("{:016x}".format)


@st.composite
def _printed(
    draw: DrawFn, types: Sequence[str], statuses: Sequence[Status], members: Mapping[str, Any]
) -> dict[str, Any]:
    accepted = read_creation(*draw(_creations(types, members)))
    now = draw(_MOMENTS)
    home = EMPTY_DICT if accepted.fields.keys() & {"project", "batch"} else draw(_HOMES)
    task = Task(
        id=f"{int(now.timestamp()):08x}{draw(_HEXES)}",
        created_at=stamp(now),
        updated_at=stamp(now),
        type=accepted.type,
        params=accepted.params,
        is_test=draw(st.booleans()),
        **home,
        **accepted.fields,
    )
    status = draw(st.sampled_from(statuses))
    done = stamp(now + draw(_SPANS))
    if status is Status.CANCELED:
        task = moves.cancel(task, done, clear_unique_id=draw(st.booleans()))
    elif draw(st.booleans()):
        task = moves.start(task, stamp(now))
    if status is Status.ERROR:
        task = moves.fail(task, done, failure(task))
    if status is Status.COMPLETED:
        task = moves.complete(task, done, draw(_made_up(task)))
        for audit in draw(st.lists(_AUDITS, max_size=2)):
            task = moves.audit(task, done, audited_by="ada@example.com", **audit)
    if task.callback_url and status in (Status.COMPLETED, Status.ERROR):
        task = moves.note_callback(task, succeeded=draw(st.booleans()))
    printed: dict[str, Any] = _plain(task.to_json())
    return printed


# Printed tasks may belong to what no creation could name unseen.
_HOMES: SearchStrategy[Mapping[str, Any]] = st.sampled_from(
    [
        {},
        {"project": "pets", "project_param_version": 0},
        {"project": "pets", "batch": "pets/1, new", "project_param_version": 1},
    ]
)
_AUDITS: SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "result": st.sampled_from(AUDIT_RESULTS),
        "comments": st.sampled_from([None, "Größe?"]),
        "source": st.sampled_from(["customer", "scale"]),
    }
)


@st.composite
def _made_up(draw: DrawFn, task: Task) -> dict[str, Any]:
    """Draw a response to ``task``: the annotations of several made-up ones, moved about."""
    made = dict(make_up(task))
    if isinstance(made.get("annotations"), list):
        several = draw(st.lists(_HEXES, max_size=2, unique=True))
        ids = [task.id[:8] + digits for digits in several]
        others = [make_up(dataclasses.replace(task, id=it))["annotations"] for it in ids]
        made["annotations"] = [_moved(draw, annotation) for it in others for annotation in it]
    return made


def _moved(draw: DrawFn, value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: draw(_PIXELS) if name in _COORDINATES else _moved(draw, item)
            for name, item in value.items()
        }
    return [_moved(draw, item) for item in value] if isinstance(value, list) else value


_COORDINATES = {"x", "y", "left", "top", "width", "height"}
_PIXELS = st.integers(0, 4000) | st.floats(0, 4000)
