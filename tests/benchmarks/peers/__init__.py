"""The measured programs, each in a process of its own.

Most programs run in a virtual environment of a single peer. They import only that peer, the
standard library and modules of the benchmarks that need nothing else. A server prints its port;
a worker answers each line with a number. Both end with their input.
"""

import sys
from collections.abc import Callable
from typing import TextIO


def stay(port: int, output: TextIO | None = None) -> None:
    """Print the port of the server, and wait for the end of the input."""
    print(port, file=output, flush=True)
    sys.stdin.read()


def work(measure: Callable[[float], float]) -> None:
    """Answer each line, a number of seconds, with the figure measured in that time."""
    print("ready", flush=True)
    for line in sys.stdin:
        print(measure(float(line)), flush=True)
