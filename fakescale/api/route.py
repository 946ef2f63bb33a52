"""Endpoints (`Route`), calls of them (`Call`), and the match of a request to a route."""

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
    """The body of an endpoint whose path holds a task's ``<type>``."""

    #: Returns the types that the path may hold.
    types: Callable[[], Iterable[str]]
    #: The JSON Schema of the members beside the parameters of the type.
    more: Mapping[str, Any] = EMPTY_DICT


class Multipart(NamedTuple):
    """The body of an endpoint that takes a file, and texts beside it."""

    #: The name of the form field that holds the file.
    file: str
    texts: Parameters


class Route(NamedTuple):
    """An endpoint."""

    method: str
    #: The pattern of the path; ``<name>`` stands for one segment.
    path: str
    #: Returns the content of the answer, to be sent as JSON with ``status``, or an ``Answer``.
    view: Callable[["Call"], Any]
    #: The name of the schema of good answers, in ``SCHEMAS``.
    answer_schema: str
    #: The parameters of the query.
    query: Mapping[str, Filter | Parameter] = EMPTY_DICT
    #: The parameters of the query of which at least one is required.
    needs: Sequence[str] = ()
    body: Checker | PerType | Multipart | None = None
    #: Whether the route heeds an Idempotency-Key; documented only for the creation of tasks.
    idempotent: bool = False
    #: Whether it serves result files, which need no API key unless they are secure.
    is_public: bool = False
    #: The status of a good answer.
    status: int = 200
    #: The statuses of refusals besides those of all routes of its kind, which ``openapi`` knows.
    refuses: Sequence[int] = ()


class Call(NamedTuple):
    """A request to an endpoint, with the account and the world of its key."""

    account: Account
    world: World
    route: Route
    #: The names in the path, decoded.
    path: Mapping[str, str]
    request: Request

    @property
    def body(self) -> FrozenDict:
        """The body, which must be an object; raises BadRequest.

        In a form, a text may stand for a number, or for a list of one.
        """
        body = expect(self.request.content, FrozenDict)
        if self.request.is_form and isinstance(self.route.body, Parameters):
            return self.route.body.spelled(body, form=True)
        return body

    @property
    def query(self) -> dict[str, Any]:
        """The given parameters of the query that the route knows.

        Raises BadRequest for a bad or missing one.
        """
        given = self.request.query
        return read_parameters(given.values, self.route.query, self.route.needs, given.written)

    @property
    def wanted(self) -> Query:
        """The page of a list that the query asks for; raises BadRequest."""
        given = self.request.query
        return read_query(given.values, self.route.query, self.route.needs, given.written)

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

    ``path`` is matched as it was sent. Its names are decoded afterwards, so that a name may hold a
    slash. werkzeug's map of routes is not used. It would fold slashes, redirect, and treat a wrong
    method unlike a wrong path.
    """
    for route in routes:
        if route.method == method and (found := pattern(route.path).fullmatch(path)):
            return route, {name: unquote(text) for name, text in found.groupdict().items()}
    return None


def methods(routes: Iterable[Route], path: str) -> list[str]:
    """Return the methods that a path takes, in the order of the routes."""
    found = [route.method for route in routes if pattern(route.path).fullmatch(path)]
    return [it for method in found for it in ([method, "HEAD"] if method == "GET" else [method])]
