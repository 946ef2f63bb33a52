"""The `Answer` to a request: its status, JSON text and header fields."""

import http
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from fakescale.values.errors import ApiError
from fakescale.values.frozen import EMPTY_DICT

_ASCII = json.JSONEncoder(separators=(",", ":")).encode
_FINAL = {status for status in http.HTTPStatus if status >= 200} - {204, 205, 304}


class Answer(NamedTuple):
    """The answer to a request."""

    #: The HTTP status. 0 means that no answer is sent.
    status: int
    body: bytes
    #: The header fields to send besides the usual ones.
    headers: Mapping[str, str] = EMPTY_DICT
    #: Whether the server resets the connection after the answer.
    is_reset: bool = False


def encode(value: Any) -> bytes:
    """Return the JSON text of a value: compact, and in UTF-8 as the API's own (observed: Node).

    The text is in ASCII if orjson refuses the value. A text about a client's mistake may hold half
    of a surrogate pair, or an integer of more than 64 bits.
    """
    try:
        # A copy, since each result of orjson keeps 8 KiB for itself.
        return memoryview(orjson.dumps(value)).tobytes()
    except TypeError:
        return _ASCII(value).encode()


#: Returns the value of a JSON text, given as bytes or text. Raises ValueError for a text that is
#: not JSON, or is nested deeper than 1,024 levels.
decode = orjson.loads


def json_answer(content: Any, status: int = 200) -> Answer:
    """Return the answer with ``content``: a task, a page of tasks, or any JSON value."""
    return Answer(status, content.to_text() if hasattr(content, "to_text") else encode(content))


def is_final(status: int) -> bool:
    """Return whether ``status`` is a known status of a final answer with a body."""
    return status in _FINAL


def header_fields(content: bytes, others: Mapping[str, str] = EMPTY_DICT) -> list[tuple[str, str]]:
    """Return the header fields of an answer with the body ``content``.

    A field of ``others`` replaces the usual one of the same name.
    """
    usual = {
        "Content-Type": "application/json; charset=utf-8",
        "Content-Length": str(len(content)),
    }
    return [*{**usual, **others}.items()]


def refusal(error: ApiError) -> Answer:
    """Return the answer that reports ``error``."""
    return json_answer(error.to_json(), error.status)
