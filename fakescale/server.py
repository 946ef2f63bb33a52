"""The server: it listens, gives each connection a thread, and stops at once.

No wait here depends on a clock that can be frozen.
"""

import contextlib
import logging
import queue
import selectors
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from fakescale import tls
from fakescale.access_log import log_exchange
from fakescale.connection import Connection
from fakescale.framing import Refused
from fakescale.journal import Exchange
from fakescale.limits import DEFAULTS, Limits

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from fakescale.certificates import Authority

log = logging.getLogger("fakescale")

_SPARE = 8  # threads that wait for a connection to come: making one is slower by far
_CROWD = 16  # connections over the limit that are told so; any more are just closed

# Ports that were picked here. To one that is picked again a straggler of its earlier life
# could still be talking.
_picked: set[int] = set()


@contextlib.contextmanager
def serving(
    app: "WSGIApplication",
    host: str,
    port: int,
    limits: Limits = DEFAULTS,
    *,
    authority: "Authority | None" = None,
) -> Iterator[str]:
    """Serve ``app`` on a thread for the length of a ``with`` block, which gets its origin."""
    server = Server(app, host, port, limits, authority=authority)
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


class _Accepted(NamedTuple):
    connection: socket.socket
    address: Any
    #: Whether it is one more than may be.
    is_over: bool


class Server:
    """A server that listens once it is made; with an ``authority``, for https and http.

    Raises OSError when the address cannot be had, and OverflowError or UnicodeError when it
    is none.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        host: str,
        port: int,
        limits: Limits = DEFAULTS,
        *,
        authority: "Authority | None" = None,
        report: Callable[[Exchange], None] = log_exchange,
    ) -> None:
        self.app = app
        #: What is called with each exchange.
        self.report = report
        self.limits = limits
        #: The host as it was named.
        self.named = host
        self._authority = authority
        self._listener = _listen(host, port)
        self._listener.setblocking(False)  # a client may be gone before it is accepted
        self.host, self.port = self._listener.getsockname()[:2]
        self._woken, self._wake = socket.socketpair()
        self._heeds_signals = False
        self.stopped = threading.Event()  # for answers that are held back
        self._open: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._spare = 0  # threads that wait for what comes next in the queue
        self._next: queue.SimpleQueue[_Accepted | None] = queue.SimpleQueue()

    @property
    def origin(self) -> str:
        """The URL of the server, without a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._authority else 'http'}://{host}:{self.port}"

    def serve_forever(self) -> None:
        """Serve until ``stop`` is called, from any thread or a signal handler."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while all(key.fileobj is not self._woken for key, _ in selector.select()):
                self._accept()
        self._listener.close()
        self.stopped.set()
        for connection in list(self._open):  # an idle one would outlive the server
            with contextlib.suppress(OSError):  # below TLS, whose state is its thread's
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        with self._lock:
            for _ in range(self._spare):
                self._next.put(None)
            self._spare = 0
        for thread in list(self._threads):
            thread.join(timeout=1)
        if self._heeds_signals:
            signal.set_wakeup_fd(-1)
        self._woken.close()
        self._wake.close()

    def stop(self) -> None:
        """Make ``serve_forever`` end, and every connection with it."""
        with contextlib.suppress(OSError):  # it has ended already
            self._wake.send(b"x")

    def stop_at(self, *signals: int) -> None:
        """Stop when the process gets one of these; for the main thread, which then serves."""
        for number in signals:
            signal.signal(number, lambda *_: self.stop())
        # A signal may come just before the wait, or reach another thread: the main one would
        # go on waiting.
        self._wake.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno())
        self._heeds_signals = True

    def _accept(self) -> None:
        """Give the next connection a thread."""
        try:
            connection, address = self._listener.accept()
        except BlockingIOError:
            return  # the client has gone away already
        except OSError:  # there are no descriptors left
            self.stopped.wait(0.01)
            return
        excess = len(self._open) - self.limits.max_connections
        if excess >= _CROWD:
            connection.close()
            return
        self._open.add(connection)
        accepted = _Accepted(connection, address, is_over=excess >= 0)
        with self._lock:
            is_awaited = self._spare > 0
            self._spare -= is_awaited
        if is_awaited:
            self._next.put(accepted)
            return
        thread = threading.Thread(target=self._work, args=(accepted,), daemon=True)
        self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:  # the system has none left
            self._threads.discard(thread)
            self._end(connection)

    def _work(self, accepted: _Accepted | None) -> None:
        """Serve a connection, and then others that come soon."""
        while accepted is not None:
            self._serve(accepted)
            with self._lock:
                if self.stopped.is_set() or self._spare == _SPARE:
                    break
                self._spare += 1
            accepted = self._next.get()
        self._threads.discard(threading.current_thread())

    def _serve(self, accepted: _Accepted) -> None:
        try:
            with self.prepared(accepted.connection, accepted.address) as connection:
                if accepted.is_over:
                    number = self.limits.max_connections
                    connection.refuse(Refused(503, f"There are {number} connections already."))
                else:
                    connection.serve()
        except OSError:
            pass  # the client has gone
        except Exception:
            log.exception("a bug in fakescale")
        finally:
            self._end(accepted.connection)

    @contextlib.contextmanager
    def prepared(self, connection: socket.socket, address: Any) -> Iterator[Connection]:
        """Give what serves a connection: over TLS, if it begins so and there is an authority."""
        if self._authority is not None:
            connection.settimeout(self.limits.idle_seconds)
            if tls.begins(connection):
                with self.secured(connection, address) as secured:
                    yield secured
                return
        yield Connection(connection, address, self)

    @contextlib.contextmanager
    def secured(
        self, connection: socket.socket, address: Any, name: str | None = None
    ) -> Iterator[tls.SecureConnection]:
        """Give what serves it over TLS, as one made to ``name`` whatever the client says."""
        assert self._authority is not None  # noqa: S101
        secured = self._authority.context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        )
        # In the place of the socket that it took over, so that a stop ends it.
        self._open.add(secured)
        self._open.discard(connection)
        try:
            if self.stopped.is_set():  # before it had that place
                raise ConnectionAbortedError
            tls.shake_hands(secured)
            secured.server_hostname = name or secured.server_hostname
            yield tls.SecureConnection(secured, address, self)
        finally:
            tls.notify(secured)
            self._end(secured)

    def _end(self, connection: socket.socket) -> None:
        self._open.discard(connection)
        connection.close()


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
