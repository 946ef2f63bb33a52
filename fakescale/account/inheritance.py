"""The members that a new task inherits from its batch and its project."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from fakescale.account import task_types
from fakescale.account.batches import Batches
from fakescale.account.projects import Project, Projects
from fakescale.values.errors import invalid
from fakescale.values.frozen import EMPTY_DICT

# Both names are observed; the API prints the second.
_VERSIONS = ("project_version", "project_param_version")
# Guessed: members that identify the task or say where it belongs are never inherited.
_OWN = {"project", "batch", "unique_id", *_VERSIONS}


class Inherited(NamedTuple):
    """A creation body with its inherited members."""

    body: Mapping[str, Any]
    #: The version of the project's parameters, or None if none were inherited.
    version: int | None


def inherit(
    type: str,
    body: Mapping[str, Any],
    projects: Projects,
    batches: Batches,
    *,
    in_batch: bool = True,
) -> Inherited:
    """Return the creation body of a task, completed from its batch and its project.

    Documented: a batch implies its project. The task inherits each parameter of the project
    that its body lacks, from the newest or the requested version. If both have an instruction,
    the project's follows the task's. With ``in_batch``, a task of a Rapid project must be in a
    batch.

    Raises NotFound for an unknown type. Raises BadRequest if the type, the project and the
    batch do not match, or a name is unknown (guessed: 400, not 404, since the parameter is
    bad, not the path).
    """
    task_type = task_types.required(type)
    given = {name: value for name, value in body.items() if value is not None}
    name = _text(given, "project")
    batch_name = _text(given, "batch")
    if batch_name is not None:
        if batch_name not in batches:
            raise invalid("batch", "must be the name of a batch", batch_name)
        home = batches.get(batch_name).project
        if name not in (None, home):
            raise invalid("project", f'must be that of the batch, "{home}"', name)
        name = home
    if name is None:
        return Inherited(given, None)
    if name not in projects:
        raise invalid("project", "must be the name of a project", name)
    project = projects.get(name)
    if project.type != task_type:  # guessed; a project has one type
        raise invalid("project", f"must be a project of type {task_type}, not {project.type}", name)
    if in_batch and project.rapid and batch_name is None:  # documented
        raise invalid("batch", "is required")
    version = _version(given, project)
    params = EMPTY_DICT if version is None else project.params(version)
    inherited = {name: value for name, value in params.items() if name not in _OWN}
    merged = {**inherited, **given, "project": name}
    # Guessed: a line break joins the two.
    texts = [given.get("instruction"), inherited.get("instruction")]
    if all(isinstance(text, str) for text in texts):
        merged["instruction"] = "\n".join(map(str, texts))
    return Inherited(merged, version)


def _text(body: Mapping[str, Any], name: str) -> str | None:
    if name not in body:
        return None
    task_types.check_common(name, body[name])
    text: str = body[name]
    return text


def _version(body: Mapping[str, Any], project: Project) -> int | None:
    """Return the version of the parameters to inherit, or None to inherit none."""
    for name in _VERSIONS:
        if name in body:
            version = task_types.read_common(name, body[name])
            if version == -1:  # observed: ignores the parameters of the project
                return None
            project.params(version)
            return int(version)
    return len(project.param_history) - 1 if project.param_history else None
