"""The schemas of threads and their parts, by the models of the official client (documented)."""

from collections.abc import Mapping
from typing import Any

_TEXT = {"type": "string"}
_NUMBER = {"type": "number"}
# The bounds are ours: a number of more bits is printed with an exponent, which the client refuses.
_INTEGER = {"type": "integer", "minimum": -(2**63), "maximum": 2**64 - 1}
_BOOLEAN = {"type": "boolean"}
_OBJECT = {"type": "object"}
_TIME = {"type": "string", "format": "date-time"}


def _array(items: Any) -> dict[str, Any]:
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
_FILE = _object({}, dict.fromkeys(("content", "mime_type", "scale_url", "url", "name"), _TEXT))
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
    "file": {"type": ["array", "object"], "items": _FILE},
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
#: The members of any annotation beside its id, key, type, value and metadata.
DETAILS: Mapping[str, Any] = {
    "title": _TEXT,
    "description": _TEXT,
    "labels": _array(_TEXT),
    "possible_values": {"type": "array"},
    "justification": _TEXT,
    "not_applicable": _BOOLEAN,
    "cannot_assess": _BOOLEAN,
}


def _of_type(type: str) -> dict[str, Any]:
    value: dict[str, Any] = {"value": VALUES[type]}
    if type in _CHOICES:
        value["possible_values"] = _array(_CHOICES[type])
    return {
        "if": {"properties": {"type": {"const": type}}, "required": ["type"]},
        "then": {"properties": value},
    }


def _annotation(more: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_object(
            {"id": _TEXT, "key": _TEXT, "type": {"enum": list(VALUES)}},
            {"value": {}, **DETAILS, **more},
        ),
        "allOf": [_of_type(type) for type in VALUES],
    }


# Observed: the client refuses other criteria, and ignores other members.
_CRITERIA = {**_annotation({}), "type": ["string", "object"]}
#: The schemas of a thread and its parts, by name; the official client refuses anything else.
SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "Annotation": _annotation({"metadata": _object({}, {"criteria": _CRITERIA})}),
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
#: The schema of the threads of a task.
THREADS: Mapping[str, Any] = {"type": "array", "items": _ref("Thread"), "$defs": SCHEMAS}
