"""A proxy through which a process in any language finds the fake at https://api.scale.com.

It takes ``CONNECT api.scale.com:443``, also with an older name of that host, and serves the tunnel
itself. It never connects to anything.
"""

import contextlib
import functools
import logging
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
from fakescale.values.environ import Reported
from fakescale.values.errors import shown
from fakescale.values.hosts import HOST, HOSTS, is_api

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = logging.getLogger("fakescale")

TARGET = f"{HOST}:443"
HEAD_SECONDS = 10  # of silence, until the head is complete
_LONGEST_HEAD = 8 * 1024  # bytes
_MOST_PIECES = 100  # of a head
_CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


def environment(proxy_url: str, ca_path: str) -> dict[str, str]:
    """Return the variables that make a process use the proxy and trust the certificate.

    They work for curl, for Node (its ``fetch`` since versions 22.21 and 24), and in Python for
    requests, httpx and urllib.request.
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

    The ``authority`` must have a certificate for the host of the real API. Raises OSError if the
    port is not available, and OverflowError if its number is out of range.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        authority: Authority,
        port: int = 0,
        limits: Limits = DEFAULTS,
        *,
        report: Callable[[Reported], None] = log_exchange,
    ) -> None:
        enter = functools.partial(_open_tunnel, authority)
        # Clients reach the proxy itself without TLS, and every client enters this way.
        entrance = Entrance("http", lambda _: True, enter, HEAD_SECONDS)
        super().__init__(app, "127.0.0.1", port, limits, entrance=entrance, report=report)


def _open_tunnel(authority: Authority, connection: Connection) -> None:
    """Open the tunnel that the client asks for, and do the TLS handshake in it.

    Raises Refused for any other request, and OSError if no request comes.
    """
    client = connection.socket
    client.settimeout(HEAD_SECONDS)
    _check(_read_head(client))
    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    secure(authority, connection, HOST)


def _read_head(connection: socket.socket) -> bytes:
    """Return the head of a request, and leave the bytes after it unread.

    A head that is too long, or whose first byte is not HTTP, is not read to its end. Raises OSError
    if no head comes.
    """
    head = b""
    for _ in range(_MOST_PIECES):
        piece = connection.recv(_LONGEST_HEAD, socket.MSG_PEEK)
        if not piece:
            break
        end = (head + piece).find(b"\r\n\r\n")
        head += connection.recv(len(piece) if end < 0 else end + 4 - len(head))
        if end >= 0 or len(head) > _LONGEST_HEAD or not head[:1].isalpha():
            return head
    raise ConnectionAbortedError


def _check(head: bytes) -> None:
    """Raise Refused unless ``head`` is a ``CONNECT`` to the host of the real API."""
    first = head.partition(b"\r\n")[0].decode("latin-1")
    method, _, rest = first.partition(" ")
    target, _, version = rest.partition(" ")
    if len(head) > _LONGEST_HEAD:
        raise _refused(431, f"The head is over {_LONGEST_HEAD} bytes")
    if not version.startswith("HTTP/1."):
        raise _refused(400, "This is not HTTP/1.1")
    if method != "CONNECT" or not _is_target(target):
        log.info("the proxy refused %s", shown(first))
        raise _refused(403, f"This proxy of fakescale only takes CONNECT {TARGET}")


def _is_target(target: str) -> bool:
    host, _, port = target.rpartition(":")
    return port == "443" and is_api(host)


def _refused(status: int, reason: str) -> Refused:
    # The reason is also the phrase, since most clients show nothing else of a refusal by a proxy.
    return Refused(status, f"{reason}.", reason)
