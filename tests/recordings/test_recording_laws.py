"""Laws of recordings: what holds for any exchange, and for any file."""

import datetime as dt
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakescale.recordings import (
    Recorded,
    Unreadable,
    read,
    redact,
    state_of,
    write_har,
    write_lines,
)
from fakescale.values.clock import read_moment, stamp
from tests.recordings.samples import SAMPLES
from tests.support import examples

# Halves of surrogate pairs too.
_TEXTS = st.text(st.characters(codec=None), max_size=8)
_FIELDS = st.lists(st.tuples(_TEXTS.filter(lambda it: not it.startswith(":")), _TEXTS), max_size=3)
# Bytes that begin like gzip would be unpacked.
_BODIES = st.one_of(st.binary(max_size=20), st.text(max_size=9).map(str.encode)).filter(
    lambda it: not it.startswith(b"\x1f\x8b")
)
# Bodies of a kind, and what only resembles them.
_KINDS = st.sampled_from(
    [
        ("Content-Type", "multipart/form-data; boundary=b"),
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Content-Type", "application/json"),
    ]
)
_PIECES = [b"--b", b"\r\n", b'; name="a"', b'; filename="', b"&a[b]=", b"%zz", b"{", b'"', b"\xff"]
_FORMS = st.lists(st.sampled_from(_PIECES), max_size=12).map(b"".join)
_EXCHANGES = st.builds(
    Recorded,
    method=st.sampled_from(["GET", "POST", "PATCH"]),
    # A URL with half of a surrogate pair is refused.
    url=st.builds(
        "https://api.scale.com/v1/{}".format, st.text(max_size=8).filter(lambda it: "@" not in it)
    ),
    headers=_FIELDS | st.lists(_KINDS, min_size=1, max_size=1),
    body=_BODIES | _FORMS,
    status=st.integers(100, 599),
    answer_headers=_FIELDS.filter(lambda it: not any(name.lower() == "date" for name, _ in it)),
    answer=_BODIES,
    when=st.none()
    | st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2200, 1, 1), timezones=st.just(dt.UTC)),
    source=st.just(""),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("laws") / "file"


def in_milliseconds(exchange: Recorded) -> Recorded:
    when = exchange.when
    return exchange._replace(when=when and read_moment(stamp(when)))


@pytest.mark.parametrize("writes", [write_har, write_lines])
@given(exchanges=st.lists(_EXCHANGES, min_size=1, max_size=3))
@settings(max_examples=examples(500), suppress_health_check=[HealthCheck.differing_executors])
def test_any_recording_is_read_back_the_same(
    writes: Callable[..., object], path: Path, exchanges: list[Recorded]
) -> None:
    writes(path, exchanges)
    in_ms = [
        it._replace(
            when=it.when and it.when.replace(microsecond=it.when.microsecond // 1000 * 1000)
        )
        for it in exchanges
    ]
    assert [it._replace(source="") for it in read([path])] == in_ms


@given(st.lists(_EXCHANGES, max_size=4))
@settings(max_examples=examples(500))
def test_any_recording_can_be_redacted(path: Path, exchanges: list[Recorded]) -> None:
    once = list(redact(exchanges))
    assert len(once) == len(exchanges)
    write_har(path, once)
    assert [it.status for it in read([path])] == [it.status for it in exchanges]


@given(st.data(), st.sampled_from(sorted(SAMPLES)))
@settings(max_examples=examples(1500))
def test_any_spoiled_file_is_unreadable_at_most(path: Path, data: st.DataObject, name: str) -> None:
    content = bytearray(SAMPLES[name].encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content)))
        length = data.draw(st.integers(0, 12))
        piece = st.sampled_from(
            [b"", b"\x00", b"\xff", b"{", b"[", b'"', b": ", b"\n- ", b"*a", b"&a ", b"null", b"1"]
        )
        content[at : at + length] = data.draw(piece | st.binary(max_size=4))
    path.write_bytes(content)
    uses: tuple[Callable[[list[Path]], Iterable[object]], ...] = (
        read,
        lambda paths: redact(read(paths)),
        state_of,
    )
    for use in uses:
        try:
            list(use([path]))
        except Unreadable as error:
            text = str(error)
            assert str(path) in text or "does not hold together" in text
