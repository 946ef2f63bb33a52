"""A request: its path, key and header fields, and its body as JSON or as a form."""

import codecs
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.http import parse_options_header

# In Python 3.11, functools.cached_property has one lock: a slow body would hold up the others.
from werkzeug.utils import cached_property
from werkzeug.wrappers import Request as WerkzeugRequest

from fakescale.account.files import Incoming
from fakescale.api import forms
from fakescale.api.encodings import inflated
from fakescale.api.forms import Form, GivenQuery
from fakescale.values.answer import decode
from fakescale.values.errors import ApiError, BadRequest, TooLarge, TooSlow, invalid
from fakescale.values.frozen import MAX_DEPTH, FrozenDict, FrozenList
from fakescale.values.keys import key_text
from fakescale.values.schemas import check_depth, frozen_json

_HOST = re.compile(r"[\w.-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?", re.ASCII)
_QUERY = "%!$&'()*+,;=:@/?"  # the characters of a query that stay as they are
_OWN_KEYS = ("Content-Type", "Content-Length")  # the fields whose keys do not begin with HTTP_
_FORM = "application/x-www-form-urlencoded"

#: The largest number of objects and arrays in a body, and the largest number of values and names of
#: members; guessed. An object or array takes up to 500 bytes, and a value or name up to 200. So a
#: request takes at most 200 MB, and eight times the size of its body.
MAX_CONTAINERS, MAX_VALUES = 200_000, 1_000_000
_OUTSIDE = re.compile(rb'([^"]*+)(?:"[^"]*+"?)?')  # of a text, and then the text

_AROUND_FILES = 2**20  # bytes of an upload beside its file; guessed


@functools.lru_cache(maxsize=1024)
def _field_name(key: str) -> str | None:
    """Return the name of the header field in a key of an environ, or None for another key."""
    if key.startswith("HTTP_") or key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        return key.removeprefix("HTTP_").replace("_", "-").title()
    return None


@functools.lru_cache(maxsize=256)
def _mimetype(content_type: str) -> str:
    return parse_options_header(content_type)[0].lower()


def raw_path(environ: Mapping[str, Any]) -> str:
    """Return the request's path as it was sent, so that ``%2F`` is not yet a slash."""
    target = environ.get("REQUEST_URI") or environ.get("RAW_URI")
    if not isinstance(target, str):  # some WSGI servers set neither
        path = str(environ.get("PATH_INFO", ""))
        try:
            return quote(path.encode("latin-1"))
        except UnicodeEncodeError:  # httpx passes text, where WSGI wants bytes as latin-1
            return quote(path)
    path = target.partition("?")[0]
    if not path.startswith("/"):  # `GET http://host/path`, as sent to proxies
        path = "/" + path.partition("://")[2].partition("/")[2]
    return path.removeprefix(quote(environ.get("SCRIPT_NAME", "")))


class Request(WerkzeugRequest):
    """A request. Its body is read only once, when it is first needed."""

    #: The body without its Content-Encoding; empty until it has been read.
    seen = b""
    #: The names of the fields of a form, as they were written; empty until it has been read.
    names: Sequence[str] = ()
    #: The deepest nesting of the body.
    max_depth = MAX_DEPTH
    #: The account that the key leads to; None until that is known.
    account: str | None = None
    #: The id of the task, or the name of the batch, that the request made or names.
    subject: str | None = None

    def __init__(self, environ: dict[str, Any], max_body: int) -> None:
        query = environ.get("QUERY_STRING", "")
        if not query.isascii():  # werkzeug would read raw bytes as UTF-8
            environ = {**environ, "QUERY_STRING": quote(query, _QUERY, "latin-1", "replace")}
        # A request in its own environ would be a cycle, for the garbage collector alone to free.
        super().__init__(environ, populate_request=False)
        self.max_body = max_body

    @property
    def api_key(self) -> str | None:
        """The API key, or None."""
        return key_text(self.environ.get("HTTP_AUTHORIZATION", ""))

    @cached_property
    def fields(self) -> FrozenDict:
        """The header fields, with names like ``Idempotency-Key``."""
        # WSGI allows an empty text for a field that was not sent.
        return FrozenDict(
            {
                name: value
                for key, value in self.environ.items()
                if (name := _field_name(key)) and (value or name not in _OWN_KEYS)
            }
        )

    @property
    def called_at(self) -> str | None:
        """The URL of the fake, without ``/v1``, as the client knows it.

        None if the Host header is missing or cannot be part of a URL.
        """
        host = self.environ.get("HTTP_HOST", "")
        if not _HOST.fullmatch(host):
            return None
        return f"{self.scheme}://{host}{quote(self.environ.get('SCRIPT_NAME', ''))}"

    @cached_property
    def query(self) -> GivenQuery:
        """The parameters of the query."""
        return forms.read_query_string(self.environ.get("QUERY_STRING", ""))

    @property
    def is_form(self) -> bool:
        """Whether the body is form-encoded (documented, by an example)."""
        return _mimetype(self.environ.get("CONTENT_TYPE", "")) == _FORM

    @property
    def is_multipart(self) -> bool:
        """Whether the body is a form that may carry files."""
        return _mimetype(self.environ.get("CONTENT_TYPE", "")) == "multipart/form-data"

    @cached_property
    def content(self) -> Any:
        """The body as frozen JSON, or None if it is empty; raises as ``json_content`` does."""
        return frozen_json("body", self.json_content, self.max_depth)

    @cached_property
    def json_content(self) -> Any:
        """The body as JSON, or None if it is empty; not frozen, since freezing takes a while.

        The body is read as JSON with any content type but that of a form (guessed). Raises
        TooLarge for a body over the limit, before it is read if its length is known. Raises
        BadRequest for a body that is neither JSON nor a form.
        """
        # The parser of stock Express takes the mark of a byte order away too.
        body = self._read().removeprefix(codecs.BOM_UTF8)
        if not body or body.isspace():
            return None
        if self.is_form:
            form = forms.read_form(text := _text(body))
            self.names = forms.form_names(text)
            return frozen_json("body", form)
        if _exceeds(body, (b"{", b"["), MAX_CONTAINERS):
            raise TooLarge(f"The body holds more than {MAX_CONTAINERS} objects and arrays.")
        if _exceeds(body, (b",", b":"), MAX_VALUES):
            raise TooLarge(f"The body holds more than {MAX_VALUES} values and names.")
        try:
            content = decode(body)
        except ValueError as error:
            raise invalid("body", f"must be valid JSON: {error}", _text(body)) from None
        if body.count(b"{") + body.count(b"[") > MAX_DEPTH:  # only then can it nest so deep
            check_depth("body", content, self.max_depth)
        return content

    def as_written(self, error: ApiError) -> ApiError:
        """Return an error that names a field of a form as the client wrote it."""
        if isinstance(error, BadRequest) and error.field is not None and self.names:
            return error.renamed(forms.written_name(self.names, error.field))
        return error

    def read_multipart(self, max_bytes: int, receive: Callable[[], Incoming]) -> Form:
        """Read a multipart body while it arrives, and write each file to a new ``receive()``.

        The body is never in memory as a whole, nor in the journal, and ``max_body`` does not
        limit it. Raises BadRequest for a malformed body, and for one that is larger than a file
        of ``max_bytes`` and the texts beside it may be.
        """
        self.max_content_length = max_bytes + _AROUND_FILES

        def read(number: int) -> bytes:
            try:
                return self.stream.read(number)
            except RequestEntityTooLarge:
                limit = f"a file may have {max_bytes} bytes, and the rest {_AROUND_FILES}"
                raise BadRequest(f"The body is too large: {limit}.") from None

        try:
            form = forms.read_multipart(read, self.mimetype_params, receive)
        except (ClientDisconnected, OSError) as error:
            raise self._broken_off(error) from None
        self.names = form.names
        return form

    def _read(self) -> bytes:
        text = self.environ.get("CONTENT_LENGTH", "")
        is_told = text.isdecimal() and "HTTP_TRANSFER_ENCODING" not in self.environ
        length = int(text) if is_told else self.content_length
        if length is not None and length > self.max_body:
            raise self._too_large()
        # werkzeug silently cuts a chunked body at its limit: one more byte shows that it is over.
        self.max_content_length = self.max_body + 1
        try:
            body = self.get_data(cache=False) if length is None else self._exactly(length)
        except RequestEntityTooLarge:
            raise self._too_large() from None
        except (ClientDisconnected, OSError) as error:
            raise self._broken_off(error) from None
        if len(body) > self.max_body:
            raise self._too_large()
        encoding = self.environ.get("HTTP_CONTENT_ENCODING", "")
        self.seen = inflated(body, encoding, self.max_body)
        return self.seen

    def _exactly(self, length: int) -> bytes:
        """Return ``length`` bytes of the body, read without werkzeug's streams.

        Raises OSError, and ClientDisconnected if the body ends too early.
        """
        read = self.environ["wsgi.input"].read
        body: bytes = read(length)
        while len(body) < length:
            if not (more := read(length - len(body))):
                raise ClientDisconnected
            body += more
        return body

    def _broken_off(self, error: Exception) -> ApiError:
        # werkzeug may have turned the TimeoutError into a ClientDisconnected.
        if isinstance(error.__context__ or error, TimeoutError):
            return TooSlow("The body took too long to arrive.")
        return BadRequest("The body ends too early, or its chunks are malformed.")

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The body is larger than {self.max_body} bytes.")


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        where = f"{error.reason} at byte {error.start}"
        raise invalid("body", f"must be UTF-8 ({where})") from None


def _exceeds(body: bytes, marks: Sequence[bytes], most: int) -> bool:
    """Return whether a JSON text has more than ``most`` of the marks outside of its texts."""
    if sum(map(body.count, marks)) <= most:
        return False
    body = body.replace(b"\\\\", b"").replace(b'\\"', b"")  # the other quotes are at ends of texts
    number = 0
    for found in _OUTSIDE.finditer(body):
        number += sum(map(found[1].count, marks))
        if number > most:
            return True
    return False


Kind = TypeVar("Kind", dict[str, Any], FrozenDict, FrozenList)


def expect(body: Any, kind: type[Kind]) -> Kind:
    """Return ``body``, which must be of ``kind``; an absent body counts as an empty one.

    The official client sends no body instead of ``{}`` or ``[]``. Raises BadRequest for a body
    of another kind.
    """
    if body is None:
        return kind()
    if not isinstance(body, kind):
        phrase = "an array" if kind is FrozenList else "of type object"
        raise invalid("value", f"must be {phrase}", body)
    return body
