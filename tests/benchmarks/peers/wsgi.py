"""The microseconds of CPU of a creation in a WSGI application, called without a socket."""

import io
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


def creations(app: Any, count: int) -> float:
    """Return the microseconds of CPU of one creation, averaged over ``count``."""
    environs = [environ(body(next_number())) for _ in range(count)]
    begin = time.process_time()
    for each in environs:
        call(app, each)
    return 1e6 * (time.process_time() - begin) / count


if __name__ == "__main__":
    measured = app_named(sys.argv[1])
    work(lambda seconds: creations(measured, int(5000 * seconds)))
