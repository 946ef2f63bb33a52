"""An endpoint, a request to one, and the match of the two."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast
from urllib.parse import unquote

from fakescale.account.listing import Filter, Parameter, Query, read_parameters, read_query
from fakescale.account.world import Account, World
from fakescale.api.request import Request, expect
from fakescale.values.frozen import EMPTY_DICT, FrozenDict, FrozenList
from fakescale.values.paths import pattern
from fakescale.values.schemas import Checker, Parameters


class PerType(NamedTuple):
    """The body of an endpoint whose path holds a ``<type>``: that of a task of this type."""

    types: Callable[[], Iterable[str]]
    #: The JSON Schema of the further members.
    more: Mapping[str, Any] = EMPTY_DICT


class Multipart(NamedTuple):
    """The body of an endpoint that takes a file, and texts beside it."""

    file: str
    texts: Parameters


class Route(NamedTuple):
    """An endpoint. ``path`` is a pattern; ``<name>`` stands for one segment of a path.

    The view returns the content of the answer, sent as JSON with ``status``, or an ``Answer``.
    """

    method: str
    path: str
    view: Callable[["Call"], Any]
    #: The schema of good answers: a name of ``SCHEMAS``.
    answer_schema: str
    #: The parameters of the query.
    query: Mapping[str, Filter | Parameter] = EMPTY_DICT
    #: Those parameters of which one must be given.
    needs: Sequence[str] = ()
    body: Checker | PerType | Multipart | None = None
    #: Whether an Idempotency-Key is heeded; documented for the creation of tasks alone.
    idempotent: bool = False
    status: int = 200
    #: Further refusals than those that all routes of its kind have: see ``openapi``.
    refuses: Sequence[int] = ()


class Call(NamedTuple):
    """One request to an endpoint, with its account and its world."""

    account: Account
    world: World
    route: Route
    #: The names in the path, decoded.
    path: Mapping[str, str]
    request: Request

    @property
    def body(self) -> FrozenDict:
        """The body, which must be an object; raises BadRequest."""
        return expect(self.request.content, FrozenDict)

    @property
    def query(self) -> dict[str, Any]:
        """The parameters of the query that the route knows and that are given.

        Raises BadRequest.
        """
        given = dict(self.request.args.lists())
        return read_parameters(given, self.route.query, self.route.needs)

    @property
    def wanted(self) -> Query:
        """The page of a list that the query asks for; raises BadRequest."""
        given = dict(self.request.args.lists())
        return read_query(given, self.route.query, self.route.needs)

    def read(self) -> dict[str, Any]:
        """Return the members of the body that the route knows; raises BadRequest."""
        parameters = cast(Parameters, self.route.body)
        body = parameters.read(self.body, form=self.request.is_form)
        return {name: value for name, value in body.items() if name in parameters.names}

    @property
    def array(self) -> FrozenList:
        """The body, which must be an array; raises BadRequest."""
        return expect(self.request.content, FrozenList)


def match(routes: Iterable[Route], method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """Return the route of a request and the names in its path, or None if there is none.

    ``path`` is matched as it was sent, and its names are decoded afterwards, so that one may
    hold a slash. A library's map is not used: it would fold slashes, redirect, and tell a
    wrong method from a wrong path.
    """
    for route in routes:
        if route.method == method and (found := pattern(route.path).fullmatch(path)):
            return route, {name: unquote(text) for name, text in found.groupdict().items()}
    return None
