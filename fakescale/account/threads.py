"""Threads, the results of chat tasks in v2: their schema, the made-up ones, and what is shown.

The threads of a task are the member ``threads`` of its v1 response (guessed: no public source
shows how v1 holds them).
"""

import random
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from fakescale.account.made_up import TEXT, members_of
from fakescale.account.shapes import Params
from fakescale.values.frozen import FrozenDict, freeze
from fakescale.values.schemas import Checker

#: The task types whose made-up responses have threads (documented: v2 was made for them).
TYPES = ("chat", "chatexperimental", "chatlite", "multichat")
#: The values of the parameter ``opts`` (documented).
OPTS = ("annotation_details", "attachment_details", "model_parameters", "submissions")

_TEXT = {"type": "string"}
_NUMBER = {"type": "number"}
_INTEGER = {"type": "integer"}
_BOOLEAN = {"type": "boolean"}
_OBJECT = {"type": "object"}
_TIME = {"type": "string", "format": "date-time"}


def _array(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _object(
    required: Mapping[str, Any], optional: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    members = {**required, **(optional or {})}
    return {"type": "object", "required": list(required), "properties": members}


_ANNOTATIONS = _array(_ref("Annotation"))
_STREAM = _object({}, dict.fromkeys(("content", "url", "scale_url"), _TEXT))
_WORKSPACE = _object(
    {
        **dict.fromkeys(("workspace_id", "workspace_url", "workspace_token", "expires_at"), _TEXT),
        "inactivity_freeze_time": _INTEGER,
    },
    {"force_enable_workspace_access": _BOOLEAN, "workspace_image_version": _INTEGER},
)
_OUTPUT_FILE = _object(
    {"scale_url": _TEXT},
    dict.fromkeys(("file_name", "url", "file_language", "file_content"), _TEXT),
)
#: The schema of the value of an annotation by its type (documented, by the client's models).
VALUES: Mapping[str, Mapping[str, Any]] = {
    "integer": _INTEGER,
    "boolean": _BOOLEAN,
    "text": _TEXT,
    "category": _TEXT,
    "category_multiple": _array(_TEXT),
    "ranked_choices": _array(_TEXT),
    "ranked_groups": _array(_array(_TEXT)),
    "labeled_text": _array(_object({}, {"label": _TEXT, "text": _TEXT})),
    # A single object is documented too, but the client reads none.
    "file": {"anyOf": [_array(_OBJECT), _OBJECT]},
    "rubric_criteria": _object({}, {"weight": _NUMBER}),
    "rubric_rating": _object({}, {"score": _NUMBER, "color": _TEXT, "justification": _TEXT}),
    "workspace_container": _object(
        {},
        {
            "workspace_id": _TEXT,
            "workspace_config": _WORKSPACE,
            "last_code_run_event": _OBJECT,
            "output_files": _array(_OUTPUT_FILE),
            **dict.fromkeys(
                ("stdout_output", "stderr_output", "test_stdout_output", "test_stderr_output"),
                _STREAM,
            ),
        },
    ),
}
# Observed: the choices are flat, and only these types have any.
_CHOICES = {
    "integer": _INTEGER,
    "boolean": _BOOLEAN,
    "category": _TEXT,
    "category_multiple": _TEXT,
}
_DETAILS = {
    "title": _TEXT,
    "description": _TEXT,
    "labels": _array(_TEXT),
    "possible_values": {"type": "array"},
    "justification": _TEXT,
    "not_applicable": _BOOLEAN,
    "cannot_assess": _BOOLEAN,
    "metadata": _OBJECT,
}


def _of_type(type: str) -> dict[str, Any]:
    value: dict[str, Any] = {"value": VALUES[type]}
    if type in _CHOICES:
        value["possible_values"] = _array(_CHOICES[type])
    return {
        "if": {"properties": {"type": {"const": type}}, "required": ["type"]},
        "then": {"properties": value},
    }


#: The schemas of a thread and its parts, by name; the official client refuses anything else.
SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "Annotation": {
        **_object(
            {"id": _TEXT, "key": _TEXT, "type": {"enum": list(VALUES)}}, {"value": {}, **_DETAILS}
        ),
        "allOf": [_of_type(type) for type in VALUES],
    },
    "Thread": _object(
        {"id": _TEXT, "turns": _array(_ref("Turn")), "annotations": _ANNOTATIONS},
        {"submissions": _array(_object({}, {"submitted_at": _TIME, "contributor_id": _TEXT}))},
    ),
    "Turn": _object(
        {"id": _TEXT, "messages": _array(_ref("Message")), "annotations": _ANNOTATIONS},
        {"rubrics": _array(_ref("Rubric"))},
    ),
    "Message": _object(
        {
            "role": {"enum": ["system", "user", "assistant", "function"]},
            "content": _ref("MessageContent"),
            "source_id": _TEXT,
            "annotations": _ANNOTATIONS,
        },
        {
            "model_parameters": _object(
                {},
                {
                    "model": _TEXT,
                    "temperature": _NUMBER,
                    "max_completion_tokens": _INTEGER,
                    "top_p": _NUMBER,
                    "top_k": _INTEGER,
                },
            ),
            "rubric_evaluations": _array(_ref("RubricEvaluation")),
        },
    ),
    "MessageContent": _object(
        {},
        {
            "text": _TEXT,
            "reference_texts": _array(
                _object({}, dict.fromkeys(("content", "category", "url"), _TEXT))
            ),
            "attachments": _array(_OBJECT),
            "chunks": _array(_object({"type": _TEXT, "text": _TEXT, "annotations": _ANNOTATIONS})),
            "reasoning": _array(_object({}, {"content": _TEXT})),
        },
    ),
    "Rubric": _object(
        {
            "criteria_definitions": _array(
                _object(
                    {"id": _TEXT, "criterion": _TEXT, "annotations": _ANNOTATIONS},
                    {"weight": _NUMBER},
                )
            )
        },
        {"max_total_score": _INTEGER},
    ),
    "RubricEvaluation": _object(
        {},
        {
            "criteria_evaluations": _array(
                _object(
                    {},
                    {
                        "criterion_definition_id": _TEXT,
                        "score": _NUMBER,
                        "annotations": _ANNOTATIONS,
                    },
                )
            ),
            "annotations": _ANNOTATIONS,
            "total_score": _NUMBER,
            "percentage": _NUMBER,
        },
    ),
}
_CHECKER = Checker({"type": "array", "items": _ref("Thread"), "$defs": SCHEMAS})

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
    """Return the threads of a response; none if it has no such member."""
    found = members_of(response).get("threads")
    return found if isinstance(found, list) else []


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
