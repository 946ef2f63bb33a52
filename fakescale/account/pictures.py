"""The drawing of a task: its response and its result files, as a picture."""

import random
import re
from collections.abc import Collection, Iterable
from typing import Any

from fakescale.account import masks
from fakescale.account.result_files import result_file
from fakescale.account.task import Task
from fakescale.drawing.draw import draw as draw_subject
from fakescale.drawing.reading import items, members, nearest, numbers
from fakescale.drawing.sizes import size_of
from fakescale.drawing.values import Drawing, Point, Subject
from fakescale.values.answer import decode
from fakescale.values.errors import NotFound

_FILE = re.compile(r"https?://.*/v1/task/(.*)/response_url/([0-9a-f-]{36})", re.DOTALL)
# The members of a response that a result file stands for, each with the path to its URL.
_FILES = {
    "annotations": ("annotations", "url"),
    "events": ("events", "url"),
    "point_segmentations": ("point_segmentations", "url"),
    "combined": ("annotations", "combined", "image"),
}


def draw(
    task: Task,
    *,
    frame: int = 0,
    without: Iterable[str] = (),
    size: tuple[float, float] | None = None,
) -> str:
    """Return a picture of the response of ``task``: an SVG document, as text.

    It shows boxes, polygons and other shapes with their labels, spans of text, words in time,
    masks, and LiDAR cuboids from above. A response of another type is drawn as a list. ``frame`` is
    the frame of a video or a scene, or the page of a document, counted from 0. A number too high
    stands for the last one. ``without`` are labels to leave out. ``size`` is the width and height
    of the picture that was labeled. By default, it comes from the URL of the attachment. If it is
    known, the border of that picture is drawn.

    Nothing is loaded from an attachment, and the SVG refers to nothing outside it. Any response
    can be drawn: the parts without a place are left out.

    Raises TypeError for anything but a task, and ValueError for a ``size`` that is not two
    positive numbers.
    """
    if not isinstance(task, Task):
        raise TypeError(f"draw() takes a task, not {task!r}")
    return drawing(task, frame=frame, without=without, size=_checked(size)).svg


def _checked(size: Any) -> Point | None:
    if size is None:
        return None
    found = numbers({"x": size[0], "y": size[1]}, "x", "y") if _is_pair(size) else None
    if found is None or min(found) <= 0:
        raise ValueError(f"size must be a width and a height in pixels, not {size!r}")
    return (found[0], found[1])


def _is_pair(size: Any) -> bool:
    return isinstance(size, list | tuple) and len(size) == 2


def drawing(
    task: Task, *, frame: int = 0, without: Iterable[str] = (), size: Point | None = None
) -> Drawing:
    """Return the drawing of a task."""
    labels = frozenset([without] if isinstance(without, str) else without)
    files = {name: _content(task, name, labels) for name in _FILES}
    return draw_subject(
        Subject(
            type=task.type,
            params=task.params,
            response=task.response,
            files={name: it for name, it in files.items() if it is not None},
            frame=frame,
            without=labels,
            size=size or _page_size(task, frame) or size_of(task.params, frame=frame),
        )
    )


def _page_size(task: Task, frame: int) -> Point | None:
    """Return the size of a page of a document (documented), or None."""
    page = nearest(items(task.document_pages), frame)
    found = numbers(page, "width", "height")
    return (found[0], found[1]) if found and min(found) > 0 else None


def _content(task: Task, name: str, without: Collection[str]) -> Any:
    """Return the content of the result file ``name``, or None if the fake did not make it.

    A mask lacks the labels that are left out.
    """
    value: Any = task.response
    for step in _FILES[name]:
        value = members(value).get(step)
    found = _FILE.fullmatch(value) if isinstance(value, str) else None
    if found is None or found[1] != task.id:
        return None
    if name == "combined":
        return masks.picture(task.params, random.Random(task.id[8:]), found[2], without)
    try:
        return decode(result_file(task, found[2]).body)
    except NotFound:
        return None
