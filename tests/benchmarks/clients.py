"""The yardstick: a client of bare sockets, which costs less than any server does."""

import selectors
import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

_PATIENCE = 60  # seconds for a part of an answer


class Client:
    """A connection that is kept alive where the server keeps it, or else a new one each time."""

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
        """Send a request, and return where its answer will come from."""
        if self._connection is None:
            self._connection = socket.create_connection(self._address, _PATIENCE)
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection.sendall(request)
        return self._connection

    def receive(self) -> bytes | None:
        """Read what has come: return the answer's body if that was the end of it, else None.

        Raises ValueError when it is not a 200.
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
            return None  # without a length it ends with the connection
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
    """Return how often a second something can be done, having done it for so long."""
    begin = now = time.perf_counter()
    count = 0
    while now - begin < seconds:
        once()
        count += 1
        now = time.perf_counter()
    return count / (now - begin)


def durations(once: Callable[[], object], seconds: float) -> list[float]:
    """Return how many milliseconds something took each time, having done it for so long."""
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while not taken or time.perf_counter() < end:
        begin = time.perf_counter()
        once()
        taken.append(1000 * (time.perf_counter() - begin))
    return taken


def latencies(
    port: int, make: Callable[[], bytes], seconds: float, connections: int
) -> list[float]:
    """Return how many milliseconds each answer took, with requests on so many connections.

    On one thread, so that the client's own threads do not wait for each other.
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
