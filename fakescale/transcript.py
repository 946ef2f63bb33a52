"""What a failing test is told: the last exchanges, and what may have been meant."""

from collections.abc import Collection, Iterator

from fakescale.api import match, nearest
from fakescale.journal import Exchange


def transcript(last: Collection[Exchange], total: int) -> Iterator[str]:
    """Yield a line or more for each of the ``last`` of ``total`` exchanges."""
    if total > len(last):
        yield f"... {total - len(last)} earlier exchanges"
    for exchange in last:
        line = f"{exchange.method} {exchange.target} -> {exchange.status or 'reset'}"
        line += f" {exchange.error}" if exchange.error else ""
        yield f"{line} (fault: {exchange.fault})" if exchange.fault else line
        if exchange.status == 404 and match(exchange.method, exchange.path) is None:
            route = nearest(exchange.method, exchange.path)
            yield f"    the nearest route is {route.method} {route.path}"
        for trace in (exchange.traceback or "").splitlines():
            yield f"    {trace}"
