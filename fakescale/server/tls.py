"""TLS, on a port that speaks plain HTTP too."""

import contextlib
import functools
import logging
from typing import TYPE_CHECKING

from fakescale.server.connection import Connection, Entrance
from fakescale.values.environ import STANDS_IN
from fakescale.values.hosts import HOST

if TYPE_CHECKING:
    import ssl

    from fakescale.server.certificates import Authority

log = logging.getLogger("fakescale")

HANDSHAKE_SECONDS = 10  # how long a handshake may take as a whole
_FIRST_BYTE = b"\x16"  # of a record that holds a handshake; no method of HTTP begins so


def entrance(authority: "Authority") -> Entrance:
    """Return the way in of clients that begin with TLS, by certificates of ``authority``."""
    return Entrance("https", _FIRST_BYTE.__eq__, functools.partial(secure, authority))


def secure(authority: "Authority", connection: Connection, name: str | None = None) -> None:
    """Do the handshake, as with a client that asked for ``name`` whatever it says.

    Raises OSError when it fails.
    """
    secured = authority.context.wrap_socket(
        connection.socket, server_side=True, do_handshake_on_connect=False
    )
    # In the place of the socket that it took over, so that a stop ends it.
    connection.socket = secured
    if connection.site.stopped.is_set():  # before it had that place
        raise ConnectionAbortedError
    secured.settimeout(HANDSHAKE_SECONDS)  # ssl takes it for the whole
    try:
        secured.do_handshake()
    except OSError as error:  # most often a client that does not trust the certificate
        log.info("a TLS handshake failed: %s", getattr(error, "reason", None) or error)
        raise
    connection.farewell = functools.partial(_notify, secured)
    connection.environ["wsgi.url_scheme"] = "https"
    connection.environ[STANDS_IN] = (name or secured.server_hostname or "").lower() == HOST


def _notify(connection: "ssl.SSLSocket") -> None:
    """Say that nothing follows, or else the client could take the end for a cut."""
    with contextlib.suppress(OSError, ValueError):  # it is reset, or has ended already
        connection.settimeout(0)  # and do not wait for the client to say so, too
        connection.unwrap()
