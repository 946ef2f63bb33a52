"""The recorder runs a command behind the proxy of a fake, and writes what it sends to a HAR."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fakescale.fake import FakeScale
from fakescale.recordings.exchanges import Recorded
from fakescale.recordings.writing import HarFile
from fakescale.server.certificates import Authority
from fakescale.server.proxy import proxying
from fakescale.values.hosts import HOST, HOSTS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# The signals that are passed on to the command; some are not on all systems.
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGBREAK")


class Recorder:
    """A WSGI application that passes each request on to a fake, and each exchange to ``add``."""

    def __init__(self, fake: FakeScale, add: Callable[[Recorded], object]) -> None:
        self._fake = fake
        self._add = add
        self._lock = threading.Lock()
        #: The first error of ``add``, or None.
        self.error: OSError | None = None

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a request (WSGI). A connection that a fault resets is not recorded."""
        when, read = self._fake.now(), _Tee(environ["wsgi.input"])
        told: list[tuple[str, list[tuple[str, str]]]] = []

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            told.append((status, headers))
            return start_response(status, headers, *more)

        content = list(self._fake({**environ, "wsgi.input": read}, start))
        status, headers = told[-1]
        exchange = Recorded(
            method=environ["REQUEST_METHOD"],
            url=_url(environ["REQUEST_URI"]),
            headers=list(_fields(environ)),
            body=bytes(read.content),
            status=int(status.partition(" ")[0]),
            answer_headers=headers,
            answer=b"".join(content),
            when=when,
            source="",
        )
        with self._lock:
            try:
                self._add(exchange)
            except OSError as error:  # the disk is full: the command may go on
                self.error = self.error or error
        return content


def _url(target: str) -> str:
    """Return the URL of a target, which is whole already if it came to a proxy without a tunnel."""
    return f"https://{HOST}{target}" if target.startswith("/") else target


class _Tee(io.RawIOBase):
    """A body that keeps the bytes which were read."""

    def __init__(self, body: Any) -> None:
        self._body = body
        self.content = bytearray()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        piece: bytes = self._body.read(size)
        self.content += piece
        return piece

    def readline(self, size: int | None = -1) -> bytes:
        line: bytes = self._body.readline(-1 if size is None else size)
        self.content += line
        return line


def _fields(environ: "WSGIEnvironment") -> Iterator[tuple[str, str]]:
    for key, value in environ.items():
        name = key.removeprefix("HTTP_")
        if name != key or (key in ("CONTENT_TYPE", "CONTENT_LENGTH") and value):
            yield name.replace("_", "-").title(), value


def record(
    command: Sequence[str], out: str | os.PathLike[str], fake: FakeScale | None = None
) -> int:
    """Run a command, write a HAR of all that it sends to the API, and return its exit status.

    The command finds the ``fake`` at https://api.scale.com, through a proxy that its environment
    names. The HAR is whole after each exchange. Signals to this process are passed on to the
    command, so call this on the main thread. If a signal ends the command, the status is 128 plus
    the number of the signal.

    Raises OSError if the command cannot be started, or the file cannot be written. Raises
    ImportError without the extra ``redirect``.
    """
    fake = fake or FakeScale()
    with contextlib.ExitStack() as stack:
        authority = Authority(*HOSTS)
        file = stack.enter_context(contextlib.closing(HarFile(out)))
        stack.enter_context(fake.running())
        app = Recorder(fake, file.add)
        variables = stack.enter_context(proxying(app, authority, fake.limits))
        status = _run(command, {**os.environ, **variables})
    if app.error is not None:
        raise app.error
    return status


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    # A signal waits until the command has started.
    pending: list[int] = []
    before = {it: signal.signal(it, lambda number, _: pending.append(number)) for it in numbers}
    try:
        with subprocess.Popen(command, env=environment) as process:  # noqa: S603 (the user's own)

            def pass_on(number: int, _: object) -> None:
                if number != signal.SIGINT or not _comes_from_terminal():
                    process.send_signal(number)

            for number in numbers:
                signal.signal(number, pass_on)
            for number in pending:
                pass_on(number, None)
            status = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return status if status >= 0 else 128 - status


def _comes_from_terminal() -> bool:
    """Return whether an interrupt comes from a terminal, which sends it to the command too."""
    try:
        return os.tcgetpgrp(sys.__stdin__.fileno()) == os.getpgrp()  # type: ignore[union-attr]
    except (AttributeError, OSError, ValueError):  # no terminal, or not on this system
        return False
