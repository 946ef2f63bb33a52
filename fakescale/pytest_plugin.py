"""The pytest plugin: fixtures, and what a failing test says about its fakes.

Loaded in every run of every suite that it is installed beside, so it imports nothing but
pytest until a fixture is used.
"""

import contextlib
import secrets
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from fakescale.fake import FakeScale


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
    parser.getgroup("fakescale").addoption(
        "--fakescale-seed",
        metavar="SEED",
        help="what the ids of fakescale's tasks and its made-up responses are drawn from",
    )


@pytest.fixture
def fakescale(fakescale_factory: FakeFactory) -> Iterator["FakeScale"]:
    """Return a clean fake of Scale AI's API, served on a port of its own for this test."""
    with fakescale_factory() as fake:
        yield fake


@pytest.fixture
def fakescale_app(fakescale_factory: FakeFactory) -> Iterator["FakeScale"]:
    """Return a clean fake of Scale AI's API as a WSGI application, without a socket."""
    with fakescale_factory(served=False) as fake:
        yield fake


@pytest.fixture(scope="session")
def fakescale_factory(pytestconfig: pytest.Config) -> FakeFactory:
    """Return what makes fakes, for fixtures of wider scope and for hypothesis's examples."""
    return pytestconfig.stash[_FAKES].make


class _Fakes:
    """The fakes of this run, and which of them the present test could have used."""

    def __init__(self, seed: str | None) -> None:
        self.seed = seed or str(secrets.randbelow(10**9))
        self._test = ""
        self._open: list[FakeScale] = []
        # Each with the number of exchanges it had seen before the test.
        self._of_test: list[tuple[FakeScale, int]] = []

    def begin(self, test: str) -> None:
        self._test = test
        self._of_test = [(fake, fake.requests.total) for fake in self._open]

    @contextlib.contextmanager
    def make(self, *, served: bool = True, **options: Any) -> Iterator["FakeScale"]:
        from fakescale.fake import FakeScale

        # Fakes that are open together differ; those of one hypothesis example after the
        # other do not, so that an example can be replayed.
        seed = f"{self.seed}/{self._test}/{len(self._open)}"
        # The account has a name of its own, so that a key is of use with this fake alone.
        options = {"seed": seed, "account": _account(seed), **options}
        fake = FakeScale(**options)
        self._open.append(fake)
        self._of_test.append((fake, 0))
        try:
            with fake.serve() if served else contextlib.nullcontext():
                yield fake
        finally:
            self._open.remove(fake)

    def report(self) -> str:
        """Return what the fakes saw of the present test, or "" if there were none."""
        from fakescale.transcript import transcript

        if not self._of_test:
            return ""
        parts = [f"--fakescale-seed={self.seed}"]
        parts += [transcript(fake.requests, since) for fake, since in self._of_test]
        return "\n".join(part for part in parts if part)


_FAKES = pytest.StashKey[_Fakes]()


def _account(seed: str) -> str:
    import hashlib

    return "test-" + hashlib.sha256(seed.encode()).hexdigest()[:8]


def pytest_configure(config: pytest.Config) -> None:
    """Prepare for the fixtures."""
    config.stash[_FAKES] = _Fakes(config.getoption("--fakescale-seed"))


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
