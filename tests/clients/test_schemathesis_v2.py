"""v2 obeys its OpenAPI document: schemathesis sends requests and applies its checks."""

from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import positive_data_acceptance

from fakescale.account.listing import token
from tests.api.v2.test_routes import Homes
from tests.clients.test_schemathesis import (
    DOCUMENTS,
    FAKE,
    SETTINGS,
    Case,
    described,
    keeps_own_rules,
    send,
)
from tests.support import examples

THERE: dict[str, str] = {}
# The members and parameters that name an object, and the object that they name in a valid request.
NAMES = {
    "task_id": "t",
    "project_id": "p",
    "batch_id": "b",
    "delivery_id": "d",
    "schema_id": "schema",
    "dataset_id": "ds",
    "annotation_id": "an",
    "attachment_id": "at",
}
# The same names in requests about datasets.
OF_DATASETS = {"task_id": "dt", "delivery_id": "dd"}


@pytest.fixture(autouse=True)
def _something_of_each() -> Iterator[None]:
    FAKE.reset()
    THERE.update(Homes(FAKE).ids)
    yield
    FAKE.callbacks._stop()


@described(DOCUMENTS["v2"], coverage=examples(100) == 100).parametrize()
@hypothesis.settings(SETTINGS, max_examples=examples(2))
def test_each_route_of_v2_obeys_the_document(case: Case) -> None:
    assert case.meta is not None
    excluded: list[Any] = []
    if not case.meta.is_negative_at(ParameterLocation.PATH):
        case.path_parameters.update({name: there(case, name) for name in case.path_parameters})
    if case.meta.generation.mode.is_positive:
        mention_what_is_there(case)
        if not keeps_own_rules(case, "v2"):
            excluded.append(positive_data_acceptance)
    send(case, excluded)


def there(case: Case, name: str) -> str:
    """Return the id of the object that exists for a name."""
    own = OF_DATASETS if case.operation.path.startswith("/datasets") else {}
    return THERE[{**NAMES, **own}[name]]


def mention_what_is_there(case: Case) -> None:
    """Put ids of existing objects into the query and the body, which no schema can say."""
    path = case.operation.path
    if "next_token" in case.query:
        case.query["next_token"] = token(("2024-02-29T12:00:00.000Z", "0"))
    described = case.operation.definition.raw.get("parameters", ())
    known = {it["name"] for it in described if it["in"] == "query"}
    case.query.update({name: there(case, name) for name in known & {*NAMES}})
    body = case.body
    if not isinstance(body, dict):
        return
    if path.startswith("/batch/"):
        case.body = {**body, "batch_id": a_batch_for(path)}
    else:
        members = {"task_id"} if path == "/task/metadata" else {"project_id"}
        others = {"project_name", "project", "batch_id", "batch_name", "batch"}
        kept = {name: value for name, value in body.items() if name not in others}
        case.body = kept | {name: there(case, name) for name in members}


def a_batch_for(path: str) -> str:
    """Make a batch for which a move is allowed, and return its id."""
    name = f"batch {len(FAKE.batches)}"
    staged = path.endswith("/finalize")
    batch = FAKE.batches._create({"name": name, "project": "P"}, staged=staged)
    if path.endswith("/resume"):
        FAKE.tasks.create("chat", project="P", batch=name)
        FAKE.batches.pause(name)
    return batch.id
