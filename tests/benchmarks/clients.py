"""The measuring client: bare sockets, which take less time than any server."""

import selectors
import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

_PATIENCE = 60  # seconds for a part of an answer


class Client:
    """A connection that stays open if the server keeps it; otherwise a new one each time."""

    def __init__(self, port: int) -> None:
        self._address = "127.0.0.1", port
        self._connection: socket.socket | None = None
        self._received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, if it is open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def send(self, request: bytes) -> socket.socket:
        """Send a request and return the socket of its answer."""
        if self._connection is None:
            self._connection = socket.create_connection(self._address, _PATIENCE)
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection.sendall(request)
        return self._connection

    def receive(self) -> bytes | None:
        """Read a part of an answer; return its body once it is complete, and None before.

        Raises ValueError if the status is not 200.
        """
        assert self._connection is not None
        part = self._connection.recv(1 << 20)
        self._received += part
        head, end, content = self._received.partition(b"\r\n\r\n")
        if not end and part:
            return None
        fields = head.lower() + b"\r\n"
        _, length, after = fields.partition(b"\r\ncontent-length:")
        if part and (not length or len(content) < int(after[: after.index(b"\r")])):
            return None  # an answer without a length ends with the connection
        if not part or fields.startswith(b"http/1.0") or b"\r\nconnection: close\r" in fields:
            self.close()
        self._received = b""
        if head[9:12] != b"200":
            raise ValueError(f"not answered with 200: {head[:100]!r} {content[:300]!r}")
        return content

    def ask(self, request: bytes) -> bytes:
        """Send a request and return the body of its answer."""
        self.send(request)
        while (content := self.receive()) is None:
            pass
        return content


def rate(once: Callable[[], object], seconds: float) -> float:
    """Call ``once`` repeatedly for ``seconds``; return the calls per second."""
    begin = now = time.perf_counter()
    count = 0
    while now - begin < seconds:
        once()
        count += 1
        now = time.perf_counter()
    return count / (now - begin)


def durations(once: Callable[[], object], seconds: float) -> list[float]:
    """Call ``once`` repeatedly for ``seconds``; return the milliseconds of each call."""
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while not taken or time.perf_counter() < end:
        begin = time.perf_counter()
        once()
        taken.append(1000 * (time.perf_counter() - begin))
    return taken


def anew(client: Client, message: bytes) -> bytes:
    """Send a request on a connection of its own, and return the body of its answer."""
    try:
        return client.ask(message)
    finally:
        client.close()


def latencies(
    port: int, make: Callable[[], bytes], seconds: float, connections: int
) -> list[float]:
    """Send requests on several connections; return the milliseconds that each answer took.

    One thread serves all connections, so that threads of the client do not wait for each other.
    """
    taken: list[float] = []
    begun: dict[Client, float] = {}
    with selectors.DefaultSelector() as selector:

        def begin(client: Client) -> None:
            begun[client] = time.perf_counter()
            selector.register(client.send(make()), selectors.EVENT_READ, client)

        for _ in range(connections):
            begin(Client(port))
        end = time.perf_counter() + seconds
        while begun:
            for key, _ in selector.select(_PATIENCE):
                client: Client = key.data
                if client.receive() is None:
                    continue
                taken.append(1000 * (time.perf_counter() - begun.pop(client)))
                selector.unregister(key.fileobj)
                if time.perf_counter() < end:
                    begin(client)
                else:
                    client.close()
    return taken
