"""Judging JSON by JSON Schema, with refusals in the API's own words."""

import functools
import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fakescale.values.clock import read_moment
from fakescale.values.errors import BadRequest, invalid
from fakescale.values.frozen import FrozenDict, FrozenList, freeze

if TYPE_CHECKING:
    import jsonschema_rs


def frozen_json(name: str, value: Any) -> Any:
    """Return ``value`` frozen; raises BadRequest, calling it ``name``, if it is not JSON."""
    try:
        return freeze(value)
    except ValueError as error:
        raise invalid(name, str(error)) from None


class Checker:
    """A compiled schema.

    ``texts`` maps the names of members to the text of the refusal when they are missing or
    none of the values allowed, where one is known to differ from the general form.
    """

    def __init__(self, schema: Mapping[str, Any], texts: Mapping[str, str] | None = None) -> None:
        self.schema = schema
        self._texts = texts or {}

    @functools.cached_property
    def _validator(self) -> "jsonschema_rs.Validator":
        # Imported and compiled when first used: that takes longer than the rest of a start.
        import jsonschema_rs

        return jsonschema_rs.validator_for(
            json.loads(json.dumps(self.schema)),  # it takes no subclass of list, such as ours
            formats=_FORMATS,
            validate_formats=True,
            keywords=KEYWORDS,
        )

    def check(self, value: Any, name: str = "") -> None:
        """Raise BadRequest, naming the first member at fault, unless ``value`` is valid.

        ``name`` is what ``value`` is called, if it is not the whole body.
        """
        if self._validator.is_valid(value):
            return
        # Missing members first, since what is missing explains the rest.
        errors = sorted(
            self._validator.iter_errors(value), key=lambda error: error.kind.name != "required"
        )
        raise self._refusal(errors[0], value, name)

    def _refusal(self, error: "jsonschema_rs.ValidationError", value: Any, name: str) -> BadRequest:
        keyword, detail = error.kind.name, error.kind.as_dict()
        path = list(error.instance_path)
        for step in path:
            value = value[step]
        missing = _missing(keyword, detail)
        if keyword == "required":
            path += missing
        field = _spelled(name, path)
        if field in self._texts and keyword in ("required", "enum"):
            return BadRequest(self._texts[field])
        if missing and _ATTACHMENTS.issuperset(missing) and not _ATTACHMENTS & value.keys():
            return BadRequest("Please include an attachment or attachments parameter.")
        if missing:
            return invalid(field, PHRASES[keyword](detail))
        return invalid(field, PHRASES[keyword](detail), value)


class Parameters(Checker):
    """The schema of a body whose members may come as text, and as null when they are absent."""

    def __init__(self, schema: Mapping[str, Any], texts: Mapping[str, str] | None = None) -> None:
        super().__init__(schema, texts)
        #: The members that are known.
        self.names = frozenset(schema["properties"])

    def read(self, body: Mapping[str, Any], *, form: bool = False) -> Mapping[str, Any]:
        """Return ``body`` with its numbers and booleans as such, and without nulls (guessed).

        ``form`` says that it was form-encoded, where a list of one looks like a text. Raises
        BadRequest.
        """
        given = FrozenDict({name: item for name, item in body.items() if item is not None})
        # A text where the schema wants none is not valid, so what is valid has none to read.
        if self._validator.is_valid(given):
            return given
        read: FrozenDict = _read(given, self.schema, self.schema.get("$defs", {}), form=form)
        self.check(read)
        return read


# Documented: the text for when neither is there, whichever of them the type wants.
_ATTACHMENTS = {"attachment", "attachments"}

_TYPES = {
    "string": "a string",
    "number": "a number",
    "integer": "an integer",
    "boolean": "a boolean",
    "array": "an array",
    "object": "of type object",
    "null": "null",
}


def _types(detail: Mapping[str, Any]) -> str:
    names = detail["types"]
    if len(names) == 1:
        return f"must be {_TYPES[names[0]]}"
    return f"must be one of [{', '.join(names)}]"


def _alternatives(detail: Mapping[str, Any]) -> list[str]:
    return [branch.kind.as_dict()["property"] for [branch] in detail["context"]]


def _peers(detail: Mapping[str, Any]) -> str:
    return ", ".join(detail["schema"]["required"])


def _missing(keyword: str, detail: Mapping[str, Any]) -> list[str]:
    """Return the members of which one should have been there."""
    if keyword == "required":
        return [detail["property"]]
    return _alternatives(detail) if keyword == "anyOf" else []


def _is_moment(text: str) -> bool:
    try:
        return bool(read_moment(text))
    except ValueError:
        return False


# What Python and JavaScript both take for space, with what only one of them does.
_SPACE = r"\s\x1c-\x1f\x85\ufeff"
_URL = r"[A-Za-z][\s\S]*://[\s\S]"
#: Formats of our own, as what must be found in a text, by the rules of JavaScript.
PATTERNS: Mapping[str, str] = {
    # Documented: a full URL or an e-mail address.
    "callback": f"@|^{_URL}",
    # Documented: the official client sends an empty text for none.
    "callback or nothing": f"@|^({_URL}|$)",
    # Guessed: no more than this is asked of one.
    "email address": f"^[^@{_SPACE}]+@[^@{_SPACE}]+$",
    # Guessed: that a tag of spaces counts as empty.
    "nonblank": f"[^{_SPACE}]",
    "url": f"^{_URL}",
}


def _finds(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern.replace("$", r"\Z"))
    return lambda text: compiled.search(text) is not None


_FORMATS = {name: _finds(pattern) for name, pattern in PATTERNS.items()} | {"moment": _is_moment}
_FORMAT_PHRASES: Mapping[str, str] = {
    "callback": "must be a URL or an e-mail address",
    "callback or nothing": "must be a URL or an e-mail address",
    "email address": "must be a valid email",
    "moment": "must be a time in ISO 8601",
    "nonblank": "is not allowed to be empty",
    "url": "must be a valid uri",
}


# What the rules are called in a refusal, by the schema's keyword. All but "is required",
# which is documented, follow the validator whose style that text has (guessed).
PHRASES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "required": lambda detail: "is required",
    "anyOf": lambda detail: f"must contain at least one of [{', '.join(_alternatives(detail))}]",
    "not": lambda detail: f"contains a conflict between exclusive peers [{_peers(detail)}]",
    "type": _types,
    "enum": lambda detail: f"must be one of [{', '.join(map(str, detail['options']))}]",
    "format": lambda detail: _FORMAT_PHRASES[detail["format"]],
    "minLength": lambda detail: "is not allowed to be empty",
    "minItems": lambda detail: f"must contain at least {detail['limit']} items",
    "maxItems": lambda detail: f"must contain less than or equal to {detail['limit']} items",
    "minProperties": lambda detail: f"must have at least {detail['limit']} key",
    "minimum": lambda detail: f"must be greater than or equal to {detail['limit']}",
    "maximum": lambda detail: f"must be less than or equal to {detail['limit']}",
    "falseSchema": lambda detail: "is not allowed",
    "ascending": lambda detail: detail["message"],
    "maxDistinct": lambda detail: detail["message"],
    "maxJsonBytes": lambda detail: detail["message"],
    "notRepeated": lambda detail: detail["message"],
    "uniqueBy": lambda detail: detail["message"],
}


def _spelled(name: str, path: list[str | int]) -> str:
    """Return ``labels[0].name`` for the path ``labels, 0, name``; ``value`` for the root."""
    for step in path:
        name += f"[{step}]" if isinstance(step, int) else f".{step}" if name else step
    return name or "value"


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def json_bytes(value: Any) -> int:
    """Return the length of ``value`` as compact JSON in UTF-8."""
    return len(_encode(value).encode())


def _ascending(pairs: list[list[str]], value: Any) -> None:
    for low, high in pairs if isinstance(value, dict) else []:
        if low not in value or high not in value:
            continue
        numbers = [value[low], value[high]]
        if all(isinstance(number, int | float) for number in numbers) and numbers[0] > numbers[1]:
            raise ValueError(f'must have "{high}" greater than or equal to "{low}"')


def _max_distinct(limit: int, value: Any) -> None:
    if isinstance(value, list) and len({item for item in value if isinstance(item, str)}) > limit:
        raise ValueError(f"must contain less than or equal to {limit} items")


def _max_json_bytes(limit: int, value: Any) -> None:
    if json_bytes(value) > limit:
        raise ValueError(f"must not be larger than {limit} bytes")


def _not_repeated(names: list[str], value: Any) -> None:
    single, several = names
    items = value.get(several) if isinstance(value, dict) else None
    if not isinstance(items, list) or single not in value:
        return
    if any(isinstance(item, dict) and item.get(single) == value[single] for item in items):
        raise ValueError(f'must not have its "{single}" among its "{several}"')


def _unique_by(name: str, value: Any) -> None:
    items = value if isinstance(value, list) else []
    # A text stands for an object with nothing but a name.
    names = [item.get(name) if isinstance(item, dict) else item for item in items]
    texts = [text for text in names if isinstance(text, str)]
    if len(set(texts)) < len(texts):
        raise ValueError(f'must not contain two items with the same "{name}"')


def _keyword(holds: Callable[[Any, Any], None]) -> "type[jsonschema_rs.KeywordValidator]":
    class Keyword:
        def __init__(self, parent: dict[str, Any], value: Any, path: list[str | int]) -> None:
            self._value = value

        def validate(self, instance: Any) -> None:
            holds(self._value, instance)

    return Keyword


#: Keywords of our own, for documented rules that JSON Schema has no words for. Each raises
# ValueError with the rule that is broken.
KEYWORDS = {
    "ascending": _keyword(_ascending),
    "maxDistinct": _keyword(_max_distinct),
    "maxJsonBytes": _keyword(_max_json_bytes),
    "notRepeated": _keyword(_not_repeated),
    "uniqueBy": _keyword(_unique_by),
}


#: The texts that are read as numbers.
INTEGER = r"-?[0-9]{1,18}"
NUMBER = r"-?[0-9]{1,18}(\.[0-9]{1,18})?"
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def _read(value: Any, schema: Any, definitions: Mapping[str, Any], *, form: bool) -> Any:
    """Return ``value`` with texts read as what the schema wants in their place.

    Numbers as text are accepted in JSON too (documented: the official client's tests send
    ``"30"``, and it comes back as 30), booleans likewise (guessed).
    """
    if not isinstance(schema, Mapping):
        return value
    if "$ref" in schema:
        schema = definitions[schema["$ref"].removeprefix("#/$defs/")]
    if isinstance(value, str):
        return _read_text(value, schema, form=form)
    if isinstance(value, dict) and "properties" in schema:
        members = schema["properties"]
        return FrozenDict(
            {
                key: _read(item, members[key], definitions, form=form) if key in members else item
                for key, item in value.items()
            }
        )
    if isinstance(value, list) and "items" in schema:
        return FrozenList([_read(item, schema["items"], definitions, form=form) for item in value])
    return value


def _read_text(text: str, schema: Mapping[str, Any], *, form: bool) -> Any:
    types = schema.get("type", "string")
    types = [types] if isinstance(types, str) else types
    if "string" in types:
        return text
    if ("integer" in types or "number" in types) and re.fullmatch(INTEGER, text):
        return int(text)
    if "number" in types and re.fullmatch(NUMBER, text):
        return float(text)
    if "boolean" in types and text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    if "array" in types and form:
        return FrozenList([_read_text(text, schema.get("items", {}), form=form)])
    return text
