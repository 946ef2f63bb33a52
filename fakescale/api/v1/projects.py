"""The endpoints of the projects: their views, routes and answer schemas."""

from collections.abc import Mapping
from typing import Any

from fakescale.account import projects
from fakescale.account.listing import FLAG
from fakescale.api.openapi_answers import (
    ANY,
    BOOLEAN,
    COUNT,
    ID,
    NAME,
    TIME,
    TRUE,
    TYPE,
    array_of,
    object_of,
    ref,
)
from fakescale.api.openapi_bodies import Schema
from fakescale.api.route import Call, Route
from fakescale.values.schemas import Parameters

_PATCH = Parameters({"type": "object", "properties": {"patch": {"type": "boolean"}}})


def create_project(call: Call) -> Any:
    return call.world.projects._create(call.body).to_json()


def list_projects(call: Call) -> Any:
    return [project.to_json() for project in call.world.projects.list(**call.query)]


def get_project(call: Call) -> Any:
    return call.world.projects.get(call.path["name"]).to_json()


def set_params(call: Call) -> Any:
    params = {name: value for name, value in call.body.items() if name != "patch"}
    return call.world.projects.set_params(call.path["name"], params, **call.read()).to_json()


def set_ontology(call: Call) -> Any:
    return call.world.projects.set_ontology(call.path["name"], **call.body).to_json()


def get_task_template(call: Call) -> Any:
    return call.world.projects.template(call.path["name"])


ROUTES = (
    Route(
        "POST", "/v1/projects", create_project, "Project", body=projects.CREATION, refuses=(409,)
    ),
    Route("GET", "/v1/projects", list_projects, "Projects", query={"archived": FLAG}),
    Route("GET", "/v1/projects/<name>", get_project, "Project"),
    Route("POST", "/v1/projects/<name>/setParams", set_params, "Project", body=_PATCH),
    Route(
        "POST", "/v1/projects/<name>/setOntology", set_ontology, "Project", body=projects.ONTOLOGY
    ),
    Route(
        "GET",
        "/v1/projects/<name>/taskTemplates",
        get_task_template,
        "TaskTemplate",
        refuses=(400,),
    ),
)

SCHEMAS: Mapping[str, Schema] = {
    "Project": object_of(
        {
            "type": TYPE,
            "name": NAME,
            "param_history": array_of(
                {
                    "type": "object",
                    "required": ["version", "created_at"],
                    "properties": {"version": COUNT, "created_at": TIME},
                    "description": "A version: these members, and its parameters.",
                }
            ),
            "created_at": TIME,
        },
        {"archived": TRUE, "ontology": array_of({"type": ["string", "object"]}, minItems=1)},
    ),
    "Projects": array_of(ref("Project")),
    "TaskTemplate": object_of(
        {
            "id": ID,
            "version": COUNT,
            "created_at": TIME,
            "updated_at": TIME,
            "template_variables": ANY,
            "auto_onboard_enabled": BOOLEAN,
        },
        {"response_schema": {}},
    ),
}
