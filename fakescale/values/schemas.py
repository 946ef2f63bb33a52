"""Judging JSON by JSON Schema, with refusals in the API's own words."""

import functools
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fakescale.values.errors import BadRequest, invalid
from fakescale.values.frozen import FrozenDict, FrozenList, freeze
from fakescale.values.keywords import FORMATS, KEYWORDS, PHRASES, missing

if TYPE_CHECKING:
    import jsonschema_rs

#: The schema of a text that is not empty, and of an array of such texts.
TEXT = {"type": "string", "minLength": 1}
TEXTS = {"type": "array", "items": TEXT}


def frozen_json(name: str, value: Any) -> Any:
    """Return ``value`` frozen; raises BadRequest, calling it ``name``, if it is not JSON."""
    try:
        return freeze(value)
    except ValueError as error:
        raise invalid(name, str(error)) from None


class Checker:
    """A compiled schema.

    ``texts`` maps the names of members to the text of the refusal when they are missing, or
    have no allowed value. It holds the texts that are known to differ from the general form.
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
            formats=FORMATS,
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


def _spelled(name: str, path: list[str | int]) -> str:
    """Return ``labels[0].name`` for the path ``labels, 0, name``; ``value`` for the root."""
    for step in path:
        name += f"[{step}]" if isinstance(step, int) else f".{step}" if name else step
    return name or "value"


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
