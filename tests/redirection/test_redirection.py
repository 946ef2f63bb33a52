"""Unmodified clients of the real API's host reach a fake, and no connection leaves."""

import _socket
import asyncio
import concurrent.futures
import contextlib
import datetime as dt
import http.client
import os
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from socket import getaddrinfo as taken_early
from typing import Any

import aiohttp
import freezegun
import httpx
import pycares
import pytest
import requests
import scaleapi
import truststore
import urllib3
import uvloop
from scaleapi.api_client.v2.exceptions import NotFoundException

from fakescale import FakeScale, Limits, redirect, redirection
from fakescale.redirection.patches import ADDRESS
from fakescale.server.certificates import Authority
from fakescale.values.hosts import HOST, HOSTS

URL = f"https://{HOST}/v1/tasks"
KEY = "live_pets"
AUTH = (KEY, "")
HEADERS = {"Authorization": f"Bearer {KEY}"}

Call = Callable[[], int]


@pytest.fixture(autouse=True)
def _nothing_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the resolution of any name an error, except names of loopback."""
    real = _socket.getaddrinfo

    def guarded(host: Any, *rest: Any, **more: Any) -> Any:
        if host not in (ADDRESS, "127.0.0.1", "localhost"):
            raise OSError(f"{host} would have left")
        return real(host, *rest, **more)

    monkeypatch.setattr(_socket, "getaddrinfo", guarded)
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


# Makers of clients. Each takes a stack that closes the client, and returns a function that makes a
# call with it.


def plain_requests(_: contextlib.ExitStack) -> Call:
    return lambda: requests.get(URL, auth=AUTH, timeout=10).status_code


def a_session(stack: contextlib.ExitStack) -> Call:
    session = stack.enter_context(requests.Session())
    return lambda: session.get(URL, auth=AUTH, timeout=10).status_code


def a_session_without_environment(stack: contextlib.ExitStack) -> Call:
    session = stack.enter_context(requests.Session())
    session.trust_env = False
    return lambda: session.get(URL, auth=AUTH, timeout=10).status_code


def a_session_without_verification(stack: contextlib.ExitStack) -> Call:
    session = stack.enter_context(requests.Session())

    def call() -> int:
        with pytest.warns(urllib3.exceptions.InsecureRequestWarning):
            return session.get(URL, auth=AUTH, timeout=10, verify=False).status_code

    return call


def the_official_client(_: contextlib.ExitStack) -> Call:
    client = scaleapi.ScaleClient(KEY)
    return lambda: 200 if client.tasks(limit=1) == [] else 0


def the_official_client_s_v2(stack: contextlib.ExitStack) -> Call:
    client = scaleapi.ScaleClient(KEY)
    stack.callback(client.v2.api_client.rest_client.pool_manager.clear)

    def call() -> int:
        with pytest.raises(NotFoundException) as caught:
            client.v2.get_task("nothing")
        return int(caught.value.status or 0)

    return call


def bare_urllib3(stack: contextlib.ExitStack) -> Call:
    pool = urllib3.PoolManager()
    stack.callback(pool.clear)
    return lambda: pool.request("GET", URL, headers=HEADERS).status


def plain_httpx(_: contextlib.ExitStack) -> Call:
    return lambda: httpx.get(URL, auth=AUTH).status_code


def an_httpx_client(stack: contextlib.ExitStack) -> Call:
    client = stack.enter_context(httpx.Client(auth=AUTH))
    return lambda: client.get(URL).status_code


def httpx_with_truststore(stack: contextlib.ExitStack) -> Call:
    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client = stack.enter_context(httpx.Client(auth=AUTH, verify=context))
    return lambda: client.get(URL).status_code


def _async_httpx(run: Callable[..., int]) -> Call:
    client = httpx.AsyncClient(auth=AUTH)

    async def call() -> int:
        async with client:
            return (await client.get(URL)).status_code

    return lambda: run(call())


def async_httpx(_: contextlib.ExitStack) -> Call:
    return _async_httpx(asyncio.run)


def async_httpx_on_uvloop(_: contextlib.ExitStack) -> Call:
    return _async_httpx(uvloop.run)


def _aiohttp(
    run: Callable[..., int],
    resolver: type[aiohttp.abc.AbstractResolver] = aiohttp.ThreadedResolver,
    **options: Any,
) -> Call:
    async def call() -> int:
        connector = aiohttp.TCPConnector(resolver=resolver())
        async with (
            aiohttp.ClientSession(connector=connector, **options) as session,
            session.get(URL, headers=HEADERS) as reply,
        ):
            return reply.status

    return lambda: run(call())


def plain_aiohttp(_: contextlib.ExitStack) -> Call:
    return _aiohttp(asyncio.run)


def aiohttp_with_environment(_: contextlib.ExitStack) -> Call:
    return _aiohttp(asyncio.run, trust_env=True)


def aiohttp_with_a_resolver_in_c(_: contextlib.ExitStack) -> Call:
    return _aiohttp(asyncio.run, aiohttp.AsyncResolver)


def aiohttp_on_uvloop(_: contextlib.ExitStack) -> Call:
    return _aiohttp(uvloop.run)


def _streams(run: Callable[..., int]) -> Call:
    async def call() -> int:
        reader, writer = await asyncio.open_connection(HOST.upper(), 443, ssl=True)
        writer.write(f"GET /v1/tasks HTTP/1.1\r\nHost: {HOST}\r\n".encode())
        writer.write(f"Authorization: {HEADERS['Authorization']}\r\n\r\n".encode())
        status = int((await reader.readline()).split()[1])
        writer.close()
        await writer.wait_closed()
        return status

    return lambda: run(call())


def streams(_: contextlib.ExitStack) -> Call:
    return _streams(asyncio.run)


def streams_on_uvloop(_: contextlib.ExitStack) -> Call:
    return _streams(uvloop.run)


def urllib_request(_: contextlib.ExitStack) -> Call:
    def call() -> int:
        request = urllib.request.Request(URL, headers=HEADERS)
        with urllib.request.urlopen(request, timeout=10) as reply:
            return int(reply.status)

    return call


def http_client(stack: contextlib.ExitStack) -> Call:
    connection = stack.enter_context(
        contextlib.closing(http.client.HTTPSConnection(HOST, timeout=10))
    )

    def call() -> int:
        connection.request("GET", "/v1/tasks", headers=HEADERS)
        return connection.getresponse().status

    return call


def over_http(_: contextlib.ExitStack) -> Call:
    url = URL.replace("https", "http")
    return lambda: requests.get(url, auth=AUTH, timeout=10).status_code


CLIENTS = [
    plain_requests,
    a_session,
    a_session_without_environment,
    a_session_without_verification,
    the_official_client,
    the_official_client_s_v2,
    bare_urllib3,
    plain_httpx,
    an_httpx_client,
    httpx_with_truststore,
    async_httpx,
    async_httpx_on_uvloop,
    plain_aiohttp,
    aiohttp_with_environment,
    aiohttp_with_a_resolver_in_c,
    aiohttp_on_uvloop,
    streams,
    streams_on_uvloop,
    urllib_request,
    http_client,
    over_http,
]


@pytest.mark.parametrize("make", CLIENTS)
@pytest.mark.parametrize("when", ["before", "within"])
def test_unmodified_clients_reach_the_fake(
    make: Callable[[contextlib.ExitStack], Call], when: str
) -> None:
    with contextlib.ExitStack() as stack:
        early = make(stack) if when == "before" else None
        fake = stack.enter_context(redirect())
        status = (early or make(stack))()
        [exchange] = fake.requests
        v2 = make is the_official_client_s_v2
        assert (status, exchange.path[:8]) == ((404, "/v2/task") if v2 else (200, "/v1/task"))
        assert exchange.headers["Host"].lower() == HOST
        assert exchange.account == "pets"


@pytest.mark.parametrize(
    "make", [plain_requests, a_session, plain_httpx, aiohttp_with_environment, urllib_request]
)
def test_no_proxy_of_the_environment_is_asked(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[contextlib.ExitStack], Call]
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "intern.example")
    with contextlib.ExitStack() as stack, redirect():
        assert make(stack)() == 200
        assert (
            os.environ["no_proxy"] == os.environ["NO_PROXY"] == f"intern.example,{','.join(HOSTS)}"
        )
        # All other hosts still go through the proxy.
        assert urllib.request.proxy_bypass("example.com") is False
        assert urllib.request.proxy_bypass("intern.example") is True
    assert (os.environ["NO_PROXY"], os.environ.get("no_proxy")) == ("intern.example", None)


def test_a_no_proxy_of_all_hosts_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with redirect():
        assert os.environ["no_proxy"] == "*"
        assert urllib.request.proxy_bypass("example.com")
    assert "NO_PROXY" not in os.environ


# The clock in C that checks certificates is not frozen.
@pytest.mark.filterwarnings("ignore:System time is way off")
@pytest.mark.parametrize("date", ["1999-12-31", "2150-01-01"])
@pytest.mark.parametrize("make", [plain_requests, the_official_client, an_httpx_client])
def test_clients_reach_the_fake_in_frozen_time(
    make: Callable[[contextlib.ExitStack], Call], date: str
) -> None:
    with freezegun.freeze_time(date), contextlib.ExitStack() as stack, redirect() as fake:
        assert make(stack)() == 200
        assert fake.tasks.create("chat").created_at.startswith(date)


@pytest.mark.parametrize(
    "first", ["truststore.inject_into_ssl()", "from fakescale import redirect"]
)
def test_truststore_may_be_injected(first: str) -> None:
    code = f"""
import truststore
{first}
truststore.inject_into_ssl()
import requests, urllib3, ssl
from fakescale import redirect
assert ssl.SSLContext is truststore.SSLContext
with redirect() as fake:
    assert requests.get({URL!r}, auth={AUTH!r}).status_code == 200
    assert urllib3.request("GET", {URL!r}, headers={HEADERS!r}).status == 200
    assert fake.requests.total == 2
    try:
        urllib3.request("GET", fake.url.replace("http:", "https:"), retries=False)
    except urllib3.exceptions.SSLError:
        pass
    else:
        raise AssertionError("trusted for another name")
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


# Trust.


@pytest.fixture
def other() -> Iterator[tuple[str, Authority]]:
    """Return the URL of another host, and the authority of its certificate."""
    authority = Authority()
    with FakeScale().serve(authority=authority) as fake:
        yield fake.url.replace("127.0.0.1", "localhost"), authority


def test_other_hosts_are_verified_as_before(other: tuple[str, Authority]) -> None:
    url, authority = other
    context = ssl.create_default_context(cadata=authority.pem)
    before = context.get_ca_certs(binary_form=True), context.cert_store_stats()
    with redirect() as fake, httpx.Client(verify=context) as client, httpx.Client() as doubter:
        assert client.get(URL, auth=AUTH).status_code == 200
        assert client.get(f"{url}/tasks").status_code == 401
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            doubter.get(f"{url}/tasks")
        # The fake's own authority certifies only that one host.
        for name in ("127.0.0.1", "localhost"):
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                client.get(fake.url.replace("http://127.0.0.1", f"https://{name}"))
        assert doubter.get(URL, auth=AUTH).status_code == 200
        assert fake.requests.total == 2
    # Contexts that other connections use stay unchanged.
    assert (context.get_ca_certs(binary_form=True), context.cert_store_stats()) == before


@pytest.mark.parametrize("verify", [True, False])
def test_a_connection_that_leads_elsewhere_is_not_trusted_with_a_key(verify: bool) -> None:
    real = Authority(HOST)  # stands for the real API, reached through a proxy
    context = ssl.create_default_context(cadata=real.pem)
    if not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with FakeScale().serve(authority=real) as there:
        with (
            redirect(),
            socket.create_connection(("127.0.0.1", _port(there))) as connection,
            pytest.raises(ssl.SSLCertVerificationError, match="leads elsewhere"),
        ):
            context.wrap_socket(connection, server_hostname=HOST)
        assert there.requests.total == 0
        with (
            socket.create_connection(("127.0.0.1", _port(there))) as connection,
            context.wrap_socket(connection, server_hostname=HOST) as trusted_again,
        ):
            assert trusted_again.version()


def _port(fake: FakeScale) -> int:
    return int(fake.url.split(":")[2].split("/")[0])


def test_a_proxy_that_the_client_was_given_is_not_trusted_either() -> None:
    with FakeScale().proxy() as variables, redirect() as fake:
        with pytest.raises(requests.exceptions.SSLError, match="leads elsewhere"):
            requests.get(
                URL,
                auth=AUTH,
                proxies={"https": variables["HTTPS_PROXY"]},
                verify=variables["REQUESTS_CA_BUNDLE"],
            )
        assert fake.requests.total == 0


@pytest.fixture
def earlier(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[FakeScale, str]]:
    """Serve a fake that stands for the real API; yield it and the path of its certificate."""
    authority = Authority(HOST)
    real = socket.getaddrinfo

    def resolve(host: Any, *rest: Any, **more: Any) -> Any:
        return real("127.0.0.1" if host == HOST else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with FakeScale().serve(authority=authority) as there, authority.saved() as path:
        # Its port is not that of the real API.
        monkeypatch.setattr(redirection, "PORTS", (443, _port(there)))
        yield there, path


def test_a_pool_connects_anew_to_the_fake(earlier: tuple[FakeScale, str]) -> None:
    there, path = earlier
    url = f"https://{HOST}:{_port(there)}/v1/tasks"
    with urllib3.PoolManager(ca_certs=path) as pool, requests.Session() as session:
        assert pool.request("GET", url, headers=HEADERS).status == 200
        assert session.get(url, auth=AUTH, verify=path).ok
        with redirect() as fake:
            assert pool.request("GET", url, headers=HEADERS).status == 200
            with pytest.raises(requests.ConnectionError, match="connection was made before"):
                session.get(url, auth=AUTH, verify=path)  # it does not try again by itself
            assert session.get(url, auth=AUTH, verify=path).ok
            assert fake.requests.total == 2
        assert there.requests.total == 2


def test_an_async_pool_connects_anew_to_the_fake(earlier: tuple[FakeScale, str]) -> None:
    there, path = earlier
    url = f"https://{HOST}:{_port(there)}/v1/tasks"

    async def ask() -> None:
        context = ssl.create_default_context(cafile=path)
        resolver = aiohttp.ThreadedResolver()
        connector = aiohttp.TCPConnector(ssl=context, resolver=resolver, use_dns_cache=False)
        async with aiohttp.ClientSession(connector=connector, headers=HEADERS) as session:
            assert (await session.get(url)).status == 200
            with redirect() as fake:
                assert (await session.get(url)).status == 200
                assert (fake.requests.total, there.requests.total) == (1, 1)

    asyncio.run(ask())


@pytest.mark.parametrize("method", ["send", "sendall", "write"])
def test_nothing_is_sent_on_a_connection_that_was_made_before(
    earlier: tuple[FakeScale, str], method: str
) -> None:
    there, path = earlier
    context = ssl.create_default_context(cafile=path)
    with (
        socket.create_connection(("127.0.0.1", _port(there))) as plain,
        context.wrap_socket(
            plain, server_hostname=HOST, do_handshake_on_connect=method != "write"
        ) as connection,
        redirect(),
    ):
        with pytest.raises(ConnectionResetError, match="redirected to fakescale, but this conn"):
            getattr(connection, method)(b"GET /v1/tasks HTTP/1.1\r\n\r\n")
        assert plain.fileno() == -1  # `connection` has taken it over
        with contextlib.suppress(ConnectionResetError):  # or the end, by the version of Python
            assert method == "write" or connection.recv(9) == b""
    assert there.requests.total == 0


# Resolution.


@pytest.mark.parametrize(
    "name",
    [
        *HOSTS,
        HOSTS[1].title(),
        f"{HOSTS[2]}.".encode(),
        f"{HOST}.",
        HOST.encode(),
        bytearray(b"Api.scale.com"),
        HOST.replace(".", "\u3002"),
        HOST.replace("a", "\uff41"),
    ],
)
def test_the_name_is_known_in_any_spelling(name: Any) -> None:
    with redirect():
        for getaddrinfo in (socket.getaddrinfo, taken_early):
            found = getaddrinfo(name, "https", type=socket.SOCK_STREAM)
            assert [address for *_, address in found] == [(ADDRESS, 443)]
        assert socket.gethostbyname(name) == ADDRESS
        assert socket.gethostbyname_ex(name) == (HOST, [], [ADDRESS])
        assert socket.getfqdn(HOST) == socket.gethostbyaddr(ADDRESS)[0] == HOST


@pytest.mark.parametrize(
    "name", [f"www.{HOST}", "scale.com", f"{HOST}.example.com", "", "äpi.scale.com", "ä" * 99]
)
def test_other_names_are_resolved_as_before(name: str) -> None:
    with redirect(), pytest.raises(OSError, match="would have left"):
        socket.getaddrinfo(name, 443)


def test_a_port_that_the_fake_does_not_serve_is_an_error() -> None:
    with redirect() as fake:
        for method in ("connect", "connect_ex"):
            for host in (HOST, ADDRESS):
                with (
                    socket.socket() as connection,
                    pytest.raises(ConnectionRefusedError, match="443 and 80, not at 8443"),
                ):
                    getattr(connection, method)((host, 8443))
        with pytest.raises(requests.ConnectionError, match="not at 8443"):
            requests.get(URL.replace("/v1", ":8443/v1"), timeout=10)
        with pytest.raises(socket.gaierror, match="is redirected to fakescale"):
            socket.getaddrinfo(HOST, 443, socket.AF_INET6)
        assert fake.requests.total == 0


@pytest.mark.parametrize("method", ["query", "search"])
def test_no_name_server_is_asked(method: str) -> None:
    with redirect(), pytest.raises(OSError, match="no name server may be asked"):
        getattr(pycares.Channel, method)(None, HOST, "A")


def test_a_url_may_be_written_differently() -> None:
    with redirect() as fake:
        assert requests.get(f"https://{HOST}./v1/tasks", auth=AUTH).status_code == 200
        origins = f"https://{HOST}:443", f"http://{HOST}:80", f"http://{HOST.upper()}."
        for origin in (*origins, *(f"https://{host}" for host in HOSTS[1:])):
            request = urllib.request.Request(f"{origin}/v1/tasks", headers=HEADERS)
            with urllib.request.urlopen(request) as reply:
                assert reply.status == 200
        assert fake.requests.total == 6


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("host", HOSTS[1:])
def test_an_older_name_is_the_same_host(host: str, scheme: str) -> None:
    with redirect() as fake, httpx.Client(base_url=f"{scheme}://{host}", auth=AUTH) as client:
        assert client.get("/v1/tasks").status_code == 200
        assert fake.requests[0].headers["Host"] == host
        assert client.post("/_fakescale/reset", json={}).status_code == 403


def test_a_socket_may_be_given_the_name() -> None:
    with redirect() as fake:
        for method in ("connect", "connect_ex"):
            with socket.socket() as connection:
                assert not getattr(connection, method)((HOST, 80))
                assert connection.getpeername()[1] == _port(fake)


# The length of the redirection.


def test_no_kept_connection_outlives_the_redirection() -> None:
    with requests.Session() as session:
        with redirect() as fake:
            assert session.get(URL, auth=AUTH).status_code == 200
        with pytest.raises(requests.ConnectionError, match="would have left"):
            session.get(URL, auth=AUTH)
        assert fake.requests.total == 1
        with redirect() as other:
            assert session.get(URL, auth=AUTH).status_code == 200
        assert (fake.requests.total, other.requests.total) == (1, 1)


def test_all_threads_are_redirected() -> None:
    clients = urllib3.PoolManager(maxsize=8)

    def create(_: int) -> str:
        url = URL.replace("tasks", "task/chat")
        return str(clients.request("POST", url, json={}, headers=HEADERS).json()["task_id"])

    with redirect() as fake, concurrent.futures.ThreadPoolExecutor(8) as threads:
        made = list(threads.map(create, range(40)))
        assert sorted(made) == sorted(task.id for task in fake.account("pets").tasks)
        clients.clear()


def test_redirect_takes_a_fake_or_the_options_of_a_new_one() -> None:
    with redirect(account="pets") as fake:
        requests.post(URL.replace("tasks", "task/chat"), json={}, auth=AUTH)
        assert len(fake.tasks) == 1
        # For other processes, which are not redirected.
        assert fake.url.startswith("http://127.0.0.1:")
        assert requests.get(f"{fake.url}/tasks", auth=AUTH).json()["total"] == 1
    assert fake.origin is None
    with fake.serve():
        url = fake.url
        with redirect(fake) as same:
            assert same is fake
            assert requests.get(URL, auth=AUTH).json()["total"] == 1
            assert fake.url == url
        assert requests.get(f"{url}/tasks", auth=AUTH).status_code == 200
    with pytest.raises(TypeError, match="seed"), redirect(fake, seed=1):
        pass


def test_the_limits_of_the_fake_hold_for_redirected_connections_too() -> None:
    with redirect(limits=Limits(max_request_line=99)):
        for size, status in ((20, 200), (99, 414)):
            assert requests.get(URL, {"tags": "x" * size}, auth=AUTH).status_code == status


def test_due_work_happens_by_itself() -> None:
    labeled = threading.Event()
    with redirect(complete_after=dt.timedelta(milliseconds=20)) as fake:
        fake.labeler = lambda _: labeled.set()
        fake.tasks.create("chat")
        assert labeled.wait(10)


def test_made_up_responses_can_be_fetched_where_the_client_asked() -> None:
    client = scaleapi.ScaleClient("test_pets")
    with redirect():
        made = client.create_task(
            scaleapi.tasks.TaskType.SegmentAnnotation,
            attachment="https://example.com/cat.png",
            labels=["cat"],
        )
        response = client.get_task(made.id).response
        [url, *_] = [text for text in _texts(response) if "response_url" in text]
        assert url.startswith(f"https://{HOST}/v1/task/{made.id}/")
        assert requests.get(url, auth=("test_pets", "")).status_code == 200


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def test_no_control_call_is_redirected() -> None:
    with redirect():
        for scheme in ("https", "http"):
            reply = requests.post(f"{scheme}://{HOST}/_fakescale/reset", json={})
            assert reply.status_code == 403
