"""The pytest plugin: fixtures, and what a failing test says about its fakes.

Loaded in every run of every suite that it is installed beside, so it imports nothing but
pytest and light modules until a fixture is used, or the run redirected.
"""

import argparse
import contextlib
import itertools
import os
import random
from collections import deque
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from fakescale.fake import FakeScale
    from fakescale.receiver import Receiver
    from fakescale.remote import RemoteFakeScale
    from fakescale.traffic.journal import Exchange


_HERE = (
    "leads to a fake of this process: it cannot be used together with --fakescale-url or"
    " FAKESCALE_URL"
)


class FakeFactory(Protocol):
    """Makes fakes: ``with fakescale_factory() as fake:``.

    Takes the arguments of ``FakeScale``; ``served=False`` leaves out the server.
    """

    def __call__(
        self, *, served: bool = True, **options: Any
    ) -> contextlib.AbstractContextManager["FakeScale"]:
        """Return a context manager that gives a clean fake, and takes it away."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the plugin's options."""
    group = parser.getgroup("fakescale")
    group.addoption(
        "--fakescale-seed",
        metavar="SEED",
        help="what the ids of fakescale's tasks and its made-up responses are drawn from",
    )
    group.addoption(
        "--fakescale-url",
        metavar="URL",
        default=os.environ.get("FAKESCALE_URL"),
        help="let the fixture `fakescale` use the server that runs there, each test with an"
        " account of its own; by default FAKESCALE_URL, with FAKESCALE_CONTROL_TOKEN if it has"
        " a token",
    )
    group.addoption(
        "--fakescale-redirect",
        action="store_true",
        help="let all connections of this run to https://api.scale.com lead to a fake: in each"
        " test to that of the fixture `fakescale`",
    )
    # Those of fakescale.contract, whose conftest is read too late to add any.
    group.addoption(
        "--contract-url",
        metavar="URL",
        help="let fakescale.contract ask the server there, instead of a fake that it starts;"
        " a fakescale on this machine is steered, with FAKESCALE_CONTROL_TOKEN if it has a token",
    )
    group.addoption(
        "--contract-key",
        metavar="KEY",
        help="the API key for --contract-url; of another machine a test key",
    )
    group.addoption(
        "--contract-profile",
        choices=("brief", "quick", "thorough"),
        default="quick",
        help="how much fakescale.contract tries (%(default)s)",
    )


@pytest.fixture
def fakescale(request: pytest.FixtureRequest) -> Iterator["FakeScale | RemoteFakeScale"]:
    """Return a clean fake of Scale AI's API, served on a port of its own for this test.

    With --fakescale-url, an account of this test's own at the server that runs there. With
    --fakescale-redirect, the fake that https://api.scale.com leads to.
    """
    fakes = request.config.stash[_FAKES]
    url = request.config.getoption("--fakescale-url")
    name = request.node.nodeid
    with fakes.borrow(url, name) if url else fakes.lend(name) as fake:
        yield fake


@pytest.fixture
def fakescale_redirect(
    request: pytest.FixtureRequest, fakescale: "FakeScale"
) -> Iterator["FakeScale"]:
    """Return the fake of the fixture `fakescale`; https://api.scale.com leads to it."""
    if request.config.getoption("--fakescale-url"):
        raise pytest.UsageError(f"fakescale_redirect {_HERE}")
    if request.config.getoption("--fakescale-redirect"):
        yield fakescale
    else:
        from fakescale.redirection import redirect

        with redirect(fakescale):
            yield fakescale


@pytest.fixture
def fakescale_app(request: pytest.FixtureRequest) -> Iterator["FakeScale"]:
    """Return a clean fake of Scale AI's API as a WSGI application, without a socket."""
    name = f"{request.node.nodeid}/app"
    with request.config.stash[_FAKES].make(name=name, served=False) as fake:
        yield fake


@pytest.fixture(scope="session")
def fakescale_factory(pytestconfig: pytest.Config) -> FakeFactory:
    """Return what makes fakes, for fixtures of wider scope and for hypothesis's examples."""
    return pytestconfig.stash[_FAKES].make


@pytest.fixture
def callback_receiver() -> Iterator["Receiver"]:
    """Return a URL on loopback that records the callbacks it gets, for this test."""
    from fakescale.receiver import receiving

    with receiving() as receiver:
        yield receiver


class _Fakes:
    """The fakes of this run, and what they saw of the present test."""

    def __init__(self, seed: str | None) -> None:
        self.seed = seed or str(random.SystemRandom().randrange(10**9))
        # The open ones, each by its name, with the number of exchanges that are told already
        # or belong to an earlier test.
        self._open: dict[str, tuple[FakeScale | RemoteFakeScale, int]] = {}
        self._used = False
        self._url: str | None = None  # of the server that the present test used
        self._last: deque[Exchange] = deque(maxlen=20)
        self._count = 0
        # With --fakescale-redirect: where the server behind api.scale.com is, and to which
        # fake it leads at present, until when.
        self._origin: str | None = None
        self._present: FakeScale
        self._turn = contextlib.ExitStack()
        self._has_loop = False
        #: What lasts to the end of the run.
        self.after = contextlib.ExitStack()

    @contextlib.contextmanager
    def redirect(self) -> Iterator[None]:
        """Let api.scale.com lead to a fake, and from each test's beginning to another one."""
        from fakescale.redirection import redirecting

        with self._turn, redirecting(lambda: self._present) as self._origin:
            self._take_turns(self._origin, "collection")
            yield

    def _take_turns(self, origin: str, name: str) -> None:
        from fakescale.redirection import standing_in

        self._turn.close()
        fake = self._turn.enter_context(self.make(name=name, served=False))
        self._turn.enter_context(standing_in(fake, origin))
        self._present = fake

    def begin(self, name: str) -> None:
        """Note that a test begins."""
        if self._origin is not None:
            self._take_turns(self._origin, name)
        self._used = False
        self._url = None
        for opened in self._open:
            self._collect(opened)
        self._last.clear()
        self._count = 0

    @contextlib.contextmanager
    def lend(self, name: str) -> Iterator["FakeScale"]:
        """Give the fake that api.scale.com leads to, or else one that is made for this."""
        if self._origin is not None:
            self._used = True
            yield self._present
        else:
            with self.make(name=name) as fake:
                yield fake

    @contextlib.contextmanager
    def make(
        self, *, name: str | None = None, served: bool = True, **options: Any
    ) -> Iterator["FakeScale"]:
        from fakescale.fake import FakeScale

        self._used = True
        if name is None:
            # Different from all that are open, and the same for each example of hypothesis,
            # so that one can be replayed.
            name = next(name for name in map(str, itertools.count()) if name not in self._open)
        # The account has a name of its own, so that a key is of use with this fake alone.
        account = f"test-{os.urandom(4).hex()}"
        fake = FakeScale(**{"seed": f"{self.seed}/{name}", "account": account, **options})
        if served and not self._has_loop:
            from fakescale.server.loop import shared

            self._has_loop = True
            self.after.enter_context(shared())  # since its threads take a while to start
        with self._watched(name, fake), fake.serve() if served else contextlib.nullcontext():
            try:
                yield fake
            finally:
                fake.callbacks._stop(for_good=True)

    @contextlib.contextmanager
    def borrow(self, url: str, name: str) -> Iterator["RemoteFakeScale"]:
        """Give an account of the server at ``url``, and let that forget it in the end."""
        from fakescale.remote import RemoteFakeScale

        self._used, self._url = True, url
        fake = RemoteFakeScale(
            url,
            account=f"test-{os.urandom(8).hex()}",
            token=os.environ.get("FAKESCALE_CONTROL_TOKEN"),
        )
        fake.reset()  # fails here, not in the test, when there is no such server
        with contextlib.ExitStack() as after:
            after.callback(fake.reset)
            after.callback(fake.put_back)
            with self._watched(name, fake):
                yield fake

    @contextlib.contextmanager
    def _watched(self, name: str, fake: "FakeScale | RemoteFakeScale") -> Iterator[None]:
        self._open[name] = fake, 0
        try:
            yield
        finally:
            self._collect(name)
            del self._open[name]

    def report(self) -> str:
        """Return what the fakes saw of the present test, or "" if it used none."""
        for name in self._open:
            self._collect(name)
        if not self._used and not self._count:
            return ""
        from fakescale.api.transcript import transcript

        lines = [f"--fakescale-seed={self.seed}"]
        lines += [f"--fakescale-url={self._url}"] if self._url else []
        return "\n".join([*lines, *transcript(self._last, self._count)])

    def _collect(self, name: str) -> None:
        fake, told = self._open[name]
        try:
            journal = fake.requests
        except OSError:  # the server that it is borrowed from is gone
            return
        # A server that others use too may have dropped what was told.
        if (new := journal.total - told) > 0:
            self._last += journal[-new:]
            self._count += new
            self._open[name] = fake, journal.total


_FAKES = pytest.StashKey[_Fakes]()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Redirect before anything is imported that could connect then."""
    _prepare(early_config, early_config.known_args_namespace)


def pytest_configure(config: pytest.Config) -> None:
    """Prepare for the fixtures, also where a conftest.py names the plugin."""
    if _FAKES not in config.stash:
        _prepare(config, config.option)
    where = config.getoption("--contract-url"), config.getoption("--contract-key")
    if where != (None, None):  # refused here if it must be, before anything is sent
        from fakescale.contract.where import Where

        try:
            Where(*where)
        except ValueError as error:
            raise pytest.UsageError(str(error)) from None


def _prepare(config: pytest.Config, options: argparse.Namespace) -> None:
    fakes = config.stash[_FAKES] = _Fakes(options.fakescale_seed)
    config.add_cleanup(fakes.after.close)
    if not options.fakescale_redirect:
        return
    if options.fakescale_url:
        raise pytest.UsageError(f"--fakescale-redirect {_HERE}")
    try:
        fakes.after.enter_context(fakes.redirect())
    except (ImportError, RuntimeError) as error:  # RuntimeError: a run within another one
        raise pytest.UsageError(f"--fakescale-redirect: {error}") from error


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note where the test begins."""
    item.config.stash[_FAKES].begin(item.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what the fakes saw to the report of a test that failed."""
    report = yield
    if report.failed and (text := item.config.stash[_FAKES].report()):
        report.sections.append(("fakescale", text))
    return report
