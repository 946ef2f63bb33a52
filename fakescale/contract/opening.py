"""Which server the contract tests ask: a fake that is started for it, or one that is there."""

import contextlib
import os
from collections.abc import Iterator
from urllib.parse import urlsplit

from fakescale.api.app import HEALTH
from fakescale.contract.target import Line, Target, connector
from fakescale.contract.where import Where
from fakescale.fake import FakeScale
from fakescale.remote import RemoteFakeScale
from fakescale.server.server import Server, running

#: A fake that is started for it.
HERE = Where()


@contextlib.contextmanager
def side_by_side(account: Target) -> Iterator[Target]:
    """Give an account at a server where requests meet within the fake, each on a thread.

    An account as it is, where the fake was not started for the tests.
    """
    if not isinstance(account.fake, FakeScale):
        yield account
        return
    server = Server(account.fake, "127.0.0.1", 0, in_place=False)
    url = f"{server.origin}/v1"
    with running(server), Line(url) as line:
        yield Target(url, account.key, fake=account.fake, line=line)


@contextlib.contextmanager
def opened(where: Where = HERE) -> Iterator[Target]:
    """Give the target that is there, for a ``with`` block.

    A test account of a fake that is started for it, or of a fakescale on this machine, whose
    control token is in FAKESCALE_CONTROL_TOKEN; or that of the key. Raises ValueError where
    a key is missing, or none of ours would be taken, ApiError where the token is wrong, and
    OSError where nobody answers.
    """
    if where.url is None:
        with FakeScale(seed="contract").serve() as fake, Line(fake.url) as line:
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
