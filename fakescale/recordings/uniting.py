"""The union of two projects or batches that turn out to be one.

A recording may tell the name of a home late. Until then the home has a stand-in for its name: its
id, or a text that names something in it.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, cast, get_args

from fakescale.account.batches import Batches
from fakescale.account.projects import Projects
from fakescale.account.task import replace as replaced
from fakescale.account.world import World
from fakescale.recordings.names import worth
from fakescale.recordings.scene import Scene
from fakescale.values.dumps import Table

Noun = Literal["project", "batch"]
NOUNS: Sequence[Noun] = get_args(Noun)


def home_key(noun: Noun, name: str) -> str:
    """Return the key of a home in the sets of a scene."""
    return name if noun == "project" else f"batch {name}"


def homes_of(noun: Noun, world: World) -> Projects | Batches:
    """Return the projects or the batches of a world."""
    return world.projects if noun == "project" else world.batches


def unite(scene: Scene, noun: Noun, first: str, second: str, world: World) -> None:
    """Let two names stand for one home, if one of them is a stand-in for the other."""
    worse, better = sorted((first, second), key=worth)
    if first != second and worth(worse) < 2:
        _rename(scene, noun, worse, better, world)


def _rename(scene: Scene, noun: Noun, before: str, name: str, world: World) -> None:
    homes = homes_of(noun, world)
    table: Table[Any] = homes._table
    if before not in table:
        return
    home = table.remove(before)
    if name not in table:
        table.put(dataclasses.replace(home, name=name))
        sort_by_creation(table)
        for known in (scene.foreign, scene.typeless, scene.bare):
            if (world, home_key(noun, before)) in known:
                known.add((world, home_key(noun, name)))
    changes: dict[str, Any] = {noun: name}
    for task in [it for it in world.tasks._table if getattr(it, noun) == before]:
        world.tasks._put(replaced(task, **changes), task)
    if noun == "project":
        for it in (world.batches._table, world.deliveries._table):
            for thing in [thing for thing in it if thing.project == before]:
                it.put(dataclasses.replace(cast(Any, thing), project=name))
    scene.bindings.move(home.id, table.get(name).id)


def sort_by_creation(table: Table[Any]) -> None:
    """Put the homes of a table into the order in which they were created."""
    table._values = dict(sorted(table._values.items(), key=lambda it: it[1].created_at))
