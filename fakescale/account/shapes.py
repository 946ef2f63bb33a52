"""The shapes of made-up responses: the observed ones, or many that lie anywhere in a picture.

The API does not check every parameter, so a value of an unexpected kind counts as missing.
"""

import math
import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from fakescale.values.frozen import EMPTY_DICT

Params = Mapping[str, Any]
Point = tuple[float, float]


class Plan(NamedTuple):
    """The number of objects of a made-up response, and the picture that they lie in."""

    #: The number of objects.
    number: int = 1
    #: The width and height of the picture that the shapes lie in; None for the observed shapes,
    #: which lie within 110 by 110 pixels unless the task asks for larger ones.
    size: Point | None = None


#: The plan of the observed responses.
PLAIN = Plan()


def number_of(value: Any, default: int) -> int:
    """Return ``value`` if it is an integer, which a form sends as a text, or else ``default``."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,9}", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def is_set(value: Any) -> bool:
    """Return whether a flag is set; a form sends "false" for one that is not."""
    return bool(value) and value not in ("false", "0")


def vertices(pairs: Sequence[Point]) -> list[dict[str, Any]]:
    """Return points as the API prints them."""
    return [{"x": x, "y": y} for x, y in pairs]


# The observed shapes.

_TRIANGLE = vertices([(10, 10), (110, 110), (10, 110)])
_MOST_VERTICES = 1000  # a task may ask for any number


def _box(spec: Params) -> dict[str, Any]:
    width = max(100, number_of(spec.get("min_width"), 0))
    height = max(100, number_of(spec.get("min_height"), 0))
    return _boxed(spec, (0, 0), (width, height))


def _boxed(spec: Params, at: Point, size: Point, rotation: float = 0) -> dict[str, Any]:
    (left, top), (width, height) = at, size
    box: dict[str, Any] = {"left": left, "top": top, "width": width, "height": height}
    if is_set(spec.get("can_rotate")):
        right, bottom = left + width, top + height
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        box["rotation"] = rotation
        if rotation:
            middle = (left + width / 2, top + height / 2)
            corners = [_turned(it, rotation, middle) for it in corners]
        box["vertices"] = vertices(corners)
    return box


def _turned(point: Point, angle: float, middle: Point) -> Point:
    """Return a point rotated clockwise about ``middle`` (documented: in radians)."""
    x, y = point[0] - middle[0], point[1] - middle[1]
    cos, sin = math.cos(angle), math.sin(angle)
    return (round(middle[0] + x * cos - y * sin, 2), round(middle[1] + x * sin + y * cos, 2))


def _most_vertices(spec: Params) -> tuple[int, int]:
    """Return the least number of vertices of a path, and the largest."""
    most = min(number_of(spec.get("max_vertices"), _MOST_VERTICES), _MOST_VERTICES)
    return max(1, min(max(3, number_of(spec.get("min_vertices"), 1)), most)), most


def _path(spec: Params) -> dict[str, Any]:
    """Return a polygon or a line: the observed one, if the task does not ask for another number."""
    count, _ = _most_vertices(spec)
    if count <= len(_TRIANGLE):
        return {"vertices": _TRIANGLE[:count]}
    angles = (2 * math.pi * number / count for number in range(count))
    pairs = ((60 + 50 * math.cos(angle), 60 + 50 * math.sin(angle)) for angle in angles)
    return {"vertices": vertices([(round(x, 2), round(y, 2)) for x, y in pairs])}


def cuboid_vertices(
    left: float, top: float, right: float, bottom: float, side: Any
) -> list[dict[str, Any]]:
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
    return _cuboid_of(spec, _CUBOID)


def _cuboid_of(spec: Params, six: list[dict[str, Any]]) -> dict[str, Any]:
    # Documented: both lists, and points in space if the camera is known. The rest is guessed.
    edges = [
        {
            "description": name,
            "x1": six[start]["x"],
            "y1": six[start]["y"],
            "x2": six[end]["x"],
            "y2": six[end]["y"],
            "type": "edge",
        }
        for name, (start, end) in _EDGES.items()
    ]
    cuboid: dict[str, Any] = {"vertices": six, "edges": edges}
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
    "ellipse": lambda spec: {"vertices": vertices([(50, 0), (100, 50), (50, 100), (0, 50)])},
    "cuboid": _cuboid,
}


# Shapes anywhere in a picture.


class _Place(NamedTuple):
    """A rectangle within a picture."""

    left: float
    top: float
    width: float
    height: float

    def at(self, right: float, down: float) -> Point:
        """Return the point at these parts of the width and the height."""
        x, y = self.left + right * self.width, self.top + down * self.height
        return (round(x, 2), round(y, 2))


def _least(spec: Params, name: str) -> float:
    value: Any = spec.get(name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return max(0, value) if is_number else 0


def _place(spec: Params, size: Point, rng: random.Random) -> _Place:
    """Return a rectangle inside the picture, of at least the size that the task asks for.

    If it asks for more than the picture, the rectangle is as large as it asks for.
    """
    sides = []
    for whole, name in zip(size, ("min_width", "min_height"), strict=True):
        least = _least(spec, name)
        if math.ceil(least) <= whole:
            least = math.ceil(least)  # whole pixels, if they fit
        side = max(least, min(whole, max(1, round(whole * rng.uniform(0.03, 0.25)))))
        free = max(0, whole - side)
        sides.append((min(round(rng.uniform(0, free)), math.floor(free)), side))
    (left, width), (top, height) = sides
    return _Place(left, top, width, height)


def _placed_box(spec: Params, size: Point, rng: random.Random) -> dict[str, Any]:
    place = _place(spec, size, rng)
    at, sides = (place.left, place.top), (place.width, place.height)
    turned = _boxed(spec, at, sides, round(rng.uniform(-0.6, 0.6), 3))
    inside = all(
        0 <= it["x"] <= size[0] and 0 <= it["y"] <= size[1] for it in turned.get("vertices", [])
    )
    return turned if inside else _boxed(spec, at, sides)


def _count(spec: Params, rng: random.Random) -> int:
    least, most = _most_vertices(spec)
    return rng.randint(least, max(least, min(most, least + 5)))


def _placed_polygon(spec: Params, size: Point, rng: random.Random) -> dict[str, Any]:
    place, count = _place(spec, size, rng), _count(spec, rng)
    turns = [2 * math.pi * (number + rng.uniform(0, 0.8)) / count for number in range(count)]
    pairs = []
    for turn in turns:  # around the middle, so that no edges cross
        reach = rng.uniform(0.3, 0.5)
        pairs.append(place.at(0.5 + reach * math.cos(turn), 0.5 + reach * math.sin(turn)))
    return {"vertices": vertices(pairs)}


def _placed_line(spec: Params, size: Point, rng: random.Random) -> dict[str, Any]:
    place, count = _place(spec, size, rng), _count(spec, rng)
    steps = [number / max(1, count - 1) for number in range(count)]
    return {"vertices": vertices([place.at(step, rng.random()) for step in steps])}


def _placed_point(spec: Params, size: Point, rng: random.Random) -> dict[str, Any]:
    return dict(zip("xy", _place({}, size, rng).at(0.5, 0.5), strict=True))


def _placed_ellipse(spec: Params, size: Point, rng: random.Random) -> dict[str, Any]:
    place = _place(spec, size, rng)
    return {
        "vertices": vertices([place.at(*it) for it in ((0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5))])
    }


def _placed_cuboid(spec: Params, size: Point, rng: random.Random) -> dict[str, Any]:
    left, top, width, height = _place(spec, size, rng)
    right, bottom = left + width, top + height
    room = max(0, size[0] - right)  # the side lies to the right, in what is left
    x = right + min(room, round(width * rng.uniform(0.2, 0.6)))
    side = (x, top + round(height * 0.1, 2), top + round(height * 0.8, 2))
    return _cuboid_of(spec, cuboid_vertices(left, top, right, bottom, side))


_PLACED: Mapping[str, Callable[[Params, Point, random.Random], dict[str, Any]]] = {
    "box": _placed_box,
    "polygon": _placed_polygon,
    "line": _placed_line,
    "point": _placed_point,
    "ellipse": _placed_ellipse,
    "cuboid": _placed_cuboid,
}


def shape(
    geometry: str,
    spec: Params = EMPTY_DICT,
    rng: random.Random | None = None,
    plan: Plan = PLAIN,
) -> dict[str, Any]:
    """Return the members of a shape as ``spec`` asks for; none for an unknown geometry.

    ``rng`` is needed for a plan with a size.
    """
    if geometry not in _SHAPES:
        return {}
    if plan.size is None or rng is None:
        return _SHAPES[geometry](spec)
    return _PLACED[geometry](spec, plan.size, rng)


def moved(value: Any, right: float, down: float) -> Any:
    """Return a shape that is moved on the plane."""
    steps = {"x": right, "x1": right, "x2": right, "left": right}
    steps |= {"y": down, "y1": down, "y2": down, "top": down}
    if isinstance(value, list):
        return [moved(it, right, down) for it in value]
    if not isinstance(value, dict):
        return value
    return {
        name: round(it + steps[name], 2)
        if name in steps and isinstance(it, int | float)
        else it
        if name == "points_3d"
        else moved(it, right, down)
        for name, it in value.items()
    }


def bounds(value: Any) -> tuple[float, float, float, float] | None:
    """Return left, top, right and bottom of a shape, or None if it has no place."""
    xs, ys = [], []
    points = [value, *value.get("vertices", ())] if isinstance(value, dict) else []
    for point in points:
        if "x" in point:
            xs.append(point["x"])
            ys.append(point["y"])
    if points and "left" in value:
        xs += [value["left"], value["left"] + value["width"]]
        ys += [value["top"], value["top"] + value["height"]]
    return (min(xs), min(ys), max(xs), max(ys)) if xs else None
