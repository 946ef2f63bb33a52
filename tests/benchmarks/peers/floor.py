"""The floor: the least that a server in Python must do. It reads a head and JSON, and answers."""

import json
import socket
import sys
import threading

from tests.benchmarks.peers import stay
from tests.benchmarks.requests_sent import CANNED

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(CANNED),
    CANNED,
)


def serve(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    received = b""
    while part := connection.recv(65536):
        received += part
        head, end, content = received.partition(b"\r\n\r\n")
        if not end:
            continue
        lines = head.decode("latin-1").split("\r\n")
        fields = {
            name.lower(): value.strip()
            for name, _, value in (it.partition(":") for it in lines[1:])
        }
        if len(content) < (length := int(fields.get("content-length", "0"))):
            continue
        if length:
            json.loads(content)
        connection.sendall(_ANSWER)
        received = b""
    connection.close()


def accept(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    threading.Thread(target=accept, args=(listening,), daemon=True).start()
    stay(listening.getsockname()[1])
    sys.exit()
