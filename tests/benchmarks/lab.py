"""The lab: the servers and workers of a group of rows, which end with the group."""

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self, TypeVar

from tests.benchmarks.children import Child, running
from tests.benchmarks.clients import Client
from tests.benchmarks.measure import Round
from tests.benchmarks.venvs import CACHE, PEERS, python_beside

Entered = TypeVar("Entered")

_PROGRAMS = "tests.benchmarks.peers"


class Lab:
    """Starts each server and worker once, and ends them all with its ``with`` block.

    A round measures for ``seconds``. ``scale`` shrinks all counts, for a quick run that only
    checks that everything works.
    """

    def __init__(self, seconds: float = 0.2, scale: float = 1) -> None:
        self.seconds = seconds
        self.scale = scale
        self._stack = contextlib.ExitStack()
        self._ports: dict[tuple[str, ...], int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def many(self, number: int) -> int:
        """Return ``number``, scaled."""
        return max(1, round(number * self.scale))

    def given(self, arguments: Iterable[object]) -> list[str]:
        """Return arguments as text, with the numbers scaled."""
        return [str(self.many(it) if isinstance(it, int) else it) for it in arguments]

    def enter(self, context: contextlib.AbstractContextManager[Entered]) -> Entered:
        """Enter a context that ends with the lab."""
        return self._stack.enter_context(context)

    def python(self, program: str, beside: str | None = None) -> str:
        """Return the Python of the environment in which a program of ``peers`` runs.

        ``beside`` is the peer of the environment, by default the program's own. Raises Missing
        if the environment cannot be made.
        """
        peer = program.replace("_", "-") if beside is None else beside
        return python_beside(peer) if peer in PEERS else sys.executable

    def program(
        self, program: str, *arguments: str, beside: str | None = None
    ) -> contextlib.AbstractContextManager[Child]:
        """Run a program of ``peers`` for a ``with`` block."""
        command = (self.python(program, beside), "-m", f"{_PROGRAMS}.{program}", *arguments)
        CACHE.mkdir(exist_ok=True)
        return running(*command, log=CACHE / "log.txt")

    def port(self, program: str, *arguments: object) -> int:
        """Return the port of a server; the first call starts it.

        A number among the arguments is scaled.
        """
        key = (program, *self.given(arguments))
        if key not in self._ports:
            self._ports[key] = int(self.enter(self.program(*key)).line())
        return self._ports[key]

    def client(self, program: str, *arguments: object) -> Client:
        """Return a connection to a server."""
        return self.enter(Client(self.port(program, *arguments)))


def worker(program: str, *arguments: object) -> Callable[[Lab], Round]:
    """Return a side that a worker process measures.

    A number among the arguments is scaled by ``Lab.many``.
    """

    def prepare(lab: Lab) -> Round:
        child = lab.enter(lab.program(program, *lab.given(arguments)))
        child.line()
        return lambda: child.ask(lab.seconds)

    return prepare


def once(program: str, *arguments: object, beside: str | None = None) -> Callable[[Lab], Round]:
    """Return a side that a new process measures in each round and prints as its one line.

    A number among the arguments is scaled by ``Lab.many``.
    """

    def prepare(lab: Lab) -> Round:
        lab.python(program, beside)  # raises Missing before the first round
        given = lab.given(arguments)

        def measure() -> float:
            with lab.program(program, *given, beside=beside) as child:
                return float(child.line())

        return measure

    return prepare


@contextlib.contextmanager
def command(*flags: str) -> Iterator[tuple[Child, int]]:
    """Run the command ``fakescale`` for a ``with`` block; give its process and its port."""
    with running(sys.executable, "-m", "fakescale", "--port", "0", *flags) as child:
        try:
            yield child, int(child.line().split(":")[-1].split("/")[0])
        finally:
            child.process.terminate()
