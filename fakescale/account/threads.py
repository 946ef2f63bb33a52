"""Threads, the results of chat tasks in v2: how they are held, made up and shown.

The threads of a task are the member ``threads`` of its v1 response (guessed: no public source
shows how v1 holds them).
"""

import random
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from fakescale.account.made_up import TEXT, members_of
from fakescale.account.shapes import Params
from fakescale.account.thread_schemas import DETAILS, THREADS
from fakescale.values.frozen import FrozenDict, freeze
from fakescale.values.schemas import Checker

#: The task types whose made-up responses have threads (documented: v2 was made for them).
TYPES = ("chat", "chatexperimental", "chatlite", "multichat")
#: The values of the parameter ``opts`` (documented).
OPTS = ("annotation_details", "attachment_details", "model_parameters", "submissions")

# The members of an annotation that are left out without the option `annotation_details`.
_DETAILS = {*DETAILS, "metadata"}
_CHECKER = Checker(THREADS)

# The members that hold free JSON or single values, so that nothing below them is an annotation.
_FREE = ("value", "metadata", "possible_values", "model_parameters", "attachments")


def stored(task_id: str, response: FrozenDict) -> FrozenDict:
    """Return a response as a task holds it: missing ids and empty lists in its threads are added.

    Raises BadRequest, naming the member, for threads that the official client cannot read. A
    member ``threads`` that is no array is free JSON.
    """
    given = response.get("threads")
    if not isinstance(given, list):
        return response
    filled = freeze(_filled(_whole(given), "threads", iter(range(10**9)), task_id))
    _CHECKER.check(filled, "response.threads")
    return FrozenDict({**response, "threads": filled})


def _whole(value: Any) -> Any:
    """Return JSON with 3 for 3.0, as Node prints it (inferred); the client refuses 3.0."""
    if isinstance(value, Mapping):
        return {name: _whole(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


# The members that are added to the items of a list by its name; guessed, after the samples.
def _added(name: str, index: int, item: Mapping[str, Any]) -> dict[str, Any]:
    role = item.get("role")
    by_name: dict[str, dict[str, Any]] = {
        "threads": {"id": f"thread_{index}", "turns": [], "annotations": []},
        "turns": {"id": f"turn_{index}", "messages": [], "annotations": []},
        "messages": {
            "content": {},
            "source_id": "base_model" if role == "assistant" else role,
            "annotations": [],
        },
        "chunks": {"type": "text", "annotations": []},
        "criteria_definitions": {"id": f"criterion_{index}", "annotations": []},
    }
    return by_name.get(name, {})


def _filled(value: Any, name: str, numbers: Iterator[int], task_id: str) -> Any:
    if isinstance(value, list):
        return [
            _filled({**_added(name, index, item), **item}, name, numbers, task_id)
            if isinstance(item, Mapping)
            else item
            for index, item in enumerate(value)
        ]
    if not isinstance(value, Mapping):
        return value
    filled = {
        key: item if key in _FREE else _filled(item, key, numbers, task_id)
        for key, item in value.items()
        if item is not None  # the client takes null for absent, but not everywhere
    }
    if name == "annotations" and "id" not in filled:
        filled["id"] = f"an_{task_id}_{next(numbers)}"  # the form is guessed
    return filled


def of(response: Mapping[str, Any] | None) -> list[Any]:
    """Return the threads of a response; none if it has no such member.

    Guessed: a loaded response may have threads of another form, which v2 does not show.
    """
    found = members_of(response).get("threads")
    return found if isinstance(found, list) and _CHECKER.accepts(found) else []


def annotations(part: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the annotations in a part of the threads."""
    for item in part if isinstance(part, list) else ():
        yield from annotations(item)
    for name, item in members_of(part).items():
        if name == "annotations" and isinstance(item, list):
            yield from (it for it in item if isinstance(it, Mapping))
        if name not in _FREE:
            yield from annotations(item)


def shown(part: Any, opts: Collection[str], name: str = "threads") -> Any:
    """Return a part of the threads as v2 shows it with ``opts``.

    Guessed: without an option, the members that it names are left out. Those of an annotation
    that the client requires stay.
    """
    if isinstance(part, list):
        return [shown(item, opts, name) for item in part]
    if not isinstance(part, Mapping):
        return part
    if name == "annotations":
        return {k: v for k, v in part.items() if "annotation_details" in opts or k not in _DETAILS}
    if name == "attachments":
        is_whole = "attachment_details" in opts
        return {k: v for k, v in part.items() if is_whole or k in ("url", "scale_url")}
    return {
        key: shown(item, opts, key)
        for key, item in part.items()
        if key not in ("model_parameters", "submissions") or key in opts
    }


def made_up(params: Params, rng: random.Random) -> list[Any]:
    """Return made-up threads: one thread with one turn, its messages and a rating.

    Guessed. The prompt is the template variable ``prompt``, or the first one that is a text.
    """
    variables = members_of(params.get("template_variables"))
    texts = [it for it in (variables.get("prompt"), *variables.values()) if isinstance(it, str)]
    rating = {
        "key": "overall_rating",
        "type": "integer",
        "value": rng.randint(1, 5),
        "title": "Overall rating",
        "possible_values": [1, 2, 3, 4, 5],
    }
    answer = {
        "role": "assistant",
        "content": {"text": TEXT},
        "model_parameters": {"model": "base_model", "temperature": 1},
        "annotations": [rating],
    }
    prompt = {"role": "user", "content": {"text": (texts or [TEXT])[0]}}
    return [{"turns": [{"messages": [prompt, answer]}], "submissions": []}]
