"""Validation of JSON by JSON Schema, with error messages in the style of the API."""

import functools
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fakescale.values import frozen
from fakescale.values.errors import BadRequest, invalid
from fakescale.values.frozen import MAX_DEPTH, FrozenDict, FrozenList, freeze
from fakescale.values.keywords import FORMATS, KEYWORDS, PHRASES, missing

if TYPE_CHECKING:
    import jsonschema_rs

#: The schema of a text that is not empty.
TEXT = {"type": "string", "minLength": 1}
#: The schema of an array of texts that are not empty.
TEXTS = {"type": "array", "items": TEXT}


def frozen_json(name: str, value: Any, most: int = MAX_DEPTH) -> Any:
    """Return ``value`` frozen.

    Raises BadRequest, naming it ``name``, if it is not JSON, or is nested deeper than ``most``.
    """
    try:
        frozen = freeze(value)
    except ValueError as error:
        raise invalid(name, str(error)) from None
    if frozen is not value:
        check_depth(name, frozen, most)
    return frozen


def check_depth(name: str, value: Any, most: int = MAX_DEPTH) -> None:
    """Raise BadRequest, naming the JSON ``value``, if it is nested deeper than ``most``."""
    try:
        frozen.check_depth(value, most)
    except ValueError as error:
        raise invalid(name, str(error)) from None


class Checker:
    """A compiled schema.

    ``texts`` maps members to their own error messages, for a missing member or one with a value
    that is not allowed. These messages are known to differ from the general form.
    """

    def __init__(self, schema: Mapping[str, Any], texts: Mapping[str, str] | None = None) -> None:
        self.schema = schema
        self._texts = texts or {}

    # Compiled on first use, since that takes longer than the rest of a start.

    @functools.cached_property
    def _validator(self) -> "jsonschema_rs.Validator":
        return _compiled(self.schema)

    @functools.cached_property
    def _required(self) -> "jsonschema_rs.Validator":
        """The validator of required members alone."""
        return _compiled(_requirements(self.schema))

    def accepts(self, value: Any) -> bool:
        """Return whether ``value`` is valid."""
        return self._validator.is_valid(value)

    def check(self, value: Any, name: str = "") -> None:
        """Raise BadRequest, naming the first bad member, unless ``value`` is valid.

        ``name`` is the name of ``value`` in the message, or "" if it is the whole body.
        """
        if self.accepts(value):
            return
        # Missing members come first, since they explain the other errors. Only the first error is
        # made: each error takes 4 kB, and a body may have millions.
        self._check_with(self._required, value, name)
        self._check_with(self._validator, value, name)

    def _check_with(self, validator: "jsonschema_rs.Validator", value: Any, name: str) -> None:
        import jsonschema_rs

        try:
            validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            raise self._refusal(error, value, name) from None

    def _refusal(self, error: "jsonschema_rs.ValidationError", value: Any, name: str) -> BadRequest:
        keyword, detail = error.kind.name, error.kind.as_dict()
        path = list(error.instance_path)
        for step in path:
            value = value[step]
        absent = missing(keyword, detail)
        if keyword == "required":
            path += absent
        field = _spelled(name, path)
        if field in self._texts and keyword in ("required", "enum"):
            return BadRequest(self._texts[field])
        if absent and _ATTACHMENTS.issuperset(absent) and not _ATTACHMENTS & value.keys():
            return BadRequest("Please include an attachment or attachments parameter.")
        if absent:
            return invalid(field, PHRASES[keyword](detail))
        return invalid(field, PHRASES[keyword](detail), value)


def _compiled(schema: Mapping[str, Any]) -> "jsonschema_rs.Validator":
    import jsonschema_rs

    return jsonschema_rs.validator_for(
        json.loads(json.dumps(schema)),  # it takes no subclasses of list
        formats=FORMATS,
        validate_formats=True,
        keywords=KEYWORDS,
    )


def _requirements(schema: Any) -> dict[str, Any]:
    """Return the part of ``schema`` that requires members."""
    kept: dict[str, Any] = {}
    if isinstance(schema, bool):
        return kept
    for keyword, value in schema.items():
        if keyword in ("required", "if", "$ref"):
            kept[keyword] = value
        elif keyword in ("properties", "$defs"):
            kept[keyword] = {name: _requirements(part) for name, part in value.items()}
        elif keyword in ("items", "then"):
            kept[keyword] = _requirements(value)
        elif keyword == "allOf":
            kept[keyword] = [_requirements(part) for part in value]
    return kept


class Parameters(Checker):
    """The compiled schema of a body.

    Numbers and booleans may come as text, and null counts as absent.
    """

    def __init__(self, schema: Mapping[str, Any], texts: Mapping[str, str] | None = None) -> None:
        super().__init__(schema, texts)
        #: The names of the known members.
        self.names = frozenset(schema["properties"])

    def read(self, body: Mapping[str, Any], *, form: bool = False) -> Mapping[str, Any]:
        """Return ``body`` with texts turned into numbers and booleans, and without nulls.

        That nulls count as absent is guessed. ``form`` says that the body was form-encoded, so
        a list of one looks like a text. Raises BadRequest if the body is not valid.
        """
        given = FrozenDict({name: item for name, item in body.items() if item is not None})
        # A text in place of a number is not valid, so a valid body has no text to turn.
        if self._validator.is_valid(given):
            return given
        self._check_with(self._required, given, "")
        read = self.spelled(given, form=form)
        self.check(read)
        return read

    def spelled(self, body: Mapping[str, Any], *, form: bool) -> FrozenDict:
        """Return ``body`` with texts turned into what they spell, without a check."""
        read: FrozenDict = _read(body, self.schema, self.schema.get("$defs", {}), form=form)
        return read


# Documented: one message if both are missing, whichever of them the type requires.
_ATTACHMENTS = {"attachment", "attachments"}


def _spelled(name: str, path: list[str | int]) -> str:
    """Return a path as text: ``labels[0].name``, or ``value`` for the root."""
    for step in path:
        name += f"[{step}]" if isinstance(step, int) else f".{step}" if name else step
    return name or "value"


#: Patterns of the texts that are read as numbers.
INTEGER = r"-?[0-9]{1,18}"
NUMBER = r"-?[0-9]{1,18}(\.[0-9]{1,18})?"
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def _read(value: Any, schema: Any, definitions: Mapping[str, Any], *, form: bool) -> Any:
    """Return ``value`` with its texts read as the types that the schema requires.

    JSON too may hold numbers as text (documented: the official client's tests send ``"30"``,
    and it comes back as 30). So may booleans (guessed).
    """
    if not isinstance(schema, Mapping):
        return value
    if isinstance(value, str):
        return _read_text(value, schema, form=form)
    members, items = schema.get("properties", {}), _resolved(schema.get("items", {}), definitions)
    if isinstance(value, dict) and members:
        return FrozenDict(
            {
                key: _read(item, _resolved(members[key], definitions), definitions, form=form)
                if key in members
                else item
                for key, item in value.items()
            }
        )
    if isinstance(value, list) and (kinds := _kinds_to_read(items)):
        # A body may have millions of items of a wrong kind.
        return FrozenList(
            [
                _read(item, items, definitions, form=form) if isinstance(item, kinds) else item
                for item in value
            ]
        )
    return value


def _resolved(schema: Any, definitions: Mapping[str, Any]) -> Any:
    return definitions[schema["$ref"].removeprefix("#/$defs/")] if "$ref" in schema else schema


def _kinds_to_read(schema: Mapping[str, Any]) -> tuple[type, ...]:
    """Return the kinds of values that ``_read`` may change for ``schema``."""
    found = {dict: "properties" in schema, list: "items" in schema, str: not _is_text(schema)}
    return tuple(kind for kind, is_read in found.items() if is_read)


def _is_text(schema: Mapping[str, Any]) -> bool:
    return "string" in schema.get("type", "string")


def _read_text(text: str, schema: Mapping[str, Any], *, form: bool) -> Any:
    types = schema.get("type", "string")
    types = [types] if isinstance(types, str) else types
    if _is_text(schema):
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
