"""The API obeys its OpenAPI document: schemathesis sends requests and applies its checks."""

import copy
import functools
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import hypothesis
import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck
from schemathesis import BaseSchema
from schemathesis.checks import CheckContext
from schemathesis.config import (
    CoveragePhaseConfig,
    PhasesConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)
from schemathesis.core import NotSet
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.transport import Response
from schemathesis.generation.case import Case as AnyCase
from schemathesis.generation.meta import TestPhase
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    ignored_auth,
    negative_data_rejection,
    positive_data_acceptance,
    unsupported_method,
)
from schemathesis.transport.serialization import Binary

from fakescale import FakeScale
from fakescale.account import task_types
from fakescale.account.listing import token
from fakescale.api.openapi import document
from fakescale.values.keywords import KEYWORDS
from fakescale.values.schemas import NUMBER
from tests.api.test_openapi import DOCUMENT
from tests.arrangements import (
    ADMIN,
    ARRANGEMENTS,
    THERE,
    a_batch,
    a_completed_task,
    a_group,
    a_labeler,
    a_lidar_task,
)
from tests.conformance import BASE
from tests.support import examples

Case = AnyCase[Any]

FAKE = FakeScale(seed="schemathesis")
DOCUMENTS = {"v1": DOCUMENT, "v2": json.loads(json.dumps(document(BASE, version="v2")))}
OF_TYPES = r"^create_(evaluation_|training_)?task_"
# The same in each run.
SETTINGS = hypothesis.settings(
    max_examples=examples(3),
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[*HealthCheck],
)


def described(document: Any = DOCUMENT, *, coverage: bool) -> BaseSchema:
    """Return a document as schemathesis reads it, with or without the edge cases of schemas."""
    phases = PhasesConfig(coverage=CoveragePhaseConfig(enabled=coverage))
    projects = ProjectsConfig(default=ProjectConfig(phases=phases))
    # A copy, because schemathesis changes the document.
    schema = schemathesis.openapi.from_dict(
        copy.deepcopy(document), config=SchemathesisConfig(seed=0, projects=projects)
    )
    schema.app = FAKE
    return schema


@pytest.fixture(autouse=True)
def _something_of_each() -> Iterator[None]:
    FAKE.reset()
    a_batch(FAKE)
    a_group(FAKE)
    yield
    FAKE.callbacks._stop()


# A thorough run has the edge cases of schemas as well, which take 5 s.
@described(coverage=examples(100) == 100).exclude(operation_id_regex=OF_TYPES).parametrize()
@hypothesis.settings(SETTINGS, max_examples=examples(2))  # besides the edge cases
def test_each_route_obeys_the_document(case: Case) -> None:
    check(case)


# Without the edge cases: the 47 bodies have 13,000 of them, which take half a minute.
@described(coverage=False).include(operation_id_regex=OF_TYPES).parametrize()
@SETTINGS
def test_each_type_obeys_the_document(case: Case) -> None:
    check(case)


def check(case: Case) -> None:
    assert case.meta is not None
    excluded: list[Any] = []
    if not case.meta.is_negative_at(ParameterLocation.PATH):
        name_what_is_there(case)
    if case.meta.generation.mode.is_positive:
        mention_what_is_there(case)
        if not keeps_own_rules(case):
            excluded.append(positive_data_acceptance)
    elif is_right_as_a_form(case):
        excluded.append(negative_data_rejection)
    send(case, excluded)


def send(case: Case, excluded: Sequence[Any] = ()) -> None:
    """Send a request, and apply all checks to the answer, except some."""
    assert case.meta is not None
    # A path of one task type also takes the methods of `/task/{task_id}`, and the reverse.
    excluded = [*excluded, unsupported_method, allow_header_conformance]
    if case.meta.phase.name is TestPhase.COVERAGE:
        # It sends each request twice more. The drawn requests of each route are enough for it.
        excluded.append(ignored_auth)
    case.call_and_validate(
        headers={"Authorization": f"Bearer {FAKE.api_key}"},
        excluded_checks=excluded,
        additional_checks=[a_wrong_method_is_unknown],
    )


# The checks that do not apply everywhere, and their replacements.


def a_wrong_method_is_unknown(ctx: CheckContext, response: Response, case: Case) -> bool | None:
    """Replace ``unsupported_method``: for a wrong method the API has 404, not 405 (guessed)."""
    assert case.meta is not None
    is_wrong = getattr(case.meta.phase.data, "scenario", None) == "unspecified_http_method"
    if is_wrong and case.method not in ("HEAD", "OPTIONS"):
        assert response.status_code in (401, 404), response.status_code
    return None


def keeps_own_rules(case: Case, version: str = "v1") -> bool:
    """Return whether the body keeps the rules that JSON Schema cannot express."""
    if isinstance(case.body, NotSet) or case.media_type != "application/json":
        return True
    rules = _own_rules_of(version, case.operation.label)
    return all(rules.is_valid(body) for body in (case.body, _with_numbers(case.body)))


def _with_numbers(value: Any) -> Any:
    """Return a body with numbers in place of strings that are numbers."""
    if isinstance(value, dict):
        return {name: _with_numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_numbers(item) for item in value]
    is_number = isinstance(value, str) and re.fullmatch(NUMBER, value)
    return float(value) if is_number else value


@functools.cache
def _own_rules_of(version: str, label: str) -> jsonschema_rs.Validator:
    method, path = label.split(" ")
    body = DOCUMENTS[version]["paths"][path][method.lower()]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    return jsonschema_rs.validator_for(
        {**_as_keywords(schema), "components": _components_as_keywords(version)}, keywords=KEYWORDS
    )


@functools.cache
def _components_as_keywords(version: str) -> Any:
    return _as_keywords(DOCUMENTS[version]["components"])


def _as_keywords(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key.removeprefix("x-"): _as_keywords(value) for key, value in schema.items()}
    return [_as_keywords(item) for item in schema] if isinstance(schema, list) else schema


def is_right_as_a_form(case: Case) -> bool:
    """Return whether the body is valid as a form, which cannot show the type of a value."""
    if case.operation.label != "POST /files/upload" or not isinstance(case.body, dict):
        return False
    file, metadata = case.body.get("file"), case.body.get("metadata", {})
    return isinstance(file, bytes | Binary) and isinstance(metadata, dict)


# A valid request names existing tasks, projects, batches and teammates, which no schema can say.


def name_what_is_there(case: Case) -> None:
    """Put existing names into the path."""
    names = case.path_parameters
    if names:
        made = ARRANGEMENTS[case.operation.label].make(FAKE)
        names.update({name: made[name] for name in names})


def mention_what_is_there(case: Case) -> None:
    """Put existing names into the query and the body, in the members that have a name."""
    path = case.operation.path
    if "next_token" in case.query:
        case.query["next_token"] = token(("2024-02-29T12:00:00.000Z", "0"))
    if path == "/audits" and not any(case.query.values()):
        case.query["id"] = "0"
    if path == "/quality/labelers":
        case.query["labeler_emails"] = [ADMIN]
    body = case.body
    if not isinstance(body, dict):
        return
    if path == "/task/multistage" and body.get("scene_format") is None:
        # The project's own format would bound the attachments, which no schema knows.
        body["scene_format"] = "split_base64"
    if found := FIRST_PARTS.match(path):
        inherit(body, found[1], path[found.end() :])
        return
    there: dict[str, Any] = {
        "project": THERE,
        "projects": [THERE],
        "batches": [{"name": batch.name} for batch in FAKE.batches],
        "groups": [ADMIN],
        "emails": [ADMIN],
        "add_emails": [ADMIN],
        "remove_emails": [ADMIN],
    }
    if path == "/teams/set_role":  # the role of an admin cannot be set
        there["emails"] = [a_labeler(FAKE)["email"]]
    for name, value in there.items():
        if body.get(name) or (name == "batches" and name in body):
            body[name] = value
    if "task_id" in body:
        body |= a_completed_task(FAKE)
    if isinstance(body.get("metadata"), str):  # metadata in a form is JSON as text
        body["metadata"] = "{}"


FIRST_PARTS = re.compile(r"/(task|evaluation_tasks|training_tasks)/(?!\{)")


def inherit(body: dict[str, Any], kind: str, type: str) -> None:
    """Put the parameters that a task lacks into its project."""
    type = task_types.required(type)
    if body.get("lidar_task") is not None:
        body |= a_lidar_task(FAKE)
    if body.get("project") is None and body.pop("batch", None) is None:
        return
    if type == "videoannotation" and body.get("attachment_type") == "video":
        body["attachment"] = "https://example.com/a.mp4"
    known, facts = task_types.example(type)[0], task_types.facts(type)
    groups = [*([member] for member in facts["required"]), *facts["any_of_required"]]
    params = {
        member: known[member]
        for group in groups
        if all(body.get(member) is None for member in group)
        for member in [next(member for member in group if member in known)]
    }
    params.pop("project", None)
    body.pop("batch", None)
    body["project"] = f"{type} {len(FAKE.projects)}"
    FAKE.projects.create(type=type, name=body["project"], rapid=kind != "task", params=params)
    for version in ("project_version", "project_param_version"):
        if body.get(version) is not None:
            body[version] = 0
