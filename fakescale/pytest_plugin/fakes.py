"""The fakes of a run of pytest, and their events in the current test."""

import contextlib
import functools
import itertools
import os
import random
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Unpack
from urllib.parse import urlsplit

from fakescale.values.blocks import block

if TYPE_CHECKING:
    from fakescale.fake import FakeScale, Options
    from fakescale.redirection import Redirection
    from fakescale.remote import RemoteFakeScale
    from fakescale.traffic.events import Event


class Fakes:
    """The fakes of a run, and their events in the current test.

    ``defaults`` are arguments of each FakeScale that is made. With ``allow_real``, this process
    can reach the real API while a fake is up. With ``keep_one``, api.scale.com leads to the same
    fake in all tests. A report has at most ``max_lines``.
    """

    def __init__(
        self,
        seed: str | None,
        defaults: "Options",
        *,
        allow_real: bool,
        keep_one: bool,
        max_lines: int,
    ) -> None:
        self._allow_real, self._keep_one = allow_real, keep_one
        self._defaults, self._max_lines = defaults, max_lines
        self.seed = seed or str(random.SystemRandom().randrange(10**9))
        self._open: dict[str, _Watched] = {}  # the open fakes by name
        self._used = False
        self._url: str | None = None  # of the server that the current test used
        # Those that the current test has closed, with a function that returns their events.
        self._closed: deque[tuple[str | None, Callable[[], list[Event]]]] = deque(maxlen=100)
        # With --fakescale-redirect: the redirection, the fake that api.scale.com currently leads
        # to, and the stack that ends this.
        self._is_redirected = False
        self._redirection: Redirection
        self._present: FakeScale | None = None
        self._until_next = contextlib.ExitStack()
        self._has_loop = self._is_patched = False
        #: A stack that is closed at the end of the run.
        self.after = contextlib.ExitStack()

    @contextlib.contextmanager
    def redirect(self) -> Iterator[None]:
        """Let api.scale.com lead to a fake during a ``with`` block: to a new one in each test."""
        from fakescale.redirection import redirecting

        with self._until_next, redirecting(self._presented) as self._redirection:
            self._is_redirected = True
            yield

    def _presented(self) -> "FakeScale":
        """Return the fake that api.scale.com leads to; none is made before it is needed."""
        origin = self._redirection.origin  # the server asks for the fake when it starts
        name = "run" if self._keep_one else "collection"
        return self._present or self._renew(origin, name)

    def _renew(self, origin: str, name: str, **options: "Unpack[Options]") -> "FakeScale":
        from fakescale.redirection import standing_in

        self._until_next.close()
        fake = self._until_next.enter_context(self.make(name=name, served=False, **options))
        self._until_next.enter_context(standing_in(fake, origin))
        self._present = fake
        return fake

    def begin(self, name: str, **options: "Unpack[Options]") -> None:
        """Begin a test: its report holds only events from now on.

        ``options`` are arguments of the fake that api.scale.com leads to.
        """
        if self._is_redirected:
            self.renew_patches()
            if self._keep_one:
                self._presented()  # now, or a forked process could make another one
            else:
                self._renew(self._redirection.origin, name, **options)
        self._used = False
        self._url = None
        for opened in self._open.values():
            with contextlib.suppress(OSError):  # the server of a borrowed account is gone
                opened.begin()
        self._closed.clear()

    @contextlib.contextmanager
    def lend(self, name: str, **options: "Unpack[Options]") -> Iterator["FakeScale"]:
        """Yield the fake that api.scale.com leads to, or a new one if the run is not redirected.

        ``options`` are arguments of a new one.
        """
        from fakescale.redirection.proxies import no_proxy

        if self._is_redirected:
            self._used = True
            with no_proxy("127.0.0.1"):
                yield self._presented()
        else:
            with self.make(name=name, **options) as fake:
                yield fake

    @block
    def make(
        self, *, name: str | None = None, served: bool = True, **options: "Unpack[Options]"
    ) -> Iterator["FakeScale"]:
        """Yield a clean fake; ``options`` are the arguments of ``FakeScale``."""
        from fakescale.fake import FakeScale
        from fakescale.redirection.proxies import no_proxy

        self._used = True
        if name is None:
            # The first name that no open fake has: each example of hypothesis gets the same
            # name, and so the same seed, so that it can be replayed.
            name = next(name for name in map(str, itertools.count()) if name not in self._open)
        # The account has a new name, so that its keys lead to no task of another fake.
        account = f"test-{os.urandom(4).hex()}"
        own: Options = {"seed": f"{self.seed}/{name}", "account": account}
        own.update(self._defaults)
        own.update(options)
        fake = FakeScale(**own)
        if served and not self._has_loop:
            from fakescale.server.loop import shared

            self._has_loop = True
            self.after.enter_context(shared())  # its threads take a while to start
        with self._watched(name, fake), self._guarded(), contextlib.ExitStack() as serving:
            if served:
                serving.enter_context(fake.serve())
                serving.enter_context(no_proxy("127.0.0.1"))
            try:
                yield fake
            finally:
                fake.callbacks._stop(for_good=True)

    @contextlib.contextmanager
    def borrow(
        self, url: str, name: str, **options: "Unpack[Options]"
    ) -> Iterator["RemoteFakeScale"]:
        """Yield an account of the server at ``url``; the server forgets it at the end.

        It is a new account, unless the ``options`` name one.
        """
        from fakescale.redirection.proxies import no_proxy
        from fakescale.remote import RemoteFakeScale

        options = {**self._defaults, **options}
        self._used, self._url = True, url
        fake = RemoteFakeScale(
            url,
            account=options.get("account", f"test-{os.urandom(8).hex()}"),
            token=os.environ.get("FAKESCALE_CONTROL_TOKEN"),
        )
        fake.reset()  # without a server there, the fixture fails, not the test
        with contextlib.ExitStack() as after:
            after.callback(fake.reset)
            after.callback(fake.put_back)
            if "complete_after" in options:
                fake.turnaround = options["complete_after"]  # type: ignore[assignment]
            host = urlsplit(fake.url).hostname or ""
            whole = RemoteFakeScale(url, token=fake._token)
            with self._watched(name, fake, whole), self._guarded(), no_proxy(host):
                yield fake

    def renew_patches(self) -> None:
        """Place the patches that others have replaced, if the run is redirected."""
        if self._is_redirected:
            from fakescale.redirection.patches import PATCHES

            PATCHES.renew()

    def _guarded(self) -> contextlib.AbstractContextManager[None]:
        """Keep this process from the real API for a ``with`` block, unless the user allows it."""
        from fakescale.redirection.guard import guarding
        from fakescale.redirection.patches import PATCHES

        if self._allow_real:
            return contextlib.nullcontext()
        if not self._is_patched:
            self._is_patched = True
            self.after.enter_context(PATCHES.placed())
        return guarding()

    @contextlib.contextmanager
    def _watched(
        self, name: str, fake: "FakeScale | RemoteFakeScale", whole: "RemoteFakeScale | None" = None
    ) -> Iterator[None]:
        opened = self._open[name] = _Watched(fake, whole)
        try:
            yield
        finally:
            del self._open[name]
            with contextlib.suppress(OSError):  # the server of a borrowed account is gone
                self._closed.append((fake._account, opened.closing()))

    def _events(self) -> list[tuple[str | None, list["Event"]]]:
        """Return the account and the events of each fake of the current test."""
        told = [(account, events()) for account, events in self._closed]
        for opened in self._open.values():
            with contextlib.suppress(OSError):  # the server of a borrowed account is gone
                told.append((opened.fake._account, opened.events()))
        return told

    def pages(self) -> list[str]:
        """Return the addresses of the pages of the fakes that are served now."""
        from fakescale.account.responses import NOWHERE

        addresses = [opened.fake.ui for opened in self._open.values()]
        return [address for address in addresses if not address.startswith(NOWHERE)]

    def report(self) -> str:
        """Return the report of the current test, or "" if it used no fake."""
        told = self._events()
        if not self._used and not any(events for _, events in told):
            return ""
        from fakescale.api.transcript import bodies, entries, folded

        head = [f"--fakescale-seed={self.seed}"]
        head += [f"--fakescale-url={self._url}"] if self._url else []
        story = [line for account, it in told for line in folded(entries(it, [account]))]
        exchanges = [event.exchange for _, events in told for event in events if event.exchange]
        tail = list(bodies(exchanges[-2:]))
        tail = ["the last requests and answers:", *tail] if tail else []
        room = max(1, self._max_lines - len(head) - len(tail))
        if len(story) > room:
            dropped = len(story) - room + 1
            story = [f"... {dropped} earlier lines", *story[dropped:]]
        return "\n".join([*head, *story, *tail])

    def troubles(self) -> str:
        """Return the lines for which a strict test fails, or ""."""
        from fakescale.api.transcript import entries, folded

        return "\n".join(
            line
            for account, events in self._events()
            for line in folded(it for it in entries(events, [account]) if it.is_trouble)
        )


class _Watched:
    """An open fake. Events up to the number ``_after`` belong to an earlier test.

    ``whole`` is the whole server if the fake is an account of a server that others use too.
    """

    def __init__(
        self, fake: "FakeScale | RemoteFakeScale", whole: "RemoteFakeScale | None"
    ) -> None:
        self.fake = fake
        self._whole = whole
        self._after = 0
        if whole is not None:
            self.begin()

    def begin(self) -> None:
        """Begin a test."""
        self._after = (self._whole or self.fake).events.total

    def events(self) -> list["Event"]:
        """Return the events of the current test.

        Those of other accounts of a server are left out, unless they concern a task of this
        account. If the account made no request, its client has the key of another account.
        """
        events: list[Event] = (self._whole or self.fake).events.list(after=self._after)
        account = self.fake._account
        if self._whole is None or not any(it.exchange and it.account == account for it in events):
            return events
        own = {it.subject for it in events if it.account == account} - {None}
        return [it for it in events if it.account in (None, account) or it.subject in own]

    def closing(self) -> Callable[[], list["Event"]]:
        """Return a function that returns the events after the fake is closed."""
        if self._whole is None:  # read only if the test fails
            return functools.partial(self.fake.events.list, after=self._after)
        events: list[Event] = self.fake.events.list(after=self._after)
        return lambda: events
