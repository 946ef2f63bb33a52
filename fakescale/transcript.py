"""What a failing test is told: the last exchanges, and what may have been meant."""

import itertools

from fakescale.api import match, nearest
from fakescale.journal import Exchange, Journal

_LAST = 20


def transcript(journal: Journal, since: int = 0) -> str:
    """Return the last 20 exchanges after the first ``since`` ones, a line or more each."""
    new = max(0, journal.total - since)
    exchanges = list(itertools.islice(reversed(list(journal)), min(new, _LAST)))[::-1]
    lines = [line for exchange in exchanges for line in _lines(exchange)]
    if new > len(exchanges):
        lines.insert(0, f"... {new - len(exchanges)} earlier exchanges")
    return "\n".join(lines)


def _lines(exchange: Exchange) -> list[str]:
    target = f"{exchange.path}?{exchange.query}" if exchange.query else exchange.path
    line = f"{exchange.method} {target} -> {exchange.status}"
    lines = [f"{line} {exchange.error}" if exchange.error else line]
    if exchange.status == 404 and match(exchange.method, exchange.path) is None:
        route = nearest(exchange.method, exchange.path)
        lines.append(f"    the nearest route is {route.method} {route.path}")
    if exchange.traceback:
        lines += [f"    {line}" for line in exchange.traceback.splitlines()]
    return lines
