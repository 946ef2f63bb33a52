"""Made-up responses, for test mode and for tasks completed without a response.

The values were observed with test keys: boxes of 0, 0, 100, 100; the text "test response"; a
random one of the allowed choices. The shapes are documented, unless the type's entry in
``task_types.json`` marks them as guessed.
"""

import itertools
import random
import re
from collections.abc import Mapping
from typing import Any

from fakescale.account import masks, task_types, threads
from fakescale.account.file_contents import FILES
from fakescale.account.form_values import field_values
from fakescale.account.made_up import (
    TEXT,
    Maker,
    PlannedMaker,
    attributes_of,
    items_of,
    members_of,
    pick,
    vector_image,
)
from fakescale.account.result_files import file_name
from fakescale.account.shapes import PLAIN, Params, Plan, cuboid_vertices, shape
from fakescale.account.task import Task
from fakescale.values.frozen import EMPTY_DICT, FrozenDict, freeze
from fakescale.values.hosts import NOT_SERVED
from fakescale.values.ids import make_uuid

#: The origin of a fake that is not served.
NOWHERE = f"http://{NOT_SERVED}"


def response(
    task: Task, origin: str = NOWHERE, plan: Plan = PLAIN, rng: random.Random | None = None
) -> FrozenDict:
    """Return a response that fits the type of ``task``, always the same for the same task.

    The random choices depend only on the last 16 digits of the id, so a seed for the ids determines
    them, whatever the time. ``origin`` is the origin of the URLs of result files. ``plan`` sets the
    number of objects, and ``rng`` makes other choices.
    """
    rng = rng or random.Random(task.id[8:])
    base = f"{origin}/v1/task/{task.id}/response_url/"  # documented
    if task.type == "segmentannotation":
        # The pictures are made from the id alone, so ``plan`` and ``rng`` have no effect.
        return _frozen(masks.response(task.params, random.Random(task.id[8:]), base))
    if task.type in FILES:
        names = [name for name in FILES[task.type] if _has_file(task, name)]
        return _frozen({name: {"url": base + file_name(rng, plan)} for name in names})
    if task.type in threads.TYPES and task.project is not None:  # v2 shows no other tasks
        example = task_types.example(task.type)[1]
        made = threads.made_up(task.params, rng)
        return threads.stored(task.id, _frozen({**example, "threads": made}))
    if task.type in _PLANNED:
        return _frozen(_PLANNED[task.type](task.params, rng, plan))
    if task.type in _MAKERS:
        return _frozen(_MAKERS[task.type](task.params, rng))
    # The type of a loaded task may be unknown.
    return task_types.example(task.type)[1] if task.type in task_types.names() else EMPTY_DICT


def _has_file(task: Task, name: str) -> bool:
    """Return whether the response points to the file of its member ``name``.

    Documented: a segmentation of points has cuboids if they are attached. Guessed: they are those
    of its ``lidar_task``.
    """
    is_optional = (task.type, name) == ("lidarsegmentation", "annotations")
    return not is_optional or bool(task.params.get("lidar_task"))


def _frozen(made: Any) -> FrozenDict:
    frozen: FrozenDict = freeze(made)
    return frozen


def failure(task: Task) -> FrozenDict:
    """Return the documented response of a task whose attachments cannot be downloaded."""
    if task.type == "audiotranscription":
        return _frozen({"error": "The audio file cannot be loaded."})
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


def _linked_image(params: Params, rng: random.Random, plan: Plan) -> Any:
    attributes = attributes_of(params, rng, is_global=True, plan=plan)
    return {**vector_image(params, rng, plan), "global_attributes": attributes, "links": []}


def _one_shape(geometry: str, *, with_labels: bool) -> PlannedMaker:
    """Return the maker for an older image type, which has one geometry.

    ``with_labels`` says whether a shape has a label unless the task says so.
    """

    def make(params: Params, rng: random.Random, plan: Plan) -> Any:
        annotations = []
        for _ in range(plan.number):
            annotation = dict(_older_shape(geometry, params, rng, plan))
            label = pick(params.get("objects_to_annotate"), rng, TEXT)
            if params.get("with_labels", with_labels):
                annotation["label"] = label
            if params.get("annotation_attributes") is not None:
                annotation["attributes"] = attributes_of(params, rng, label=label, plan=plan)
            annotations.append(annotation)
        return {"annotations": annotations}

    return make


def _older_shape(geometry: str, params: Params, rng: random.Random, plan: Plan) -> Params:
    if geometry == "cuboid":  # observed: without edges
        if plan.size is None:
            return {"vertices": cuboid_vertices(100, 70, 320, 296, (441, 82, 198))}
        return {"vertices": shape(geometry, params, rng, plan)["vertices"]}
    return shape(geometry, params, rng, plan)


def _text_collection(params: Params, rng: random.Random) -> Any:
    forms = [members_of(it).get("forms") for it in items_of(params.get("attachments"))]
    fields = [params.get("fields"), *forms]
    return {"annotations": {k: v for it in fields for k, v in field_values(it, rng).items()}}


def _entities(params: Params, rng: random.Random, plan: Plan) -> Any:
    text = str(params.get("text") or params.get("attachment"))
    wanted = [members_of(it) for it in items_of(params.get("relationships"))][:1]
    words = [found.span() for found in re.finditer(r"\S+", text)] or [(0, len(text))]
    if plan.number > 1:
        words = sorted(rng.sample(words, min(plan.number, len(words))))
    ends = ["source_label", "target_label"]
    annotations = []
    for number, (start, end) in enumerate(words[: max(plan.number, len(ends))]):
        label = wanted[0].get(ends[number]) if wanted and number < len(ends) else None
        annotations.append(
            {
                "id": make_uuid(rng),
                "start": start,
                "end": end,
                "text": text[start:end],
                "label": label or pick(params.get("labels"), rng, TEXT),
            }
        )
    if not wanted or len(annotations) < 2:
        return {"annotations": annotations[: plan.number], "relationships": []}
    source, target = annotations[:2]
    relationship = {"id": make_uuid(rng), "source_ref": source["id"], "target_ref": target["id"]}
    if "name" in wanted[0]:
        relationship["name"] = wanted[0]["name"]
    return {"annotations": annotations, "relationships": [relationship]}


# Documented: a flag adds a member. Guessed: the members within.
_FLAGGED: Mapping[str, Mapping[str, Any]] = {
    "date": {"text": "2020-01-01", "date": {"year": 2020, "month": 1, "day": 1}},
    "money": {"text": "12.50", "money": {"amount": "12.50"}},
    "checkbox": {"checked": True},
}


def _document_model(params: Params, rng: random.Random, plan: Plan) -> Any:
    geometry = "polygon" if params.get("geometry") == "polygon" else "box"
    features = items_of(params.get("features")) or [{}]
    number = max(plan.number, len(features))
    annotations = []
    for feature in map(members_of, itertools.islice(itertools.cycle(features), number)):
        annotation: dict[str, Any] = {
            "uuid": make_uuid(rng),
            "page": 0,
            "label": feature.get("label", feature.get("title", TEXT)),
            "text": TEXT,
            "location": {"type": geometry, **shape(geometry, EMPTY_DICT, rng, plan)},
            "refs": [],
        }
        for flag, members in _FLAGGED.items():
            if flag in items_of(feature.get("flags")):
                annotation |= members
        annotations.append(annotation)
    return {"annotations": annotations}


def _document(params: Params, rng: random.Random, plan: Plan) -> Any:
    made = _document_model(params, rng, plan) if params.get("features") else {"annotations": []}
    # The one published response has an empty array here. Its items are guessed.
    values = field_values(params.get("fields"), rng).items()
    fields = [{"field_id": field_id, "value": value} for field_id, value in values]
    return {**made, "fields": fields}


def _category(params: Params, rng: random.Random) -> Any:
    categories = items_of(params.get("categories"))
    taxonomies = {"annotation_attributes": params.get("taxonomies")}
    # Guessed: no response for taxonomies was ever published.
    more = {"taxonomies": attributes_of(taxonomies, rng)} if params.get("taxonomies") else {}
    if not categories:
        return more or {"taxonomies": {}}
    category = rng.choice(categories)
    ids = members_of(params.get("category_ids")).items()
    # Observed in 2019: null without ids.
    made = {"category": category, "category_id": None}
    if found := [key for key, name in ids if name == category]:
        made["category_id"] = found[0]
    if params.get("allow_multiple"):
        made = {key: value if value is None else [value] for key, value in made.items()}
    return {**made, **more}


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
    if not params.get("row_fields"):
        made.setdefault("repeatable_fields", [None, None])  # observed in 2019
    return made


def _data_collection(params: Params, rng: random.Random) -> Any:
    return {"fields": _texts(params.get("fields")), "time_spent_in_seconds": rng.randint(5, 60)}


_TRANSCRIPT = "This is an example transcript using your Scale test key."


def _audio(params: Params, rng: random.Random, plan: Plan) -> Any:
    words = _TRANSCRIPT.split()
    if plan.number > 1:
        phrases = [it for it in items_of(params.get("phrases")) if isinstance(it, str)]
        words = rng.choices([*words, *phrases], k=4 * plan.number)
    alignment = [
        {"word": word, "start": i * 0.5, "end": i * 0.5 + 0.4, "confidence": rng.choice([0.9, 0.3])}
        for i, word in enumerate(words)
    ]
    transcript = " ".join(words)
    return {"transcript": transcript, "duration": len(words) * 0.5, "alignment": alignment}


def _call(params: Params, rng: random.Random) -> Any:
    outcome = rng.choice(["success", "no_pickup", "hung_up"])
    return {"outcome": outcome, **_chosen(params, rng)}


# The makers of responses that may have many objects, by type.
_PLANNED: Mapping[str, PlannedMaker] = {
    "imageannotation": _linked_image,
    "lidartopdown": vector_image,
    # Documented: a label if with_labels is true. Guessed: other types have one by default.
    "annotation": _one_shape("box", with_labels=False),
    "polygonannotation": _one_shape("polygon", with_labels=False),
    "lineannotation": _one_shape("line", with_labels=False),
    "laneannotation": _one_shape("line", with_labels=True),
    "pointannotation": _one_shape("point", with_labels=True),
    "cuboidannotation": _one_shape("cuboid", with_labels=True),
    "namedentityrecognition": _entities,
    "documenttranscription": _document,
    "documentmodel": _document_model,
    "audiotranscription": _audio,
}
# The makers of all other responses, by type. A type without a maker gets the response of its
# example, since no public response shows how it depends on the parameters.
_MAKERS: Mapping[str, Maker] = {
    "textcollection": _text_collection,
    "categorization": _category,
    "comparison": _chosen,
    "transcription": _transcription,
    "datacollection": _data_collection,
    "phonecall": _call,
}
