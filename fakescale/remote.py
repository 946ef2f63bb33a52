"""The helpers of a fake that runs in another process: the operations of control, over HTTP.

The file is long since a remote fake is itself the first of the `_Helpers`: its tasks, faults
and worlds are found as it finds its own helpers, so both are read together.
"""

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
from fakescale.api.operations import VALUE, Operation, operations
from fakescale.fake import FakeScale
from fakescale.traffic.faults import Faults
from fakescale.traffic.journal import Journal
from fakescale.values.errors import ApiError, BadRequest, NotFound, Unauthorized
from fakescale.values.keys import check_account

_SECONDS = 60  # without a word from the server
_KINDS = {
    kind.status: kind
    for kind in ApiError.__subclasses__()
    if kind.__module__ == ApiError.__module__ and kind is not Unauthorized
}
_OPERATIONS = operations(FakeScale)


class _Helpers:
    """The helpers and properties below a path, by the names that they have there."""

    _call: Callable[..., Any]

    def __init__(self, call: Callable[..., Any], path: str = "", **world: Any) -> None:
        self._call = call
        self._path = path
        #: The arguments that say which world is meant; without any, this is a whole fake.
        self._world = world

    def __getattr__(self, name: str) -> Any:
        operation = self._operation(name)
        if operation is not None and operation.is_property:
            return self._call(operation, self._world)
        if operation is not None:
            return self._helper(operation)
        return self._home(name)

    def __setattr__(self, name: str, value: Any) -> None:
        operation = None if hasattr(type(self), name) else self._operation(name)
        if operation is None or not operation.is_property:
            super().__setattr__(name, value)
        elif VALUE in operation.arguments:
            self._call(operation, {VALUE: value, **self._world})
        else:
            raise AttributeError(f"{name!r} of a remote {self._path or 'fake'} cannot be set")

    def _operation(self, name: str) -> Operation | None:
        operation = None if name.startswith("_") else _OPERATIONS.get(self._below(name))
        return operation if operation is None or self._has(operation) else None

    def _home(self, name: str) -> "_Helpers":
        if name.startswith("_"):  # perhaps before there is a path
            raise AttributeError(name)
        path = self._below(name)
        for operation in _OPERATIONS.values():
            if operation.name.startswith(f"{path}.") and self._has(operation):
                return _kind_of_home(operation.owner)(self._call, path, **self._world)
        raise AttributeError(
            f"there is no operation for {name!r} of a remote {self._path or 'fake'}"
        )

    def _below(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def _has(self, operation: Operation) -> bool:
        return operation.is_of_world or not self._world

    def _helper(self, operation: Operation) -> Callable[..., Any]:
        # Named as in Python: what is passed by place gets its name from the signature.
        signature = inspect.Signature(operation.parameters)

        @functools.wraps(operation.helper)
        def helper(*placed: Any, **named: Any) -> Any:
            bound = signature.bind(*placed, **named).arguments
            for parameter in operation.parameters:
                if parameter.kind is parameter.VAR_KEYWORD:
                    further = bound.pop(parameter.name, {})
                    if taken := further.keys() & operation.arguments.keys():
                        last = operation.name.rpartition(".")[2]
                        raise TypeError(f"{min(taken)!r} cannot be passed to a remote {last}")
                    bound |= further
            return self._call(operation, {**bound, **self._world})

        return helper

    def __repr__(self) -> str:
        return f"<the {self._path or 'world'} of {self._call.__self__!r}>"  # type: ignore[attr-defined]


class _Collection(_Helpers):
    def __iter__(self) -> Iterator[Any]:
        return iter(self.list())

    def __len__(self) -> int:
        return len(self.list())

    def __contains__(self, item: object) -> bool:
        return item in self.list()


class _Keyed(_Collection):
    """Those whose own ``in`` takes a key, as ``get`` does."""

    def __contains__(self, key: object) -> bool:
        try:
            self.get(key)
        except (NotFound, BadRequest):  # BadRequest: it cannot be a key
            return False
        return True


class _Sequence(_Collection, Sequence[Any]):
    def __getitem__(self, index: Any) -> Any:
        return self.list()[index]


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

    def _helper(self, operation: Operation) -> Callable[..., Any]:
        helper = super()._helper(operation)

        def wrapped(*placed: Any, **named: Any) -> Any:
            if named.get("api_key") is not None:  # then that says whom it concerns
                named.setdefault("account", None)
            result = helper(*placed, **named)
            if isinstance(result, Mapping):
                return RemoteFault(self, result)
            return [RemoteFault(self, it) for it in result] if isinstance(result, list) else result

        return wrapped


def _kind_of_home(owner: type) -> type[_Helpers]:
    """Return the class that does remotely what objects of ``owner`` do without a name."""
    if owner is Faults:
        return _Faults
    if issubclass(owner, Sequence):
        return _Sequence
    if hasattr(owner, "__contains__"):
        return _Keyed
    return _Collection if hasattr(owner, "__iter__") else _Helpers


class RemoteFakeScale(_Helpers):
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
        self._url = f"{parts.scheme}://{parts.netloc}{base}/v1"
        is_https = parts.scheme == "https"
        kind = http.client.HTTPSConnection if is_https else http.client.HTTPConnection
        self._path, self._world = "", {}
        self._connect = functools.partial(kind, parts.hostname, parts.port, timeout=_SECONDS)
        self._base = base
        self._account = account
        self._token = token
        self._turnaround_before: list[dt.timedelta | None] = []  # until it is set
        self._has_stopped_clock = False

    def __repr__(self) -> str:
        return f"<RemoteFakeScale at {self.url}, account {self._account or 'of its own'}>"

    @property
    def url(self) -> str:
        """The base URL for clients, with ``/v1``."""
        return self._url

    @property
    def test(self) -> _Helpers:
        """The test world of the account."""
        return self.world(test=True)

    def account(self, name: str) -> "RemoteFakeScale":
        """Return the same for another account."""
        return RemoteFakeScale(self.url, account=name, token=self._token)

    def world(self, account: str | None = None, *, test: bool = False) -> _Helpers:
        """Return the live or the test world of an account, by default of this one."""
        home = self if account is None else self.account(account)
        return _Helpers(home._call, test=test)

    @property
    def callback_url(self) -> str | None:
        """Where callbacks go by default; that of the live world, but setting it sets both."""
        url: str | None = self.world().callback_url
        return url

    @callback_url.setter
    def callback_url(self, url: str | None) -> None:
        self.world().callback_url = self.test.callback_url = url

    @property
    def turnaround(self) -> dt.timedelta | None:
        """How long live tasks are pending, in all accounts of the server.

        Raises BadRequest where that is a function, and TypeError when it is set to one.
        """
        turnaround: dt.timedelta | None = self._call(_OPERATIONS["turnaround"], {})
        return turnaround

    @turnaround.setter
    def turnaround(self, turnaround: dt.timedelta | None) -> None:
        if callable(turnaround):
            raise TypeError("the turnaround of a remote fake cannot be a function")
        if not self._turnaround_before:
            with contextlib.suppress(BadRequest):  # a function, which cannot be put back
                self._turnaround_before.append(self.turnaround)
        self._call(_OPERATIONS["turnaround"], {VALUE: turnaround})

    def stop_clock(self) -> None:
        """Let the server's clock stand, for all accounts: only ``advance`` moves it."""
        self._has_stopped_clock = True
        self._call(_OPERATIONS["stop_clock"], {})

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
        for exchange in self._call(_OPERATIONS["requests.list"], {}):
            journal._append(exchange)
        return journal

    def _call(self, operation: Operation, arguments: Mapping[str, Any]) -> Any:
        given = dict(arguments)
        if self._account is not None and "account" in operation.arguments:
            given.setdefault("account", self._account)
        return operation.shape.read(self._post(operation.name, json.dumps(given, default=_plain)))

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
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable):
        return list(value)
    raise BadRequest(f"An argument holds a {type(value).__name__}, which is not JSON.")
