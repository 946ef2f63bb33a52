"""The redirection of this process's connections to the real API's host to a fake, over TLS.

It patches no HTTP library, only functions that all of them use. So clients made earlier are
redirected too. Other hosts are not affected.

Nothing heavy is imported until a server is needed. So gevent can still patch the process: it must
do so before `ssl` is imported, and before any thread starts.
"""

import contextlib
import errno
import functools
import importlib.util
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn, Unpack

from fakescale.redirection.patches import PATCHES, certificate_of, in_force
from fakescale.redirection.proxies import no_proxy
from fakescale.server.limits import DEFAULTS, Limits
from fakescale.values.blocks import block
from fakescale.values.environ import STANDS_IN
from fakescale.values.hosts import HOST, HOSTS, is_api

if TYPE_CHECKING:
    import ssl

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from fakescale.fake import FakeScale, Options
    from fakescale.server.certificates import Authority

#: The ports of the real API: https and, guessed, http.
PORTS = (443, 80)

_ELSEWHERE = (
    f"{HOST} is redirected to fakescale, but this connection leads elsewhere:"
    " through a proxy, or by a resolver that cannot be redirected"
)

_only_one = threading.Lock()


@block
def redirect(
    fake: "FakeScale | None" = None, **options: "Unpack[Options]"
) -> Iterator["FakeScale"]:
    """Redirect ``https://api.scale.com`` and ``http://api.scale.com`` to a fake.

    Use it in a ``with`` block. In the block, all connections of this process to the host reach the
    fake, also by the host's older names. The block gets ``fake``, or else a new
    ``FakeScale(**options)``.

    If nothing serves the fake yet, it gets a ``url`` for other processes, which are not redirected.
    Raises RuntimeError if the host is redirected already. Raises TypeError if
    you give a fake and options. Raises ImportError without the extra ``redirect``.
    """
    from fakescale.fake import FakeScale

    if fake is None:
        fake = FakeScale(**options)
    elif options:
        raise TypeError(
            f"options are only for a new fake, not for a given one (got {', '.join(options)})"
        )
    with (
        redirecting(lambda: fake, fake.limits) as redirection,
        standing_in(fake, redirection.origin),
    ):
        yield fake


@contextlib.contextmanager
def standing_in(fake: "FakeScale", origin: str) -> Iterator[None]:
    """Run a fake for a ``with`` block; it gets the URL ``origin`` unless it has a URL already."""
    before = fake.origin
    with fake.running():
        fake.origin = before or origin
        try:
            yield
        finally:
            fake.origin = before


@contextlib.contextmanager
def redirecting(
    present: Callable[[], "FakeScale"], limits: Limits = DEFAULTS
) -> Iterator["Redirection"]:
    """Redirect the host to the fake that ``present`` returns for each request.

    The ``with`` block gets the redirection, whose server starts when it is needed.
    """
    if not _only_one.acquire(blocking=False):
        raise RuntimeError(
            f"{HOST} is redirected in this process already: by redirect(), by the fixture"
            " fakescale_redirect, or for the whole run by --fakescale-redirect"
        )
    try:
        if importlib.util.find_spec("trustme") is None:
            _authority()  # says which extra is missing
        redirection = Redirection(present, limits)
        with (
            contextlib.closing(redirection),
            PATCHES.placed(),
            in_force(redirection),
            no_proxy(*HOSTS),
        ):
            yield redirection
    finally:
        _only_one.release()


class Redirection:
    """The mode in which the host leads to a server of this process."""

    #: The reason to refuse a connection.
    reason = f"{HOST} is redirected to fakescale"

    def __init__(self, present: "Callable[[], FakeScale]", limits: Limits) -> None:
        self._present = present
        self._limits = limits
        self._address: tuple[str, int] | None = None
        self._starting = threading.RLock()
        self._until_end = contextlib.ExitStack()

    @property
    def origin(self) -> str:
        """The URL of the server, for plain HTTP; asking for it starts the server."""
        host, port = self._start()
        return f"http://{host}:{port}"

    def close(self) -> None:
        """End the server."""
        self._until_end.close()

    def _start(self) -> tuple[str, int]:
        """Return the address of the server, which the first call starts."""
        with self._starting:
            if self._address is None:
                from fakescale.server.server import serving

                origin = self._until_end.enter_context(
                    serving(self._app, "127.0.0.1", 0, self._limits, authority=_authority())
                )
                host, _, port = origin.removeprefix("https://").partition(":")
                self._address = host, int(port)
                self._present()  # made here, not on a thread of the server
            return self._address

    def _app(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if is_api(environ.get("HTTP_HOST", "").partition(":")[0]):
            environ[STANDS_IN] = True  # needed for http, where no TLS handshake names the host
        return self._present()(environ, start_response)

    # The mode.

    def check_name(self, name: Any) -> None:
        """Let the name resolve."""

    def check_query(self, name: Any) -> NoReturn:
        """Refuse to ask a name server for the host."""
        raise OSError(f"{self.reason}, so no name server may be asked for it")

    def lead(self, _: Any, port: Any) -> tuple[str, int]:
        """Return the server's address; raises ConnectionRefusedError for one not in ``PORTS``."""
        if port not in PORTS:
            raise ConnectionRefusedError(
                errno.ECONNREFUSED, f"{self.reason} at the ports 443 and 80, not at {port}"
            )
        return self._start()

    def shake_hands(self, connection: Any, original: Callable[[], Any]) -> Any:
        """Do a handshake that trusts only the server's authority.

        The client's own context stays unchanged, since other connections share it. Only this
        connection gets another one. A connection that leads elsewhere, for example through the
        client's proxy, fails before it sends a request.
        """
        import ssl

        # The class of the standard library, which truststore replaces by its own.
        kind = next(it for it in type(connection.context).__mro__ if it.__module__ == "ssl")
        context = _trusting(kind, _authority().pem)
        if connection.context is not context:
            connection.context = context
        try:
            done = original()
        except ssl.SSLCertVerificationError as error:
            message = f"{_ELSEWHERE} ({error.strerror})"
            error.args, error.strerror = (error.errno, message), message  # for repr and str
            raise
        # Checked here, since some clients verify nothing.
        if not self.knows(certificate_of(connection)):
            raise ssl.SSLCertVerificationError(1, _ELSEWHERE)
        return done

    def knows(self, certificate: bytes) -> bool:
        """Return whether this is the certificate of the server."""
        return certificate == _authority().certificate


@functools.cache
def _trusting(kind: "type[ssl.SSLContext]", pem: str) -> "ssl.SSLContext":
    import ssl

    context = kind(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem)
    return context


@functools.cache
def _authority() -> "Authority":
    from fakescale.server.certificates import Authority

    return Authority(*HOSTS)
