"""Connections of this process to the real API's host lead to a fake instead, over TLS.

Nothing of an HTTP library is replaced, only what all of them stand on: how a name is resolved,
where a socket connects to, and whom a TLS handshake trusts. So clients that were made before
are redirected too, and other hosts are not.
"""

import contextlib
import errno
import functools
import os
import pkgutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from fakescale import access
from fakescale.certificates import Authority
from fakescale.fake import FakeScale
from fakescale.hosts import HOST
from fakescale.server import serving

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: What the host's name is resolved to. Since it is on the loopback, and nothing listens there,
#: a connection to it that we do not see ends here too.
ADDRESS = "127.83.67.65"
#: Those that the real API is reached at: https and, guessed, http.
PORTS = (443, 80)

_ELSEWHERE = (
    f"{HOST} is redirected to fakescale, but this connection leads elsewhere:"
    " through a proxy, or by a resolver that cannot be redirected"
)
_only_one = threading.Lock()


@contextlib.contextmanager
def redirect(fake: FakeScale | None = None, **options: Any) -> Iterator[FakeScale]:
    """Let https://api.scale.com, and http, lead to a fake for the length of a ``with`` block.

    That concerns all connections that this process makes meanwhile. The block gets ``fake``,
    or else a new one made with ``options``, those of FakeScale; if it is not being served
    already, ``url`` is a way past the redirection, for other processes. Raises RuntimeError
    when the host is redirected already, and ImportError without the extra ``redirect``.
    """
    if fake is None:
        fake = FakeScale(**options)
    elif options:
        raise TypeError(f"a fake that exists takes no options: {', '.join(options)}")
    with redirecting(lambda: fake) as origin, standing_in(fake, origin):
        yield fake


@contextlib.contextmanager
def standing_in(fake: FakeScale, origin: str) -> Iterator[None]:
    """Let a fake run, and be at ``origin`` if it has no address of its own."""
    before = fake.origin
    with fake.running():
        fake.origin = before or origin
        try:
            yield
        finally:
            fake.origin = before


@contextlib.contextmanager
def redirecting(present: Callable[[], FakeScale]) -> Iterator[str]:
    """Redirect the host to the fake that is ``present`` when a request comes.

    The ``with`` block gets the origin of the server behind it, for plain HTTP.
    """

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if _is_host(environ.get("HTTP_HOST")):  # over http as well, which tells nothing else
            environ[access.STANDS_IN] = True
        return present()(environ, start_response)

    if not _only_one.acquire(blocking=False):
        raise RuntimeError(
            f"{HOST} is redirected in this process already: by redirect(), by the fixture"
            " fakescale_redirect, or for the whole run by --fakescale-redirect"
        )
    try:
        authority = _authority()
        with serving(app, "127.0.0.1", 0, authority) as origin, contextlib.ExitStack() as patches:
            host, _, port = origin.removeprefix("https://").partition(":")
            for owner, name, replace in _REPLACED:
                # Of a library, or a release of it, that is not there.
                with contextlib.suppress(ImportError, AttributeError):
                    place = pkgutil.resolve_name(owner)
                    way = replace(getattr(place, name), (host, int(port)), authority)
                    patches.enter_context(replaced(place, name, way))
            patches.enter_context(_no_proxy())
            yield f"http://{host}:{port}"
    finally:
        _only_one.release()


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


@contextlib.contextmanager
def _no_proxy() -> Iterator[None]:
    """Keep clients that heed the environment from asking a proxy for the host."""
    names = ("no_proxy", "NO_PROXY")  # some heed the one, some the other
    before = {name: os.environ.get(name) for name in names}
    direct = before["no_proxy"] or before["NO_PROXY"]
    for name in names:
        hosts = before[name] or direct
        if hosts != "*":  # which only counts alone
            os.environ[name] = f"{hosts},{HOST}" if hosts else HOST
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@functools.cache
def _authority() -> Authority:
    return Authority(HOST)


def _is_host(value: object) -> bool:
    if isinstance(value, bytes | bytearray):
        value = value.decode("latin-1")
    return isinstance(value, str) and value.removesuffix(".").lower() == HOST


def _numeric(value: Any) -> Any:
    return ADDRESS if _is_host(value) else value


# How each way out is replaced: given the original, the address of the fake, and the authority.

_Place = tuple[str, int]
_Way = Callable[..., Any]


def _resolve(original: _Way, _: _Place, __: Authority) -> _Way:
    """Let a resolver see the address in the place of the host's name."""

    @functools.wraps(original)
    def resolve(*args: Any, **options: Any) -> Any:
        try:
            return original(
                *map(_numeric, args), **{name: _numeric(it) for name, it in options.items()}
            )
        except socket.gaierror as error:
            if not any(map(_is_host, [*args, *options.values()])):
                raise
            message = f"{HOST} is redirected to fakescale at {ADDRESS}: {error.strerror}"
            raise socket.gaierror(error.errno, message) from None

    return resolve


def _tell(original: _Way, _: _Place, __: Authority) -> _Way:
    """Answer what would else become a reverse look-up of the address."""

    @functools.wraps(original)
    def tell(name: Any) -> Any:
        return (HOST, [], [ADDRESS]) if _is_host(name) or name == ADDRESS else original(name)

    return tell


def _refuse(original: _Way, _: _Place, __: Authority) -> _Way:
    """Refuse what asks a name server."""

    @functools.wraps(original)
    def refuse(*args: Any, **options: Any) -> Any:
        if any(map(_is_host, [*args, *options.values()])):
            raise OSError(f"{HOST} is redirected to fakescale: ask no name server for it")
        return original(*args, **options)

    return refuse


def _lead(address: Any, place: _Place) -> Any:
    """Return the address of the fake if ``address`` is one of the host, or else itself."""
    if not (isinstance(address, tuple) and len(address) >= 2):
        return address
    host, port = address[:2]
    if host != ADDRESS and not _is_host(host):
        return address
    if port not in PORTS:
        raise ConnectionRefusedError(
            errno.ECONNREFUSED,
            f"{HOST} is redirected to fakescale at the ports 443 and 80, not at {port}",
        )
    return place


def _connect(original: _Way, place: _Place, _: Authority) -> _Way:
    """Let what is given an address of the host connect to the fake."""

    @functools.wraps(original)
    def connect(*args: Any) -> Any:
        return original(*(_lead(it, place) for it in args))

    return connect


def _create(original: _Way, place: _Place, _: Authority) -> _Way:
    """Let ``create_connection`` of a loop that does all by itself connect to the fake."""

    @functools.wraps(original)
    def create(loop: Any, protocol: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        if options.get("ssl") and host is not None and options.get("server_hostname") is None:
            options["server_hostname"] = host
        return original(loop, protocol, *_lead((host, port), place), **options)

    return create


def _shake_hands(original: _Way, _: _Place, authority: Authority) -> _Way:
    """Let a client's handshake with the host trust our authority, and nobody else.

    The client's own context, which other connections share, stays as it is: it is exchanged
    for this one alone, after the connection has taken over what it demands. What leads
    elsewhere, say through a proxy that the client was given, is not trusted with a request.
    """

    @functools.cache
    def trusting(kind: type[ssl.SSLContext]) -> ssl.SSLContext:
        context = kind(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=authority.pem)
        return context

    @functools.wraps(original)
    def do_handshake(connection: Any, *args: Any, **options: Any) -> Any:
        if connection.server_side or not _is_host(connection.server_hostname):
            return original(connection, *args, **options)
        # That of the standard library, in whose place truststore puts one of its own.
        kind = next(it for it in type(connection.context).__mro__ if it.__module__ == "ssl")
        if connection.context is not trusting(kind):
            connection.context = trusting(kind)
        try:
            done = original(connection, *args, **options)
        except ssl.SSLCertVerificationError as error:
            error.strerror = f"{_ELSEWHERE} ({error.strerror})"
            raise
        # Also for a client that verifies nothing.
        if connection.getpeercert(binary_form=True) != authority.certificate:
            raise ssl.SSLCertVerificationError(1, _ELSEWHERE)
        return done

    return do_handshake


_REPLACED: tuple[tuple[str, str, Callable[[_Way, _Place, Authority], _Way]], ...] = (
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
