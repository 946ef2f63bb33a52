"""The arrangement of a team: its members, their work in the Studio, and the batches there."""

from collections.abc import Sequence

from fakescale.account.task import Status
from fakescale.account.team import Teammate
from fakescale.account.world import World
from fakescale.recordings.counters import Counters
from fakescale.recordings.homes import Homes
from fakescale.recordings.scene import Scene
from fakescale.recordings.spots import Spot
from fakescale.recordings.uniting import home_key
from fakescale.values.dumps import check_types
from fakescale.values.frozen import FrozenDict


class Team:
    """Arranges the teammates of a world, their assignments and groups, and its Studio batches.

    Each is arranged once, when an answer shows it first.
    """

    def __init__(self, scene: Scene, homes: Homes, counters: Counters) -> None:
        self._scene = scene
        self._homes = homes
        self._counters = counters
        self._known: set[tuple[World, str]] = set()  # the things that were arranged

    def arrange(self, spot: Spot, world: World) -> bool:
        """Arrange what an answer shows; return whether it is about a team."""
        if not spot.is_good:
            return False
        if spot.noun == "teammate":
            self._teammates(spot, world)
        elif spot.noun == "studio":
            ways = {"assignments": self._assignments, "projects": self._groups}
            ways.get(spot.path[1], self._batches)(spot, world)
        return spot.noun in ("teammate", "studio")

    def _is_new(self, world: World, name: str) -> bool:
        is_new = (world, name) not in self._known
        self._known.add((world, name))
        return is_new

    def _teammates(self, spot: Spot, world: World) -> None:
        """Arrange the team: all lists show the whole team."""
        if not all(isinstance(it.get("email"), str) for it in spot.shown):
            return
        if not self._is_new(world, "team"):
            return
        invited = spot.body.get("emails", ()) if spot.action == "invite" else ()
        before = [it for it in spot.shown if it["email"] not in invited]
        table = world.teammates._table
        ids = {teammate.email: teammate.id for teammate in table}
        for email in ids:
            table.remove(email)
        for it in before:
            texts = {"first_name": "firstName", "last_name": "lastName", "company": "company"}
            email = it["email"]
            teammate = Teammate(
                id=ids.get(email) or world.teammates._ids.make(self._scene.asked.now()),
                email=email,
                role=str(it.get("role")),
                expiry=it.get("expiry"),
                disable_rapid_emails=bool(it.get("disableRapidEmails")),
                **{name: str(it.get(shown, "")) for name, shown in texts.items()},
            )
            table.put(check_types(teammate))
        self._scene.tell(f"a team of {len(before)} is there already")

    def _assignments(self, spot: Spot, world: World) -> None:
        """Arrange the projects of each teammate, without those that the request assigns."""
        own = spot.body if spot.action == "add" else {}
        for email, projects in spot.answer.items():
            if self._is_new(world, f"assignments of {email}"):
                new = own.get("projects", ()) if email in own.get("emails", ()) else ()
                self._assign(email, [it for it in projects if it not in new], world)
        for name in spot.body.get("projects", ()):
            self._homes.put_typeless(name, world, studio=True)

    def _assign(self, email: str, projects: Sequence[str], world: World) -> None:
        if email not in world.teammates:
            world.teammates.add(email)
            self._scene.tell(f"teammate {email} is there already")
        for name in projects:
            self._homes.put_typeless(name, world, studio=True)
        assigned = world.studio._assigned
        if more := [it for it in projects if it not in assigned.get(email, ())]:
            assigned[email] = [*assigned.get(email, ()), *more]
            self._scene.tell(f"teammate {email} is assigned to {', '.join(more)}")

    def _groups(self, spot: Spot, world: World) -> None:
        """Arrange the groups of a project, as they were before the request."""
        project = spot.path[2]
        self._homes.put_typeless(project, world, studio=True)
        added = spot.body.get("add_emails", ())
        removed = spot.body.get("remove_emails", ())
        for it in spot.shown:
            emails = [worker["email"] for worker in it["workers"]]
            for email in [*emails, *removed]:
                self._assign(email, [project], world)
            if not spot.action or spot.path[4:]:  # else the request makes the group
                before = [*(email for email in emails if email not in added), *removed]
                is_singleton = bool(it["isSingleton"])
                self._group(it["name"], before, project, world, is_singleton=is_singleton)

    def _group(
        self,
        name: str,
        emails: Sequence[str],
        project: str,
        world: World,
        *,
        is_singleton: bool = False,
    ) -> None:
        if self._is_new(world, f"group {name} of {project}"):
            if (project, name) in world.studio._groups:
                return
            workers = [world.teammates.get(email) for email in emails]
            world.studio._new_group(project, name, workers, is_singleton=is_singleton)
            self._scene.tell(f"group {name} is there already")

    def _batches(self, spot: Spot, world: World) -> None:
        """Arrange the pending batches, their groups and their order."""
        for it in spot.shown:
            project, name = str(it["projectName"]), str(it["name"])
            self._homes.put_typeless(project, world, studio=True)
            self._homes.let_be_studio(project, world)
            if name not in world.batches:
                more = {"calibration": it["batchType"] == "Calibration"}
                self._homes.put_batch(name, project, "in_progress", world, None, **more)
            self._homes.let_be_in(name, project, world)
            if (world, home_key("batch", name)) in self._scene.foreign:
                done = int(it["completed"])
                counts = {str(Status.COMPLETED): done, str(Status.PENDING): int(it["total"]) - done}
                world.batches._table.change(name, counts=FrozenDict(counts))
            else:
                self._counters.fit(name, {Status.COMPLETED: int(it["completed"])}, world)
            groups = [str(group) for group in it["groups"]]
            for group in groups:
                if group in world.teammates or "@" in group:
                    self._assign(group, [project], world)
                else:
                    self._group(group, [], project, world)
            if self._is_new(world, f"groups of {name}") and not spot.action:
                world.studio._batch_groups.setdefault(name, tuple(groups))
        places = {it["studioPriority"]: it["name"] for it in spot.shown if "studioPriority" in it}
        if self._is_new(world, "priorities") and not spot.action:
            world.studio._order = [places[place] for place in sorted(places)]
