"""The fake itself: the WSGI application, the state and the helpers in one object.

The file is over 300 lines: one class has all helpers of a test, each with its docstring.
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
    """A fake of Scale AI's task API, in memory: a WSGI application, and what steers it.

    It has one account of its own, whose live tasks are ``tasks`` and whose test tasks are
    ``test.tasks``; any other appears when it is first used. ``serve()`` puts it behind a
    URL. Everything is safe to call from any thread.

    ``seed`` determines the last 16 digits of the ids and the made-up responses. ``api_keys``,
    if any, are the only keys that are accepted, and the first names the fake's own account.
    ``account`` names it otherwise. ``complete_after`` is the first ``turnaround``.
    ``limits`` say what it takes of a client. ``callback_hosts`` are those
    that callbacks are sent to besides loopback. ``allow_hosts`` are names that
    a Host header may hold beside those of the loopback and the one it is served at;
    ``control_token`` is what control calls over HTTP then need. Raises ValueError for a key,
    a host or an account's name that is none.
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
        control_token: str | None = None,
    ) -> None:
        keys = tuple(api_keys)
        self._account = read_key(keys[0]).account if keys else account
        check_account(self._account)
        self.limits = limits
        self._access = Access(frozenset(allow_hosts), control_token)
        # The ids go on after a reset: one from before must not lead to a task from after.
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
        self._running = 0  # how many blocks are open
        #: Where it is served, if it is; ``serve`` sets it.
        self.origin: str | None = None

    def __repr__(self) -> str:
        return f"<FakeScale at {self.origin or 'no address'}, {len(self.tasks)} tasks>"

    # What a test looks at.

    @property
    def url(self) -> str:
        """The base URL for clients, with ``/v1``; a stand-in while it is not served."""
        return f"{self.origin or NOWHERE}/v1"

    @property
    def _live(self) -> World:
        return self.world()

    @property
    def test(self) -> World:
        """The test world of the fake's own account."""
        return self.world(test=True)

    def account(self, name: str) -> Account:
        """Return another account, which keys like ``live_NAME`` lead to.

        Raises ValueError where they would not: for ``""``, and names with ``:`` or ``|test``.
        """
        check_account(name)
        return self._state.account(name)

    def world(self, account: str | None = None, *, test: bool = False) -> World:
        """Return the live or the test world of an account, by default of the fake's own."""
        return self.account(self._account if account is None else account).world(is_test=test)

    @property
    def requests(self) -> Journal:
        """The journal: the latest exchanges with the API, oldest first."""
        return self._state.journal

    @property
    def callbacks(self) -> Outbox:
        """All callbacks, oldest first: owed, sent, and those that will never be."""
        return self._state.outbox

    # Who works on the live tasks.

    @property
    def labeler(self) -> Labeler:
        """What is given each pending live task when its turnaround is over.

        It returns the response, None to leave the task, or raises to fail it. It may call the
        API, and what looks at the state, but must not move the clock, deliver callbacks,
        reset or load. By default it makes up a response of the type.
        """
        return self._state.labeling.labeler

    @labeler.setter
    def labeler(self, labeler: Labeler) -> None:
        self._state.labeling.labeler = labeler

    @property
    def turnaround(self) -> Turnaround:
        """How long a live task is pending before the labeler is asked, on the fake's clock.

        A timedelta, or a callable that is given the task and returns one; None, the default
        unless there was a ``complete_after``, is for ever. Setting it concerns tasks that
        are pending already, too. Raises ValueError for a negative one.
        """
        return self._state.labeling.turnaround

    @turnaround.setter
    def turnaround(self, turnaround: Turnaround) -> None:
        self._state.labeling.turnaround = turnaround
        for world in self._state.live_worlds():
            world.tasks._reschedule()

    # What a test does to it.

    @property
    def faults(self) -> Faults:
        """What goes wrong, on purpose, with requests to the API."""
        return self._state.faults

    def now(self) -> dt.datetime:
        """Return the present moment of the fake's clock, in UTC."""
        return self._state.clock.now()

    def advance(self, **by: float) -> None:
        """Move the fake's clock on, by keyword arguments of ``datetime.timedelta``.

        What becomes due on the way happens, each at its moment, callbacks included. Raises
        OverflowError, and moves nothing, when that leaves the calendar.
        """
        self._state.advance(dt.timedelta(**by))

    def stop_clock(self) -> None:
        """Let the fake's clock stand: from now on only ``advance`` moves it.

        Until ``start_clock``, or a reset or load of everything.
        """
        self._state.clock.stop()

    def start_clock(self) -> None:
        """Let the fake's clock go again, with the time that it stood made good at once."""
        self._state.start_clock()

    def reset(self, account: str | None = None) -> None:
        """Forget all accounts, requests, saved answers and faults, and the time moved.

        Or else what belongs to one account, so that others can go on with theirs.
        """
        if account is None:
            self._replace(self._new_state())
        else:
            self._state.forget(account)

    def dump(self) -> dict[str, Any]:
        """Return the whole state as JSON-able data.

        But for the journal, the faults, the labeler and the seed.
        """
        return self._state.dump()

    def load(self, data: Any) -> None:
        """Take over a dump, in place of all that was; or add tasks that the API printed.

        The latter, an array or a page, go to the live tasks of the fake's own account.
        Raises BadRequest, having changed nothing, when it is neither.
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
        """Serve the fake on a thread for the length of a ``with`` block, which gets the fake.

        Port 0 picks a free one. With an ``authority``, whose certificate the client must
        trust, ``url`` is one of https; the same port serves http as well. Raises OSError when
        the address cannot be had, RuntimeError when the fake is being served already.
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
        """Be https://api.scale.com for processes that are started within a ``with`` block.

        It gets the environment variables that they need; see ``proxy.environment``. Served or
        not, the fake is behind a proxy on loopback then, with the ``authority`` or one of its
        own. Raises ImportError without the extra ``redirect``.
        """
        from fakescale.server.proxy import proxying

        with self.running(), proxying(self, authority, self.limits) as environment:
            yield environment

    @contextlib.contextmanager
    def running(self) -> Iterator[Self]:
        """Let things happen by themselves when their time comes, for a ``with`` block.

        That is, labelers' completions, and further tries of callbacks; else they wait until
        someone looks, or delivers. For fakes behind another server; ``serve()`` does it too.
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
        """Return whether a request is answered at once, so that a server needs no thread for it.

        A control call is not, nor a filter over very many tasks, nor anything while functions
        of the user's take part, or faults delay.
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
    """Return whether a query may hold more than the page that is asked for."""
    return not {part.partition("=")[0] for part in query.split("&") if part} <= PAGE.keys()
