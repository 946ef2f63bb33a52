"""Processes that do not know the fake find it at https://api.scale.com."""

import contextlib
import gc
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fakescale import FakeScale
from fakescale.server import proxy
from fakescale.server.certificates import Authority
from fakescale.server.proxy import Proxy, environment
from fakescale.server.server import running
from fakescale.values.hosts import HOST, HOSTS
from tests.server.test_server import AUTH, GET, Connection
from tests.server.test_tls import SecureConnection, trusting

CONNECT = b"CONNECT api.scale.com:443 HTTP/1.1\r\nHost: api.scale.com:443\r\n\r\n"

# Each creates a task as usual, and prints the outcome of a request to another host.
PYTHON = """
import asyncio, urllib.request
import httpx, requests

url, headers = "https://api.scale.com/v1/task/chat", {"Authorization": "Bearer live_x"}
assert requests.post(url, json={}, headers=headers).ok
assert httpx.post(url, json={}, headers=headers).is_success
urllib.request.urlopen(urllib.request.Request(url, b"{}", headers)).read()

async def post():
    async with httpx.AsyncClient() as client:
        return await client.post(url, json={}, headers=headers)

assert asyncio.run(post()).is_success
try:
    requests.get("https://example.com")
except OSError as error:
    print(error)
"""
NODE = """
import http from "node:http";
import https from "node:https";
import tls from "node:tls";

class Tunnel extends https.Agent {
  createConnection(options, callback) {
    const proxy = new URL(process.env.HTTPS_PROXY);
    const path = `${options.host}:${options.port}`;
    http.request({ host: proxy.hostname, port: proxy.port, method: "CONNECT", path })
      .on("connect", (reply, socket) => reply.statusCode === 200
        ? callback(null, tls.connect({ ...options, socket, servername: options.host }))
        : callback(new Error(`${reply.statusCode} ${reply.statusMessage}`)))
      .end();
  }
}
const agent = new Tunnel(), headers = { Authorization: "Bearer live_x" };
const url = "https://api.scale.com/v1/task/chat";
https.request(url, { method: "POST", agent, headers }, (reply) => {
  if (reply.statusCode !== 200) throw new Error(reply.statusMessage);
  https.get("https://example.com", { agent }).on("error", (error) => console.log(error.message));
}).end("{}");
"""
CURL = """
curl -sSf -H 'Authorization: Bearer live_x' https://api.scale.com/v1/task/chat -d '{}' >/dev/null
curl -sSv https://example.com 2>&1 || true
"""
# Programs that request URL.
DIRECT = {
    "python": ("import os, urllib.request as it; print(it.urlopen(os.environ['URL']).read())"),
    "curl": 'curl -sSf "$URL"',
    "node": "console.log(await (await fetch(process.env.URL)).text())",
}
COMMANDS = {
    "python": [sys.executable, "-c"],
    "curl": ["bash", "-euc"],
    "node": ["node", "--input-type=module", "-e"],
}
# Python always, and the others if they are installed; .ci/run makes sure that they are.
NAMES = [name for name in COMMANDS if name == "python" or shutil.which(name)]


def run(name: str, script: str, variables: dict[str, str]) -> str:
    done = subprocess.run(
        [*COMMANDS[name], script],
        env={**os.environ, **variables},
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_a_program_in_any_language_finds_the_fake_as_the_real_api(
    fake: FakeScale, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, around in (("NO_PROXY", "*"), ("https_proxy", "http://127.0.0.1:9")):
        monkeypatch.setenv(variable, around)
    with fake.proxy() as variables:
        told = run(name, {"python": PYTHON, "curl": CURL, "node": NODE}[name], variables)
    assert "403 This proxy of fakescale only leads to https://api.scale.com" in told
    assert len(fake.account("x").tasks) == (4 if name == "python" else 1)


@pytest.mark.parametrize("name", NAMES)
def test_a_program_that_trusts_the_file_is_served_over_tls(fake: FakeScale, name: str) -> None:
    authority = Authority()
    with fake.serve(authority=authority), authority.saved() as path:
        url = fake.url.replace("/v1", "/_fakescale/health")
        trust = {
            variable: path
            for variable in environment("", path)
            if variable.endswith(("FILE", "BUNDLE", "CERTS"))
        }
        assert '{"status":"ok"}' in run(name, DIRECT[name], {"URL": url, **trust})


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(*HOSTS)


@pytest.fixture
def served(fake: FakeScale, authority: Authority) -> Iterator[FakeScale]:
    """Return a fake whose ``url`` is that of its proxy."""
    it = Proxy(fake, authority)
    fake.origin = it.origin
    with running(it):
        yield fake


class Tunnel(SecureConnection):
    """A client that speaks TLS through the proxy."""

    def __init__(self, fake: FakeScale, authority: Authority, name: str = HOST) -> None:
        super().__init__(fake, authority, name, CONNECT)


@pytest.mark.parametrize(
    "name", ["API.Scale.com", "api.scale.com.", "api.scaleapi.com", "api.scale.ai"]
)
def test_the_proxy_takes_and_certifies_every_name_of_the_host(
    served: FakeScale, authority: Authority, name: str
) -> None:
    context = ssl.create_default_context(cadata=authority.pem)
    with contextlib.closing(Connection(served)) as connection:
        connection.send(CONNECT.replace(HOST.encode(), name.encode()))
        assert connection.file.readline().startswith(b"HTTP/1.1 200 ")
        assert connection.file.readline() == b"\r\n"
        with context.wrap_socket(connection.socket, server_hostname=name.rstrip(".")) as secured:
            head = f"GET /v1/tasks HTTP/1.1\r\nHost: {name}\r\nAuthorization: Bearer live_x\r\n\r\n"
            secured.sendall(head.encode())
            assert secured.recv(99).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        *(
            (b"CONNECT %s HTTP/1.1\r\nHost: api.scale.com:443\r\n\r\n" % target, 403)
            for target in (
                b"example.com:443",
                b"api.scale.com:8080",
                b"example.com:80",
                b"api.scale.com",
                b"api.scale.com:443:443",
                b"api.scale.com.example.com:443",
                b"xapi.scale.com:443",
                b"user@api.scale.com:443",
                b"https://api.scale.com:443",
                b"127.0.0.1:22",
                b"localhost:443",
                b"[::1]:443",
                b"169.254.169.254:80",
            )
        ),
        *(
            (b"GET %s HTTP/1.1\r\nHost: api.scale.com\r\n\r\n" % target, 403)
            for target in (
                b"http://example.com/",
                b"https://example.com/v1/tasks",
                b"http://api.scale.com:443/v1/tasks",
                b"https://api.scale.com:8443/v1/tasks",
                b"ftp://api.scale.com/v1/tasks",
                b"https://api.scale.com.example.com/v1/tasks",
                b"https://user@api.scale.com/v1/tasks",
                b"https://api.scale.com@example.com/",
                b"http://127.0.0.1/_fakescale/",
                b"/v1/tasks",
                b"api.scale.com",
            )
        ),
        (b"POST /_fakescale/reset HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 403),
        (CONNECT.replace(b"CONNECT", b"connect"), 403),
        (CONNECT.replace(b" HTTP/1.1", b""), 400),
        (CONNECT.replace(b"HTTP/1.1", b"HTTP/2"), 400),
        (CONNECT.replace(b" api", b"  api"), 400),
        (b"CONNECT\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01", 400),
        (CONNECT[:-2] + b"X: y\r\n" * 20_000 + b"\r\n", 431),
        (b"CONNECT " + b"a" * 100_000, 431),
    ],
)
def test_other_requests_are_refused_with_a_reason_and_the_proxy_connects_nowhere(
    served: FakeScale, data: bytes, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.closing(Connection(served)) as connection:
        monkeypatch.setattr(socket.socket, "connect", None)
        monkeypatch.setattr(socket, "getaddrinfo", None)
        connection.send(data)
        line = connection.file.peek().partition(b"\r\n")[0].decode()
        code, fields, body = connection.read()
        assert (code, fields["Connection"]) == (status, "close")
        told = json.loads(body)
        assert told["status_code"] == status
        assert line == f"HTTP/1.1 {status} {told['error']}".removesuffix(".")
        assert connection.ended()
    assert len(served.requests) == 0


def test_the_name_may_be_in_capitals_and_the_head_in_pieces(served: FakeScale) -> None:
    with contextlib.closing(Connection(served)) as connection:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in CONNECT.replace(b"scale.com", b"SCALE.com"):
            connection.send(bytes([byte]))
        assert connection.file.readline() == b"HTTP/1.1 200 Connection established\r\n"


@pytest.mark.parametrize("name", [HOST, "localhost"])
def test_a_tunnel_leads_to_the_api_only(served: FakeScale, authority: Authority, name: str) -> None:
    with contextlib.closing(Tunnel(served, authority, name)) as tunnel:
        for path, host, status in (
            (b"/v1/tasks", b"api.scale.com", 200),
            (b"/v1/tasks", b"api.scale.com:443", 200),
            (b"/v1/tasks", b"evil.example", 403),
            (b"/_fakescale/", b"api.scale.com", 403),
            (b"/_fakescale/", b"localhost", 403),
        ):
            tunnel.send(b"GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (path, host, AUTH))
            assert tunnel.read()[0] == status


def test_a_tunnel_to_port_80_is_without_tls(served: FakeScale) -> None:
    with contextlib.closing(Connection(served)) as connection:
        connection.send(CONNECT.replace(b":443", b":80"))
        assert connection.file.readline() == b"HTTP/1.1 200 Connection established\r\n"
        assert connection.file.readline() == b"\r\n"
        for path, host, status in (
            (b"/v1/tasks", b"api.scale.com", 200),
            (b"/v1/tasks", b"evil.example", 403),
            (b"/_fakescale/", b"api.scale.com", 403),
        ):
            connection.send(b"GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (path, host, AUTH))
            assert connection.read()[0] == status


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET https://api.scale.com/v1/tasks?limit=1", 200),
        (b"GET https://API.scale.com:443/v1/tasks", 200),
        (b"GET http://api.scale.com/v1/tasks", 200),
        (b"GET http://api.scale.com:80/v1/tasks", 200),
        (b"GET https://api.scaleapi.com/v1/tasks", 200),
        (b"GET https://api.scale.ai/v1/tasks", 200),
        (b"GET https://api.scale.com/v1/nothing", 404),
        (b"GET https://api.scale.com", 404),
        (b"POST https://api.scale.com/_fakescale/reset", 403),
        (b"GET https://api.scale.com/_fakescale/", 403),
    ],
)
def test_a_request_for_a_url_of_the_api_is_answered(
    served: FakeScale, line: bytes, status: int
) -> None:
    with contextlib.closing(Connection(served)) as connection:
        # The target's host counts, as RFC 9112 demands.
        connection.send(line + b" HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n")
        connection.send(AUTH + b"Content-Length: 2\r\n\r\n{}")
        code, fields, _ = connection.read()
        assert (code, fields["Connection"]) == (status, "close")
        assert connection.ended()


def test_an_answer_to_a_request_for_a_url_has_the_urls_of_the_api(served: FakeScale) -> None:
    with contextlib.closing(Connection(served)) as connection:
        connection.send(b"GET https://api.scale.com/_fakescale/openapi.json HTTP/1.0\r\n\r\n")
        assert json.loads(connection.read()[2])["servers"] == [{"url": "https://api.scale.com/v1"}]


def test_a_client_may_begin_tls_before_the_proxy_answers(
    served: FakeScale, authority: Authority
) -> None:
    sent, received = ssl.MemoryBIO(), ssl.MemoryBIO()
    secure = trusting(authority).wrap_bio(received, sent, server_hostname=HOST)
    with pytest.raises(ssl.SSLWantReadError):
        secure.do_handshake()
    with contextlib.closing(Connection(served)) as connection:
        connection.send(CONNECT + sent.read())
        assert connection.read()[0] == 200
        assert connection.file.read(1) == b"\x16"


def test_a_tunnel_carries_only_tls(served: FakeScale) -> None:
    with contextlib.closing(Connection(served)) as connection:
        connection.send(CONNECT + GET)
        assert connection.read()[0] == 200
        with contextlib.suppress(ConnectionResetError):  # because of unread bytes
            assert not connection.file.read().startswith(b"HTTP")
    assert len(served.requests) == 0


def test_a_client_that_is_silent_or_slow_is_dropped(
    fake: FakeScale, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "HEAD_SECONDS", 0.05)
    it = Proxy(fake, authority)
    fake.origin = it.origin
    with running(it):
        for data in (b"", CONNECT[:-1]):
            with contextlib.closing(Connection(fake)) as connection:
                connection.send(data)
                assert connection.ended()


def test_a_head_may_only_come_in_so_many_pieces(
    served: FakeScale, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "_MOST_PIECES", 1)
    with contextlib.closing(Connection(served)) as connection:
        connection.socket.settimeout(5)  # the proxy itself would wait longer
        connection.send(CONNECT[:-1])
        assert connection.ended()


def test_a_client_that_sends_on_regardless_still_sees_the_refusal(served: FakeScale) -> None:
    with contextlib.closing(Connection(served)) as connection:
        connection.send(b"CONNECT " + b"a" * 20_000_000)
        assert connection.read()[0] == 431


@pytest.mark.usefixtures("own_loop")
def test_nothing_is_left_of_tunnels_and_refused_requests(
    fake: FakeScale, authority: Authority, capfd: pytest.CaptureFixture[str]
) -> None:
    def once() -> None:
        it = Proxy(fake, authority)
        fake.origin = it.origin
        with contextlib.ExitStack() as stack:
            with running(it):
                opened: list[Any] = [Tunnel(fake, authority) for _ in range(5)]
                for data in (b"", b"CONN", CONNECT, CONNECT + b"\x16"):
                    opened.append(Connection(fake))
                    opened[-1].send(data)
                for connection in opened:
                    stack.callback(connection.close)
                opened[0].send(GET.replace(b"localhost", HOST.encode()))
                assert opened[0].read()[0] == 200
            assert set(threading.enumerate()) <= threads

    threads = set(threading.enumerate())
    once()
    gc.collect()
    descriptors = len(os.listdir("/dev/fd"))
    for _ in range(5):
        once()
    assert len(os.listdir("/dev/fd")) == descriptors
    assert capfd.readouterr().err == ""


def test_the_variables_name_the_proxy_and_a_file_that_is_removed(
    fake: FakeScale, authority: Authority
) -> None:
    with fake.proxy(authority=authority) as variables:
        path = variables["SSL_CERT_FILE"]
        assert variables == environment(variables["HTTPS_PROXY"], path)
        with open(path) as file:
            assert file.read() == authority.pem
    assert not os.path.exists(path)
