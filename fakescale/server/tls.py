"""TLS, on a port that speaks plain HTTP too."""

import contextlib
import functools
import logging
from typing import TYPE_CHECKING

from fakescale.server.connection import Connection, Entrance
from fakescale.values.environ import STANDS_IN
from fakescale.values.hosts import is_api

if TYPE_CHECKING:
    import ssl

    from fakescale.server.certificates import Authority

log = logging.getLogger("fakescale")

HANDSHAKE_SECONDS = 10  # for a whole handshake
_FIRST_BYTE = b"\x16"  # of a TLS handshake; no HTTP method begins with it


def entrance(authority: "Authority") -> Entrance:
    """Return the entrance for clients that begin with TLS, certified by ``authority``."""
    return Entrance("https", _FIRST_BYTE.__eq__, functools.partial(secure, authority))


def secure(authority: "Authority", connection: Connection, name: str | None = None) -> None:
    """Do the TLS handshake of a connection.

    ``name`` overrides the host name that the client asks for. Raises OSError if the handshake
    fails.
    """
    secured = authority.context.wrap_socket(
        connection.socket, server_side=True, do_handshake_on_connect=False
    )
    # The wrapper takes the socket's place, so that a stop ends it.
    connection.socket = secured
    if connection.site.stopped.is_set():  # the stop came before
        raise ConnectionAbortedError
    secured.settimeout(HANDSHAKE_SECONDS)  # ssl applies it to the whole handshake
    try:
        secured.do_handshake()
    except OSError as error:  # usually the client does not trust the certificate
        log.info("a TLS handshake failed: %s", getattr(error, "reason", None) or error)
        raise
    connection.farewell = functools.partial(_notify, secured)
    connection.environ["wsgi.url_scheme"] = "https"
    connection.environ[STANDS_IN] = is_api(name or secured.server_hostname)


def _notify(connection: "ssl.SSLSocket") -> None:
    """Tell the client that nothing follows, or it could take the end for a truncation."""
    with contextlib.suppress(OSError, ValueError):  # the connection is reset or already closed
        connection.settimeout(0)  # do not wait for the client's reply
        connection.unwrap()
