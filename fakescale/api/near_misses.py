"""Near misses in requests: the nearest route, the nearest member, the source of a refusal."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fakescale.account import task_types
from fakescale.api.forms import read_form
from fakescale.api.route import PerType, Route, match
from fakescale.api.routes import ROUTES
from fakescale.traffic.journal import Exchange
from fakescale.values.errors import ApiError
from fakescale.values.paths import pattern
from fakescale.values.schemas import Parameters

# The refusals whose text is known. All others are guessed.
_SOURCES = (
    (r"Your API key does not correspond to a registered user\.", "observed"),
    (r"Task with that ID not found\.", "observed"),
    (r"The task was already completed and cannot be canceled\.", "observed"),
    (r"You have not been authorized to use this API endpoint, .*", "observed"),
    (r'The unique_id \(".*"\) is already used for a different task \(.*\)\.', "documented"),
    (r"Please include an attachment or attachments parameter\.", "documented"),
    (r'Parameter is invalid, reason: "[^"]*" is required', "documented"),
    (r"Parameter is invalid, reason: .*", "documented up to its reason"),
)


def source(refusal: str) -> str:
    """Return whether the text of a refusal is documented, observed or guessed."""
    found = (word for text, word in _SOURCES if re.fullmatch(text, refusal, re.DOTALL))
    return next(found, "guessed")


def route_of(exchange: Exchange) -> Route | None:
    """Return the route of a request, or None if there is none."""
    method = "GET" if exchange.method == "HEAD" else exchange.method
    found = match(ROUTES, method, exchange.path)
    return found and found[0]


def unknown_members(exchange: Exchange) -> Iterator[str]:
    """Yield a line about each member of the request's body that its endpoint does not know."""
    known = _known_members(exchange)
    if not known:
        return
    try:
        is_form = "form-urlencoded" in exchange.headers.get("Content-Type", "")
        body = read_form(exchange.body.decode()) if is_form else json.loads(exchange.body)
    except (ValueError, ApiError):
        return
    for name in body if isinstance(body, dict) else ():
        if name not in known:
            import difflib  # here, since few programs need it and each start would wait for it

            near = difflib.get_close_matches(name[:80], known, 1)
            yield f'unknown member "{name[:80]}"' + (f': did you mean "{near[0]}"?' if near else "")


def _known_members(exchange: Exchange) -> Iterable[str]:
    route = route_of(exchange)
    if route is None or not exchange.body:
        return ()
    if isinstance(route.body, Parameters):
        return route.body.names
    if isinstance(route.body, PerType):
        name = task_types.canonical(exchange.path.rstrip("/").rpartition("/")[2])
        more = route.body.more.get("properties", {})
        return {*task_types.schema(name)["properties"], *more} if name else ()
    return ()


def nearest(method: str | None, path: str) -> Route:
    """Return the route that is most like the request, with any method if that is None."""
    import difflib

    wanted = path.strip("/").split("/")

    def likeness(route: Route) -> float:
        segments = route.path.strip("/").split("/")
        filled = [
            given if pattern.startswith("<") else pattern
            for pattern, given in zip(segments, wanted, strict=False)
        ] + segments[len(wanted) :]
        ours = f"{method and route.method} /{'/'.join(filled)}"
        return difflib.SequenceMatcher(None, ours, f"{method} {path}").ratio()

    version = path[:4] if path.startswith(("/v1/", "/v2/")) else ""  # it is hardly mistaken
    return max((it for it in ROUTES if it.path.startswith(version)), key=likeness)


class Explained(NamedTuple):
    """The explanation of an exchange, for somebody who asks why it failed."""

    #: The route of the request, for example ``GET /v1/task/<task_id>``, or None.
    route: str | None
    #: The route that is most like the request, if it has none.
    nearest: str | None
    #: The text of the refusal, or None.
    error: str | None
    #: The source of that text: ``documented``, ``observed`` or ``guessed``.
    source: str | None
    #: The name of the member or parameter that the refusal names, for example ``attachment``.
    member: str | None
    #: A line about each member of the body that the endpoint does not know.
    unknown: tuple[str, ...]


_MEMBER = re.compile(r'Parameter is invalid, reason: "([^"]+)"|Please include an (attachment) ')


def explained(exchange: Exchange) -> Explained:
    """Return the explanation of an exchange."""
    route, error = route_of(exchange), exchange.error if exchange.status >= 400 else None
    near = nearest(exchange.method, exchange.path) if route is None else None
    member = _MEMBER.match(error or "")
    return Explained(
        route=route and f"{route.method} {route.path}",
        nearest=near and f"{near.method} {near.path}",
        error=error,
        source=None if error is None else source(error),
        member=member and (member[1] or member[2]),
        unknown=tuple(unknown_members(exchange)),
    )


def nearest_for(method: str | None, path: str | None) -> Route | None:
    """Return the route nearest to the pattern of a fault; None if it fits a route already."""
    if path is None:
        return None
    for route in ROUTES:
        if method in (None, route.method) and (
            pattern(path).fullmatch(route.path) or pattern(route.path).fullmatch(path)
        ):
            return None
    return nearest(method, path)
