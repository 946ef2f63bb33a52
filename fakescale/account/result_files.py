"""The result files that made-up responses point to, and the origin of their URLs."""

import json
import random
import re
from collections.abc import Callable, Mapping
from typing import Any

from fakescale.account import masks
from fakescale.account.listing import Page
from fakescale.account.made_up import (
    TEXT,
    Maker,
    Params,
    attributes_of,
    leaves,
    pick,
    vector_image,
)
from fakescale.account.task import Task, replace
from fakescale.values.answer import Answer
from fakescale.values.errors import NotFound
from fakescale.values.frozen import FrozenDict
from fakescale.values.ids import make_uuid

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
    rng = random.Random(task.id[8:])
    if (member := _member(task, name)) is not None:
        if task.type == "segmentannotation":
            if picture := masks.picture(task.params, rng, name):
                return Answer(200, picture, FrozenDict({"Content-Type": "image/png"}))
        elif make := FILES.get(task.type, {}).get(member):
            return Answer(200, json.dumps(make(task.params, rng)).encode())
    raise NotFound(f'Task "{task.id}" has no result file "{name}".')  # the text is guessed


def seen_from(origin: Callable[[], str], content: Any) -> Any:
    """Return the content of an answer, with the URLs of result files moved to ``origin``.

    ``origin`` returns the one that the client knows. The fake's own may differ, and may have
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


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []


# The contents of the files. ``task_types.json`` says whether a shape is documented or guessed.
# The values are those of other made-up responses. Every frame has the same content.


def _frames(params: Params, frame: Any) -> list[Any]:
    attachments = params.get("attachments")
    return [frame] * (len(attachments) if isinstance(attachments, list) else 1)


def _label(params: Params, rng: random.Random) -> str:
    return pick(params.get("labels"), rng, TEXT)


def _video(params: Params, rng: random.Random) -> Any:
    # Documented: an object has the same uuid in each frame.
    return _frames(params, vector_image(params, rng))


def _video_of(geometry: str) -> Maker:
    """Return the maker for a type that has one geometry."""

    def make(params: Params, rng: random.Random) -> Any:
        label = params.get("objects_to_annotate") or params.get("labels")
        spec = {geometry: {"objects_to_annotate": label}}
        return _video({**params, "geometries": spec}, rng)

    return make


def _playback(params: Params, rng: random.Random) -> Any:
    # Documented in two forms: this one, and this one within an array and an object.
    made = {}
    for annotation in vector_image(params, rng)["annotations"]:
        shape = {"attributes": {}, **annotation}
        head = {"label": shape.pop("label"), "geometry": shape.pop("type")}
        made[shape.pop("uuid")] = {**head, "frames": [{"key": 0, "timestamp": 0, **shape}]}
    return made


def _events(params: Params, rng: random.Random) -> Any:
    events = []
    for label in leaves(params.get("events_to_annotate")):
        event = {"label": label, "type": rng.choice(["point", "range"]), "start": 0, "startTime": 0}
        if event["type"] == "range":  # documented: a point has no end
            event |= {"end": 1, "endTime": 1}
        events.append({**event, "attributes": {}})
    return {"events": events}


def _cuboids(params: Params, rng: random.Random) -> Any:
    uuid, label = make_uuid(rng), _label(params, rng)
    cuboid = {
        "uuid": uuid,
        "label": label,
        "position": {"x": 10, "y": 0, "z": 0},
        "dimensions": {"x": 2, "y": 4, "z": 1.5},
        "yaw": 0,
        **({"pitch": 0, "roll": 0} if params.get("pitch_and_roll_enabled") else {}),
        "stationary": True,
        "camera_used": 0,
        "attributes": attributes_of(params, rng, label=label),
        "distance_to_device": 10,
        "numberOfPoints": 100,
    }
    return _frames(params, {"cuboids": [cuboid]})


def _points(params: Params, rng: random.Random) -> Any:
    """Return a file of segmented points: each frame has a point of each label, and one of none."""
    labels = list(dict.fromkeys(leaves(params.get("labels")))) or [TEXT]
    several = masks.instance_labels(params)
    objects = [
        {"label": label, "index": index, **({"instance": 1} if label in several else {})}
        for index, label in enumerate(labels, start=1)
    ]
    return {
        "objects": objects,
        "point_objects": _frames(params, [*range(1, len(labels) + 1), 0]),
    }


def _links(params: Params, rng: random.Random) -> Any:
    labels = {"objects_to_annotate": params.get("objects_to_annotate")}
    geometries = params.get("geometries") or {"box": labels}
    annotations = vector_image({**params, "geometries": geometries}, rng)["annotations"]
    # The cuboid is that of the made-up file of the paired task.
    cuboid_uuid = make_uuid(random.Random(str(params.get("lidar_task"))[8:]))
    linked = [
        {"cuboid_uuid": cuboid_uuid, **{k: v for k, v in it.items() if k != "uuid"}}
        for it in annotations
    ]
    return _frames(params, {"camera_responses": [{"camera_used": 0, "annotations": linked}]})


#: The makers of result files, by type and by the member of the response that points to the file.
#: "segmentannotation" is not here: its files are pictures, and its members depend on the labels.
FILES: Mapping[str, Mapping[str, Maker]] = {
    "videoannotation": {"annotations": _video, "events": _events},
    "videoplaybackannotation": {"annotations": _playback, "events": _events},
    "videoboxannotation": {"annotations": _video_of("box")},
    "videocuboidannotation": {"annotations": _video_of("cuboid")},
    "federal2dvideoannotation": {"annotations": _video},
    "cruisecontrol": {"annotations": _video},
    "lidarannotation": {"annotations": _cuboids},
    "lidarsegmentation": {"point_segmentations": _points, "annotations": _cuboids},
    "lidarlinking": {"annotations": _links},
    "sensorfusion": {"annotations": _cuboids},
    "multistage": {"annotations": _cuboids},
}
_TYPES = {"segmentannotation", *FILES}
