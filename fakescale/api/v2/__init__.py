"""Version 2 of the API: a module for each noun, and here all their routes and schemas.

Objects are named by parameters of the query or members of the body, never by the path. They
refer to each other by id. All of them are those of v1, seen through other members.
"""

from collections.abc import Mapping

from fakescale.api.openapi_bodies import Schema
from fakescale.api.route import Route
from fakescale.api.v2 import batches, datasets, deliveries, projects, tasks

_NOUNS = (tasks, projects, batches, deliveries, datasets)

#: All endpoints; the first that matches a request serves it.
ROUTES: tuple[Route, ...] = tuple(route for noun in _NOUNS for route in noun.ROUTES)
#: The schemas of good answers, by the names that the routes use.
SCHEMAS: Mapping[str, Schema] = {
    name: schema for noun in _NOUNS for name, schema in noun.SCHEMAS.items()
}
