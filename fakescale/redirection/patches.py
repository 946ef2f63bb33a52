"""What is replaced of Python, and how, to lead connections to the real API's host to a fake.

That is how a name is resolved, where a socket connects to, and whom a TLS handshake trusts.
"""

import contextlib
import errno
import functools
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from fakescale.server.certificates import Authority
from fakescale.values.hosts import HOST

#: What the host's name is resolved to. Since it is on the loopback, and nothing listens there,
#: a connection to it that we do not see ends here too.
ADDRESS = "127.83.67.65"
#: Those that the real API is reached at: https and, guessed, http.
PORTS = (443, 80)

_ELSEWHERE = (
    f"{HOST} is redirected to fakescale, but this connection leads elsewhere:"
    " through a proxy, or by a resolver that cannot be redirected"
)


@contextlib.contextmanager
def replaced(place: Any, name: str, value: Any) -> Iterator[None]:
    """Replace an attribute of a module or a class for the length of a ``with`` block."""
    inherited = name not in vars(place)
    before = vars(place).get(name)
    setattr(place, name, value)
    try:
        yield
    finally:
        if inherited:
            delattr(place, name)
        else:
            setattr(place, name, before)


def is_host(value: object) -> bool:
    """Return whether ``value`` is the host's name, as text or bytes, in any of its spellings."""
    if isinstance(value, bytes | bytearray):
        value = value.decode("latin-1")
    if isinstance(value, str) and not value.isascii():
        with contextlib.suppress(UnicodeError):
            value = value.encode("idna").decode()  # as getaddrinfo does
    return isinstance(value, str) and value.removesuffix(".").lower() == HOST


def _numeric(value: Any) -> Any:
    return ADDRESS if is_host(value) else value


class Target(NamedTuple):
    """Where the fake is, and whose certificate it shows."""

    address: tuple[str, int]
    authority: Authority


# What takes the place of each way out, which it is given with the target.

_Way = Callable[..., Any]


def _resolve(original: _Way, _: Target) -> _Way:
    """Let a resolver see the address in the place of the host's name."""

    @functools.wraps(original)
    def resolve(*args: Any, **options: Any) -> Any:
        try:
            return original(
                *map(_numeric, args), **{name: _numeric(it) for name, it in options.items()}
            )
        except socket.gaierror as error:
            if not any(map(is_host, [*args, *options.values()])):
                raise
            message = f"{HOST} is redirected to fakescale at {ADDRESS}: {error.strerror}"
            raise socket.gaierror(error.errno, message) from None

    return resolve


def _tell(original: _Way, _: Target) -> _Way:
    """Answer what would else become a reverse look-up of the address."""

    @functools.wraps(original)
    def tell(name: Any) -> Any:
        return (HOST, [], [ADDRESS]) if is_host(name) or name == ADDRESS else original(name)

    return tell


def _refuse(original: _Way, _: Target) -> _Way:
    """Refuse what asks a name server."""

    @functools.wraps(original)
    def refuse(*args: Any, **options: Any) -> Any:
        if any(map(is_host, [*args, *options.values()])):
            raise OSError(f"{HOST} is redirected to fakescale: ask no name server for it")
        return original(*args, **options)

    return refuse


def _lead(address: Any, target: Target) -> Any:
    """Return the address of the fake if ``address`` is one of the host, or else itself."""
    if not (isinstance(address, tuple) and len(address) >= 2):
        return address
    host, port = address[:2]
    if host != ADDRESS and not is_host(host):
        return address
    if port not in PORTS:
        raise ConnectionRefusedError(
            errno.ECONNREFUSED,
            f"{HOST} is redirected to fakescale at the ports 443 and 80, not at {port}",
        )
    return target.address


def _connect(original: _Way, target: Target) -> _Way:
    """Let what is given an address of the host connect to the fake."""

    @functools.wraps(original)
    def connect(*args: Any) -> Any:
        return original(*(_lead(it, target) for it in args))

    return connect


def _create(original: _Way, target: Target) -> _Way:
    """Let ``create_connection`` of a loop that does all by itself connect to the fake."""

    @functools.wraps(original)
    def create(loop: Any, protocol: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        if options.get("ssl") and host and options.get("server_hostname") is None:
            options["server_hostname"] = host
        return original(loop, protocol, *_lead((host, port), target), **options)

    return create


def _shake_hands(original: _Way, target: Target) -> _Way:
    """Let a client's handshake with the host trust the fake's authority, and nobody else.

    The client's own context, which other connections share, stays as it is: it is exchanged
    for this one alone, after the connection has taken over what it demands. What leads
    elsewhere, say through a proxy that the client was given, is not trusted with a request.
    """

    @functools.cache
    def trusting(kind: type[ssl.SSLContext]) -> ssl.SSLContext:
        context = kind(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=target.authority.pem)
        return context

    @functools.wraps(original)
    def do_handshake(connection: Any, *args: Any, **options: Any) -> Any:
        if not is_host(connection.server_hostname):  # as it is on the side of a server
            return original(connection, *args, **options)
        # That of the standard library, in whose place truststore puts one of its own.
        kind = next(it for it in type(connection.context).__mro__ if it.__module__ == "ssl")
        if connection.context is not trusting(kind):
            connection.context = trusting(kind)
        try:
            done = original(connection, *args, **options)
        except ssl.SSLCertVerificationError as error:
            message = f"{_ELSEWHERE} ({error.strerror})"
            error.args, error.strerror = (error.errno, message), message  # for repr and str
            raise
        # Also for a client that verifies nothing.
        if connection.getpeercert(binary_form=True) != target.authority.certificate:
            raise ssl.SSLCertVerificationError(1, _ELSEWHERE)
        return done

    return do_handshake


#: Each function or method that is replaced: where it is, its name, and how.
PATCHES: tuple[tuple[str, str, Callable[[_Way, Target], _Way]], ...] = (
    ("socket", "getaddrinfo", _resolve),
    ("_socket", "getaddrinfo", _resolve),  # for those who have taken the other one already
    ("socket", "gethostbyname", _resolve),
    ("socket", "gethostbyname_ex", _tell),
    ("socket", "gethostbyaddr", _tell),
    ("socket:socket", "connect", _connect),
    ("socket:socket", "connect_ex", _connect),
    ("ssl:SSLSocket", "do_handshake", _shake_hands),
    ("ssl:SSLObject", "do_handshake", _shake_hands),
    # What resolves and connects by itself, in C.
    ("pycares:Channel", "getaddrinfo", _resolve),
    ("pycares:Channel", "gethostbyname", _resolve),
    ("pycares:Channel", "query", _refuse),
    ("pycares:Channel", "search", _refuse),
    ("uvloop:Loop", "getaddrinfo", _resolve),
    ("uvloop:Loop", "create_connection", _create),
)
