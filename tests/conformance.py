"""A check of every answer in the suite against the OpenAPI document."""

import functools
import http
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jsonschema_rs

from fakescale.api import request
from fakescale.api.app import CONTROL
from fakescale.api.openapi import document

BASE = "http://127.0.0.1"


class Judge:
    """Finds answers that do not conform to the OpenAPI document."""

    def __init__(self, described: dict[str, Any], *, types: bool = True) -> None:
        self._has_types = types
        self._document = json.loads(json.dumps(described))
        self._validators: dict[int, jsonschema_rs.Validator] = {}
        paths = self._document["paths"]
        # A path without parameters comes first, as OpenAPI demands.
        self._patterns = [
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + "/?"), path)
            for path in sorted(paths, key=lambda path: "{" in path)
        ]
        operations = [it for methods in paths.values() for it in methods.values()]
        answers = set(self._refs([operation["responses"] for operation in operations]))
        schemas = self._document["components"]["schemas"]
        self._components = {"schemas": {name: schemas[name] for name in schemas if name in answers}}

    def complaint(
        self, method: str, path: str, status: int, media_type: str, body: bytes
    ) -> str | None:
        """Return the complaint about an answer, or None if it conforms.

        ``path`` is the request's path without ``/v1``.
        """
        asked = f"{method} {path} -> {status}"
        if method == "OPTIONS" and status == 200:  # it tells the methods of the document
            return None
        operation = self._find(method, path)
        responses = (
            _undescribed(method, path if self._has_types else "")
            if operation is None
            else operation["responses"]
        )
        if str(status) not in responses:
            return f"{asked}: the document does not have this status: {body[:200]!r}"
        response = self._resolved(responses[str(status)])
        kind = media_type.partition(";")[0]
        if "content" not in response:  # a redirect
            return None if not body else f"{asked}: a body where the document has none"
        if "*/*" in response["content"]:
            return None
        if kind not in response["content"]:
            return f"{asked}: the document does not have {media_type}"
        if kind != "application/json" or method == "HEAD":  # no body comes with a HEAD
            return None
        validator = self._validator(response["content"][kind]["schema"])
        value = json.loads(body)
        if validator.is_valid(value):
            return None
        error = next(validator.iter_errors(value))
        return f"{asked}: {error.message[:300]} at {error.instance_path}: {body[:200]!r}"

    @functools.lru_cache(maxsize=4096)  # noqa: B019
    def _find(self, method: str, path: str) -> Any:
        for pattern, template in self._patterns:
            if pattern.fullmatch(path):
                described = "get" if method == "HEAD" else method.lower()
                return self._document["paths"][template].get(described)
        return None

    def _validator(self, schema: dict[str, Any]) -> jsonschema_rs.Validator:
        # An id is safe as a key: every schema lives as long as the document.
        if id(schema) not in self._validators:
            self._validators[id(schema)] = jsonschema_rs.validator_for(
                {**schema, "components": self._components}, validate_formats=True
            )
        return self._validators[id(schema)]

    def _resolved(self, response: dict[str, Any]) -> Any:
        if "$ref" not in response:
            return response
        return self._document["components"]["responses"][response["$ref"].rpartition("/")[2]]

    def _refs(self, value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if "$ref" in value:
                name = value["$ref"].rpartition("/")[2]
                yield name
                yield from self._refs(self._document["components"]["schemas"].get(name))
            value = list(value.values())
        if isinstance(value, list):
            for item in value:
                yield from self._refs(item)


def _undescribed(method: str, path: str) -> dict[str, Any]:
    """Return the responses of an operation that the document does not describe."""
    names = {401: "Unauthorized", 403: "Forbidden", 404: "NotFound"}
    # The type does not exist, but the API checks the body first.
    if method == "POST" and re.fullmatch(r"/((evaluation|training)_tasks|task)/[^/]+/?", path):
        names |= {400: "BadRequest", 409: "Conflict", 413: "TooLarge", 429: "TooManyRequests"}
    return {str(it): {"$ref": f"#/components/responses/{name}"} for it, name in names.items()}


def closed(described: dict[str, Any]) -> dict[str, Any]:
    """Return the document without additional members of tasks, which only loaded tasks have."""
    components = described["components"]
    task = {**components["schemas"]["Task"], "additionalProperties": False}
    schemas = {**components["schemas"], "Task": task}
    return {**described, "components": {**components, "schemas": schemas}}


@functools.cache
def judge(version: str = "v1") -> Judge:
    """Return the judge of the suite, in which no loaded task has additional members."""
    if version == "v2":
        return Judge(document(BASE, version="v2"), types=False)
    return Judge(closed(document(BASE)))


def _is_own(path: str, status: int) -> bool:
    """Return whether an answer is the fake's own, and not one of the API."""
    return f"{path}/".startswith(CONTROL) or (path, status) == ("/", http.HTTPStatus.SEE_OTHER)


def judged(answer: Callable[..., Iterable[bytes]], tell: Callable[[str], None]) -> Any:
    """Return ``answer``, an application, wrapped so that complaints about answers go to ``tell``.

    Answers are not checked while the fake has faults.
    """

    def application(state: Any, environ: Any, start_response: Any, **more: Any) -> Any:
        begun: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]]) -> Any:
            begun[:] = [int(status[:3]), dict(headers)["Content-Type"]]
            return start_response(status, headers)

        has_faults = bool(state.faults)
        content = [*answer(state, environ, start, **more)]
        path = request.raw_path(environ)
        if begun and not has_faults and not _is_own(path, begun[0]):
            status, media_type = begun
            method = environ["REQUEST_METHOD"]
            version = "v2" if path.startswith("/v2/") else "v1"
            found = judge(version).complaint(
                method, path.removeprefix(f"/{version}"), status, media_type, b"".join(content)
            )
            if found is not None:
                tell(found)
        return content

    return application
