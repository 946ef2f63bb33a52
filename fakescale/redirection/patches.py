"""The patches of Python that lead connections to the real API's host to a fake.

They change the resolution of names, the address that a socket connects to, and the certificates
that a TLS handshake trusts.
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

#: The address that the host's name resolves to. It is on the loopback, and nothing listens there.
#: So a connection that escapes the patches still never leaves the machine.
ADDRESS = "127.83.67.65"
#: The ports of the real API: https and, guessed, http.
PORTS = (443, 80)

_ELSEWHERE = (
    f"{HOST} is redirected to fakescale, but this connection leads elsewhere:"
    " through a proxy, or by a resolver that cannot be redirected"
)


@contextlib.contextmanager
def replaced(place: Any, name: str, value: Any) -> Iterator[None]:
    """Replace an attribute of a module or a class for a ``with`` block."""
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
    """Return whether ``value`` is the host's name, as text or bytes, in any spelling."""
    if isinstance(value, bytes | bytearray):
        value = value.decode("latin-1")
    if isinstance(value, str) and not value.isascii():
        with contextlib.suppress(UnicodeError):
            value = value.encode("idna").decode()  # as getaddrinfo does
    return isinstance(value, str) and value.removesuffix(".").lower() == HOST


def _numeric(value: Any) -> Any:
    return ADDRESS if is_host(value) else value


class Target(NamedTuple):
    """The fake to redirect to."""

    #: The host and port of the fake's server.
    address: tuple[str, int]
    #: The authority of the certificate that the server shows.
    authority: Authority


# The replacements. Each function takes the original and the target.

_Way = Callable[..., Any]


def _resolve(original: _Way, _: Target) -> _Way:
    """Give a resolver ``ADDRESS`` in place of the host's name."""

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
    """Answer for the host, to prevent a reverse look-up of ``ADDRESS``."""

    @functools.wraps(original)
    def tell(name: Any) -> Any:
        return (HOST, [], [ADDRESS]) if is_host(name) or name == ADDRESS else original(name)

    return tell


def _refuse(original: _Way, _: Target) -> _Way:
    """Refuse to ask a name server for the host."""

    @functools.wraps(original)
    def refuse(*args: Any, **options: Any) -> Any:
        if any(map(is_host, [*args, *options.values()])):
            raise OSError(
                f"{HOST} is redirected to fakescale, so no name server may be asked for it"
            )
        return original(*args, **options)

    return refuse


def _lead(address: Any, target: Target) -> Any:
    """Return the fake's address if ``address`` is one of the host, otherwise ``address``."""
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
    """Make a call with an address of the host connect to the fake."""

    @functools.wraps(original)
    def connect(*args: Any) -> Any:
        return original(*(_lead(it, target) for it in args))

    return connect


def _create(original: _Way, target: Target) -> _Way:
    """Make ``create_connection`` of a loop that resolves by itself connect to the fake."""

    @functools.wraps(original)
    def create(loop: Any, protocol: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        if options.get("ssl") and host and options.get("server_hostname") is None:
            options["server_hostname"] = host
        return original(loop, protocol, *_lead((host, port), target), **options)

    return create


def _shake_hands(original: _Way, target: Target) -> _Way:
    """Make a client's handshake with the host trust the fake's authority, and nobody else.

    Other connections share the client's own context, so it stays unchanged. Only this connection
    gets another context. By then it has copied the demands of its own. A connection that leads
    elsewhere, for example through a proxy given to the client, fails before it sends a request.
    """

    @functools.cache
    def trusting(kind: type[ssl.SSLContext]) -> ssl.SSLContext:
        context = kind(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=target.authority.pem)
        return context

    @functools.wraps(original)
    def do_handshake(connection: Any, *args: Any, **options: Any) -> Any:
        if not is_host(connection.server_hostname):  # another host, or the server's side
            return original(connection, *args, **options)
        # The class of the standard library; truststore puts its own in its place.
        kind = next(it for it in type(connection.context).__mro__ if it.__module__ == "ssl")
        if connection.context is not trusting(kind):
            connection.context = trusting(kind)
        try:
            done = original(connection, *args, **options)
        except ssl.SSLCertVerificationError as error:
            message = f"{_ELSEWHERE} ({error.strerror})"
            error.args, error.strerror = (error.errno, message), message  # for repr and str
            raise
        # Checked here, since some clients verify nothing.
        if connection.getpeercert(binary_form=True) != target.authority.certificate:
            raise ssl.SSLCertVerificationError(1, _ELSEWHERE)
        return done

    return do_handshake


#: Each function or method to replace: its module or class, its name, and the replacement.
PATCHES: tuple[tuple[str, str, Callable[[_Way, Target], _Way]], ...] = (
    ("socket", "getaddrinfo", _resolve),
    ("_socket", "getaddrinfo", _resolve),  # for code that took the one above earlier
    ("socket", "gethostbyname", _resolve),
    ("socket", "gethostbyname_ex", _tell),
    ("socket", "gethostbyaddr", _tell),
    ("socket:socket", "connect", _connect),
    ("socket:socket", "connect_ex", _connect),
    ("ssl:SSLSocket", "do_handshake", _shake_hands),
    ("ssl:SSLObject", "do_handshake", _shake_hands),
    # Libraries in C that resolve and connect by themselves.
    ("pycares:Channel", "getaddrinfo", _resolve),
    ("pycares:Channel", "gethostbyname", _resolve),
    ("pycares:Channel", "query", _refuse),
    ("pycares:Channel", "search", _refuse),
    ("uvloop:Loop", "getaddrinfo", _resolve),
    ("uvloop:Loop", "create_connection", _create),
)
