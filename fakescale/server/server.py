"""A server, which listens; the loop that all servers share serves its connections."""

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
from fakescale.values.clock import steady
from fakescale.values.environ import BOUND_HOST, REPORT, STOPPED, Reported
from fakescale.values.stacks import stack_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from fakescale.server.certificates import Authority

_NAP_SECONDS = 0.05  # of real time, even if the clock is frozen
_TOGETHER_SECONDS = 0.2  # between signals that count as one
_CROWD = 16  # connections over the limit that get a refusal; further ones are just closed

#: The entries of the environ that are the same on all servers.
WSGI = {
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,
    "SCRIPT_NAME": "",
}

# The ports that the system picked so far. None is picked again, since a client of the earlier
# server could still be sending to it.
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
    """Serve ``app`` for a ``with`` block, which gets the origin: ``http://127.0.0.1:PORT``."""
    server = Server(app, host, port, limits, entrance=entrance_by(authority))
    with running(server):
        yield server.origin


@contextlib.contextmanager
def running(server: "Server") -> Iterator[None]:
    """Let a server serve for a ``with`` block."""
    with shared() as loop:
        server.begin(loop)
        try:
            yield
        finally:
            server.end()


def entrance_by(authority: "Authority | None") -> Entrance | None:
    """Return the entrance for TLS with the certificate of ``authority``, or None without one."""
    if authority is None:
        return None
    from fakescale.server.tls import entrance  # seldom needed

    return entrance(authority)


class Server:
    """A server that listens once it is made.

    With an ``entrance``, it serves more than plain HTTP. With ``in_place``, the loop answers
    quick requests itself; otherwise each request goes to a worker. Raises OSError if the address
    is not available, and OverflowError or UnicodeError if it is not an address.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        host: str,
        port: int,
        limits: Limits = DEFAULTS,
        *,
        entrance: Entrance | None = None,
        report: Callable[[Reported, float], None] = log_exchange,
        in_place: bool = True,
    ) -> None:
        #: The listening socket.
        self.socket = _listen(host, port)
        self.socket.setblocking(False)  # a client may leave before `accept`
        self.host, self.port = self.socket.getsockname()[:2]
        stopped = threading.Event()  # ends the wait of answers that are held back
        self.site = Site(
            app=app,
            limits=limits,
            environ={
                **WSGI,
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
        self._ended = threading.Event()  # set once no connection is open
        self._until = threading.Lock()
        self._until.acquire()

    @property
    def origin(self) -> str:
        """The URL of the server without a path, for example ``http://127.0.0.1:8675``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = self.site.entrance.scheme if self.site.entrance else "http"
        return f"{scheme}://{host}:{self.port}"

    def serve_forever(self) -> None:
        """Serve until any thread or signal handler calls ``stop``."""
        with running(self):
            # Wait in short naps: a signal may come just before, or reach another thread.
            while not self._until.acquire(timeout=_NAP_SECONDS):
                pass

    def stop(self) -> None:
        """Make ``serve_forever`` return, and end every connection."""
        with contextlib.suppress(RuntimeError):  # stopped before
            self._until.release()

    def stop_at(self, *signals: int, again: Callable[[int], object] = lambda number: None) -> None:
        """Stop when the process gets one of these signals; call this in the main thread.

        ``again`` is called with the number of a later signal. A signal at nearly the same time as
        the first is not a later one: ``timeout``, shells and npm often send one signal twice.
        """
        times: list[float] = []

        def stop(number: int, _: object) -> None:
            times.append(steady())
            if len(times) == 1:
                self.stop()
            elif times[-1] - times[0] > _TOGETHER_SECONDS:
                again(number)

        for number in signals:
            signal.signal(number, stop)

    def begin(self, loop: Loop) -> None:
        """Begin to serve, on ``loop``."""
        self._loop = loop
        loop.listen(self.socket, self._accept)

    def end(self) -> None:
        """Stop serving, and end every connection.

        A request that does not end within a second goes on without its connection, and a
        RuntimeWarning shows its stack. Does nothing in a forked process, which has no loop.
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
        """Warn of the requests that go on, with the stack of each worker."""
        stacks = [stack_of(connection.worker) for connection in list(self._connections)]
        if any(stacks):
            text = f"{self.origin} has ended, but these requests go on:\n" + "\n".join(stacks)
            warnings.warn(text, RuntimeWarning, stacklevel=2)

    def _accept(self) -> Connection | None:
        """Accept a client; return its connection, or None if there is none to serve."""
        try:
            client, address = self.socket.accept()
        except BlockingIOError:
            return None  # the client has gone
        except OSError:  # no descriptors are left
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
            pass  # the client has gone
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
            if len(_picked) > 10_000:  # or no port would be left
                _picked.clear()
            return listener
        listener.close()
