"""The markup of SVG. Every text is escaped, so the result is always well-formed XML."""

import re
import zlib
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from fakescale.drawing.reading import shown
from fakescale.drawing.values import Label, Point

# XML 1.0 forbids these characters, even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})

#: Colors that people who are color-blind can tell apart, and that are seen on light and on dark:
#: the palette of Okabe and Ito, with a light gray in place of black.
PALETTE = (
    "#e69f00",
    "#56b4e9",
    "#009e73",
    "#f0e442",
    "#0072b2",
    "#d55e00",
    "#cc79a7",
    "#bbbbbb",
)
INK, PAPER, FAINT = "#1a1a1a", "#fafafa", "#808080"
_WIDEST, _HIGHEST = 960.0, 720.0  # the size in which a drawing is shown, in pixels


def clean(text: str) -> str:
    """Return ``text`` for XML: escaped, and with a sign for each character that XML forbids."""
    return _FORBIDDEN.sub("\ufffd", text).translate(_ESCAPES)


def element(name: str, /, *children: str, **attributes: Any) -> str:
    """Return an element; ``children`` are markup, and an attribute ``a_b`` has the name a-b."""
    told = "".join(
        f' {key.replace("_", "-")}="{_value(it)}"'
        for key, it in attributes.items()
        if it is not None
    )
    inner = "".join(children)
    return f"<{name}{told}>{inner}</{name}>" if inner else f"<{name}{told}/>"


def _value(value: Any) -> str:
    return shown(value) if isinstance(value, int | float) else clean(str(value))


def words(told: str, x: float, y: float, size: float, **more: Any) -> str:
    """Return a line of text at a point."""
    return element("text", clean(told), x=x, y=y, font_size=size, **more)


def path(points: Iterable[Point]) -> str:
    """Return points as the attribute ``points`` has them."""
    return " ".join(f"{shown(x)},{shown(y)}" for x, y in points)


def colors(labels: Iterable[str]) -> dict[str, str]:
    """Return the color of each label.

    A label prefers the same color in every drawing. Among eight labels no two have the same.
    """
    found: dict[str, str] = {}
    free = set(range(len(PALETTE)))
    for label in labels:
        if label not in found:
            wanted = zlib.crc32(label.encode(errors="replace")) % len(PALETTE)
            for step in range(len(PALETTE)):
                if not free or (wanted + step) % len(PALETTE) in free:
                    wanted = (wanted + step) % len(PALETTE)
                    break
            free.discard(wanted)
            found[label] = PALETTE[wanted]
    return found


def document(
    children: Iterable[str], box: tuple[float, float, float, float], told: str, **more: Any
) -> str:
    """Return an SVG document; ``told`` is its text for people who do not see it."""
    width, height = box[2:]
    scale = min(_WIDEST / width, _HIGHEST / height)
    return element(
        "svg",
        element("title", clean(told)),
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=" ".join(map(shown, box)),
        width=max(1.0, round(width * scale)),
        height=max(1.0, round(height * scale)),
        role="img",
        aria_label=told,
        font_family="sans-serif",
        **more,
    )


def summary(labels: Sequence[Label], noun: str = "label") -> str:
    """Return a drawing in a few words, like ``2 labels: person, vehicle``."""
    if not labels:
        return f"no {noun}s"
    names = ", ".join(it.label for it in labels[:5]) + (", …" if len(labels) > 5 else "")
    return f"{len(labels)} {noun}{'s' if len(labels) > 1 else ''}: {names}"


def limits(drawn: int, total: int) -> Collection[str]:
    """Return a line that says how many shapes are drawn, if not all."""
    return [f"Only the first {drawn:,} of {total:,} are drawn."] if drawn < total else []
