"""Queries and forms, read as the service's own parser reads them, and forms with files."""

import re
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, Any, NamedTuple, cast
from urllib.parse import unquote, unquote_to_bytes

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import MultiPartParser

from fakescale.account.files import Incoming
from fakescale.values.errors import BadRequest, TooLarge, invalid

# Inferred: the service is Express, which reads queries and forms by `qs`. These are the limits
# of stock Express.
_MAX_PARAMETERS = 1_000
_QUERY_DEPTH, _QUERY_LIST = 5, 20
_FORM_DEPTH, _FORM_LIST = 32, 100
# Guessed, for multipart forms: the bytes of all texts, and of the header of a part; and the parts.
_MAX_TEXT, _MAX_PARTS = 500_000, 1_000
_LONG = 100_000  # characters
_MALFORMED = re.compile("%(?![0-9A-Fa-f]{2})")
_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")  # a part of the name of a field in a refusal


class GivenQuery(NamedTuple):
    """The parameters of a query."""

    #: The value of each parameter, by its name without brackets.
    values: Mapping[str, Any]
    #: The name that the client wrote for each value, by the names without brackets.
    written: Mapping[str, Mapping[str, str]]


def read_query_string(text: str) -> GivenQuery:
    """Return the parameters of a query.

    ``tags=a&tags=b``, ``tags[]=a&tags[]=b`` and ``tags[0]=a&tags[1]=b`` mean the same (inferred).
    Parameters after the first 1,000 are ignored.
    """
    written: dict[str, dict[str, str]] = {}
    for pair in text.split("&") if "[" in text or "%5" in text else ():
        name, _, value = (_decoded(it) or "" for it in pair.partition("="))
        written.setdefault(name.partition("[")[0], {})[value] = name
    return GivenQuery(_parse(text, _QUERY_DEPTH, _QUERY_LIST), written)


def read_form(text: str) -> dict[str, Any]:
    """Return the object that a form spells with names like ``fields[title]`` and ``tags[]``.

    A repeated name makes a list (documented, in 2017). Every value is text. Raises
    BadRequest for names that nest deeper than 32 levels, and TooLarge for more than 1,000 fields.
    """
    if text.count("&") >= _MAX_PARAMETERS:
        raise TooLarge(f"The form has more than {_MAX_PARAMETERS} fields.")
    names = form_names(text)
    for name in names:
        if name.count("[") > _FORM_DEPTH:
            raise invalid(name, f"is nested deeper than {_FORM_DEPTH} levels")
    return _parse(text, _FORM_DEPTH, max(_FORM_LIST, len(names)))


def form_names(text: str) -> list[str]:
    """Return the names of a form's fields as the client wrote them."""
    return [_decoded(pair.partition("=")[0]) or "" for pair in text.split("&")]


def written_name(names: Iterable[str], field: str) -> str:
    """Return the name of a form's field as the client wrote it.

    ``field`` is the name in refusals: ``labels[0].name`` may be ``labels[][name]``. If none or
    several of the form's ``names`` fit, the name is made with brackets.
    """
    if field in names:
        return field
    root, *steps = (index or name for index, name in _STEP.findall(field))
    pattern = re.escape(root) + "".join(
        rf"(\[({step})?\])?" if step.isdigit() else rf"\[{re.escape(step)}\]" for step in steps
    )
    found = {name for name in names if re.fullmatch(pattern, name)}
    found = found or {name for name in names if re.match(rf"{pattern}\[", name)}
    return found.pop() if len(found) == 1 else root + "".join(f"[{step}]" for step in steps)


def _parse(given: str | Mapping[str, Any], depth: int, longest_list: int) -> dict[str, Any]:
    import qs_codec  # here, because few requests have a query or a form

    names = given if isinstance(given, str) else "&".join(given)
    options = qs_codec.DecodeOptions(
        depth=depth,
        list_limit=longest_list,
        parameter_limit=_MAX_PARAMETERS,
        # Its own is quicker for short texts, but takes 80 times the size of a long one.
        decoder=None if _is_usual(names) else _decoded,
    )
    read = qs_codec.decode(given, options)
    return _without_prototypes(read) if "proto" in names else read


def _without_prototypes(value: Any) -> Any:
    """Return a value without members named ``__proto__``, which ``qs`` ignores."""
    if isinstance(value, dict):
        return {k: _without_prototypes(v) for k, v in value.items() if k != "__proto__"}
    return [_without_prototypes(it) for it in value] if isinstance(value, list) else value


def _is_usual(text: str) -> bool:
    """Return whether a text is short, and all its escapes are those of UTF-8."""
    if "%" in text and len(text) <= _LONG:
        try:
            unquote(text, errors="strict")
        except UnicodeDecodeError:
            return False
        return not _MALFORMED.search(text)
    return len(text) <= _LONG


def _decoded(text: str | None) -> str | None:
    """Return a name or a value without its escapes.

    Inferred: if it is malformed or not UTF-8, only its plus signs are replaced.
    """
    if not text:
        return text
    text = text.replace("+", " ")
    if "%" not in text or _MALFORMED.search(text):
        return text
    # In pieces, to save memory: one call would take 80 times the size of a long text.
    escaped, whole, begin = text.encode(), bytearray(), 0
    while begin < len(escaped):
        end = begin + _LONG
        if (cut := escaped.find(b"%", end - 2, end)) >= 0:
            end = cut
        whole += unquote_to_bytes(escaped[begin:end])
        begin = end
    try:
        return whole.decode()
    except UnicodeDecodeError:
        return text


class Form(NamedTuple):
    """A multipart form: its fields, and its files, each with its MIME type if it has one.

    ``names`` are those of the fields, as the client wrote them.
    """

    fields: Mapping[str, Any]
    files: Mapping[str, tuple[Incoming, str | None]]
    names: Sequence[str]


def read_multipart(
    read: Callable[[int], bytes], parameters: Mapping[str, str], receive: Callable[[], Incoming]
) -> Form:
    """Read a multipart body piece by piece, and write each file to a new ``receive()``.

    ``read`` takes a number, and returns up to so many bytes of the body. ``parameters`` are those
    of the content type. Raises BadRequest for a body that is malformed or over a limit.
    """
    boundary = parameters.get("boundary", "")
    if not boundary or not boundary.isascii():
        raise invalid("body", "must be multipart/form-data with a boundary")
    parser = MultiPartParser(
        # The parser only writes to it, and then seeks the beginning.
        stream_factory=lambda *_, **__: cast(IO[bytes], receive()),
        max_form_memory_size=_MAX_TEXT,
        max_form_parts=_MAX_PARTS,
    )
    try:
        stream = cast(IO[bytes], types.SimpleNamespace(read=read))
        texts, files = parser.parse(stream, boundary.encode(), None)
    except RequestEntityTooLarge:  # the parser does not say which limit it is
        raise BadRequest(
            f"The form is over a limit: it may have {_MAX_PARTS} parts, and a text in it, or the"
            f" header of a part, {_MAX_TEXT} bytes."
        ) from None
    except ValueError as error:
        raise invalid("body", f"must be multipart/form-data: {error}") from None
    values = {name: it if len(it) > 1 else it[0] for name, it in texts.lists()}
    return Form(
        _parse(values, _FORM_DEPTH, _FORM_LIST),  # guessed: as in other forms
        {
            name: (cast(Incoming, file.stream), file.mimetype or None)
            for name, file in files.items()
        },
        list(values),
    )
