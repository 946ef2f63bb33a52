"""Heads and chunks, read from bytes."""

import pytest

from fakescale.api.request import raw_path
from fakescale.server.http11 import Refused, check_beginning, read_chunk_size, read_head
from fakescale.server.limits import DEFAULTS, Limits

LINE = b"GET / HTTP/1.1"


def head(*lines: bytes) -> bytes:
    return b"\r\n".join(lines)


def test_a_head_is_what_wsgi_wants() -> None:
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


def test_a_name_with_an_underscore_passes_for_none_with_a_dash() -> None:
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
def test_the_host_of_a_url_counts_whatever_the_field_says(
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
        (b"1.0", b"keep-alive", True),
        (b"1.2", b"", False),
    ],
)
def test_a_connection_ends_where_its_client_says_so(
    version: bytes, options: bytes, is_last: bool
) -> None:
    lines = head(b"GET / HTTP/" + version, b"Connection: " + options)
    assert read_head(lines, DEFAULTS).is_last is is_last


def test_a_client_waits_only_for_a_body_and_in_http_1_1() -> None:
    expect, length = b"Expect: 100-Continue", b"Content-Length: 1"
    assert read_head(head(LINE, expect, length), DEFAULTS).awaits
    assert read_head(head(LINE, expect, b"Transfer-Encoding: Chunked"), DEFAULTS).awaits
    assert not read_head(head(LINE, expect), DEFAULTS).awaits
    assert not read_head(head(LINE, b"Expect: 100", length), DEFAULTS).awaits
    assert not read_head(head(b"GET / HTTP/1.0", expect, length), DEFAULTS).awaits


#: Heads that nobody must take for a request, by what is wrong with them.
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
def test_what_two_readers_could_read_in_two_ways_is_refused(lines: bytes) -> None:
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
def test_what_can_become_no_request_is_refused_at_once(begun: bytes) -> None:
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
def test_no_other_size_is_guessed(line: bytes) -> None:
    with pytest.raises(ConnectionError, match="chunk"):
        read_chunk_size(line)
