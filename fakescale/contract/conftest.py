"""The fixtures of the contract tests.

A test that takes a fixture that the server cannot offer is deselected.
"""

import contextlib
import dataclasses
import importlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from fakescale.contract.assumptions import Assumption, Row, report
from fakescale.contract.opening import opened, side_by_side
from fakescale.contract.target import Target
from fakescale.contract.where import Where
from fakescale.values.errors import ApiError

# These are not registered with hypothesis, so the profiles of a user's own suite stay as they
# are. No deadline: that would be a check of speed.
PROFILES = {
    "brief": hypothesis.settings(max_examples=5, stateful_step_count=60, deadline=None),
    "quick": hypothesis.settings(max_examples=24, stateful_step_count=80, deadline=None),
    "thorough": hypothesis.settings(max_examples=400, stateful_step_count=100, deadline=None),
    "few": hypothesis.settings(
        max_examples=2, stateful_step_count=12, deadline=None, database=None
    ),
}


_TARGET = pytest.StashKey[Target]()
# Whether a server can offer a fixture, by the fixture's name.
_OFFERS: dict[str, Callable[[Target], bool]] = {
    "live": lambda target: target.fake is not None or not target.is_test,
    "test_mode": lambda target: target.fake is not None or target.is_test,
    "other": lambda target: target.fake is not None,
    "steered": lambda target: target.fake is not None,
    "crowded": lambda target: not target.is_far and _OFFERS["live"](target),
}


@pytest.fixture(scope="session")
def target(pytestconfig: pytest.Config) -> Target:
    """Return the server under test with the given key; for a fake, by default a test key."""
    return pytestconfig.stash[_TARGET]


@pytest.fixture
def api(target: Target) -> Iterator[Target]:
    """Return an account in the mode of the target's key; at a fakescale, a new and empty one."""
    with target.clean() as account:
        yield account


@pytest.fixture
def live(target: Target) -> Iterator[Target]:
    """Return an account in live mode."""
    with target.in_mode(test=False).clean() as account:
        yield account


@pytest.fixture
def test_mode(target: Target) -> Iterator[Target]:
    """Return an account in test mode."""
    with target.in_mode(test=True).clean() as account:
        yield account


@pytest.fixture
def other(target: Target) -> Iterator[Target]:
    """Return another account in live mode, not the one of any other fixture."""
    with target.in_mode(test=False).clean() as account:
        yield account


@pytest.fixture
def steered(target: Target) -> Iterator[Target]:
    """Return a live account that a fake's helpers steer; its clock is stopped."""
    with target.in_mode(test=False).clean() as account, account.standing_time():
        yield account


@pytest.fixture
def crowded(live: Target) -> Iterator[Target]:
    """Return a live account that many threads may use at once; never on another machine."""
    with side_by_side(live) as account:
        yield account


@pytest.fixture
def profile(pytestconfig: pytest.Config, target: Target) -> hypothesis.settings:
    """Return the settings of hypothesis for the state machine."""
    return PROFILES["few" if target.is_far else pytestconfig.getoption("--contract-profile")]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Connect to the server, and deselect the tests whose fixtures it cannot offer."""
    here = Path(__file__).parent
    ours = [item for item in items if item.path.is_relative_to(here)]
    if not ours:
        return
    if _TARGET not in config.stash:
        where = Where(config.getoption("--contract-url"), config.getoption("--contract-key"))
        stack = contextlib.ExitStack()
        config.add_cleanup(stack.close)
        try:
            config.stash[_TARGET] = stack.enter_context(opened(where))
        except (ValueError, OSError, ApiError) as error:
            raise pytest.UsageError(str(error)) from None
    for item in ours:
        if (assumption := _assumption(item)) is not None:
            item.user_properties.append(("assumption", dataclasses.astuple(assumption)))
    target = config.stash[_TARGET]
    missing = {name for name, has in _OFFERS.items() if not has(target)}
    not_asked = [item for item in ours if missing & {*getattr(item, "fixturenames", ())}]
    if not_asked:
        config.hook.pytest_deselected(items=not_asked)
        items[:] = [item for item in items if item not in not_asked]


def _assumption(item: pytest.Item) -> Assumption | None:
    """Return the assumption of a test, which a parametrized test has in its row."""
    assumption = getattr(getattr(item, "function", None), "assumption", None)
    callspec = getattr(item, "callspec", None)
    row = None if callspec is None else callspec.params.get("row")
    return row.assumption if isinstance(row, Row) else assumption


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the outcomes of the assumptions, if any was tested."""
    outcomes: dict[str, set[Assumption]] = {}
    for outcome in ("passed", "failed", "error"):
        outcomes[outcome] = {
            Assumption(*value)
            for told in terminalreporter.stats.get(outcome, [])
            for name, value in getattr(told, "user_properties", ())  # a collection error has none
            if name == "assumption"
        }
    failed = outcomes["failed"] | outcomes["error"]
    if not failed | outcomes["passed"]:
        return
    for path in Path(__file__).parent.glob("test_assumptions*.py"):
        # With xdist the main process has not imported the assumptions.
        importlib.import_module(f"fakescale.contract.{path.stem}")
    terminalreporter.section("what is assumed of the API")
    for line in report(outcomes["passed"], failed):
        terminalreporter.write_line(line)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Give an interrupted run against another server the status that shells know: 130."""
    has_url = session.config.getoption("--contract-url") is not None
    if exitstatus == pytest.ExitCode.INTERRUPTED and has_url:
        session.exitstatus = 128 + signal.SIGINT


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """End the run once a server on another machine has answered with 429 or 5xx."""
    if (target := item.config.stash.get(_TARGET, None)) and target.stopped:
        item.session.shouldstop = target.stopped
