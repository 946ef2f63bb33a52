"""The parts of made-up responses and of their files: choices, attributes and annotations.

The API does not check every parameter, and the fake checks none of a loaded task. So a value of
an unexpected kind counts as empty.
"""

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fakescale.account.shapes import PLAIN, Params, Plan, is_set, number_of, shape
from fakescale.values.ids import make_uuid

#: Makes a part of a response from the parameters of the task.
Maker = Callable[[Params, random.Random], Any]
#: Makes a part of a response by a plan.
PlannedMaker = Callable[[Params, random.Random, Plan], Any]

TEXT = "test response"


def items_of(value: Any) -> list[Any]:
    """Return ``value`` if it is an array, or else an empty one."""
    return value if isinstance(value, list) else []


def members_of(value: Any) -> dict[str, Any]:
    """Return ``value`` if it is an object, or else an empty one."""
    return value if isinstance(value, dict) else {}


def leaves(labels: Any) -> list[str]:
    """Return the labels that a labeler can choose: in a tree, only the leaves (documented)."""
    found: list[str] = []
    for label in items_of(labels):
        if isinstance(label, str):
            found.append(label)
        elif isinstance(label, dict):
            name = label.get("choice", label.get("label", label.get("name")))
            found += leaves(label.get("subchoices")) or ([name] if isinstance(name, str) else [])
    return found


def pick(labels: Any, rng: random.Random, default: str) -> str:
    """Return a random one of the ``leaves`` of the labels, or ``default`` if there are none."""
    return rng.choice(leaves(labels) or [default])


# Attributes.


def attributes_of(
    params: Params,
    rng: random.Random,
    *,
    label: str | None = None,
    others: Sequence[Mapping[str, Any]] = (),
    is_global: bool = False,
    plan: Plan = PLAIN,
) -> dict[str, Any]:
    """Return a value for each attribute that the task asks for.

    ``label`` is the label of the annotation, which a condition may name. ``others`` are the
    annotations that an attribute may link to. ``is_global`` chooses the global attributes,
    which belong to no annotation.
    """
    values: dict[str, Any] = {}
    for name, spec in members_of(params.get("annotation_attributes")).items():
        facts = members_of(spec)
        if is_set(facts.get("global")) == is_global and _is_asked(facts, label):
            value = _attribute(facts, rng, others, plan)
            if value is not None:
                values[name] = [value] if is_set(facts.get("allow_multiple")) else value
    return values


def _is_asked(facts: Params, label: str | None) -> bool:
    """Return whether an attribute is asked for an annotation with this label (documented)."""
    condition = members_of(members_of(facts.get("conditions")).get("label_condition"))
    wanted = condition.get("label")
    return label is None or not isinstance(wanted, list) or label in wanted


def _attribute(
    facts: Params, rng: random.Random, others: Sequence[Mapping[str, Any]], plan: Plan
) -> Any:
    kind = facts.get("type", "category")
    if kind == "category":
        return pick(facts.get("choices"), rng, TEXT)
    if kind == "text":
        return TEXT
    if kind == "linked":  # guessed: it holds the uuid of an annotation
        allowed = items_of(facts.get("allowed_labels"))
        ids = [it["uuid"] for it in others if not allowed or it["label"] in allowed]
        return rng.choice(ids) if ids else None
    least, most = (_number(facts.get(name)) for name in ("min", "max"))
    if least is None:
        least = 0
    if plan.size is not None and type(least) is int and type(most) is int and least < most:
        return rng.randint(least, most)
    return least


def _number(value: Any) -> Any:
    """Return a number that a form sent as a text, or else ``value``."""
    return number_of(value, 0) if isinstance(value, str) else value


def vector_image(params: Params, rng: random.Random, plan: Plan = PLAIN) -> Any:
    """Return the annotations of an image: at least one for each geometry that the task asks for."""
    annotations = []
    geometries = members_of(params.get("geometries")) or {"polygon": {}}
    number = max(plan.number, len(geometries))
    for geometry, spec in itertools.islice(itertools.cycle(geometries.items()), number):
        labels = members_of(spec).get("objects_to_annotate")
        annotations.append(
            {
                "uuid": make_uuid(rng),
                "type": geometry,
                "label": pick(labels or params.get("labels"), rng, geometry),
                **shape(geometry, members_of(spec), rng, plan),
            }
        )
    if params.get("annotation_attributes") is not None:
        for annotation in annotations:
            annotation["attributes"] = attributes_of(
                params, rng, label=annotation["label"], others=annotations, plan=plan
            )
    return {"annotations": annotations}
