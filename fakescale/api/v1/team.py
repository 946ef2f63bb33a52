"""The endpoints of the team: their views, routes and answer schemas."""

from collections.abc import Mapping
from typing import Any

from fakescale.account import team
from fakescale.api.openapi_answers import BOOLEAN, NAME, TEXT, TIME, array_of, object_of, ref
from fakescale.api.openapi_bodies import Schema
from fakescale.api.route import Call, Route


def list_teammates(call: Call) -> Any:
    return [teammate.to_json() for teammate in call.world.teammates.list()]


def invite_teammates(call: Call) -> Any:
    return [teammate.to_json() for teammate in call.world.teammates.invite(**call.body)]


def set_team_role(call: Call) -> Any:
    return [teammate.to_json() for teammate in call.world.teammates.set_role(**call.body)]


ROUTES = (
    Route("GET", "/v1/teams", list_teammates, "Teammates"),
    Route("POST", "/v1/teams/invite", invite_teammates, "Teammates", body=team.TEAM),
    Route(
        "POST",
        "/v1/teams/set_role",
        set_team_role,
        "Teammates",
        body=team.TEAM,
        refuses=(404,),
    ),
)

SCHEMAS: Mapping[str, Schema] = {
    "Teammate": object_of(
        {
            "email": NAME,
            "role": {"enum": [*team.ROLES, team.DISABLED]},
            "company": TEXT,
            "firstName": TEXT,
            "lastName": TEXT,
            "isStudioLabeler": BOOLEAN,
            "disableRapidEmails": BOOLEAN,
        },
        {"expiry": TIME},
    ),
    "Teammates": array_of(ref("Teammate"), minItems=1),
}
