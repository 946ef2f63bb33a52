"""fakescale: an in-memory fake of Scale AI's data-labeling task API, for tests.

Each public name is imported when it is first used. pytest loads this package, for the plugin,
in every run of every suite in its environment, even if no test uses it.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fakescale.account.labeling import TaskFailure as TaskFailure
    from fakescale.account.task import Status as Status
    from fakescale.account.task import Task as Task
    from fakescale.account.world import Account as Account
    from fakescale.account.world import World as World
    from fakescale.fake import FakeScale as FakeScale
    from fakescale.redirection import redirect as redirect
    from fakescale.redirection.backoff import without_backoff as without_backoff
    from fakescale.remote import RemoteFakeScale as RemoteFakeScale
    from fakescale.server.limits import Limits as Limits
    from fakescale.traffic.journal import Exchange as Exchange
    from fakescale.values.errors import ApiError as ApiError
    from fakescale.values.errors import BadRequest as BadRequest
    from fakescale.values.errors import Conflict as Conflict
    from fakescale.values.errors import NotFound as NotFound
    from fakescale.values.errors import PaymentRequired as PaymentRequired

_HOMES = {
    "Account": "account.world",
    "ApiError": "values.errors",
    "BadRequest": "values.errors",
    "Conflict": "values.errors",
    "Exchange": "traffic.journal",
    "FakeScale": "fake",
    "Limits": "server.limits",
    "NotFound": "values.errors",
    "PaymentRequired": "values.errors",
    "RemoteFakeScale": "remote",
    "Status": "account.task",
    "Task": "account.task",
    "TaskFailure": "account.labeling",
    "World": "account.world",
    "redirect": "redirection",
    "without_backoff": "redirection.backoff",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("fakescale")
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module 'fakescale' has no attribute {name!r}") from None
    return getattr(importlib.import_module(f"fakescale.{home}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
