"""The fake itself: the WSGI application, the state and the helpers in one object.

The file is over 300 lines because one class has all helpers of a test.
"""

import datetime as dt
import functools
import itertools
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypedDict

from fakescale.account import labeling, task
from fakescale.account.labeling import Labeler, Turnaround, acting, check_turnaround
from fakescale.account.listing import PAGE
from fakescale.account.printed import JsonFile, printed_tasks, read_json_file
from fakescale.account.responses import NOWHERE
from fakescale.account.world import Account, LiveView, World
from fakescale.api.access import Access
from fakescale.api.app import application
from fakescale.api.near_misses import Explained, explained, nearest
from fakescale.api.page import PAGE as PAGE_PATH
from fakescale.api.request import Request
from fakescale.api.summary import Summary, WorldSize, summary, world_sizes
from fakescale.server import limits as limits_
from fakescale.state import State
from fakescale.traffic.delivery import Carrier
from fakescale.traffic.events import Events
from fakescale.traffic.faults import Faults
from fakescale.traffic.journal import Journal
from fakescale.traffic.outbox import Outbox
from fakescale.values import errors
from fakescale.values.answer import Answer
from fakescale.values.blocks import Block, block
from fakescale.values.frozen import MAX_WRAPPED_DEPTH
from fakescale.values.hosts import read_host
from fakescale.values.ids import TaskIds
from fakescale.values.keys import check_account, read_key
from fakescale.values.schemas import frozen_json

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from fakescale.server.adapter import Adapter, Retry
    from fakescale.server.certificates import Authority


#: The fakes with an open ``running`` block, by their ``id()``.
RUNNING: dict[int, "FakeScale"] = {}


class Names:
    """Public names of the package, within reach of a test whose fixture hides the package."""

    #: The error of every call that the API refuses.
    ApiError = errors.ApiError
    #: The error for a bad parameter.
    BadRequest = errors.BadRequest
    #: The error for an unknown id, name or type.
    NotFound = errors.NotFound
    #: The error for a name that is in use.
    Conflict = errors.Conflict
    #: The error for a type that is not enabled.
    PaymentRequired = errors.PaymentRequired
    #: The limits of a server.
    Limits = limits_.Limits
    #: The status of a task.
    Status = task.Status
    #: A task.
    Task = task.Task
    #: Raise it in a labeler to fail the task on purpose.
    TaskFailure = labeling.TaskFailure

    @staticmethod
    def without_backoff() -> Block[None]:
        """Return ``fakescale.without_backoff()``: in its ``with`` block, retries do not wait."""
        import fakescale

        return fakescale.without_backoff()

    def sleeping(self) -> Block[None]:
        """Return ``fakescale.sleeping(self)``: in its ``with`` block, sleeps move the clock."""
        import fakescale

        return fakescale.sleeping(self)  # type: ignore[arg-type]

    @staticmethod
    def draw(
        task: task.Task,
        *,
        frame: int = 0,
        without: Iterable[str] = (),
        size: tuple[float, float] | None = None,
    ) -> str:
        """Return ``fakescale.draw(task, …)``: a picture of the response, an SVG document."""
        import fakescale

        return fakescale.draw(task, frame=frame, without=without, size=size)

    @staticmethod
    def after_looks(number: int) -> labeling.AfterLooks:
        """Return ``fakescale.after_looks(number)``: a turnaround that counts looks."""
        return labeling.after_looks(number)


class Options(TypedDict, total=False):
    """The arguments of `FakeScale`, which says what each of them means."""

    #: Determines the made-up responses and the ids.
    seed: str | int | None
    #: The only keys that the fake accepts.
    api_keys: Iterable[str]
    #: The name of the fake's own account.
    account: str
    #: The turnaround that the fake begins with.
    complete_after: Turnaround
    #: The limits of what a client may send.
    limits: limits_.Limits
    #: Hosts that receive callbacks besides loopback.
    callback_hosts: Iterable[str]
    #: Names that a Host header may hold.
    allow_hosts: Iterable[str]
    #: Whether result files need an API key.
    secure_result_urls: bool
    #: The token of control calls.
    control_token: str | None


class FakeScale(Names, LiveView):
    """A fake of Scale AI's task API, in memory: a WSGI application with helpers for tests.

    The fake has one account of its own: ``tasks`` are its live tasks, and ``test.tasks`` its
    test tasks. Any other account is made when it is first used. ``serve()`` puts the fake
    behind a URL. You can call everything from any thread.

    ``seed`` determines the made-up responses and the last 16 digits of the ids.

    ``api_keys`` are the only keys that the fake accepts; without any, it accepts every
    well-formed key. The first key names the fake's own account; without keys, ``account``
    names it.

    ``complete_after`` is the ``turnaround`` that the fake begins with.

    ``limits`` bound what a client may send.

    ``callback_hosts`` are hosts, without ports, that receive callbacks besides loopback. While
    the fake listens on an address beyond loopback, loopback receives callbacks only if it is one
    of them, for example as ``localhost``.

    ``allow_hosts`` are names that a Host header may hold, besides loopback names and the host
    that the fake listens on.

    ``secure_result_urls`` says whether result files need an API key; by default, anyone may fetch
    them.

    ``control_token``, if given, is the bearer token that every control call over HTTP needs.
    Without a token, control over HTTP works only on loopback.

    Raises ValueError for a malformed key, host or account name, an empty control token, and a
    negative ``complete_after``. Raises TypeError for an argument of a wrong type.
    """

    def __init__(
        self,
        *,
        seed: str | int | None = None,
        api_keys: Iterable[str] = (),
        account: str = "fakescale",
        complete_after: Turnaround = None,
        limits: limits_.Limits = limits_.DEFAULTS,
        callback_hosts: Iterable[str] = (),
        allow_hosts: Iterable[str] = (),
        secure_result_urls: bool = False,
        control_token: str | None = None,
    ) -> None:
        several = {
            "api_keys": api_keys,
            "callback_hosts": callback_hosts,
            "allow_hosts": allow_hosts,
        }
        for name, value in several.items():
            if isinstance(value, str | bytes) or not isinstance(value, Iterable):
                raise TypeError(f"{name} must be several texts, for example a list, not {value!r}")
        if not isinstance(limits, limits_.Limits):
            raise TypeError(f"limits must be a Limits, not {limits!r}")
        check_turnaround(complete_after)
        keys = tuple(api_keys)
        self._account = read_key(keys[0]).account if keys else account
        check_account(self._account)
        self.limits = limits
        self._access = Access(frozenset(allow_hosts), control_token, secure_result_urls)
        # A reset keeps this `TaskIds`: an id from before it must not lead to a task from after.
        # It keeps the numbers of events too, so that `after` means the same.
        self._new_state = functools.partial(
            State,
            TaskIds(seed),
            keys,
            complete_after,
            lambda: self.origin or NOWHERE,
            Carrier,
            frozenset(map(read_host, callback_hosts)),
            itertools.count(1),
        )
        self._state = self._new_state()
        self._running = 0  # the number of open `running` blocks
        self._replacing = threading.Lock()  # guards the state and the number of blocks
        #: The origin that ``serve()`` serves the fake at, for example ``http://127.0.0.1:8675``;
        #: None while the fake is not served.
        self.origin: str | None = None

    def __repr__(self) -> str:
        return f"<FakeScale at {self.origin or 'no address'}, {len(self.tasks)} tasks>"

    # For a test to look at.

    @property
    def url(self) -> str:
        """The base URL for clients, with ``/v1``.

        While the fake is not served, its host does not exist.
        """
        return f"{self.origin or NOWHERE}/v1"

    @property
    def ui(self) -> str:
        """The address of the web page that shows the fake; open it in a browser."""
        return f"{self.origin or NOWHERE}{PAGE_PATH}"

    def summary(
        self, since: int = 0, *, account: str | None = None, test: bool = False
    ) -> Summary | None:
        """Return the numbers of a world, by default the live world of the fake's own account.

        The time that it takes does not depend on the number of tasks, so you can poll it.
        Returns None if ``since`` is the number of the latest event.
        """
        world = self.world(account, test=test)
        world._run_due()
        return None if 0 < self.events.total == since else summary(self._state, world)

    def worlds(self) -> list[WorldSize]:
        """Return the number of tasks of each world, in the order of the accounts."""
        return world_sizes(self._state)

    def next_due(self) -> dt.datetime | None:
        """Return the time at which a labeler or a callback is due next, or None.

        ``advance`` to that time makes it happen.
        """
        return self._state.next_due()

    def nearest(self, method: str, path: str) -> str:
        """Return the route most like a request, for example ``GET /v1/task/<task_id>``.

        It is the route itself if the request fits it.
        """
        found = nearest(method.upper(), path)
        return f"{found.method} {found.path}"

    def explain(self, number: int) -> Explained:
        """Return an explanation of the request with this event number.

        It names the route or the nearest one, the refused member, the source of the text, and the
        members that the endpoint does not know. Raises NotFound if the log holds no request with
        that number.
        """
        for event in self.events.list(after=number - 1, before=number + 1, kind="request"):
            if event.exchange is not None:
                return explained(event.exchange)
        raise errors.NotFound(f"There is no request {number} in the log.")

    @property
    def _live(self) -> World:
        return self.world()

    @property
    def test(self) -> World:
        """The test world of the fake's own account."""
        return self.world(test=True)

    def account(self, name: str) -> Account:
        """Return the account ``name``, which the keys ``live_NAME`` and ``test_NAME`` lead to.

        Raises ValueError for a name whose keys would lead elsewhere: an empty name, one with a
        colon, and one that ends with ``|test``.
        """
        check_account(name)
        return self._state.account(name)

    def accounts(self) -> list[str]:
        """Return the names of all accounts, in the order in which they were first used."""
        return self._state.names()

    def world(self, account: str | None = None, *, test: bool = False) -> World:
        """Return the live or the test world of an account, by default the fake's own account.

        Raises ValueError for a name that ``account`` refuses.
        """
        return self.account(self._account if account is None else account).world(is_test=test)

    @property
    def requests(self) -> Journal:
        """The journal: the latest requests to the API with their answers, oldest first."""
        return self._state.journal

    @property
    def events(self) -> Events:
        """The events: everything that happened in the fake, oldest first."""
        return self._state.events

    @property
    def callbacks(self) -> Outbox:
        """The callbacks, oldest first: those still owed, those sent, and those never sent."""
        return self._state.outbox

    # The work on live tasks.

    @property
    def labeler(self) -> Labeler:
        """The function that labels a pending live task when its turnaround is over.

        The fake calls the labeler with the task. The labeler returns the response, returns None
        to leave the task pending, or raises an exception to fail the task. The default labeler
        makes up a response of the task's type.

        A labeler may call the API and look at the state. It must not move the clock, deliver
        callbacks, reset or load. Raises TypeError for anything but a function.
        """
        return self._state.labeling.labeler

    @labeler.setter
    def labeler(self, labeler: Labeler) -> None:
        if not callable(labeler):
            raise TypeError(f"a labeler must be a function that takes a task, not {labeler!r}")
        self._state.labeling.labeler = labeler

    def _begin_with(self, labeler: Labeler) -> None:
        """Use a labeler from now on, also after each reset."""
        self._new_state = functools.partial(self._new_state, labeler=labeler)
        self.labeler = labeler

    @property
    def turnaround(self) -> Turnaround:
        """The time that a live task is pending before the labeler gets it, on the fake's clock.

        It is a timedelta, None for no end, or a function that takes the task and returns one of
        these. With ``after_looks(3)``, it ends when a client looks at the task for the third
        time. The default is the ``complete_after`` of the fake.

        Setting it also changes when tasks that are already pending are due. Raises ValueError
        for a negative timedelta, and one over 100 years. Raises TypeError for anything else, for
        example a number.
        """
        return self._state.labeling.turnaround

    @turnaround.setter
    def turnaround(self, turnaround: Turnaround) -> None:
        self._state.labeling.turnaround = turnaround
        for world in self._state.live_worlds():
            world.tasks._reschedule()

    # For a test to change.

    @property
    def faults(self) -> Faults:
        """The faults: failures of requests to the API that a test adds on purpose."""
        return self._state.faults

    def now(self) -> dt.datetime:
        """Return the present moment of the fake's clock, in UTC."""
        return self._state.clock.now()

    def advance(
        self,
        by: dt.timedelta | None = None,
        *,
        weeks: float = 0,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        milliseconds: float = 0,
        microseconds: float = 0,
    ) -> None:
        """Move the fake's clock forward, by a timedelta or by keyword, or by both together.

        Completions and callbacks that become due on the way happen, each at its own moment.
        Raises ValueError for a time that goes back. Raises OverflowError, and moves nothing, if
        the clock would leave the calendar.
        """
        if by is not None and not isinstance(by, dt.timedelta):
            raise TypeError(f"advance() takes a timedelta, or keywords like hours=1, not {by!r}")
        named = dt.timedelta(days, seconds, microseconds, milliseconds, minutes, hours, weeks)
        distance = named if by is None else by + named
        if distance < dt.timedelta():
            raise ValueError(f"the fake's clock cannot go back (got {distance!r})")
        self._state.advance(distance)

    def stop_clock(self) -> None:
        """Stop the fake's clock: from now on, only ``advance`` moves it.

        The clock stands until ``start_clock``, a reset of everything, or the load of a dump.
        """
        self._state.stop_clock()

    def start_clock(self) -> None:
        """Start a stopped clock again; it catches up at once with the time that has passed."""
        self._state.start_clock()

    def _skip(self, seconds: float) -> None:
        """Move the clock on, without waiting for due work, since a labeler may call this."""
        self._state.skip(dt.timedelta(seconds=seconds))

    def reset(self, account: str | None = None) -> None:
        """Forget everything, or all that belongs to one account.

        Without ``account``, forgets all accounts, requests, events, callbacks, saved answers and
        faults. The clock shows real time again, and ``labeler`` and ``turnaround`` are as at the
        start.

        With ``account``, forgets the account, its requests, events, callbacks, saved answers and
        faults. Other accounts stay as they are.
        """
        if account is None:
            state = self._new_state()
            state.events._note("state reset")
            self._replace(state)
        else:
            self._state.forget(account)

    def dump(self) -> dict[str, Any]:
        """Return the state as JSON-able data, for ``load``.

        The dump leaves out the journal, the events, the faults, the labeler and the seed.
        """
        return self._state.dump()

    def load(self, data: Mapping[str, Any] | Sequence[Any] | JsonFile) -> None:
        """Load a dump, which replaces the state, or add tasks that the API printed.

        ``data`` is the result of ``dump``, an array of tasks, or a page of tasks; or the path of
        a JSON file that holds one of them. The tasks are added to the live tasks of the fake's
        own account.

        Raises BadRequest for any other data, Conflict if an id or unique_id is in use, and
        OSError if a file cannot be read. Then nothing has changed.
        """
        if isinstance(data, str | os.PathLike):
            self._load(read_json_file(data))
        else:
            self._load(frozen_json("data", data, MAX_WRAPPED_DEPTH))

    def _load(self, data: Any) -> None:
        """Do as ``load``, with data that was read from JSON."""
        if not isinstance(data, Mapping) or "docs" in data:
            self.tasks._load(printed_tasks(data), is_json=True)
            return
        state = self._new_state()
        state.labeling.labeler, state.labeling.turnaround = self.labeler, self.turnaround
        state.restore(data)
        state.events._note("state loaded")
        self._replace(state)

    @block
    def serve(
        self, *, host: str = "127.0.0.1", port: int = 0, authority: "Authority | None" = None
    ) -> Iterator[Self]:
        """Serve the fake on a thread during a ``with`` block, which gets the fake.

        Port 0 picks a free port. With an ``authority``, ``url`` begins with ``https``, and
        clients must trust the authority's certificate; the same port serves http too.

        Raises OSError if the fake cannot listen on the address, and RuntimeError if the fake is
        already served.
        """
        from fakescale.server.server import serving

        if self.origin is not None:
            raise RuntimeError(f"the fake is being served already, at {self.origin}")
        served = serving(self, host, port, self.limits, authority=authority)
        with self.running(), served as origin:
            self.origin = origin
            try:
                yield self
            finally:
                self.origin = None

    @block
    def proxy(self, *, authority: "Authority | None" = None) -> Iterator[dict[str, str]]:
        """Stand in for https://api.scale.com in other processes during a ``with`` block.

        The block gets a dict of environment variables. Start a process with them, and its
        requests to https://api.scale.com reach the fake through a proxy on loopback.

        The fake need not be served. ``authority`` issues the certificate; by default, the proxy
        makes an authority of its own. Raises ImportError without the extra ``redirect``.
        """
        from fakescale.server.proxy import proxying

        with self.running(), proxying(self, authority, self.limits) as environment:
            yield environment

    def adapter(self, *, max_retries: "int | Retry" = 0) -> "Adapter":
        """Return an adapter for ``requests`` that calls the fake in place, without a socket.

        Mount it on a session: ``session.mount("https://api.scale.com", fake.adapter())``. Faults
        raise the errors that ``requests`` raises for a server. ``max_retries`` is as for
        ``requests.adapters.HTTPAdapter``.

        Raises ImportError without ``requests``.
        """
        from fakescale.server.adapter import Adapter

        return Adapter(self, max_retries)

    @block
    def running(self) -> Iterator[Self]:
        """Complete tasks and retry callbacks in the background during a ``with`` block.

        Outside of such a block, due completions wait until you look at the state, and due
        retries wait until you call ``callbacks.deliver``. Use the block for a fake behind
        another server; ``serve()`` opens it by itself.
        """
        with self._replacing:
            self._running += 1
            RUNNING[id(self)] = self
            self._state.begin()
        try:
            yield self
        finally:
            with self._replacing:
                self._running -= 1
                last = None if self._running else self._state
                if last is not None:
                    del RUNNING[id(self)]
            if last is not None:
                last.stop()

    def _replace(self, state: State) -> None:
        with self._replacing:
            before, self._state = self._state, state
            if self._running:
                state.begin()
        before.stop(for_good=True)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a request (WSGI)."""
        token = acting.set("client")
        try:
            return application(
                self._state,
                environ,
                start_response,
                access=self._access,
                control=self._control,
                max_body=self.limits.max_body,
            )
        finally:
            acting.reset(token)

    def _is_quick(self, environ: "WSGIEnvironment") -> bool:
        """Return whether the fake answers a request at once, so that it needs no thread.

        A control call may take long, and so may a filter over very many tasks. Any request may
        take long while a user's function takes part, or a fault may delay it.
        """
        target = environ["REQUEST_URI"]
        return (
            self._state.labeling.is_own
            and not self._state.faults._may_take_long()
            and "_fakescale" not in target
            and not (self._state.holds_many() and _has_filter(target.partition("?")[2]))
        )

    def _control(self, request: Request, name: str) -> Answer:
        from fakescale.api.control import respond

        return respond(self, request, name)


def _has_filter(query: str) -> bool:
    """Return whether a query may have a filter that goes through all tasks."""
    given = {name: text for name, _, text in (it.partition("=") for it in query.split("&") if it)}
    return not (given.keys() <= PAGE.keys() or given.get("unique_id"))  # that one has an index
