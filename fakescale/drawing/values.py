"""The values that a drawing consists of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

#: The most shapes that one drawing shows.
MOST_SHAPES = 2_000

#: A point on a plane whose y axis points down.
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Label:
    """A label of a drawing."""

    #: The label.
    label: str
    #: Its color, for example ``#e69f00``.
    color: str
    #: The number of shapes with the label, also of those that are left out.
    count: int


class Shape(NamedTuple):
    """A shape of a drawing, as text."""

    #: The label.
    label: str
    #: The kind, for example ``box``, ``word`` or ``answer``.
    kind: str
    #: The place and the attributes, for example ``left 10, top 20, 100 × 50``.
    text: str


class Drawing(NamedTuple):
    """The picture of a task's response, and its content as text."""

    #: The picture, an SVG document without references to anything outside it.
    svg: str
    #: The left end of the picture's coordinates.
    left: float
    #: The top end of the picture's coordinates.
    top: float
    #: The width of the picture's coordinates.
    width: float
    #: The height of the picture's coordinates.
    height: float
    #: The number of frames of a sequence, or of pages of a document; otherwise 1.
    frames: int
    #: The labels, those with most shapes first.
    labels: Sequence[Label]
    #: The shapes that are drawn, at most 2,000.
    shapes: Sequence[Shape]
    #: The number of shapes, without those that are left out.
    total: int
    #: The URL of the picture that the shapes lie on, or None. The fake never loads it.
    image: str | None


class Figure(NamedTuple):
    """A shape on a plane: its markup, and the points that bound it."""

    #: Points that span the extent of the shape. The label is at the first.
    points: Sequence[Point]
    #: Returns the markup, from the unit of length and the attributes of its strokes.
    markup: Callable[[float, Mapping[str, Any]], str]
    #: The place as text.
    text: str


class Subject(NamedTuple):
    """A task to draw, and the wishes for its drawing."""

    #: The task type.
    type: str
    #: The parameters.
    params: Any
    #: The response, or None.
    response: Any
    #: The content of result files, by the member of the response that points to them: JSON
    #: data, or the bytes of a PNG.
    files: Mapping[str, Any]
    #: The frame of a sequence, or the page of a document. A number too high stands for the last
    #: one.
    frame: int
    #: The labels to leave out.
    without: frozenset[str]
    #: The size of the picture that was labeled, or None if it is unknown.
    size: Point | None
