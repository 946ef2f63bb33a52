"""The server: it listens, makes a job of each connection, and stops at once.

No wait here depends on a clock that can be frozen.
"""

import contextlib
import functools
import logging
import math
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from fakescale.server import tls
from fakescale.server.access_log import log_exchange
from fakescale.server.connection import Connection
from fakescale.server.crew import Crew, Steps, shared
from fakescale.server.http11 import Refused
from fakescale.server.limits import DEFAULTS, Limits
from fakescale.values.environ import Reported

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from fakescale.server.certificates import Authority

log = logging.getLogger("fakescale")

_NAP_SECONDS = 0.05  # of real time, whatever the clock
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
    """Serve ``app`` for the length of a ``with`` block, which gets its origin."""
    server = Server(app, host, port, limits, authority=authority)
    with running(server):
        yield server.origin


@contextlib.contextmanager
def running(server: "Server") -> Iterator[None]:
    """Let a server serve for the length of a ``with`` block."""
    with shared() as crew:
        server.begin(crew)
        try:
            yield
        finally:
            server.end()


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
        report: Callable[[Reported], None] = log_exchange,
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
        self.stopped = threading.Event()  # for answers that are held back
        self._open: set[socket.socket] = {self._listener}
        self._ended = threading.Event()  # once none is open any more
        self._until = threading.Lock()
        self._until.acquire()

    @property
    def origin(self) -> str:
        """The URL of the server, without a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._authority else 'http'}://{host}:{self.port}"

    @property
    def silent_seconds(self) -> float:
        """For how long a client may be silent at first, where it begins with TLS or the like."""
        return self.limits.idle_seconds

    def serve_forever(self) -> None:
        """Serve until ``stop`` is called, from any thread or a signal handler."""
        with running(self):
            # Not for ever at once: a signal may come just before, or reach another thread.
            while not self._until.acquire(timeout=_NAP_SECONDS):
                pass

    def stop(self) -> None:
        """Make ``serve_forever`` end, and every connection with it."""
        with contextlib.suppress(RuntimeError):  # it was called before
            self._until.release()

    def stop_at(self, *signals: int) -> None:
        """Stop when the process gets one of these; for the main thread, which then serves."""
        for number in signals:
            signal.signal(number, lambda *_: self.stop())

    def begin(self, crew: Crew) -> None:
        """Serve from now on, as jobs of a crew."""
        self._crew = crew
        #: To be called before what takes long.
        self.give_way = crew.give_way
        crew.order(lambda: crew.add(self, self._listener, self._accept()))

    def end(self) -> None:
        """Serve no more, and end every connection."""
        self.stopped.set()
        self._shut()
        self._crew.order(self._drop)
        self._ended.wait(timeout=1)

    def _shut(self) -> None:
        """Shut the connections: one that a thread waits for would outlive the server."""
        for connection in self._open - {self._listener}:
            with contextlib.suppress(OSError):  # below TLS, whose state is its thread's
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def _drop(self) -> None:
        self._crew.drop(self)
        self._shut()  # what other threads are at

    def _accept(self) -> Steps:
        """Accept connections, each a job of its own."""
        try:
            # What a thread is at during the stop is not dropped.
            while not self.stopped.is_set():
                yield math.inf
                try:
                    connection, address = self._listener.accept()
                except BlockingIOError:
                    continue  # the client has gone away already
                except OSError:  # there are no descriptors left
                    self.stopped.wait(0.01)
                    continue
                self._open.add(connection)
                self._crew.order(functools.partial(self._admit, connection, address))
        finally:
            self._end(self._listener)

    def _admit(self, connection: socket.socket, address: Any) -> None:
        excess = len(self._open) - 1 - self.limits.max_connections
        if self.stopped.is_set() or excess > _CROWD:
            self._end(connection)
        else:
            steps = self._serve(connection, address, is_over=excess > 0)
            self._crew.add(self, connection, steps)

    def _serve(self, connection: socket.socket, address: Any, *, is_over: bool) -> Steps:
        try:
            if self._authority is not None and (yield self.silent_seconds):
                return
            with self.prepared(connection, address) as prepared:
                if is_over:
                    number = self.limits.max_connections
                    refused = Refused(503, f"There are {number} connections already.")
                    yield from prepared.refuse(refused)
                else:
                    yield from prepared.serve()
        except OSError:
            pass  # the client has gone
        except Exception:
            log.exception("a bug in fakescale")
        finally:
            self._end(connection)

    @contextlib.contextmanager
    def prepared(self, connection: socket.socket, address: Any) -> Iterator[Connection]:
        """Give what serves a connection: over TLS, if it begins so and there is an authority."""
        if self._authority is not None:
            self.give_way()  # of a handshake the client does its part meanwhile
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
        connection.close()
        self._open.discard(connection)
        if not self._open:
            self._ended.set()


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
