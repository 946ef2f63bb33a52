"""A proxy through which a process in any language finds the fake at https://api.scale.com.

It takes ``CONNECT api.scale.com:443`` and serves the tunnel itself, and one to port 80 without TLS,
which some clients open for http. It also takes requests for whole URLs, ``GET
https://api.scale.com/v1/tasks``, which some clients send to a proxy, and answers them without TLS.
It never connects to anything.
"""

import contextlib
import functools
import logging
import re
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from fakescale.server.access_log import log_exchange
from fakescale.server.certificates import Authority
from fakescale.server.connection import Connection, Entrance
from fakescale.server.http11 import Refused
from fakescale.server.limits import DEFAULTS, Limits
from fakescale.server.server import Server, running
from fakescale.server.tls import secure
from fakescale.values.environ import STANDS_IN, Reported
from fakescale.values.errors import shown
from fakescale.values.hosts import HOST, HOSTS, is_api
from fakescale.values.keys import masked

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = logging.getLogger("fakescale")

HEAD_SECONDS = 10  # of silence, until the head is complete
_LONGEST_HEAD = 8 * 1024  # bytes
_MOST_PIECES = 100  # of a line or a head
_TUNNEL = re.compile(r"([^/?#@:]+):(443|80)")
_URL = re.compile(r"(https?)://([^/?#@:]+)(?::(\d*))?(?:[/?].*)?", re.ASCII | re.IGNORECASE)
_PORTS = {"https": "443", "http": "80"}
_CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


def environment(proxy_url: str, ca_path: str) -> dict[str, str]:
    """Return the variables that make a process use the proxy and trust the certificate.

    They work for curl, for Node (``fetch`` and ``https`` since versions 22.21 and 24.5), and in
    Python for requests, httpx and urllib.request.
    """
    return {
        # Some clients prefer the lower-case name, so a value set already could win.
        **dict.fromkeys(("HTTPS_PROXY", "https_proxy"), proxy_url),
        # A value set already could make clients bypass the proxy, to the real API.
        **dict.fromkeys(("NO_PROXY", "no_proxy"), "localhost,127.0.0.1,::1"),
        "NODE_USE_ENV_PROXY": "1",
        **dict.fromkeys(_CA_VARIABLES, ca_path),
    }


@contextlib.contextmanager
def proxying(
    app: "WSGIApplication", authority: Authority | None = None, limits: Limits = DEFAULTS
) -> Iterator[dict[str, str]]:
    """Run a proxy for a ``with`` block, which gets the environment variables for processes.

    Without an ``authority``, the proxy makes its own. Raises ImportError without the extra
    ``redirect``.
    """
    authority = authority or Authority(*HOSTS)
    proxy = Proxy(app, authority, limits=limits)
    with running(proxy), authority.saved() as path:
        yield environment(proxy.origin, path)


class Proxy(Server):
    """A proxy on loopback that listens once it is made; port 0 picks a free port.

    The ``authority`` must have a certificate for the hosts of the real API. Raises OSError if the
    port is not available, and OverflowError if its number is out of range.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        authority: Authority,
        port: int = 0,
        limits: Limits = DEFAULTS,
        *,
        report: Callable[[Reported, float], None] = log_exchange,
    ) -> None:
        enter = functools.partial(_enter, authority)
        # Clients reach the proxy itself without TLS, and every client enters this way.
        entrance = Entrance("http", lambda _: True, enter, HEAD_SECONDS)
        super().__init__(app, "127.0.0.1", port, limits, entrance=entrance, report=report)


def _enter(authority: Authority, connection: Connection) -> None:
    """Let a client in that asks for a tunnel to the real API, or for a URL of it.

    Raises Refused for any other request, and OSError if no request comes.
    """
    client = connection.socket
    client.settimeout(HEAD_SECONDS)
    line = _read_to(b"\r\n", client, connection.site.limits.max_request_line)
    first = line.removesuffix(b"\r\n").decode("latin-1")
    method, _, rest = first.partition(" ")
    target, _, version = rest.partition(" ")
    if not version.startswith("HTTP/1."):
        raise _refused(400, "This is not HTTP/1.1")
    if method == "CONNECT":
        found = _TUNNEL.fullmatch(target)
        if found and is_api(found[1]):
            _open_tunnel(authority if found[2] == "443" else None, connection)
            return
    elif scheme := _scheme(target):
        connection.environ |= {"wsgi.url_scheme": scheme, STANDS_IN: True}
        # One request only: the next one on a kept connection may be for another host, or CONNECT.
        connection.feed(line + b"Connection: close\r\n")
        return
    log.info("the proxy refused %s", shown(masked(first)))
    raise _refused(403, f"This proxy of fakescale only leads to https://{HOST}")


def _open_tunnel(authority: Authority | None, connection: Connection) -> None:
    """Open a tunnel, after the first line of its request.

    With an ``authority``, do the TLS handshake in it.
    """
    _read_to(b"\r\n\r\n", connection.socket, _LONGEST_HEAD, read=b"\r\n")
    connection.socket.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    if authority is None:
        connection.environ |= {"wsgi.url_scheme": "http", STANDS_IN: True}
    else:
        secure(authority, connection, HOST)


def _scheme(target: str) -> str | None:
    """Return the scheme of ``target`` if it is a URL of the real API."""
    found = _URL.fullmatch(target)
    if found is None or not is_api(found[2]):
        return None
    scheme = found[1].lower()
    return scheme if found[3] in (None, "", _PORTS[scheme]) else None


def _read_to(end: bytes, client: socket.socket, most: int, read: bytes = b"") -> bytes:
    """Return the bytes up to ``end``, after those in ``read``; leave the bytes after it unread.

    A beginning that is not HTTP is not read to its end. Raises Refused after ``most`` bytes, and
    OSError if the end does not come.
    """
    for _ in range(_MOST_PIECES):
        piece = client.recv(most, socket.MSG_PEEK)
        if not piece:
            break
        found = (read + piece).find(end)
        read += client.recv(len(piece) if found < 0 else found + len(end) - len(read))
        if len(read) > most:
            raise _refused(431, f"The head is over {most} bytes")
        if found >= 0 or not (read[:1].isalpha() or read[:2] == b"\r\n"):
            return read
    raise ConnectionAbortedError


def _refused(status: int, reason: str) -> Refused:
    # The reason is also the phrase, since most clients show nothing else of a refusal by a proxy.
    return Refused(status, f"{reason}.", reason)
