"""The patches of Python through which all connections to the real API's host pass.

They patch the resolution of names, the address that a socket connects to, TLS handshakes, and
sending over TLS. A `Mode` decides: the host leads to a fake, or cannot be reached. While no mode is
in force, each patch only calls the function that it replaces. Other hosts are never affected.
"""

import contextlib
import functools
import socket
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from fakescale.redirection.placing import Patches
from fakescale.values.hosts import HOST, is_api

#: The address that the host's name resolves to. It is on the loopback, and nothing listens there.
#: So a connection that escapes the patches still never leaves the machine.
ADDRESS = "127.83.67.65"


class Mode(Protocol):
    """A decision on connections to the host. Each method that refuses raises OSError."""

    #: The reason to refuse.
    reason: str

    def check_name(self, name: Any) -> None:
        """Refuse, or let the name resolve to ``ADDRESS``."""

    def check_query(self, name: Any) -> None:
        """Refuse to ask a name server for the host: its answer would lead to the real API."""

    def lead(self, name: Any, port: Any) -> tuple[str, int]:
        """Return the address to connect to in place of a port of the host."""

    def shake_hands(self, connection: Any, original: Callable[[], Any]) -> Any:
        """Do a client's handshake with the host by ``original``, and return its result."""

    def knows(self, certificate: bytes) -> bool:
        """Return whether a connection with this certificate leads to a fake."""


class Unreachable(socket.gaierror):
    """The real API's host, which this process may not reach.

    It is an error of name resolution, so clients report it as a failed connection. ``str()`` of
    it is the reason alone.
    """

    def __str__(self) -> str:
        return str(self.strerror)


# The modes of the open blocks; the last one is in force.
_modes: list[Mode] = []


@contextlib.contextmanager
def in_force(mode: Mode, *, beneath: bool = False) -> Iterator[None]:
    """Put a mode in force for a ``with`` block; with ``beneath``, only while no other is."""
    _modes.insert(0 if beneath else len(_modes), mode)
    PATCHES.renew()
    try:
        yield
    finally:
        _modes.remove(mode)


def _mode() -> Mode | None:
    return next(reversed(_modes), None)


# The replacements. Each function takes the original.

_Function = Callable[..., Any]


def _resolve(original: _Function) -> _Function:
    """Give a resolver ``ADDRESS`` in place of the host's name."""

    @functools.wraps(original)
    def resolve(*args: Any, **options: Any) -> Any:
        mode = _mode()
        names = [it for it in (*args, *options.values()) if is_api(it)] if mode else []
        if mode is None or not names:
            return original(*args, **options)
        PATCHES.renew()  # now, since a connection follows
        mode.check_name(names[0])
        try:
            return original(
                *map(_numeric, args), **{name: _numeric(it) for name, it in options.items()}
            )
        except socket.gaierror as error:
            message = f"{mode.reason} at {ADDRESS}: {error.strerror}"
            raise socket.gaierror(error.errno, message) from None

    return resolve


def _numeric(value: Any) -> Any:
    return ADDRESS if is_api(value) else value


def _tell(original: _Function) -> _Function:
    """Answer for the host itself, since a look-up would ask for the name of ``ADDRESS``."""

    @functools.wraps(original)
    def tell(name: Any) -> Any:
        mode = _mode()
        if mode is None or not (is_api(name) or name == ADDRESS):
            return original(name)
        mode.check_name(name)
        return HOST, [], [ADDRESS]

    return tell


def _ask(original: _Function) -> _Function:
    """Ask no name server for the host."""

    @functools.wraps(original)
    def ask(*args: Any, **options: Any) -> Any:
        if (mode := _mode()) is not None:
            for name in filter(is_api, (*args, *options.values())):
                mode.check_query(name)
        return original(*args, **options)

    return ask


def _lead(mode: Mode, address: Any) -> Any:
    """Return the address to connect to in place of ``address``."""
    if isinstance(address, tuple) and len(address) >= 2:
        host, port = address[:2]
        if host == ADDRESS or is_api(host):
            return mode.lead(host, port)
    return address


def _connect(original: _Function) -> _Function:
    """Make a call with an address of the host connect to the fake."""

    @functools.wraps(original)
    def connect(*args: Any) -> Any:
        if (mode := _mode()) is None:
            return original(*args)
        return original(*(_lead(mode, it) for it in args))

    return connect


def _create(original: _Function) -> _Function:
    """Make ``create_connection`` of a loop that resolves by itself connect to the fake."""

    @functools.wraps(original)
    def create(loop: Any, protocol: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        if (mode := _mode()) is not None:
            if options.get("ssl") and host and options.get("server_hostname") is None:
                options["server_hostname"] = host
            host, port = _lead(mode, (host, port))
        return original(loop, protocol, host, port, **options)

    return create


def _is_to_api(connection: Any) -> bool:
    """Return whether this is the client's side of a TLS connection to the host."""
    return is_api(connection.server_hostname) and not connection.server_side


def _shake_hands(original: _Function) -> _Function:
    """Leave a client's handshake with the host to the mode."""

    @functools.wraps(original)
    def do_handshake(connection: Any, *args: Any, **options: Any) -> Any:
        call = functools.partial(original, connection, *args, **options)
        mode = _mode()
        if mode is None or not _is_to_api(connection):
            return call()
        return mode.shake_hands(connection, call)

    return do_handshake


def _send(original: _Function) -> _Function:
    """Send nothing to the host on a connection that does not lead to a fake.

    Such a connection is older than the mode. Its pool connects anew after a reset.
    """

    @functools.wraps(original)
    def send(connection: Any, *args: Any, **options: Any) -> Any:
        mode = _mode()
        if mode is None or not _is_to_api(connection) or mode.knows(certificate_of(connection)):
            return original(connection, *args, **options)
        if isinstance(connection, socket.SocketType):  # else a client may still wait for an answer
            with contextlib.suppress(OSError):
                socket.SocketType.shutdown(connection, socket.SHUT_RDWR)
        # Without an error number: with one, urllib3 would take it for an end that the server
        # explained.
        raise ConnectionResetError(f"{mode.reason}, but this connection was made before")

    return send


def certificate_of(connection: Any) -> bytes:
    """Return the peer's certificate in DER, or b"" if there is none yet."""
    try:
        return connection.getpeercert(binary_form=True) or b""
    except ValueError:  # the first thing sent would do the handshake
        return b""


def _pause(original: _Function) -> _Function:
    """Leave out the pause before a retry if the host cannot be reached.

    The official client would wait 12 seconds.
    """

    @functools.wraps(original)
    def sleep(retry: Any, *args: Any, **options: Any) -> Any:
        error = retry.history[-1].error if retry.history else None
        # urllib3 chains its errors, and wraps those of a proxy.
        while error is not None and not isinstance(error, Unreachable):
            error = getattr(error, "original_error", None) or error.__cause__ or error.__context__
        return None if error else original(retry, *args, **options)

    return sleep


#: The patches of all ways to the host.
PATCHES = Patches(
    ("socket", "getaddrinfo", _resolve),
    ("_socket", "getaddrinfo", _resolve),  # for code that took the one above earlier
    ("socket", "gethostbyname", _resolve),
    ("socket", "gethostbyname_ex", _tell),
    ("socket", "gethostbyaddr", _tell),
    ("_socket", "gethostbyname", _resolve),
    ("_socket", "gethostbyname_ex", _tell),
    ("_socket", "gethostbyaddr", _tell),
    ("socket:socket", "connect", _connect),
    ("socket:socket", "connect_ex", _connect),
    ("socket:socket", "sendto", _connect),
    ("ssl:SSLSocket", "do_handshake", _shake_hands),
    ("ssl:SSLSocket", "send", _send),
    ("ssl:SSLSocket", "sendall", _send),
    ("ssl:SSLSocket", "write", _send),
    ("ssl:SSLObject", "do_handshake", _shake_hands),
    ("ssl:SSLObject", "write", _send),
    ("urllib3.util.retry:Retry", "sleep", _pause),
    # Libraries in C that resolve and connect by themselves.
    ("pycares:Channel", "getaddrinfo", _resolve),
    ("pycares:Channel", "gethostbyname", _resolve),
    ("pycares:Channel", "query", _ask),
    ("pycares:Channel", "search", _ask),
    # Its own functions, which its create_connection calls.
    ("eventlet.green.socket", "getaddrinfo", _resolve),
    ("eventlet.green.socket", "gethostbyname", _resolve),
    ("eventlet.green.socket", "gethostbyname_ex", _tell),
    ("uvloop:Loop", "getaddrinfo", _resolve),
    ("uvloop:Loop", "create_connection", _create),
)
