"""The projects of one world, and their versions of parameters, which tasks inherit."""

import builtins
import dataclasses
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fakescale.account import task_types
from fakescale.values.clock import Clock, stamp
from fakescale.values.dumps import Table
from fakescale.values.errors import BadRequest, Conflict, NotFound, invalid
from fakescale.values.frozen import EMPTY_LIST, FrozenDict, FrozenList
from fakescale.values.ids import TaskIds
from fakescale.values.schemas import TEXT, Parameters, frozen_json

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
        # Guessed: these exclude each other.
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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project at one moment."""

    type: str
    name: str
    #: The versions of the parameters, oldest first; the number of one is its place.
    param_history: Sequence[Mapping[str, Any]] = EMPTY_LIST
    created_at: str
    #: Both not printed; they decide how batches begin.
    rapid: bool = False
    studio: bool = False
    archived: bool = False
    ontology: Sequence[Any] = EMPTY_LIST
    template: Mapping[str, Any] | None = None

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def stages_batches(self) -> bool:
        """Whether its batches begin in staging (documented for Rapid and Studio)."""
        return self.rapid or self.studio

    def to_json(self) -> dict[str, Any]:
        """Return the project as the API prints it."""
        printed: dict[str, Any] = {
            "type": self.type,
            "name": self.name,
            "param_history": self.param_history,
            "created_at": self.created_at,
        }
        if self.archived:  # the name is observed, the rest guessed
            printed["archived"] = True
        if self.ontology:  # guessed: the reply to setOntology is not known
            printed["ontology"] = self.ontology
        return printed

    def params(self, version: int | None = None) -> dict[str, Any]:
        """Return the parameters of a version, by default the newest.

        Raises BadRequest for a version that there is not.
        """
        if not self.param_history and version is None:
            return {}
        number = len(self.param_history) - 1 if version is None else version
        if not 0 <= number < len(self.param_history):
            raise invalid("project_version", f'must be a version of project "{self.name}"', version)
        marks = ("version", "created_at")
        return {k: v for k, v in self.param_history[number].items() if k not in marks}


class Projects:
    """The projects of one mode of one account. Iterating gives them oldest first.

    Every method is safe to call from any thread. A method that takes a name raises NotFound
    for an unknown one. A method raises BadRequest, having changed nothing, where the API
    refuses.
    """

    def __init__(self, clock: Clock, ids: TaskIds, lock: threading.RLock) -> None:
        self._clock = clock
        self._ids = ids
        self._lock = lock
        # The text is guessed.
        self._table = Table(Project, "name", lock, 'Project "{}" not found.')

    # For clients of the API.

    def create(self, /, **body: Any) -> Project:
        """Create a project as ``POST /v1/projects`` does; Conflict when the name is taken."""
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
            return self._table.put(project)

    def get(self, name: str) -> Project:
        """Return the project of this name."""
        return self._table.get(name)

    def list(self, *, archived: bool | None = None) -> list[Project]:
        """Return all projects, or only those that are or are not archived."""
        return [it for it in self._table if archived in (None, it.archived)]

    def set_params(self, name: str, params: Mapping[str, Any], *, patch: bool = False) -> Project:
        """Add a version of the parameters.

        With ``patch`` the new version keeps the parameters that are not given, and the given
        ones replace whole values (documented). Otherwise it has the given parameters alone.
        """
        given = frozen_json("params", params)
        with self._lock:
            project = self.get(name)
            kept = project.params() if patch else {}
            now = stamp(self._clock.now())
            return self._table.put(_with_version(project, {**kept, **given}, now))

    def set_ontology(self, name: str, /, **body: Any) -> Project:
        """Set the choices of a project."""
        ontology = ONTOLOGY.read(frozen_json("value", body))["ontology"]
        return self._table.change(name, ontology=ontology)

    def template(self, name: str) -> Mapping[str, Any]:
        """Return the task template of a project of one of ``TEMPLATE_TYPES``."""
        project = self.get(name)
        if project.type not in TEMPLATE_TYPES:  # documented as an error, guessed as this one
            raise BadRequest(f"A project of type {project.type} has no task template.")
        if project.template is None:
            raise NotFound(f'Project "{name}" has no task template.')
        return project.template

    # For tests: no client can do this.

    def set_template(self, name: str, template_variables: Mapping[str, Any], **more: Any) -> None:
        """Give a project the task template that ``template`` then returns.

        ``more`` may hold ``response_schema`` and ``auto_onboard_enabled``.
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
            self._table.change(name, template=template)

    def archive(self, name: str, *, archived: bool = True) -> Project:
        """Archive a project, or with ``archived=False`` bring it back."""
        return self._table.change(name, archived=archived)

    def __iter__(self) -> Iterator[Project]:
        return iter(self.list())

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, name: object) -> bool:
        return name in self._table

    # Inside.

    def _dump(self) -> builtins.list[dict[str, Any]]:
        """Return the JSON-able data that ``_restore`` takes."""
        return self._table.dump()

    def _restore(self, data: Iterable[Mapping[str, Any]]) -> None:
        """Take over the data of ``_dump``; raises BadRequest if it is none."""
        self._table.restore(data)

    def _adopt(self, name: str, type: str, created_at: str) -> None:
        """Make the project that a loaded task belongs to, unless it is there."""
        with self._lock:
            if name not in self._table:
                self._table.put(Project(type=type, name=name, created_at=created_at))


def _with_version(project: Project, params: Mapping[str, Any], now: str) -> Project:
    # Documented: a version is numbered by its place in the history.
    version = FrozenDict({**params, "version": len(project.param_history), "created_at": now})
    return dataclasses.replace(project, param_history=FrozenList([*project.param_history, version]))
