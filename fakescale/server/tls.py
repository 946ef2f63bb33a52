"""A connection over TLS, on a port that speaks plain HTTP too."""

import contextlib
import logging
import socket
from typing import TYPE_CHECKING, Any

from fakescale.server.connection import Connection
from fakescale.server.crew import Steps
from fakescale.values.environ import STANDS_IN
from fakescale.values.hosts import HOST

if TYPE_CHECKING:
    import ssl

    from fakescale.server.server import Server

log = logging.getLogger("fakescale")

HANDSHAKE_SECONDS = 10  # how long a handshake may take as a whole
_FIRST_BYTE = b"\x16"  # of a record that holds a handshake; no method of HTTP begins so


def begins(connection: socket.socket) -> bool:
    """Wait for the first byte, and tell whether it is one of TLS."""
    return connection.recv(1, socket.MSG_PEEK) == _FIRST_BYTE


def shake_hands(connection: "ssl.SSLSocket") -> None:
    """Do the handshake; raises OSError when it fails."""
    connection.settimeout(HANDSHAKE_SECONDS)  # ssl takes it for the whole
    try:
        connection.do_handshake()
    except OSError as error:  # most often a client that does not trust the certificate
        log.info("a TLS handshake failed: %s", getattr(error, "reason", None) or error)
        raise


def notify(connection: "ssl.SSLSocket") -> None:
    """Say that nothing follows, or else the client could take the end for a cut."""
    with contextlib.suppress(OSError, ValueError):  # it is reset, or has ended already
        connection.settimeout(0)  # and do not wait for the client to say so, too
        connection.unwrap()


class SecureConnection(Connection):
    """Serves the requests of one connection over TLS."""

    def __init__(self, connection: "ssl.SSLSocket", address: Any, server: "Server") -> None:
        super().__init__(connection, address, server)
        self._secured = connection
        name = connection.server_hostname or ""
        self._about[STANDS_IN] = name.lower() == HOST

    def _linger(self) -> Steps:
        notify(self._secured)
        yield from super()._linger()  # below TLS, where what still comes need not be decrypted
