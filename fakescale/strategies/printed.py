"""Tasks as the API prints them."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from fakescale.account import task as moves
from fakescale.account.responses import failure
from fakescale.account.responses import response as make_up
from fakescale.account.task import AUDIT_RESULTS, Status, Task
from fakescale.account.task_types import read_creation
from fakescale.account.words import TaskType
from fakescale.strategies.creations import plain, valid_creations
from fakescale.strategies.threads import drawn_threads
from fakescale.values.clock import stamp
from fakescale.values.frozen import EMPTY_DICT

_MOMENTS = st.datetimes(
    dt.datetime(2020, 1, 1), dt.datetime(2029, 12, 31), timezones=st.just(dt.UTC)
)
_SPANS = st.integers(0, 10**7).map(lambda seconds: dt.timedelta(seconds=seconds))
_HEXES = st.integers(0, 16**16 - 1).map("{:016x}".format)


@st.composite
def printed_tasks(
    draw: DrawFn, types: Sequence[TaskType], statuses: Sequence[Status], members: Mapping[str, Any]
) -> dict[str, Any]:
    """Draw a task of one of ``types``, in one of ``statuses``."""
    creation = read_creation(*draw(valid_creations(types, members)))
    now = draw(_MOMENTS)
    home = EMPTY_DICT if creation.fields.keys() & {"project", "batch"} else draw(_HOMES)
    members = {
        "task_id": f"{int(now.timestamp()):08x}{draw(_HEXES)}",
        "created_at": stamp(now),
        "updated_at": stamp(now),
        "type": creation.type,
        "params": creation.params,
        "is_test": draw(st.booleans()),
        **home,
        **creation.fields,
    }
    task = Task(members, clear_unique_id_on_error=members.pop("clear_unique_id_on_error", False))
    status = draw(st.sampled_from(statuses))
    done = stamp(now + draw(_SPANS))
    if status is Status.CANCELED:
        task = moves.cancel(task, done, clear_unique_id=draw(st.booleans()))
    elif draw(st.booleans()):
        task = moves.start(task, stamp(now))
    if status is Status.ERROR:
        task = moves.fail(task, done, failure(task))
    if status is Status.COMPLETED:
        task = moves.complete(task, done, draw(_made_up(task)))
        for audit in draw(st.lists(_AUDITS, max_size=2)):
            task = moves.audit(task, done, audited_by="ada@example.com", **audit)
    if task.callback_url and status in (Status.COMPLETED, Status.ERROR):
        task = moves.note_callback(task, succeeded=draw(st.booleans()))
    printed: dict[str, Any] = plain(task.to_json())
    return printed


# A printed task may have a project and a batch that a drawn creation could not name.
_HOMES: SearchStrategy[Mapping[str, Any]] = st.sampled_from(
    [
        {},
        {"project": "pets", "project_param_version": 0},
        {"project": "pets", "batch": "pets/1, new", "project_param_version": 1},
    ]
)
_AUDITS: SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "result": st.sampled_from(AUDIT_RESULTS),
        "comments": st.sampled_from([None, "Größe?"]),
        "source": st.sampled_from(["customer", "scale"]),
    }
)


@st.composite
def _made_up(draw: DrawFn, task: Task) -> dict[str, Any]:
    """Draw a response to ``task``: the annotations of several made-up responses, moved about."""
    made = dict(make_up(task))
    if "threads" in made:
        made["threads"] = draw(drawn_threads())
    if isinstance(made.get("annotations"), list):
        several = draw(st.lists(_HEXES, max_size=2, unique=True))
        ids = [task.id[:8] + digits for digits in several]
        others = [make_up(moves.replace(task, task_id=it))["annotations"] for it in ids]
        made["annotations"] = [_moved(draw, annotation) for it in others for annotation in it]
    return made


def _moved(draw: DrawFn, value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: draw(_PIXELS) if name in _COORDINATES else _moved(draw, item)
            for name, item in value.items()
        }
    return [_moved(draw, item) for item in value] if isinstance(value, list) else value


_COORDINATES = {"x", "y", "left", "top", "width", "height"}
_PIXELS = st.integers(0, 4000) | st.floats(0, 4000)
