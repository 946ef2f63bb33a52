"""The parts of made-up responses and of their files: choices, attributes and shapes.

The API does not check every parameter, and the fake checks none of a loaded task. So a value of
an unexpected kind counts as empty.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fakescale.values.frozen import EMPTY_DICT
from fakescale.values.ids import make_uuid

Params = Mapping[str, Any]
#: Makes a part of a response from the parameters of the task.
Maker = Callable[[Params, random.Random], Any]

TEXT = "test response"


def items_of(value: Any) -> list[Any]:
    """Return ``value`` if it is an array, or else an empty one."""
    return value if isinstance(value, list) else []


def members_of(value: Any) -> dict[str, Any]:
    """Return ``value`` if it is an object, or else an empty one."""
    return value if isinstance(value, dict) else {}


def number_of(value: Any, default: int) -> int:
    """Return ``value`` if it is an integer, or else ``default``."""
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def leaves(labels: Any) -> list[str]:
    """Return the labels that a labeler can choose: in a tree, only the leaves (documented)."""
    found: list[str] = []
    for label in items_of(labels):
        if isinstance(label, str):
            found.append(label)
        elif isinstance(label, dict):
            name = label.get("choice", label.get("label", label.get("name")))
            found += leaves(label.get("subchoices")) or ([name] if isinstance(name, str) else [])
    return found


def pick(labels: Any, rng: random.Random, default: str) -> str:
    """Return a random one of the ``leaves`` of the labels, or ``default`` if there are none."""
    return rng.choice(leaves(labels) or [default])


# Shapes. All lie within a picture of 110 by 110 pixels, unless the task asks for larger ones.


def _points(*pairs: tuple[float, float]) -> list[dict[str, Any]]:
    return [{"x": x, "y": y} for x, y in pairs]


_TRIANGLE = _points((10, 10), (110, 110), (10, 110))
_MOST_VERTICES = 1000  # a task may ask for any number


def _box(spec: Params) -> dict[str, Any]:
    width = max(100, number_of(spec.get("min_width"), 0))
    height = max(100, number_of(spec.get("min_height"), 0))
    box: dict[str, Any] = {"left": 0, "top": 0, "width": width, "height": height}
    if spec.get("can_rotate"):
        box["rotation"] = 0
        box["vertices"] = _points((0, 0), (width, 0), (width, height), (0, height))
    return box


def _path(spec: Params) -> dict[str, Any]:
    """Return a polygon or a line: the observed one, if the task does not ask for another number."""
    most = min(number_of(spec.get("max_vertices"), _MOST_VERTICES), _MOST_VERTICES)
    count = max(1, min(max(3, number_of(spec.get("min_vertices"), 1)), most))
    if count <= len(_TRIANGLE):
        return {"vertices": _TRIANGLE[:count]}
    angles = (2 * math.pi * number / count for number in range(count))
    pairs = ((60 + 50 * math.cos(angle), 60 + 50 * math.sin(angle)) for angle in angles)
    return {"vertices": _points(*((round(x, 2), round(y, 2)) for x, y in pairs))}


def cuboid_vertices(left: int, top: int, right: int, bottom: int, side: Any) -> list[Any]:
    """Return the observed six vertices of a cuboid: of its face, and of ``side`` (x, top, bottom).

    The names were observed in 2019.
    """
    x, side_top, side_bottom = side
    places = {
        "face-topleft": (left, top),
        "face-bottomleft": (left, bottom),
        "face-topright": (right, top),
        "face-bottomright": (right, bottom),
        "side-topcorner": (x, side_top),
        "side-bottomcorner": (x, side_bottom),
    }
    return [
        {"description": name, "x": x, "y": y, "type": "vertex"} for name, (x, y) in places.items()
    ]


_CUBOID = cuboid_vertices(10, 30, 60, 110, (110, 10, 80))
_EDGES = {"left": (0, 1), "right": (2, 3), "top": (0, 2), "bottom": (1, 3), "side": (4, 5)}
_CAMERA = ("camera_intrinsics", "camera_rotation_quaternion", "camera_height")


def _cuboid(spec: Params) -> dict[str, Any]:
    # Documented: both lists, and points in space if the camera is known. The rest is guessed.
    edges = [
        {
            "description": name,
            "x1": _CUBOID[start]["x"],
            "y1": _CUBOID[start]["y"],
            "x2": _CUBOID[end]["x"],
            "y2": _CUBOID[end]["y"],
            "type": "edge",
        }
        for name, (start, end) in _EDGES.items()
    ]
    cuboid: dict[str, Any] = {"vertices": _CUBOID, "edges": edges}
    if all(spec.get(name) is not None for name in _CAMERA):
        cuboid["points_3d"] = [
            {"x": x, "y": y, "z": z} for x in (-1, 1) for y in (0, 1.5) for z in (10, 14)
        ]
    return cuboid


_SHAPES: Mapping[str, Callable[[Params], dict[str, Any]]] = {
    "box": _box,
    "polygon": _path,
    "line": _path,
    "point": lambda spec: {"x": 55, "y": 80},
    "ellipse": lambda spec: {"vertices": _points((50, 0), (100, 50), (50, 100), (0, 50))},
    "cuboid": _cuboid,
}


def shape(geometry: str, spec: Params = EMPTY_DICT) -> dict[str, Any]:
    """Return the members of a shape as ``spec`` asks for; none for an unknown geometry."""
    return _SHAPES[geometry](spec) if geometry in _SHAPES else {}


# Attributes.


def attributes_of(
    params: Params,
    rng: random.Random,
    *,
    label: str | None = None,
    others: Sequence[Mapping[str, Any]] = (),
    is_global: bool = False,
) -> dict[str, Any]:
    """Return a value for each attribute that the task asks for.

    ``label`` is the label of the annotation, which a condition may name. ``others`` are the
    annotations that an attribute may link to. ``is_global`` chooses the global attributes,
    which belong to no annotation.
    """
    values: dict[str, Any] = {}
    for name, spec in members_of(params.get("annotation_attributes")).items():
        facts = members_of(spec)
        if bool(facts.get("global")) == is_global and _is_asked(facts, label):
            value = _attribute(facts, rng, others)
            if value is not None:
                values[name] = [value] if facts.get("allow_multiple") else value
    return values


def _is_asked(facts: Params, label: str | None) -> bool:
    """Return whether an attribute is asked for an annotation with this label (documented)."""
    condition = members_of(members_of(facts.get("conditions")).get("label_condition"))
    wanted = condition.get("label")
    return label is None or not isinstance(wanted, list) or label in wanted


def _attribute(facts: Params, rng: random.Random, others: Sequence[Mapping[str, Any]]) -> Any:
    kind = facts.get("type", "category")
    if kind == "category":
        return pick(facts.get("choices"), rng, TEXT)
    if kind == "text":
        return TEXT
    if kind == "linked":  # guessed: it holds the uuid of an annotation
        allowed = items_of(facts.get("allowed_labels"))
        ids = [it["uuid"] for it in others if not allowed or it["label"] in allowed]
        return rng.choice(ids) if ids else None
    return facts.get("min", 0)


def vector_image(params: Params, rng: random.Random) -> Any:
    """Return the annotations of an image: one for each geometry that the task asks for."""
    annotations = []
    for geometry, spec in (members_of(params.get("geometries")) or {"polygon": {}}).items():
        labels = members_of(spec).get("objects_to_annotate")
        annotations.append(
            {
                "uuid": make_uuid(rng),
                "type": geometry,
                "label": pick(labels or params.get("labels"), rng, geometry),
                **shape(geometry, members_of(spec)),
            }
        )
    if params.get("annotation_attributes") is not None:
        for annotation in annotations:
            annotation["attributes"] = attributes_of(
                params, rng, label=annotation["label"], others=annotations
            )
    return {"annotations": annotations}
