"""The redirection of this process's connections to the real API's host to a fake, over TLS.

It patches no HTTP library, only the functions that they all build on. So clients made earlier are
redirected too. Other hosts are not affected.
"""

import contextlib
import functools
import os
import pkgutil
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Unpack

from fakescale.fake import FakeScale, Options
from fakescale.redirection.patches import PATCHES, Target, is_host, replaced
from fakescale.server.certificates import Authority
from fakescale.server.limits import DEFAULTS, Limits
from fakescale.server.server import serving
from fakescale.values.blocks import block
from fakescale.values.environ import STANDS_IN
from fakescale.values.hosts import HOST

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_only_one = threading.Lock()


@block
def redirect(fake: FakeScale | None = None, **options: Unpack[Options]) -> Iterator[FakeScale]:
    """Redirect ``https://api.scale.com`` and ``http://api.scale.com`` to a fake.

    Use it in a ``with`` block. All connections that this process makes to this host meanwhile
    reach the fake. The block gets ``fake``, or without one a new ``FakeScale(**options)``.

    If the fake is not being served already, its ``url`` is an address for other processes, which
    are not redirected. Raises RuntimeError if the host is redirected already. Raises TypeError if
    you give a fake and options. Raises ImportError without the extra ``redirect``.
    """
    if fake is None:
        fake = FakeScale(**options)
    elif options:
        raise TypeError(
            f"options are only for a new fake, not for a given one (got {', '.join(options)})"
        )
    with redirecting(lambda: fake, fake.limits) as origin, standing_in(fake, origin):
        yield fake


@contextlib.contextmanager
def standing_in(fake: FakeScale, origin: str) -> Iterator[None]:
    """Run a fake for a ``with`` block; it gets the URL ``origin`` unless it has a URL already."""
    before = fake.origin
    with fake.running():
        fake.origin = before or origin
        try:
            yield
        finally:
            fake.origin = before


@contextlib.contextmanager
def redirecting(present: Callable[[], FakeScale], limits: Limits = DEFAULTS) -> Iterator[str]:
    """Redirect the host to the fake that ``present`` returns for each request.

    The ``with`` block gets the URL of the server behind it, for plain HTTP.
    """

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if is_host(environ.get("HTTP_HOST", "").partition(":")[0]):
            # Needed for http, where no TLS handshake names the host.
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
                # The library may not be installed, or this release may lack the function.
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
    """Set the environment so that clients reach the host without a proxy."""
    names = ("no_proxy", "NO_PROXY")  # clients differ in the one they read
    before = {name: os.environ.get(name) for name in names}
    direct = before["no_proxy"] or before["NO_PROXY"]
    for name in names:
        hosts = before[name] or direct
        if hosts != "*":  # it only works alone
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
