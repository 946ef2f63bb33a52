"""A request to an endpoint, as its view is given it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fakescale import wire
from fakescale.frozen import FrozenDict, FrozenList
from fakescale.listing import read_boolean
from fakescale.schemas import Parameters
from fakescale.worlds import Account, World


class Route(NamedTuple):
    """An endpoint. ``path`` is a pattern; ``<name>`` stands for one segment of a path.

    The view returns what is answered as JSON with 200, or else an ``Answer``.
    """

    method: str
    path: str
    view: Callable[["Call"], Any]
    #: Whether an Idempotency-Key is heeded; documented for the creation of tasks alone.
    idempotent: bool = False


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

    def flag(self, name: str) -> bool | None:
        """Return a boolean of the query, None when it is absent; raises BadRequest."""
        values = [text for text in self.request.args.getlist(name) if text]
        return read_boolean(name, values) if values else None

    def read(self, parameters: Parameters) -> dict[str, Any]:
        """Return the members of the body that ``parameters`` knows; raises BadRequest."""
        body = parameters.read(self.body, form=self.request.is_form)
        return {name: value for name, value in body.items() if name in parameters.names}

    @property
    def array(self) -> FrozenList:
        """The body, which must be an array; raises BadRequest."""
        return wire.expect(self.request.content, FrozenList)
