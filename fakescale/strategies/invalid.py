"""Creations that break one rule of their type's schema."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from fakescale.account import task_types
from fakescale.account.task_types import resolved
from fakescale.strategies.creations import bodies, plain, refusal
from fakescale.strategies.schemas import (
    ABSENT,
    JSON,
    Schema,
    exclusive_groups,
    kinds_of,
    objects,
    required_groups,
    values,
)
from fakescale.values.frozen import EMPTY_DICT


class InvalidCreation(NamedTuple):
    """A creation that the API refuses with 400, because ``member`` breaks ``rule``."""

    #: The task type in the path.
    type: str
    #: The body, a new dict that you may change.
    body: dict[str, Any]
    #: The member as the error's text spells it, for example ``labels[0].name``. If several
    #: members break the rule together, this is the first.
    member: str
    #: A keyword of JSON Schema, or one of fakescale's own keywords, for example ``ascending``.
    rule: str


class Broken(NamedTuple):
    """A value that breaks a rule somewhere."""

    #: The place in the value, as the error's text spells it.
    path: str
    value: Any


def _below(head: str, path: str) -> str:
    return f"{head}{path}" if path[:1] in ("", "[") else f"{head}.{path}"


# One value of each JSON type. No value can be read as another type when it is sent as text.
_SAMPLES: Mapping[str, Any] = {
    "string": "neither here nor there",
    "integer": 7,
    "number": 0.5,
    "boolean": True,
    "array": [],
    "object": {},
}


def _wrong_types(schema: Schema) -> SearchStrategy[Any]:
    kinds = {*kinds_of(schema)} | ({"integer"} if "number" in kinds_of(schema) else set())
    return st.sampled_from([value for kind, value in _SAMPLES.items() if kind not in kinds])


def _too_many(schema: Schema) -> SearchStrategy[Any]:
    items = values(schema["items"]) if "items" in schema else JSON
    many = schema["maxItems"] + 1
    return st.lists(items, min_size=many, max_size=many)


# The values that break a rule, by the rule's keyword.
_BREAKING: Mapping[str, Callable[[Schema], SearchStrategy[Any]]] = {
    "type": _wrong_types,
    "enum": lambda schema: st.just(_SAMPLES[kinds_of(schema)[0]]),
    "format": lambda schema: st.just(" "),
    "minLength": lambda schema: st.just(""),
    "minItems": lambda schema: st.just([]),
    "maxItems": _too_many,
    "minProperties": lambda schema: st.just({}),
    "minimum": lambda schema: st.integers(-1000, schema["minimum"] - 1),
    "maximum": lambda schema: st.integers(schema["maximum"] + 1, 1000),
    "ascending": lambda schema: st.one_of(
        [objects(schema, {low: 2, high: 1}) for low, high in schema["ascending"]]
    ),
    "maxDistinct": lambda schema: st.just([f"t{n}" for n in range(schema["maxDistinct"] + 1)]),
    "maxJsonBytes": lambda schema: st.just({"k": "x" * schema["maxJsonBytes"]}),
    "uniqueBy": lambda schema: values(schema["items"]).map(lambda item: [item, item]),
}


def _flaws(schema: Schema) -> Iterator[tuple[str, SearchStrategy[Broken]]]:
    """Yield each rule of a value and of the values within, with values that break the rule."""
    schema = resolved(schema)
    for keyword in schema:
        if keyword in _BREAKING:
            yield keyword, _BREAKING[keyword](schema).map(lambda value: Broken("", value))
    for rule, broken in _flaws(schema["items"]) if "items" in schema else ():
        yield rule, broken.map(lambda it: Broken(_below("[0]", it.path), [it.value]))
    for rule, name, members in _member_flaws(schema):
        yield rule, having(name, members, functools.partial(objects, schema))


def _member_flaws(schema: Schema) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield each rule of an object's members, the member at fault, and members that break it."""
    for name in schema.get("required", ()):
        yield "required", name, {name: ABSENT}
    for name, part in schema.get("properties", EMPTY_DICT).items():
        if part is False:
            yield "falseSchema", name, {name: JSON}
        for rule, broken in _flaws(part) if part else ():
            yield rule, name, {name: broken}
    rules = schema.get("allOf", ())
    for names in required_groups(rules):
        yield "anyOf", names[0], dict.fromkeys(names, ABSENT)
    for peers in exclusive_groups(rules):
        yield "not", peers[0], {name: values(schema["properties"][name]) for name in peers}
    for it in rules:
        if "notRepeated" in it:
            single, several = it["notRepeated"]
            yield "notRepeated", several, {single: "x", several: [{single: "x"}]}
        if "if" in it:
            premise = {name: part["const"] for name, part in it["if"]["properties"].items()}
            for rule, name, members in _member_flaws(it["then"]):
                yield rule, name, {**premise, **members}


@st.composite
def having(
    draw: DrawFn,
    name: str,
    members: Mapping[str, Any],
    objects: Callable[[Mapping[str, Any]], SearchStrategy[Any]],
) -> Broken:
    """Draw one of ``objects`` with ``members``, which break a rule at ``name`` or inside it."""
    path, given = name, {}
    for key, value in members.items():
        drawn = draw(value) if isinstance(value, SearchStrategy) else value
        if isinstance(drawn, Broken):
            path = _below(path, drawn.path)
            drawn = drawn.value
        given[key] = drawn
    return Broken(path, draw(objects(given)))


@functools.cache
def body_flaws(type: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Return the rules of the bodies of a type, as ``_member_flaws`` yields them."""
    return list(_member_flaws(task_types.schema(type)))


@st.composite
def invalid_creations(draw: DrawFn, types: Sequence[str]) -> InvalidCreation:
    """Draw a creation of one of ``types`` that breaks one rule."""
    type = draw(st.sampled_from(types))
    rule, name, members = draw(st.sampled_from(body_flaws(type)))
    broken = draw(having(name, members, functools.partial(bodies, type)))
    # Another rule may refuse the body first. One observed text says "entity name".
    assume(broken.path in refusal(type, broken.value).replace(" ", "_"))
    return InvalidCreation(type, plain(broken.value), broken.path, rule)
