"""The result files that made-up responses point to, and the origin of their URLs."""

import json
import math
import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fakescale.account import masks
from fakescale.account.listing import Page
from fakescale.account.made_up import (
    TEXT,
    PlannedMaker,
    attributes_of,
    leaves,
    pick,
    vector_image,
)
from fakescale.account.shapes import PLAIN, Params, Plan, Point, bounds, moved
from fakescale.account.task import Task, replace
from fakescale.values.answer import Answer, decode, encode
from fakescale.values.errors import NotFound
from fakescale.values.frozen import FrozenDict, freeze
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


# The name of a file with many objects tells its plan, so that nothing else need remember it:
# a UUID of version 8, which is for uses of one's own, with the number, the width and the height.
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


def placed(task: Task, response: FrozenDict, nowhere: str, origin: str) -> FrozenDict:
    """Return a response of ``task`` with the URLs of its result files at ``origin``.

    Those are meant that begin with ``nowhere``.
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


# The contents of the files. ``task_types.json`` says whether a shape is documented or guessed.
# The values are those of other made-up responses. Every frame has the same content, unless the
# file has many objects: these move.

_PACE = 0.02  # of the size of the picture, the most that an object moves in a frame


def _count(params: Params) -> int:
    attachments = params.get("attachments")
    return len(attachments) if isinstance(attachments, list) else 1


def _frames(params: Params, frame: Any) -> list[Any]:
    return [frame] * _count(params)


def _label(params: Params, rng: random.Random) -> str:
    return pick(params.get("labels"), rng, TEXT)


def _moving(annotations: list[Any], rng: random.Random, size: Point, count: int) -> list[list[Any]]:
    """Return ``count`` frames of annotations that move as far as the picture reaches."""
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
    """Return the maker for a type that has one geometry."""

    def make(params: Params, rng: random.Random, plan: Plan) -> Any:
        label = params.get("objects_to_annotate") or params.get("labels")
        spec = {geometry: {"objects_to_annotate": label}}
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
    """Return a file of segmented points: each frame has a point of each label, and one of none."""
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
_TYPES = {"segmentannotation", *FILES}
