"""Connections of this process to the real API's host lead to a fake instead, over TLS.

Nothing of an HTTP library is replaced, only what all of them stand on, so that clients which
were made before are redirected too. Other hosts are not.
"""

import contextlib
import functools
import os
import pkgutil
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from fakescale.fake import FakeScale
from fakescale.redirection.patches import PATCHES, Target, is_host, replaced
from fakescale.server.certificates import Authority
from fakescale.server.limits import DEFAULTS, Limits
from fakescale.server.server import serving
from fakescale.values.environ import STANDS_IN
from fakescale.values.hosts import HOST

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

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
    with redirecting(lambda: fake, fake.limits) as origin, standing_in(fake, origin):
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
def redirecting(present: Callable[[], FakeScale], limits: Limits = DEFAULTS) -> Iterator[str]:
    """Redirect the host to the fake that is ``present`` when a request comes.

    The ``with`` block gets the origin of the server behind it, for plain HTTP.
    """

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if is_host(environ.get("HTTP_HOST", "").partition(":")[0]):
            # Over http as well, where there is no handshake that names the host.
            environ |= {"HTTP_HOST": HOST, STANDS_IN: True}
        return present()(environ, start_response)

    if not _only_one.acquire(blocking=False):
        raise RuntimeError(
            f"{HOST} is redirected in this process already: by redirect(), by the fixture"
            " fakescale_redirect, or for the whole run by --fakescale-redirect"
        )
    try:
        authority = _authority()
        with (
            serving(app, "127.0.0.1", 0, limits, authority=authority) as origin,
            contextlib.ExitStack() as ways,
        ):
            host, _, port = origin.removeprefix("https://").partition(":")
            target = Target((host, int(port)), authority)
            for owner, name, patch in PATCHES:
                # Of a library, or a release of it, that is not there.
                with contextlib.suppress(ImportError, AttributeError):
                    place = pkgutil.resolve_name(owner)
                    way = patch(getattr(place, name), target)
                    ways.enter_context(replaced(place, name, way))
            ways.enter_context(_no_proxy())
            yield f"http://{host}:{port}"
    finally:
        _only_one.release()


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
