"""Requests of v2 that create or change something."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from fakescale.api.v2 import ROUTES
from fakescale.strategies.creations import COMMON, plain
from fakescale.strategies.schemas import ABSENT, drawn_objects, values
from fakescale.values.errors import NotFound
from fakescale.values.frozen import freeze
from fakescale.values.schemas import Parameters


class V2Request(NamedTuple):
    """A request ``POST /v2/…``."""

    #: The path.
    path: str
    #: The body, a new dict that you may change.
    body: dict[str, Any]


# Members that name something that must exist.
_NAMES = tuple(
    f"{noun}{ending}" for noun in ("project", "batch", "task") for ending in ("", "_id", "_name")
)


@functools.cache
def _bodies() -> Mapping[str, Parameters]:
    return {it.path: it.body for it in ROUTES if isinstance(it.body, Parameters)}


def paths(path: str | None) -> Sequence[str]:
    """Return the paths to draw from; raises NotFound for an unknown one."""
    if path is None:
        return [*_bodies()]
    if path not in _bodies():
        raise NotFound(f'There is no path "{path}" of v2 that takes a body.')
    return [path]


@st.composite
def v2_bodies(draw: DrawFn, paths: Sequence[str], members: Mapping[str, Any]) -> V2Request:
    """Draw a request to one of ``paths`` that has ``members``; None leaves a member out."""
    path = draw(st.sampled_from(paths))
    schema = _bodies()[path].schema
    parts = schema["properties"]
    given = dict.fromkeys((name for name in _NAMES if name in parts), ABSENT)
    for name, value in members.items():
        if name in parts:
            given[name] = ABSENT if value is None else value
    body = draw(drawn_objects(schema, _known(path), given))
    return V2Request(path, plain(body))


@functools.cache
def _known(path: str) -> Mapping[str, SearchStrategy[Any]]:
    parts = _bodies()[path].schema["properties"]
    return {
        name: COMMON[name] if name in COMMON else values(freeze(it)) for name, it in parts.items()
    }
