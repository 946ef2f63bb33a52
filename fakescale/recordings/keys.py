"""The API key of a recorded request."""

import base64
from collections.abc import Iterable

from fakescale.values.keys import Key, read_key


def text_of(headers: Iterable[tuple[str, str]]) -> str | None:
    """Return the text of the API key that the header ``Authorization`` holds, or None."""
    value = next((value for name, value in headers if name.lower() == "authorization"), "")
    scheme, _, credentials = value.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(credentials).decode().partition(":")[0]
    except ValueError:
        return None


def key_of(headers: Iterable[tuple[str, str]]) -> Key | None:
    """Return the account and mode of the API key, or None if it is missing or malformed."""
    text = text_of(headers)
    try:
        return None if text is None else read_key(text)
    except ValueError:
        return None
