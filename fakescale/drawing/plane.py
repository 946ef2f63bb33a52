"""The drawing of shapes on a plane: annotations of pictures, documents, videos and LiDAR scenes."""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from fakescale.drawing.geometry import figure, from_above, kind_of
from fakescale.drawing.markup import (
    FAINT,
    INK,
    PAPER,
    clean,
    colors,
    document,
    element,
    limits,
    summary,
    words,
)
from fakescale.drawing.reading import attributes, members, number, text
from fakescale.drawing.values import MOST_SHAPES, Drawing, Figure, Label, Point, Shape, Subject

_MOST_LABELS = 1_000
_IN_LEGEND = 16
_LONGEST_NAME = 40
_HALO = {"stroke": INK, "stroke_opacity": 0.55, "stroke_width": 4}
#: A text that is seen on any background.
_SEEN = {"fill": "#ffffff", "stroke": INK, "paint_order": "stroke", "stroke_linejoin": "round"}


class Placed(NamedTuple):
    """A shape to draw on a plane."""

    label: str
    kind: str
    figure: Figure | None
    text: str
    #: A further text beside the label, for example the height of a cuboid.
    note: str = ""


#: Reads an object of a response.
Reader = Callable[[Mapping[str, Any]], Placed]


def _texts(place: Figure | None, *more: str) -> str:
    return "; ".join(it for it in ("cannot be drawn" if place is None else place.text, *more) if it)


def annotation(kind: str | None = None) -> Reader:
    """Return the reader of annotations; ``kind`` is the geometry of those that name none."""

    def read(given: Mapping[str, Any]) -> Placed:
        named = kind_of(given, kind)
        place = figure(given, named)
        told = _texts(place, attributes(given.get("attributes")))
        return Placed(label_of(given, kind), named, place, told)

    return read


def label_of(given: Mapping[str, Any], kind: str | None = None) -> str:
    """Return the label of an object; without one, its geometry stands for it."""
    return text(given.get("label")) or kind_of(given, kind)


def located(given: Mapping[str, Any]) -> Placed:
    """Read an annotation of a document, whose shape is its ``location``."""
    location = members(given.get("location"))
    kind = kind_of(location, None if "vertices" in location else "box")
    place = figure(location, kind)
    content = given.get("text")
    told = _texts(
        place,
        f"text: {text(content)}" if content is not None else "",
        attributes(given.get("attributes")),
    )
    return Placed(label_of(given, kind), kind, place, told)


def cuboid(given: Mapping[str, Any]) -> Placed:
    """Read a cuboid of a LiDAR scene."""
    place = from_above(given)
    height = number(members(given.get("dimensions")).get("z"))
    told = _texts(place, attributes(given.get("attributes")))
    note = "" if height is None else f"height {height:g}"
    return Placed(label_of(given, "cuboid"), "cuboid", place, told, note)


def counted(names: Iterable[str], shades: Mapping[str, str]) -> list[Label]:
    """Return the labels with their numbers, those with most shapes first."""
    ranked = Counter(names).most_common(_MOST_LABELS)
    return [Label(name, shades[name], count) for name, count in ranked]


def draw(
    subject: Subject,
    objects: Iterable[Any],
    read: Reader,
    *,
    frames: int = 1,
    image: str | None = None,
    declared: Iterable[str] = (),
    notes: Sequence[Shape] = (),
    around: Iterable[Any] = (),
    label: Callable[[Mapping[str, Any]], str] = label_of,
) -> Drawing:
    """Return the drawing of objects on a plane.

    ``declared`` are the labels that the task asks for. ``notes`` are listed below the picture.
    ``around`` are the objects of all frames, for which the plane has room, so that it stays the
    same from frame to frame. ``label`` returns the label of an object.
    """
    given = [members(it) for it in objects]
    names = [label(it) for it in given]
    shades = colors(itertools.chain(declared, sorted(set(names))))
    kept = [it for it, name in zip(given, names, strict=True) if name not in subject.without]
    placed = [read(it) for it in kept[:MOST_SHAPES]]
    labels = counted(names, shades)
    others = (read(members(it)) for it in itertools.islice(around, MOST_SHAPES))
    box = _extent((it.figure for it in itertools.chain(placed, others)), subject.size)
    unit = max(box[2], box[3]) / 40
    lines = _legend(labels, subject, [*limits(len(placed), len(kept)), *map(_line, notes)])
    left, top, width, height = box
    whole = (left, top, width, height + unit * 1.4 * (len(lines) + 0.5))
    svg = document(
        [
            _grid(box, unit),
            _border(subject.size),
            *(_object(it, shades[it.label], unit, box) for it in placed),
            _below(lines, left + unit, top + height + unit * 1.4, unit),
        ],
        whole,
        summary(labels),
    )
    shapes = [*(Shape(it.label, it.kind, it.text) for it in placed), *notes]
    total = len(kept) + len(notes)
    return Drawing(svg, *whole, frames, tuple(labels), tuple(shapes), total, image)


def _line(note: Shape) -> str:
    return f"{note.kind} {note.label}: {note.text}"


def _extent(figures: Iterable[Figure | None], size: Point | None) -> tuple[float, ...]:
    """Return left, top, width and height of all figures and of the picture, with a margin."""
    found = [it for one in figures if one is not None for it in one.points]
    if size is not None:
        found += [(0.0, 0.0), size]
    if not found:
        return (0.0, 0.0, 100.0, 100.0)
    left, right = min(x for x, _ in found), max(x for x, _ in found)
    top, bottom = min(y for _, y in found), max(y for _, y in found)
    span = max(right - left, bottom - top)
    margin = span * 0.06 if span >= 1 else 10.0  # a single point has no extent
    return (left - margin, top - margin, right - left + 2 * margin, bottom - top + 2 * margin)


def _grid(box: tuple[float, ...], unit: float) -> str:
    left, top, width, height = box
    rough = max(width, height) / 10
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(it * power for it in (1, 2, 5, 10) if it * power >= rough)
    columns = [
        step * n for n in range(math.ceil(left / step), math.floor((left + width) / step) + 1)
    ]
    rows = [step * n for n in range(math.ceil(top / step), math.floor((top + height) / step) + 1)]
    return element(
        "g",
        *(element("line", x1=x, x2=x, y1=top, y2=top + height) for x in columns),
        *(element("line", y1=y, y2=y, x1=left, x2=left + width) for y in rows),
        stroke=FAINT,
        stroke_opacity=0.25,
        stroke_width=unit * 0.05,
    )


def _border(size: Point | None) -> str:
    if size is None:
        return ""
    strokes = {"fill": "none", "stroke": FAINT, "stroke_width": 2}
    return element(
        "rect",
        element("title", "the picture"),
        x=0,
        y=0,
        width=size[0],
        height=size[1],
        vector_effect="non-scaling-stroke",
        **strokes,
    )


def _object(placed: Placed, color: str, unit: float, box: tuple[float, ...]) -> str:
    if placed.figure is None:
        return ""
    thin = {"fill": "none", "vector_effect": "non-scaling-stroke"}
    area = {"fill": color, "fill_opacity": 0.2}
    color_of = {"stroke": color, "stroke_width": 2, "vector_effect": "non-scaling-stroke"}
    x, y = placed.figure.points[0]
    left, top, width, height = box
    name = text(placed.label, _LONGEST_NAME) + (f", {placed.note}" if placed.note else "")
    return element(
        "g",
        element("title", clean(f"{placed.label}: {placed.text}")),
        placed.figure.markup(unit, {**thin, **_HALO}),
        placed.figure.markup(unit, {**(thin if placed.kind == "line" else area), **color_of}),
        words(
            name,
            x,
            min(max(y + unit * 1.1, top + unit), top + height),
            unit,
            stroke_width=unit * 0.2,
            text_anchor="end" if x > left + width * 0.8 else None,
            **_SEEN,
        ),
    )


def _legend(
    labels: Sequence[Label], subject: Subject, more: Sequence[str]
) -> list[tuple[str, str]]:
    """Return the lines below the picture, each with the color of its label, if it has one."""
    lines = [
        (
            f"{text(it.label, 2 * _LONGEST_NAME)}: {it.count:,}"
            + (" (left out)" if it.label in subject.without else ""),
            it.color,
        )
        for it in labels[:_IN_LEGEND]
    ]
    if len(labels) > _IN_LEGEND:
        lines.append((f"and {len(labels) - _IN_LEGEND:,} labels more", ""))
    if not labels:
        lines.append(("no labels", ""))
    return [*lines, *((it, "") for it in more[:_IN_LEGEND])]


def _below(lines: Sequence[tuple[str, str]], x: float, y: float, unit: float) -> str:
    return "".join(
        (
            element(
                "rect",
                x=x,
                y=y + row * unit * 1.4 - unit * 0.8,
                width=unit * 0.8,
                height=unit * 0.8,
                fill=color,
                stroke=PAPER,
                stroke_width=unit * 0.05,
            )
            if color
            else ""
        )
        + words(
            told,
            x + (unit * 1.2 if color else 0),
            y + row * unit * 1.4,
            unit,
            stroke_width=unit * 0.2,
            **_SEEN,
        )
        for row, (told, color) in enumerate(lines)
    )
