"""Version 1 of the API: a module for each noun, and here all their routes and schemas."""

from collections.abc import Mapping

from fakescale.api.openapi_bodies import Schema
from fakescale.api.route import Route
from fakescale.api.v1 import audits, batches, files, projects, quality, studio, tasks, team

_NOUNS = (tasks, projects, batches, audits, files, team, studio, quality)

#: All endpoints; the first that matches a request serves it.
ROUTES: tuple[Route, ...] = tuple(route for noun in _NOUNS for route in noun.ROUTES)
#: The schemas of good answers, by the names that the routes use.
SCHEMAS: Mapping[str, Schema] = {
    name: schema for noun in _NOUNS for name, schema in noun.SCHEMAS.items()
}
