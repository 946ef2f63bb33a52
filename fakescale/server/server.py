"""A server: it listens, and its connections are served by the loop that all servers share."""

import contextlib
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from fakescale.server.access_log import log_exchange
from fakescale.server.connection import Connection, Entrance, Site
from fakescale.server.http11 import Refused
from fakescale.server.limits import DEFAULTS, Limits
from fakescale.server.loop import PATIENCE, Loop, shared
from fakescale.values.environ import BOUND_HOST, REPORT, STOPPED, Reported
from fakescale.values.stacks import stack_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from fakescale.server.certificates import Authority

_NAP_SECONDS = 0.05  # of real time, whatever the clock
_CROWD = 16  # connections over the limit that are told so; any more are just closed

_WSGI = {
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,
    "SCRIPT_NAME": "",
}

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
    server = Server(app, host, port, limits, entrance=entrance_by(authority))
    with running(server):
        yield server.origin


@contextlib.contextmanager
def running(server: "Server") -> Iterator[None]:
    """Let a server serve for the length of a ``with`` block."""
    with shared() as loop:
        server.begin(loop)
        try:
            yield
        finally:
            server.end()


def entrance_by(authority: "Authority | None") -> Entrance | None:
    """Return the way in for TLS with certificates of an authority, None without one."""
    if authority is None:
        return None
    from fakescale.server.tls import entrance  # which is seldom needed

    return entrance(authority)


class Server:
    """A server that listens once it is made; with an ``entrance``, not for plain HTTP alone.

    ``in_place`` says that the loop answers what is quick; otherwise each request goes to a
    worker. Raises OSError when the address cannot be had, and OverflowError or UnicodeError
    when it is none.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        host: str,
        port: int,
        limits: Limits = DEFAULTS,
        *,
        entrance: Entrance | None = None,
        report: Callable[[Reported], None] = log_exchange,
        in_place: bool = True,
    ) -> None:
        #: The socket that listens.
        self.socket = _listen(host, port)
        self.socket.setblocking(False)  # a client may be gone before it is accepted
        self.host, self.port = self.socket.getsockname()[:2]
        stopped = threading.Event()  # for answers that are held back
        self.site = Site(
            app=app,
            limits=limits,
            environ={
                **_WSGI,
                "SERVER_NAME": self.host,
                "SERVER_PORT": str(self.port),
                BOUND_HOST: host,
                STOPPED: stopped,
                REPORT: report,
            },
            in_place=in_place,
            entrance=entrance,
            stopped=stopped,
        )
        self._connections: set[Connection] = set()
        self._is_open = True
        self._ended = threading.Event()  # once none is open any more
        self._until = threading.Lock()
        self._until.acquire()

    @property
    def origin(self) -> str:
        """The URL of the server, without a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = self.site.entrance.scheme if self.site.entrance else "http"
        return f"{scheme}://{host}:{self.port}"

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

    def begin(self, loop: Loop) -> None:
        """Serve from now on, by a loop."""
        self._loop = loop
        loop.listen(self.socket, self._accept)

    def end(self) -> None:
        """Serve no more, and end every connection.

        A request that does not come to its end in a second goes on without its connection;
        a RuntimeWarning tells where it is. In a forked process nothing is left to end.
        """
        if self._loop.is_gone:
            return
        self.site.stopped.set()
        self._loop.order(self._drop)
        if not self._ended.wait(PATIENCE):
            self._warn()

    def _drop(self) -> None:
        self._loop.drop(self.socket, self.site)
        self._is_open = False
        self._note_end()

    def _warn(self) -> None:
        """Warn of requests that go on, each with the stack of its worker."""
        stacks = [stack_of(connection.worker) for connection in list(self._connections)]
        if any(stacks):
            text = f"{self.origin} has ended, but not these requests:\n" + "\n".join(stacks)
            warnings.warn(text, RuntimeWarning, stacklevel=2)

    def _accept(self) -> Connection | None:
        """Return a new connection, or None where there is none to serve."""
        try:
            client, address = self.socket.accept()
        except BlockingIOError:
            return None  # the client has gone away already
        except OSError:  # there are no descriptors left
            self.site.stopped.wait(0.01)
            return None
        most = self.site.limits.max_connections
        excess = len(self._connections) + 1 - most
        refusal = Refused(503, f"There are {most} connections already.") if excess > 0 else None
        try:
            if excess <= _CROWD:
                connection = Connection(client, address, self.site, self._forget, refusal)
                self._connections.add(connection)
                return connection
        except OSError:
            pass  # the client has gone away meanwhile
        client.close()
        return None

    def _forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._note_end()

    def _note_end(self) -> None:
        if not self._is_open and not self._connections:
            self._ended.set()


def _listen(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
    while True:
        listener = socket.create_server((str(address[0]), port), family=family, backlog=1024)
        picked = listener.getsockname()[1]
        if port != 0 or picked not in _picked:
            _picked.add(picked)
            if len(_picked) > 10_000:  # leave some to pick
                _picked.clear()
            return listener
        listener.close()
