"""The team of one world: who is in it, and in which role."""

import builtins
import dataclasses
import datetime as dt
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fakescale.values.clock import Clock, stamp
from fakescale.values.dumps import Table, expect
from fakescale.values.errors import BadRequest, invalid
from fakescale.values.ids import TaskIds
from fakescale.values.schemas import Parameters, frozen_json

#: Documented, as the official client's.
ROLES = ("labeler", "member", "manager", "admin")
#: The role of a disabled teammate; the name is guessed.
DISABLED = "disabled"
# Guessed: how long an invitation stays open, though none is taken back when it ends.
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
    """A member of the team at one moment."""

    #: Not printed, but as that of a worker in the Studio.
    id: str
    email: str
    role: str
    company: str = ""
    first_name: str = ""
    last_name: str = ""
    #: When the invitation ends; None once it was accepted.
    expiry: str | None = None
    disable_rapid_emails: bool = False

    def __hash__(self) -> int:
        return hash(self.email)

    @property
    def is_active(self) -> bool:
        """Whether the invitation was accepted, and the teammate not disabled."""
        return self.expiry is None and self.role != DISABLED

    def to_json(self) -> dict[str, Any]:
        """Return the teammate as the API prints them (the names are documented)."""
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


class Teammates:
    """The teammates of one mode of one account, in the order in which they came.

    There is always the account's admin, ``admin@example.com``. Every method is safe to call
    from any thread. A method that takes an e-mail address raises NotFound for an unknown
    one. A method raises BadRequest, having changed nothing, where the API refuses.
    """

    def __init__(self, clock: Clock, ids: TaskIds, lock: threading.RLock) -> None:
        self._clock = clock
        self._ids = ids
        self._lock = lock
        # The text is guessed.
        self._table = Table(Teammate, "email", lock, "There is no teammate {}.")
        self.add("admin@example.com", "admin", company="Example", first_name="Ada")

    # For clients of the API.

    def invite(self, /, **body: Any) -> list[Teammate]:
        """Invite ``emails`` as ``team_role``, and return all teammates.

        Present teammates stay as they are (guessed).
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

    def set_role(self, /, **body: Any) -> list[Teammate]:
        """Give ``emails`` the ``team_role``, and return all teammates.

        Documented in another client: admins are refused, disabled teammates are not.
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
        """Return all teammates."""
        return list(self._table)

    def get(self, email: str) -> Teammate:
        """Return the teammate with this address."""
        return self._table.get(email)

    # For tests: no client can do this.

    def add(self, email: str, role: str = "labeler", **more: Any) -> Teammate:
        """Add a teammate who needs no invitation; ``more`` are further fields of theirs."""
        if role not in ROLES:
            raise invalid("role", f"must be one of [{', '.join(ROLES)}]", role)
        with self._lock:
            if email in self._table:
                raise BadRequest(f"There is a teammate {email} already.")
            teammate_id = self._ids.make(self._clock.now())
            return self._table.put(Teammate(id=teammate_id, email=email, role=role, **more))

    def accept(self, email: str) -> Teammate:
        """Let someone accept their invitation."""
        return self._table.change(email, expiry=None)

    def disable(self, email: str) -> Teammate:
        """Disable someone, until they are given a role again."""
        return self._table.change(email, role=DISABLED)

    def __iter__(self) -> Iterator[Teammate]:
        return iter(self.list())

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, email: object) -> bool:
        return email in self._table

    # Inside.

    def _dump(self) -> builtins.list[dict[str, Any]]:
        """Return the JSON-able data that ``_restore`` takes."""
        return self._table.dump()

    def _restore(self, data: Iterable[Mapping[str, Any]]) -> None:
        """Take over the data of ``_dump``; raises BadRequest if it is none."""
        self._table.restore(data)
        expect(len(self) > 0, "team", "teammates", data)
        self._ids.reserve(teammate.id for teammate in self)
