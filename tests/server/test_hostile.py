"""Fuzz over raw sockets: valid requests are served exactly, and bad ones break nothing."""

import contextlib
import dataclasses
import io
import itertools
import json
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky

from fakescale import FakeScale, Limits
from fakescale.api import app
from fakescale.api.request import Request
from fakescale.server import http11
from fakescale.server.body import Body
from fakescale.server.connection import Connection, Step
from fakescale.server.http11 import Reader
from fakescale.server.server import Server, serving
from fakescale.traffic.journal import Exchange
from fakescale.values.answer import header_fields
from tests import raw
from tests.raw import converse, descriptors, read_answers, wait_until, watching
from tests.server.test_http11 import MALFORMED
from tests.support import examples, proofs

# The warning is about examples that hypothesis has not shrunk yet.
pytestmark = [
    pytest.mark.usefixtures("own_loop"),
    pytest.mark.filterwarnings("ignore:Generating overly large repr"),
]

# Small limits, so that bodies are often over them.
LIMITS = Limits(max_body=5_000, max_request_line=300, max_headers=20, max_header_bytes=1_000)

# Valid requests: the bytes to send, and the request that must be seen.


class Sent(NamedTuple):
    """A request as it is sent, and as an application must see it."""

    data: bytes
    method: str
    target: str
    fields: dict[str, str]
    body: bytes
    is_awaited: bool


#: Header fields: each line, with the name and the value that must be seen.
FIELDS = [
    ("X-A: one", "X_A", "one"),
    ("X-A:two", "X_A", "two"),
    ("x-a: \t three  four \t", "X_A", "three  four"),
    ("X-B:", "X_B", ""),
    ("X-B: , :;=\"'\\\t(c)", "X_B", ", :;=\"'\\\t(c)"),
    ("!#$%&'*+.^`|~9: \xff\x80\xa0.", "!#$%&'*+.^`|~9", "\xff\x80\xa0."),
    ("Cookie: a=b; c=d", "COOKIE", "a=b; c=d"),
    ("Connection: Keep-Alive, x-close", "CONNECTION", "Keep-Alive, x-close"),
    ("TE: trailers", "TE", "trailers"),
    ("Content-Type: text/plain", "CONTENT_TYPE", "text/plain"),
    # A name with an underscore must not be taken for one with a dash.
    ("Content_Length: 1", "", ""),
    ("Transfer_Encoding: chunked", "", ""),
    ("X_A: five", "", ""),
]
TARGETS = st.sampled_from(
    ["", "/", "//a", "?", "?a=%20&b", "/%2F%00%zz", "/%FF", "\xe4\xff", "/..", "?http://"]
)
BODIES = st.binary(max_size=40) | st.integers(0, 5_000).map(lambda size: b"\r\n0" * (size // 3))


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    """Return a body in chunks at random borders, with extensions and a trailer."""
    borders = sorted(draw(st.lists(st.integers(1, max(1, len(body))), max_size=4)))
    data = b""
    for begin, end in itertools.pairwise([0, *borders, len(body)]):
        if begin < end <= len(body):
            zeros, is_upper = draw(st.integers(0, 3)), draw(st.booleans())
            size = f"{'0' * zeros}{end - begin:{'X' if is_upper else 'x'}}"
            extension = draw(st.sampled_from(["", ";a", ' ; a="b; c"', ";\x80"]))
            data += f"{size}{extension}\r\n".encode("latin-1") + body[begin:end] + b"\r\n"
    trailer = draw(st.sampled_from([b"", b"X-T: 1\r\n", b"Content-Length: 9\r\nHost:\r\n"]))
    return data + draw(st.sampled_from([b"0", b"000;a"])) + b"\r\n" + trailer + b"\r\n"


class Asked(NamedTuple):
    """The methods, paths and header fields to choose requests from."""

    methods: list[str]
    paths: list[str]
    fields: list[tuple[str, str, str]]


ECHO = Asked(
    ["GET", "POST", "HEAD", "DELETE", "PUT", "M-SEARCH", "get"], ["/all", "/some", "/none"], []
)
API = Asked(
    ["POST", "POST", "PUT", "HEAD"],
    ["/v1/task/chat"],
    [("Authorization: Bearer live_x", "AUTHORIZATION", "Bearer live_x")],
)


@st.composite
def requests(draw: st.DrawFn, asked: Asked) -> Sent:
    method = draw(st.sampled_from(asked.methods))
    origin = draw(st.sampled_from(["", "", "http://example:1", "HTTP://[::1]"]))
    target = f"{origin}{draw(st.sampled_from(asked.paths))}{draw(TARGETS)}"
    body = draw(BODIES)
    lines = asked.fields + draw(st.lists(st.sampled_from(FIELDS), max_size=5))
    length = draw(st.sampled_from(["none", "number", "chunks"]))
    if length == "none":
        body = b""
    elif length == "number":
        lines.append((f"Content-length: {len(body)}", "CONTENT_LENGTH", f"{len(body)}"))
    else:
        lines.append(("Transfer-Encoding: Chunked", "TRANSFER_ENCODING", "Chunked"))
    is_awaited = draw(st.integers(0, 4)) == 0
    if is_awaited:
        lines.insert(0, ("Expect: 100-continue", "EXPECT", "100-continue"))
    fields: dict[str, str] = {}
    for _, name, value in lines:
        fields[name] = f"{fields[name]},{value}" if name in fields else value
    fields.pop("", None)
    if origin:
        fields["HOST"] = origin.partition("://")[2]
    first = f"{method} {target} HTTP/1.1"
    head = "\r\n".join([first, *(line for line, _, _ in lines), "", ""]).encode("latin-1")
    sent = draw(chunked(body)) if length == "chunks" else body
    empty = draw(st.sampled_from([b"", b"", b"\r\n"]))  # RFC 9112, 2.2
    is_awaited = is_awaited and (length == "chunks" or body != b"")
    return Sent(empty + head + sent, method, target, fields, body, is_awaited)


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """Return the pieces of ``data``, cut at random."""
    borders = draw(st.lists(st.integers(0, len(data)), max_size=6).map(sorted))
    pieces = [data[begin:end] for begin, end in itertools.pairwise([0, *borders, len(data)])]
    return [piece for piece in pieces if piece]


@st.composite
def conversations(draw: st.DrawFn, asked: Asked = ECHO) -> tuple[list[Sent], list[bytes]]:
    """Return requests in a row, and the pieces in which they are sent."""
    row = draw(st.lists(requests(asked), min_size=1, max_size=4))
    return row, draw(cut(b"".join(request.data for request in row)))


def echo(environ: Any, start_response: Any) -> list[bytes]:
    """Answer with the request itself, after all, some or none of its body is read (WSGI)."""
    how = environ["PATH_INFO"][1:5]
    source = environ["wsgi.input"]
    body = source.read() if how[:3] == "all" else source.read(5) if how == "some" else b""
    fields = {
        name.removeprefix("HTTP_"): value
        for name, value in environ.items()
        if name.startswith(("HTTP_", "CONTENT_"))
    }
    seen = [environ["REQUEST_METHOD"], environ["REQUEST_URI"], fields, body.decode("latin-1")]
    content = json.dumps(seen).encode()
    start_response("200 OK", header_fields(content))
    return [content]


def check_echoes(row: list[Sent], received: bytes) -> None:
    """Check that each request was seen as it was sent, and answered in order."""
    answers = read_answers(received, [request.method for request in row])
    for request, answer in itertools.zip_longest(row, answers):
        assert answer is not None, "an answer is missing"
        assert request is not None, "an answer too many"
        how = request.target.rpartition("://")[2].partition("/")[2][:4]
        # A body that came with its head needs no `100 Continue`.
        assert answer.continued <= request.is_awaited
        assert answer.status == 200
        if request.method == "HEAD":
            assert answer.body == b""
        else:
            method, target, fields, body = json.loads(answer.body)
            assert (method, target) == (request.method, request.target)
            assert fields == request.fields
            expected = request.body.decode("latin-1")
            assert body == expected if how[:3] == "all" else expected.startswith(body)
        if answer.headers.get("connection") == "close":
            # Allowed only if the client awaited `100 Continue`, and nobody read the body.
            assert request.is_awaited
            assert how[:3] != "all"
            return


class Scripted:
    """A socket whose pieces arrive one by one, at any speed."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._piece = io.BytesIO()
        self.sent: list[bytes] = []

    def recv(self, size: int) -> bytes:
        piece = self._piece.read(size)
        if not piece and (following := next(self._pieces, None)):
            self._piece = io.BytesIO(following)
            piece = self._piece.read(size)
        return piece

    def send(self, data: bytes) -> int:
        self.sent.append(data)
        return len(data)

    sendall = send

    def settimeout(self, seconds: float) -> None:
        pass

    def setblocking(self, blocks: bool) -> None:
        pass

    def setsockopt(self, *option: int) -> None:
        pass

    def close(self) -> None:
        pass

    def shutdown(self, how: int) -> None:
        pass


def fuzz_segments(bounds: settings) -> None:
    """Let requests arrive in known pieces."""
    ours = Server(echo, "127.0.0.1", 0, LIMITS)

    @bounds
    @given(conversations())
    def run(given: tuple[list[Sent], list[bytes]]) -> None:
        row, pieces = given
        scripted = Scripted(pieces)
        drive(Connection(scripted, ("127.0.0.1", 1), ours.site))  # type: ignore[arg-type]
        check_echoes(row, b"".join(scripted.sent))

    with contextlib.closing(ours.socket):
        run()


def drive(connection: Connection) -> None:
    """Take the steps of a connection to its end, as the loop and the workers do."""
    steps = {
        Step.WAIT: connection.on_readable,  # the next piece or the end is always there
        Step.AGAIN: connection.go_on,
        Step.LEAVE: connection.serve,
    }
    step = connection.begin()
    while step is not Step.END:
        step = steps[step]()


def fuzz_valid(bounds: settings) -> None:
    """Send valid requests over sockets."""
    with serving(echo, "127.0.0.1", 0, LIMITS) as origin:

        @bounds
        @given(conversations())
        def run(given: tuple[list[Sent], list[bytes]]) -> None:
            row, pieces = given
            check_echoes(row, converse(origin, pieces))

        run()


def fuzz_journal(bounds: settings) -> None:
    """Send valid requests to the fake; its journal must hold them as they were sent."""
    with FakeScale(limits=LIMITS).serve() as fake:

        @bounds
        @given(conversations(API))
        def run(given: tuple[list[Sent], list[bytes]]) -> None:
            row, pieces = given
            fake.reset()
            received = converse(fake.url, pieces)
            answers = read_answers(received, [request.method for request in row])
            journal = list(fake.requests)
            assert [entry.status for entry in journal] == [answer.status for answer in answers]
            # An awaited body that nobody reads ends the connection.
            assert len(answers) == len(row) or row[len(answers) - 1].is_awaited
            for request, entry in zip(row, journal, strict=False):
                check_entry(request, entry)

        run()


def check_entry(sent: Sent, entry: Exchange) -> None:
    path, question, query = sent.target.partition("?")
    path = path.removeprefix("http://example:1").removeprefix("HTTP://[::1]")
    assert (entry.method, entry.path, entry.query) == (sent.method, path, query)
    assert entry.target == f"{path}{question if query else ''}{query}"
    fields = {name.upper().replace("-", "_"): value for name, value in entry.headers.items()}
    assert fields == sent.fields
    assert entry.traceback is None
    assert entry.body in (b"", sent.body)  # empty if nobody read it: the path is unknown
    # A refused host is a 403, and its body is not read.
    if (sent.method, path, entry.status != 403) == ("POST", "/v1/task/chat", True):
        assert entry.status in (200, 400)
        assert entry.body == sent.body


# Hostile requests.

KEY = b"Authorization: Bearer live_x\r\n"
SIZED = b"POST /v1/task/chat HTTP/1.1\r\n" + KEY + b"Content-Length: "
CHUNKED = b"POST /v1/task/chat HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + KEY + b"\r\n"
GOOD = [
    b"GET /v1/tasks HTTP/1.1\r\n" + KEY + b"\r\n",
    SIZED + b'8\r\n\r\n{"a": 1}',
    CHUNKED + b"2\r\n{}\r\n0\r\n\r\n",
    b"PUT /v1/task/x/tags HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n"
    + KEY + b"\r\n[1,2]",
    b"GET http://localhost/v1/tasks?limit=x HTTP/1.1\r\nHost: h\r\n" + KEY + b"\r\n",
    b"POST /v1/files/upload HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    b"Content-Length: 76\r\n" + KEY + b"\r\n"
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nx\r\n--b--\r\n',
    b"POST /_fakescale/tasks.list HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 2\r\n\r\n{}",
]  # fmt: skip
SMUGGLED = b"\r\n\r\nGET /v1/smuggled HTTP/1.1\r\n\r\n"


class Flood(bytes):
    """More bytes than a socket holds, with a short repr."""

    def __repr__(self) -> str:
        return f"Flood({self[:80]!r}...)"


FLOODS = [
    Flood(b"GET /" + b"x" * 200_000),
    Flood(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 40_000),
    Flood(b"GET / HTTP/1.1\r\nA: " + b"b" * 200_000),
    Flood(b"\r\n" * 100_000),
    Flood(CHUNKED + b"1;" + b"x" * 200_000),
    Flood(CHUNKED + b"0\r\n" + b"A: b\r\n" * 40_000),
    Flood(CHUNKED + b"1\r\n1\r\n" * 40_000),
    Flood(SIZED + b"200000\r\n\r\n" + b"1" * 200_000),
    Flood(SIZED + b"99999999999\r\n\r\n{}"),
    Flood(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(range(256)) * 2),  # TLS
]


@st.composite
def mutilated(draw: st.DrawFn) -> bytes:
    """Return good requests in a row, with bytes changed, lost or added."""
    data = b"".join(draw(st.lists(st.sampled_from(GOOD), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(data)))
        end = begin + draw(st.integers(0, 3))
        scraps = st.sampled_from([b"", b"\0", b"\r", b"\n", b"\r\n", b" ", b":", b"0", b"\xff"])
        data = data[:begin] + draw(scraps | st.binary(max_size=3)) + data[end:]
    return data


ENDS = st.sampled_from(["half-close", "half-close", "close", "reset"])
SCRAPS = st.one_of(
    mutilated(),
    mutilated(),
    st.binary(max_size=200),
    st.tuples(st.sampled_from(GOOD), st.integers(0, 200)).map(lambda it: it[0][: it[1]]),
).filter(lambda scrap: b"HEAD " not in scrap)  # its answer has no body
GARBAGE = SCRAPS.flatmap(cut) | st.sampled_from(FLOODS).map(lambda flood: [flood])


def check_journal(fake: FakeScale) -> None:
    assert [entry.traceback for entry in fake.requests if entry.traceback] == []
    assert all(entry.status < 500 for entry in fake.requests)


def check_answers(received: bytes) -> None:
    for answer in read_answers(received):
        body = json.loads(answer.body)
        assert answer.status < 400 or body["status_code"] == answer.status


def fuzz_garbage(bounds: settings) -> None:
    """Send random bytes, and end the connection in all ways."""
    with FakeScale(limits=LIMITS).serve() as fake:

        @bounds
        @given(GARBAGE, ENDS)
        def run(pieces: list[bytes], end: str) -> None:
            check_answers(converse(fake.url, pieces, end))
            check_served(fake)

        check_served(fake)
        threads, open = threading.active_count(), descriptors()
        run()
        # The server goes on, with all connections closed and few threads left.
        wait_until(lambda: descriptors() <= open and threading.active_count() <= threads + 8)


def fuzz_silence(bounds: settings) -> None:
    """Send random bytes, and wait until the server ends the connection."""
    hasty = dataclasses.replace(LIMITS, idle_seconds=0.03)
    with FakeScale(limits=hasty).serve() as fake:

        @bounds
        @given(GARBAGE)
        def run(pieces: list[bytes]) -> None:
            with contextlib.suppress(
                ConnectionResetError
            ):  # the client was silent from the beginning
                check_answers(converse(fake.url, pieces, end="wait"))
            check_journal(fake)

        run()


def check_served(fake: FakeScale) -> None:
    """Check that the server answers a request on a new connection."""
    [answer] = read_answers(converse(fake.url, [b"GET /_fakescale/health HTTP/1.1\r\n\r\n"]))
    assert answer.status == 200
    check_journal(fake)
    fake.reset()


def fuzz_poison(bounds: settings) -> None:
    """Send good requests, then a bad one, and then a smuggled one that must not be seen."""
    poisons = [
        *MALFORMED.values(),
        *(flood[:3_000] for flood in FLOODS[:3]),
        b"GET / HTTP/2.0",
        b"GET / HTTP/0.9",
    ]
    with FakeScale(limits=LIMITS).serve() as fake:

        @bounds
        @given(st.integers(0, 2), st.data())
        def run(number: int, data: st.DataObject) -> None:
            for poison in poisons:
                fake.reset()
                sent = GOOD[0] * number + poison + SMUGGLED
                answers = read_answers(converse(fake.url, data.draw(cut(sent))))
                assert [answer.status for answer in answers[:-1]] == [200] * number
                assert answers[-1].status in (400, 414, 431, 505)
                assert answers[-1].headers["connection"] == "close"
                assert len(fake.requests) == number

        run()
        check_served(fake)


BROKEN_CHUNKS = [
    b"x\r\n{}\r\n0\r\n\r\n",
    b"-2\r\n{}\r\n0\r\n\r\n",
    b"0x2\r\n{}\r\n0\r\n\r\n",
    b"2 \r\n{}\r\n0\r\n\r\n",
    b"2\n{}\r\n0\r\n\r\n",
    b"2\r\n{}0\r\n\r\n",
    b"2\r\n{}\n0\r\n\r\n",
    b"1\r\n{}\r\n0\r\n\r\n",
    b"3\r\n{}\r\n0\r\n\r\n",
    b"2\r\n{}\r\n0\r\n X: y\r\n\r\n",
    b"2\r\n{}\r\n0\r\nno colon\r\n\r\n",
    b"2\r\n{}\r\n0\r\nX: y\nZ: z\r\n\r\n",
    b"2\r\n{}\r\n",
    b"2\r\n{}\r\n0\r\n",
]


def fuzz_chunks(bounds: settings) -> None:
    """Send bodies in broken chunks, which must create nothing."""
    with FakeScale(limits=LIMITS).serve() as fake:

        @bounds
        @given(st.sampled_from(BROKEN_CHUNKS), st.sampled_from([b"", SMUGGLED.lstrip()]), st.data())
        def run(chunks: bytes, following: bytes, data: st.DataObject) -> None:
            fake.reset()
            pieces = data.draw(
                cut(CHUNKED + chunks + SMUGGLED.lstrip() * chunks.endswith(b"\n\r\n"))
            )
            [answer] = read_answers(converse(fake.url, pieces))
            assert (answer.status, answer.headers["connection"]) == (400, "close")
            assert len(fake.account("x").tasks) == 0
            assert len(fake.requests) == 1

        run()
        check_served(fake)


def bounded(number: int, *phases: Phase) -> settings:
    return settings(
        max_examples=number,
        phases=phases,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=[*HealthCheck],
    )


FUZZES: dict[Callable[[settings], None], int] = {
    fuzz_segments: 150,
    fuzz_valid: 60,
    fuzz_journal: 60,
    fuzz_garbage: 120,
    fuzz_silence: 30,
    fuzz_poison: 5,
    fuzz_chunks: 40,
}


@pytest.mark.parametrize("fuzz", FUZZES, ids=lambda fuzz: fuzz.__name__)
def test_no_client_breaks_the_server(fuzz: Callable[[settings], None]) -> None:
    with watching():
        fuzz(bounded(examples(FUZZES[fuzz]), Phase.generate, Phase.shrink))


# The fuzz must find each of these bugs.


class Bug(NamedTuple):
    """The fuzz that must find a bug; the attribute to replace, and its bad value."""

    fuzz: Callable[[settings], None]
    place: Any
    name: str
    value: Any


def ignored(value: object) -> property:
    """Return an attribute that ignores assignments."""
    return property(lambda _: value, lambda *_: None)


def any_key(name: str) -> str | None:
    """Return the WSGI key of a name as if an underscore were a dash."""
    key = name.strip().upper().replace("-", "_")
    return key if key.startswith("CONTENT_") else f"HTTP_{key}"


kept: list[socket.socket] = []


def end_but_keep(connection: Connection) -> None:
    """End a connection, and leak its socket."""
    connection.shut()
    kept.append(connection.socket)
    connection._on_close(connection)


def ask_again(body: Body, ask: Any) -> None:
    """Keep the request for the body, so that it is sent again."""
    if ask is not None:
        body.__dict__["kept"] = ask


BUGS = {
    "the rest of a body is not skipped": Bug(fuzz_segments, Body, "skip", lambda _: True),
    "a piece drives out the one before": Bug(fuzz_segments, Reader, "rest", lambda _: b""),
    "the size of a chunk is decimal": Bug(
        fuzz_segments, http11, "read_chunk_size", lambda line: int(line.partition(b";")[0], 10)
    ),
    "a trailer may be anything": Bug(fuzz_chunks, http11, "check_trailer", lambda line: None),
    "HEAD gets a body": Bug(fuzz_segments, Reader, "is_head", ignored(value=False)),
    "a client is told to go on again": Bug(
        fuzz_segments, Body, "_ask", property(lambda body: body.__dict__.get("kept"), ask_again)
    ),
    "an underscore is a dash": Bug(fuzz_segments, http11, "field_key", any_key),
    "a space before the colon is nothing": Bug(fuzz_poison, http11, "field_key", any_key),
    "of two hosts one counts": Bug(fuzz_poison, http11, "_ONCE", ()),
    "control characters pass": Bug(fuzz_poison, http11, "_CONTROLS", b""),
    "a path must be UTF-8": Bug(
        fuzz_valid, http11, "unquote", lambda path, _: unquote_to_bytes(path).decode()
    ),
    "a body is cut": Bug(fuzz_journal, Request, "seen", property(lambda _: b"", lambda *_: None)),
    "a path is decoded": Bug(
        fuzz_journal, app, "raw_path", lambda environ: environ["PATH_INFO"].partition("?")[0]
    ),
    "bytes that nobody read reset the connection": Bug(
        fuzz_garbage, Connection, "_begin_linger", lambda _: Step.END
    ),
    "connections are never closed": Bug(fuzz_garbage, Connection, "close", end_but_keep),
    "a refusal is a bug": Bug(fuzz_garbage, Connection, "_refuse", lambda *_: 1 / 0),
}


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize(
    "name",
    proofs(BUGS, "the rest of a body is not skipped", "control characters pass", "a body is cut"),
)
def test_the_fuzz_finds_each_of_these_bugs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bug = BUGS[name]
    monkeypatch.setattr(bug.place, bug.name, bug.value, raising=False)
    monkeypatch.setattr(raw, "SECONDS", 0.5)  # a hang counts as a found bug
    try:
        with pytest.raises((AssertionError, OSError, Flaky, ValueError)), watching():
            bug.fuzz(bounded(3 * FUZZES[bug.fuzz], Phase.generate))
    finally:
        while kept:
            kept.pop().close()
