"""The helpers of a fake that runs in another process: ``OPERATIONS``, called over HTTP."""

import contextlib
import datetime as dt
import functools
import http.client
import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, Self
from urllib.parse import urlsplit

from fakescale.api.app import CONTROL
from fakescale.api.control import FAULT, OPERATIONS, Operation
from fakescale.traffic.journal import Journal
from fakescale.values.errors import ApiError, BadRequest, NotFound, Unauthorized
from fakescale.values.keys import check_account

_SECONDS = 60  # without a word from the server
_KINDS = {
    kind.status: kind
    for kind in ApiError.__subclasses__()
    if kind.__module__ == ApiError.__module__ and kind is not Unauthorized
}


class _Helpers:
    """The helpers at one home, under the names that they have there."""

    def __init__(self, call: Callable[..., Any], home: str, **world: Any) -> None:
        self._call = call
        self._home = home
        self._world = world

    def __getattr__(self, name: str) -> Any:
        inner = f"{self._home}.{name}"
        for operation_name, operation in OPERATIONS.items():
            if (operation.home, operation.helper.__name__.lstrip("_")) == (self._home, name):
                return self._helper(operation_name, operation)
            if operation.home == inner or operation.home.startswith(f"{inner}."):
                return _HOMES.get(inner, _Collection)(self._call, inner, **self._world)
        raise AttributeError(f"there is no operation for {name!r} of a remote {self._home}")

    def _helper(self, name: str, operation: Operation) -> Callable[..., Any]:
        # Named as in Python: what is passed by place gets its name from the signature.
        signature = inspect.Signature(operation.parameters)

        @functools.wraps(operation.helper)
        def helper(*placed: Any, **named: Any) -> Any:
            bound = signature.bind(*placed, **named).arguments
            for parameter in operation.parameters:
                if parameter.kind is parameter.VAR_KEYWORD:
                    further = bound.pop(parameter.name, {})
                    if taken := further.keys() & operation.arguments.keys():
                        raise TypeError(f"{min(taken)!r} cannot be passed to a remote {name}")
                    bound |= further
            return self._call(name, {**bound, **(self._world if operation.in_world else {})})

        return helper

    def __repr__(self) -> str:
        return f"<the {self._home.rpartition('.')[2]} of {self._call.__self__!r}>"  # type: ignore[attr-defined]


class _Collection(_Helpers):
    def __iter__(self) -> Iterator[Any]:
        return iter(self.list())

    def __len__(self) -> int:
        return len(self.list())

    def __contains__(self, item: object) -> bool:
        return item in self.list()


class _Named(_Collection):
    def __contains__(self, name: object) -> bool:
        return any(item.name == name for item in self.list())


class _Team(_Collection):
    def __contains__(self, email: object) -> bool:
        return any(item.email == email for item in self.list())


class _Sequence(_Collection, Sequence[Any]):
    def __getitem__(self, index: Any) -> Any:
        return self.list()[index]


class _Files(_Collection):
    @property
    def keep_content(self) -> bool:
        """Whether the content of uploads is kept from now on."""
        return bool(self._call("keep_content", self._world))

    @keep_content.setter
    def keep_content(self, keep: bool) -> None:
        self._call("set_keep_content", {"keep": keep, **self._world})


# Those homes that are not just any collection.
_HOMES: Mapping[str, type[_Helpers]] = {
    "world.projects": _Named,
    "world.batches": _Named,
    "world.teammates": _Team,
    "world.files": _Files,
    "world.studio": _Helpers,
    "fake.callbacks": _Sequence,
}


class RemoteFault:
    """A fault of a remote fake; at the end of a ``with`` block of it, it is removed."""

    def __init__(self, faults: "_Faults", shown: Mapping[str, Any]) -> None:
        #: The number by which it can be removed.
        self.id: int = shown["id"]
        self._faults = faults
        self._shown = shown

    def to_json(self) -> Mapping[str, Any]:
        """Return what the server tells of it, or what it last told if it is gone."""
        told = (fault._shown for fault in self._faults.list() if fault.id == self.id)
        self._shown = next(told, self._shown)
        return self._shown

    @property
    def hits(self) -> int:
        """How many requests it has struck."""
        return int(self.to_json()["hits"])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteFault) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.to_json()
        with contextlib.suppress(NotFound):  # by hand, or by a reset
            self._faults.remove(self.id)


class _Faults(_Collection):
    """The faults; those that are added concern the account alone, if the fake has one."""

    def _helper(self, name: str, operation: Operation) -> Callable[..., Any]:
        helper = super()._helper(name, operation)

        def wrapped(*placed: Any, **named: Any) -> Any:
            if named.get("api_key") is not None:  # then that says whom it concerns
                named.setdefault("account", None)
            result = helper(*placed, **named)
            if operation.shape is FAULT:
                return RemoteFault(self, result)
            return [RemoteFault(self, it) for it in result] if isinstance(result, list) else result

        return wrapped


class _RemoteWorld(_Helpers):
    @property
    def api_key(self) -> str:
        """A key that leads to the world."""
        return str(self._call("api_key", self._world))

    @property
    def callback_url(self) -> str | None:
        """Where callbacks go by default; None is nowhere."""
        url: str | None = self._call("callback_url", self._world)
        return url

    @callback_url.setter
    def callback_url(self, url: str | None) -> None:
        self._call("set_callback_url", {"url": url, **self._world})

    @property
    def callback_auth_key(self) -> str:
        """What callbacks of the world have in the header ``scale-callback-auth``."""
        return str(self._call("callback_auth_key", self._world))


class RemoteFakeScale:
    """The helpers of ``FakeScale`` for a fake that another process serves at ``url``.

    ``tasks``, ``projects``, ``batches``, ``test``, ``now``, ``advance`` and so on: whatever
    ``GET /_fakescale/`` lists has the name, the arguments and the results that it has in
    Python. ``account`` names the account that is meant by ``tasks``, ``requests`` and
    ``reset``; by default that is the server's own, and all of the last two. ``token`` is
    the server's control token, if it has one.

    What the server refuses raises the ``ApiError`` that it would raise in Python. Raises
    ConnectionError where no fakescale answers, and ValueError for a bad URL or account.
    """

    def __init__(self, url: str, *, account: str | None = None, token: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is not a URL like http://127.0.0.1:8675")
        if account is not None:
            check_account(account)
        base = parts.path.rstrip("/").removesuffix("/v1")
        #: The base URL for clients, with ``/v1``.
        self.url = f"{parts.scheme}://{parts.netloc}{base}/v1"
        is_https = parts.scheme == "https"
        kind = http.client.HTTPSConnection if is_https else http.client.HTTPConnection
        self._connect = functools.partial(kind, parts.hostname, parts.port, timeout=_SECONDS)
        self._base = base
        self._account = account
        self._token = token
        self._turnaround_before: list[dt.timedelta | None] = []  # until it is set
        self._has_stopped_clock = False

    def __getattr__(self, name: str) -> Any:
        for root in ("fake", "world"):
            try:
                return getattr(_Helpers(self._call, root), name)
            except AttributeError:
                continue
        raise AttributeError(f"there is no operation for {name!r} of a remote fake")

    def __repr__(self) -> str:
        return f"<RemoteFakeScale at {self.url}, account {self._account or 'of its own'}>"

    @property
    def api_key(self) -> str:
        """The live key of the account."""
        return self.world().api_key

    @property
    def test_api_key(self) -> str:
        """The test key of the account."""
        return self.test.api_key

    @property
    def test(self) -> _RemoteWorld:
        """The test world of the account."""
        return self.world(test=True)

    def account(self, name: str) -> "RemoteFakeScale":
        """Return the same for another account."""
        return RemoteFakeScale(self.url, account=name, token=self._token)

    def world(self, account: str | None = None, *, test: bool = False) -> _RemoteWorld:
        """Return the live or the test world of an account, by default of this one."""
        home = self if account is None else self.account(account)
        return _RemoteWorld(home._call, "world", test=test)

    @property
    def faults(self) -> _Faults:
        """The faults; one that is added concerns the account alone, if one was named."""
        return _Faults(self._call, "fake.faults")

    @property
    def callback_url(self) -> str | None:
        """Where callbacks go by default; that of the live world, but setting it sets both."""
        return self.world().callback_url

    @callback_url.setter
    def callback_url(self, url: str | None) -> None:
        self.world().callback_url = self.test.callback_url = url

    @property
    def callback_auth_key(self) -> str:
        """What callbacks of the live world have in the header ``scale-callback-auth``."""
        return self.world().callback_auth_key

    @property
    def turnaround(self) -> dt.timedelta | None:
        """How long live tasks are pending, in all accounts of the server.

        Raises BadRequest where that is a function, and TypeError when it is set to one.
        """
        seconds = self._call("turnaround", {})
        return None if seconds is None else dt.timedelta(seconds=seconds)

    @turnaround.setter
    def turnaround(self, turnaround: dt.timedelta | None) -> None:
        if callable(turnaround):
            raise TypeError("the turnaround of a remote fake cannot be a function")
        if not self._turnaround_before:
            with contextlib.suppress(BadRequest):  # a function, which cannot be put back
                self._turnaround_before.append(self.turnaround)
        seconds = None if turnaround is None else turnaround.total_seconds()
        self._call("set_turnaround", {"seconds": seconds})

    def stop_clock(self) -> None:
        """Let the server's clock stand, for all accounts: only ``advance`` moves it."""
        self._has_stopped_clock = True
        self._call("stop_clock", {})

    def put_back(self) -> None:
        """Undo what ``turnaround`` and ``stop_clock`` here have changed for others' accounts."""
        if self._has_stopped_clock:
            self._has_stopped_clock = False
            self.start_clock()
        if self._turnaround_before:
            self.turnaround = self._turnaround_before.pop()
            self._turnaround_before.clear()

    @property
    def labeler(self) -> NoReturn:
        """Raise TypeError: a function works in its own process alone."""
        raise TypeError("a remote fake can be given no labeler, which is a function")

    @labeler.setter
    def labeler(self, labeler: Any) -> None:
        _ = self.labeler

    @property
    def requests(self) -> Journal:
        """The journal as it is now, of the account alone if one was named."""
        journal = Journal()
        for exchange in self._call("requests", {}):
            journal._append(exchange)
        return journal

    def _call(self, name: str, arguments: Mapping[str, Any]) -> Any:
        operation = OPERATIONS[name]
        given = dict(arguments)
        if self._account is not None and "account" in operation.arguments:
            given.setdefault("account", self._account)
        return operation.shape.read(self._post(name, json.dumps(given, default=_plain)))

    def _post(self, name: str, body: str) -> Any:
        headers = {"Content-Type": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}".encode().decode("latin-1")
        # A connection for each call: they may come from any thread.
        connection = self._connect()
        try:
            connection.request("POST", f"{self._base}{CONTROL}{name}", body, headers)
            reply = connection.getresponse()
            answer = json.loads(reply.read())
            if reply.status == 200:
                return answer["result"]
            refusal = str(answer["error"])
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
            raise ConnectionError(f"no fakescale answers at {self.url}: {error!r}") from error
        finally:
            connection.close()
        raise _KINDS.get(reply.status, ApiError)(refusal)


def _plain(value: Any) -> Any:
    """Return what JSON has no word for as something that the server reads as the same."""
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable):
        return list(value)
    raise BadRequest(f"An argument holds a {type(value).__name__}, which is not JSON.")
