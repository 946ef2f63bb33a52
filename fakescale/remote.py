"""The helpers of a fake that runs in another process, called over HTTP.

The file is long because a remote fake is itself one of the `_Helpers`. It finds its tasks,
faults and worlds in the same way as its own helpers.
"""

import contextlib
import datetime as dt
import functools
import http.client
import inspect
import json
import os
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, Self
from urllib.parse import urlsplit

from fakescale.account.labeling import check_turnaround
from fakescale.account.printed import read_json_file
from fakescale.api.app import CONTROL
from fakescale.api.operations import VALUE, Operation, operations
from fakescale.api.shapes import takes_file
from fakescale.fake import FakeScale, Names
from fakescale.traffic.events import Events
from fakescale.traffic.faults import Faults
from fakescale.traffic.journal import Journal
from fakescale.values.errors import ApiError, BadRequest, NotFound, Unauthorized, Unmet
from fakescale.values.keys import check_account
from fakescale.values.named import named
from fakescale.waiting import HIDDEN, in_thread

_SECONDS = 60  # how long the server may be silent, beside the time of a wait
_DAY = 24 * 3600
_PATIENCE = 10  # the default timeout of a wait
_KINDS: dict[int, type[Exception]] = {
    kind.status: kind
    for kind in ApiError.__subclasses__()
    if kind.__module__ == ApiError.__module__ and kind is not Unauthorized
}
_KINDS[Unmet.status] = AssertionError
_OPERATIONS = operations(FakeScale)


class _Helpers:
    """The helpers and properties below a path, for example ``tasks``, by name."""

    _call: Callable[..., Any]

    def __init__(self, call: Callable[..., Any], path: str = "", **world: Any) -> None:
        self._call = call
        self._path = path
        #: The arguments that select a world; empty for a whole fake.
        self._world = world

    def __getattr__(self, name: str) -> Any:
        if name == "until":
            return _twin(self.wait_for)
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
        if name.startswith("_"):  # copying and pickling ask before there is a path
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
        # The signature gives positional arguments their names.
        signature = inspect.Signature(operation.parameters)

        @functools.wraps(operation.helper)
        def helper(*placed: Any, **named: Any) -> Any:
            __tracebackhide__ = HIDDEN
            bound = signature.bind(*placed, **named).arguments
            for name, value in bound.items():
                if isinstance(value, str | os.PathLike) and _takes_file(operation, name):
                    bound[name] = read_json_file(value)  # here, since the path is of this machine
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


def _twin(wait: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Return the form of ``wait_for`` for async code."""

    @functools.wraps(wait)
    async def until(*placed: Any, **named: Any) -> Any:
        __tracebackhide__ = HIDDEN
        return await in_thread(functools.partial(wait, *placed, **named))

    return until


def _takes_file(operation: Operation, name: str) -> bool:
    return name in operation.arguments and takes_file(operation.arguments[name].annotation)


class _Copy(Journal):
    """A copy of a server's journal. Only the server can count by account."""

    def __init__(self, call: Callable[..., Any]) -> None:
        super().__init__()
        self._call = call
        for exchange in call(_OPERATIONS["requests.list"], {}):
            self._append(exchange)
        self.total = self.counted()
        server = _Helpers(call, "requests")
        # They look at the requests that the server has by then.
        self.assert_sent = server.assert_sent  # type: ignore[method-assign]
        self.wait_for = server.wait_for  # type: ignore[method-assign]
        self.until = server.until  # type: ignore[method-assign]

    def counted(self, *, account: str | None = None) -> int:
        chosen = {} if account is None else {"account": account}
        count: int = self._call(_OPERATIONS["requests.counted"], chosen)
        return count


class _Collection(_Helpers):
    def __getitem__(self, index: Any) -> Any:
        return self.list()[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.list())

    def __len__(self) -> int:
        return len(self.list())

    def __contains__(self, item: object) -> bool:
        return item in self.list()


class _Keyed(_Collection):
    """A collection whose own ``in`` takes a key, as ``get`` does."""

    def __contains__(self, key: object) -> bool:
        try:
            self.get(key)
        except (NotFound, BadRequest):  # BadRequest: the key is of a wrong type
            return False
        return True


class _Sequence(_Collection, Sequence[Any]):
    """A collection that also has the methods of a sequence."""


class RemoteFault:
    """A fault of a remote fake.

    In ``with fault: …``, the fault is removed at the end of the block.
    """

    def __init__(self, faults: "_Faults", shown: Mapping[str, Any]) -> None:
        #: The id, which ``faults.remove`` takes.
        self.id: int = shown["id"]
        self._faults = faults
        self._shown = shown

    def to_json(self) -> Mapping[str, Any]:
        """Return the fault as the server shows it, or as last shown if it has been removed."""
        told = (fault._shown for fault in self._faults.list() if fault.id == self.id)
        self._shown = next(told, self._shown)
        return self._shown

    @property
    def hits(self) -> int:
        """The number of requests that the fault has struck."""
        return int(self.to_json()["hits"])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteFault) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.to_json()
        with contextlib.suppress(NotFound):  # the test, or a reset, has removed the fault
            self._faults.remove(self.id)


class _Faults(_Collection):
    """The faults; if the fake names an account, new faults strike only this account."""

    def _helper(self, operation: Operation) -> Callable[..., Any]:
        helper = super()._helper(operation)

        def wrapped(*placed: Any, **named: Any) -> Any:
            if named.get("api_key") is not None:  # the key already says which account
                named.setdefault("account", None)
            result = helper(*placed, **named)
            if isinstance(result, Mapping):
                return RemoteFault(self, result)
            return [RemoteFault(self, it) for it in result] if isinstance(result, list) else result

        return wrapped


class _Events(_Sequence):
    """The events."""

    def __call__(self, **chosen: Any) -> Any:
        return self.list(**chosen)


def _kind_of_home(owner: type) -> type[_Helpers]:
    """Return the class of helpers that has the special methods of ``owner``, like ``__len__``."""
    if owner is Faults:
        return _Faults
    if owner is Events:
        return _Events
    if issubclass(owner, Sequence):
        return _Sequence
    if hasattr(owner, "__contains__"):
        return _Keyed
    return _Collection if hasattr(owner, "__iter__") else _Helpers


class RemoteFakeScale(Names, _Helpers):
    """The helpers of ``FakeScale`` for a fake that another process serves at ``url``.

    It has ``tasks``, ``projects``, ``batches``, ``test``, ``now``, ``advance`` and all other
    operations that ``GET /_fakescale/`` lists. Their names, arguments and results are those of
    ``FakeScale``. Not available remotely: anything that takes a function, ``files.upload``, and
    starting servers.

    ``url`` is the server's address, with or without ``/v1``. ``token`` is the server's control
    token, if it has one.

    ``tasks``, ``projects`` and so on belong to ``account``, by default the server's own account.
    If you give an ``account``, then ``requests``, ``callbacks``, ``reset`` and new faults concern
    only this account. Otherwise they concern all accounts. The clock, ``turnaround``, ``dump`` and
    ``load`` always concern the whole server.

    Raises ValueError for a malformed URL or account name. A call raises the ``ApiError`` that
    ``FakeScale`` would raise, and ConnectionError if no fakescale answers at ``url``.
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
        self._connect = functools.partial(kind, parts.hostname, parts.port)
        self._base = base
        self._account = account
        self._token = token
        self._turnaround_before: list[dt.timedelta | None] = []  # empty until it is set
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
        """Return a ``RemoteFakeScale`` of the same server for the account ``name``."""
        return RemoteFakeScale(self.url, account=name, token=self._token)

    def world(self, account: str | None = None, *, test: bool = False) -> _Helpers:
        """Return the live or the test world of an account, by default of this fake's account."""
        home = self if account is None else self.account(account)
        return _Helpers(home._call, test=test)

    @property
    def callback_url(self) -> str | None:
        """The URL for callbacks of live tasks that have none of their own, or None.

        Setting it sets the URL for test tasks too.
        """
        url: str | None = self.world().callback_url
        return url

    @callback_url.setter
    def callback_url(self, url: str | None) -> None:
        self.world().callback_url = self.test.callback_url = url

    @property
    def turnaround(self) -> dt.timedelta | None:
        """The time that live tasks are pending, in all accounts of the server.

        It is a timedelta, or None for no end. Reading it raises BadRequest if it is a function on
        the server. Setting it to a function raises TypeError.
        """
        turnaround: dt.timedelta | None = self._call(_OPERATIONS["turnaround"], {})
        return turnaround

    @turnaround.setter
    def turnaround(self, turnaround: dt.timedelta | None) -> None:
        if callable(turnaround):
            raise TypeError("the turnaround of a remote fake cannot be a function")
        check_turnaround(turnaround)
        if not self._turnaround_before:
            with contextlib.suppress(BadRequest):  # a function cannot be put back
                self._turnaround_before.append(self.turnaround)
        self._call(_OPERATIONS["turnaround"], {VALUE: turnaround})

    def stop_clock(self) -> None:
        """Stop the server's clock for all accounts: from now on, only ``advance`` moves it."""
        self._has_stopped_clock = True
        self._call(_OPERATIONS["stop_clock"], {})

    def _skip(self, seconds: float) -> None:
        """Move the clock on; a call to the server has no way to do less than ``advance``."""
        self.advance(seconds=seconds)

    def put_back(self) -> None:
        """Undo the changes that other accounts notice: ``turnaround`` and ``stop_clock``.

        Starts the clock again if this object stopped it. Restores the turnaround from before
        this object first set it.
        """
        if self._has_stopped_clock:
            self._has_stopped_clock = False
            self.start_clock()
        if self._turnaround_before:
            self.turnaround = self._turnaround_before.pop()
            self._turnaround_before.clear()

    @property
    def labeler(self) -> NoReturn:
        """Not available remotely: a labeler is a function, so access raises TypeError."""
        raise TypeError("a remote fake has no labeler: a function works only in its own process")

    @labeler.setter
    def labeler(self, labeler: Any) -> None:
        _ = self.labeler

    @property
    def requests(self) -> Journal:
        """A copy of the server's journal, or of the account's part if the fake names an account."""
        return _Copy(self._call)

    def _call(self, operation: Operation, arguments: Mapping[str, Any]) -> Any:
        __tracebackhide__ = HIDDEN
        given = dict(arguments)
        if self._account is not None and "account" in operation.arguments:
            given.setdefault("account", self._account)
        waits = given.get("timeout", _PATIENCE) if "timeout" in operation.arguments else 0
        body = json.dumps(given, default=_plain)
        seconds = _SECONDS + (min(waits, _DAY) if isinstance(waits, int | float) else 0)
        return operation.shape.read(self._post(operation.name, body, seconds))

    def _post(self, name: str, body: str, seconds: float = _SECONDS) -> Any:
        __tracebackhide__ = HIDDEN
        headers = {"Content-Type": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}".encode().decode("latin-1")
        # Calls may come from any thread, so each has its own connection.
        connection = self._connect(timeout=seconds)
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
    """Return the JSON form of a value that ``json`` cannot write; the server reads it back.

    A record and a member of an enum have the form of the text that they stand for. Raises
    BadRequest if the value has no such form.
    """
    text = named(value)
    if text is not value:
        return text
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable):
        return list(value)
    raise BadRequest(f"An argument holds a {type(value).__name__}, which is not JSON.")
