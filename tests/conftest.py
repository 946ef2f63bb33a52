"""The fixtures of the suite: a fake, callers of it, and a clock that stands."""

import threading
from collections.abc import Iterator
from typing import Any

import freezegun
import httpcore  # noqa: F401  # pytester would half forget it, and httpx not know its errors
import pytest
import time_machine
import trustme  # noqa: F401  # likewise, and its cryptography then breaks

from fakescale import FakeScale
from fakescale.account.tasks import Tasks
from fakescale.api import app
from fakescale.server import loop
from tests.conformance import judged
from tests.support import Caller, HeldCreation

# Large packages of which nothing tells the time to a test: each freeze looks through the others.
freezegun.configure(extend_ignore_list=["schemathesis", "scaleapi", "pydantic", "rich"])

NOON = "2024-02-29T12:00:00.000Z"


# What runs of pytest that tests start are given, in place of all that is installed.
PLUGINS = ["fakescale.pytest_plugin", "xdist.plugin", "pytest_repeat"]


@pytest.fixture(scope="session", autouse=True)
def _light_runs() -> Iterator[None]:
    """Let runs of pytest that tests start do without plugins that take long to import."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        patch.setenv("PYTEST_PLUGINS", ",".join(PLUGINS))
        yield


@pytest.fixture
def fake() -> Iterator[FakeScale]:
    """Return a fake that no server serves."""
    fake = FakeScale(seed="tests")
    yield fake
    fake.callbacks._stop(for_good=True)  # or else its threads could be counted by another test


@pytest.fixture
def held_creation(monkeypatch: pytest.MonkeyPatch) -> HeldCreation:
    """Let the creation of a task wait within."""
    held = HeldCreation(threading.Event(), threading.Event())
    submit = Tasks._submit

    def slow(*arguments: Any, **options: Any) -> Any:
        held.inside.set()
        assert held.go_on.wait(10)
        return submit(*arguments, **options)

    monkeypatch.setattr(Tasks, "_submit", slow)
    return held


@pytest.fixture
def own_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let servers of this test have threads of their own, which end with it."""
    monkeypatch.setattr(loop, "_shared", [])


@pytest.fixture
def live(fake: FakeScale) -> Caller:
    """Return a caller with the live key of the fake's own account."""
    return Caller(fake)


@pytest.fixture
def test_mode(fake: FakeScale) -> Caller:
    """Return a caller with the test key of the fake's own account."""
    return Caller(fake, fake.test_api_key)


@pytest.fixture
def noon() -> Iterator[time_machine.Traveller]:
    """Let time stand at noon of a certain day; it can be moved."""
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture(scope="session")
def complaints() -> Iterator[list[str]]:
    """Collect what is wrong with the answers of all fakes, by the OpenAPI document."""
    found: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fakescale.fake.application", judged(app.application, found.append))
        yield found


@pytest.fixture(autouse=True)
def _as_described(complaints: list[str]) -> Iterator[None]:
    """Let a test fail where the API answers what the OpenAPI document does not say."""
    complaints.clear()
    yield
    assert complaints == []


@pytest.fixture
def undocumented(complaints: list[str]) -> Iterator[None]:
    """Let a test make the API answer what the OpenAPI document does not say, as bugs do."""
    yield
    assert complaints
    complaints.clear()


@pytest.fixture
def seeded(complaints: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test seed bugs for another checker, while this one does not look."""
    monkeypatch.setattr("fakescale.fake.application", app.application)
