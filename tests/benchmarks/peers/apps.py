"""Two small WSGI applications that store nothing: a bare one, and one with werkzeug's objects."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from tests.benchmarks.requests_sent import CANNED, TASK

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_ROUTES = Map(
    [
        Rule("/v1/task/<type>", methods=["POST"], endpoint="create"),
        Rule("/v1/task/<task_id>", methods=["GET"], endpoint="get"),
        Rule("/v1/tasks", methods=["GET"], endpoint="list"),
    ]
)


def bare(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Read JSON and send the canned answer."""
    if length := int(environ.get("CONTENT_LENGTH") or 0):
        json.loads(environ["wsgi.input"].read(length))
    head = [("Content-Type", "application/json"), ("Content-Length", str(len(CANNED)))]
    start_response("200 OK", head)
    return [CANNED]


@Request.application
def objects(request: Request) -> Response:
    """Match a route, read JSON and answer with a task as JSON."""
    endpoint, _ = _ROUTES.bind_to_environ(request.environ).match()
    task = {**TASK, "unique_id": request.get_json()["unique_id"]} if endpoint == "create" else TASK
    return Response(json.dumps(task), content_type="application/json")
