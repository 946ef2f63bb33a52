"""The made-up responses: of test mode, and wherever a labeler's work is not given.

The values are those observed with test keys (boxes of 0, 0, 100, 100; "test response"; a
choice at random among the allowed ones) and the shapes are documented, where a type's entry
in ``task_types.json`` does not mark them as guessed.
"""

import random
from collections.abc import Callable, Mapping
from typing import Any

from fakescale.account import task_types
from fakescale.account.task import Task
from fakescale.values.frozen import EMPTY_DICT, FrozenDict, freeze
from fakescale.values.ids import make_uuid

Params = Mapping[str, Any]

#: The origin of a fake that is not served.
NOWHERE = "http://localhost"

#: The types whose response is a URL for each of these members; ``results`` makes the files.
FILES: Mapping[str, tuple[str, ...]] = {
    "videoannotation": ("annotations", "events"),
    "videoplaybackannotation": ("annotations", "events"),
    "videoboxannotation": ("annotations",),
    "videocuboidannotation": ("annotations",),
    "federal2dvideoannotation": ("annotations",),
    "cruisecontrol": ("annotations",),
    "lidarannotation": ("annotations",),
    "lidarsegmentation": ("point_segmentations", "annotations"),
    "lidarlinking": ("annotations",),
    "sensorfusion": ("annotations",),
    "multistage": ("annotations",),
}


def response(task: Task, origin: str = NOWHERE) -> FrozenDict:
    """Return a response as ``task``'s type has it, always the same for the same task.

    It depends on the last 16 digits of the id alone, so a seed for the ids
    determines it whatever the time. ``origin`` is where the result files are that it may point to.
    """
    rng = random.Random(task.id[8:])
    base = f"{origin}/v1/task/{task.id}/response_url/"  # documented
    if task.type == "segmentannotation":
        return _frozen(_segments(task.params, rng, base))
    if task.type in FILES:
        return _frozen({name: {"url": base + make_uuid(rng)} for name in FILES[task.type]})
    if task.type in _MAKERS:
        return _frozen(_MAKERS[task.type](task.params, rng))
    # A task that was loaded may be of a type that nothing is known of.
    return task_types.example(task.type)[1] if task.type in task_types.names() else EMPTY_DICT


def _frozen(made: Any) -> FrozenDict:
    frozen: FrozenDict = freeze(made)
    return frozen


def failure(task: Task) -> FrozenDict:
    """Return the documented response of a task whose attachments could not be fetched."""
    attachments = [task.params.get("attachment"), *_items(task.params.get("attachments"))]
    attachments = [_members(it).get("content", it) for it in attachments]  # of textcollection
    return _frozen(
        {
            "error": "One or more attachments could not be downloaded.",
            "attachments": [
                {"statusCode": 403, "url": url} for url in attachments if isinstance(url, str)
            ],
        }
    )


TEXT = "test response"


# The parameters are only checked as far as the API is known to check them, and those of a
# loaded task not at all: what has another kind than expected counts as empty.


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _members(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _leaves(labels: Any) -> list[str]:
    """Return the labels that can be chosen: of a tree, only its leaves (documented)."""
    found: list[str] = []
    for label in _items(labels):
        if isinstance(label, str):
            found.append(label)
        elif isinstance(label, dict):
            name = label.get("choice", label.get("label", label.get("name")))
            found += _leaves(label.get("subchoices")) or ([name] if isinstance(name, str) else [])
    return found


def pick(labels: Any, rng: random.Random, default: str) -> str:
    """Return one of the labels that can be chosen, or ``default`` if there are none."""
    return rng.choice(_leaves(labels) or [default])


def _points(*pairs: tuple[int, int]) -> list[dict[str, int]]:
    return [{"x": x, "y": y} for x, y in pairs]


_TRIANGLE = _points((10, 10), (110, 110), (10, 110))
_BOX = {"left": 0, "top": 0, "width": 100, "height": 100}
# What describes a shape, by its geometry. The cuboid's edges are guessed.
_GEOMETRIES: dict[str, dict[str, Any]] = {
    "box": _BOX,
    "polygon": {"vertices": _TRIANGLE},
    "line": {"vertices": _TRIANGLE},
    "point": {"x": 55, "y": 80},
    "ellipse": {"vertices": _points((50, 0), (100, 50), (50, 100), (0, 50))},
    "cuboid": {"vertices": _TRIANGLE, "edges": []},
}


def _attributes(params: Params, rng: random.Random) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, spec in _members(params.get("annotation_attributes")).items():
        facts = _members(spec)
        kind = facts.get("type", "category")
        if kind == "category":
            value: Any = pick(facts.get("choices"), rng, TEXT)
        else:
            value = TEXT if kind == "text" else facts.get("min", 0)
        values[name] = [value] if facts.get("allow_multiple") else value
    return values


def vector_image(params: Params, rng: random.Random) -> Any:
    """Return the annotations of an image: one for each geometry that was asked for."""
    annotations = []
    for geometry, spec in (_members(params.get("geometries")) or {"polygon": {}}).items():
        labels = _members(spec).get("objects_to_annotate")
        annotation = {
            "uuid": make_uuid(rng),
            "type": geometry,
            "label": pick(labels or params.get("labels"), rng, geometry),
            **_GEOMETRIES.get(geometry, {}),
        }
        if attributes := _attributes(params, rng):
            annotation["attributes"] = attributes
        annotations.append(annotation)
    return {"annotations": annotations}


def _linked_image(params: Params, rng: random.Random) -> Any:
    return {**vector_image(params, rng), "links": []}


def _one_shape(geometry: Mapping[str, Any]) -> Callable[[Params, random.Random], Any]:
    """Return the maker for one of the older image types, which know one geometry each."""

    def make(params: Params, rng: random.Random) -> Any:
        annotation = dict(geometry)
        if params.get("with_labels", True):
            annotation["label"] = pick(params.get("objects_to_annotate"), rng, TEXT)
        if attributes := _attributes(params, rng):
            annotation["attributes"] = attributes
        return {"annotations": [annotation]}

    return make


_CUBOID = {
    "vertices": [
        {"description": description, "x": x, "y": y, "type": "vertex"}
        for description, x, y in (
            ("face-topleft", 100, 70),
            ("face-bottomleft", 100, 296),
            ("face-topright", 320, 70),
            ("face-bottomright", 320, 296),
            ("side-topcorner", 441, 82),
            ("side-bottomcorner", 441, 198),
        )
    ]
}


def _segments(params: Params, rng: random.Random, base: str) -> Any:
    labels = _items(params.get("labels"))
    several = [_members(label).get("choice") for label in labels if _instance(label)]
    several += _items(params.get("instance_labels"))
    mapping: dict[str, Any] = {}
    labeled: dict[str, Any] = {}
    for index, label in enumerate(_leaves(labels), start=1):
        entry = {"index": index, "color": f"#{rng.getrandbits(24):06x}"}
        url = base + make_uuid(rng)
        mapping[label] = [entry] if label in several else entry
        labeled[label] = [url] if label in several else url
    combined = {
        name: base + make_uuid(rng) for name in ("image", "indexedImage", "extendedIndexedImage")
    }
    annotations = {
        "combined": combined,
        "labeled": labeled,
        "unlabeled": base + make_uuid(rng),
    }
    return {"labelMapping": mapping, "annotations": annotations}


def _instance(label: Any) -> bool:
    return bool(_members(label).get("instance_label"))


def _field_value(field: Params, rng: random.Random) -> Any:
    kind = field.get("type")
    if kind in ("category", "select"):
        choices = _items(field.get("choices")) or _items(field.get("options"))
        values = [c.get("value", c.get("label")) if isinstance(c, dict) else c for c in choices]
        return [rng.choice(values)] if values else []
    if kind == "field_set":
        return _field_values(field.get("fields"), rng)
    return {"number": "1", "boolean": True, "datetime": "2020-01-01T00:00:00.000Z"}.get(
        str(kind), TEXT
    )


def _field_values(fields: Any, rng: random.Random) -> dict[str, Any]:
    answers = {}
    for field in _items(fields):
        if isinstance(_members(field).get("field_id"), str):
            answers[field["field_id"]] = _field_value(field, rng)
    return answers


def _text_collection(params: Params, rng: random.Random) -> Any:
    return {"annotations": _field_values(params.get("fields"), rng)}


def _entities(params: Params, rng: random.Random) -> Any:
    text = str(params.get("text") or params.get("attachment"))
    word = text.split(maxsplit=1)[0] if text.strip() else text
    start = text.index(word)
    annotation = {
        "id": make_uuid(rng),
        "start": start,
        "end": start + len(word),
        "text": word,
        "label": pick(params.get("labels"), rng, TEXT),
    }
    return {"annotations": [annotation], "relationships": []}


def _document(params: Params, rng: random.Random) -> Any:
    location = {"type": "box", **_BOX}
    if params.get("geometry") == "polygon":
        location = {"type": "polygon", **_GEOMETRIES["polygon"]}
    annotations = [
        {
            "uuid": make_uuid(rng),
            "page": 0,
            "label": feature.get("label", feature.get("title", TEXT)),
            "text": TEXT,
            "location": location,
            "refs": [],
        }
        for feature in map(_members, _items(params.get("features")))
    ]
    # An array, by the one published response, where it is empty; what is in it is guessed.
    values = _field_values(params.get("fields"), rng).items()
    fields = [{"field_id": field_id, "value": value} for field_id, value in values]
    return {"annotations": annotations, "fields": fields}


def _category(params: Params, rng: random.Random) -> Any:
    categories = _items(params.get("categories"))
    if not categories:  # guessed: no response to taxonomies was ever published
        taxonomies = {"annotation_attributes": params.get("taxonomies")}
        return {"taxonomies": _attributes(taxonomies, rng)}
    category = rng.choice(categories)
    ids = _members(params.get("category_ids")).items()
    answer: dict[str, Any] = {"category": category}
    if found := [key for key, name in ids if name == category]:
        answer["category_id"] = found[0]
    if params.get("allow_multiple"):
        answer = {key: [value] for key, value in answer.items()}
    return answer


def _texts(fields: Any, text: str = TEXT) -> dict[str, str]:
    return dict.fromkeys(_members(fields), text)


def _answers(params: Params, rng: random.Random) -> dict[str, Any]:
    """Return the ``choice`` and the ``fields`` that were asked for."""
    answers: dict[str, Any] = {}
    if choices := _items(params.get("choices")):
        answers["choice"] = rng.choice(choices)
    if params.get("fields"):
        answers["fields"] = _texts(params["fields"])
    return answers


def _transcription(params: Params, rng: random.Random) -> Any:
    answers: dict[str, Any] = {"fields": _texts(params.get("fields"))}
    for wanted, name in (("repeatable_fields", "repeatable_fields"), ("row_fields", "rows")):
        if params.get(wanted):
            answers[name] = [_texts(params[wanted], "test row response")] * 2
    return answers


def _data_collection(params: Params, rng: random.Random) -> Any:
    return {"fields": _texts(params.get("fields")), "time_spent_in_seconds": rng.randint(5, 60)}


def _audio(params: Params, rng: random.Random) -> Any:
    transcript = "This is an example transcript using your Scale test key."
    words = transcript.split()
    alignment = [
        {"word": word, "start": i * 0.5, "end": i * 0.5 + 0.4, "confidence": rng.choice([0.9, 0.3])}
        for i, word in enumerate(words)
    ]
    return {"transcript": transcript, "duration": len(words) * 0.5, "alignment": alignment}


def _call(params: Params, rng: random.Random) -> Any:
    outcome = rng.choice(["success", "no_pickup", "hung_up"])
    return {"outcome": outcome, **_answers(params, rng)}


# How the response of each other type is made. A type that is not here gets its example's:
# nothing that depends on the parameters is known.
_MAKERS: Mapping[str, Callable[[Params, random.Random], Any]] = {
    "imageannotation": _linked_image,
    "lidartopdown": vector_image,
    "annotation": _one_shape(_BOX),
    "polygonannotation": _one_shape(_GEOMETRIES["polygon"]),
    "lineannotation": _one_shape(_GEOMETRIES["line"]),
    "laneannotation": _one_shape(_GEOMETRIES["line"]),
    "pointannotation": _one_shape(_GEOMETRIES["point"]),
    "cuboidannotation": _one_shape(_CUBOID),
    "textcollection": _text_collection,
    "namedentityrecognition": _entities,
    "documenttranscription": _document,
    "categorization": _category,
    "comparison": _answers,
    "transcription": _transcription,
    "datacollection": _data_collection,
    "audiotranscription": _audio,
    "phonecall": _call,
}
