"""Strategies of the values that the schemas in ``task_types.json`` allow."""

import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from fakescale.account.task_types import resolved
from fakescale.values.frozen import EMPTY_DICT

Schema = Mapping[str, Any]

# The values to draw from.

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
NAMES = st.sampled_from(["a", "", "a.b", "$set", "ключ"])
_TEXTS = ("cat", "big dog", "https://example.com/image.png", "Größe, 大きい ✓", '<b> "x" & \\n')
ABSENT = object()

# JSON of little depth: no code looks into the parts that the schemas leave open.
_LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "x", *_TEXTS])
JSON = _LEAVES | st.lists(_LEAVES, max_size=2) | st.dictionaries(NAMES, _LEAVES, max_size=2)


def unique_ids() -> SearchStrategy[str]:
    """Return a strategy of unique_ids: a few awkward strings, so that they collide."""
    return st.sampled_from(UNIQUE_IDS)


def tags() -> SearchStrategy[list[str]]:
    """Return a strategy of lists of up to five different tags, drawn from a few awkward strings."""
    return st.lists(st.sampled_from(TAGS), max_size=5, unique=True)


def metadata() -> SearchStrategy[dict[str, Any]]:
    """Return a strategy of metadata: dicts far below the limit of 10,240 bytes."""
    return st.dictionaries(NAMES, JSON, max_size=3)


_FORMATS = {
    "callback": ("http://www.example.com/callback", "labels@example.com"),
    "callback or nothing": ("", "labels@example.com"),
    "date-time": ("2025-01-01T08:31:03Z", "2025-01-01T08:31:03.169Z", "2025-01-01T08:31:03+01:00"),
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
    items = values(schema["items"]) if "items" in schema else JSON
    least = schema.get("minItems", 0)
    most = min(schema.get("maxItems", least + 2), least + 2)
    by = schema.get("uniqueBy")
    unique = None if by is None else operator.itemgetter(by)
    return st.lists(items, min_size=least, max_size=most, unique_by=unique)


def objects(schema: Schema, given: Mapping[str, Any] = EMPTY_DICT) -> SearchStrategy[Any]:
    """Return a strategy of objects that ``schema`` allows and that have the members ``given``."""
    if "properties" not in schema:
        least = schema.get("minProperties", 0)
        return st.dictionaries(NAMES, JSON, min_size=least, max_size=least + 2)
    known = {name: values(part) for name, part in schema["properties"].items()}
    return drawn_objects(schema, known, given)


_OF_TYPE: Mapping[str, Callable[[Schema], SearchStrategy[Any]]] = {
    "string": _strings,
    "integer": _integers,
    "number": lambda schema: st.integers(0, 1000) | st.floats(0, 1000),
    "boolean": lambda schema: st.booleans(),
    "null": lambda schema: st.none(),
    "array": _arrays,
    "object": objects,
}


def values(schema: Schema) -> SearchStrategy[Any]:
    """Return a strategy of the values that ``schema`` allows."""
    schema = resolved(schema)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of([values(it) for it in schema["anyOf"]])
    return st.one_of([_OF_TYPE[kind](schema) for kind in kinds_of(schema)])


def kinds_of(schema: Schema) -> Sequence[str]:
    """Return the JSON types that ``schema`` allows."""
    kinds: str | Sequence[str] = schema["type"]
    return [kinds] if isinstance(kinds, str) else kinds


@st.composite
def drawn_objects(
    draw: DrawFn,
    schema: Schema,
    known: Mapping[str, SearchStrategy[Any]],
    given: Mapping[str, Any],
    seldom: Collection[str] = (),
) -> dict[str, Any]:
    """Draw an object that ``schema`` allows, ignoring its conditions and ``notRepeated``.

    ``known`` holds the strategy of each member. ``given`` holds values, strategies or ABSENT.
    Members in ``seldom`` are drawn only if the schema requires them.
    """
    rules = schema.get("allOf", ())
    drawn = {
        name: draw(value) if isinstance(value, SearchStrategy) else value
        for name, value in given.items()
    }
    names = {name: None for name, value in drawn.items() if value is not ABSENT}
    names |= {name: None for name in schema.get("required", ()) if name not in drawn}
    for alternatives in required_groups(rules):
        left = [name for name in alternatives if name not in drawn]
        if left and names.keys().isdisjoint(alternatives):
            usual = [name for name in left if name not in seldom]
            names[draw(st.sampled_from(usual or left[:1]))] = None
    rest = [name for name in known if name not in {*names, *drawn, *seldom}]
    if rest:
        least = max(0, schema.get("minProperties", 0) - len(names))
        for name in draw(st.lists(st.sampled_from(rest), unique=True, min_size=least, max_size=4)):
            if not any(name in peers and names.keys() & peers for peers in exclusive_groups(rules)):
                names[name] = None
    value = {name: drawn[name] if name in drawn else draw(known[name]) for name in names}
    for low, high in schema.get("ascending", ()):
        if drawn.keys().isdisjoint({low, high}) and None not in (value.get(low), value.get(high)):
            value[low], value[high] = sorted([value[low], value[high]])
    return value


def required_groups(rules: Sequence[Schema]) -> list[list[str]]:
    """Return the groups of members of which at least one is required."""
    return [[branch["required"][0] for branch in it["anyOf"]] for it in rules if "anyOf" in it]


def exclusive_groups(rules: Sequence[Schema]) -> list[Sequence[str]]:
    """Return the groups of members that exclude each other."""
    return [it["not"]["required"] for it in rules if "not" in it]
