"""The milliseconds of a client's first call to a fake that has just been served.

``plain`` goes to the fake's own URL. ``redirected`` goes to https://api.scale.com, with a context
that loads no certificates of its own; its time includes the start of the redirection. ``import``
is the time of the imports that the redirection needs.
"""

import http.client
import importlib
import ssl
import sys
import time

import fakescale
from tests.benchmarks.requests_sent import CREATE, KEY, body, next_number

HOST = "api.scale.com"


def call(connection: http.client.HTTPConnection) -> None:
    head = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    connection.request("POST", CREATE, body(next_number()), head)
    answer = connection.getresponse()
    if answer.status != 200:
        raise ValueError(f"not answered with 200: {answer.read()!r}")
    answer.read()
    connection.close()


def first_call(how: str) -> float:
    """Return the milliseconds of the first call, or of the imports."""
    with fakescale.FakeScale().serve() as served:
        begin = time.perf_counter()
        if how == "plain":
            call(http.client.HTTPConnection(served.url.split("/")[2]))
            return 1000 * (time.perf_counter() - begin)
        redirect = fakescale.redirect
        importlib.import_module("trustme")
        if how == "import":
            return 1000 * (time.perf_counter() - begin)
        begin = time.perf_counter()
        with redirect(served):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            call(http.client.HTTPSConnection(HOST, context=context))
            return 1000 * (time.perf_counter() - begin)


if __name__ == "__main__":
    print(first_call(sys.argv[1]))
