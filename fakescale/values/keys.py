"""API keys: each names an account and one of its two worlds, live or test."""

import base64
import functools
import re
from typing import NamedTuple
from urllib.parse import quote


class Key(NamedTuple):
    """The content of an API key."""

    #: The name of the account.
    account: str
    #: Whether the key leads to the account's test world, rather than its live world.
    is_test: bool


@functools.lru_cache(maxsize=1024)
def read_key(text: str) -> Key:
    """Return the account and mode in the API key ``text``.

    Documented: test keys begin with ``test_`` or end with ``|test``, and live keys begin with
    ``live_``. The rest is the account's name. Raises ValueError for any other text.
    """
    if text.endswith("|test"):
        account, is_test = text.removesuffix("|test"), True
    else:
        mode, _, account = text.partition("_")
        is_test = mode == "test"
        if mode not in ("live", "test"):
            account = ""
    if not _is_name(account):
        raise ValueError(
            f"{text!r} is not an API key: it must be live_NAME, test_NAME or NAME|test"
        )
    return Key(account, is_test)


def key_text(authorization: str) -> str | None:
    """Return the text of the API key in the value of the header ``Authorization``, or None.

    Documented: the key is the user name of HTTP Basic, or the token of Bearer. Guessed: any
    password is accepted.
    """
    # Without werkzeug, which raises on bytes that are not ASCII, and splits keys with a "=".
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(credentials).decode().partition(":")[0]
    except ValueError:
        return None


def _is_name(account: str) -> bool:
    return bool(account) and ":" not in account and not account.endswith("|test")


def check_account(name: str) -> None:
    """Raise ValueError unless the keys ``live_NAME`` and ``test_NAME`` lead to the account."""
    if not _is_name(name):
        raise ValueError(
            f"{name!r} cannot be the name of an account: its API keys would not lead to it"
        )


def leads_to(api_key: str, account: str) -> bool:
    """Return whether ``api_key`` belongs to the account."""
    try:
        return read_key(api_key).account == account
    except ValueError:
        return False


def auth_key(account: str, *, is_test: bool) -> str:
    """Return the value of the header ``scale-callback-auth`` in callbacks of a world.

    Documented: each mode has a key of its own. Observed: the test key begins with ``test``.
    """
    # Quoted, since the name may hold characters that a header cannot.
    return f"{'test' if is_test else 'live'}_auth_{quote(account, safe='')}"


# The value of a header field, or of a member of JSON, also where this JSON is itself a text.
_SECRET = re.compile(
    r"""((?:authorization|callback-auth|api_key|auth_key)\\*"?\s*:\s*)"""
    r"""(?:(")(?:[^"\\]|\\.)*|(\\+")(?:(?!\\+").)*|(?:[a-z]+ +)?[^\s"\\,}]+)""",
    re.IGNORECASE | re.DOTALL,
)
_USER = re.compile(r"""(://)[^/?#\s"\\@]+@""")


def masked(text: str) -> str:
    """Return ``text`` for a log: with ``***`` in place of keys, and of users and passwords in URLs.

    A key is found by the name before it, for example ``Authorization`` or ``api_key``.
    """
    text = _SECRET.sub(lambda found: f"{found[1]}{found[2] or found[3] or ''}***", text)
    return _USER.sub(r"\1***@", text)
