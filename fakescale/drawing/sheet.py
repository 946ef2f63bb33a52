"""A sheet of paper: lines of text and marks, on a ground of its own."""

from collections.abc import Iterable, Sequence
from typing import Any

from fakescale.drawing.markup import FAINT, INK, PAPER, clean, document, element, words
from fakescale.drawing.values import Drawing, Label, Shape

WIDTH, EDGE = 960.0, 24.0
#: The width of a character, and the size of its font.
COLUMN, SIZE = 9.0, 15.0
#: The characters of a line.
COLUMNS = int((WIDTH - 2 * EDGE) / COLUMN)


class Sheet:
    """The lines of a drawing, from the top."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        #: The place of the next line.
        self.y = EDGE

    def add(self, *parts: str) -> None:
        """Add markup."""
        self._parts += parts

    def line(self, told: str, x: float = EDGE, **more: Any) -> None:
        """Add a line of text."""
        self.y += SIZE * 1.4
        self._parts.append(words(told, x, self.y, SIZE, **{"fill": INK, **more}))

    def drawing(
        self, told: str, labels: Sequence[Label] = (), shapes: Sequence[Shape] = (), total: int = 0
    ) -> Drawing:
        """Return the drawing of all lines; ``told`` is its text."""
        height = self.y + EDGE
        ground = element("rect", width=WIDTH, height=height, fill=PAPER, stroke=FAINT)
        svg = document([ground, *self._parts], (0, 0, WIDTH, height), told)
        held = (tuple(labels), tuple(shapes), total)
        return Drawing(svg, 0.0, 0.0, WIDTH, height, 1, *held, None)


def message(told: str) -> Drawing:
    """Return a drawing that only says something."""
    sheet = Sheet()
    sheet.line(told)
    return sheet.drawing(told)


def fixed(told: str, x: float, y: float) -> str:
    """Return text of which each character is as wide as a column."""
    return element(
        "text",
        clean(told),
        x=x,
        y=y,
        font_size=SIZE,
        font_family="monospace",
        fill=INK,
        textLength=len(told) * COLUMN,
        lengthAdjust="spacingAndGlyphs",
    )


def wrapped(told: str, most: int) -> Iterable[tuple[int, str]]:
    """Yield the lines of a text, at most ``most``, each with the place of its first character.

    A line ends where the text has a new line, or else after a space if there is one.
    """
    start = 0
    for _ in range(most):
        if start >= len(told):
            return
        end = told.find("\n", start, start + COLUMNS + 1)
        following = end + 1
        if end < 0:
            end = following = min(start + COLUMNS, len(told))
            space = told.rfind(" ", start, end)
            if end < len(told) and space > start:
                end = following = space + 1
        yield start, told[start:end]
        start = following
