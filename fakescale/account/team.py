"""The team of one world: its teammates and their roles."""

import builtins
import dataclasses
import datetime as dt
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict, Unpack, get_args

from fakescale.account.listed import Listed
from fakescale.account.words import Role
from fakescale.values.clock import Clock, stamp
from fakescale.values.dumps import Table, expect
from fakescale.values.errors import BadRequest, invalid
from fakescale.values.ids import TaskIds
from fakescale.values.schemas import Parameters, frozen_json

#: The roles of teammates (documented, in the official client).
ROLES = get_args(Role)
#: The role of a disabled teammate; the name is guessed.
DISABLED = "disabled"
# Guessed: how long an invitation stays open. It can still be accepted afterwards.
_INVITATION_LASTS = dt.timedelta(days=7)

TEAM = Parameters(
    {
        "type": "object",
        "required": ["emails", "team_role"],
        "properties": {
            "emails": {"type": "array", "items": {"type": "string", "format": "email address"}},
            "team_role": {"enum": list(ROLES)},
        },
    }
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Teammate:
    """A member of the team at one moment. It never changes."""

    _key = "email"

    #: The id. The API prints it only for the workers of a group in the Studio.
    id: str
    #: The e-mail address, unique within the team.
    email: str
    #: The role: ``labeler``, ``member``, ``manager``, ``admin`` or ``disabled``.
    role: str
    #: The company.
    company: str = ""
    #: The first name.
    first_name: str = ""
    #: The last name.
    last_name: str = ""
    #: The time at which the invitation ends; None if it was accepted or not needed.
    expiry: str | None = None
    #: The setting of this name, which the API prints.
    disable_rapid_emails: bool = False

    def __hash__(self) -> int:
        return hash(self.email)

    @property
    def is_active(self) -> bool:
        """Whether the teammate has no open invitation and is not disabled."""
        return self.expiry is None and self.role != DISABLED

    def to_json(self) -> dict[str, Any]:
        """Return the teammate as a dict, as the API prints it (the names are documented)."""
        printed = {
            "email": self.email,
            "role": self.role,
            "company": self.company,
            "firstName": self.first_name,
            "lastName": self.last_name,
            "isStudioLabeler": self.role == "labeler",  # guessed
            "disableRapidEmails": self.disable_rapid_emails,
            "expiry": self.expiry,
        }
        return {name: value for name, value in printed.items() if value is not None}


class TeamBody(TypedDict):
    """The body of ``teammates.invite`` and ``teammates.set_role``."""

    #: The e-mail addresses.
    emails: Sequence[str]
    #: The role.
    team_role: Role


class Teammates(Listed[Teammate]):
    """The teammates of one mode of one account.

    Iteration yields the teammates in the order in which they came. The first is the account's
    admin, ``admin@example.com``. Every method is safe to call from any thread. A method that
    takes an e-mail address raises NotFound for an unknown address. A method raises BadRequest
    for a call that the API refuses, and then changes nothing.
    """

    def __init__(self, clock: Clock, ids: TaskIds, lock: threading.RLock) -> None:
        self._clock = clock
        self._ids = ids
        self._lock = lock
        # The text is guessed.
        self._table = Table(Teammate, "email", lock, "There is no teammate {}.")
        self.add("admin@example.com", "admin", company="Example", first_name="Ada")

    # For clients of the API.

    def invite(self, /, **body: Unpack[TeamBody]) -> list[Teammate]:
        """Invite ``emails`` as ``team_role``, and return all teammates.

        An address that is in the team already stays as it is (guessed).
        """
        given = TEAM.read(frozen_json("value", body))
        with self._lock:
            now = self._clock.now()
            last = dt.datetime.max.replace(tzinfo=dt.UTC)
            expiry = stamp(now + min(_INVITATION_LASTS, last - now))
            for email in given["emails"]:
                if email not in self._table:
                    self.add(email, given["team_role"], expiry=expiry)
            return self.list()

    def set_role(self, /, **body: Unpack[TeamBody]) -> list[Teammate]:
        """Set the role of ``emails`` to ``team_role``, and return all teammates.

        Documented in another client: the role of an admin cannot be set, that of a disabled
        teammate can. Raises BadRequest for an admin.
        """
        given = TEAM.read(frozen_json("value", body))
        with self._lock:
            before = [self.get(email) for email in given["emails"]]
            for teammate in before:
                if teammate.role == "admin":  # the status and the text are guessed
                    raise BadRequest(f"The role of {teammate.email}, an admin, cannot be set.")
            for teammate in before:
                self._table.change(teammate.email, role=given["team_role"])
            return self.list()

    def list(self) -> list[Teammate]:
        """Return all teammates, in the order in which they came."""
        return list(self._table)

    def get(self, email: Teammate | str) -> Teammate:
        """Return the teammate with this address; raises NotFound if there is none."""
        return self._table.get(email)

    # For tests: no client can do this.

    def add(self, email: str, role: Role = "labeler", **more: Any) -> Teammate:
        """Add a teammate who needs no invitation, and return the teammate.

        ``role`` is ``labeler``, ``member``, ``manager`` or ``admin``. ``more`` holds further
        fields, like ``company``. Raises BadRequest for an unknown role, or if the address is
        in the team already.
        """
        if role not in ROLES:
            raise invalid("role", f"must be one of [{', '.join(ROLES)}]", role)
        with self._lock:
            if email in self._table:
                raise BadRequest(f"There is already a teammate {email}.")
            teammate_id = self._ids.make(self._clock.now())
            return self._table.put(Teammate(id=teammate_id, email=email, role=role, **more))

    def accept(self, email: Teammate | str) -> Teammate:
        """Accept the invitation of a teammate, and return the teammate."""
        return self._table.change(email, expiry=None)

    def disable(self, email: Teammate | str) -> Teammate:
        """Disable a teammate until a new role is set, and return the teammate."""
        return self._table.change(email, role=DISABLED)

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, email: object) -> bool:
        return email in self._table

    # Inside.

    def _dump(self) -> builtins.list[dict[str, Any]]:
        """Return the JSON-able data that ``_restore`` takes."""
        return self._table.dump()

    def _restore(self, data: Iterable[Mapping[str, Any]]) -> None:
        """Take over the data of ``_dump``; raises BadRequest for any other data."""
        self._table.restore(data)
        expect(len(self) > 0, "team", "teammates", data)
        self._ids.reserve(teammate.id for teammate in self)
