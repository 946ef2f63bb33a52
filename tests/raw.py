"""Raw sockets for tests: whole conversations, and a strict reader of answers."""

import contextlib
import faulthandler
import itertools
import logging
import os
import socket
import threading
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import h11

SECONDS = 20.0  # the timeout of everything


class Answered(NamedTuple):
    """An answer; ``continued`` counts the interim answers before it."""

    status: int
    headers: dict[str, str]
    body: bytes
    continued: int


def connect(origin: str) -> socket.socket:
    host, port = origin.split("/")[2].split(":")
    connection = socket.create_connection((host, int(port)), timeout=SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def converse(origin: str, pieces: Iterable[bytes], end: str = "half-close") -> bytes:
    """Send the pieces, end the connection in one of four ways, and return the answered bytes.

    ``end`` is ``half-close``, ``close``, ``reset``, or ``wait`` for the server to close it.
    Unless the client closes or resets the connection, the server must close it. Raises
    ConnectionResetError if the server resets it, and TimeoutError if the server hangs.
    """
    with connect(origin) as connection:
        # The server may have refused the request already, and read no more.
        with contextlib.suppress(BrokenPipeError):
            for piece in pieces:
                connection.sendall(piece)
        if end == "reset":
            linger = b"\x01\0\0\0\0\0\0\0"
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        if end in ("reset", "close"):
            return b""
        if end == "half-close":
            with contextlib.suppress(OSError):  # the server has closed it already
                connection.shutdown(socket.SHUT_WR)
        return receive(connection)


def receive(connection: socket.socket) -> bytes:
    """Return all bytes until the other side ends the connection."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def read_answers(received: bytes, methods: Iterable[str] = ()) -> list[Answered]:
    """Read answers as strictly as h11 does.

    ``methods`` are the methods of the requests; the others are GET. Raises AssertionError
    unless each answer is complete and nothing follows the last one.
    """
    answers: list[Answered] = []
    client = h11.Connection(h11.CLIENT)
    client.receive_data(received)
    try:
        for method in itertools.chain(methods, itertools.repeat("GET")):
            if not client.trailing_data[0]:
                return answers
            client.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
            client.send(h11.EndOfMessage())
            answers.append(_read_answer(client))
            if client.their_state is h11.MUST_CLOSE:
                assert client.trailing_data[0] == b"", "something follows the last answer"
                return answers
            client.start_next_cycle()
    except h11.ProtocolError as error:
        raise AssertionError(f"{error}: {received!r}") from None
    raise AssertionError


def _read_answer(client: h11.Connection) -> Answered:
    body, continued = b"", 0
    head: Any = None
    while not isinstance(event := client.next_event(), h11.EndOfMessage):
        assert event is not h11.NEED_DATA, f"an answer breaks off: {head}, {body!r}"
        if isinstance(event, h11.InformationalResponse):
            continued += 1
        elif isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
    headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
    return Answered(head.status_code, headers, body, continued)


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(self.format(record))


@contextlib.contextmanager
def watching() -> Iterator[None]:
    """Fail if a bug is logged, a thread dies, or threads or descriptors are left over."""
    errors, deaths = _Errors(), list[Any]()
    logger, hook = logging.getLogger("fakescale"), threading.excepthook
    threads, files = threading.active_count(), descriptors()
    logger.addHandler(errors)
    threading.excepthook = deaths.append
    faulthandler.dump_traceback_later(120, exit=True, file=2)
    try:
        yield
        wait_until(lambda: threading.active_count() <= threads and descriptors() <= files)
    finally:
        faulthandler.cancel_dump_traceback_later()
        logger.removeHandler(errors)
        threading.excepthook = hook
    assert errors.records == []
    assert deaths == []


def descriptors() -> int:
    """Return the number of open file descriptors."""
    return len(os.listdir("/dev/fd"))


def wait_until(condition: Any) -> None:
    """Wait until another thread makes a condition true. Raises AssertionError after ``SECONDS``."""
    never = threading.Event()
    for _ in range(round(100 * SECONDS)):
        if condition():
            return
        never.wait(0.01)
    raise AssertionError("the condition did not become true")
