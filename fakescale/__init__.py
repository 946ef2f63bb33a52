"""fakescale: an in-memory fake of Scale AI's data-labeling task API, for tests.

The names below are imported when they are first used: the pytest plugin loads this package
in every run of every suite that it is installed beside, also where nothing uses it.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fakescale.backoff import without_backoff as without_backoff
    from fakescale.errors import ApiError as ApiError
    from fakescale.fake import FakeScale as FakeScale
    from fakescale.journal import Exchange as Exchange
    from fakescale.limits import Limits as Limits
    from fakescale.records import Status as Status
    from fakescale.records import Task as Task
    from fakescale.redirection import redirect as redirect
    from fakescale.remote import RemoteFakeScale as RemoteFakeScale
    from fakescale.worlds import Account as Account
    from fakescale.worlds import World as World

_HOMES = {
    "Account": "worlds",
    "ApiError": "errors",
    "Exchange": "journal",
    "FakeScale": "fake",
    "Limits": "limits",
    "RemoteFakeScale": "remote",
    "Status": "records",
    "Task": "records",
    "World": "worlds",
    "redirect": "redirection",
    "without_backoff": "backoff",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module 'fakescale' has no attribute {name!r}") from None
    return getattr(importlib.import_module(f"fakescale.{home}"), name)
