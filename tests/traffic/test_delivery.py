"""The sending of a callback, over real sockets."""

import contextlib
import http
import os
import socket
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any, cast

import freezegun
import pytest

from fakescale.receiver import Receiver
from fakescale.server.connection import Connection
from fakescale.server.server import serving
from fakescale.traffic import delivery
from fakescale.traffic.delivery import Carrier
from fakescale.traffic.outbox import Outbox
from fakescale.values.clock import Clock
from fakescale.values.frozen import FrozenDict
from fakescale.values.hosts import NotSent, read_address

getaddrinfo = socket.getaddrinfo


def post(url: str, *hosts: str, timeout: float = 10) -> int:
    return Carrier(timeout).post(read_address(url, hosts), "key", b"{}")


@contextlib.contextmanager
def listening(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """Yield the URL of a receiver that passes each of its connections to ``talk``."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    talk(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def says(answer: bytes) -> Callable[[socket.socket], None]:
    def talk(connection: socket.socket) -> None:
        request = b""
        # Read all, since unread bytes would turn the end of the connection into a reset.
        while not request.endswith(b"{}") and (more := connection.recv(65536)):
            request += more
        connection.sendall(answer)

    return talk


def hangs(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def test_a_callback_is_json_with_the_key(callback_receiver: Receiver) -> None:
    assert post(f"{callback_receiver.url}/a%20b?c=d") == 200
    [received] = callback_receiver.received
    assert (received.method, received.path, received.body) == (
        "POST",
        "/callback/a%20b?c=d",
        b"{}",
    )
    headers = received.headers
    assert headers["scale-callback-auth"] == "key"
    assert headers["Content-Type"] == "application/json"
    assert headers["Host"] == callback_receiver.url.split("/")[2]
    assert "Authorization" not in headers


def test_a_redirect_is_an_answer_and_not_followed(callback_receiver: Receiver) -> None:
    def redirects(environ: Any, start_response: Any) -> list[bytes]:
        status = environ["REQUEST_URI"].strip("/")
        phrase = http.HTTPStatus(int(status)).phrase
        fields = [("Location", callback_receiver.url), ("Content-Length", "0")]
        start_response(f"{status} {phrase}", fields)
        return []

    with serving(redirects, "127.0.0.1", 0) as origin:
        for status in (301, 302, 303, 307, 308):
            assert post(f"{origin}/{status}") == status
    assert callback_receiver.received == []


def test_a_name_is_looked_up_once_and_only_that_address_is_used(
    callback_receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(callback_receiver.url.split(":")[2].split("/")[0])
    asked: list[Any] = []

    def resolve(host: str, *args: Any, **more: Any) -> Any:
        asked.append(host)
        # The second answer differs, as from a rebinding name server.
        return getaddrinfo("127.0.0.1" if len(asked) == 1 else "192.0.2.1", *args, **more)

    connected: list[Any] = []
    connect = socket.socket.connect

    def spy(self: socket.socket, address: Any) -> None:
        connected.append(address)
        connect(self, address)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket.socket, "connect", spy)
    assert post(f"http://hooks.example:{port}/x", "hooks.example") == 200
    assert asked == ["hooks.example"]
    assert connected == [("127.0.0.1", port)]
    assert callback_receiver.received[0].headers["Host"] == f"hooks.example:{port}"


@pytest.mark.parametrize("host", ["localhost", "deep.down.localhost"])
def test_a_loopback_name_that_leads_elsewhere_is_not_followed(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    asked: list[str] = []

    def resolve(host: str, *args: Any, **more: Any) -> Any:
        asked.append(host)
        return getaddrinfo("127.0.0.1", *args, **more) + getaddrinfo("192.0.2.1", *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket.socket, "connect", None)
    with pytest.raises(NotSent, match=f"{host} is not allowed"):
        post(f"http://{host}/x")
    assert asked == ["localhost"]  # names below it reach no name server


def test_every_address_of_a_name_is_tried(
    callback_receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(callback_receiver.url.split(":")[2].split("/")[0])

    def resolve(host: str, *args: Any, **more: Any) -> Any:
        return getaddrinfo("127.0.0.2", *args, **more) + getaddrinfo("127.0.0.1", *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert post(f"http://localhost:{port}/x") == 200
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **more: [])
    with pytest.raises(OSError, match="no address"):
        post(f"http://localhost:{port}/x")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", "RemoteDisconnected"),
        (b"HTTP/1.1 ", "BadStatusLine"),
        (b"nonsense\r\n\r\n", "BadStatusLine"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", "LineTooLong"),
    ],
)
def test_a_connection_that_ends_without_an_answer_is_an_error(answer: bytes, error: str) -> None:
    with listening(says(answer)) as url, pytest.raises(OSError, match=error):
        post(url)


def test_an_answer_that_breaks_off_after_its_head_counts() -> None:
    head = b"HTTP/1.1 204 No Content\r\n\r\n"
    with listening(says(head)) as url:
        assert post(url) == 204
    head = b"HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\nhalf"
    with listening(says(head)) as url:
        assert post(url) == 201


def test_an_answer_whose_body_hangs_counts() -> None:
    def talk(connection: socket.socket) -> None:
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")(connection)
        hangs(connection)

    with listening(talk) as url:
        assert post(url, timeout=0.3) == 200  # of which the body takes all


def test_a_receiver_that_hangs_is_given_up() -> None:
    with listening(hangs) as url, pytest.raises(TimeoutError):
        post(url, timeout=0.05)


def test_a_receiver_that_hangs_is_given_up_even_in_frozen_time() -> None:
    with (
        listening(hangs) as url,
        freezegun.freeze_time("2020-01-01"),
        pytest.raises(TimeoutError),
    ):
        post(url, timeout=0.05)


def test_a_refused_connection_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        post(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("talk", [hangs, says(b"nonsense")])
def test_https_needs_a_certificate(talk: Callable[[socket.socket], None]) -> None:
    with listening(talk) as url, pytest.raises(OSError, match=r"timed out|SSL|EOF"):
        post(url.replace("http", "https"), timeout=0.05)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_hanging_post_can_be_broken_off(scheme: str) -> None:
    arrived = threading.Event()

    def talk(connection: socket.socket) -> None:
        connection.recv(1)
        arrived.set()
        hangs(connection)

    with listening(talk) as url:
        outbox = Outbox(Clock(), Carrier(timeout=60))
        outbox._owe(
            account="a",
            is_test=False,
            url=url.replace("http", scheme),
            event="completed",
            subject="t",
            body=FrozenDict(),
        )
        assert arrived.wait(10)
        outbox._stop()
        assert (outbox[0].state, outbox[0].attempts) == ("owed", ())


def test_no_descriptor_is_left_whatever_happens(callback_receiver: Receiver) -> None:
    def once() -> None:
        with listening(hangs) as url:
            for target in (url, url.replace("http", "https"), "http://127.0.0.1:9/"):
                with contextlib.suppress(OSError):
                    post(target, timeout=0.02)

    once()
    before = len(os.listdir("/dev/fd"))
    for _ in range(3):
        once()
    assert len(os.listdir("/dev/fd")) <= before


def test_the_timeout_is_for_the_whole_of_a_dribbling_answer() -> None:
    ended = threading.Event()

    def dribbles(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        with contextlib.suppress(OSError):
            for _ in range(1000):
                connection.sendall(b"X: y\r\n")
                if ended.wait(0.02):
                    break

    with listening(dribbles) as url, pytest.raises(OSError, match="timed out"):
        post(url, timeout=0.2)
    ended.set()


def test_a_socket_of_another_kind_is_shut_by_its_own_method() -> None:
    class Green:  # as eventlet puts in place of sockets
        def shutdown(self, how: int) -> None:
            shut.append(how)

    shut: list[int] = []
    delivery._shut(cast(Any, Green()))
    Connection.shut(cast(Any, types.SimpleNamespace(socket=Green())))
    assert shut == [socket.SHUT_RDWR] * 2
