"""Creations through the clients of users: requests, httpx and the official client."""

import httpx
import requests
import scaleapi
from scaleapi.tasks import TaskType

from tests.benchmarks.clients import rate
from tests.benchmarks.lab import Lab, worker
from tests.benchmarks.measure import Round, Row, Target
from tests.benchmarks.requests_sent import CREATE, KEY, next_number, params
from tests.benchmarks.rows.requests import FLOOR, OURS, Side

_HEADERS = {"Authorization": f"Bearer {KEY}"}


def requests_session(*server: str) -> Side:
    def prepare(lab: Lab) -> Round:
        session = lab.enter(requests.Session())
        session.headers.update(_HEADERS)
        url = f"http://127.0.0.1:{lab.port(*server)}{CREATE}"

        def once() -> None:
            answer = session.post(url, json=params(next_number()))
            answer.raise_for_status()
            answer.json()

        return lambda: rate(once, lab.seconds)

    return prepare


def httpx_client(*server: str) -> Side:
    def prepare(lab: Lab) -> Round:
        client = lab.enter(httpx.Client(headers=_HEADERS))
        url = f"http://127.0.0.1:{lab.port(*server)}{CREATE}"
        return lambda: rate(
            lambda: client.post(url, json=params(next_number())).raise_for_status().json(),
            lab.seconds,
        )

    return prepare


def official_client(*server: str) -> Side:
    def prepare(lab: Lab) -> Round:
        url = f"http://127.0.0.1:{lab.port(*server)}/v1"
        client = scaleapi.ScaleClient(KEY, api_instance_url=url)
        return lambda: rate(
            lambda: client.create_task(TaskType.ImageAnnotation, **params(next_number())),
            lab.seconds,
        )

    return prepare


ROWS = (
    Row(
        name="requests",
        what="creations through requests.Session",
        unit="req/s",
        sides={
            "fakescale": requests_session(*OURS),
            "floor": requests_session(*FLOOR),
        },
        targets=(Target(at_least=0.85, times="floor"),),
        group="clients",
    ),
    Row(
        name="requests-app",
        what="creations through requests.Session, without a socket",
        unit="req/s",
        sides={"fakescale": worker("adapter"), "responses": worker("responses")},
        targets=(Target(at_least=1, times="responses"),),
        group="clients",
    ),
    Row(
        name="httpx",
        what="creations through httpx.Client",
        unit="req/s",
        sides={"fakescale": httpx_client(*OURS), "floor": httpx_client(*FLOOR)},
        group="clients",
    ),
    Row(
        name="official",
        what="creations through the official client",
        unit="req/s",
        sides={"fakescale": official_client(*OURS), "floor": official_client(*FLOOR)},
        group="clients",
    ),
)
