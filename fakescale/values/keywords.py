"""Our own keywords and formats for JSON Schema, and the phrase of each rule in a refusal."""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fakescale.values.answer import encode
from fakescale.values.clock import read_moment

if TYPE_CHECKING:
    import jsonschema_rs

# Keywords.


def json_bytes(value: Any) -> int:
    """Return the length of ``value`` as compact JSON in UTF-8."""
    return len(encode(value))


def _ascending(pairs: list[list[str]], value: Any) -> None:
    for low, high in pairs if isinstance(value, dict) else []:
        if low not in value or high not in value:
            continue
        numbers = [value[low], value[high]]
        if all(isinstance(number, int | float) for number in numbers) and numbers[0] > numbers[1]:
            raise ValueError(f'must have "{high}" greater than or equal to "{low}"')


def _max_distinct(limit: int, value: Any) -> None:
    if not isinstance(value, list) or len(value) <= limit:
        return
    if len({item for item in value if isinstance(item, str)}) > limit:
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
    # A text stands for an object that has only this name.
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


#: Our own keywords, for documented rules that JSON Schema cannot express. Each raises
#: ValueError with the phrase of the broken rule.
KEYWORDS = {
    "ascending": _keyword(_ascending),
    "maxDistinct": _keyword(_max_distinct),
    "maxJsonBytes": _keyword(_max_json_bytes),
    "notRepeated": _keyword(_not_repeated),
    "uniqueBy": _keyword(_unique_by),
}


# Formats.


def _is_moment(text: str) -> bool:
    try:
        return bool(read_moment(text))
    except ValueError:
        return False


# All characters that Python or JavaScript counts as space.
_SPACE = r"\s\x1c-\x1f\x85\ufeff"
_URL = r"[A-Za-z][\s\S]*://[\s\S]"
#: Our own formats. A text must contain the pattern, which follows the rules of JavaScript.
PATTERNS: Mapping[str, str] = {
    # Documented: a full URL or an e-mail address.
    "callback": f"@|^{_URL}",
    # Documented: the official client sends an empty text if there is no callback.
    "callback or nothing": f"@|^({_URL}|$)",
    # Guessed: the API checks only this.
    "email address": f"^[^@{_SPACE}]+@[^@{_SPACE}]+$",
    # Guessed: a tag of spaces counts as empty.
    "nonblank": f"[^{_SPACE}]",
    "url": f"^{_URL}",
}


def _finds(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern.replace("$", r"\Z"))
    return lambda text: compiled.search(text) is not None


#: All formats, each with its check.
FORMATS = {name: _finds(pattern) for name, pattern in PATTERNS.items()} | {"moment": _is_moment}
_FORMAT_PHRASES: Mapping[str, str] = {
    "callback": "must be a URL or an e-mail address",
    "callback or nothing": "must be a URL or an e-mail address",
    "email address": "must be a valid email",
    "moment": "must be a time in ISO 8601",
    "nonblank": "is not allowed to be empty",
    "url": "must be a valid uri",
}


# Phrases.

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


#: The phrase of each rule in a refusal, by keyword. "is required" is documented. The others
#: follow the validator that this phrase seems to come from (guessed).
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


def missing(keyword: str, detail: Mapping[str, Any]) -> list[str]:
    """Return the missing members that broke ``keyword``; one of them would satisfy it.

    The list is empty for a keyword that requires no member.
    """
    if keyword == "required":
        return [detail["property"]]
    return _alternatives(detail) if keyword == "anyOf" else []
