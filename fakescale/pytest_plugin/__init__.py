"""The pytest plugin: its fixtures and options, and its section in the report of a failed test.

pytest loads the plugin in every run of every suite in its environment. So the plugin imports
only light modules until a test uses a fixture, or the run is redirected.
"""

import argparse
import contextlib
import os
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, Literal, Protocol, Unpack
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from fakescale.fake import FakeScale, Options
    from fakescale.pytest_plugin.fakes import Fakes
    from fakescale.receiver import Receiver
    from fakescale.remote import RemoteFakeScale


_HERE = (
    "leads to a fake of this process: it cannot be used together with --fakescale-url or"
    " FAKESCALE_URL"
)


_SCOPES: tuple[Literal["function"], Literal["session"]] = ("function", "session")


# The arguments of the mark, each of which is also an ini key, with the type of the key: `strict`,
# and the arguments of FakeScale.
_SETTINGS: dict[str, Literal["string", "args", "bool"]] = {
    "strict": "bool",
    "seed": "string",
    "api_keys": "args",
    "account": "string",
    "complete_after": "string",
    "limits": "args",
    "callback_hosts": "args",
    "allow_hosts": "args",
    "secure_result_urls": "bool",
    "control_token": "string",
}


# The ends of the ini keys of --fakescale-compare, their types and defaults.
_COMPARE: tuple[tuple[str, Literal["string", "args", "bool"], Any, str], ...] = (
    (
        "",
        "args",
        [],
        "Compare the recordings that these patterns fit, as --fakescale-compare does.",
    ),
    ("_allow", "args", [], "Let these differences pass, each named as KIND or KIND:MEMBER."),
    (
        "_mode",
        "string",
        "",
        "Use this mode, live or test, for requests whose key a recording does not show.",
    ),
)


class FakeFactory(Protocol):
    """A factory of fakes: ``with fakescale_factory() as fake:``."""

    def __call__(
        self, *, served: bool = True, **options: Unpack["Options"]
    ) -> contextlib.AbstractContextManager["FakeScale"]:
        """Return a context manager that makes a clean fake for its ``with`` block.

        ``options`` are the arguments of ``FakeScale``. ``served=False`` leaves out the server.
        """


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the plugin's options."""
    group = parser.getgroup("fakescale")
    group.addoption(
        "--fakescale-seed",
        metavar="SEED",
        help="Draw the ids of tasks and the made-up responses from this seed. The report of a"
        " failed test tells the seed of its run.",
    )
    group.addoption(
        "--fakescale-url",
        metavar="URL",
        default=os.environ.get("FAKESCALE_URL"),
        help="Let the fixture `fakescale` use the fakescale server at this URL; each test has an"
        " account of its own. The default is the environment variable FAKESCALE_URL."
        " FAKESCALE_CONTROL_TOKEN is the server's control token, if it has one.",
    )
    group.addoption(
        "--fakescale-redirect",
        action="store_true",
        help="Let all connections of this run to https://api.scale.com lead to a fake. During a"
        " test, this is the fake of the fixture `fakescale`.",
    )
    group.addoption(
        "--fakescale-scope",
        choices=_SCOPES,
        help="Choose how long a fake lives. With `session`, the fixture `fakescale` is one fake for"
        " the whole run, and so is the one that --fakescale-redirect leads to. With pytest-xdist,"
        " each worker has its own. The default is the ini key fakescale_scope, or else `function`.",
    )
    parser.addini(
        "fakescale_scope",
        "Set the default of --fakescale-scope.",
        type="string",
        default=_SCOPES[0],
    )
    group.addoption(
        "--fakescale-allow-real",
        action="store_true",
        help="Let this run reach the real API while a fake is up. Without this option, look-ups of"
        " api.scale.com and connections to it fail then. The default is the ini key"
        " fakescale_allow_real.",
    )
    parser.addini(
        "fakescale_allow_real",
        "Do as --fakescale-allow-real does.",
        type="bool",
        default=False,
    )
    group.addoption(
        "--fakescale-compare",
        action="append",
        metavar="GLOB",
        help="Compare the recordings that this pattern fits with a fake: each file is a test. **"
        " fits folders. May be given more than once. The ini key fakescale_compare has more.",
    )
    for name, kind, default, text in _COMPARE:
        parser.addini(f"fakescale_compare{name}", text, type=kind, default=default)
    parser.addini(
        "fakescale_report_lines",
        "Print at most this many lines about the fakes in the report of a failed test.",
        type="string",
        default=None,
    )
    for name, kind in _SETTINGS.items():
        text = f"Set the default of {name} in @pytest.mark.fakescale({name}=…)."
        parser.addini(f"fakescale_{name}", text, type=kind, default=None)
    # The options of fakescale.contract: pytest reads its conftest too late to add them there.
    group.addoption(
        "--contract-url",
        metavar="URL",
        help="Let fakescale.contract test the server at this URL instead of a fake that it starts."
        " A fakescale on this machine gets control calls too; FAKESCALE_CONTROL_TOKEN is its"
        " control token, if it has one.",
    )
    group.addoption(
        "--contract-key",
        metavar="KEY",
        help="Use this API key with --contract-url. On another machine it must be a test key.",
    )
    group.addoption(
        "--contract-profile",
        choices=("brief", "quick", "thorough"),
        default="quick",
        help="Choose how much fakescale.contract tries (default: %(default)s).",
    )


def _scope(fixture_name: str, config: pytest.Config) -> Literal["function", "session"]:
    """Return the scope of the fixtures that give a fake; raises UsageError for an unknown one."""
    name = config.getoption("--fakescale-scope") or config.getini("fakescale_scope")
    for scope in _SCOPES:
        if name == scope:
            return scope
    raise pytest.UsageError(f"fakescale_scope is one of {', '.join(_SCOPES)} (got {name!r})")


@pytest.fixture(scope=_scope)
def fakescale(request: pytest.FixtureRequest) -> Iterator["FakeScale | RemoteFakeScale"]:
    """Return a clean fake of Scale AI's API, served on a port of its own for this test.

    With ``--fakescale-scope=session``, it is one fake for all tests of the run.
    With ``--fakescale-url``, the fixture returns a `RemoteFakeScale` with a new account at the
    server of this URL. With ``--fakescale-redirect``, it returns the fake that
    https://api.scale.com leads to.
    """
    fakes = _fakes(request.config)
    url = request.config.getoption("--fakescale-url")
    name = request.node.nodeid or "run"
    options = _options(request.node)
    with fakes.borrow(url, name, **options) if url else fakes.lend(name, **options) as fake:
        yield fake


@pytest.fixture(scope=_scope)
def fakescale_redirect(
    request: pytest.FixtureRequest, fakescale: "FakeScale"
) -> Iterator["FakeScale"]:
    """Return the fake of the fixture ``fakescale``, and let https://api.scale.com lead to it.

    Cannot be used together with ``--fakescale-url``.
    """
    if request.config.getoption("--fakescale-url"):
        raise pytest.UsageError(f"fakescale_redirect {_HERE}")
    if request.config.getoption("--fakescale-redirect"):
        yield fakescale
    else:
        from fakescale.redirection import redirect

        with redirect(fakescale):
            yield fakescale


@pytest.fixture(scope=_scope)
def fakescale_app(request: pytest.FixtureRequest) -> Iterator["FakeScale"]:
    """Return a clean fake of Scale AI's API for this test, as a WSGI application without a socket.

    Pass it to a WSGI client, for example ``httpx.WSGITransport``.
    """
    name = f"{request.node.nodeid}/app"
    options = _options(request.node)
    with _fakes(request.config).make(name=name, served=False, **options) as fake:
        yield fake


@pytest.fixture(scope="session")
def fakescale_factory(pytestconfig: pytest.Config) -> FakeFactory:
    """Return a factory of clean fakes, for wider fixtures and for the examples of hypothesis.

    Use it as ``with fakescale_factory() as fake:``. The factory takes the arguments of
    ``FakeScale``. ``served=False`` leaves out the server.
    """
    return _fakes(pytestconfig).make


@pytest.fixture
def callback_receiver() -> Iterator["Receiver"]:
    """Return a receiver for this test: a URL on loopback that records the callbacks it gets."""
    from fakescale.receiver import receiving
    from fakescale.redirection.proxies import no_proxy

    with receiving() as receiver, no_proxy("127.0.0.1"):
        yield receiver


_FAKES = pytest.StashKey["Fakes"]()


def _fakes(config: pytest.Config, options: argparse.Namespace | None = None) -> "Fakes":
    """Return the fakes of this run; the first call makes them."""
    if _FAKES not in config.stash:
        from fakescale.pytest_plugin.fakes import Fakes
        from fakescale.pytest_plugin.settings import configured, report_lines

        options = options or config.option
        config.stash[_FAKES] = Fakes(
            options.fakescale_seed or config.getini("fakescale_seed"),
            configured(config, _SETTINGS),
            allow_real=options.fakescale_allow_real
            or config.getini("fakescale_allow_real")
            or _is_real(options.contract_url),
            keep_one=(options.fakescale_scope or config.getini("fakescale_scope")) == "session",
            max_lines=report_lines(config),
        )
        config.add_cleanup(config.stash[_FAKES].after.close)
    return config.stash[_FAKES]


def _marks(node: pytest.Item | pytest.Collector) -> dict[str, Any]:
    """Return the arguments of all marks of a test; the nearest mark wins."""
    given: dict[str, Any] = {}
    for mark in reversed([*node.iter_markers("fakescale")]):
        given |= mark.kwargs
    return given


def _options(node: pytest.Item | pytest.Collector) -> dict[str, Any]:
    """Return the arguments of FakeScale in the marks of a test."""
    return {name: it for name, it in _marks(node).items() if name != "strict"}


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Redirect before any import of the suite can connect."""
    _redirect(early_config, early_config.known_args_namespace)


def pytest_configure(config: pytest.Config) -> None:
    """Redirect the run, if a conftest.py loaded the plugin only now, and check the options."""
    config.addinivalue_line(
        "markers",
        "fakescale(strict=False, account=…, complete_after=…, …): make the fake of this test with"
        " these arguments of FakeScale. With strict=True, the test fails if a callback failed for"
        " good or was not sent, a fault never struck, a request met no route or had unknown"
        " members, or a labeler raised an exception.",
    )
    _scope("", config)
    if any(config.getini(f"fakescale_{name}") for name in (*_SETTINGS, "report_lines")):
        from fakescale.pytest_plugin.settings import configured, report_lines

        report_lines(config)
        configured(config, _SETTINGS)
    if _compares(config):
        from fakescale.pytest_plugin.recordings import check

        check(config)
    if _FAKES not in config.stash:
        _redirect(config, config.option)
    where = config.getoption("--contract-url"), config.getoption("--contract-key")
    if where != (None, None):  # a wrong one is refused before anything is sent
        from fakescale.contract.where import Where

        try:
            Where(*where)
        except ValueError as error:
            raise pytest.UsageError(str(error)) from None


def _compares(config: pytest.Config) -> bool:
    """Return whether the run compares recordings."""
    return bool(config.getoption("--fakescale-compare") or config.getini("fakescale_compare"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Add the tests of recordings."""
    if _compares(session.config):
        from fakescale.pytest_plugin.recordings import add_to

        add_to(session, items)


def _is_real(url: str | None) -> bool:
    """Return whether the contract tests ask the real API."""
    from fakescale.values.hosts import is_api

    with contextlib.suppress(ValueError):  # a malformed URL is refused later
        return url is not None and is_api(urlsplit(url).hostname)
    return False


class _Renewal:
    """A plugin that places the patches again after each conftest.py, which may call gevent."""

    def __init__(self, fakes: "Fakes") -> None:
        self._fakes = fakes

    def pytest_plugin_registered(self) -> None:
        """Place the patches that are missing."""
        self._fakes.renew_patches()


def _redirect(config: pytest.Config, options: argparse.Namespace) -> None:
    """Let api.scale.com lead to a fake for the whole run, if the option is given."""
    if not options.fakescale_redirect:
        return
    if options.fakescale_url:
        raise pytest.UsageError(f"--fakescale-redirect {_HERE}")
    fakes = _fakes(config, options)
    try:
        fakes.after.enter_context(fakes.redirect())
    except (ImportError, RuntimeError) as error:  # RuntimeError: an outer run redirects already
        raise pytest.UsageError(f"--fakescale-redirect: {error}") from error
    config.pluginmanager.register(_Renewal(fakes))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Check the test's marks, and separate its events from earlier ones."""
    reason = None
    if next(item.iter_markers("fakescale"), None):
        from fakescale.pytest_plugin.settings import refusal

        is_shared = _scope("", item.config) == "session"
        reason = refusal(item, _marks(item), _SETTINGS, is_shared=is_shared)
    if _FAKES in item.config.stash:
        item.config.stash[_FAKES].begin(item.nodeid, **({} if reason else _options(item)))
    if reason:
        pytest.fail(f"@pytest.mark.fakescale: {reason}", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Let a strict test fail if its fakes saw troubles."""
    yield
    fakes = item.config.stash.get(_FAKES, None)
    is_strict = _marks(item).get("strict", item.config.getini("fakescale_strict"))
    if is_strict and fakes is not None and (troubles := fakes.troubles()):
        pytest.fail(f"fakescale is strict, and this test had troubles:\n{troubles}", pytrace=False)


def pytest_enter_pdb(config: pytest.Config) -> None:
    """Print where the pages of the fakes are: their servers go on while you debug."""
    fakes = config.stash.get(_FAKES, None)
    if fakes is not None:
        for address in fakes.pages():
            print(f"fakescale: look at {address}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the events of the fakes to the report of a failed test."""
    report = yield
    fakes = item.config.stash.get(_FAKES, None)
    if report.failed and fakes is not None and (text := fakes.report()):
        report.sections.append(("fakescale", text))
    return report
