"""The measured processes, which always end with their block."""

import contextlib
import selectors
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

_PATIENCE = 1200  # seconds for a line: a server may fill itself with tasks before it is ready


class Child:
    """A process that reads and prints lines, and ends when its input ends."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdin is not None
        assert process.stdout is not None
        self._in, self._out = process.stdin, process.stdout

    def line(self) -> str:
        """Return the next line that the process prints. Raises RuntimeError if there is none."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            text = self._out.readline() if selector.select(_PATIENCE) else ""
        if not text:
            raise RuntimeError(f"no answer from {self.process.args!r}; see .bench/log.txt")
        return text.rstrip("\n")

    def ask(self, text: object) -> float:
        """Send a line and return the number that the process answers."""
        print(text, file=self._in, flush=True)
        return float(self.line())


@contextlib.contextmanager
def running(*command: str | Path, log: Path | None = None) -> Iterator[Child]:
    """Run a command in the root of the checkout for a ``with`` block."""
    with contextlib.ExitStack() as stack:
        errors = stack.enter_context(log.open("a")) if log else subprocess.DEVNULL
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            yield Child(process)
        finally:
            assert process.stdin is not None
            assert process.stdout is not None
            with contextlib.suppress(OSError):
                process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


def python(module: str) -> tuple[str, str, str]:
    """Return the command that runs a module with this Python."""
    return sys.executable, "-m", module
