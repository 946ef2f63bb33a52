"""An answer: its JSON text and its header fields."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from fakescale.values.errors import ApiError
from fakescale.values.frozen import EMPTY_DICT

#: Returns the JSON text of a value, compact and in ASCII: any text that was accepted can be sent.
encode = json.JSONEncoder(separators=(",", ":")).encode


class Answer(NamedTuple):
    """What is sent back: the HTTP status, the body, and what to say beside the usual headers.

    With ``is_reset`` the connection is reset after it. Status 0 stands for no answer at all.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = EMPTY_DICT
    is_reset: bool = False


def json_answer(content: Any, status: int = 200) -> Answer:
    """Return the answer that carries a task, a page of tasks, or JSON."""
    text = content.to_text() if hasattr(content, "to_text") else encode(content)
    return Answer(status, text.encode())


def header_fields(content: bytes, others: Mapping[str, str] = EMPTY_DICT) -> list[tuple[str, str]]:
    """Return the header fields of an answer whose body is ``content``; ``others`` win."""
    usual = {
        "Content-Type": "application/json; charset=utf-8",
        "Content-Length": str(len(content)),
    }
    return [*{**usual, **others}.items()]


def refusal(error: ApiError) -> Answer:
    """Return the answer that ``error`` stands for."""
    return json_answer(error.to_json(), error.status)
