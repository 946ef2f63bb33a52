"""requests with the adapter of a fake, which answers without a socket."""

import requests

from fakescale import FakeScale
from tests.benchmarks.clients import rate
from tests.benchmarks.peers import work
from tests.benchmarks.requests_sent import CREATE, KEY, next_number, params

HOST = "https://api.scale.com"


def measure(seconds: float) -> float:
    """Return the creations per second."""
    with requests.Session() as session:
        session.mount(HOST, FakeScale(seed="benchmark").adapter())
        session.headers["Authorization"] = f"Bearer {KEY}"
        url = f"{HOST}{CREATE}"
        return rate(lambda: session.post(url, json=params(next_number())).json(), seconds)


if __name__ == "__main__":
    work(measure)
