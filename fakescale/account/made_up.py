"""The parts of made-up responses and of their files: choices, attributes and shapes.

The API does not check every parameter, and the fake checks none of a loaded task. So a value of
an unexpected kind counts as empty.
"""

import random
from collections.abc import Callable, Mapping
from typing import Any

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


def _points(*pairs: tuple[int, int]) -> list[dict[str, int]]:
    return [{"x": x, "y": y} for x, y in pairs]


_TRIANGLE = _points((10, 10), (110, 110), (10, 110))
BOX = {"left": 0, "top": 0, "width": 100, "height": 100}
#: The members of a shape, by geometry. The edges of the cuboid are guessed.
GEOMETRIES: dict[str, dict[str, Any]] = {
    "box": BOX,
    "polygon": {"vertices": _TRIANGLE},
    "line": {"vertices": _TRIANGLE},
    "point": {"x": 55, "y": 80},
    "ellipse": {"vertices": _points((50, 0), (100, 50), (50, 100), (0, 50))},
    "cuboid": {"vertices": _TRIANGLE, "edges": []},
}


def attributes_of(params: Params, rng: random.Random) -> dict[str, Any]:
    """Return a value for each attribute that the task asks for."""
    values: dict[str, Any] = {}
    for name, spec in members_of(params.get("annotation_attributes")).items():
        facts = members_of(spec)
        kind = facts.get("type", "category")
        if kind == "category":
            value: Any = pick(facts.get("choices"), rng, TEXT)
        else:
            value = TEXT if kind == "text" else facts.get("min", 0)
        values[name] = [value] if facts.get("allow_multiple") else value
    return values


def vector_image(params: Params, rng: random.Random) -> Any:
    """Return the annotations of an image: one for each geometry that the task asks for."""
    annotations = []
    for geometry, spec in (members_of(params.get("geometries")) or {"polygon": {}}).items():
        labels = members_of(spec).get("objects_to_annotate")
        annotation = {
            "uuid": make_uuid(rng),
            "type": geometry,
            "label": pick(labels or params.get("labels"), rng, geometry),
            **GEOMETRIES.get(geometry, {}),
        }
        if attributes := attributes_of(params, rng):
            annotation["attributes"] = attributes
        annotations.append(annotation)
    return {"annotations": annotations}
