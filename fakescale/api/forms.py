"""Forms: URL-encoded ones, whose names can nest, and multipart ones, which can carry files."""

import re
from collections.abc import Callable, Mapping
from typing import IO, Any, NamedTuple, cast
from urllib.parse import parse_qsl

from werkzeug.formparser import MultiPartParser

from fakescale.account.files import Incoming
from fakescale.values.errors import invalid

# The deepest nesting of a name like `examples[0][image]`; the limit is guessed.
_MAX_NESTING = 20
_STEP = re.compile(r"\[([^\[\]]*)\]")


def read_form(text: str) -> dict[str, Any]:
    """Return the object that a URL-encoded form means.

    Names like ``fields[title]`` and ``tags[]`` make objects and lists (observed). A repeated
    name makes a list (documented in 2017). Every value is a text. Raises BadRequest for a form
    that cannot be read.
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


class Form(NamedTuple):
    """A multipart form."""

    texts: Mapping[str, str]
    #: The files, each with its MIME type if the form names one.
    files: Mapping[str, tuple[Incoming, str | None]]


def read_multipart(
    stream: IO[bytes], parameters: Mapping[str, str], receive: Callable[[], Incoming]
) -> Form:
    """Read a multipart body piece by piece, and write each file to a new ``receive()``.

    ``parameters`` are those of the content type. Raises BadRequest for a malformed body.
    """
    boundary = parameters.get("boundary", "")
    if not boundary or not boundary.isascii():
        raise invalid("body", "must be multipart/form-data with a boundary")
    parser = MultiPartParser(
        # The parser only writes to it, and then seeks the beginning.
        stream_factory=lambda *_, **__: cast(IO[bytes], receive()),
        max_form_memory_size=500_000,
        max_form_parts=1_000,
    )
    try:
        texts, files = parser.parse(stream, boundary.encode(), None)
    except ValueError as error:
        raise invalid("body", f"must be multipart/form-data: {error}") from None
    return Form(
        texts.to_dict(),
        {
            name: (cast(Incoming, file.stream), file.mimetype or None)
            for name, file in files.items()
        },
    )


def _steps(name: str) -> list[str]:
    head, bracket, rest = name.partition("[")
    steps = _STEP.findall(bracket + rest)
    if not head or "".join(f"[{step}]" for step in steps) != bracket + rest:
        return [name]  # not nested, as in `a]`
    if len(steps) > _MAX_NESTING:
        raise invalid(name, f"is nested deeper than {_MAX_NESTING} levels")
    return [head, *steps]


def _put(form: dict[str, Any], steps: list[str], value: str, name: str) -> None:
    """Put ``value`` at its place; lists are dicts with number keys until `_lists` turns them."""
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
