"""The sending of one callback: a POST over its own connection.

This module connects the socket itself, because no client of the standard library takes an
address to connect to. ``http.client`` does the rest.
"""

import contextlib
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fakescale.values.hosts import Address, NotSent, is_loopback

if TYPE_CHECKING:
    import ssl

SECONDS = 5.0
_MAX_ANSWER = 64 * 1024


class Carrier:
    """Sends callbacks to their receivers.

    ``timeout``, in seconds of real time, limits the connection, and then the exchange.
    Redirects are not followed.
    """

    def __init__(self, timeout: float = SECONDS) -> None:
        self._timeout = timeout
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()

    def post(self, address: Address, auth_key: str | None, content: bytes) -> int:
        """Send ``content`` as JSON, and return the status of the answer.

        Without ``auth_key``, the request has no header ``scale-callback-auth``.

        Raises NotSent if the host is neither on loopback nor allowed by name. Raises OSError if
        no answer comes.
        """
        import http.client  # imports ssl, which many suites never need

        with contextlib.ExitStack() as stack:
            connection = http.client.HTTPConnection(address.host, address.port)
            connection.sock = stack.enter_context(self._connected(address))
            stack.callback(connection.close)
            fields = {
                "Host": address.origin,
                "Content-Type": "application/json",
                "Connection": "close",
            }
            if auth_key is not None:
                fields["scale-callback-auth"] = auth_key
            if address.user:  # guessed; without a password, it is empty (RFC 7617)
                user = address.user if ":" in address.user else f"{address.user}:"
                fields["Authorization"] = f"Basic {b64encode(user.encode()).decode()}"
            expired = stack.enter_context(self._deadline(connection.sock))
            try:
                connection.request("POST", address.target, content, fields)
                answer = stack.enter_context(connection.getresponse())
                if expired.is_set():  # a head that is cut off looks complete
                    raise TimeoutError("timed out")
                # The content does not matter, but closing with unread bytes would reset the
                # connection for the receiver.
                with contextlib.suppress(OSError, http.client.HTTPException):
                    answer.read(_MAX_ANSWER)
            except (OSError, http.client.HTTPException) as error:
                if expired.is_set():
                    raise TimeoutError("timed out") from None
                if not isinstance(error, http.client.HTTPException):
                    raise
                raise OSError(f"{type(error).__name__}: {error}") from None
            return answer.status

    def break_off(self) -> None:
        """Make every running ``post`` fail."""
        with self._lock:
            sockets = list(self._sockets)
        for open_one in sockets:
            _shut(open_one)

    @contextlib.contextmanager
    def _connected(self, address: Address) -> Iterator[socket.socket]:
        """Connect to an address of the host; the name is looked up only once."""
        error: OSError | None = None
        for family, number in _resolve(address):
            with contextlib.closing(socket.socket(family, socket.SOCK_STREAM)) as plain:
                with self._breakable(plain):
                    plain.settimeout(self._timeout)
                    try:
                        plain.connect(number)
                    except OSError as failed:
                        error = failed
                        continue
                if address.scheme == "http":
                    with self._breakable(plain):
                        yield plain
                    return
                with contextlib.closing(_wrapped(plain, address.host)) as wrapped:
                    with self._breakable(wrapped):
                        wrapped.do_handshake()
                        yield wrapped
                    return
        raise error or OSError("the host has no address")

    @contextlib.contextmanager
    def _deadline(self, open_one: socket.socket) -> Iterator[threading.Event]:
        """Break the connection off after the timeout, even if data still arrives slowly."""
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            _shut(open_one)

        # A socket's timeout is per read. A clock may be frozen; a timer runs in real time.
        timer = threading.Timer(self._timeout, expire)
        timer.daemon = True
        timer.start()
        try:
            yield expired
        finally:
            timer.cancel()
            timer.join()

    @contextlib.contextmanager
    def _breakable(self, open_one: socket.socket) -> Iterator[None]:
        with self._lock:
            self._sockets.add(open_one)
        try:
            yield
        finally:
            with self._lock:
                self._sockets.discard(open_one)


def _shut(open_one: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it is not connected, or no longer
        # Not through TLS, whose state belongs to its thread. eventlet's sockets are others.
        if isinstance(open_one, socket.SocketType):
            socket.SocketType.shutdown(open_one, socket.SHUT_RDWR)
        else:
            open_one.shutdown(socket.SHUT_RDWR)


def _resolve(address: Address) -> list[tuple[socket.AddressFamily, Any]]:
    """Return the host's families and socket addresses; raises NotSent if one is not allowed."""
    # Names below localhost are localhost (RFC 6761), so no name server need learn of them.
    name = "localhost" if address.host.endswith(".localhost") and not address.named else None
    found: list[tuple[socket.AddressFamily, Any]] = [
        (family, number)
        for family, _, _, _, number in socket.getaddrinfo(
            name or address.host, address.port, type=socket.SOCK_STREAM
        )
    ]
    if not address.named and not all(is_loopback(str(number[0])) for _, number in found):
        raise NotSent(f"{address.host} is not allowed")
    return found


def _wrapped(plain: socket.socket, host: str) -> "ssl.SSLSocket":
    import ssl

    # The handshake comes later, when ``break_off`` can interrupt it.
    context = ssl.create_default_context()
    return context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
