"""https and http on one port, with certificates of a throw-away CA."""

import contextlib
import ssl
from collections.abc import Iterator

import pytest
import requests

from fakescale import FakeScale
from fakescale.certificates import Authority
from fakescale.hosts import HOST
from tests.test_server import GET, Connection


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(HOST)


@pytest.fixture(scope="module")
def ca(authority: Authority) -> Iterator[str]:
    with authority.saved() as path:
        yield path


@pytest.fixture
def served(authority: Authority) -> Iterator[FakeScale]:
    with FakeScale(max_body=200_000).serve(authority=authority) as fake:
        yield fake


class SecureConnection(Connection):
    """A client that trusts ``authority`` and connects to ``name``."""

    def __init__(self, fake: FakeScale, authority: Authority, name: str = "localhost") -> None:
        super().__init__(fake)
        self.file.close()
        self.socket = trusting(authority).wrap_socket(self.socket, server_hostname=name)
        self.file = self.socket.makefile("rb")


def trusting(authority: Authority) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority.pem)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


@pytest.fixture
def connection(served: FakeScale, authority: Authority) -> Iterator[SecureConnection]:
    with contextlib.closing(SecureConnection(served, authority)) as connection:
        yield connection


def test_one_port_serves_https_and_http(served: FakeScale, ca: str) -> None:
    assert served.url.startswith("https://127.0.0.1:")
    plain = served.url.replace("https", "http")
    for _ in range(2):
        for url in (served.url, served.url.replace("127.0.0.1", "localhost")):
            reply = requests.get(f"{url}/tasks", auth=("live_x", ""), verify=ca, timeout=10)
            assert reply.status_code == 200
        assert requests.get(f"{plain}/tasks", auth=("live_x", ""), timeout=10).status_code == 200
    assert len(served.requests) == 6


def test_a_connection_is_kept_and_requests_may_be_pipelined(connection: SecureConnection) -> None:
    assert isinstance(connection.socket, ssl.SSLSocket)
    assert connection.socket.selected_alpn_protocol() == "http/1.1"
    for _ in range(3):
        connection.send(GET + GET)
        assert [connection.read()[0] for _ in range(2)] == [200, 200]
