"""Ready-made labelers, for ``fakescale.labeler``."""

import random
from collections.abc import Mapping
from typing import Any

from fakescale.account import responses
from fakescale.account.labeling import Labeler, TaskFailure
from fakescale.account.shapes import Plan
from fakescale.account.task import Task
from fakescale.drawing.reading import items, numbers
from fakescale.drawing.sizes import size_of
from fakescale.values.frozen import FrozenDict

__all__ = ["lively"]

#: The size of a picture whose size is not known.
DEFAULT_SIZE = (1920.0, 1080.0)
_MOST_OBJECTS = 1_000


def lively(
    per_task: int = 5,
    error_rate: float = 0.02,
    seed: str | int | None = None,
    sizes: Mapping[str, tuple[float, float]] | None = None,
) -> Labeler:
    """Return a labeler that answers as a busy team would: with many objects, and some errors.

    A response has ``per_task`` objects, at least one of each geometry that the task asks for.
    They lie anywhere in the picture, and obey the parameters of the task, for example
    ``min_width``, ``max_vertices``, the choices of attributes and the allowed labels. Objects of
    videos and LiDAR scenes move from frame to frame. Texts get several spans, and audio more
    words. Other types get the usual made-up response.

    ``error_rate`` is the share of tasks that fail, with the documented text that an attachment
    could not be downloaded.

    The same task id and ``seed`` give the same response.

    ``sizes`` are the widths and heights of pictures by URL. Any other size may be in the URL, as
    ``…/1920x1080/…``, ``…_1920x1080.jpg`` or ``…?w=1920&h=1080``. The page of a document tells its
    own size. Any other picture counts as 1920 by 1080.

    Raises TypeError or ValueError for a ``per_task`` that is not a number from 1 to 1,000, an
    ``error_rate`` that is not between 0 and 1, and a size that is not two numbers over 0.
    """
    if not isinstance(per_task, int) or isinstance(per_task, bool):
        raise TypeError(f"per_task must be a whole number, not {per_task!r}")
    if not 1 <= per_task <= _MOST_OBJECTS:
        raise ValueError(f"per_task must be from 1 to {_MOST_OBJECTS:,}, not {per_task}")
    if not isinstance(error_rate, int | float) or isinstance(error_rate, bool):
        raise TypeError(f"error_rate must be a number, not {error_rate!r}")
    if not 0 <= error_rate <= 1:
        raise ValueError(f"error_rate must be between 0 and 1, not {error_rate}")
    known = {url: _checked(url, size) for url, size in (sizes or {}).items()}

    def label(task: Task) -> FrozenDict:
        rng = random.Random(f"{seed} {task.id[8:]}")
        if rng.random() < error_rate:
            raise TaskFailure(**responses.failure(task))
        plan = Plan(per_task, _size(task, known))
        return responses.response(task, plan=plan, rng=rng)

    return label


def _checked(url: str, size: Any) -> tuple[float, float]:
    pair = size if isinstance(size, list | tuple) and len(size) == 2 else (None, None)
    found = numbers(dict(zip("wh", pair, strict=True)), "w", "h")
    if found is None or min(found) < 1:
        raise ValueError(f"the size of {url} must be a width and a height in pixels, not {size!r}")
    return (found[0], found[1])


def _size(task: Task, known: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
    pages = items(task.document_pages)
    page = numbers(pages[0], "width", "height") if pages else None
    if page is not None and min(page) >= 1:
        return (page[0], page[1])
    return size_of(task.params, known) or DEFAULT_SIZE
