"""A request to an endpoint, as its view is given it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from fakescale import wire
from fakescale.frozen import EMPTY_DICT, FrozenDict, FrozenList
from fakescale.listing import Filter, Parameter, Query, read_parameters, read_query
from fakescale.schemas import Checker, Parameters
from fakescale.worlds import Account, World


class PerType(NamedTuple):
    """The body of an endpoint whose path holds a ``<type>``: that of a task of this type."""

    types: Callable[[], Iterable[str]]
    #: The JSON Schema of what more there is in it.
    more: Mapping[str, Any] = EMPTY_DICT


class Multipart(NamedTuple):
    """The body of an endpoint that takes a file, and texts beside it."""

    file: str
    texts: Parameters


class Route(NamedTuple):
    """An endpoint. ``path`` is a pattern; ``<name>`` stands for one segment of a path.

    The view returns what is answered as JSON with ``status``, or else an ``Answer``.
    """

    method: str
    path: str
    view: Callable[["Call"], Any]
    #: What a good answer holds: a name of ``answers.SCHEMAS``.
    answer: str
    #: The parameters of the query.
    query: Mapping[str, Filter | Parameter] = EMPTY_DICT
    #: Of these, some of which one must be given.
    needs: Sequence[str] = ()
    body: Checker | PerType | Multipart | None = None
    #: Whether an Idempotency-Key is heeded; documented for the creation of tasks alone.
    idempotent: bool = False
    status: int = 200
    #: Further refusals than those that all routes of its kind have: see ``openapi``.
    refuses: Sequence[int] = ()


class Call(NamedTuple):
    """One request to an endpoint: the world it is about, and what it says."""

    account: Account
    world: World
    route: Route
    #: The names in the path, decoded.
    path: Mapping[str, str]
    request: wire.Request

    @property
    def body(self) -> FrozenDict:
        """The body, which must be an object; raises BadRequest."""
        return wire.expect(self.request.content, FrozenDict)

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
        return wire.expect(self.request.content, FrozenList)
