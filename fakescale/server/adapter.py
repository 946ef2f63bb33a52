"""An adapter for ``requests`` that calls a WSGI application in place, without a socket.

``HTTPAdapter`` does all that it does with a server. Only its pool differs: it has no connections,
but calls the application. It raises the errors that urllib3 raises.
"""

import errno
import io
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Never
from urllib.parse import unquote, urlsplit

try:
    from requests.adapters import HTTPAdapter
    from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPResponse, Timeout
    from urllib3 import Retry as Retry  # noqa: PLC0414 (for the annotation of `FakeScale.adapter`)
    from urllib3.exceptions import HTTPError, MaxRetryError, ProtocolError, ReadTimeoutError
    from urllib3.util.request import body_to_chunks, set_file_position
except ImportError as error:
    raise ImportError(
        "adapter() needs requests 2.32.2 and urllib3 2, or later:"
        f" pip install 'requests>=2.32.2' 'urllib3>=2' ({error})"
    ) from None

from fakescale.server.http11 import field_key
from fakescale.server.server import WSGI
from fakescale.values.environ import BOUND_HOST, STANDS_IN, STOPPED, BrokenOff
from fakescale.values.hosts import NOT_SERVED, is_api

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_PORTS = {"http": 80, "https": 443}
_MOST = 256 * 2**20  # bytes of a body that is read, since an iterable may have no end


class Adapter(HTTPAdapter):
    """Sends the requests of a session to a WSGI application, which it calls in place.

    The application seems to be at each URL that the adapter is mounted on. No proxy is used.
    ``max_retries`` is that of ``HTTPAdapter``.
    """

    def __init__(self, app: "WSGIApplication", max_retries: int | Retry | None = 0) -> None:
        super().__init__(max_retries=max_retries)
        self._app = app
        self._pools: dict[tuple[str, str], _Pool] = {}

    def get_connection_with_tls_context(self, request: Any, *_: Any, **__: Any) -> Any:
        """Return the pool for the URL of a request, as ``requests`` asks."""
        parts = urlsplit(request.url)
        key = parts.scheme, parts.netloc
        if key not in self._pools:
            port = parts.port or _PORTS[parts.scheme]
            self._pools[key] = _Pool(self._app, parts.scheme, parts.hostname or "", port)
        return self._pools[key]

    def request_url(self, request: Any, proxies: Any) -> Any:
        """Return the target of a request, which is a path, since no proxy is used."""
        return request.path_url


class _Pool(HTTPConnectionPool):
    """The application, as the pool of connections to one host."""

    def __init__(self, app: "WSGIApplication", scheme: str, host: str, port: int) -> None:
        super().__init__(host, port)
        self._app = app
        name = f"[{host}]" if ":" in host else host
        self._environ = {
            **WSGI,
            "wsgi.url_scheme": scheme,
            "SERVER_NAME": NOT_SERVED,
            "SERVER_PORT": str(port),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": name if port == _PORTS[scheme] else f"{name}:{port}",
            # As http.client and urllib3 send them, unless the request has its own.
            "HTTP_ACCEPT_ENCODING": "identity",
            "HTTP_USER_AGENT": "python-urllib3",
            BOUND_HOST: host,
            STANDS_IN: is_api(host),
        }

    def urlopen(  # type: ignore[override]
        self,
        method: str,
        url: str,
        *,
        body: Any,
        headers: Mapping[str, str | bytes],
        retries: Retry,
        timeout: Timeout,
        chunked: bool,
        **_: Any,
    ) -> BaseHTTPResponse:
        """Return the answer to a request, with the retries and errors of urllib3."""
        position = None
        while True:
            position = set_file_position(body, position)
            sent = self._request(method, url, body, headers, chunked)
            answer: BaseHTTPResponse | None = None
            failure: HTTPError | None = None
            try:
                answer = self._answer(sent, timeout)
            except _Late as late:
                failure = ReadTimeoutError(self, url, f"Read timed out. (read timeout={late})")
            except ConnectionResetError as error:
                failure = ProtocolError("Connection aborted.", error)
            if answer is not None:
                answer.retries = retries
                wait = "Retry-After" in answer.headers
                if not retries.is_retry(method, answer.status, wait):
                    return answer
            try:
                retries = retries.increment(method, url, answer, failure, self)
            except MaxRetryError:
                if answer is None or retries.raise_on_status:
                    raise
                return answer
            retries.sleep(answer)

    def _request(
        self,
        method: str,
        url: str,
        body: Any,
        headers: Mapping[str, str | bytes],
        chunked: bool,
    ) -> dict[str, Any]:
        """Return the environ of a request, as the server makes it."""
        content = body if isinstance(body, bytes) else _read(body, method)
        path, _, query = url.partition("?")
        environ = {
            **self._environ,
            "REQUEST_METHOD": method,
            "REQUEST_URI": url,
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "wsgi.input": io.BytesIO(content),
        }
        if chunked:
            environ["HTTP_TRANSFER_ENCODING"] = "chunked"
        for name, value in headers.items():
            key = field_key(name)
            if key:
                environ[key] = value.decode("latin-1") if isinstance(value, bytes) else value
        return environ

    def _answer(self, environ: dict[str, Any], timeout: Timeout) -> BaseHTTPResponse:
        """Return the answer of the application; raises as a socket does."""
        clock = timeout.clone()
        clock.start_connect()
        environ[STOPPED] = _Patience(Timeout.resolve_default_timeout(clock.read_timeout))
        given: list[Any] = []
        start_response: Any = lambda *it: given.extend(it)  # noqa: E731
        body: io.BytesIO
        try:
            body = io.BytesIO(b"".join(self._app(environ, start_response)))
        except BrokenOff as broken:
            if not given:
                _reset()
            body = _Broken(broken.content)
        status, _, reason = given[0].partition(" ")
        return HTTPResponse(
            body=body,
            headers=given[1],
            status=int(status),
            reason=reason,
            version=11,
            version_string="HTTP/1.1",
            preload_content=False,
            decode_content=False,
            request_method=environ["REQUEST_METHOD"],
            request_url=environ["REQUEST_URI"],
        )


class _Late(Exception):
    """The answer is later than the client waits; the text is the client's timeout."""


class _Patience:
    """Waits as long as the client does, in the place of the server's Event."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds

    def wait(self, seconds: float) -> None:
        """Wait; raises _Late once the client waits no longer."""
        if self._seconds is None or seconds <= self._seconds:
            threading.Event().wait(seconds)
            return
        threading.Event().wait(self._seconds)
        raise _Late(self._seconds)


class _Broken(io.BytesIO):
    """The beginning of a body whose connection is reset."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes; raises ConnectionResetError if more are asked for."""
        return (b"" if size is None or size < 0 else super().read(size)) or _reset()

    def read1(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes; raises ConnectionResetError after the last."""
        return super().read1(size) or _reset()


def _reset() -> Never:
    raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")


def _read(body: Any, method: str) -> bytes:
    """Return the content of a body: of a text, a file or an iterable."""
    content = bytearray()
    for chunk in body_to_chunks(body, method, 64 * 1024).chunks or ():
        content += chunk.encode() if isinstance(chunk, str) else chunk
        if len(content) > _MOST:
            break
    return bytes(content)
