"""requests with the library responses, which gives a canned answer without a socket."""

import requests
import responses

from tests.benchmarks.clients import rate
from tests.benchmarks.peers import work
from tests.benchmarks.requests_sent import CREATE, KEY, TASK, next_number, params

URL = f"https://api.scale.com{CREATE}"


def measure(seconds: float) -> float:
    """Return the creations per second."""
    with responses.RequestsMock() as mock, requests.Session() as session:
        mock.post(URL, json=TASK)
        session.headers["Authorization"] = f"Bearer {KEY}"
        return rate(lambda: session.post(URL, json=params(next_number())).json(), seconds)


if __name__ == "__main__":
    work(measure)
