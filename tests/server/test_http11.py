"""Heads and bodies, read from bytes."""

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakescale.api.request import raw_path
from fakescale.server.http11 import (
    BodyReader,
    Reader,
    Refused,
    check_beginning,
    read_chunk_size,
    read_head,
)
from fakescale.server.limits import DEFAULTS, Limits

LINE = b"GET / HTTP/1.1"


def head(*lines: bytes) -> bytes:
    return b"\r\n".join(lines)


def test_a_head_becomes_a_wsgi_environ() -> None:
    read = read_head(
        head(
            b"POST /a%2Fb%E4/\xe4?q=%20&r HTTP/1.1",
            b"Host: localhost:1",
            b"Content-Type:text/plain",
            b"Content-Length: \t 12 ",
            b"X-Some: one",
            b"x-some:",
            b"X-SOME: \xe4, three",
        ),
        DEFAULTS,
    )
    assert read.environ == {
        "REQUEST_METHOD": "POST",
        "REQUEST_URI": "/a%2Fb%E4/\xe4?q=%20&r",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "PATH_INFO": "/a/b\xe4/\xe4",
        "QUERY_STRING": "q=%20&r",
        "HTTP_HOST": "localhost:1",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "12",
        "HTTP_X_SOME": "one,,\xe4, three",
    }
    assert (read.length, read.is_last, read.awaits) == (12, False, False)


def test_a_name_with_an_underscore_is_not_taken_for_one_with_a_dash() -> None:
    read = read_head(head(LINE, b"Content_Length: 9", b"X_Y: 1", b"X_Y: 2"), DEFAULTS)
    assert read.length == 0
    assert len(read.environ) == 5


@pytest.mark.parametrize(
    ("target", "path", "query", "host"),
    [
        (b"http://h:8/p?q", "/p", "q", "h:8"),
        (b"HTTPS://[::1]:8?q", "/", "q", "[::1]:8"),
        (b"http://h", "/", "", "h"),
        (b"http://h?q=http://g/v1/tasks", "/", "q=http://g/v1/tasks", "h"),
        (b"http://h/p?q=://g/v1/tasks", "/p", "q=://g/v1/tasks", "h"),
        (b"*", "*", "", "other"),
        (b"//h/p", "//h/p", "", "other"),
    ],
)
def test_the_host_of_a_url_overrides_the_host_field(
    target: bytes, path: str, query: str, host: str
) -> None:
    lines = head(b"GET " + target + b" HTTP/1.1", b"Host: other")
    environ = read_head(lines, DEFAULTS).environ
    got = (environ["PATH_INFO"], environ["QUERY_STRING"], environ["HTTP_HOST"])
    assert got == (path, query, host)
    assert environ["REQUEST_URI"] == target.decode()
    assert raw_path(environ) == path.replace("*", "/")


@pytest.mark.parametrize(
    ("version", "options", "is_last"),
    [
        (b"1.1", b"", False),
        (b"1.1", b"keep-alive, Foo", False),
        (b"1.1", b"foo , Close", True),
        (b"1.0", b"", True),
        (b"1.0", b"foo , Keep-Alive", False),
        (b"1.0", b"keep-alive, close", True),
        (b"1.0", b"keep-alive\r\nTransfer-Encoding: chunked", True),
        (b"1.2", b"", False),
    ],
)
def test_a_client_chooses_the_last_request_of_its_connection(
    version: bytes, options: bytes, is_last: bool
) -> None:
    lines = head(b"GET / HTTP/" + version, b"Connection: " + options)
    assert read_head(lines, DEFAULTS).is_last is is_last


def test_a_client_waits_only_with_a_body_and_in_http_1_1() -> None:
    expect, length = b"Expect: 100-Continue", b"Content-Length: 1"
    assert read_head(head(LINE, expect, length), DEFAULTS).awaits
    assert read_head(head(LINE, expect, b"Transfer-Encoding: Chunked"), DEFAULTS).awaits
    assert not read_head(head(LINE, expect), DEFAULTS).awaits
    assert not read_head(head(LINE, b"Expect: 100", length), DEFAULTS).awaits
    assert not read_head(head(b"GET / HTTP/1.0", expect, length), DEFAULTS).awaits


#: Heads that must be refused, by their flaw.
MALFORMED = {
    "no request line": b"",
    "a word": b"NONSENSE",
    "HTTP/0.9": b"GET /",
    "no target": b"GET  HTTP/1.1",
    "two targets": b"GET / / HTTP/1.1",
    "a tab": b"GET\t/\tHTTP/1.1",
    "a space before": b" GET / HTTP/1.1",
    "a space behind": b"GET / HTTP/1.1 ",
    "a bad method": b"G@T / HTTP/1.1",
    "no path": b"GET tasks HTTP/1.1",
    "an authority": b"CONNECT api.scale.com:443 HTTP/1.1",
    "a bad URL": b"GET http://[::1/v1 HTTP/1.1",
    "a user in the URL": b"GET http://user@host/ HTTP/1.1",
    "a lower-case version": b"GET / http/1.1",
    "a long version": b"GET / HTTP/1.10",
    "two empty lines before": b"\r\n\r\nGET / HTTP/1.1",
    "NUL": LINE + b"\r\nX: a\0b",
    "DEL": LINE + b"\r\nX: a\x7fb",
    "a bare LF": LINE + b"\nX: y",
    "a bare CR": LINE + b"\r\nX: a\rY: b",
    "LF CR": LINE + b"\n\rX: y",
    "no colon": LINE + b"\r\nX",
    "no name": LINE + b"\r\n: x",
    "a space before the colon": LINE + b"\r\nHost : x",
    "a space before the first field": LINE + b"\r\n X: y",
    "a folded line": LINE + b"\r\nX: y\r\n z",
    "a name that is no token": LINE + b"\r\nX(Y): z",
    "a name beyond ASCII": LINE + b"\r\nX\xe4: z",
    "two hosts": LINE + b"\r\nHost: a\r\nhost: a",
    "two lengths": LINE + b"\r\nContent-Length: 1\r\nContent-Length: 1",
    "a list of lengths": LINE + b"\r\nContent-Length: 1, 1",
    "a signed length": LINE + b"\r\nContent-Length: +1",
    "a negative length": LINE + b"\r\nContent-Length: -1",
    "an empty length": LINE + b"\r\nContent-Length:",
    "a length in hexadecimal": LINE + b"\r\nContent-Length: 0x1",
    "a length with an underscore": LINE + b"\r\nContent-Length: 1_0",
    "a length in other digits": LINE + b"\r\nContent-Length: \xb2",
    "an endless length": LINE + b"\r\nContent-Length: " + b"9" * 5000,
    "another coding": LINE + b"\r\nTransfer-Encoding: gzip",
    "two codings": LINE + b"\r\nTransfer-Encoding: gzip, chunked",
    "chunked twice": LINE + b"\r\nTransfer-Encoding: chunked" * 2,
    "an empty coding": LINE + b"\r\nTransfer-Encoding:",
    "a parameter of the coding": LINE + b"\r\nTransfer-Encoding: chunked;a=b",
    "both lengths": LINE + b"\r\nContent-Length: 2\r\nTransfer-Encoding: chunked",
}


@pytest.mark.parametrize("lines", MALFORMED.values(), ids=MALFORMED)
def test_an_ambiguous_head_is_refused(lines: bytes) -> None:
    with pytest.raises(Refused, match=r"^This is not HTTP/1\.1: ") as caught:
        read_head(lines, DEFAULTS)
    assert caught.value.status == 400


@pytest.mark.parametrize("version", [b"2.0", b"9.9", b"0.9"])
def test_another_version_is_refused_by_its_name(version: bytes) -> None:
    with pytest.raises(Refused, match=version.decode()) as caught:
        read_head(b"PRI * HTTP/" + version, DEFAULTS)
    assert caught.value.status == 505


SMALL = Limits(max_request_line=20, max_headers=3, max_header_bytes=30)


@pytest.mark.parametrize(
    ("status", "most", "more"),
    [
        (414, b"GET /123456 HTTP/1.1", b"GET /1234567 HTTP/1.1"),
        (431, head(LINE, b"A:", b"B:", b"C:"), head(LINE, b"A:", b"B:", b"C:", b"D:")),
        (431, head(LINE, b"A: " + b"x" * 25), head(LINE, b"A: " + b"x" * 26)),
    ],
)
def test_a_head_may_be_as_large_as_its_limits(status: int, most: bytes, more: bytes) -> None:
    assert read_head(most, SMALL)
    for read in (read_head, check_beginning):
        with pytest.raises(Refused) as caught:
            read(more + b"\r\n" * (read is check_beginning), SMALL)
        assert caught.value.status == status


@pytest.mark.parametrize("begun", [b"\x16\x03\x01", b"\0", b"{", b"NONSENSE\r\n", b"GET /\r\nX"])
def test_a_beginning_that_cannot_become_a_request_is_refused_at_once(begun: bytes) -> None:
    with pytest.raises(Refused, match=r"not HTTP/1\.1"):
        check_beginning(begun, DEFAULTS)


def test_every_beginning_of_a_request_may_become_one() -> None:
    whole = b"\r\nGET /v1/tasks HTTP/1.1\r\nHost: localhost\r\nX: y\r\n\r\n"
    for end in range(len(whole) - 3):
        check_beginning(whole[:end], DEFAULTS)


def test_the_size_of_a_chunk_is_hexadecimal_and_may_have_extensions() -> None:
    sizes = [read_chunk_size(line) for line in (b"0", b"00aF", b"a;b", b'1 ; x="y z"')]
    assert sizes == [0, 0xAF, 10, 1]


@pytest.mark.parametrize(
    "line", [b"", b"g", b"-1", b"+1", b"0x1", b"1_0", b" 1", b"1 ", b"1\r", b"1;\0", b"f" * 16]
)
def test_no_other_size_of_a_chunk_is_accepted(line: bytes) -> None:
    with pytest.raises(ConnectionError, match="chunk"):
        read_chunk_size(line)


# Streams that arrive in pieces.

LONGEST = 4096  # bytes of a line between chunks


class Sent(NamedTuple):
    """A request: its first line, its fields, its body, and the bytes of the body as sent."""

    lines: list[bytes]
    body: bytes
    sent: bytes

    @property
    def data(self) -> bytes:
        return b"\r\n".join([*self.lines, b"", self.sent])


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    """Return a body in chunks, with extensions and a trailer."""
    data = b""
    while body:
        size = draw(st.integers(1, len(body)))
        line = b"%02x" % size
        room = b"x" * (LONGEST - 1 - len(line))
        line += draw(st.sampled_from([b"", b";a", b' ; a="b; c"', b";\x80", b";" + room]))
        data += line + b"\r\n" + body[:size] + b"\r\n"
        body = body[size:]
    trailer = draw(st.sampled_from([b"", b"A: b\r\n", b"Content-Length: 9\r\nHost:\r\n"]))
    return data + draw(st.sampled_from([b"0", b"000;a"])) + b"\r\n" + trailer + b"\r\n"


@st.composite
def requests(draw: st.DrawFn) -> Sent:
    lines = [draw(st.sampled_from([LINE, b"HEAD /a?b HTTP/1.1", b"\r\nPUT /c HTTP/1.0"]))]
    lines += draw(st.lists(st.sampled_from([b"A: b", b"A:", b"C:\td, e\t"]), max_size=3))
    body = draw(st.binary(max_size=40) | st.sampled_from([b"\r\n\r\n", b"0\r\n\r\n", LINE]))
    if draw(st.booleans()):
        lines.append(b"Transfer-Encoding: chunked")
        return Sent(lines, body, draw(chunked(body)))
    if body or draw(st.booleans()):
        lines.append(b"Content-Length: %d" % len(body))
    return Sent(lines, body, body)


def limits_of(row: Sequence[Sent]) -> Limits:
    """Return the smallest limits that these requests keep."""
    return Limits(
        max_request_line=max(len(it.lines[0].strip()) for it in row),
        max_headers=max(1, *(len(it.lines) - 1 for it in row)),
        max_header_bytes=max(40, *(len(b"".join(it.lines[1:])) + 2 * len(it.lines) for it in row)),
    )


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """Return the pieces of ``data``, cut anywhere, or everywhere."""
    some = st.lists(st.integers(0, len(data)), max_size=6).map(sorted)
    borders = draw(some | st.just([*range(1, len(data))]))
    return [data[begin:end] for begin, end in itertools.pairwise([0, *borders, len(data)])]


def read(
    pieces: Iterable[bytes], limits: Limits = DEFAULTS
) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return the heads and bodies in a stream, and the bytes left over."""
    reader, whole = Reader(limits), list[tuple[bytes, bytes]]()
    body: BodyReader | None = None
    first = content = b""
    for piece in pieces:
        reader.feed(piece)
        while True:
            if body is None:
                if (head := reader.head()) is None:
                    break
                environ = dict(head.environ)
                assert reader.is_head == (environ["REQUEST_METHOD"] == "HEAD")
                first, content = repr(environ).encode(), b""
                body = BodyReader(reader, head.length, limits)
            part = body.read(7)
            if part is None:
                break
            content += part
            if part == b"":
                whole.append((first, content))
                body = None
    return whole, reader.rest()


@given(st.lists(requests(), min_size=1, max_size=4), st.data())
def test_the_cuts_of_a_stream_do_not_change_its_requests(
    row: list[Sent], data: st.DataObject
) -> None:
    limits = limits_of(row)
    stream = b"".join(it.data for it in row)
    whole, left = read([stream], limits)
    assert ([content for _, content in whole], left) == ([it.body for it in row], b"")
    assert read(data.draw(cut(stream)), limits) == (whole, b"")


def test_a_head_within_its_limit_is_never_refused_early() -> None:
    lines = head(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked", b"", b"")
    limits = Limits(max_request_line=15, max_header_bytes=28)
    begun, chunk = b"1;" + b"x" * (LONGEST - 2) + b"\r", b"\na\r\n0\r\n\r\n"
    [(_, content)], _ = read([lines[:16], lines[16:-1], lines[-1:] + begun, chunk], limits)
    assert content == b"a"


#: Chunks that must be refused, by their flaw.
BROKEN = {
    "no size": b"\r\n",
    "no number": b"x\r\n",
    "a space": b"2 \r\n{}\r\n",
    "a bare LF": b"2\n{}\r\n",
    "more than it says": b"1\r\n{}\r\n",
    "less than it says": b"3\r\n{}\r\n0\r\n\r\n",
    "no CRLF behind": b"2\r\n{}0\r\n\r\n",
    "a LF behind": b"2\r\n{}\n0\r\n\r\n",
    "no field in the trailer": b"0\r\nno colon\r\n",
    "a folded trailer": b"2\r\n{}\r\n0\r\nA: b\r\n c\r\n",
    "a bare LF in the trailer": b"0\r\nA: b\nC: d\r\n",
    "a long trailer": b"0\r\n" + b"A: b\r\n" * 8,
    "a long line": b"1;" + b"x" * (LONGEST - 1) + b"\r\n",
    "a line without end": b"1;" + b"x" * LONGEST,
    "a long line of the trailer": b"0\r\nA:" + b"x" * (LONGEST - 1) + b"\r\n",
}


@pytest.mark.parametrize("chunks", BROKEN.values(), ids=BROKEN)
@given(st.data())
def test_broken_chunks_are_refused_however_they_are_cut(chunks: bytes, data: st.DataObject) -> None:
    lines = head(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked", b"", b"")
    limits = Limits(max_header_bytes=31)
    with pytest.raises(ConnectionError):
        read(data.draw(cut(lines + chunks)), limits)


@pytest.mark.parametrize(
    ("begun", "status"),
    [
        (b"\x16", 400),  # the first byte of TLS
        (b"\r\n{", 400),
        (b"\r\r", 400),
        (b"NONSENSE\r\n", 400),
        (b"GET / HTTP/2.0\r\n", 505),
        (b"GET /1234567 HTTP/1.1", 414),
        (head(LINE, b"A:", b"B:", b"C:", b"D:", b""), 431),
        (head(LINE, b"A: " + b"x" * 28), 431),
    ],
)
def test_a_beginning_is_refused_at_the_byte_that_spoils_it(begun: bytes, status: int) -> None:
    reader = Reader(SMALL)
    for number in range(len(begun) - 1):
        reader.feed(begun[number : number + 1])
        assert reader.head() is None
    reader.feed(begun[-1:])
    with pytest.raises(Refused) as caught:
        reader.head()
    assert caught.value.status == status
