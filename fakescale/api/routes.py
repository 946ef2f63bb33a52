"""The routes of all versions of the API; the first that matches a request serves it."""

from fakescale.api import v1, v2
from fakescale.api.route import Route

ROUTES: tuple[Route, ...] = (*v1.ROUTES, *v2.ROUTES)
