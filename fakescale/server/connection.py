"""A connection: HTTP/1.1 with keep-alive, as fast as a socket in Python can be.

An answer leaves in one piece, since a second one waits 40 ms for Nagle and delayed ACK. No
wait depends on a clock that can be frozen.

What yields is done in steps: see ``crew``.
"""

import io
import logging
import math
import socket
import struct
import sys
from collections.abc import Generator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fakescale.server.body import PIECE, Body, Input
from fakescale.server.crew import Steps
from fakescale.server.http11 import Head, Refused, check_beginning, read_head
from fakescale.values.answer import header_fields, json_answer
from fakescale.values.environ import BOUND_HOST, GIVE_WAY, REPORT, STOPPED, BrokenOff

if TYPE_CHECKING:
    from fakescale.server.server import Server

log = logging.getLogger("fakescale")

_LINGER_SECONDS = 1  # how long a client may stay silent that was told to go


class Connection:
    """Serves the requests of one connection, which may be any socket, of TLS too."""

    def __init__(self, connection: socket.socket, address: Any, server: "Server") -> None:
        self._socket = connection
        self._server = server
        self._limits = server.limits
        self._input = Input(connection, server.limits.idle_seconds)
        self._is_head = False  # whether to answer without a body
        self._about = {
            "wsgi.version": (1, 0),
            # Without an import of ssl, which is heavy.
            "wsgi.url_scheme": "https" if hasattr(connection, "pending") else "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
            "SCRIPT_NAME": "",
            "SERVER_NAME": server.host,
            "SERVER_PORT": str(server.port),
            "REMOTE_ADDR": address[0],
            "REMOTE_PORT": address[1],
            BOUND_HOST: server.named,
            STOPPED: server.stopped,
            REPORT: server.report,
            GIVE_WAY: server.give_way,
        }
        connection.settimeout(server.limits.idle_seconds)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def serve(self) -> Steps:
        """Serve it to its end, but for closing it; raises OSError when the client breaks off."""
        try:
            while (head := (yield from self._read_head())) is not None:
                if not (yield from self._answer(head)):
                    return
        except Refused as error:
            yield from self.refuse(error)

    def refuse(self, error: Refused) -> Steps:
        """Answer whatever was asked with this, and end the connection."""
        answer = json_answer({"status_code": error.status, "error": str(error)})
        status = f"{error.status} {HTTPStatus(error.status).phrase}"
        log.info("refused: %s %s", error.status, error)
        self._send(status, header_fields(answer.body), answer.body, is_last=True)
        yield from self._linger()

    def _read_head(self) -> Generator[float, bool, Head | None]:
        """Return the next head, or None when the client has gone, or is silent."""
        source = self._input
        source.due = math.inf
        while (head := source.take_until(b"\r\n\r\n")) is None:
            if begun := source.rest():
                self._is_head = b"HEAD " in begun[:7]
                check_beginning(begun, self._limits)
                if source.due == math.inf:
                    source.allow(self._limits.head_seconds)
            try:
                if not (yield from source.more()):
                    return None  # whatever it began is not carried out
            except TimeoutError:
                if not begun:
                    return None
                raise Refused(408, "The head of the request took too long to arrive.") from None
        self._is_head = b"HEAD " in head[:7]  # an empty line may be before it
        return read_head(head, self._limits)

    def _answer(self, head: Head) -> Generator[float, bool, bool]:
        """Answer a request; return whether another one may follow."""
        environ = self._about | head.environ
        late = None
        source = self._input
        if head.length is None or head.length > source.available:
            source.allow(self._limits.body_seconds)
            if head.length is not None and head.length <= PIECE and not head.awaits:
                yield from source.gather(head.length)
        if head.length is not None and head.length <= source.available:
            environ["wsgi.input"] = io.BytesIO(source.take(head.length))
        else:
            late = Body(source, head, self._socket, self._server)
            environ["wsgi.input"] = io.BufferedReader(late)
        given: list[Any] = []
        start_response: Any = lambda *it: given.extend(it)  # noqa: E731
        try:
            content = b"".join(self._server.app(environ, start_response))
        except BrokenOff as broken:
            if given:
                self._send(given[0], given[1], broken.content)
            self._reset()
            return False
        except Exception:
            log.exception("a bug in fakescale")
            raise Refused(500, "Something went wrong inside fakescale.") from None
        is_last = head.is_last or (late is not None and not late.is_worth_reading)
        self._send(given[0], given[1], content, is_last=is_last)
        goes_on = not is_last and (late is None or late.skip())
        if not goes_on:
            yield from self._linger()
        return goes_on

    def _send(
        self,
        status: str,
        fields: list[tuple[str, str]],
        content: bytes,
        *,
        is_last: bool = False,
    ) -> None:
        lines = [f"{name}: {value}\r\n" for name, value in fields]
        end = "Connection: close\r\n\r\n" if is_last else "\r\n"
        head = f"HTTP/1.1 {status}\r\n{''.join(lines)}{end}"
        # In one piece, or else the second waits until the first is acknowledged.
        answer = head.encode("latin-1") + (b"" if self._is_head else content)
        sent = self._socket.send(answer)
        if sent < len(answer):  # the client does not read as fast, or at all
            self._server.give_way()
            self._socket.sendall(answer[sent:])

    def _reset(self) -> None:
        """End the connection as a crash does, not in order."""
        no_linger = struct.pack("ii", 1, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        self._socket.close()

    def _linger(self) -> Steps:
        """Let the client read its answer: to close over unread bytes would reset it."""
        self._socket.shutdown(socket.SHUT_WR)
        self._input.idle_seconds = _LINGER_SECONDS
        self._input.allow(10 * _LINGER_SECONDS)
        while (yield from self._input.more()):
            self._input.take(self._input.available)
