"""Made-up responses, for test mode and for tasks completed without a response.

The values were observed with test keys: boxes of 0, 0, 100, 100; the text "test response"; a
random one of the allowed choices. The shapes are documented, unless the type's entry in
``task_types.json`` marks them as guessed.
"""

import random
from collections.abc import Mapping
from typing import Any

from fakescale.account import task_types
from fakescale.account.made_up import (
    BOX,
    GEOMETRIES,
    TEXT,
    Maker,
    Params,
    attributes_of,
    items_of,
    leaves,
    members_of,
    pick,
    vector_image,
)
from fakescale.account.result_files import FILES
from fakescale.account.task import Task
from fakescale.values.frozen import EMPTY_DICT, FrozenDict, freeze
from fakescale.values.ids import make_uuid

#: The origin of a fake that is not served.
NOWHERE = "http://localhost"


def response(task: Task, origin: str = NOWHERE) -> FrozenDict:
    """Return a response that fits the type of ``task``, always the same for the same task.

    The random choices depend only on the last 16 digits of the id, so a seed for the ids
    determines them, whatever the time. ``origin`` is the origin of the URLs of result files.
    """
    rng = random.Random(task.id[8:])
    base = f"{origin}/v1/task/{task.id}/response_url/"  # documented
    if task.type == "segmentannotation":
        return _frozen(_segments(task.params, rng, base))
    if task.type in FILES:
        return _frozen({name: {"url": base + make_uuid(rng)} for name in FILES[task.type]})
    if task.type in _MAKERS:
        return _frozen(_MAKERS[task.type](task.params, rng))
    # The type of a loaded task may be unknown.
    return task_types.example(task.type)[1] if task.type in task_types.names() else EMPTY_DICT


def _frozen(made: Any) -> FrozenDict:
    frozen: FrozenDict = freeze(made)
    return frozen


def failure(task: Task) -> FrozenDict:
    """Return the documented response of a task whose attachments cannot be downloaded."""
    attachments = [task.params.get("attachment"), *items_of(task.params.get("attachments"))]
    attachments = [members_of(it).get("content", it) for it in attachments]  # of textcollection
    return _frozen(
        {
            "error": "One or more attachments could not be downloaded.",
            "attachments": [
                {"statusCode": 403, "url": url} for url in attachments if isinstance(url, str)
            ],
        }
    )


def _linked_image(params: Params, rng: random.Random) -> Any:
    return {**vector_image(params, rng), "links": []}


def _one_shape(geometry: Mapping[str, Any]) -> Maker:
    """Return the maker for an older image type, which has one geometry."""

    def make(params: Params, rng: random.Random) -> Any:
        annotation = dict(geometry)
        if params.get("with_labels", True):
            annotation["label"] = pick(params.get("objects_to_annotate"), rng, TEXT)
        if attributes := attributes_of(params, rng):
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
    labels = items_of(params.get("labels"))
    several = [members_of(label).get("choice") for label in labels if _instance(label)]
    several += items_of(params.get("instance_labels"))
    mapping: dict[str, Any] = {}
    labeled: dict[str, Any] = {}
    for index, label in enumerate(leaves(labels), start=1):
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
    return bool(members_of(label).get("instance_label"))


def _field_value(field: Params, rng: random.Random) -> Any:
    kind = field.get("type")
    if kind in ("category", "select"):
        choices = items_of(field.get("choices")) or items_of(field.get("options"))
        values = [c.get("value", c.get("label")) if isinstance(c, dict) else c for c in choices]
        return [rng.choice(values)] if values else []
    if kind == "field_set":
        return _field_values(field.get("fields"), rng)
    return {"number": "1", "boolean": True, "datetime": "2020-01-01T00:00:00.000Z"}.get(
        str(kind), TEXT
    )


def _field_values(fields: Any, rng: random.Random) -> dict[str, Any]:
    values = {}
    for field in items_of(fields):
        if isinstance(members_of(field).get("field_id"), str):
            values[field["field_id"]] = _field_value(field, rng)
    return values


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
    location = {"type": "box", **BOX}
    if params.get("geometry") == "polygon":
        location = {"type": "polygon", **GEOMETRIES["polygon"]}
    annotations = [
        {
            "uuid": make_uuid(rng),
            "page": 0,
            "label": feature.get("label", feature.get("title", TEXT)),
            "text": TEXT,
            "location": location,
            "refs": [],
        }
        for feature in map(members_of, items_of(params.get("features")))
    ]
    # The one published response has an empty array here. Its items are guessed.
    values = _field_values(params.get("fields"), rng).items()
    fields = [{"field_id": field_id, "value": value} for field_id, value in values]
    return {"annotations": annotations, "fields": fields}


def _category(params: Params, rng: random.Random) -> Any:
    categories = items_of(params.get("categories"))
    if not categories:  # guessed: no response for taxonomies was ever published
        taxonomies = {"annotation_attributes": params.get("taxonomies")}
        return {"taxonomies": attributes_of(taxonomies, rng)}
    category = rng.choice(categories)
    ids = members_of(params.get("category_ids")).items()
    made: dict[str, Any] = {"category": category}
    if found := [key for key, name in ids if name == category]:
        made["category_id"] = found[0]
    if params.get("allow_multiple"):
        made = {key: [value] for key, value in made.items()}
    return made


def _texts(fields: Any, text: str = TEXT) -> dict[str, str]:
    return dict.fromkeys(members_of(fields), text)


def _chosen(params: Params, rng: random.Random) -> dict[str, Any]:
    """Return the ``choice`` and the ``fields`` that the task asks for."""
    made: dict[str, Any] = {}
    if choices := items_of(params.get("choices")):
        made["choice"] = rng.choice(choices)
    if params.get("fields"):
        made["fields"] = _texts(params["fields"])
    return made


def _transcription(params: Params, rng: random.Random) -> Any:
    made: dict[str, Any] = {"fields": _texts(params.get("fields"))}
    for wanted, name in (("repeatable_fields", "repeatable_fields"), ("row_fields", "rows")):
        if params.get(wanted):
            made[name] = [_texts(params[wanted], "test row response")] * 2
    return made


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
    return {"outcome": outcome, **_chosen(params, rng)}


# The makers of all other responses, by type. A type without a maker gets the response of its
# example, since no public response shows how it depends on the parameters.
_MAKERS: Mapping[str, Maker] = {
    "imageannotation": _linked_image,
    "lidartopdown": vector_image,
    "annotation": _one_shape(BOX),
    "polygonannotation": _one_shape(GEOMETRIES["polygon"]),
    "lineannotation": _one_shape(GEOMETRIES["line"]),
    "laneannotation": _one_shape(GEOMETRIES["line"]),
    "pointannotation": _one_shape(GEOMETRIES["point"]),
    "cuboidannotation": _one_shape(_CUBOID),
    "textcollection": _text_collection,
    "namedentityrecognition": _entities,
    "documenttranscription": _document,
    "categorization": _category,
    "comparison": _chosen,
    "transcription": _transcription,
    "datacollection": _data_collection,
    "audiotranscription": _audio,
    "phonecall": _call,
}
