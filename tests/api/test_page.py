"""The files of the page: their headers, who may read them, and what never is in them."""

import hashlib
import http
import re
from pathlib import Path
from typing import Any

import pytest
import werkzeug.test

import fakescale
from fakescale import FakeScale
from fakescale.api import page
from fakescale.values.environ import STANDS_IN
from tests.support import Caller

FOLDER = Path(fakescale.__file__).parent / "ui"
OWN = sorted(it for it in FOLDER.iterdir() if it.name != "preact.js")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def get(fake: FakeScale, path: str, environ: dict[str, Any] | None = None, **headers: str) -> Any:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return werkzeug.test.Client(fake).get(path, headers=named, environ_overrides=environ)


@pytest.mark.parametrize("path", page._FILES)
def test_each_file_comes_with_headers_that_let_nothing_in(fake: FakeScale, path: str) -> None:
    reply = get(fake, path)
    assert reply.status_code == http.HTTPStatus.OK
    assert reply.data == (FOLDER / page._FILES[path]).read_bytes()
    assert reply.headers["Content-Type"].split(";")[0] in (
        "text/html",
        "text/javascript",
        "text/css",
        "image/svg+xml",
    )
    assert reply.headers["Content-Security-Policy"] == POLICY
    assert {name: reply.headers[name] for name in page._HEADERS} == page._HEADERS
    assert len(fake.requests) == 0


def test_all_files_are_served_and_are_small() -> None:
    assert {*page._FILES.values()} == {it.name for it in FOLDER.iterdir()}
    assert sum(it.stat().st_size for it in FOLDER.iterdir()) <= 100_000


def test_the_vendored_module_is_the_published_one() -> None:
    digest = hashlib.sha256((FOLDER / "preact.js").read_bytes()).hexdigest()
    assert digest == "72284e8e9079c87817145df1110f74e8a2aa040b2fc384922e18dfcb46fc1fd7"


@pytest.mark.parametrize("file", OWN, ids=lambda it: it.name)
def test_texts_of_others_are_only_ever_text(file: Path) -> None:
    text = file.read_text("utf-8")
    for word in ("innerHTML", "outerHTML", "dangerously", "insertAdjacent", "eval(", "Function("):
        assert word not in text
    assert not re.search(r"\son\w+=\"|style=|javascript:|document\.write", text)
    urls = re.findall(r"(?:src|href|from|import|url\()\s*=?\s*[\"'(](https?:[^\"')]+)", text)
    assert urls == []  # nothing of others is loaded


def test_links_to_elsewhere_tell_nothing() -> None:
    parts = (FOLDER / "parts.js").read_text("utf-8")
    assert parts.count('rel="noreferrer noopener"') == parts.count('target="_blank"') == 1


def test_with_images_the_policy_allows_those_of_others(fake: FakeScale) -> None:
    policy = get(fake, "/_fakescale/ui?images").headers["Content-Security-Policy"]
    assert policy == POLICY.replace("data: blob:", "data: blob: http: https:")


def test_a_foreign_host_gets_no_file(fake: FakeScale) -> None:
    for path in page._FILES:
        assert get(fake, path, Host="evil.test").status_code == http.HTTPStatus.FORBIDDEN


def test_a_page_may_be_opened_from_anywhere(fake: FakeScale) -> None:
    reply = get(fake, "/_fakescale/ui", Sec_Fetch_Site="cross-site", Origin="http://evil.test")
    assert reply.status_code == http.HTTPStatus.OK  # it holds no data


def test_the_real_host_has_no_page(fake: FakeScale) -> None:
    standing = {STANDS_IN: True}
    for path in ("/_fakescale/ui", "/_fakescale/ui/app.js"):
        reply = get(fake, path, standing, Host="api.scale.com")
        assert reply.status_code == http.HTTPStatus.NOT_FOUND
    reply = get(fake, "/", standing, Host="api.scale.com", Accept="text/html")
    assert reply.status_code == http.HTTPStatus.UNAUTHORIZED


def test_only_get_reads_a_file(fake: FakeScale) -> None:
    client = werkzeug.test.Client(fake)
    assert client.head("/_fakescale/ui").status_code == http.HTTPStatus.OK
    reply = client.post("/_fakescale/ui/app.js", json={})
    assert reply.status_code == http.HTTPStatus.NOT_FOUND
    assert get(fake, "/_fakescale/ui/../fake.py").status_code != http.HTTPStatus.OK
    assert get(fake, "/_fakescale/ui/unknown.js").status_code == http.HTTPStatus.NOT_FOUND


def test_a_browser_is_led_to_the_page(fake: FakeScale) -> None:
    reply = get(fake, "/", Accept="text/html,application/xhtml+xml")
    assert (reply.status_code, reply.headers["Location"]) == (303, "/_fakescale/ui")
    assert get(fake, "/", Accept="*/*").status_code == http.HTTPStatus.UNAUTHORIZED
    assert get(fake, "/").status_code == http.HTTPStatus.UNAUTHORIZED
    keyed = get(fake, "/", Accept="text/html", Authorization="Basic bGl2ZV94Og==")
    assert keyed.status_code == http.HTTPStatus.NOT_FOUND  # as the API answers
    assert [it.path for it in fake.requests] == ["/", "/", "/"]
    refused = get(fake, "/", Accept="text/html", Host="evil.test")
    assert refused.status_code == http.HTTPStatus.FORBIDDEN


def test_a_favicon_leaves_no_trace(fake: FakeScale) -> None:
    assert get(fake, "/favicon.ico").status_code == http.HTTPStatus.NOT_FOUND
    assert (len(fake.requests), len(fake.events)) == (0, 0)


def test_a_favicon_uses_up_no_fault(fake: FakeScale) -> None:
    fault = fake.faults.add(path="*", status=503, times=1)
    get(fake, "/favicon.ico")
    assert fault.hits == 0


def picture(fake: FakeScale, task_id: str, query: str = "", **headers: str) -> Any:
    return get(fake, f"/_fakescale/ui/task/{task_id}.svg{query}", None, **headers)


def test_the_picture_of_a_task_is_an_svg(fake: FakeScale) -> None:
    task = fake.tasks.complete(fake.tasks.create("chat"))
    reply = picture(fake, task.id)
    assert reply.status_code == http.HTTPStatus.OK
    assert reply.headers["Content-Type"] == "image/svg+xml; charset=utf-8"
    assert reply.headers["Content-Security-Policy"] == POLICY
    assert reply.text == fake.tasks.drawing(task).svg
    assert picture(fake, "unknown").status_code == http.HTTPStatus.NOT_FOUND
    assert picture(fake, task.id, "?test=true").status_code == http.HTTPStatus.NOT_FOUND
    assert picture(fake, task.id, "?frame=x").status_code == http.HTTPStatus.BAD_REQUEST
    other = fake.account("other").test.tasks.create("chat")
    assert picture(fake, other.id, "?account=other&test=true").status_code == http.HTTPStatus.OK


def test_a_picture_needs_what_a_control_call_needs() -> None:
    fake = FakeScale(control_token="secret")
    task = fake.tasks.create("chat")
    assert picture(fake, task.id).status_code == http.HTTPStatus.FORBIDDEN
    assert picture(fake, task.id, Authorization="Bearer secret").status_code == http.HTTPStatus.OK
    foreign = picture(FakeScale(), "x", Sec_Fetch_Site="cross-site")
    assert foreign.status_code == http.HTTPStatus.FORBIDDEN
    assert get(fake, "/_fakescale/ui").status_code == http.HTTPStatus.OK  # it holds no data


def test_the_address_is_told(fake: FakeScale) -> None:
    assert fake.ui.endswith(".invalid/_fakescale/ui")
    with fake.serve():
        assert fake.ui == f"{fake.origin}/_fakescale/ui"


def test_the_page_can_be_reached_beside_the_api(fake: FakeScale) -> None:
    Caller(fake)("GET", "/tasks")
    assert get(fake, "/_fakescale/ui").status_code == http.HTTPStatus.OK
    assert [it.path for it in fake.requests] == ["/v1/tasks"]
