"""Which server the contract tests ask: a fake that is started for it, or one that is there."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fakescale.app import HEALTH
from fakescale.contract.target import Line, Target, connector
from fakescale.contract.where import Where
from fakescale.fake import FakeScale
from fakescale.remote import RemoteFakeScale
from fakescale.wire import GIVE_WAY

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: A fake that is started for it.
HERE = Where()


class _Fake(FakeScale):
    """A fake that can answer each request on a thread of its own, as if it took long."""

    is_crowded = False

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if self.is_crowded:
            environ[GIVE_WAY]()
        return super().__call__(environ, start_response)


@contextlib.contextmanager
def side_by_side(target: Target) -> Iterator[None]:
    """Let requests meet within the fake, for a ``with`` block, where it was started for this."""
    if not isinstance(target.fake, _Fake):
        yield
        return
    target.fake.is_crowded = True
    try:
        yield
    finally:
        target.fake.is_crowded = False


@contextlib.contextmanager
def opened(where: Where = HERE) -> Iterator[Target]:
    """Give the target that is there, for a ``with`` block.

    A test account of a fake that is started for it, or of a fakescale on this machine, whose
    control token is in FAKESCALE_CONTROL_TOKEN; or that of the key. Raises ValueError where
    a key is missing, or none of ours would be taken, ApiError where the token is wrong, and
    OSError where nobody answers.
    """
    if where.url is None:
        with _Fake(seed="contract").serve() as fake, Line(fake.url) as line:
            yield Target(fake.url, fake.test_api_key, fake=fake, line=line)
        return
    if not where.is_far and _is_fakescale(where.url):
        token = os.environ.get("FAKESCALE_CONTROL_TOKEN")
        remote = RemoteFakeScale(where.url, token=token)
        with Line(remote.url) as line:
            target = Target(remote.url, where.key or remote.test_api_key, fake=remote, line=line)
            with target.clean() as account:
                if account.call("GET", "/tasks?limit=1").status == 401:
                    raise ValueError(
                        f"--contract-url {where.url} takes no keys but those of --api-key,"
                        " and each test wants an account of its own"
                    )
            yield target
        return
    if where.key is None:
        raise ValueError(f"--contract-url {where.url} is no fakescale: it needs a --contract-key")
    with Line(where.url) as line:
        yield Target(where.url, where.key, line=line)


def _is_fakescale(url: str) -> bool:
    with contextlib.closing(connector(url)()) as connection:
        connection.request("GET", f"{urlsplit(url).path.removesuffix('/v1')}{HEALTH}")
        answer = connection.getresponse()
        return (answer.status, answer.read()) == (200, b'{"status":"ok"}')
