"""References between objects of v2: how a request names one, and how an answer shows it."""

from collections.abc import Collection, Mapping
from typing import Any, Literal

from fakescale.account.batches import Batch
from fakescale.account.listing import WORD, Filter, Parameter, Query, any_of, read_several
from fakescale.account.projects import Project
from fakescale.account.world import World
from fakescale.api.openapi_answers import NAME
from fakescale.api.openapi_bodies import Schema
from fakescale.api.route import Call
from fakescale.values.errors import NotFound, invalid
from fakescale.values.schemas import TEXT

Noun = Literal["project", "batch"]
#: The words that choose more of an answer. Guessed: commas may join them, and an unknown word is
#: ignored. Observed: the client repeats the parameter.
WORDS = Parameter(read_several, {"type": "array", "items": {"type": "string"}})
#: The members of a body that name a batch, and the parameters of a query that name a project.
BATCH_MEMBERS: Mapping[str, Schema] = {"batch_id": TEXT, "batch_name": TEXT}
PROJECT_PARAMETERS: Mapping[str, Parameter] = {"project_id": WORD, "project_name": WORD}
BATCH_PARAMETERS: Mapping[str, Parameter] = {"batch_id": WORD, "batch_name": WORD}


def at_least_one(*names: str) -> Schema:
    """Return the rule that a body has at least one of these members (documented)."""
    return {"anyOf": [{"required": [name]} for name in names]}


#: The members of a body that names a batch, one of which it must have.
NAMES_A_BATCH = at_least_one(*BATCH_MEMBERS)


def named(world: World, noun: Noun, given: Mapping[str, Any]) -> Project | Batch | None:
    """Return the project or batch that ``given`` names by id or name; None if it is unknown.

    Guessed: the id decides if both are given.
    """
    owner = world.projects if noun == "project" else world.batches
    return owner._find(given.get(f"{noun}_id"), given.get(f"{noun}_name"))


def is_named(noun: Noun, given: Mapping[str, Any]) -> bool:
    """Return whether ``given`` names a project or batch at all."""
    return bool(given.get(f"{noun}_id") or given.get(f"{noun}_name"))


def require(given: Mapping[str, Any], *names: str) -> None:
    """Raise BadRequest unless one of these members or parameters is given (documented)."""
    if not any(given.get(name) for name in names):
        if len(names) == 1:
            raise invalid(names[0], "is required")
        raise invalid("value", f"must contain at least one of [{', '.join(names)}]")


def get(call: Call, noun: Noun, given: Mapping[str, Any]) -> Any:
    """Return the project or batch that a request is about.

    Raises NotFound if it is unknown (the text is guessed).
    """
    found = named(call.world, noun, given)
    if found is None:
        text = given.get(f"{noun}_id") or given.get(f"{noun}_name")
        raise NotFound(f'{noun.capitalize()} "{text}" not found.')
    call.request.subject = found.name
    return found


def home(call: Call, noun: Noun, given: Mapping[str, Any]) -> str | None:
    """Return the name of the project or batch that a creation names, or None if it names none.

    ``project`` and ``batch`` may hold either the id or the name (documented, for a project).
    Raises BadRequest for an unknown one (guessed: as in v1).
    """
    by_id, by_name = f"{noun}_id", f"{noun}_name"
    for member, ways in ((by_id, [by_id]), (by_name, [by_name]), (noun, [by_id, by_name])):
        if (text := given.get(member)) is not None:
            for way in ways:
                if (found := named(call.world, noun, {way: text})) is not None:
                    return found.name
            raise invalid(member, f"must be that of a {noun}", text)
    return None


def within(query: Query, world: World, noun: Noun, given: Mapping[str, Any]) -> Query:
    """Return the query for items of the project or batch that ``given`` names, if any.

    Guessed: an unknown one has no items.
    """
    if not is_named(noun, given):
        return query
    found = named(world, noun, given)
    row: Filter = any_of(noun)
    wanted = frozenset(() if found is None else (found.name,))
    return query._replace(filters={**query.filters, noun: (row, wanted)})


# How answers show them.


def show_project(project: Project) -> dict[str, Any]:
    """Return a project as v2 prints it. Guessed: ``types`` and ``models`` only if they are set."""
    printed = {
        "id": project.id,
        "name": project.name,
        "created_at": project.created_at,
        "types": project.types,
        "models": project.models,
    }
    return {name: value for name, value in printed.items() if value is not None}


def refer(world: World, name: str, expand: Collection[str]) -> Any:
    """Return the id of the project ``name``, or the project if it is to be expanded."""
    project = world.projects.get(name)
    return show_project(project) if "project" in expand else project.id


def show_batch(world: World, batch: Batch, expand: Collection[str] = ()) -> dict[str, Any]:
    """Return a batch as v2 prints it; the members of None are left out."""
    printed = {
        "id": batch.id,
        "name": batch.name,
        "project": refer(world, batch.project, expand),
        "created_at": batch.created_at,
        # Guessed: a cancelled batch has no time of completion.
        "completed_at": batch.completed_at,
        "status": batch.status,
        "callback": batch.callback,
        "metadata": batch.metadata,
    }
    return {name: value for name, value in printed.items() if value is not None}


def page_of(name: str, items: list[Any], next_token: str | None) -> dict[str, Any]:
    """Return a page. The last page has no token: a client that got an empty one would loop."""
    return {name: items} if next_token is None else {name: items, "next_token": next_token}


def reference_to(schema: Schema) -> Schema:
    """Return the schema of an id, or of the whole object."""
    return {"anyOf": [NAME, schema]}
