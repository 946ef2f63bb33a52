"""The guard: nobody reaches the real API by accident while a fake of the plugin is up."""

import _socket
import socket
import ssl
import sys
import types
from collections.abc import Iterator
from typing import Any

import aiodns
import aiohttp
import httpx
import pytest
import requests.cookies
import scaleapi
import urllib3
import uvloop

from fakescale import FakeScale
from fakescale.redirection.guard import guarding
from fakescale.redirection.patches import PATCHES, Unreachable
from fakescale.server import certificates
from fakescale.server.certificates import Authority
from fakescale.values.hosts import HOST, HOSTS
from tests.test_plugin import suite

__all__ = ["suite"]  # the fixture
# Loaded here, or each run of pytester would load half of these modules anew.
LOADED = (aiodns, aiohttp, httpx, requests.cookies, scaleapi, urllib3, uvloop)


@pytest.fixture(autouse=True)
def _nothing_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the resolution of any name an error, except names of loopback."""
    real = _socket.getaddrinfo

    def guarded(host: Any, *rest: Any, **more: Any) -> Any:
        if host not in ("127.0.0.1", "localhost"):
            raise OSError(f"{host} would have left")
        return real(host, *rest, **more)

    monkeypatch.setattr(_socket, "getaddrinfo", guarded)
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


CLIENTS = """
    import _socket, asyncio, http.client, socket, time, urllib.request
    import aiohttp, httpx, pytest, requests, scaleapi, urllib3, uvloop

    URL = "https://api.scale.com/v1/tasks"

    async def by_aiohttp(resolver):
        connector = aiohttp.TCPConnector(resolver=resolver())
        async with aiohttp.ClientSession(connector=connector) as session:
            await session.get(URL)

    async def by_httpx():
        async with httpx.AsyncClient() as client:
            await client.get(URL)

    async def by_streams():
        await asyncio.open_connection("api.scale.com", 443, ssl=True)

    def by_connect():
        with socket.socket() as connection:
            connection.connect(("api.scale.com", 443))

    def by_sendto():
        with socket.socket(type=socket.SOCK_DGRAM) as connection:
            connection.sendto(b"x", ("api.scale.com", 443))

    def with_retries():
        retries = urllib3.Retry(5, backoff_factor=9)
        urllib3.PoolManager(retries=retries).request("GET", URL)

    CALLS = {
        "v1": lambda: scaleapi.ScaleClient("live_x").tasks(limit=1),
        "v2": lambda: scaleapi.ScaleClient("live_x").v2.get_tasks(),
        "v2 creation": lambda: scaleapi.ScaleClient("live_x").v2.create_chat_task({}),
        "v2 paged": lambda: list(scaleapi.ScaleClient("live_x").v2_get_tasks("p")),
        "requests": lambda: requests.get(URL),
        "http": lambda: requests.get(URL.replace("https", "http")),
        "urllib3": with_retries,
        "httpx": lambda: httpx.get(URL),
        "urllib": lambda: urllib.request.build_opener().open(URL),  # urlopen keeps old proxies
        "http.client": http.client.HTTPSConnection("API.scaleapi.com.").connect,
        "aiohttp": lambda: asyncio.run(by_aiohttp(aiohttp.ThreadedResolver)),
        "aiodns": lambda: asyncio.run(by_aiohttp(aiohttp.AsyncResolver)),
        "async httpx": lambda: asyncio.run(by_httpx()),
        "streams": lambda: asyncio.run(by_streams()),
        "uvloop": lambda: uvloop.run(by_httpx()),
        "uvloop streams": lambda: uvloop.run(by_streams()),
        "bytes": lambda: socket.create_connection((b"api.scale.ai", 443)),
        "connect": by_connect,
        "gethostbyname": lambda: socket.gethostbyname("API.SCALE.COM"),
        "gethostbyname of _socket": lambda: _socket.gethostbyname("api.scale.com"),
        "gethostbyname_ex of _socket": lambda: _socket.gethostbyname_ex("api.scale.com"),
        "gethostbyaddr of _socket": lambda: _socket.gethostbyaddr(b"api.scale.com"),
        "gethostbyaddr": lambda: socket.gethostbyaddr("api.scale.ai"),
        "sendto": by_sendto,
        "gethostbyname_ex": lambda: socket.gethostbyname_ex("api.scaleapi.com."),
    }
    raised = {}

    @pytest.mark.parametrize("name", CALLS)
    def test_guarded(fakescale, name, monkeypatch):
        monkeypatch.setattr(time, "sleep", None)  # no client waits before it tries again
        with pytest.raises(Exception, match="fakescale: ") as caught:
            CALLS[name]()
        text = str(caught.value)
        assert f"test_guarded[{name}] tried to reach the real API at " in text
        assert "fakescale_redirect" in text and "--fakescale-allow-real" in text
        raised[name] = caught.value

    def test_the_errors_are_those_of_a_failed_connection():
        assert isinstance(raised["requests"], requests.ConnectionError)
        assert isinstance(raised["httpx"], httpx.ConnectError)
        assert isinstance(raised["aiohttp"], aiohttp.ClientConnectorDNSError)
        assert isinstance(raised["connect"], socket.gaierror)
        assert str(raised["httpx"]).startswith("fakescale: test_")
        assert str(raised["connect"]).startswith("fakescale: test_")
"""


def test_no_client_reaches_the_real_api(suite: pytest.Pytester) -> None:
    suite.makepyfile(CLIENTS)
    before = dict(vars(socket)), dict(vars(socket.socket)), dict(vars(ssl.SSLSocket))
    suite.runpytest_inprocess().assert_outcomes(passed=26)
    assert (dict(vars(socket)), dict(vars(socket.socket)), dict(vars(ssl.SSLSocket))) == before


LEAVES = """
    import socket, pytest

    def goes(text):
        with pytest.raises(OSError) as caught:
            socket.getaddrinfo("api.scale.com", 443)
        assert text in str(caught.value), caught.value
"""
FAKES = """
    import pytest
    from leaves import goes

    def test_none(): goes("would have left")
    def test_fixture(fakescale): goes("fakescale: test_fakes.py::test_fixture tried")
    def test_app(fakescale_app): goes("fakescale: test_fakes.py::test_app tried")

    @pytest.fixture(scope="module")
    def wide(fakescale_factory):
        with fakescale_factory():
            yield

    def test_factory(fakescale_factory):
        with fakescale_factory(), fakescale_factory(served=False):
            goes("fakescale: ")
        goes("would have left")

    def test_wide(wide): goes("fakescale: test_fakes.py::test_wide tried")
    def test_a_wide_fake_is_still_up(): goes("fakescale: test_fakes.py::test_a_wide_fake")

    def test_redirect(fakescale_redirect):
        assert socket_leads_to_the_fake()

    def test_redirect_within(wide, fakescale):
        from fakescale import redirect
        with redirect():
            assert socket_leads_to_the_fake()
        goes("fakescale: ")

    def socket_leads_to_the_fake():
        import socket
        return socket.gethostbyname("api.scale.com") == "127.83.67.65"
"""


def test_the_guard_is_up_as_long_as_a_fake(suite: pytest.Pytester) -> None:
    suite.makepyfile(leaves=LEAVES, test_fakes=FAKES)
    suite.runpytest_inprocess().assert_outcomes(passed=8)


def test_the_guard_is_up_with_a_fake_elsewhere(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        leaves=LEAVES,
        test_fakes="from leaves import goes\ndef test_x(fakescale): goes('fakescale: test_fakes')",
    )
    with FakeScale().serve() as fake:
        suite.runpytest_inprocess(f"--fakescale-url={fake.url}").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("arguments", "ini", "text"),
    [
        (["--fakescale-allow-real"], "", "would have left"),
        ([], "fakescale_allow_real = true", "would have left"),
        ([], "fakescale_allow_real = false", "fakescale: "),
        # The contract tests ask the real service.
        (["--contract-url=https://API.scale.com/v1", "--contract-key=test_x"], "", "would have"),
        (["--contract-url=https://scale.example/v1", "--contract-key=test_x"], "", "fakescale: "),
    ],
)
def test_the_real_api_can_be_allowed(
    suite: pytest.Pytester, arguments: list[str], ini: str, text: str
) -> None:
    suite.makeini(f"[pytest]\naddopts = -p no:randomly\n{ini}")
    suite.makepyfile(
        leaves=LEAVES, test_x=f"from leaves import goes\ndef test_x(fakescale): goes({text!r})"
    )
    suite.runpytest_inprocess(*arguments).assert_outcomes(passed=1)


@pytest.mark.parametrize("name", ["getaddrinfo", "gethostbyname", "gethostbyname_ex"])
def test_the_functions_of_eventlet_are_guarded(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    module = types.ModuleType("eventlet.green.socket")  # it has its own, which nobody else calls
    setattr(module, name, lambda *_: pytest.fail("left"))
    monkeypatch.setitem(sys.modules, "eventlet.green.socket", module)
    with PATCHES.placed(), guarding(), pytest.raises(Unreachable, match=r"^fakescale: "):
        getattr(module, name)(*([HOST, 443] if name == "getaddrinfo" else [HOST]))


# TLS, which needs no look-up.


@pytest.fixture
def guard() -> Iterator[None]:
    """Put the guard up."""
    with PATCHES.placed(), guarding():
        yield


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[FakeScale, Authority]]:
    """Serve a fake that stands for the real API, and its authority, which is nobody's fake."""
    monkeypatch.setattr(certificates, "ISSUER", "Amazon")
    authority = Authority(*HOSTS)
    with FakeScale().serve(authority=authority) as there:
        yield there, authority


def connected(fake: FakeScale) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(fake.url.split(":")[2].split("/")[0])))


@pytest.mark.usefixtures("guard")
def test_no_handshake_succeeds_past_the_look_up(real: tuple[FakeScale, Authority]) -> None:
    there, authority = real
    context = ssl.create_default_context(cadata=authority.pem)
    with connected(there) as plain, pytest.raises(Unreachable, match=r"^fakescale: .*test_no_hand"):
        context.wrap_socket(plain, server_hostname=HOST)
    with (
        connected(there) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        assert connection.version()  # another host


def test_a_connection_that_was_made_before_is_reset(real: tuple[FakeScale, Authority]) -> None:
    there, authority = real
    context = ssl.create_default_context(cadata=authority.pem)
    with (
        connected(there) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as connection,
        PATCHES.placed(),
        guarding(),
        pytest.raises(ConnectionResetError, match=r"^fakescale: "),
    ):
        connection.sendall(b"GET /v1/tasks HTTP/1.1\r\n\r\n")
    assert there.requests.total == 0


@pytest.mark.usefixtures("guard")
def test_a_proxy_that_is_a_fake_is_let_through(fake: FakeScale) -> None:
    with fake.proxy() as variables:
        reply = requests.get(
            f"https://{HOST}/v1/tasks",
            auth=("live_x", ""),
            proxies={"https": variables["HTTPS_PROXY"]},
            verify=variables["REQUESTS_CA_BUNDLE"],
        )
    assert reply.status_code == 200


def test_the_guard_loads_no_more_than_the_fake(suite: pytest.Pytester) -> None:
    heavy = ["trustme", "cryptography", "uvloop", "pycares", "urllib3"]
    suite.makepyfile(
        f"""
        import sys
        def test_x(fakescale):
            assert [name for name in {heavy} if name in sys.modules] == []
        """
    )
    code = (
        "import os, sys; os.environ['PYTEST_DISABLE_PLUGIN_AUTOLOAD'] = '1';"
        "os.environ['PYTEST_PLUGINS'] = 'fakescale.pytest_plugin'; import pytest;"
        "sys.exit(pytest.main(['-c', os.devnull, '--rootdir=.']))"
    )
    suite.run(sys.executable, "-c", code).assert_outcomes(passed=1)
