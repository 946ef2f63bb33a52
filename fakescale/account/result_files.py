"""The result files that made-up responses point to, and the origin of their URLs."""

import json
import random
import re
from collections.abc import Callable
from typing import Any

from fakescale.account import masks
from fakescale.account.file_contents import FILES
from fakescale.account.listing import Page
from fakescale.account.shapes import PLAIN, Plan
from fakescale.account.task import Task, replace
from fakescale.values.answer import Answer, decode, encode
from fakescale.values.errors import NotFound
from fakescale.values.frozen import FrozenDict, freeze
from fakescale.values.ids import make_uuid

_TYPES = {"segmentannotation", *FILES}

# The path is documented. The origin is the fake's own.
_MARK = b"/response_url/"
_URL = re.compile(r"https?://[^/]+(?:/.*)?(/v1/task/[^/]+/response_url/[0-9a-f-]{36})")


def points_to(task: Task, name: str) -> bool:
    """Return whether the response of ``task`` points to the result file ``name``."""
    return bool(_member(task, name))


def _member(task: Task, name: str) -> str | None:
    """Return the member of the response that points to the result file ``name``, or None."""
    suffix = f"/v1/task/{task.id}/response_url/{name}"
    for member, value in (task.response or {}).items():
        if any(url.endswith(suffix) for url in _texts(value)):
            return member
    return None


def result_file(task: Task, name: str) -> Answer:
    """Return the answer with the result file ``name``, a UUID, of ``task``.

    Raises NotFound unless the made-up response of the task points to that file.
    """
    rng, plan = random.Random(task.id[8:]), planned(name)
    if plan is not PLAIN:
        rng = random.Random(name)
    if (member := _member(task, name)) is not None:
        if task.type == "segmentannotation":
            if picture := masks.picture(task.params, rng, name):
                return Answer(200, picture, FrozenDict({"Content-Type": "image/png"}))
        elif make := FILES.get(task.type, {}).get(member):
            return Answer(200, json.dumps(make(task.params, rng, plan)).encode())
    raise NotFound(f'Task "{task.id}" has no result file "{name}".')  # the text is guessed


# The name of a file with many objects tells its plan, so that nothing else need remember it. It is
# a UUID of version 8, a version for private use, and holds the number, the width and the height.
_PLANNED = re.compile("([0-9a-f]{8})-([0-9a-f]{4})-8[0-9a-f]{3}-([0-9a-f]{4})-[0-9a-f]{12}")
_MOST_OBJECTS = 1_000
_MOST_PIXELS = 0xFFFF


def file_name(rng: random.Random, plan: Plan) -> str:
    """Return the name of a new result file, a UUID."""
    if plan.size is None:
        return make_uuid(rng)
    width, height = (min(int(it), _MOST_PIXELS) for it in plan.size)
    number = min(plan.number, _MOST_OBJECTS)
    head = f"{number:08x}-{width:04x}-8{rng.getrandbits(12):03x}"
    return f"{head}-{height:04x}-{rng.getrandbits(48):012x}"


def planned(name: str) -> Plan:
    """Return the plan of the result file ``name``."""
    found = _PLANNED.fullmatch(name)
    if found is None:
        return PLAIN
    number, width, height = (max(1, int(it, 16)) for it in found.groups())
    return Plan(min(number, _MOST_OBJECTS), (width, height))


def seen_from(origin: Callable[[], str], content: Any) -> Any:
    """Return the content of an answer, with the URLs of result files moved to ``origin``.

    ``origin`` returns the origin that the client knows. The fake's own may differ, and may have
    changed since the response was made.
    """
    if isinstance(content, Page):
        return content._replace(docs=[seen_from(origin, item) for item in content.docs])
    if isinstance(content, Task) and content.type in _TYPES and _MARK in content.to_text():
        return replace(content, response=_moved(content.response, origin()))
    return content


def _moved(value: Any, origin: str) -> Any:
    if isinstance(value, dict):
        return {name: _moved(item, origin) for name, item in value.items()}
    if isinstance(value, list):
        return [_moved(item, origin) for item in value]
    found = _URL.fullmatch(value) if isinstance(value, str) else None
    return origin + found[1] if found else value


def placed(task: Task, response: FrozenDict, nowhere: str, origin: str) -> FrozenDict:
    """Return a response of ``task`` with the URLs of its result files at ``origin``.

    Only URLs that begin with ``nowhere`` are moved.
    """
    if task.type not in _TYPES:
        return response
    text, start = encode(response), f"{nowhere}/v1/task/".encode()
    if start not in text:
        return response
    found: FrozenDict = freeze(decode(text.replace(start, f"{origin}/v1/task/".encode())))
    return found


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []
