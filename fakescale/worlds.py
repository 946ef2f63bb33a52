"""Who is who: API keys, accounts, and the two worlds of each."""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from fakescale.batches import Batches
from fakescale.clock import Clock
from fakescale.errors import Unauthorized
from fakescale.ids import TaskIds
from fakescale.labor import Labor
from fakescale.projects import Projects
from fakescale.tasks import Tasks


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


class World:
    """One mode, live or test, of one account. Worlds share nothing."""

    def __init__(
        self,
        key: Key,
        api_key: str,
        clock: Clock,
        ids: TaskIds,
        labor: Labor,
    ) -> None:
        lock = threading.RLock()  # one for all, since they depend on each other
        #: The account's name, and whether this is its test world.
        self.key = key
        #: A key that leads here.
        self.api_key = api_key
        #: The projects, batches and tasks, each with all that can be done to them.
        self.projects = Projects(clock, ids, lock)
        self.batches = Batches(clock, ids, lock, self.projects, self.settle)
        self.tasks = Tasks(
            clock,
            ids,
            lock,
            self.projects,
            self.batches,
            Labor() if key.is_test else labor,  # nobody works on the tasks of test mode
            is_test=key.is_test,
        )
        # In the order in which they can be restored.
        self._owners: dict[str, Any] = {
            "projects": self.projects,
            "tasks": self.tasks,
            "batches": self.batches,
        }

    def dump(self) -> dict[str, Any]:
        """Return all that ``restore`` needs, JSON-able."""
        return {name: owner.dump() for name, owner in self._owners.items()}

    def restore(self, data: Mapping[str, Any]) -> None:
        """Take over what ``dump`` returned; raises BadRequest or KeyError if it is none."""
        for name, owner in self._owners.items():
            owner.restore(data[name])

    def settle(self) -> None:
        """Let labelers do what has become due here."""
        self.tasks.settle()


class Account:
    """An account: its live world, directly, and its test world as ``test``."""

    def __init__(self, live: World, test: World) -> None:
        self._live = live
        #: The test world.
        self.test = test

    @property
    def api_key(self) -> str:
        """The live key."""
        return self._live.api_key

    @property
    def test_api_key(self) -> str:
        """The test key."""
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

    def world(self, *, is_test: bool) -> World:
        """Return one of the two worlds."""
        return self.test if is_test else self._live


class Accounts:
    """All accounts, each made when its name is first used.

    ``make_world(key, api_key)`` makes a new world. ``keys``, unless empty, are the only ones
    that lead anywhere; all of them must be readable by ``read_key``.
    """

    def __init__(self, make_world: Callable[[Key, str], World], keys: Iterable[str]) -> None:
        self._make_world = make_world
        self._keys = {text: read_key(text) for text in keys}
        self._accounts: dict[str, Account] = {}
        self._lock = threading.Lock()

    def account(self, name: str) -> Account:
        """Return the account of this name."""
        with self._lock:
            if name not in self._accounts:
                self._accounts[name] = Account(self._world(name, False), self._world(name, True))
            return self._accounts[name]

    def dump(self) -> dict[str, Any]:
        """Return all that ``restore`` needs, JSON-able."""
        with self._lock:
            accounts = dict(self._accounts)
        return {
            name: {
                "live": account.world(is_test=False).dump(),
                "test": account.world(is_test=True).dump(),
            }
            for name, account in accounts.items()
        }

    def restore(self, data: Mapping[str, Any]) -> None:
        """Take over what ``dump`` returned; raises BadRequest or KeyError if it is none."""
        for name, worlds in data.items():
            account = self.account(name)
            account.world(is_test=False).restore(worlds["live"])
            account.world(is_test=True).restore(worlds["test"])

    def live(self) -> list[World]:
        """Return the live worlds of all accounts that there are."""
        with self._lock:
            return [account.world(is_test=False) for account in self._accounts.values()]

    def forget(self, name: str) -> None:
        """Forget the account of this name; when it is used again it is a new one."""
        with self._lock:
            self._accounts.pop(name, None)

    def world(self, api_key: str | None) -> World:
        """Return the world that ``api_key`` leads to; raises Unauthorized if none."""
        if api_key is None or (self._keys and api_key not in self._keys):
            raise Unauthorized
        try:
            key = read_key(api_key)
        except ValueError:
            raise Unauthorized from None
        return self.account(key.account).world(is_test=key.is_test)

    def _world(self, name: str, is_test: bool) -> World:
        listed = (text for text, key in self._keys.items() if key == (name, is_test))
        api_key = next(listed, f"{'test' if is_test else 'live'}_{name}")
        return self._make_world(Key(name, is_test), api_key)
