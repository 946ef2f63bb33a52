"""The web page: the poll, the first paint, and what an open page costs other clients."""

import functools
import json
import shutil
import threading
from collections.abc import Callable

from tests.benchmarks.clients import Client, rate
from tests.benchmarks.lab import Lab
from tests.benchmarks.measure import Missing, Round, Row, Target
from tests.benchmarks.requests_sent import create, request
from tests.benchmarks.rows.held import typical

_HELD = 100_000
# Notes the time from the visit to the frame after the first row of a table.
_WATCH = """
new MutationObserver((changes, self) => {
  if (!document.querySelector("tbody tr")) return;
  self.disconnect();
  requestAnimationFrame(() => { window.shown = performance.now() });
}).observe(document, { childList: true, subtree: true });
"""
_BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome")


def control(operation: str, **arguments: object) -> bytes:
    """Return a control call as bytes."""
    return request("POST", f"/_fakescale/{operation}", json.dumps(arguments).encode())


def polling(client: Client, held: int) -> Callable[[], bytes]:
    asked = control("summary", since=0)
    return lambda: asked


def size_of_poll(lab: Lab) -> Round:
    """Prepare the bytes of an answer to the poll."""
    client = lab.client("ours", _HELD)
    return lambda: float(len(client.ask(control("summary", since=0))))


def creations(lab: Lab, *, watched: bool) -> Round:
    """Prepare the creations in a second, with a page open at the list of tasks or without."""
    client, page = lab.client("ours", _HELD), lab.client("ours", _HELD)
    done = threading.Event()

    def watch() -> None:
        while not done.wait(1):
            page.ask(control("summary", since=0))
            page.ask(control("tasks.page", limit=50))

    def measure() -> float:
        done.clear()
        thread = threading.Thread(target=watch)
        if watched:
            thread.start()
        try:
            return rate(lambda: client.ask(create()), 10 * lab.seconds)
        finally:
            done.set()
            if watched:
                thread.join()

    return measure


def first_paint(lab: Lab) -> Round:
    """Prepare the milliseconds from a visit to the first tasks on the screen."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise Missing("playwright is not installed") from None
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None:
        raise Missing("no Chromium is installed")
    page = (
        lab.enter(sync_playwright()).chromium.launch(executable_path=found).new_context().new_page()
    )
    address = f"http://127.0.0.1:{lab.port('ours', _HELD)}/_fakescale/ui"
    page.add_init_script(_WATCH)

    def measure() -> float:
        page.goto("about:blank")
        page.goto(address)
        page.locator("tbody tr").first.wait_for()
        return float(page.evaluate("new Promise(requestAnimationFrame).then(() => window.shown)"))

    return measure


ROWS = (
    Row(
        name="poll",
        what="the poll of the web page",
        unit="ms",
        sides={"fakescale": typical(polling, _HELD)},
        targets=(Target(at_most=2),),
        group="100,000 held",
    ),
    Row(
        name="poll-size",
        what="the answer to the poll of the web page",
        unit="bytes",
        sides={"fakescale": size_of_poll},
        targets=(Target(at_most=2_000, always=True),),
        group="100,000 held",
    ),
    Row(
        name="watched",
        what="create a task while the web page is open",
        unit="req/s",
        sides={
            "fakescale": functools.partial(creations, watched=True),
            "alone": functools.partial(creations, watched=False),
        },
        targets=(Target(at_least=0.95, times="alone"),),
        group="100,000 held",
    ),
    Row(
        name="paint",
        what="the web page with its first tasks",
        unit="ms",
        sides={"fakescale": first_paint},
        targets=(Target(at_most=300),),
        group="100,000 held",
    ),
)
