"""The rows in the order of their measurement."""

from tests.benchmarks.rows import (
    clients,
    events,
    held,
    memory,
    page,
    processes,
    requests,
    suites,
    tls,
)

ROWS = (
    *requests.ROWS,
    *clients.ROWS,
    *events.ROWS,
    *held.ROWS,
    *page.ROWS,
    *memory.ROWS,
    *suites.ROWS,
    *processes.ROWS,
    *tls.ROWS,
)
