"""The server that the contract tests use: a fake started for them, or a running server."""

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

#: A fake that is started for the tests.
HERE = Where()


@contextlib.contextmanager
def side_by_side(account: Target) -> Iterator[Target]:
    """Serve the fake of an account a second time, with a worker for each request.

    The ``with`` block gets the account at that server. It gets ``account`` itself if the fake
    was not started for the tests.
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
    """Open the target to test for a ``with`` block.

    Without a URL, the target is a test account of a new fake. With a URL, it is the account of
    the key. A fakescale on this machine needs no key: the default is a test account. Its control
    token is in FAKESCALE_CONTROL_TOKEN.

    Raises ValueError if a key is missing, or if the fakescale does not accept new accounts.
    Raises ApiError if the control token is wrong, and OSError if the server cannot be reached.
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
                        f"--contract-url {where.url} accepts only the keys of its --api-key,"
                        " but each test needs an account of its own."
                    )
            yield target
        return
    if where.key is None:
        raise ValueError(
            f"--contract-url {where.url} is not a fakescale: it needs a --contract-key."
        )
    with Line(where.url) as line:
        yield Target(where.url, where.key, line=line)


def _is_fakescale(url: str) -> bool:
    with contextlib.closing(connector(url)()) as connection:
        connection.request("GET", f"{urlsplit(url).path.removesuffix('/v1')}{HEALTH}")
        answer = connection.getresponse()
        return (answer.status, answer.read()) == (200, b'{"status":"ok"}')
