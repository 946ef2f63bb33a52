"""The API key of a recorded request."""

from collections.abc import Iterable

from fakescale.values.keys import Key, key_text, read_key


def text_of(headers: Iterable[tuple[str, str]]) -> str | None:
    """Return the text of the API key that the header ``Authorization`` holds, or None."""
    values = (value for name, value in headers if name.lower() == "authorization")
    return key_text(next(values, ""))


def key_of(headers: Iterable[tuple[str, str]]) -> Key | None:
    """Return the account and mode of the API key, or None if it is missing or malformed."""
    text = text_of(headers)
    try:
        return None if text is None else read_key(text)
    except ValueError:
        return None
