"""The transcript in the report of a failed test: the last exchanges, and hints to routes."""

from collections.abc import Collection, Iterable, Iterator

from fakescale.api.route import Route, match
from fakescale.api.v1 import ROUTES
from fakescale.traffic.callbacks import Delivery
from fakescale.traffic.journal import Exchange


def transcript(
    last: Collection[Exchange], total: int, own: Collection[str | None] | None = None
) -> Iterator[str]:
    """Yield the lines about the ``last`` of ``total`` exchanges, one or more for each.

    With ``own``, the accounts of the fixtures, a line names any other account.
    """
    if total > len(last):
        yield f"... {total - len(last)} earlier exchanges"
    for exchange in last:
        line = f"{exchange.method} {exchange.target} -> {exchange.status or 'reset'}"
        line += f" {exchange.error}" if exchange.error else ""
        if own is not None and exchange.account not in (None, *own):
            line += f" (account: {exchange.account})"
        yield f"{line} (fault: {exchange.fault})" if exchange.fault else line
        if exchange.status == 404 and match(ROUTES, exchange.method, exchange.path) is None:
            route = nearest(exchange.method, exchange.path)
            yield f"    the nearest route is {route.method} {route.path}"
        for trace in (exchange.traceback or "").splitlines():
            yield f"    {trace}"


def troubles(callbacks: Iterable[Delivery]) -> Iterator[str]:
    """Yield a line about each callback that was not sent, or whose last try failed."""
    for it in callbacks:
        last = it.attempts[-1] if it.attempts else None
        if it.state.startswith("not sent") or (last is not None and not last.succeeded):
            outcome = it.state if last is None else f"{it.state}, {last.status or last.error}"
            yield f"callback {it.event} {it.subject} to {it.url}: {outcome}"


def nearest(method: str, path: str) -> Route:
    """Return the route that is most like the request."""
    import difflib  # rarely needed

    wanted = path.strip("/").split("/")

    def likeness(route: Route) -> float:
        segments = route.path.strip("/").split("/")
        filled = [
            given if pattern.startswith("<") else pattern
            for pattern, given in zip(segments, wanted, strict=False)
        ] + segments[len(wanted) :]
        ours = f"{route.method} /{'/'.join(filled)}"
        return difflib.SequenceMatcher(None, ours, f"{method} {path}").ratio()

    return max(ROUTES, key=likeness)
