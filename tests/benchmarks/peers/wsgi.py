"""The microseconds of CPU of a request to a WSGI application, called without a socket."""

import io
import json
import sys
import time
from typing import Any

from tests.benchmarks.peers import work
from tests.benchmarks.requests_sent import CREATE, KEY, body, next_number

_ENVIRON = {
    "REQUEST_METHOD": "POST",
    "SCRIPT_NAME": "",
    "PATH_INFO": CREATE,
    "REQUEST_URI": CREATE,
    "RAW_URI": CREATE,
    "QUERY_STRING": "",
    "SERVER_NAME": "127.0.0.1",
    "SERVER_PORT": "8675",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "127.0.0.1",
    "HTTP_HOST": "127.0.0.1:8675",
    "HTTP_AUTHORIZATION": f"Bearer {KEY}",
    "CONTENT_TYPE": "application/json",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
}


def app_named(name: str) -> Any:
    """Return a fake or one of the small applications."""
    if name == "fakescale":
        from fakescale import FakeScale

        return FakeScale(seed="benchmark")
    from tests.benchmarks.peers import apps

    return getattr(apps, name)


def environ(content: bytes, **changes: Any) -> dict[str, Any]:
    """Return the WSGI environ of a creation, with changes."""
    stream = {"wsgi.input": io.BytesIO(content), "CONTENT_LENGTH": str(len(content))}
    return {**_ENVIRON, **stream, **changes}


def call(app: Any, environ: dict[str, Any], status: str = "200") -> bytes:
    """Return the body of the answer. Raises ValueError if the status is another."""
    answered: list[Any] = []
    content = b"".join(app(environ, lambda *head: answered.append(head)))
    if not answered[0][0].startswith(status):
        raise ValueError(f"not answered with {status}: {content!r}")
    return content


def getting(path: str, query: str = "") -> dict[str, Any]:
    """Return the WSGI environ of a get."""
    target = f"{path}?{query}" if query else path
    told = {"PATH_INFO": path, "QUERY_STRING": query, "REQUEST_URI": target, "RAW_URI": target}
    return environ(b"", REQUEST_METHOD="GET", **told)


def environs(app: Any, act: str, count: int) -> list[dict[str, Any]]:
    """Return the environs of ``count`` requests: ``create``, ``get`` or ``page``."""
    if act == "create":
        return [environ(body(next_number())) for _ in range(count)]
    made = [json.loads(call(app, environ(body(next_number()))))["task_id"] for _ in range(100)]
    if act == "page":
        return [getting("/v1/tasks", "limit=100") for _ in range(count)]
    return [getting(f"/v1/task/{made[number % 100]}") for number in range(count)]


def cpu(app: Any, act: str, count: int) -> float:
    """Return the microseconds of CPU of one request, averaged over ``count``."""
    asked = environs(app, act, count)
    begin = time.process_time()
    for each in asked:
        call(app, each)
    return 1e6 * (time.process_time() - begin) / count


if __name__ == "__main__":
    measured = app_named(sys.argv[1])
    per_second = {"create": 5000, "get": 10_000, "page": 2000}[sys.argv[2]]
    work(lambda seconds: cpu(measured, sys.argv[2], int(per_second * seconds)))
