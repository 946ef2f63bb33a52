"""API keys: what one says of the account and the world that it leads to."""

from typing import NamedTuple
from urllib.parse import quote


class Key(NamedTuple):
    """What an API key says: the account's name, and which of its worlds is meant."""

    account: str
    is_test: bool


def read_key(text: str) -> Key:
    """Return what the key ``text`` says.

    Documented: test keys begin with ``test_`` or end with ``|test``, live keys begin with
    ``live_``; the rest is the account's name. Raises ValueError for any other text.
    """
    if text.endswith("|test"):
        account, is_test = text.removesuffix("|test"), True
    else:
        mode, _, account = text.partition("_")
        is_test = mode == "test"
        if mode not in ("live", "test"):
            account = ""
    if not account:
        raise ValueError(
            f"{text!r} is not an API key: it must be live_NAME, test_NAME or NAME|test"
        )
    return Key(account, is_test)


def check_account(name: str) -> None:
    """Raise ValueError unless ``live_NAME`` and ``test_NAME`` lead to the account ``name``."""
    if not name or ":" in name or name.endswith("|test"):
        raise ValueError(
            f"{name!r} cannot be the name of an account: its keys would not lead to it"
        )


def leads_to(api_key: str, account: str) -> bool:
    """Return whether ``api_key`` is one of that account."""
    try:
        return read_key(api_key).account == account
    except ValueError:
        return False


def auth_key(account: str, *, is_test: bool) -> str:
    """Return what ``scale-callback-auth`` holds in callbacks of that world.

    Documented: each mode has a key of its own; observed: the test one begins so.
    """
    # Quoted, since the name may hold what no header can.
    return f"{'test' if is_test else 'live'}_auth_{quote(account, safe='')}"
