"""HTTP/1.1 without sockets: bytes in, heads and bodies out (RFC 9112, PEP 3333).

The parser is strict if a proxy in front of the server could find another end or host of a request.
Otherwise it is lenient: a request may lack its Host.
"""

import functools
import re
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import unquote

from fakescale.server.limits import Limits
from fakescale.values.errors import shown
from fakescale.values.keys import masked

_CONTROLS = bytes({*range(32), 127} - {*b"\t\r\n"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_REQUEST_LINE = re.compile(rf"({_TOKEN.pattern}) (\S+) (HTTP/\d\.\d)", re.ASCII)
_URL = re.compile(r"https?://(\[[0-9a-f:.]+\](?::\d*)?|[^/?#@\[\]]+)([/?].*)?", re.ASCII | re.I)
_ONCE = ("CONTENT_LENGTH", "HTTP_HOST", "HTTP_TRANSFER_ENCODING")
_FIELD = re.compile(rf"{_TOKEN.pattern}:[^\x00-\x08\x0a-\x1f\x7f]*".encode())
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?")
_LINE = 4096  # bytes of a line between chunks; guessed


class Refused(Exception):
    """A request that is not HTTP/1.1, or is over a limit; the statuses are guessed.

    ``phrase`` follows the status in the status line; the default is HTTP's own phrase.
    """

    def __init__(self, status: int, text: str, phrase: str | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.phrase = phrase or HTTPStatus(status).phrase


class Head(NamedTuple):
    """The head of a request."""

    #: The entries of the WSGI environ that the head gives.
    environ: dict[str, Any]
    #: The number of bytes of the body; None if the body comes in chunks.
    length: int | None
    #: Whether this is the last request of its connection.
    is_last: bool
    #: Whether the client waits for a ``100 Continue`` before it sends the body.
    awaits: bool


class Reader:
    """A buffer of the bytes that one client sent.

    ``feed`` adds received bytes. ``head`` returns the head of the next request. Read the body with
    a ``BodyReader``, or with ``take`` if you know its length.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._ahead = b""
        self._used = 0  # the number of used bytes; it would be slow to cut them off each time
        #: Whether the latest request is a ``HEAD``, whose answer has no body.
        self.is_head = False

    def feed(self, piece: bytes) -> None:
        """Add received bytes."""
        self._ahead, self._used = self.rest() + piece, 0

    def head(self) -> Head | None:
        """Return the next head, or None while it is incomplete.

        Raises Refused for a bad head, and for a beginning that cannot become a head.
        """
        head = self.take_until(b"\r\n\r\n")
        if head is None:
            if begun := self.rest():
                self.is_head = begun.removeprefix(b"\r\n").startswith(b"HEAD ")
                check_beginning(begun, self._limits)
            return None
        self.is_head = head.removeprefix(b"\r\n").startswith(b"HEAD ")
        return read_head(head, self._limits)

    @property
    def available(self) -> int:
        """The number of unused bytes."""
        return len(self._ahead) - self._used

    def rest(self) -> bytes:
        """Return the unused bytes without using them."""
        return self._ahead[self._used :]

    def take(self, number: int) -> bytes:
        """Use and return ``number`` bytes, or all if there are fewer."""
        begin, self._used = self._used, min(self._used + number, len(self._ahead))
        return self._ahead[begin : self._used]

    def take_until(self, end: bytes) -> bytes | None:
        """Use and return the bytes before ``end``, and skip ``end``; return None without one."""
        begin, found = self._used, self._ahead.find(end, self._used)
        if found < 0:
            return None
        self._used = found + len(end)
        return self._ahead[begin:found]


class BodyReader:
    """The body of one request, taken from a ``Reader``."""

    def __init__(self, source: Reader, length: int | None, limits: Limits) -> None:
        self._source = source
        self._is_chunked = length is None
        #: The number of bytes left of the body, or of the current chunk.
        self.left = length or 0
        self._is_after_chunk = False
        self._is_in_trailer = False
        self._room = limits.max_header_bytes  # for the trailer

    def read(self, number: int) -> bytes | None:
        """Return up to ``number`` bytes, ``b""`` at the end, or None until more is fed.

        Raises ConnectionError if the chunks are malformed.
        """
        while self._is_chunked and self.left == 0:
            line = self._line()
            if line is None:
                return None
            self._read_line(line)
        if self.left == 0:
            return b""
        piece = self._source.take(min(self.left, number))
        self.left -= len(piece)
        self._is_after_chunk = self._is_chunked and self.left == 0
        return piece or None

    def _read_line(self, line: bytes) -> None:
        """Read a line between chunks, or a line of the trailer, which is ignored."""
        if self._is_in_trailer:
            self._is_chunked = line != b""
            if line:
                check_trailer(line)
                self._room -= len(line)
                if self._room < 0:
                    raise ConnectionError("the trailer is too long")
        elif self._is_after_chunk:
            self._is_after_chunk = False
            if line != b"":
                raise ConnectionError("a chunk is longer than it says")
        else:
            self.left = read_chunk_size(line)
            self._is_in_trailer = self.left == 0

    def _line(self) -> bytes | None:
        line = self._source.take_until(b"\r\n")
        # If the line is incomplete, its last byte may be the CR that ends it.
        length = self._source.available - 1 if line is None else len(line)
        if length > _LINE:
            raise ConnectionError("a line between chunks is too long")
        return line


def read_head(head: bytes, limits: Limits) -> Head:
    """Parse a head, given without the empty line at its end; raises Refused if it is bad."""
    text = _text(head)
    first, *lines = text.split("\r\n")
    _check_size(len(text) - len(first), len(lines), limits)
    if len(head.translate(None, _CONTROLS)) != len(head):
        raise _malformed("the head holds a control character")
    if not text.count("\r") == text.count("\n") == len(lines):
        raise _malformed("a line ends with CR or LF alone")
    environ = _read_request_line(first, limits)
    host = environ.pop("HTTP_HOST", None)
    for line in lines:
        name, colon, value = line.partition(":")
        key = field_key(name)
        if not colon or key is None:  # also a folded line, and "Name : value"
            raise _malformed(f"the line {shown(masked(line))} is malformed")
        value = value.strip(" \t")
        if key in environ:
            if key in _ONCE:
                raise _malformed(f"the field {name} occurs twice")
            value = f"{environ[key]},{value}"
        environ[key] = value
    environ.pop("", None)
    if host is not None:  # RFC 9112, 3.2.2: the host of the target wins
        environ["HTTP_HOST"] = host
    length = _length(environ)
    is_old = environ["SERVER_PROTOCOL"] == "HTTP/1.0"
    options = {*map(str.strip, environ.get("HTTP_CONNECTION", "").lower().split(","))}
    # RFC 9112, 9.3 and 6.1: HTTP/1.0 is kept if the client asks for it, but not with chunks.
    is_kept = not is_old or ("keep-alive" in options and length is not None)
    awaits = environ.get("HTTP_EXPECT", "").lower() == "100-continue"
    return Head(
        environ,
        length,
        is_last=not is_kept or "close" in options,
        awaits=awaits and not is_old and length != 0,
    )


def check_beginning(head: bytes, limits: Limits) -> None:
    """Raise Refused if no continuation can make this beginning a valid head."""
    # A CR at the end may be half of a line's end.
    first, end, rest = _text(head).removesuffix("\r").partition("\r\n")
    if end:
        _read_request_line(first, limits)
        _check_size(len(rest), rest.count("\r\n"), limits)
    else:
        _check_request_line(first, limits)
        if first and not _TOKEN.match(first):
            raise _malformed(f"it begins with {shown(first[:8])}")  # for example with TLS


def read_chunk_size(line: bytes) -> int:
    """Return the length of the chunk after ``line``, given without its CRLF.

    Raises ConnectionError if the line is malformed.
    """
    found = _CHUNK.fullmatch(line)
    if found is None:
        raise ConnectionError("the size of a chunk is malformed")
    return int(found[1], 16)


def check_trailer(line: bytes) -> None:
    """Raise ConnectionError unless ``line`` is a header field."""
    if _FIELD.fullmatch(line) is None:
        raise ConnectionError("the trailer is malformed")


def _text(head: bytes) -> str:
    return head.removeprefix(b"\r\n").decode("latin-1")  # RFC 9112, 2.2


def _read_request_line(line: str, limits: Limits) -> dict[str, Any]:
    _check_request_line(line, limits)
    found = _REQUEST_LINE.fullmatch(line)
    if found is None:
        raise _malformed(f"the request line is {shown(masked(line))}")
    method, target, version = found.groups()
    if not version.startswith("HTTP/1."):
        raise Refused(505, f"This is not HTTP/1.1: it is {version}.")
    environ = {"REQUEST_METHOD": method, "REQUEST_URI": target, "SERVER_PROTOCOL": version}
    if not target.startswith("/") and target != "*":  # `GET http://host/path`, as proxies get it
        url = _URL.fullmatch(target)
        if url is None:
            raise _malformed(f"the target {shown(masked(target))} is malformed")
        environ["HTTP_HOST"] = url[1]
        target = url[2] or ""
    path, _, environ["QUERY_STRING"] = target.partition("?")
    environ["PATH_INFO"] = unquote(path, "latin-1") or "/"
    return environ


def _check_request_line(line: str, limits: Limits) -> None:
    if len(line) > limits.max_request_line:
        raise Refused(414, f"The request line is over {limits.max_request_line} bytes.")


def _check_size(size: int, number: int, limits: Limits) -> None:
    if number > limits.max_headers:
        raise Refused(431, f"There are more than {limits.max_headers} header fields.")
    if size > limits.max_header_bytes:
        raise Refused(431, f"The header fields are over {limits.max_header_bytes} bytes.")


@functools.lru_cache(maxsize=128)
def field_key(name: str) -> str | None:
    """Return the WSGI key of a header name: "" if WSGI has none, None if the name is bad."""
    if not _TOKEN.fullmatch(name):
        return None
    if "_" in name:  # WSGI would take it for a name with a dash
        return ""
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


def _length(environ: dict[str, Any]) -> int | None:
    text, encoding = environ.get("CONTENT_LENGTH"), environ.get("HTTP_TRANSFER_ENCODING")
    if encoding is not None:
        if encoding.lower() != "chunked" or text is not None:
            raise _malformed(
                f"Transfer-Encoding must be chunked, without Content-Length (got {shown(encoding)})"
            )
        return None
    if text is None:
        return 0
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise _malformed(f"Content-Length must be a number (got {shown(text)})")
    return int(text)


def _malformed(what: str) -> Refused:
    return Refused(400, f"This is not HTTP/1.1: {what}.")
