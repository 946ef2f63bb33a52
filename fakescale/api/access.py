"""Access: the checks that protect the fake from web pages that the developer visits.

A page can make the browser send requests to any address. But it cannot choose the headers that
are checked here, and cannot send JSON to another origin unless that origin allows it.
The check of the Host protects against DNS rebinding, where the page's own name leads here.
"""

import dataclasses
import functools
import hmac
import re
from collections.abc import Mapping
from typing import Any

from fakescale.api.request import Request
from fakescale.values.environ import BOUND_HOST, STANDS_IN
from fakescale.values.errors import Forbidden, invalid, shown
from fakescale.values.hosts import HOST, NOT_SERVED, is_api, is_host, is_loopback, read_ip

_HOST = re.compile(r"(\[[^\[\]]+\]|[^:\[\]]+)(:\d+)?")
_ORIGIN = re.compile(rf"https?://(?P<host>{_HOST.pattern})")
_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104


@dataclasses.dataclass(frozen=True, slots=True)
class Access:
    """The rules of access to a fake, and their checks.

    Raises ValueError for a host that no Host header can hold, and for an empty token.
    """

    #: The hosts that a Host header may name, besides loopback and the server's own host.
    hosts: frozenset[str] = frozenset()
    #: The token that control calls need. Without one, only a server on loopback takes them.
    token: str | None = None
    #: Whether result files need an API key.
    secure_result_urls: bool = False

    def __post_init__(self) -> None:
        for host in self.hosts:
            if not is_host(host):
                raise ValueError(f"{host!r} is not a host: a name or an address, without a port")
        if self.token == "":
            raise ValueError("the control token must not be empty")

    def check_host(self, environ: Mapping[str, Any]) -> None:
        """Raise Forbidden unless the Host header is a name of this fake.

        A request without the header is allowed: browsers always send it.
        """
        if "HTTP_HOST" not in environ:
            return
        name = _name(environ["HTTP_HOST"])
        if environ.get(STANDS_IN) and is_api(name):
            return
        # An address cannot be rebound, and a server on a wildcard answers at each address.
        is_address = environ["SERVER_NAME"] in _WILDCARDS and read_ip(name) is not None
        if not is_address and not self._knows(name, environ):
            raise Forbidden(
                f"The Host {shown(environ['HTTP_HOST'])} is neither a loopback name nor"
                " the host that fakescale listens on, nor one given by --allow-host."
            )

    def check_control(self, request: Request) -> None:
        """Raise Forbidden, or BadRequest for a wrong content type, unless the call is allowed."""
        environ = request.environ
        # The API's own pages could send such a call. No client of the API ever does.
        if environ.get(STANDS_IN):
            raise Forbidden(
                f"Control calls go to the address that fakescale listens on, not to {HOST}."
            )
        if self.token is None and not _is_near(environ["SERVER_NAME"]):
            raise Forbidden(
                f"Control over HTTP is switched off: fakescale listens on"
                f" {environ['SERVER_NAME']}, which is not a loopback address, and was started"
                " without --control-token."
            )
        if "HTTP_HOST" not in environ:
            raise Forbidden("A control call needs the header Host.")
        self._check_page(request)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        given = token.strip().encode("latin-1", "replace") if scheme.lower() == "bearer" else b""
        if self.token is not None and not hmac.compare_digest(given, self.token.encode()):
            raise Forbidden(
                "A control call needs the header Authorization: Bearer TOKEN, with the token that"
                " --control-token gave to fakescale."
            )
        # A page can send other types without asking first: as a form, or by fetch with no-cors.
        if request.method == "POST" and request.mimetype != "application/json":
            kind = request.headers.get("Content-Type", "")
            raise invalid("Content-Type", "must be application/json", kind)

    def _check_page(self, request: Request) -> None:
        """Raise Forbidden if the browser says that a page of another origin sends the request."""
        environ = request.environ
        origin = environ.get("HTTP_ORIGIN")
        if origin is not None:
            found = _ORIGIN.fullmatch(origin)
            name = _name(found["host"]) if found else ""
            if name != _name(environ["HTTP_HOST"]) and not self._knows(name, environ):
                raise Forbidden(
                    f"The Origin {shown(origin)} is foreign: pages may not make control calls."
                )
        site = environ.get("HTTP_SEC_FETCH_SITE", "")
        if site.lower() in ("cross-site", "same-site"):
            raise Forbidden(
                f"The request comes from a page of another origin (Sec-Fetch-Site: {site})."
            )

    def _knows(self, name: str, environ: Mapping[str, Any]) -> bool:
        if name == "" or _is_near(name):
            return name != ""
        ours = (environ["SERVER_NAME"], environ.get(BOUND_HOST, ""), *self.hosts)
        return name in map(_name, ours)


def _is_near(name: str) -> bool:
    """Return whether a host is this machine, or that of a fake without a server."""
    return is_loopback(name) or name == NOT_SERVED


@functools.lru_cache(maxsize=256)
def _name(host: str) -> str:
    """Return the name in ``host``, without port and brackets, or "" if there is none."""
    if read_ip(host) is not None:  # an address of IPv6 may have no brackets
        return str(read_ip(host))
    found = _HOST.fullmatch(host)
    name = found[1].strip("[]").lower() if found else ""
    return str(read_ip(name) or name)
