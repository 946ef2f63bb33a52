"""Safe reading of data that may be anything."""

import json
from collections.abc import Sequence
from typing import Any

from fakescale.drawing.values import Point

#: The largest number that is drawn; a picture of more could not show anything.
LARGEST = 1e9
#: The most characters of a label.
LONGEST_LABEL = 200
_MOST_VERTICES = 10_000

_ENCODER = json.JSONEncoder(ensure_ascii=False)


def number(value: Any) -> float | None:
    """Return ``value`` if it is a number that can be drawn, or else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -LARGEST <= value <= LARGEST else None


def numbers(home: Any, *names: str) -> list[float] | None:
    """Return the members of an object that have these names, or None if one is no number."""
    found = [number(members(home).get(name)) for name in names]
    told = [it for it in found if it is not None]
    return told if len(told) == len(found) else None


def members(value: Any) -> dict[str, Any]:
    """Return ``value`` if it is an object, or else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """Return ``value`` if it is an array, or else an empty one."""
    return value if isinstance(value, list) else []


def point(value: Any) -> Point | None:
    """Return the point of an object with x and y, or None."""
    found = numbers(value, "x", "y")
    return None if found is None else (found[0], found[1])


def points(value: Any) -> list[Point]:
    """Return the points of an array, without those that have no place."""
    return [it for it in map(point, items(value)[:_MOST_VERTICES]) if it is not None]


def text(value: Any, most: int = LONGEST_LABEL) -> str:
    """Return any value as text of at most ``most`` characters; JSON if it is not a text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value if len(value) <= most else value[: most - 1] + "…"
    if isinstance(value, list) and all(isinstance(it, str) for it in value[: most + 1]):
        return text(", ".join(value[: most + 1]), most)
    told = ""
    try:
        for chunk in _ENCODER.iterencode(value):
            told += chunk[: most + 1]
            if len(told) > most:
                break
    except (ValueError, TypeError, RecursionError):  # an endless number, for example
        told += "…"
    return text(told, most)


def shown(value: float) -> str:
    """Return a number with at most three decimals, without zeros at the end."""
    told = f"{value:.3f}".rstrip("0").rstrip(".")
    return "0" if told == "-0" else told


def attributes(value: Any) -> str:
    """Return the attributes of a shape as text, or an empty text if there are none."""
    told = [f"{text(name, 60)}={text(it, 100)}" for name, it in list(members(value).items())[:20]]
    return f"attributes: {', '.join(told)}" if told else ""


def nearest(frames: Sequence[Any], frame: int) -> Any:
    """Return the item at ``frame``, or the nearest; None if there is none."""
    return frames[max(0, min(frame, len(frames) - 1))] if frames else None
