"""The way to a receiver: one POST over a connection of its own.

By hand as far as the address is concerned, since no client of the standard library lets
itself be told where to connect, and with a library as far as HTTP is.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fakescale.values.hosts import Address, NotSent, is_loopback

if TYPE_CHECKING:
    import ssl

SECONDS = 5.0
_MAX_ANSWER = 64 * 1024


class Carrier:
    """Takes callbacks to their receivers.

    ``timeout``, in seconds of real time, is for the connection, and then for the answer. A
    redirect is an answer like any other.
    """

    def __init__(self, timeout: float = SECONDS) -> None:
        self._timeout = timeout
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()

    def post(self, address: Address, auth_key: str, content: bytes) -> int:
        """Send ``content`` as JSON, and return the status of the answer.

        Raises NotSent where the host is not on loopback and was not named, OSError where no
        answer came.
        """
        import http.client  # brings ssl, which many a suite never needs

        with contextlib.ExitStack() as stack:
            connection = http.client.HTTPConnection(address.host, address.port)
            connection.sock = stack.enter_context(self._connected(address))
            stack.callback(connection.close)
            fields = {
                "Host": address.origin,
                "Content-Type": "application/json",
                "scale-callback-auth": auth_key,
                "Connection": "close",
            }
            expired = stack.enter_context(self._deadline(connection.sock))
            try:
                connection.request("POST", address.target, content, fields)
                answer = stack.enter_context(connection.getresponse())
                if expired.is_set():  # half a head looks like a whole one at the end
                    raise TimeoutError("timed out")
                # What it says is of no interest, but to close over unread bytes would reset
                # the connection under the receiver.
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
        """Make every ``post`` that is under way fail."""
        with self._lock:
            sockets = list(self._sockets)
        for open_one in sockets:
            _shut(open_one)

    @contextlib.contextmanager
    def _connected(self, address: Address) -> Iterator[socket.socket]:
        """Connect to the host, looked up once, and to nothing but what was found."""
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
        """Break a connection off when its time is over, however slowly it goes on."""
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            _shut(open_one)

        # A timeout of the socket is for each read; clocks may be frozen, a timer is not.
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
    with contextlib.suppress(OSError):  # it is not connected, or not any more
        socket.socket.shutdown(open_one, socket.SHUT_RDWR)


def _resolve(address: Address) -> list[tuple[socket.AddressFamily, Any]]:
    """Return where the host is; raises NotSent where it must not be."""
    # Every name below localhost is localhost: to ask a name server would tell it of ours.
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

    # The handshake is made later, when it can be broken off.
    context = ssl.create_default_context()
    return context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
