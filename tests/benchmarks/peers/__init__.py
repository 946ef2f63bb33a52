"""The programs that are measured, each a process of its own.

Run as modules, most by the Python of a virtual environment that holds nothing but one peer; so
beside that peer they import the standard library and ``requests_sent`` only. Two kinds: a server
prints its port, and a worker answers each line with a number. Both end with their input.
"""

import sys
from collections.abc import Callable


def stay(port: int) -> None:
    """Tell where the server listens, and wait until it is no longer needed."""
    print(port, flush=True)
    sys.stdin.read()


def work(measure: Callable[[float], float]) -> None:
    """Answer each line, which says for how long to measure, with what was measured."""
    print("ready", flush=True)
    for line in sys.stdin:
        print(measure(float(line)), flush=True)
