"""fakescale: an in-memory fake of Scale AI's data-labeling task API, for tests.

Each public name is imported when it is first used. Its plugin makes every pytest run in its
environment load this package, even if no test uses it.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fakescale import demo as demo
    from fakescale import labelers as labelers
    from fakescale.account.batches import Batch as Batch
    from fakescale.account.labeling import TaskFailure as TaskFailure
    from fakescale.account.labeling import after_looks as after_looks
    from fakescale.account.pictures import draw as draw
    from fakescale.account.projects import Project as Project
    from fakescale.account.task import Status as Status
    from fakescale.account.task import Task as Task
    from fakescale.account.world import Account as Account
    from fakescale.account.world import World as World
    from fakescale.drawing.values import Drawing as Drawing
    from fakescale.fake import FakeScale as FakeScale
    from fakescale.pytest_plugin import FakeFactory as FakeFactory
    from fakescale.receiver import Received as Received
    from fakescale.receiver import Receiver as Receiver
    from fakescale.redirection import redirect as redirect
    from fakescale.redirection.backoff import without_backoff as without_backoff
    from fakescale.redirection.sleeping import sleeping as sleeping
    from fakescale.remote import RemoteFakeScale as RemoteFakeScale
    from fakescale.server.limits import Limits as Limits
    from fakescale.traffic.callbacks import Delivery as Delivery
    from fakescale.traffic.events import Event as Event
    from fakescale.traffic.fault import Fault as Fault
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
    "Batch": "account.batches",
    "Conflict": "values.errors",
    "Delivery": "traffic.callbacks",
    "Drawing": "drawing.values",
    "Event": "traffic.events",
    "Exchange": "traffic.journal",
    "FakeFactory": "pytest_plugin",
    "FakeScale": "fake",
    "Fault": "traffic.fault",
    "Limits": "server.limits",
    "NotFound": "values.errors",
    "PaymentRequired": "values.errors",
    "Project": "account.projects",
    "Received": "receiver",
    "Receiver": "receiver",
    "RemoteFakeScale": "remote",
    "Status": "account.task",
    "Task": "account.task",
    "TaskFailure": "account.labeling",
    "World": "account.world",
    "after_looks": "account.labeling",
    "draw": "account.pictures",
    "redirect": "redirection",
    "sleeping": "redirection.sleeping",
    "without_backoff": "redirection.backoff",
}
__all__ = list(_HOMES)
_MODULES = ("demo", "labelers")


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("fakescale")
    if name in _MODULES:
        return importlib.import_module(f"fakescale.{name}")
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module 'fakescale' has no attribute {name!r}") from None
    return getattr(importlib.import_module(f"fakescale.{home}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
