"""The size of a picture, as its URL tells it. No picture is ever loaded."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from fakescale.drawing.reading import items, members
from fakescale.drawing.values import Point

_IN_PATH = re.compile(r"(?:^|[/_.-])(\d{1,5})x(\d{1,5})(?=[/_.-]|$)")
_SIDE = re.compile(r"\d{1,5}")


def size_of_url(url: Any) -> Point | None:
    """Return the width and height that a URL names, or None.

    These are agreed forms of the fake, not of the API: ``…/1920x1080/…``, ``…_1920x1080.jpg``,
    and ``…?w=1920&h=1080`` or ``width`` and ``height``.
    """
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url[:2_000])
        query = dict(parse_qsl(parts.query, max_num_fields=50))
    except ValueError:  # brackets that are no IPv6 address, or too many fields
        return None
    for wide, high in (("w", "h"), ("width", "height")):
        sides = query.get(wide, ""), query.get(high, "")
        if all(_SIDE.fullmatch(it) for it in sides):
            return _size(*sides)
    found = _IN_PATH.findall(parts.path)
    return _size(*found[-1]) if found else None


def _size(width: str, height: str) -> Point | None:
    return (float(width), float(height)) if int(width) and int(height) else None


def size_of(params: Any, sizes: Mapping[str, Point] | None = None, frame: int = 0) -> Point | None:
    """Return the size of the picture that the parameters of a task name, or None.

    ``sizes`` holds sizes by URL; they count before those that URLs name.
    """
    several = items(members(params).get("attachments"))
    url = members(params).get("attachment")
    if several:
        url = several[max(0, min(frame, len(several) - 1))]
    if sizes and isinstance(url, str) and url in sizes:
        width, height = sizes[url]
        return (float(width), float(height))
    return size_of_url(url)
