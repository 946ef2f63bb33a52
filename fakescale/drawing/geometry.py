"""The figures of annotations: each geometry's place, markup and text."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fakescale.drawing.markup import element, path
from fakescale.drawing.reading import items, members, number, numbers, point, points, shown, text
from fakescale.drawing.values import Figure, Point

_LISTED = 8  # the most vertices that a text names


def _simple(name: str, found: Sequence[Point], told: str, **place: Any) -> Figure:
    """Return a figure of one element, whose size does not depend on the unit of length."""
    return Figure(found, lambda unit, strokes: element(name, **place, **strokes), told)


def _vertices(name: str, found: Sequence[Point]) -> Figure | None:
    if not found:
        return None
    if len(found) == 1:
        return _dot(found[0])
    told = " ".join(f"({shown(x)}, {shown(y)})" for x, y in found[:_LISTED])
    more = " …" if len(found) > _LISTED else ""
    return _simple(name, found, f"{len(found)} points: {told}{more}", points=path(found))


def _dot(at: Point) -> Figure:
    x, y = at

    def markup(unit: float, strokes: Mapping[str, Any]) -> str:
        return element("circle", cx=x, cy=y, r=unit * 0.4, **strokes)

    return Figure([at], markup, f"x {shown(x)}, y {shown(y)}")


def _box(annotation: Mapping[str, Any]) -> Figure | None:
    found = numbers(annotation, "left", "top", "width", "height")
    if found is None:
        return _polygon(annotation)
    left, top, width, height = found
    told = f"left {shown(left)}, top {shown(top)}, {shown(width)} × {shown(height)}"
    left, top = min(left, left + width), min(top, top + height)
    width, height = abs(width), abs(height)
    right, bottom = left + width, top + height
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    if angle := number(annotation.get("rotation")):
        # Documented: radians, clockwise; the vertices are those of the rotated box.
        given = points(annotation.get("vertices"))
        center = (left + width / 2, top + height / 2)
        corners = given if len(given) == len(corners) else rotated(corners, angle, center)
        told += f", rotated by {shown(angle)}"
        return _simple("polygon", corners, told, points=path(corners))
    return _simple("rect", corners, told, x=left, y=top, width=width, height=height)


def rotated(found: Sequence[Point], angle: float, center: Point = (0, 0)) -> list[Point]:
    """Return points rotated about ``center``, clockwise where the y axis points down."""
    cos, sin = math.cos(angle), math.sin(angle)
    x0, y0 = center
    return [
        (x0 + (x - x0) * cos - (y - y0) * sin, y0 + (x - x0) * sin + (y - y0) * cos)
        for x, y in found
    ]


def _polygon(annotation: Mapping[str, Any]) -> Figure | None:
    return _vertices("polygon", points(annotation.get("vertices")))


def _line(annotation: Mapping[str, Any]) -> Figure | None:
    return _vertices("polyline", points(annotation.get("vertices")))


def _point(annotation: Mapping[str, Any]) -> Figure | None:
    found = point(annotation)
    return _polygon(annotation) if found is None else _dot(found)


def _ellipse(annotation: Mapping[str, Any]) -> Figure | None:
    """Return the ellipse through its four extremal vertices (documented), in their order."""
    found = points(annotation.get("vertices"))
    if len(found) != 4:
        return _polygon(annotation)
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = found
    x, y = (ax + bx + cx + dx) / 4, (ay + by + cy + dy) / 4
    first, second = math.dist(found[0], found[2]) / 2, math.dist(found[1], found[3]) / 2
    angle = math.atan2(by - dy, bx - dx)
    wide = math.hypot(second * math.cos(angle), first * math.sin(angle))
    high = math.hypot(second * math.sin(angle), first * math.cos(angle))
    corners = [(x - wide, y - high), (x + wide, y - high), (x + wide, y + high), (x, y + high)]
    turn = f"rotate({shown(math.degrees(angle))} {shown(x)} {shown(y)})"
    told = f"center ({shown(x)}, {shown(y)}), radii {shown(second)} and {shown(first)}"
    return _simple("ellipse", corners, told, cx=x, cy=y, rx=second, ry=first, transform=turn)


# The edges of a cuboid, by the names of its vertices (observed in 2019).
_FACE = ("face-topleft", "face-topright", "face-bottomright", "face-bottomleft")
_SIDE = ("side-topcorner", "side-bottomcorner")


def _cuboid(annotation: Mapping[str, Any]) -> Figure | None:
    described = [members(it) for it in items(annotation.get("vertices"))[:100]]
    named = {text(it.get("description")): point(it) for it in described}
    found = {name: it for name in (*_FACE, *_SIDE) if (it := named.get(name)) is not None}
    if len(found) < len(_FACE) + len(_SIDE):
        return _polygon(annotation)
    face, (top, bottom) = [found[name] for name in _FACE], [found[name] for name in _SIDE]
    middle = sum(x for x, _ in face) / len(face)
    near = (face[1], face[2]) if top[0] >= middle else (face[0], face[3])
    lines = [(*face, face[0]), (near[0], top, bottom, near[1])]
    place = " ".join("M" + " L".join(f"{shown(x)} {shown(y)}" for x, y in line) for line in lines)
    told = ", ".join(f"{name} ({shown(x)}, {shown(y)})" for name, (x, y) in found.items())
    return _simple("path", [*face, top, bottom], told, d=place)


_GEOMETRIES: Mapping[str, Callable[[Mapping[str, Any]], Figure | None]] = {
    "box": _box,
    "polygon": _polygon,
    "line": _line,
    "point": _point,
    "ellipse": _ellipse,
    "cuboid": _cuboid,
}


def kind_of(annotation: Mapping[str, Any], default: str | None = None) -> str:
    """Return the geometry of an annotation: the named one, ``default``, or that of its members."""
    for name in ("type", "geometry"):
        if isinstance(named := annotation.get(name), str):
            return text(named, 40)
    if default is not None:
        return default
    if "left" in annotation:
        return "box"
    return "point" if "x" in annotation else "polygon"


def figure(annotation: Mapping[str, Any], kind: str) -> Figure | None:
    """Return the figure of an annotation, or None if it has no place on a plane."""
    known = _GEOMETRIES.get(kind)
    if known is None:
        known = _GEOMETRIES[kind_of({it: None for it in annotation if it in ("left", "x")})]
    return known(annotation)


def from_above(cuboid: Mapping[str, Any]) -> Figure | None:
    """Return a cuboid of a LiDAR scene as it is seen from above, with north at the top.

    Documented: yaw is in radians, zero along +y, and counter-clockwise.
    """
    at = numbers(cuboid.get("position"), "x", "y")
    size = numbers(cuboid.get("dimensions"), "x", "y")
    if at is None or size is None:
        return None
    (x, y), (wide, long) = at, size
    yaw = number(cuboid.get("yaw")) or 0.0
    half, front = wide / 2, long / 2
    around = [(-half, -front), (half, -front), (half, front), (-half, front), (0.0, 0.0)]
    *corners, center, nose = [
        (x + dx, -y + dy) for dx, dy in rotated([*around, (0.0, -front)], -yaw)
    ]
    outline = [*corners, corners[0]]
    place = " ".join(
        "M" + " L".join(f"{shown(px)} {shown(py)}" for px, py in line)
        for line in (outline, (center, nose))
    )
    told = f"x {shown(x)}, y {shown(y)}, {shown(wide)} × {shown(long)}, yaw {shown(yaw)}"
    z, height = numbers(cuboid.get("position"), "z"), numbers(cuboid.get("dimensions"), "z")
    told += f", z {shown(z[0])}" if z else ""
    told += f", height {shown(height[0])}" if height else ""
    return _simple("path", corners, told, d=place)
