"""The fakes of a run of pytest, and their exchanges in the current test."""

import contextlib
import itertools
import os
import random
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Unpack
from urllib.parse import urlsplit

from fakescale.values.blocks import block

if TYPE_CHECKING:
    from fakescale.fake import FakeScale, Options
    from fakescale.redirection import Redirection
    from fakescale.remote import RemoteFakeScale
    from fakescale.traffic.journal import Exchange


class Fakes:
    """The fakes of a run, and their exchanges in the current test.

    With ``allow_real``, this process can reach the real API while a fake is up. With
    ``keep_one``, api.scale.com leads to the same fake in all tests.
    """

    def __init__(self, seed: str | None, *, allow_real: bool, keep_one: bool) -> None:
        self._allow_real, self._keep_one = allow_real, keep_one
        self.seed = seed or str(random.SystemRandom().randrange(10**9))
        # The open fakes by name. The number counts the exchanges that are already collected,
        # or belong to an earlier test.
        self._open: dict[str, tuple[FakeScale | RemoteFakeScale, int]] = {}
        self._used = False
        self._url: str | None = None  # of the server that the current test used
        self._last: deque[Exchange] = deque(maxlen=20)
        self._count = 0
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

    def _renew(self, origin: str, name: str) -> "FakeScale":
        from fakescale.redirection import standing_in

        self._until_next.close()
        fake = self._until_next.enter_context(self.make(name=name, served=False))
        self._until_next.enter_context(standing_in(fake, origin))
        self._present = fake
        return fake

    def begin(self, name: str) -> None:
        """Begin a test: its report holds only exchanges from now on."""
        if self._is_redirected:
            self.renew_patches()
            if self._keep_one:
                self._presented()  # now, or a forked process could make another one
            else:
                self._renew(self._redirection.origin, name)
        self._used = False
        self._url = None
        for opened in self._open:
            self._collect(opened)
        self._last.clear()
        self._count = 0

    @contextlib.contextmanager
    def lend(self, name: str) -> Iterator["FakeScale"]:
        """Yield the fake that api.scale.com leads to, or a new one if the run is not redirected."""
        from fakescale.redirection.proxies import no_proxy

        if self._is_redirected:
            self._used = True
            with no_proxy("127.0.0.1"):
                yield self._presented()
        else:
            with self.make(name=name) as fake:
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
        options.setdefault("seed", f"{self.seed}/{name}")
        options.setdefault("account", account)
        fake = FakeScale(**options)
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
    def borrow(self, url: str, name: str) -> Iterator["RemoteFakeScale"]:
        """Yield a new account of the server at ``url``; the server forgets it at the end."""
        from fakescale.redirection.proxies import no_proxy
        from fakescale.remote import RemoteFakeScale

        self._used, self._url = True, url
        fake = RemoteFakeScale(
            url,
            account=f"test-{os.urandom(8).hex()}",
            token=os.environ.get("FAKESCALE_CONTROL_TOKEN"),
        )
        fake.reset()  # without a server there, the fixture fails, not the test
        with contextlib.ExitStack() as after:
            after.callback(fake.reset)
            after.callback(fake.put_back)
            host = urlsplit(fake.url).hostname or ""
            with self._watched(name, fake), self._guarded(), no_proxy(host):
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
    def _watched(self, name: str, fake: "FakeScale | RemoteFakeScale") -> Iterator[None]:
        self._open[name] = fake, 0
        try:
            yield
        finally:
            self._collect(name)
            del self._open[name]

    def report(self) -> str:
        """Return the transcript of the current test, or "" if it used no fake."""
        for name in self._open:
            self._collect(name)
        if not self._used and not self._count:
            return ""
        from fakescale.api.transcript import transcript, troubles

        lines = [f"--fakescale-seed={self.seed}"]
        lines += [f"--fakescale-url={self._url}"] if self._url else []
        fakes = [fake for fake, _ in self._open.values()]
        lines += transcript(self._last, self._count, [fake._account for fake in fakes])
        for fake in fakes:
            with contextlib.suppress(OSError):  # the server of a borrowed account is gone
                lines += troubles(fake.callbacks)
        return "\n".join(lines)

    def _collect(self, name: str) -> None:
        fake, told = self._open[name]
        try:
            journal = fake.requests
        except OSError:  # the server of a borrowed account is gone
            return
        # The server may have dropped some exchanges, if others use it too.
        if (new := journal.total - told) > 0:
            self._last += journal[-new:]
            self._count += new
            self._open[name] = fake, journal.total
