"""The web page: its files, their headers, and the pictures that it shows.

The page is a client of the control interface and nothing else. Its files hold no data, so they
need no token. A picture of a task needs what a control call needs.
"""

import pathlib
from collections.abc import Mapping

from fakescale.api.request import Request
from fakescale.values.answer import Answer
from fakescale.values.environ import STANDS_IN
from fakescale.values.errors import NotFound
from fakescale.values.frozen import FrozenDict

#: The path of the page.
PAGE = "/_fakescale/ui"

_FOLDER = pathlib.Path(__file__).parent.parent / "ui"
_TYPES: Mapping[str, str] = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml; charset=utf-8",
}
_FILES = {
    PAGE: "index.html",
    **{
        f"{PAGE}/{name}": name
        for name in (
            *("app.js", "api.js", "parts.js", "tasks.js", "task.js", "requests.js", "others.js"),
            *("preact.js", "style.css", "icon.svg"),
        )
    },
}

# With `?images`, the page may load the pictures that tasks refer to, if somebody asks for one.
_IMAGES = ("img-src 'self' data: blob:", "img-src 'self' data: blob: http: https:")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; {images}; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def is_beside(request: Request, path: str) -> bool:
    """Return whether a request outside of control is one that only a browser makes.

    It is a request for the favicon, or one without a key for ``/`` by a browser.
    """
    environ = request.environ
    if path != "/":
        return path == "/favicon.ico"
    accepts = "text/html" in environ.get("HTTP_ACCEPT", "")
    return accepts and request.api_key is None and not bool(environ.get(STANDS_IN))


def respond(request: Request, path: str) -> Answer | None:
    """Answer a request for the page, or return None if it is none.

    Raises NotFound for a favicon, and on a connection that stands in for the real API.
    """
    if is_beside(request, path):
        if path == "/":
            return Answer(303, b"", FrozenDict({"Location": PAGE, "Cache-Control": "no-store"}))
        raise NotFound(f"Not found: {request.method} {path}")
    name = _FILES.get(path)
    if name is None or request.method not in ("GET", "HEAD"):
        return None
    if request.environ.get(STANDS_IN):
        raise NotFound(f"Not found: {request.method} {path}")
    content = (_FOLDER / name).read_bytes()
    return Answer(200, content, _headers(name, images="images" in request.query.values))


def picture(svg: str) -> Answer:
    """Return the answer with a picture of a task."""
    return Answer(200, svg.encode(), _headers("picture.svg", images=False))


def _headers(name: str, *, images: bool) -> FrozenDict:
    policy = _POLICY.format(images=_IMAGES[images])
    kind = _TYPES[name.rpartition(".")[2]]
    return FrozenDict({**_HEADERS, "Content-Type": kind, "Content-Security-Policy": policy})
