"""The pytest plugin: fixtures, and what a failing test says about its fakes.

pytest loads it in every run of every suite that it is installed beside. Until a test uses a
fixture, or the run is redirected, it imports nothing but pytest and light modules.
"""

import argparse
import contextlib
import os
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from fakescale.fake import FakeScale
    from fakescale.pytest_plugin.fakes import Fakes
    from fakescale.receiver import Receiver
    from fakescale.remote import RemoteFakeScale


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
    fakes = _fakes(request.config)
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
    with _fakes(request.config).make(name=name, served=False) as fake:
        yield fake


@pytest.fixture(scope="session")
def fakescale_factory(pytestconfig: pytest.Config) -> FakeFactory:
    """Return a factory of fakes, for fixtures of wider scope and for hypothesis's examples."""
    return _fakes(pytestconfig).make


@pytest.fixture
def callback_receiver() -> Iterator["Receiver"]:
    """Return a URL on loopback that records the callbacks it gets, for this test."""
    from fakescale.receiver import receiving

    with receiving() as receiver:
        yield receiver


_FAKES = pytest.StashKey["Fakes"]()


def _fakes(config: pytest.Config, options: argparse.Namespace | None = None) -> "Fakes":
    """Return the fakes of this run; the first call makes them."""
    if _FAKES not in config.stash:
        from fakescale.pytest_plugin.fakes import Fakes

        config.stash[_FAKES] = Fakes((options or config.option).fakescale_seed)
        config.add_cleanup(config.stash[_FAKES].after.close)
    return config.stash[_FAKES]


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Redirect before anything is imported that could connect then."""
    _redirect(early_config, early_config.known_args_namespace)


def pytest_configure(config: pytest.Config) -> None:
    """Redirect where a conftest.py names the plugin, and check the options."""
    if _FAKES not in config.stash:
        _redirect(config, config.option)
    where = config.getoption("--contract-url"), config.getoption("--contract-key")
    if where != (None, None):  # refused here if it must be, before anything is sent
        from fakescale.contract.where import Where

        try:
            Where(*where)
        except ValueError as error:
            raise pytest.UsageError(str(error)) from None


def _redirect(config: pytest.Config, options: argparse.Namespace) -> None:
    """Let api.scale.com lead to a fake for the whole run, if the options say so."""
    if not options.fakescale_redirect:
        return
    if options.fakescale_url:
        raise pytest.UsageError(f"--fakescale-redirect {_HERE}")
    fakes = _fakes(config, options)
    try:
        fakes.after.enter_context(fakes.redirect())
    except (ImportError, RuntimeError) as error:  # RuntimeError: a run within another one
        raise pytest.UsageError(f"--fakescale-redirect: {error}") from error


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note where the test begins."""
    if _FAKES in item.config.stash:
        item.config.stash[_FAKES].begin(item.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what the fakes saw to the report of a test that failed."""
    report = yield
    fakes = item.config.stash.get(_FAKES, None)
    if report.failed and fakes is not None and (text := fakes.report()):
        report.sections.append(("fakescale", text))
    return report
