from typing import Any

import pytest
import time_machine

from fakescale import ApiError, FakeScale
from tests.support import Caller


def roles(reply: Any) -> dict[str, str]:
    return {member["email"]: member["role"] for member in reply}


def test_there_is_an_admin_from_the_start(live: Caller) -> None:
    assert live.get("/teams") == [
        {
            "email": "admin@example.com",
            "role": "admin",
            "company": "Example",
            "firstName": "Ada",
            "lastName": "",
            "isStudioLabeler": False,
            "disableRapidEmails": False,
        }
    ]


def test_an_invitation_returns_the_team_and_changes_no_teammate(
    fake: FakeScale, live: Caller, noon: time_machine.Traveller
) -> None:
    fake.teammates.add("old@e.com", "manager")
    body = {"emails": ["new@e.com", "old@e.com", "new@e.com"], "team_role": "labeler"}
    reply = live("POST", "/teams/invite", body).json
    assert roles(reply) == {
        "admin@example.com": "admin",
        "old@e.com": "manager",
        "new@e.com": "labeler",
    }
    assert reply[-1]["expiry"] == "2024-03-07T12:00:00.000Z"
    assert reply[-1]["isStudioLabeler"] is True
    fake.teammates.accept("new@e.com")
    assert "expiry" not in live.get("/teams")[-1]


def test_an_invitation_may_end_with_the_calendar(live: Caller) -> None:
    with time_machine.travel("9999-12-31T12:00:00Z", tick=False):
        reply = live("POST", "/teams/invite", {"emails": ["a@e.com"], "team_role": "member"})
    assert reply.json[-1]["expiry"] == "9999-12-31T23:59:59.999Z"


@pytest.mark.parametrize("path", ["/teams/invite", "/teams/set_role"])
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"emails": ["a@e.com"]},
        {"team_role": "member"},
        {"emails": "a@e.com", "team_role": "member"},
        {"emails": ["a@e.com", "bad"], "team_role": "member"},
        {"emails": ["a@e.com", "a b@e.com"], "team_role": "member"},
        {"emails": ["a@e.com", 1], "team_role": "member"},
        {"emails": ["a@e.com"], "team_role": "king"},
    ],
)
def test_a_bad_body_is_refused_and_changes_nothing(
    fake: FakeScale, live: Caller, path: str, body: Any
) -> None:
    fake.teammates.add("a@e.com", "labeler")
    before = fake.teammates.list()
    assert live("POST", path, body).status == 400
    assert fake.teammates.list() == before


def test_a_role_is_set_for_all_or_none(fake: FakeScale, live: Caller) -> None:
    fake.teammates.add("a@e.com")
    for email, status in (("unknown@e.com", 404), ("admin@example.com", 400)):
        body = {"emails": ["a@e.com", email], "team_role": "manager"}
        assert live("POST", "/teams/set_role", body).status == status
        assert fake.teammates.get("a@e.com").role == "labeler"
    reply = live("POST", "/teams/set_role", {"emails": ["a@e.com"], "team_role": "manager"})
    assert roles(reply.json)["a@e.com"] == "manager"


def test_a_disabled_teammate_can_get_a_new_role(fake: FakeScale) -> None:
    fake.teammates.add("a@e.com")
    assert not fake.teammates.disable("a@e.com").is_active
    fake.teammates.set_role(emails=["a@e.com"], team_role="member")
    assert fake.teammates.get("a@e.com").is_active


def test_a_known_teammate_or_an_unknown_role_is_refused(fake: FakeScale) -> None:
    for email, role in (("admin@example.com", "member"), ("a@e.com", "king")):
        with pytest.raises(ApiError):
            fake.teammates.add(email, role)  # type: ignore[arg-type]
    assert len(fake.teammates) == 1
    assert "a@e.com" not in fake.teammates
