"""Helpers of the contract tests: making, retrieving and naming things of an account."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from fakescale.contract.target import ABSENT, Reply, Target

# The official client's tests create tasks of this type with a test key.
TYPE = "categorization"
BODY: Mapping[str, Any] = {
    "instruction": "Big or small?",
    "attachment_type": "text",
    "attachment": "car",
    "categories": ["big", "small"],
}
UNKNOWN = "Task with that ID not found."


def post(api: Target, **params: Any) -> Reply:
    """Request a creation of a task with ``BODY`` and these parameters; ABSENT leaves one out."""
    body = {name: value for name, value in {**BODY, **params}.items() if value is not ABSENT}
    return api.call("POST", f"/task/{TYPE}", body)


def once(api: Target, key: str, **params: Any) -> Reply:
    """Request a creation of a task with an Idempotency-Key."""
    return api.call("POST", f"/task/{TYPE}", {**BODY, **params}, headers={"Idempotency-Key": key})


def make(api: Target, **params: Any) -> Any:
    """Create a task and return the JSON of the answer."""
    return ok(post(api, **params))


def ok(reply: Reply) -> Any:
    """Return the JSON of an answer; the test fails if the status is not 200."""
    assert reply.status == 200, reply.json
    return reply.json


def get(api: Target, path: str) -> Any:
    """Return the JSON at a path."""
    return ok(api.call("GET", path))


def task(api: Target, task_id: str) -> Any:
    """Return the present JSON of a task."""
    return get(api, f"/task/{task_id}")


def ids(page: Any) -> list[str]:
    """Return the ids on a page of tasks."""
    return [doc["task_id"] for doc in page["docs"]]


def make_project(api: Target, **more: Any) -> str:
    """Create a project and return its name."""
    name = api.name()
    ok(api.call("POST", "/projects", {"type": TYPE, "name": name, **more}))
    return name


def make_batch(api: Target, project: str | None = None) -> str:
    """Create a batch and return its name."""
    name = api.name()
    project = project or make_project(api)
    ok(api.call("POST", "/batches", {"project": project, "name": name}))
    return name


class Things(dict[str, str]):
    """The names that ``{task}`` and so on stand for; each thing is made when it is first named."""

    def __init__(self, api: Target) -> None:
        self._api = api

    def __missing__(self, thing: str) -> str:
        makers = {
            "task": lambda: make(self._api)["task_id"],
            "tagged": lambda: make(self._api, tags=[*"abcde"])["task_id"],
            "unique": lambda: make(self._api, unique_id=self._api.name())["unique_id"],
            "project": lambda: make_project(self._api),
            "texts": lambda: make_project(self._api, type="textcollection"),
            "batch": lambda: make_batch(self._api),
            "new": self._api.name,
            "nobody": self._api.task_id,
        }
        self[thing] = makers[thing]()
        return self[thing]

    def ask(self, request: str, body: Any) -> Reply:
        """Send a request like ``GET /task/{task}`` after filling in the names."""
        method, _, path = request.partition(" ")
        return self._api.call(method, self._fill(path), self._fill(body))

    def _fill(self, value: Any) -> Any:
        if isinstance(value, str):
            return value.format_map(self)
        if isinstance(value, list):
            return [self._fill(item) for item in value]
        if isinstance(value, dict):
            return {name: self._fill(item) for name, item in value.items()}
        return value


def quoted(name: str) -> str:
    """Return a name quoted for a path or a query."""
    return quote(name, safe="")
