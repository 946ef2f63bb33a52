"""The contents of the result files that made-up responses point to.

``task_types.json`` says whether a shape is documented or guessed. The values are those of other
made-up responses. Every frame has the same content, unless the file has many objects: these move.
"""

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

from fakescale.account import masks
from fakescale.account.made_up import (
    TEXT,
    PlannedMaker,
    attributes_of,
    leaves,
    pick,
    vector_image,
)
from fakescale.account.shapes import Params, Plan, Point, bounds, moved
from fakescale.values.ids import make_uuid

_PACE = 0.02  # the most that an object moves in a frame, as a part of the picture's size


def _count(params: Params) -> int:
    attachments = params.get("attachments")
    return len(attachments) if isinstance(attachments, list) else 1


def _frames(params: Params, frame: Any) -> list[Any]:
    return [frame] * _count(params)


def _label(params: Params, rng: random.Random) -> str:
    return pick(params.get("labels"), rng, TEXT)


def _moving(annotations: list[Any], rng: random.Random, size: Point, count: int) -> list[list[Any]]:
    """Return ``count`` frames of annotations, which move but stay in the picture."""
    paces = [tuple(rng.uniform(-_PACE, _PACE) * it for it in size) for _ in annotations]
    return [
        [_later(it, pace, size, frame) for it, pace in zip(annotations, paces, strict=True)]
        for frame in range(count)
    ]


def _later(annotation: Any, pace: Sequence[float], size: Point, frame: int) -> Any:
    edges = bounds(annotation)
    if edges is None or not frame:
        return annotation
    left, top, right, bottom = edges
    steps = []
    for step, least, most, whole in zip(pace, (left, top), (right, bottom), size, strict=True):
        room = max(0.0, whole - most) if step > 0 else -max(0.0, least)
        steps.append(min(step * frame, room) if step > 0 else max(step * frame, room))
    return moved(annotation, *(math.trunc(it) for it in steps))


def _video(params: Params, rng: random.Random, plan: Plan) -> Any:
    # Documented: an object has the same uuid in each frame.
    made = vector_image(params, rng, plan)
    if plan.size is None:
        return _frames(params, made)
    frames = _moving(made["annotations"], rng, plan.size, _count(params))
    return [{"annotations": it} for it in frames]


def _video_of(geometry: str) -> PlannedMaker:
    """Return the maker for a type that has one geometry, unless the task names others."""

    def make(params: Params, rng: random.Random, plan: Plan) -> Any:
        label = params.get("objects_to_annotate") or params.get("labels")
        spec = params.get("geometries") or {geometry: {"objects_to_annotate": label}}
        return _video({**params, "geometries": spec}, rng, plan)

    return make


def _playback(params: Params, rng: random.Random, plan: Plan) -> Any:
    # Documented in two forms: this one, and this one within an array and an object.
    annotations = vector_image(params, rng, plan)["annotations"]
    frames = [annotations] if plan.size is None else _moving(annotations, rng, plan.size, 10)
    made: dict[str, Any] = {}
    for key, frame in enumerate(frames):
        for annotation in frame:
            shape = {"attributes": {}, **annotation}
            head = {"label": shape.pop("label"), "geometry": shape.pop("type")}
            track = made.setdefault(shape.pop("uuid"), {**head, "frames": []})
            track["frames"].append({"key": key, "timestamp": key, **shape})
    return made


def _events(params: Params, rng: random.Random, _: Plan) -> Any:
    events = []
    for label in leaves(params.get("events_to_annotate")):
        event = {"label": label, "type": rng.choice(["point", "range"]), "start": 0, "startTime": 0}
        if event["type"] == "range":  # documented: a point has no end
            event |= {"end": 1, "endTime": 1}
        events.append({**event, "attributes": {}})
    return {"events": events}


_FAR = 40.0  # meters to the farthest cuboid of many


def _cuboids(params: Params, rng: random.Random, plan: Plan) -> Any:
    cuboids = [_cuboid(params, rng) for _ in range(plan.number)]
    if plan.size is None:
        return _frames(params, {"cuboids": cuboids})
    paces = []
    for cuboid in cuboids:
        yaw = round(rng.uniform(-math.pi, math.pi), 3)
        place = {"x": round(rng.uniform(-_FAR, _FAR), 2), "y": round(rng.uniform(-_FAR, _FAR), 2)}
        size = {"x": round(rng.uniform(0.6, 2.2), 2), "y": round(rng.uniform(0.6, 5.0), 2)}
        size["z"] = round(rng.uniform(1.2, 3.5), 2)
        cuboid["position"] |= place
        cuboid["dimensions"] |= size
        pace = rng.choice([0, 0, round(rng.uniform(0.2, 1.5), 2)])
        cuboid |= {
            "yaw": yaw,
            "stationary": pace == 0,
            "distance_to_device": round(math.hypot(*place.values()), 2),
            "numberOfPoints": rng.randint(10, 2_000),
        }
        # Documented: yaw is zero along +y, and counter-clockwise.
        paces.append((-pace * math.sin(yaw), pace * math.cos(yaw)))
    return [
        {"cuboids": [_driven(it, pace, frame) for it, pace in zip(cuboids, paces, strict=True)]}
        for frame in range(_count(params))
    ]


def _driven(cuboid: dict[str, Any], pace: Point, frame: int) -> dict[str, Any]:
    at = cuboid["position"]
    x, y = round(at["x"] + pace[0] * frame, 2), round(at["y"] + pace[1] * frame, 2)
    return {**cuboid, "position": {**at, "x": x, "y": y}}


def _cuboid(params: Params, rng: random.Random) -> dict[str, Any]:
    uuid, label = make_uuid(rng), _label(params, rng)
    return {
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


def _points(params: Params, rng: random.Random, plan: Plan) -> Any:
    """Return a file of segmented points.

    Each frame has a point of each label, and one without a label.
    """
    labels = list(dict.fromkeys(leaves(params.get("labels")))) or [TEXT]
    several = masks.instance_labels(params)
    objects = [
        {"label": label, "index": index, **({"instance": 1} if label in several else {})}
        for index, label in enumerate(labels, start=1)
    ]
    points = [*range(1, len(labels) + 1), 0]
    if plan.number > 1:
        points += rng.choices(points, k=20 * plan.number)
    return {"objects": objects, "point_objects": _frames(params, points)}


def _links(params: Params, rng: random.Random, plan: Plan) -> Any:
    labels = {"objects_to_annotate": params.get("objects_to_annotate")}
    geometries = params.get("geometries") or {"box": labels}
    annotations = vector_image({**params, "geometries": geometries}, rng, plan)["annotations"]
    # The cuboid is that of the made-up file of the paired task.
    cuboid_uuid = make_uuid(random.Random(str(params.get("lidar_task"))[8:]))
    linked = [
        {"cuboid_uuid": cuboid_uuid, **{k: v for k, v in it.items() if k != "uuid"}}
        for it in annotations
    ]
    return _frames(params, {"camera_responses": [{"camera_used": 0, "annotations": linked}]})


#: The makers of result files, by type and by the member of the response that points to the file.
#: "segmentannotation" is not here: its files are pictures, and its members depend on the labels.
FILES: Mapping[str, Mapping[str, PlannedMaker]] = {
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
