"""The fixtures of the suite: a fake, callers of it, and a frozen clock."""

import threading
from collections.abc import Iterator
from typing import Any

import freezegun
import httpcore  # noqa: F401  # pytester would unload it in part, and httpx miss its errors
import pytest
import time_machine
import trustme  # noqa: F401  # pytester would unload it, and its cryptography break

from fakescale import FakeScale
from fakescale.account.tasks import Tasks
from fakescale.api import app
from fakescale.server import loop
from tests.conformance import judged
from tests.support import Caller, HeldCreation

# No test needs the time in these large packages, and each freeze searches all other modules.
freezegun.configure(
    extend_ignore_list=[
        *("schemathesis", "scaleapi", "pydantic", "rich", "hypothesis", "sphinx", "docutils"),
        *("django", "flask", "fastapi", "starlette", "cryptography", "jsonschema", "pygments"),
        *("openapi_spec_validator", "openapi_schema_validator", "aiohttp", "babel", "jinja2"),
    ]
)

NOON = "2024-02-29T12:00:00.000Z"


# The plugins of the pytest runs that tests start, instead of all installed ones.
PLUGINS = ["fakescale.pytest_plugin", "xdist.plugin", "pytest_repeat"]


@pytest.fixture(scope="session", autouse=True)
def _light_runs() -> Iterator[None]:
    """Keep plugins that take long to import out of the pytest runs that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        patch.setenv("PYTEST_PLUGINS", ",".join(PLUGINS))
        yield


@pytest.fixture
def fake() -> Iterator[FakeScale]:
    """Return a fake that no server serves."""
    fake = FakeScale(seed="tests")
    yield fake
    fake.callbacks._stop(for_good=True)  # else another test could count its threads


@pytest.fixture
def held_creation(monkeypatch: pytest.MonkeyPatch) -> HeldCreation:
    """Hold each creation of a task until the test lets it go on."""
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
    """Give servers of this test threads of their own, which end with the test."""
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
    """Freeze the clock at ``NOON``; the test can move it."""
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture(scope="session")
def complaints() -> Iterator[list[str]]:
    """Collect the answers of all fakes that do not conform to the OpenAPI document."""
    found: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fakescale.fake.application", judged(app.application, found.append))
        yield found


@pytest.fixture(autouse=True)
def _as_described(complaints: list[str]) -> Iterator[None]:
    """Fail a test if an answer does not conform to the OpenAPI document."""
    complaints.clear()
    yield
    assert complaints == []


@pytest.fixture
def undocumented(complaints: list[str]) -> Iterator[None]:
    """Expect answers that do not conform to the OpenAPI document, as bugs cause them."""
    yield
    assert complaints
    complaints.clear()


@pytest.fixture
def seeded(complaints: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch the check of answers off, so that a test can seed bugs for another checker."""
    monkeypatch.setattr("fakescale.fake.application", app.application)
