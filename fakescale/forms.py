"""Form-encoded bodies, which nest by the names of their fields."""

import re
from typing import Any
from urllib.parse import parse_qsl

from fakescale.errors import invalid

# Names nest like `examples[0][image]`; deeper than this is refused (guessed).
_MAX_NESTING = 20
_STEP = re.compile(r"\[([^\[\]]*)\]")


def read_form(text: str) -> dict[str, Any]:
    """Return the object that a form spells with names like ``fields[title]`` and ``tags[]``.

    Both are observed; that a name that comes again makes a list is documented, in 2017.
    Every value is text. Raises BadRequest.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=10_000)
    except UnicodeDecodeError:
        raise invalid("body", "must be UTF-8") from None
    except ValueError as error:
        raise invalid("body", f"must be a form: {error}") from None
    form: dict[str, Any] = {}
    for name, value in pairs:
        _put(form, _steps(name), value, name)
    return {name: _lists(value) for name, value in form.items()}


def _steps(name: str) -> list[str]:
    head, bracket, rest = name.partition("[")
    steps = _STEP.findall(bracket + rest)
    if not head or "".join(f"[{step}]" for step in steps) != bracket + rest:
        return [name]  # not nested after all, as in `a]`
    if len(steps) > _MAX_NESTING:
        raise invalid(name, f"is nested deeper than {_MAX_NESTING} levels")
    return [head, *steps]


def _put(form: dict[str, Any], steps: list[str], value: str, name: str) -> None:
    """Put ``value`` at its place; lists are dicts with number keys until all is read."""
    place = form
    for step in steps[:-1]:
        place = place.setdefault(step or str(len(place)), {})
        if not isinstance(place, dict):
            raise invalid(name, "stands beside a plain value of the same name", value)
    last = steps[-1] or str(len(place))
    if last not in place:
        place[last] = value
    elif isinstance(place[last], list):
        place[last].append(value)
    elif isinstance(place[last], str):
        place[last] = [place[last], value]
    else:
        raise invalid(name, "stands beside nested values of the same name", value)


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    items = {key: _lists(item) for key, item in value.items()}
    if all(key.isascii() and key.isdigit() for key in items):
        return [items[key] for key in sorted(items, key=lambda key: (len(key), key))]
    return items
