"""A browser for the tests of the page. A test fails if the browser's console complains.

The tests are marked ``browser``, and need the extra ``browser`` and a Chromium. Without them a
test is skipped; with ``CI`` in the environment, as .ci/run sets it, it fails then.
"""

import os
import re
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fakescale import FakeScale

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

COMMANDS = ("chromium-headless-shell", "chromium", "google-chrome")
#: The folder of the screenshots of failed tests.
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
POLL = 50  # ms

_FAILED = pytest.StashKey[bool]()


def _go_without(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


# Not for the session: it leaves a running event loop in the thread, and asyncio.run() fails then.
@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Start a headless Chromium of the system."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _go_without("playwright is not installed; the extra `browser` has it")
    found = next(filter(None, map(shutil.which, COMMANDS)), None)
    if found is None:
        _go_without(f"none of {', '.join(COMMANDS)} is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=["--host-resolver-rules=MAP evil.test 127.0.0.1"]
        )
        yield browser
        browser.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, Any]:
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


@pytest.fixture
def shown() -> Iterator[FakeScale]:
    """Serve a fake for the page."""
    with FakeScale(seed="tests").serve() as fake:
        yield fake


class Ui:
    """The page in a browser, at a fake."""

    def __init__(self, page: "Page", fake: FakeScale) -> None:
        from playwright.sync_api import expect

        self.page = page
        self.fake = fake
        self.expect = expect
        self.problems: list[str] = []
        #: Whether control calls may be refused. The browser notes each refusal on its console.
        self.may_refuse = False
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def _note(self, message: Any) -> None:
        is_refusal = "server responded with a status of 4" in message.text
        if message.type in ("error", "warning") and not (is_refusal and self.may_refuse):
            self.problems.append(message.text)

    def open(self, route: str = "#/tasks", query: str = "") -> None:
        """Go to a view, and wait until it shows the state."""
        self.page.goto(f"{self.fake.ui}?poll={POLL}{query}{route}")
        self.expect(self.page.get_by_role("status")).to_have_text("Connected.")

    def press(self, name: str, *, exact: bool = True) -> None:
        """Press a button."""
        self.page.get_by_role("button", name=name, exact=exact).click()

    def fill(self, label: str, text: str) -> None:
        """Fill a field."""
        self.page.get_by_label(label, exact=True).fill(text)

    def sees(self, text: str | re.Pattern[str]) -> None:
        """Wait until the page shows a text."""
        self.expect(self.page.locator("main")).to_contain_text(text)

    def done(self, operation: str) -> None:
        """Wait until the status line tells that an operation is done."""
        self.expect(self.page.get_by_role("status")).to_have_text(f"Done: {operation}")

    def rows(self) -> "Locator":
        """Return the rows of the tables."""
        return self.page.locator("tbody tr")

    def curl(self, button: str) -> str:
        """Return the curl line beside a button."""
        near = self.page.get_by_role("button", name=button, exact=True).locator("xpath=..")
        near.get_by_text("curl", exact=True).click()
        line: str = near.locator("pre").inner_text()
        return line


@pytest.fixture
def ui(request: pytest.FixtureRequest, browser: "Browser", shown: FakeScale) -> Iterator[Ui]:
    """Open a tab. It is closed before the fake ends, or the page would poll a dead server."""
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    context.set_default_timeout(10_000)
    ui = Ui(context.new_page(), shown)
    yield ui
    if request.node.stash.get(_FAILED, False):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"\W+", "-", request.node.name)
        ui.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
    context.close()
    assert ui.problems == []
