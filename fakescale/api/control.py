"""The Python helpers, callable over HTTP: one table, and what reads it.

``POST /_fakescale/<operation>`` with the helper's keyword arguments as a JSON object answers
``{"result": …}``; ``GET /_fakescale/`` lists the operations.
"""

import collections.abc
import dataclasses
import datetime as dt
import functools
import inspect
import operator
import types
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from fakescale.account.audits import Audit, Audits
from fakescale.account.batches import Batch, Batches
from fakescale.account.files import File, Files
from fakescale.account.printed import read_task
from fakescale.account.projects import Project, Projects
from fakescale.account.quality import LabelerResult, QualityTask, QualityTasks
from fakescale.account.studio import Group, Studio, StudioBatch
from fakescale.account.task import Task
from fakescale.account.tasks import Tasks
from fakescale.account.team import Teammate, Teammates
from fakescale.account.world import World
from fakescale.api.request import Request, expect
from fakescale.fake import FakeScale
from fakescale.traffic.callbacks import Delivery
from fakescale.traffic.fault import Fault
from fakescale.traffic.faults import Faults
from fakescale.traffic.journal import Exchange, Journal
from fakescale.traffic.outbox import Outbox
from fakescale.values.answer import Answer, json_answer
from fakescale.values.clock import read_moment, stamp
from fakescale.values.errors import BadRequest, NotFound, invalid
from fakescale.values.frozen import FrozenDict, freeze
from fakescale.values.schemas import Checker


class Shape(NamedTuple):
    """How a result is shown as JSON, and how that is read back into the same value."""

    show: Callable[[Any], Any]
    read: Callable[[Any], Any]


class Operation(NamedTuple):
    """A helper: where the object that has it is found, and what its result looks like.

    ``home`` is a path that begins with ``fake``, or with ``world``: then ``account`` and
    ``test`` are arguments too, and say which.
    """

    home: str
    helper: Callable[..., Any]
    shape: Shape

    @property
    def in_world(self) -> bool:
        """Whether it is about a world."""
        return self.home.partition(".")[0] == "world"

    @property
    def parameters(self) -> list[inspect.Parameter]:
        """The parameters of the helper, without the object itself and what JSON can't hold."""
        given = list(inspect.signature(self.helper).parameters.values())[1:]
        return [it for it in given if Callable not in _alternatives(it.annotation)]

    @property
    def arguments(self) -> dict[str, inspect.Parameter]:
        """What may be given over HTTP, by name."""
        given = [*self.parameters, *(_OF_WORLD if self.in_world else ())]
        return {parameter.name: parameter for parameter in given}


def _show_task(task: Task) -> dict[str, Any]:
    hidden = {"clear_unique_id_on_error": True} if task.clear_unique_id_on_error else {}
    return {**task.to_json(), **hidden}


def _read_task(shown: Mapping[str, Any]) -> Task:
    printed = dict(shown)
    clear = printed.pop("clear_unique_id_on_error", False)
    task = read_task(printed, is_test=printed["is_test"])
    return dataclasses.replace(task, clear_unique_id_on_error=clear)


def _record(cls: type[Any], **shapes: Shape) -> Shape:
    """Return the shape of a frozen dataclass: an object with all its fields.

    ``shapes`` are those of fields that hold more than JSON.
    """
    plain = {
        field.name: Shape(_plain, functools.partial(_unplain, field.type))
        for field in dataclasses.fields(cls)
    }
    fields = plain | shapes

    def show(value: Any) -> dict[str, Any]:
        return {name: shape.show(getattr(value, name)) for name, shape in fields.items()}

    def read(shown: Mapping[str, Any]) -> Any:
        return cls(**{name: shape.read(shown[name]) for name, shape in fields.items()})

    return Shape(show, read)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):  # lossless, whatever the bytes
        return value.decode(errors="surrogateescape")
    return stamp(value) if isinstance(value, dt.datetime) else value


def _unplain(kind: Any, plain: Any) -> Any:
    if plain is not None and bytes in _alternatives(kind):
        return plain.encode(errors="surrogateescape")
    is_moment = plain is not None and dt.datetime in _alternatives(kind)
    return read_moment(plain) if is_moment else freeze(plain)


def _several(shape: Shape) -> Shape:
    return Shape(
        lambda values: [shape.show(value) for value in values],
        lambda shown: [shape.read(item) for item in shown],
    )


def _tuple(shape: Shape) -> Shape:
    several = _several(shape)
    return Shape(several.show, lambda shown: tuple(several.read(shown)))


def _api_key(world: World) -> str:
    """Return a key that leads to the world."""
    return world.api_key


def _callback_auth_key(world: World) -> str:
    """Return what callbacks of the world have in the header ``scale-callback-auth``."""
    return world.callback_auth_key


def _callback_url(world: World) -> str | None:
    """Return where callbacks go of tasks that have no address of their own; null is nowhere."""
    return world.callback_url


def _keep_content(files: Files) -> bool:
    """Return whether the content of uploads is kept from now on."""
    return files.keep_content


def _set_keep_content(files: Files, keep: bool) -> None:
    """Set whether the content of uploads is kept from now on."""
    files.keep_content = keep


def _turnaround(fake: FakeScale) -> float | None:
    """Return how many seconds a live task is pending before it is completed; null is for ever."""
    turnaround = fake.turnaround
    if callable(turnaround):
        raise BadRequest("The turnaround is a function, which is not JSON.")
    return None if turnaround is None else turnaround.total_seconds()


def _set_turnaround(fake: FakeScale, seconds: float | None) -> None:
    """Set how long a live task is pending before it is completed; null is for ever."""
    fake.turnaround = None if seconds is None else dt.timedelta(seconds=seconds)


def _set_callback_url(world: World, url: str | None) -> None:
    """Set where callbacks go of tasks that have no address of their own; null is nowhere."""
    world.callback_url = url


_TASK = Shape(_show_task, _read_task)
_PROJECT = _record(Project)
_BATCH = _record(Batch)
_EXCHANGE = _record(Exchange)
_TEAMMATE = _record(Teammate)
_DELIVERY = Shape(Delivery.to_json, Delivery.from_json)
#: In RemoteFakeScale this becomes something to remove the fault by.
FAULT = Shape(Fault.to_json, freeze)
_MOMENT = Shape(stamp, read_moment)
_JSON = Shape(lambda value: value, lambda shown: shown)  # also of what returns nothing
_FROZEN = Shape(lambda value: value, freeze)
_FILE = _record(File)
_AUDIT = _record(Audit)
_QUALITY_TASK = _record(QualityTask)
_GROUP = _record(Group, workers=_tuple(_TEAMMATE))
_STUDIO_BATCH = _record(StudioBatch, batch=_BATCH, groups=_tuple(_JSON))

# All there is. A row is enough for a new one: it is served, listed, and in RemoteFakeScale,
# at its home and under the helper's own name; tests/test_control.py wants a comparison. An
# argument of a new type needs a row in _KINDS.
OPERATIONS: Mapping[str, Operation] = {
    "list": Operation("world.tasks", Tasks.list, _several(_TASK)),
    "get": Operation("world.tasks", Tasks.get, _TASK),
    "create": Operation("world.tasks", Tasks.create, _TASK),
    "start": Operation("world.tasks", Tasks.start, _TASK),
    "complete": Operation("world.tasks", Tasks.complete, _TASK),
    "fail": Operation("world.tasks", Tasks.fail, _TASK),
    "recall": Operation("world.tasks", Tasks.recall, _TASK),
    "audit": Operation("world.tasks", Tasks.audit, _TASK),
    "cancel": Operation("world.tasks", Tasks.cancel, _TASK),
    "set_metadata": Operation("world.tasks", Tasks.set_metadata, _TASK),
    "set_unique_id": Operation("world.tasks", Tasks.set_unique_id, _TASK),
    "clear_unique_id": Operation("world.tasks", Tasks.clear_unique_id, _TASK),
    "add_tags": Operation("world.tasks", Tasks.add_tags, _TASK),
    "set_tags": Operation("world.tasks", Tasks.set_tags, _TASK),
    "remove_tags": Operation("world.tasks", Tasks.remove_tags, _TASK),
    "load_tasks": Operation("world.tasks", Tasks.load, _JSON),
    "create_project": Operation("world.projects", Projects.create, _PROJECT),
    "list_projects": Operation("world.projects", Projects.list, _several(_PROJECT)),
    "get_project": Operation("world.projects", Projects.get, _PROJECT),
    "set_params": Operation("world.projects", Projects.set_params, _PROJECT),
    "set_ontology": Operation("world.projects", Projects.set_ontology, _PROJECT),
    "template": Operation("world.projects", Projects.template, _FROZEN),
    "archive_project": Operation("world.projects", Projects.archive, _PROJECT),
    "set_template": Operation("world.projects", Projects.set_template, _JSON),
    "create_batch": Operation("world.batches", Batches.create, _BATCH),
    "list_batches": Operation("world.batches", Batches.list, _several(_BATCH)),
    "get_batch": Operation("world.batches", Batches.get, _BATCH),
    "finalize_batch": Operation("world.batches", Batches.finalize, _BATCH),
    "set_batch_metadata": Operation("world.batches", Batches.set_metadata, _BATCH),
    "prioritize_batch": Operation("world.batches", Batches.prioritize, _BATCH),
    "archive_batch": Operation("world.batches", Batches.archive, _BATCH),
    "api_key": Operation("world", _api_key, _JSON),
    "requests": Operation("fake.requests", Journal.list, _several(_EXCHANGE)),
    "advance": Operation("fake", FakeScale.advance, _JSON),
    "now": Operation("fake", FakeScale.now, _MOMENT),
    "stop_clock": Operation("fake", FakeScale.stop_clock, _JSON),
    "start_clock": Operation("fake", FakeScale.start_clock, _JSON),
    "reset": Operation("fake", FakeScale.reset, _JSON),
    "disable_type": Operation("fake", FakeScale.disable_type, _JSON),
    "enable_type": Operation("fake", FakeScale.enable_type, _JSON),
    "add_teammate": Operation("world.teammates", Teammates.add, _TEAMMATE),
    "accept_invitation": Operation("world.teammates", Teammates.accept, _TEAMMATE),
    "disable_teammate": Operation("world.teammates", Teammates.disable, _TEAMMATE),
    "list_teammates": Operation("world.teammates", Teammates.list, _several(_TEAMMATE)),
    "get_teammate": Operation("world.teammates", Teammates.get, _TEAMMATE),
    "invite": Operation("world.teammates", Teammates.invite, _several(_TEAMMATE)),
    "set_role": Operation("world.teammates", Teammates.set_role, _several(_TEAMMATE)),
    "get_file": Operation("world.files", Files.get, _FILE),
    "list_files": Operation("world.files", Files.list, _several(_FILE)),
    "import_file": Operation("world.files", Files.import_file, _FILE),
    "keep_content": Operation("world.files", _keep_content, _JSON),
    "set_keep_content": Operation("world.files", _set_keep_content, _JSON),
    "assignments": Operation("world.studio", Studio.assignments, _JSON),
    "assign": Operation("world.studio", Studio.assign, _JSON),
    "unassign": Operation("world.studio", Studio.unassign, _JSON),
    "groups": Operation("world.studio", Studio.groups, _several(_GROUP)),
    "create_group": Operation("world.studio", Studio.create_group, _GROUP),
    "change_group": Operation("world.studio", Studio.change_group, _GROUP),
    "studio_batches": Operation("world.studio", Studio.batches, _several(_STUDIO_BATCH)),
    "set_batch_groups": Operation("world.studio", Studio.set_batch_groups, _STUDIO_BATCH),
    "set_priorities": Operation("world.studio", Studio.set_priorities, _several(_STUDIO_BATCH)),
    "reset_priorities": Operation("world.studio", Studio.reset_priorities, _several(_STUDIO_BATCH)),
    "create_audit": Operation("world.audits", Audits.create, _AUDIT),
    "list_audits": Operation("world.audits", Audits.list, _several(_AUDIT)),
    "create_quality_task": Operation("world.quality_tasks", QualityTasks.create, _QUALITY_TASK),
    "get_quality_task": Operation("world.quality_tasks", QualityTasks.get, _QUALITY_TASK),
    "list_quality_tasks": Operation(
        "world.quality_tasks", QualityTasks.list, _several(_QUALITY_TASK)
    ),
    "record": Operation("world.quality_tasks", QualityTasks.record, _record(LabelerResult)),
    "turnaround": Operation("fake", _turnaround, _JSON),
    "set_turnaround": Operation("fake", _set_turnaround, _JSON),
    "callback_auth_key": Operation("world", _callback_auth_key, _JSON),
    "callback_url": Operation("world", _callback_url, _JSON),
    "set_callback_url": Operation("world", _set_callback_url, _JSON),
    "send_callback": Operation("world.tasks", Tasks.send_callback, _TASK),
    "callbacks": Operation("fake.callbacks", Outbox.list, _several(_DELIVERY)),
    "deliver": Operation("fake.callbacks", Outbox.deliver, _several(_DELIVERY)),
    "add_fault": Operation("fake.faults", Faults.add, FAULT),
    "rate_limit": Operation("fake.faults", Faults.rate_limit, FAULT),
    "outage": Operation("fake.faults", Faults.outage, FAULT),
    "lost_answer": Operation("fake.faults", Faults.lost_answer, FAULT),
    "duplicate_in_flight": Operation("fake.faults", Faults.duplicate_in_flight, FAULT),
    "faults": Operation("fake.faults", Faults.list, _several(FAULT)),
    "remove_fault": Operation("fake.faults", Faults.remove, _JSON),
    "dump": Operation("fake", FakeScale.dump, _JSON),
    "load": Operation("fake", FakeScale.load, _JSON),
}

_OF_WORLD = list(inspect.signature(FakeScale.world).parameters.values())[1:]

# What an argument annotated so is in JSON.
_KINDS: Mapping[Any, Mapping[str, Any]] = {
    Any: {},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    types.NoneType: {"type": "null"},
    dt.datetime: {"type": "string", "format": "moment"},
    collections.abc.Mapping: {"type": "object"},
    collections.abc.Sequence: {"type": "array"},
    collections.abc.Iterable: {"type": "array"},
    Literal: {"type": "string"},
    Fault: {"type": "integer"},  # by its id
}


def respond(fake: FakeScale, request: Request, name: str) -> Answer:
    """Answer a control call that may be made; ``name`` is the operation's, "" for the list."""
    if (request.method, name) == ("GET", ""):
        return json_answer({"operations": {name: _described(name) for name in OPERATIONS}})
    operation = OPERATIONS.get(name)
    if request.method != "POST" or operation is None:
        raise NotFound(
            f"There is no operation {request.method} /_fakescale/{name};"
            " GET /_fakescale/ lists those there are, which are called by POST."
        )
    given = expect(request.content, FrozenDict)
    for argument, value in given.items():
        _check(name, argument, value)
    for argument, parameter in operation.arguments.items():
        if _is_required(parameter) and argument not in given:
            raise invalid(argument, "is required")
    try:
        result = _call(fake, operation, given)
    except (TypeError, ValueError, OverflowError) as error:  # the name of no filter, or account
        raise BadRequest(f"{name}: {error}") from error
    return json_answer({"result": operation.shape.show(result)})


def _call(fake: FakeScale, operation: Operation, given: Mapping[str, Any]) -> Any:
    """Call the helper itself."""
    named = {name: _argument(operation, name, value) for name, value in given.items()}
    root, _, attribute = operation.home.partition(".")
    home: Any = fake
    if root == "world":
        which = {it.name: named.pop(it.name) for it in _OF_WORLD if it.name in named}
        home = fake.world(**which)
    if attribute:
        home = operator.attrgetter(attribute)(home)
    placed = [
        named.pop(parameter.name)
        for parameter in operation.parameters
        if parameter.kind is parameter.POSITIONAL_ONLY
    ]
    return operation.helper(home, *placed, **named)


def _argument(operation: Operation, name: str, value: Any) -> Any:
    """Return an argument as the helper takes it: a moment comes as text."""
    parameter = operation.arguments.get(name)
    is_moment = parameter is not None and dt.datetime in _alternatives(parameter.annotation)
    return read_moment(value) if is_moment and value is not None else value


def _check(name: str, argument: str, value: Any) -> None:
    """Raise BadRequest unless the operation of that ``name`` takes this."""
    checkers = _checkers(name)
    checker = checkers.get(argument) or checkers.get("")
    if checker is None:
        known = ", ".join(OPERATIONS[name].arguments) or "none"
        raise invalid(argument, f"is not an argument of {name}; there are: {known}")
    checker.check(value, argument)


@functools.cache
def _checkers(name: str) -> Mapping[str, Checker]:
    """Return what judges each argument, by name; under "", those that have any other."""
    return {
        "" if it.kind is it.VAR_KEYWORD else argument: Checker(_schema(it))
        for argument, it in OPERATIONS[name].arguments.items()
    }


def _schema(parameter: inspect.Parameter) -> dict[str, Any]:
    """Return the JSON Schema of an argument."""
    schemas = [_KINDS[kind] for kind in _alternatives(parameter.annotation)]
    if {} in schemas:
        return {}
    kinds = list(dict.fromkeys(schema["type"] for schema in schemas))
    merged = {name: value for schema in schemas for name, value in schema.items()}
    return {**merged, "type": kinds[0] if len(kinds) == 1 else kinds}


def _alternatives(annotation: Any) -> list[Any]:
    is_union = isinstance(annotation, types.UnionType) or get_origin(annotation) is Union
    several = get_args(annotation) if is_union else (annotation,)
    return [get_origin(kind) or kind for kind in several]


def _is_required(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD


def _described(name: str) -> dict[str, Any]:
    """Return what the list says of an operation."""
    arguments = {}
    for argument, parameter in OPERATIONS[name].arguments.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            arguments["…"] = {**_schema(parameter), "description": "any further argument"}
            continue
        arguments[argument] = {**_schema(parameter), "required": _is_required(parameter)}
        if parameter.default is not parameter.empty:
            arguments[argument]["default"] = parameter.default
    line = (inspect.getdoc(OPERATIONS[name].helper) or "").partition("\n")[0]
    return {"description": line, "arguments": arguments}
