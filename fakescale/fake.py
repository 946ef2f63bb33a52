"""The fake itself: the WSGI application, the state and the helpers in one object.

The file is over 300 lines because one class has all helpers of a test.
"""

import contextlib
import datetime as dt
import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from fakescale.account.labeling import Labeler, Turnaround, in_request
from fakescale.account.listing import PAGE
from fakescale.account.printed import printed_tasks
from fakescale.account.responses import NOWHERE
from fakescale.account.world import Account, LiveView, World
from fakescale.api.access import Access
from fakescale.api.app import application
from fakescale.api.request import Request
from fakescale.server.limits import DEFAULTS, Limits
from fakescale.state import State
from fakescale.traffic.delivery import Carrier
from fakescale.traffic.faults import Faults
from fakescale.traffic.journal import Journal
from fakescale.traffic.outbox import Outbox
from fakescale.values.answer import Answer
from fakescale.values.hosts import read_host
from fakescale.values.ids import TaskIds
from fakescale.values.keys import check_account, read_key

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from fakescale.server.certificates import Authority


class FakeScale(LiveView):
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
    negative ``complete_after``.
    """

    def __init__(
        self,
        *,
        seed: str | int | None = None,
        api_keys: Iterable[str] = (),
        account: str = "fakescale",
        complete_after: dt.timedelta | None = None,
        limits: Limits = DEFAULTS,
        callback_hosts: Iterable[str] = (),
        allow_hosts: Iterable[str] = (),
        secure_result_urls: bool = False,
        control_token: str | None = None,
    ) -> None:
        keys = tuple(api_keys)
        self._account = read_key(keys[0]).account if keys else account
        check_account(self._account)
        self.limits = limits
        self._access = Access(frozenset(allow_hosts), control_token, secure_result_urls)
        # A reset keeps this `TaskIds`: an id from before it must not lead to a task from after.
        self._new_state = functools.partial(
            State,
            TaskIds(seed),
            keys,
            complete_after,
            lambda: self.origin or NOWHERE,
            Carrier,
            frozenset(map(read_host, callback_hosts)),
        )
        self._state = self._new_state()
        self._running = 0  # the number of open `running` blocks
        #: The origin that ``serve()`` serves the fake at, for example ``http://127.0.0.1:8675``;
        #: None while the fake is not served.
        self.origin: str | None = None

    def __repr__(self) -> str:
        return f"<FakeScale at {self.origin or 'no address'}, {len(self.tasks)} tasks>"

    # For a test to look at.

    @property
    def url(self) -> str:
        """The base URL for clients, with ``/v1``; a placeholder while the fake is not served."""
        return f"{self.origin or NOWHERE}/v1"

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
        callbacks, reset or load.
        """
        return self._state.labeling.labeler

    @labeler.setter
    def labeler(self, labeler: Labeler) -> None:
        self._state.labeling.labeler = labeler

    @property
    def turnaround(self) -> Turnaround:
        """The time that a live task is pending before the labeler gets it, on the fake's clock.

        It is a timedelta, None for no end, or a function that takes the task and returns one of
        these. The default is the ``complete_after`` of the fake.

        Setting it also changes when tasks that are already pending are due. Raises ValueError
        for a negative timedelta, and one over 100 years.
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

    def advance(self, **by: float) -> None:
        """Move the fake's clock forward, by the keyword arguments of ``datetime.timedelta``.

        Completions and callbacks that become due on the way happen, each at its own moment.
        Raises OverflowError, and moves nothing, if the clock would leave the calendar.
        """
        self._state.advance(dt.timedelta(**by))

    def stop_clock(self) -> None:
        """Stop the fake's clock: from now on, only ``advance`` moves it.

        The clock stands until ``start_clock``, a reset of everything, or the load of a dump.
        """
        self._state.clock.stop()

    def start_clock(self) -> None:
        """Start a stopped clock again; it catches up at once on the time for which it stood."""
        self._state.start_clock()

    def reset(self, account: str | None = None) -> None:
        """Forget everything, or all that belongs to one account.

        Without ``account``, forgets all accounts, requests, callbacks, saved answers and faults.
        The clock shows real time again, and ``labeler`` and ``turnaround`` are as at the start.

        With ``account``, forgets the account, its requests, callbacks, saved answers and faults.
        Other accounts stay as they are.
        """
        if account is None:
            self._replace(self._new_state())
        else:
            self._state.forget(account)

    def dump(self) -> dict[str, Any]:
        """Return the state as JSON-able data, for ``load``.

        The dump leaves out the journal, the faults, the labeler and the seed.
        """
        return self._state.dump()

    def load(self, data: Any) -> None:
        """Load a dump, which replaces the state, or add tasks that the API printed.

        ``data`` is the result of ``dump``, an array of tasks, or a page of tasks. The tasks are
        added to the live tasks of the fake's own account.

        Raises BadRequest for any other data, and Conflict if an id or unique_id is in use. Then
        nothing has changed.
        """
        if not isinstance(data, Mapping) or "docs" in data:
            self.tasks.load(printed_tasks(data))
            return
        state = self._new_state()
        state.labeling.labeler, state.labeling.turnaround = self.labeler, self.turnaround
        state.restore(data)
        self._replace(state)

    @contextlib.contextmanager
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

    @contextlib.contextmanager
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

    @contextlib.contextmanager
    def running(self) -> Iterator[Self]:
        """Complete tasks and retry callbacks in the background during a ``with`` block.

        Outside of such a block, due completions wait until you look at the state, and due
        retries wait until you call ``callbacks.deliver``. Use the block for a fake behind
        another server; ``serve()`` opens it by itself.
        """
        self._running += 1
        self._state.begin()
        try:
            yield self
        finally:
            self._running -= 1
            if not self._running:
                self._state.stop()

    def _replace(self, state: State) -> None:
        before, self._state = self._state, state
        before.stop(for_good=True)
        if self._running:
            state.begin()

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a request (WSGI)."""
        token = in_request.set(True)
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
            in_request.reset(token)

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
    """Return whether a query may hold more than the parameters of a page."""
    return not {part.partition("=")[0] for part in query.split("&") if part} <= PAGE.keys()
