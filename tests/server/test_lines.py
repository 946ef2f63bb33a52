"""Lines for a stream that nobody may read."""

import os

import pytest

from fakescale.server.lines import Lines
from tests.raw import wait_until


def test_lines_arrive_in_order_and_the_last_before_the_end() -> None:
    reader, writer = os.pipe()
    with open(reader, "rb") as read, open(writer, "w", encoding="ascii") as stream:
        with Lines(stream) as lines:
            for number in range(100):
                lines.write(f"{number} é\n")
        stream.close()
        assert read.read() == b"".join(rb"%d \xe9" % number + b"\n" for number in range(100))


def test_a_reader_who_is_late_is_told_how_many_lines_were_dropped() -> None:
    reader, writer = os.pipe()
    with open(reader, "rb") as read, open(writer, "w") as stream:
        with Lines(stream, room=1000, pause=0) as lines:
            lines.write("-" * 99_999 + "\n")  # more than the pipe holds
            wait_until(lambda: not lines._waiting)
            for number in range(1000):  # returns, though nobody reads
                lines.write(f"{number}\n")
            kept = len(lines._waiting)
            read.read(100_000)
            wait_until(lambda: not lines._waiting)
            lines.write("the end\n")
        stream.close()
        *others, told, end = read.read().decode().splitlines()
    assert others == [str(number) for number in range(kept)]
    assert kept < 1000
    assert told == f"fakescale: {1000 - kept} lines were dropped, since nobody read them"
    assert end == "the end"


@pytest.mark.parametrize("is_blocking", [True, False])
def test_the_end_does_not_wait_for_a_reader(
    is_blocking: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fakescale.server.lines._PATIENCE", 0.05)
    reader, writer = os.pipe()
    os.set_blocking(writer, is_blocking)
    with open(reader, "rb") as read, open(writer, "w") as stream:
        with Lines(stream) as lines:
            lines.write("x" * 1_000_000)
        assert lines._thread.is_alive() or not is_blocking
        if is_blocking:
            read.read(1_000_000)
        lines._thread.join(10)


def test_a_stream_that_is_closed_or_absent_breaks_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stream:
        for given in (stream, None):
            with Lines(given) as lines:
                lines.write("x")
                lines.flush()
            assert not lines._thread.is_alive()
