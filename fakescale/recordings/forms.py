"""The forms of a recorded exchange: cassettes, HAR, and lines of JSON.

Each form has a function that returns the URL of an item, and one that reads the whole item. A file
may hold anything, so both raise ValueError for an unexpected value.
"""

import base64
import datetime as dt
import email.utils
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote, urlencode, urlsplit

from fakescale.recordings.bodies import decoded, is_json, read_base64, read_body, to_bytes
from fakescale.recordings.exchanges import Recorded
from fakescale.values.answer import encode
from fakescale.values.clock import read_moment
from fakescale.values.hosts import HOST

Fields = list[tuple[str, str]]

#: HAR demands a time; this one stands for an unknown time.
NO_TIME = "1970-01-01T00:00:00.000Z"

_METHOD = re.compile(r"[A-Za-z]{1,20}", re.ASCII)


class Form(NamedTuple):
    """A form of items."""

    #: Returns the URL of an item.
    url: Callable[[Any], str]
    #: Returns the exchange of an item, given its place, or None if no answer came.
    read: Callable[[Any, str], Recorded | None]


# Cassettes of vcrpy, and of VCR for Ruby, which have the same members.


def _cassette_url(item: Any) -> str:
    return _text(_dict(item, "request"), "uri")


def _read_cassette(item: Any, source: str) -> Recorded:
    request, response = _dict(item, "request"), _dict(item, "response")
    headers = _fields(request.get("headers"))
    answer_headers = _fields(response.get("headers"))
    if is_json(request.get("body")) and not any(it.lower() == "content-type" for it, _ in headers):
        headers.append(("Content-Type", "application/json"))
    # An older vcrpy wrote `status_code` and `content` for httpx.
    status = response.get("status", response.get("status_code"))
    content = response.get("body", response.get("content"))
    return _recorded(
        method=_text(request, "method"),
        url=_cassette_url(item),
        headers=headers,
        body=read_body(request.get("body")),
        status=status.get("code") if isinstance(status, dict) else status,
        answer_headers=answer_headers,
        answer=read_body(content),
        when=item.get("recorded_at"),
        source=source,
    )


# HAR 1.2, as browsers and proxies write it.


def _har_url(item: Any) -> str:
    return _text(_dict(item, "request"), "url")


def _read_har(item: Any, source: str) -> Recorded | None:
    request, response = _dict(item, "request"), _dict(item, "response")
    # Browsers write the status 0 for a request without an answer. Chrome also lists requests that
    # its cache answered, and proxies list the request for a tunnel.
    is_tunnel = request.get("method") == "CONNECT"
    if _number(response.get("status")) == 0 or item.get("_fromCache") or is_tunnel:
        return None
    headers = _fields(request.get("headers"))
    content, when = response.get("content"), item.get("startedDateTime")
    return _recorded(
        method=_text(request, "method"),
        url=_har_url(item),
        headers=headers,
        body=_posted(request.get("postData"), headers),
        status=response.get("status"),
        answer_headers=_fields(response.get("headers")),
        answer=_content(content),
        when=None if when == NO_TIME else when,
        source=source,
    )


def _content(content: Any) -> bytes:
    """Return the bytes of a ``content`` or ``postData``, which may be in base64."""
    if content is None:
        return b""
    if not isinstance(content, dict):
        raise ValueError("a content is not an object")
    text = content.get("text")
    return read_base64(text) if content.get("encoding") == "base64" and text else read_body(text)


def _posted(posted: Any, headers: Fields) -> bytes:
    body = _content(posted)
    params = posted.get("params") if isinstance(posted, dict) else None
    if body or not params:
        return body
    if not isinstance(params, list) or not all(isinstance(it, dict) for it in params):
        raise ValueError("the params of postData are not a list of objects")
    values = {"content-type": str(posted.get("mimeType", ""))}
    values |= {name.lower(): value for name, value in headers}
    boundary = re.search(r"boundary=\"?([^\";]+)", values["content-type"])
    if boundary is None:
        return urlencode(
            [(str(it.get("name", "")), to_bytes(str(it.get("value", "")))) for it in params]
        ).encode()
    return _multipart(params, to_bytes(boundary[1]))


def _multipart(params: Sequence[Mapping[str, Any]], boundary: bytes) -> bytes:
    """Return a multipart body; browsers leave the content of files out."""
    parts = []
    for param in params:
        head = f'Content-Disposition: form-data; name="{param.get("name", "")}"'
        if param.get("fileName") is not None:
            head += f'; filename="{param["fileName"]}"'
        if param.get("contentType"):
            head += f"\r\nContent-Type: {param['contentType']}"
        value = to_bytes(str(param.get("value") or ""))
        parts.append(b"--%b\r\n%b\r\n\r\n%b\r\n" % (boundary, to_bytes(head), value))
    return b"%b--%b--\r\n" % (b"".join(parts), boundary)


# Lines of JSON: those of this package, and the exchanges that ``fakescale requests --json`` prints.


def _plain_url(item: Any) -> str:
    if not isinstance(item, dict):
        raise ValueError("it is not an object")
    if "url" in item:
        return _text(item, "url")
    if "path" not in item:
        raise ValueError("it is no exchange: it has no url")
    # The journal of a fake keeps no host.
    query = item.get("query")
    return f"https://{HOST}{_text(item, 'path')}" + (f"?{query}" if query else "")


def _read_plain(item: Any, source: str) -> Recorded | None:
    status = _number(item.get("status"))
    if status == 0:  # a fault broke the connection
        return None
    return _recorded(
        method=_text(item, "method"),
        url=_plain_url(item),
        headers=_fields(item.get("headers")),
        body=_plain_body(item, "body"),
        status=status,
        answer_headers=_fields(item.get("answer_headers")),
        answer=_plain_body(item, "answer"),
        when=item.get("when"),
        source=source,
    )


def _plain_body(item: Mapping[str, Any], name: str) -> bytes:
    if item.get(f"{name}_base64") is not None:
        return read_base64(item[f"{name}_base64"])
    value = item.get(name)
    # A body that somebody wrote by hand may be JSON itself.
    return read_body(value) if value is None or isinstance(value, str) else encode(value)


#: The forms by their names.
FORMS: Mapping[str, Form] = {
    "cassette": Form(_cassette_url, _read_cassette),
    "har": Form(_har_url, _read_har),
    "plain": Form(_plain_url, _read_plain),
}


# The parts that the forms share.


def _recorded(
    *,
    method: str,
    url: str,
    headers: Fields,
    body: bytes,
    status: Any,
    answer_headers: Fields,
    answer: bytes,
    when: Any,
    source: str,
) -> Recorded:
    if _METHOD.fullmatch(method) is None:
        raise ValueError(f"its method is {method[:40]!r}")
    number = _number(status)
    if not 100 <= number <= 599:
        raise ValueError(f"its status is {number}")
    try:
        url.encode()
    except UnicodeEncodeError:
        raise ValueError("its url has half of a surrogate pair") from None
    user = urlsplit(url).netloc.rpartition("@")[0]
    if user and not any(name.lower() == "authorization" for name, _ in headers):
        # VCR writes the user of Basic authentication into the URL.
        token = base64.b64encode(to_bytes(unquote(user))).decode()
        headers = [*headers, ("Authorization", f"Basic {token}")]
    return Recorded(
        method=method.upper(),
        url=url,
        headers=headers,
        body=decoded(body, headers),
        status=number,
        answer_headers=answer_headers,
        answer=decoded(answer, answer_headers),
        when=_moment(when, answer_headers),
        source=source,
    )


def _moment(text: Any, answer_headers: Fields) -> dt.datetime | None:
    """Return the time that the file tells, or that of the answer's header ``Date``, or None.

    vcrpy writes no time.
    """
    dates = [value for name, value in answer_headers if name.lower() == "date"]
    for each in (text, *dates):
        if isinstance(each, str):
            for read in (read_moment, _read_date):
                try:
                    return read(each)
                except (ValueError, TypeError, OverflowError, IndexError):
                    continue
    return None


def _read_date(text: str) -> dt.datetime:
    moment = email.utils.parsedate_to_datetime(text[:100])
    if moment.tzinfo is None:
        return moment.replace(tzinfo=dt.UTC)
    return moment.astimezone(dt.UTC)


def _dict(item: Any, name: str) -> dict[str, Any]:
    value = item.get(name) if isinstance(item, dict) else None
    if not isinstance(value, dict):
        raise ValueError(f"it has no {name}")
    return value


def _text(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if not isinstance(value, str):
        raise ValueError(f"it has no {name}")
    return value


def _number(value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"\d{1,9}", value, re.ASCII):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError("it has no status")


def _fields(headers: Any) -> Fields:
    """Return header fields, given as a dict or a list, without the pseudo fields of HTTP/2."""
    if headers is None:
        return []
    pairs: list[tuple[Any, Any]] = []
    if isinstance(headers, dict):
        for name, value in headers.items():
            pairs += [(name, it) for it in (value if isinstance(value, list) else [value])]
    elif isinstance(headers, list):
        for each in headers:
            if isinstance(each, dict):
                pairs.append((each.get("name"), each.get("value")))
            elif isinstance(each, list) and len(each) == 2:
                pairs.append((each[0], each[1]))
            else:
                raise ValueError("a header is neither an object nor a pair")
    else:
        raise ValueError("its headers are neither an object nor a list")
    fields = [(_field(name), _field(value)) for name, value in pairs]
    return [(name, value) for name, value in fields if not name.startswith(":")]


def _field(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, int | float):
        return str(value)
    raise ValueError("a header is not a text")
