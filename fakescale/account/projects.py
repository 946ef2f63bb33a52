"""The projects of one world, and the versions of their parameters, which tasks inherit."""

import builtins
import dataclasses
import functools
import hashlib
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict, Unpack

from fakescale.account import task_types
from fakescale.account.labeling import Note, actor
from fakescale.account.listed import Listed
from fakescale.account.words import AnyType
from fakescale.values.clock import Clock, read_moment, stamp
from fakescale.values.dumps import Table
from fakescale.values.errors import BadRequest, Conflict, NotFound, invalid
from fakescale.values.frozen import EMPTY_LIST, FrozenDict, FrozenList
from fakescale.values.ids import TaskIds
from fakescale.values.named import named
from fakescale.values.schemas import TEXT, Checker, Parameters, frozen_json

#: Documented: only these types have task templates.
TEMPLATE_TYPES = ("textcollection", "chat")

CREATION = Parameters(
    {
        "type": "object",
        "required": ["type", "name"],
        "properties": {
            "type": {"enum": task_types.spellings()},
            "name": TEXT,
            "params": {"type": "object"},
            "rapid": {"type": "boolean"},
            "studio": {"type": "boolean"},
            "datasetId": {"type": "string"},
        },
        # Guessed: rapid and studio exclude each other.
        "not": {
            "required": ["rapid", "studio"],
            "properties": {"rapid": {"const": True}, "studio": {"const": True}},
        },
    }
)
ONTOLOGY = Parameters(
    {
        "type": "object",
        "required": ["ontology"],
        "properties": {
            # Documented: the choices must differ.
            "ontology": {
                "type": "array",
                "items": {"type": ["string", "object"]},
                "uniqueBy": "choice",
            },
            "name": TEXT,
        },
    }
)
_DESCRIPTION = Checker(
    {
        "type": "object",
        "properties": {
            name: {"type": "array", "items": {"type": "string"}} for name in ("types", "models")
        },
    }
)


# Many are made to find one, so they are kept.
@functools.lru_cache(maxsize=2**16)
def _id_of(name: str, created_at: str) -> str:
    second = int(read_moment(created_at).timestamp()) & 0xFFFFFFFF
    return f"{second:08x}{hashlib.sha256(name.encode()).hexdigest()[:16]}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project at one moment. It never changes."""

    _key = "name"

    #: The type of the project's tasks.
    type: str
    #: The name, unique within the account's mode.
    name: str
    #: The versions of the parameters, oldest first. A version's number is its index.
    param_history: Sequence[Mapping[str, Any]] = EMPTY_LIST
    #: The time of creation, as the API prints times.
    created_at: str
    #: Whether this is a Rapid project, whose batches begin in staging. Not printed.
    rapid: bool = False
    #: Whether this is a Studio project, whose batches begin in staging. Not printed.
    studio: bool = False
    #: Whether the project is archived.
    archived: bool = False
    #: The choices that ``Projects.set_ontology`` set.
    ontology: Sequence[Any] = EMPTY_LIST
    #: The task template, or None. Not printed with the project.
    template: Mapping[str, Any] | None = None
    #: The kinds of work that v2 prints, or None, which it leaves out.
    types: Sequence[str] | None = None
    #: The names of the models that v2 prints, or None, which it leaves out.
    models: Sequence[str] | None = None

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"<Project {self.name!r} {self.type}>"

    @property
    def id(self) -> str:
        """The id, which v2 prints: 24 hex digits (guessed), always the same for a project.

        The first eight are the second of creation, as in all ids. The others are made from the
        name, which no other project of the world has.
        """
        return _id_of(self.name, self.created_at)

    @property
    def stages_batches(self) -> bool:
        """Whether the project's batches begin in staging (documented for Rapid and Studio)."""
        return self.rapid or self.studio

    def to_json(self) -> dict[str, Any]:
        """Return the project as a dict, as the API prints it."""
        printed: dict[str, Any] = {
            "type": self.type,
            "name": self.name,
            "param_history": self.param_history,
            "created_at": self.created_at,
        }
        if self.archived:  # the name is observed, the rest guessed
            printed["archived"] = True
        if self.ontology:  # guessed: the answer to setOntology is unknown
            printed["ontology"] = self.ontology
        return printed

    def params(self, version: int | None = None) -> dict[str, Any]:
        """Return the parameters of a version, by default the newest.

        A project without versions has an empty dict. Raises BadRequest for an unknown version.
        """
        if not self.param_history and version is None:
            return {}
        number = len(self.param_history) - 1 if version is None else version
        if not 0 <= number < len(self.param_history):
            raise invalid("project_version", f'must be a version of project "{self.name}"', version)
        marks = ("version", "created_at")
        return {k: v for k, v in self.param_history[number].items() if k not in marks}


class OntologyBody(TypedDict):
    """The body of ``projects.set_ontology``."""

    #: The choices: texts, or objects with a ``choice``.
    ontology: Sequence[str | Mapping[str, Any]]


class TemplateOptions(TypedDict, total=False):
    """The options of ``projects.set_template``."""

    #: The schema of the response.
    response_schema: Mapping[str, Any]
    #: Whether labelers join the project by themselves; False by default.
    auto_onboard_enabled: bool


class Projects(Listed[Project]):
    """The projects of one mode of one account.

    Iteration yields the projects oldest first. Every method is safe to call from any thread. A
    method that takes a name raises NotFound for an unknown name. A method raises BadRequest
    for a call that the API refuses, and then changes nothing.
    """

    def __init__(
        self,
        clock: Clock,
        ids: TaskIds,
        lock: threading.RLock,
        note: Note = lambda *_, **__: None,
    ) -> None:
        self._note_event = note
        self._clock = clock
        self._ids = ids
        self._lock = lock
        # The text is guessed.
        self._table = Table(Project, "name", lock, 'Project "{}" not found.')
        self._names: dict[str, str] = {}  # the names of projects by ids, as they were found last

    # For clients of the API.

    def create(
        self,
        name: str,
        *,
        type: AnyType,
        params: Mapping[str, Any] | None = None,
        rapid: bool = False,
        studio: bool = False,
    ) -> Project:
        """Create a project as ``POST /v1/projects`` does, and return it.

        ``params`` is the first version of the parameters that tasks of the project inherit.
        Batches of a ``rapid`` or ``studio`` project begin in staging. Raises Conflict if the
        name is taken, BadRequest for a bad argument.
        """
        [task_type] = task_types.read_types("type", [named(type)])
        body = {"name": name, "type": task_type, "rapid": rapid, "studio": studio}
        return self._create({**body, "params": params})

    def _create(self, body: Mapping[str, Any]) -> Project:
        """Create a project from the body of a request."""
        given = CREATION.read(frozen_json("value", body))
        task_type = task_types.required(given["type"])
        with self._lock:
            if given["name"] in self._table:  # documented, except the text
                raise Conflict(f'A project with the name "{given["name"]}" already exists.')
            now = stamp(self._clock.now())
            project = Project(
                type=task_type,
                name=given["name"],
                created_at=now,
                rapid=given.get("rapid", False),
                studio=given.get("studio", False),
            )
            if given.get("params") is not None:
                project = _with_version(project, given["params"], now)
            return self._noted("create", self._table.put(project))

    def get(self, name: Project | str) -> Project:
        """Return the project with this name; raises NotFound if there is none."""
        return self._table.get(name)

    def list(self, *, archived: bool | None = None) -> list[Project]:
        """Return all projects, oldest first.

        ``archived`` selects the archived projects (True) or the others (False).
        """
        return [it for it in self._table if archived in (None, it.archived)]

    def set_params(
        self, name: Project | str, params: Mapping[str, Any], *, patch: bool = False
    ) -> Project:
        """Add a version of the parameters, and return the project.

        With ``patch``, the new version keeps the parameters that you do not give. A parameter
        that you give replaces the whole value (documented). Without ``patch``, the version has
        only the parameters that you give.
        """
        given = frozen_json("params", params)
        with self._lock:
            project = self.get(name)
            kept = project.params() if patch else {}
            now = stamp(self._clock.now())
            changed = self._table.put(_with_version(project, {**kept, **given}, now))
            return self._noted("set_params", changed)

    def set_ontology(self, name: Project | str, /, **body: Unpack[OntologyBody]) -> Project:
        """Set the choices of a project to the list ``ontology``, and return the project."""
        ontology = ONTOLOGY.read(frozen_json("value", body))["ontology"]
        return self._noted("set_ontology", self._table.change(name, ontology=ontology))

    def template(self, name: Project | str) -> Mapping[str, Any]:
        """Return the task template of a project of type ``textcollection`` or ``chat``.

        Raises BadRequest for another type, NotFound if the project has no template.
        """
        project = self.get(name)
        if project.type not in TEMPLATE_TYPES:  # documented as an error, guessed as this one
            raise BadRequest(f"A project of type {project.type} has no task template.")
        if project.template is None:
            raise NotFound(f'Project "{project.name}" has no task template.')
        return project.template

    # For tests: no client can do this.

    def set_template(
        self,
        name: Project | str,
        template_variables: Mapping[str, Any],
        **more: Unpack[TemplateOptions],
    ) -> None:
        """Set the task template of a project, which ``template`` returns.

        ``more`` may hold ``response_schema`` and ``auto_onboard_enabled``. Each call adds 1
        to the version of the template.
        """
        with self._lock:
            project, now = self.get(name), self._clock.now()
            old = project.template or {}
            template = frozen_json(
                "template",
                {
                    "id": old.get("id", self._ids.make(now)),
                    "version": old.get("version", -1) + 1,
                    "created_at": old.get("created_at", stamp(now)),
                    "updated_at": stamp(now),
                    "template_variables": template_variables,
                    "auto_onboard_enabled": False,
                    **more,
                },
            )
            self._noted("set_template", self._table.change(name, template=template))

    def describe(
        self,
        name: Project | str,
        *,
        types: Sequence[str] | None = None,
        models: Sequence[str] | None = None,
    ) -> Project:
        """Set the members ``types`` and ``models`` that v2 prints. Return the project.

        Documented types are ``SFT``, ``RLHF: Pref Ranking``, ``Rubrics``, ``Evals`` and others; the
        official client 2.18.0 to 2.18.3 raises for a word it does not know. A member whose argument
        you leave out stays as it is. A new project has neither (guessed).
        """
        given = {"types": types, "models": models}
        lists = {key: frozen_json(key, it) for key, it in given.items() if it is not None}
        _DESCRIPTION.check(lists)
        return self._noted("describe", self._table.change(name, **lists))

    def archive(self, name: Project | str, *, archived: bool = True) -> Project:
        """Archive a project, or restore it with ``archived=False``. Return the project."""
        return self._noted("archive", self._table.change(name, archived=archived))

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, name: object) -> bool:
        return name in self._table

    # Inside.

    def _noted(self, action: str, project: Project) -> Project:
        """Note a change of a project, and return the project."""
        self._note_event(
            "project changed", project.name, by=actor(), action=action, type=project.type
        )
        return project

    def _find(self, id: str | None, name: str | None) -> Project | None:
        """Return the project with this id or name, as v2 finds it, or None; the id decides."""
        if id is None:
            return None if name is None else self._table.find(name)
        known = self._table.find(self._names.get(id, ""))
        if known is None or known.id != id:
            known = next((project for project in self._table if project.id == id), None)
            if known is not None:
                self._names[id] = known.name
        return known

    def _dump(self) -> builtins.list[dict[str, Any]]:
        """Return the JSON-able data that ``_restore`` takes."""
        return self._table.dump()

    def _restore(self, data: Iterable[Mapping[str, Any]]) -> None:
        """Take over the data of ``_dump``; raises BadRequest for any other data."""
        self._table.restore(data)

    def _adopt(self, name: str, type: str, created_at: str) -> None:
        """Create the project of a loaded task, unless it exists."""
        with self._lock:
            if name not in self._table:
                self._table.put(Project(type=type, name=name, created_at=created_at))


def _with_version(project: Project, params: Mapping[str, Any], now: str) -> Project:
    # Documented: the number of a version is its index in the history.
    version = FrozenDict({**params, "version": len(project.param_history), "created_at": now})
    return dataclasses.replace(project, param_history=FrozenList([*project.param_history, version]))
