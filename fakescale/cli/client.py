"""A thin client of the control API: a call sends JSON and returns JSON."""

import contextlib
import http.client
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from fakescale.cli.progress import progress

_CONNECT_SECONDS = 10
_SILENT_SECONDS = 600  # a dump, or a month of labeling, may take a while
_PIECE = 2**18  # bytes
_RESULT = re.compile(rb'\s*\{\s*"result"\s*:\s*')


class Refused(Exception):
    """The server refuses a call; the text is its reason."""


class NotFound(Refused):
    """The server does not know an id, a name or an operation."""


class NoServer(Exception):
    """No fakescale answers."""


class Client:
    """Calls the operations of the server at ``origin``.

    A call raises Refused if the server refuses it, and NoServer if no fakescale answers.
    """

    def __init__(self, origin: str, token: str | None = None) -> None:
        self._origin = origin
        self._token = token

    def call(self, operation: str, /, **arguments: Any) -> Any:
        """Return the result of an operation; an argument that is None is left out."""
        given = {name: value for name, value in arguments.items() if value is not None}
        return self._read(self._post(operation, json.dumps(given).encode()), "result")

    def health(self) -> Any:
        """Return ``ok``, the status of a server that works."""
        with self._answer("GET", "health") as answer:
            return self._read(answer.read(), "status")

    def dump(self) -> bytes:
        """Return the state as JSON; shows its progress."""
        with progress(f"dumping the state of {self._origin}") as note:
            text = self._post("dump", b"{}", note=note)
        found = _RESULT.match(text)
        if found is None:
            raise self._none("the answer is no dump")
        # To parse it would take as much time and memory again.
        return text[found.end() : text.rindex(b"}")]

    def load(self, content: bytes, note: Callable[[str], None]) -> None:
        """Load ``content``, which is JSON; calls ``note`` with each step."""
        self._post("load", b'{"data":' + content + b"}", note=note)

    def _post(
        self, operation: str, body: bytes, note: Callable[[str], None] = lambda step: None
    ) -> bytes:
        def pieces() -> Iterator[bytes]:
            for start in range(0, len(body), _PIECE):
                note(f"{_part(start, len(body))} sent")
                yield body[start : start + _PIECE]
            note("the server works on it")

        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        with self._answer("POST", operation, pieces(), headers) as answer:
            length, content = answer.length or 0, bytearray()
            while piece := answer.read(_PIECE):
                content += piece
                note(f"{_part(len(content), length)} received")
            return bytes(content)

    @contextlib.contextmanager
    def _answer(
        self,
        method: str,
        path: str,
        body: Iterable[bytes] | None = None,
        headers: Mapping[str, str] = {},
    ) -> Iterator[http.client.HTTPResponse]:
        parts = urlsplit(self._origin)
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        given = dict(headers)
        if self._token is not None:
            given["Authorization"] = f"Bearer {self._token}".encode().decode("latin-1")
        connection = kind(parts.hostname or "", parts.port, timeout=_CONNECT_SECONDS)
        try:
            connection.connect()
            connection.sock.settimeout(_SILENT_SECONDS)
            # A server that refuses a large body may close the connection before it has it all.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, f"{parts.path}/_fakescale/{path}", body, given)
            answer = connection.getresponse()
            if answer.status != 200:
                refusal = str(json.loads(answer.read())["error"])
                if answer.status == 413:
                    refusal += " Start the server with a larger --max-body, or with --load."
                raise (NotFound if answer.status == 404 else Refused)(refusal)
            yield answer
        except OSError as error:
            raise self._none(error.strerror or str(error)) from None
        except (http.client.HTTPException, ValueError, LookupError, TypeError) as error:
            raise self._none(str(error) or type(error).__name__) from None
        finally:
            connection.close()

    def _read(self, content: bytes, member: str) -> Any:
        try:
            return json.loads(content)[member]
        except (ValueError, LookupError, TypeError):
            raise self._none("the answer is not that of a fakescale") from None

    def _none(self, reason: str) -> NoServer:
        return NoServer(
            f"no fakescale answers at {self._origin}: {reason}."
            " Start one with `fakescale`, or give --url"
        )


def _part(done: int, whole: int) -> str:
    return f"{100 * done // max(1, whole)} % of {whole / 1e6:.1f} MB"
