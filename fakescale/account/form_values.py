"""Made-up values of the fields of a form, each of the field's own kind.

The kinds are documented. Guessed: the value of a time range, the names of other kinds that
exist, and that a form within an attachment has fields too.
"""

import random
from collections.abc import Mapping
from typing import Any

from fakescale.account.made_up import TEXT, items_of, members_of
from fakescale.account.shapes import Params, number_of

_VALUES: Mapping[str, Any] = {
    "number": "1",  # the documented example shows a text
    "boolean": True,
    "date": "2020-01-01",
    "datetime": "2020-01-01T00:00:00.000Z",
    "time_range": {"start": 0, "end": 1},
}
_MOST_RESPONSES = 100  # documented
_OPTIONS = ("choices", "options", "items")
_NAMES_OF_AN_OPTION = ("value", "label", "title", "name", "field_id", "id")


def field_values(fields: Any, rng: random.Random) -> dict[str, Any]:
    """Return the values of ``fields`` by their ids; fields may be an array or an object.

    A group of fields without an id adds the values of its fields.
    """
    if isinstance(fields, dict):
        fields = [{"field_id": name, **members_of(field)} for name, field in fields.items()]
    values: dict[str, Any] = {}
    for field in map(members_of, items_of(fields)):
        if isinstance(field.get("field_id"), str):
            values[field["field_id"]] = _responses(field, rng)
        elif nested := _nested(field):
            values |= field_values(nested, rng)
    return values


def _responses(field: Params, rng: random.Random) -> Any:
    """Return a value, or a list of values if a field takes more than one (documented)."""
    if number_of(field.get("max_responses_required"), 1) <= 1:
        return _value(field, rng)
    least = min(number_of(field.get("min_responses_required"), 1), _MOST_RESPONSES)
    return [_value(field, rng)] * max(1, least)


def _value(field: Params, rng: random.Random) -> Any:
    kind = str(field.get("type")).lower()
    if kind == "field_set" or _nested(field):
        return field_values(_nested(field), rng)
    choices = _choices(next((it for name in _OPTIONS if (it := items_of(field.get(name)))), None))
    if "rank" in kind:
        return rng.sample(choices, len(choices))
    if choices or kind in ("category", "select"):
        least = number_of(field.get("min_choices"), 1)
        return rng.sample(choices, min(max(1, least), len(choices)))
    return _VALUES.get(kind, TEXT)


def _nested(field: Params) -> list[Any]:
    return items_of(field.get("fields")) or items_of(field.get("forms"))


def _choices(options: Any) -> list[Any]:
    """Return the values of the options without suboptions: no others can be chosen (documented)."""
    found = []
    for option in items_of(options):
        if not isinstance(option, dict):
            found.append(option)
        elif below := _choices(option.get("subchoices")):
            found += below
        else:
            found += [option[name] for name in _NAMES_OF_AN_OPTION if name in option][:1]
    return found
