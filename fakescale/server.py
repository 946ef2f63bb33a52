"""The server: it listens, gives each connection a thread, and stops at once.

On werkzeug's server class, of which it replaces the stop that waits for the next poll. No
wait here depends on a clock that can be frozen.
"""

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from werkzeug.serving import ThreadedWSGIServer

from fakescale import tls
from fakescale.connection import IDLE_SECONDS, Handler

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from fakescale.certificates import Authority

# Ports that were picked here. To one that is picked again a straggler of its earlier life
# could still be talking.
_picked: set[int] = set()


@contextlib.contextmanager
def serving(
    app: "WSGIApplication", host: str, port: int, authority: "Authority | None" = None
) -> Iterator[str]:
    """Serve ``app`` on a thread for the length of a ``with`` block, which gets its origin."""
    server = Server(app, host, port, authority)
    with running(server):
        yield server.origin


@contextlib.contextmanager
def running(server: "Server") -> Iterator[None]:
    """Let a server serve on a thread for the length of a ``with`` block."""
    thread = threading.Thread(target=server.serve_forever, name="fakescale", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.stop()
        thread.join()


class Server(ThreadedWSGIServer):
    """A server that listens once it is made; with an ``authority``, for https and http.

    Raises OSError when the address cannot be had, and OverflowError or UnicodeError when it
    is none.
    """

    def __init__(
        self, app: "WSGIApplication", host: str, port: int, authority: "Authority | None" = None
    ) -> None:
        with _listen(host, port) as listener:
            numbers, picked = listener.getsockname()[:2]
            # Handed over by its descriptor, since werkzeug exits when a port is in use, and
            # as numbers, since it looks up names.
            super().__init__(numbers, picked, app, Handler, fd=listener.fileno())
        #: The host as it was named.
        self.named = host
        self._authority = authority
        self.socket.settimeout(1)  # for a client that is gone before it is accepted
        self._woken, self._wake = socket.socketpair()
        self.stopped = threading.Event()  # for answers that are held back
        self._connections: dict[threading.Thread, socket.socket] = {}

    @property
    def origin(self) -> str:
        """The URL of the server, without a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._authority else 'http'}://{host}:{self.port}"

    def serve_forever(self, poll_interval: float = 0) -> None:
        """Serve until ``stop`` is called, from any thread or a signal handler."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while all(key.fileobj is not self._woken for key, _ in selector.select()):
                with contextlib.suppress(OSError):  # the client has gone away already
                    self.process_request(*self.get_request())
        self.server_close()
        self.stopped.set()
        connections = list(self._connections.items())
        for _, connection in connections:  # an idle one would outlive the server
            with contextlib.suppress(OSError):  # below TLS, whose state is its thread's
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        for thread, _ in connections:
            thread.join(timeout=1)
        self._woken.close()
        self._wake.close()

    def stop(self) -> None:
        """Make ``serve_forever`` end, and every connection with it."""
        with contextlib.suppress(OSError):  # it has ended already
            self._wake.send(b"x")

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection a thread of its own."""
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self._connections[thread] = request
        thread.start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            del self._connections[threading.current_thread()]

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection, over TLS if it begins so and there is an authority."""
        if self._authority is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(IDLE_SECONDS)
        with contextlib.suppress(OSError):  # the client is gone, or silent
            if tls.begins(request):
                self.finish_securely(request, client_address)
            else:
                super().finish_request(request, client_address)

    def finish_securely(
        self, request: socket.socket, client_address: Any, name: str | None = None
    ) -> None:
        """Serve a connection over TLS, made to ``name`` whatever the client says in it."""
        assert self._authority is not None  # noqa: S101
        connection = self._authority.context.wrap_socket(
            request, server_side=True, do_handshake_on_connect=False
        )
        # In the place of the socket that it took over, so that a stop ends it.
        self._connections[threading.current_thread()] = connection
        try:
            if not self.stopped.is_set():  # before it had that place
                tls.shake_hands(connection)
                connection.server_hostname = name or connection.server_hostname
                tls.SecureHandler(connection, client_address, self)
        finally:
            tls.end(connection)


def _listen(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
    while True:
        listener = socket.create_server((str(address[0]), port), family=family, backlog=128)
        picked = listener.getsockname()[1]
        if port != 0 or picked not in _picked:
            _picked.add(picked)
            if len(_picked) > 10_000:  # leave some to pick
                _picked.clear()
            return listener
        listener.close()
