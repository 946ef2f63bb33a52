"""https and http on one port, with certificates of a throw-away CA."""

import contextlib
import functools
import gc
import logging
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any, Literal

import freezegun
import pytest
import requests

from fakescale import FakeScale
from fakescale.server import tls
from fakescale.server.certificates import Authority
from fakescale.server.limits import Limits
from fakescale.server.server import Server, running
from fakescale.values.hosts import HOST
from tests.raw import descriptors, wait_until
from tests.server.test_server import AUTH, GET, Connection, post
from tests.support import example


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(HOST)


@pytest.fixture(scope="module")
def ca(authority: Authority) -> Iterator[str]:
    with authority.saved() as path:
        yield path


@pytest.fixture
def served(authority: Authority) -> Iterator[FakeScale]:
    with FakeScale(limits=Limits(max_body=200_000)).serve(authority=authority) as fake:
        yield fake


class SecureConnection(Connection):
    """A client that trusts ``authority`` and connects to ``name``, maybe through a proxy."""

    def __init__(
        self,
        fake: FakeScale,
        authority: Authority,
        name: str = "localhost",
        connect: bytes | None = None,
    ) -> None:
        super().__init__(fake)
        if connect is not None:
            self.send(connect)
            assert self.read()[0] == 200
        self.file.close()
        self.socket = trusting(authority).wrap_socket(
            self.socket, server_hostname=name, suppress_ragged_eofs=False
        )
        self.file = self.socket.makefile("rb")


def below(connection: SecureConnection) -> socket.socket:
    """Return the plain socket below TLS."""
    raw = socket.socket(fileno=os.dup(connection.socket.fileno()))
    raw.settimeout(10)
    return raw


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


def test_a_connection_ends_in_order(served: FakeScale, authority: Authority) -> None:
    for request, status in (
        (GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), 200),
        (b"NONSENSE\r\n\r\n", 400),
        (post(b"x" * 3_000_000), 413),
    ):
        with contextlib.closing(SecureConnection(served, authority)) as connection:
            connection.send(request)
            assert connection.read()[0] == status
            assert connection.ended()  # ssl raises if TLS ends without notice
            with below(connection) as raw:  # it does not wait for the client's notice
                assert raw.recv(1) == b""


def test_a_client_that_closes_first_gets_the_end_of_tls_too(
    connection: SecureConnection,
) -> None:
    assert isinstance(connection.socket, ssl.SSLSocket)
    assert connection.socket.unwrap().recv(1) == b""  # it waits for the server's notice


def test_a_client_that_is_silent_from_the_first_is_dropped(authority: Authority) -> None:
    fake = FakeScale(limits=Limits(idle_seconds=0.05))
    with fake.serve(authority=authority), contextlib.closing(Connection(fake)) as silent:
        assert silent.ended()


@pytest.mark.parametrize("when", ["before", "within"])
def test_a_reset_is_a_reset_over_tls_too(
    served: FakeScale, connection: SecureConnection, when: Literal["before", "within"]
) -> None:
    with served.faults.add(reset=when):
        connection.send(GET)
        # ssl takes a reset for an end without notice.
        with below(connection) as raw, pytest.raises(ConnectionResetError):
            list(iter(lambda: raw.recv(1000), b""))


def test_a_reset_over_tls_is_not_an_orderly_end(
    served: FakeScale, connection: SecureConnection
) -> None:
    with served.faults.add(reset="within"):
        connection.send(GET)
        with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
            connection.file.read()


@pytest.mark.usefixtures("own_loop")
def test_a_client_that_does_not_read_gets_nothing_in_the_middle_of_its_answer(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    fake = FakeScale(limits=Limits(idle_seconds=0.5))
    fake.tasks.create("chat", instruction="x" * 20_000_000)
    request = GET.replace(b"live_x", fake.api_key.encode())
    with fake.serve(authority=authority):
        before = descriptors()
        with contextlib.closing(SecureConnection(fake, authority)) as deaf:
            deaf.send(request + request)
            wait_until(lambda: len(fake.requests) == 1)
            wait_until(lambda: descriptors() == before + 1)  # the client's own
    assert "refused" not in caplog.text


def test_urls_in_answers_are_those_of_https(served: FakeScale, ca: str) -> None:
    call = functools.partial(
        requests.request, auth=(served.test_api_key, ""), verify=ca, timeout=10
    )
    body = example("segmentannotation")
    made = call("POST", f"{served.url}/task/segmentannotation", json=body).json()
    task = call("GET", f"{served.url}/task/{made['task_id']}").json()
    url = task["response"]["annotations"]["combined"]["image"]
    assert url.startswith(f"{served.url}/task/")
    assert call("GET", url).content.startswith(b"\x89PNG")


STUCK = [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"]


@pytest.mark.usefixtures("own_loop")
def test_a_client_stuck_in_a_handshake_blocks_nobody_and_no_stop(authority: Authority) -> None:
    threads = set(threading.enumerate())
    with contextlib.ExitStack() as stack:
        with FakeScale().serve(authority=authority) as fake:
            for data in STUCK * 3:
                stuck = stack.enter_context(contextlib.closing(Connection(fake)))
                stuck.send(data)
            with contextlib.closing(SecureConnection(fake, authority)) as connection:
                connection.send(GET)
                assert connection.read()[0] == 200
            with contextlib.closing(Connection(fake)) as plain:
                plain.send(GET)
                assert plain.read()[0] == 200
        assert set(threading.enumerate()) <= threads
        assert stuck.ended()


@pytest.mark.usefixtures("own_loop")
def test_a_stop_while_tls_begins_ends_it_too(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(FakeScale(), "127.0.0.1", 0, entrance=tls.entrance(authority))
    threads, inside = set(threading.enumerate()), threading.Event()
    context = authority.context
    wrap = context.wrap_socket

    def late(*arguments: Any, **named: Any) -> ssl.SSLSocket:
        connection = wrap(*arguments, **named)
        inside.set()
        assert server.site.stopped.wait(10)
        return connection

    monkeypatch.setattr(context, "wrap_socket", late)
    with contextlib.ExitStack() as stack:
        with running(server):
            client = stack.enter_context(socket.create_connection((server.host, server.port)))
            client.sendall(b"\x16")
            assert inside.wait(10)
        assert set(threading.enumerate()) <= threads


def test_a_handshake_has_a_time_limit(served: FakeScale, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "HANDSHAKE_SECONDS", 0.05)
    for data in STUCK[1:]:
        with contextlib.closing(Connection(served)) as stuck:
            stuck.send(data)
            assert stuck.ended()


def test_a_bad_handshake_is_closed_without_an_answer_and_leaves_no_trace(
    served: FakeScale, authority: Authority, capfd: pytest.CaptureFixture[str]
) -> None:
    for data in (b"\x16" * 100, b"\x16\x03\x01\xff\xff" + b"x" * 70_000, b"\x16" + GET):
        with contextlib.closing(Connection(served)) as connection:
            connection.send(data)
            # It may also be reset, because of unread bytes.
            with contextlib.suppress(ConnectionResetError):
                assert not connection.file.read().startswith(b"HTTP")
    for data in STUCK:
        connection = Connection(served)
        linger = b"\x01\0\0\0\0\0\0\0"
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.send(data)
        connection.close()
    with contextlib.closing(SecureConnection(served, authority)) as connection:
        connection.send(GET)
        assert connection.read()[0] == 200
    assert capfd.readouterr().err == ""


def test_a_client_that_does_not_trust_the_certificate_is_not_served(
    served: FakeScale, ca: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fakescale")
    with pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        requests.get(f"{served.url}/tasks", timeout=10)
    with Authority().saved() as other, pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{served.url}/tasks", verify=other, timeout=10)
    assert len(served.requests) == 0
    assert requests.get(f"{served.url}/tasks", verify=ca, timeout=10).status_code == 401
    assert "a TLS handshake failed: TLSV1_ALERT_UNKNOWN_CA" in caplog.messages


@pytest.mark.filterwarnings("ignore:System time is way off")  # urllib3 warns, rightly
@pytest.mark.parametrize("moment", ["2000-01-02", "2020-02-29", "2999-12-30"])
def test_certificates_hold_at_any_frozen_date(served: FakeScale, ca: str, moment: str) -> None:
    with freezegun.freeze_time(moment):
        assert requests.get(f"{served.url}/tasks", verify=ca, timeout=10).status_code == 401
        made = Authority(HOST)
        with FakeScale().serve(authority=made) as fake, made.saved() as path:
            assert requests.get(f"{fake.url}/tasks", verify=path, timeout=10).status_code == 401
    with FakeScale().serve(authority=made) as fake, made.saved() as path:
        assert requests.get(f"{fake.url}/tasks", verify=path, timeout=10).status_code == 401


@pytest.mark.usefixtures("own_loop")
def test_nothing_is_left_of_connections_and_of_servers(authority: Authority) -> None:
    def once(fake: FakeScale) -> None:
        with contextlib.closing(SecureConnection(fake, authority)) as connection:
            connection.send(GET)
            connection.read()

    with FakeScale().serve(authority=authority) as fake:
        once(fake)
    gc.collect()  # garbage of other tests must not close descriptors meanwhile
    threads, descriptors = set(threading.enumerate()), len(os.listdir("/dev/fd"))
    for _ in range(4):
        with FakeScale().serve(authority=authority) as fake:
            for _ in range(25):
                once(fake)
    assert set(threading.enumerate()) <= threads
    assert len(os.listdir("/dev/fd")) == descriptors


def test_a_connection_over_the_limit_is_refused_over_tls(authority: Authority) -> None:
    fake = FakeScale(limits=Limits(max_connections=1))
    with fake.serve(authority=authority), contextlib.ExitStack() as stack:
        first, second = (
            stack.enter_context(contextlib.closing(SecureConnection(fake, authority)))
            for _ in range(2)
        )
        assert second.read()[0] == 503
        assert second.ended()
        first.send(GET)
        assert first.read()[0] == 200


def test_tls_is_not_imported_without_an_authority() -> None:
    code = """if True:
        import sys
        from fakescale import FakeScale
        with FakeScale().serve(): print(sorted({"trustme", "cryptography"} & set(sys.modules)))"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_without_the_extra_the_error_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(ImportError, match=r"pip install 'fakescale\[redirect\]'"):
        Authority(HOST)


@pytest.mark.parametrize("name", ["my_service", "a:80", "a@b", "10.0.0.0/8", ""])
def test_a_name_that_no_certificate_can_hold_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match=name[:9] or "''"):
        Authority(name)


# A client of the real API's host reaches the API, and no control call.


def get(fake: FakeScale, authority: Authority, name: str, path: bytes, host: str) -> int:
    with contextlib.closing(SecureConnection(fake, authority, name)) as connection:
        connection.send(b"GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (path, host.encode(), AUTH))
        return connection.read()[0]


@pytest.mark.parametrize("host", [HOST, f"{HOST}:443", "API.Scale.com", "localhost"])
def test_the_api_answers_as_the_host_of_the_real_one(
    served: FakeScale, authority: Authority, host: str
) -> None:
    assert get(served, authority, HOST, b"/v1/tasks", host) == 200
    assert get(served, authority, HOST, b"/_fakescale/", host) == 403


def test_another_host_is_refused_there_and_that_host_elsewhere(
    served: FakeScale, authority: Authority
) -> None:
    assert get(served, authority, HOST, b"/v1/tasks", "evil.example") == 403
    assert get(served, authority, HOST, b"/v1/tasks", f"x.{HOST}") == 403
    assert get(served, authority, "localhost", b"/v1/tasks", HOST) == 403
    assert get(served, authority, "localhost", b"/_fakescale/", "localhost") == 200
    with contextlib.closing(Connection(served)) as connection:
        connection.send(GET.replace(b"localhost", HOST.encode()))
        assert connection.read()[0] == 403


def test_an_authority_that_is_made_while_time_is_frozen_breaks_no_later_one() -> None:
    code = """
import freezegun
from fakescale.server.certificates import Authority
with freezegun.freeze_time("2020-01-01"):
    Authority("api.scale.com")
Authority("api.scale.com")
"""
    subprocess.run([sys.executable, "-c", code], check=True)
