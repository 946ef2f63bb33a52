"""The endpoints of the projects in v2: their views, routes and answer schemas."""

from collections.abc import Mapping
from typing import Any

from fakescale.account.listing import since, until
from fakescale.api.openapi_answers import ID, NAME, TEXT, TIME, array_of, object_of, ref
from fakescale.api.openapi_bodies import Schema
from fakescale.api.route import Call, Route
from fakescale.api.v2.references import PROJECT_PARAMETERS, get, show_project

_LIST = {"created_after": since("created_at"), "created_before": until("created_at")}


def get_project(call: Call) -> Any:
    return show_project(get(call, "project", call.query))


def get_projects(call: Call) -> Any:
    # Never paged (documented). Guessed: archived ones are listed too, oldest first.
    return {"projects": [show_project(it) for it in call.wanted.select(call.world.projects.list())]}


ROUTES = (
    Route(
        "GET",
        "/v2/project",
        get_project,
        "ProjectV2",
        query=PROJECT_PARAMETERS,
        needs=("project_id", "project_name"),
        refuses=(404,),
    ),
    Route("GET", "/v2/projects", get_projects, "ProjectsV2", query=_LIST),
)

SCHEMAS: Mapping[str, Schema] = {
    "ProjectV2": object_of(
        {"id": ID, "name": NAME, "created_at": TIME},
        {"types": array_of(TEXT), "models": array_of(TEXT)},
    ),
    "ProjectsV2": object_of({"projects": array_of(ref("ProjectV2"))}),
}
