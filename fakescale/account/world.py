"""Accounts, and the two worlds of each account, live and test."""

import abc
import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from fakescale.account.audits import Audits
from fakescale.account.batches import Batch, Batches
from fakescale.account.datasets import Datasets
from fakescale.account.deliveries import Deliveries
from fakescale.account.files import Files
from fakescale.account.labeling import Labeling, Note
from fakescale.account.projects import Projects
from fakescale.account.quality import QualityTasks
from fakescale.account.studio import Studio
from fakescale.account.task import Task, task_body
from fakescale.account.task_types import check_common, required
from fakescale.account.tasks import Tasks
from fakescale.account.team import Teammates
from fakescale.account.words import AnyType
from fakescale.values.clock import Clock
from fakescale.values.dumps import texts
from fakescale.values.frozen import FrozenDict, freeze
from fakescale.values.ids import TaskIds
from fakescale.values.keys import Key, auth_key
from fakescale.values.locks import PatientLock
from fakescale.values.named import named
from fakescale.waiting import Wait, look_once

log = logging.getLogger("fakescale")

# In the order of restoring: an owner may refer to the owners before it.
_OWNERS = (
    "projects",
    "batches",
    "tasks",
    "quality_tasks",
    "audits",
    "files",
    "teammates",
    "studio",
    "deliveries",
    "datasets",
)
# A dump of an earlier version lacks these, and then the world has none of them.
_NEWER = ("deliveries", "datasets")


class Owe(Protocol):
    """Owes a callback of a world. ``on_outcome`` is told whether the callback succeeded at last."""

    def __call__(
        self,
        *,
        url: str,
        event: str,
        subject: str,
        body: FrozenDict,
        on_outcome: Callable[[bool], None] | None = None,
    ) -> Callable[[], None] | None:
        """Owe a callback to ``url``, about the task or batch ``subject``.

        Return a function that logs a callback that is not sent, or None. Call it without a lock
        held.
        """


class World:
    """One mode, live or test, of one account. Worlds share no data."""

    def __init__(
        self,
        key: Key,
        api_key: str,
        clock: Clock,
        ids: TaskIds,
        labeling: Labeling,
        *,
        origin: Callable[[], str],
        owe: Owe,
        note: Note,
        wait: Wait = look_once,
    ) -> None:
        lock = self._lock = PatientLock()  # one for all owners, since they call each other
        #: The name of the account, and whether this is its test world.
        self.key = key
        self._api_key = api_key
        #: The task types whose creation the API refuses with 402, since they are not enabled.
        self.disabled_types: set[str] = set()
        tell = functools.partial(note, account=key.account)
        told = functools.partial(tell, is_test=key.is_test)
        #: The projects of this world.
        self.projects = Projects(clock, ids, lock, told)
        #: The batches of this world.
        self.batches = Batches(
            clock,
            ids,
            lock,
            self.projects,
            self._run_due,
            completed=self._on_completed,
            begun=self._begin,
            held=self._hold,
            note=told,
        )
        #: The tasks of this world.
        self.tasks = Tasks(
            clock,
            ids,
            lock,
            self.projects,
            self.batches,
            Labeling(clock) if key.is_test else labeling,  # no labeler works in test mode
            is_test=key.is_test,
            disabled_types=self.disabled_types,
            origin=origin,
            owe=self._owe,
            note=tell,
            wait=wait,
        )
        #: The evaluation and training tasks of this world.
        self.quality_tasks = QualityTasks(
            clock, ids, lock, self.projects, self.batches, disabled_types=self.disabled_types
        )
        #: The fixless audits of this world.
        self.audits = Audits(clock, ids, lock, self.tasks)
        #: The files of this world.
        self.files = Files(clock, ids, lock)
        #: The teammates of this world.
        self.teammates = Teammates(clock, ids, lock)
        #: The Studio of this world.
        self.studio = Studio(
            clock,
            ids,
            lock,
            projects=self.projects,
            batches=self.batches,
            teammates=self.teammates,
        )
        #: The deliveries of this world.
        self.deliveries = Deliveries(clock, ids, lock, self.projects, self.tasks)
        #: The datasets of this world.
        self.datasets = Datasets(clock, ids, lock)
        self._owe_by = owe
        self._callback_url: str | None = None

    def _abandon(self) -> None:
        """Let go of everything that works on, because the fake has forgotten this world.

        Then nothing refers back to the world, so its memory is free at once.
        """
        self.tasks._abandon()
        self.batches._abandon()

    def _dump(self) -> dict[str, Any]:
        """Return the JSON-able data that ``_restore`` takes."""
        owned = {name: getattr(self, name)._dump() for name in _OWNERS}
        return {
            **owned,
            "disabled_types": sorted(self.disabled_types),
            "callback_url": self.callback_url,
        }

    def _restore(self, data: Mapping[str, Any]) -> None:
        """Take over the data of ``_dump``; raises BadRequest or KeyError for any other data."""
        for name in _OWNERS:
            if name in data or name not in _NEWER:
                getattr(self, name)._restore(data[name])
        self.disabled_types |= set(texts("disabled_types", data["disabled_types"]))
        self.callback_url = data["callback_url"]

    @property
    def api_key(self) -> str:
        """An API key that leads to this world."""
        return self._api_key

    @property
    def callback_url(self) -> str | None:
        """The address of callbacks for tasks without a ``callback_url``, or None for none.

        Documented: an account has such a default. The name is ours. Setting the property
        raises BadRequest unless the value is None, a URL or an e-mail address.
        """
        return self._callback_url

    @callback_url.setter
    def callback_url(self, url: str | None) -> None:
        if url is not None:
            check_common("callback_url", url)
        self._callback_url = url

    @property
    def callback_auth_key(self) -> str:
        """The value of the header ``scale-callback-auth`` in callbacks of this world."""
        return auth_key(self.key.account, is_test=self.key.is_test)

    def _owe_to(self, **details: Any) -> None:
        tell = self._owe_by(**details)
        if tell is not None:
            self._lock.afterwards(tell)

    def _owe(self, event: str, task: Task, on_outcome: Callable[[bool], None]) -> bool:
        url = task.callback_url or self._callback_url
        if url is not None:
            self._owe_to(
                url=url,
                event=event,
                subject=task.id,
                body=task_body(task),
                on_outcome=on_outcome,
            )
        return url is not None

    def _on_completed(self, batch: Batch) -> None:
        account, number = self.key.account, sum(batch.counts.values())
        facts = {"event": "batch", "account": account, "subject": batch.name, "tasks": number}
        line = f"batch {batch.name} of {account} is completed (tasks: {number})"
        log.info("%s", line.encode("unicode_escape").decode(), extra={"facts": facts})
        if batch.callback is None:
            return
        # Documented: a batch has a callback. Guessed: its body.
        body = {"batch": batch.to_json(), "batch_name": batch.name, "status": batch.status}
        self._owe_to(
            url=batch.callback,
            event="batch",
            subject=batch.name,
            body=freeze(body),
        )

    def _begin(self, batch: Batch) -> None:
        self.tasks._schedule_batch(batch)

    def _hold(self, batch: Batch) -> None:
        self.tasks._hold_batch(batch, cancels=batch.status == "cancelled")

    def _run_due(self) -> None:
        """Run the labelers that are due."""
        self.tasks._run_due()


class LiveView(abc.ABC):
    """An account as tests use it: its live world directly, its test world as ``test``."""

    @property
    @abc.abstractmethod
    def _live(self) -> World:
        """The live world."""

    @property
    @abc.abstractmethod
    def test(self) -> World:
        """The test world."""

    @property
    def api_key(self) -> str:
        """An API key for the live world."""
        return self._live.api_key

    @property
    def test_api_key(self) -> str:
        """An API key for the test world."""
        return self.test.api_key

    @property
    def tasks(self) -> Tasks:
        """The tasks of the live world."""
        return self._live.tasks

    @property
    def projects(self) -> Projects:
        """The projects of the live world."""
        return self._live.projects

    @property
    def batches(self) -> Batches:
        """The batches of the live world."""
        return self._live.batches

    @property
    def quality_tasks(self) -> QualityTasks:
        """The evaluation and training tasks of the live world."""
        return self._live.quality_tasks

    @property
    def audits(self) -> Audits:
        """The fixless audits of the live world."""
        return self._live.audits

    @property
    def files(self) -> Files:
        """The files of the live world."""
        return self._live.files

    @property
    def teammates(self) -> Teammates:
        """The teammates of the live world."""
        return self._live.teammates

    @property
    def studio(self) -> Studio:
        """The Studio of the live world."""
        return self._live.studio

    @property
    def deliveries(self) -> Deliveries:
        """The deliveries of the live world."""
        return self._live.deliveries

    @property
    def datasets(self) -> Datasets:
        """The datasets of the live world."""
        return self._live.datasets

    @property
    def callback_url(self) -> str | None:
        """The address of callbacks for live tasks without a ``callback_url``, or None for none.

        Setting the property sets it for both worlds. It raises BadRequest unless the value is
        None, a URL or an e-mail address.
        """
        return self._live.callback_url

    @callback_url.setter
    def callback_url(self, url: str | None) -> None:
        self._live.callback_url = self.test.callback_url = url

    @property
    def callback_auth_key(self) -> str:
        """The value of the header ``scale-callback-auth`` in callbacks of the live world."""
        return self._live.callback_auth_key

    def disable_type(self, type: AnyType) -> None:
        """Refuse the creation of tasks of ``type`` with 402, in both worlds.

        Raises NotFound for an unknown type.
        """
        for world in (self._live, self.test):
            world.disabled_types.add(required(named(type)))

    def enable_type(self, type: AnyType) -> None:
        """Allow the creation of tasks of ``type`` again, in both worlds.

        Every type is enabled at first. Raises NotFound for an unknown type.
        """
        for world in (self._live, self.test):
            world.disabled_types.discard(required(named(type)))


class Account(LiveView):
    """An account: a live world and a test world."""

    def __init__(self, live: World, test: World) -> None:
        self._worlds = live, test

    @property
    def _live(self) -> World:
        return self._worlds[0]

    @property
    def test(self) -> World:
        """The test world."""
        return self._worlds[1]

    def world(self, *, is_test: bool) -> World:
        """Return the test world or the live world."""
        return self._worlds[is_test]
