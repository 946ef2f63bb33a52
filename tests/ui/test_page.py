"""The page as a whole: keys, colors, tokens, hostile texts and pages, and a fake that ends."""

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fakescale import FakeScale
from tests.clients.environments import modules_with
from tests.ui.conftest import Ui
from tests.ui.stock import HOSTILE, stock

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

DOCS = Path(__file__).parents[2] / "docs"
VIEWS = (
    *("tasks", "requests", "callbacks", "faults", "clock"),
    *("timeline", "projects", "accounts", "state", "operations"),
)


def routes(fake: FakeScale) -> Iterator[str]:
    """Yield the address of each view, and of each task and request."""
    yield from (f"#/{view}" for view in VIEWS)
    yield from (f"#/task/{task.id}" for task in fake.tasks)
    yield from (f"#/requests/{event.number}" for event in fake.events(kind="request"))


def visit(ui: Ui, route: str) -> None:
    ui.page.evaluate("route => { location.hash = route }", route)
    ui.expect(ui.page.locator("h2").first).to_be_visible()
    ui.expect(ui.page.locator("main")).not_to_contain_text("Loading …")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_view_is_accessible(ui: Ui, scheme: Any) -> None:
    axe = modules_with("axe-core@4.14.1") / "node_modules" / "axe-core" / "axe.min.js"
    ui.page.add_init_script(path=axe)
    ui.page.emulate_media(color_scheme=scheme)
    stock(ui.fake)
    ui.open()
    for route in routes(ui.fake):
        visit(ui, route)
        found = ui.page.evaluate("axe.run()")
        told = [
            (it["id"], [node["html"][:200] for node in it["nodes"]]) for it in found["violations"]
        ]
        assert told == [], (route, told)


def test_texts_of_others_stay_text(ui: Ui) -> None:
    stock(ui.fake, HOSTILE)
    ui.open()
    for route in routes(ui.fake):
        visit(ui, route)
        for _ in range(3):  # each round shows the next level of the trees
            ui.page.evaluate("document.querySelectorAll('details').forEach(it => { it.open = 1 })")
    assert ui.page.evaluate("window.harmed") is None
    assert ui.page.locator("main script, main iframe, main [onerror]").count() == 0


def test_the_keys_lead_through_the_rows(ui: Ui) -> None:
    tasks = [ui.fake.tasks.create("chat") for _ in range(3)]
    ui.open()
    ui.expect(ui.rows()).to_have_count(3)
    ui.page.keyboard.press("/")
    assert ui.page.evaluate("document.activeElement.id") == "filter-type"
    ui.page.keyboard.press("Escape")
    ui.page.evaluate("document.activeElement.blur()")
    for key in "jjk":
        ui.page.keyboard.press(key)
    ui.expect(ui.page.get_by_role("link", name=tasks[-1].id)).to_be_focused()
    ui.fake.tasks.start(tasks[-1])  # rows are drawn again, and the focus stays
    ui.fake.tasks.complete(tasks[-1])
    ui.expect(ui.rows().first).to_contain_text("completed")
    ui.expect(ui.page.get_by_role("link", name=tasks[-1].id)).to_be_focused()
    ui.page.keyboard.press("Enter")
    ui.expect(ui.page.locator("h2")).to_contain_text(tasks[-1].id)


def test_a_hidden_tab_asks_nothing(ui: Ui) -> None:
    ui.open()
    ui.page.evaluate("Object.defineProperty(document, 'hidden', {value: true})")
    asked: list[str] = []
    ui.page.on("request", lambda request: asked.append(request.url))
    ui.page.evaluate("() => new Promise(done => setTimeout(done, 400))")
    assert len(asked) <= 1  # the one that had begun


def test_a_fake_that_ends_is_told_in_the_status_line(browser: "Browser") -> None:
    with FakeScale().serve() as fake:
        page = browser.new_context().new_page()
        ui = Ui(page, fake)
        ui.open()
    ui.expect(page.get_by_role("status")).to_have_text(
        "The fake does not answer. It may have ended."
    )
    page.context.close()


def test_a_token_is_asked_for_once(browser: "Browser") -> None:
    with FakeScale(control_token="secret").serve() as fake:
        context = browser.new_context()
        page = context.new_page()
        page.goto(fake.ui)
        page.get_by_label("the text that --control-token gave to fakescale").fill("secret")
        page.get_by_role("button", name="use it").click()
        ui = Ui(page, fake)
        ui.expect(page.get_by_role("status")).to_have_text("Connected.")
        page.reload()
        ui.expect(page.get_by_role("status")).to_have_text("Connected.")
        assert context.cookies() == []
        context.close()


def test_a_token_in_the_address_leaves_it(browser: "Browser") -> None:
    with FakeScale(control_token="s e").serve() as fake:
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{fake.ui}#token=s%20e")
        ui = Ui(page, fake)
        ui.expect(page.get_by_role("status")).to_have_text("Connected.")
        assert page.url == fake.ui
        context.close()


ATTACK = """
async target => {
  const frame = document.createElement("iframe");
  frame.src = target + "ui";
  document.body.append(frame);
  const tell = async (ask) => {
    try { return (await ask()).type } catch { return "refused" }
  };
  const headers = { "Content-Type": "application/json" };
  const post = (more) => () => fetch(target + "reset", { method: "POST", body: "{}", ...more });
  return {
    json: await tell(post({ headers })),
    opaque: await tell(post({ mode: "no-cors" })),
    script: await tell(() => import(target + "ui/app.js")),
    read: await tell(() => fetch(target + "summary")),
  };
}
"""
EMPTY = "<!doctype html><title>hostile</title><body></body>"


class _Hostile(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        content = EMPTY.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "evil.test"])
def test_a_hostile_page_changes_nothing(browser: "Browser", shown: FakeScale, host: str) -> None:
    task = shown.tasks.create("chat")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hostile)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    context = browser.new_context()
    try:
        page = context.new_page()
        address = f"http://{host}:{server.server_address[1]}/"
        if host == "evil.test":
            html = "text/html"
            page.route(address, lambda route: route.fulfill(body=EMPTY, content_type=html))
        page.goto(address)
        told = page.evaluate(ATTACK, f"{shown.origin}/_fakescale/")
        assert told["json"] == told["script"] == told["read"] == "refused"
        assert told["opaque"] in ("opaque", "refused")
        assert shown.tasks.list() == [task]
        frames = [it for it in page.frames if it != page.main_frame]
        assert all("fakescale" not in it.content() for it in frames)
        # Nor by the name of a host that leads to loopback.
        page.goto("about:blank")
    finally:
        context.close()
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_visit_asks_little_however_many_tasks_there_are(ui: Ui) -> None:
    for _ in range(300):
        ui.fake.tasks.create("chat")
    sizes: list[int] = []

    def note(answer: Any) -> None:
        if "/_fakescale/" in answer.url and "/ui" not in answer.url:
            sizes.append(int(answer.headers["content-length"]))

    ui.page.on("response", note)
    ui.open()
    ui.expect(ui.rows()).to_have_count(50)
    assert sum(sizes) < 150_000
    summary = len(ui.page.request.post(f"{ui.fake.origin}/_fakescale/summary", data={}).body())
    assert summary <= 2_000


# The pictures of the manual are those of the demo.


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_demo_looks_as_in_the_manual(browser: "Browser", scheme: Any) -> None:
    from fakescale.demo import fill

    with FakeScale(seed="demo").serve() as fake:
        fill(fake)
        context = browser.new_context(color_scheme=scheme, viewport={"width": 1200, "height": 750})
        ui = Ui(context.new_page(), fake)
        ui.open(f"#/task/{fake.tasks.list(type='imageannotation', status='completed')[1].id}")
        ui.expect(ui.page.locator(".picture img")).to_be_visible()
        picture = ui.page.screenshot()
        context.close()
    assert ui.problems == []
    told = DOCS / f"page-{scheme}.png"
    if os.environ.get("FAKESCALE_PICTURES"):
        told.write_bytes(picture)
    size = slice(16, 24)  # in the first part of a PNG
    assert told.read_bytes()[size] == picture[size]
