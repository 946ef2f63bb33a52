"""The benchmarks' own arithmetic and processes; no test checks a measured speed."""

import json
import re
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakescale import FakeScale
from tests.benchmarks import __main__ as command
from tests.benchmarks import report, requests_sent
from tests.benchmarks.children import running
from tests.benchmarks.clients import Client, latencies
from tests.benchmarks.lab import Lab
from tests.benchmarks.measure import (
    Missing,
    Result,
    Round,
    Row,
    Samples,
    Target,
    interval,
    measure,
    take_turns,
)
from tests.benchmarks.rows import ROWS
from tests.benchmarks.rows.requests import p99_by_wrk, rate_by_wrk

CALM = {"fakescale": [9.0, 10, 11], "peer": [4.5, 5, 5.5]}
WILD = {"fakescale": [5.0, 10, 15], "peer": [5.0, 5, 5]}


def test_sides_take_turns_after_a_warm_up_that_does_not_count() -> None:
    calls: list[str] = []

    def side(name: str) -> Round:
        def measure() -> float:
            calls.append(name)
            return len(calls)

        return measure

    samples = take_turns({"A": side("A"), "B": side("B")}, 3)
    assert "".join(calls) == "ABABABAB"
    assert samples == {"A": [3, 5, 7], "B": [4, 6, 8]}


# The ranks are in every table of 90 % confidence intervals for a median.
@pytest.mark.parametrize(("count", "rank"), [(3, 1), (7, 1), (8, 2), (11, 3), (20, 6)])
def test_the_median_lies_between_two_of_the_values(count: int, rank: int) -> None:
    values = [float(it) for it in range(1, count + 1)]
    assert interval(values[::-1]) == (rank, count + 1 - rank)


@pytest.mark.parametrize(
    ("target", "samples", "figure", "word"),
    [
        (Target(at_most=11), CALM, 10, "reached"),
        (Target(at_most=8), CALM, 10, "missed"),
        (Target(at_most=10), CALM, 10, "unclear: the spread is too wide"),
        (Target(at_least=9), CALM, 10, "reached"),
        (Target(at_least=12), CALM, 10, "missed"),
        (Target(at_least=2, times="peer"), CALM, 2, "reached"),
        (Target(at_least=2, times="peer"), WILD, 2, "unclear: the spread is too wide"),
        (Target(at_most=5.5, beyond="peer"), CALM, 5, "reached"),
        (Target(at_most=4, beyond="peer"), CALM, 5, "missed"),
        (Target(at_most=5, side="peer"), WILD, 5, "reached"),
        (Target(at_most=15, always=True), WILD, 15, "reached"),
        (Target(at_most=14, always=True), WILD, 15, "unclear: the spread is too wide"),
        (Target(at_least=6, always=True), WILD, 5, "unclear: the spread is too wide"),
    ],
)
def test_a_target_is_judged_by_where_the_median_may_lie(
    target: Target, samples: Samples, figure: float, word: str
) -> None:
    verdict = target.judge(samples, "ms")
    assert (verdict.figure, verdict.word) == (figure, word)
    assert verdict.low <= verdict.figure <= verdict.high


def test_a_ratio_compares_sides_of_the_same_round() -> None:
    drifting = {"fakescale": [2.0, 20, 200], "peer": [1.0, 10, 100]}
    assert Target(at_least=2, times="peer").judge(drifting, "ms").word == "reached"


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (Target(at_least=1.25, times="peer"), "≥ 1.25 × peer"),
        (Target(at_most=40, always=True), "always ≤ 40 ms"),
        (Target(at_most=1.2, side="many", times="few"), "many: ≤ 1.2 × few"),
        (Target(at_most=2, beyond="peer"), "≤ 2 ms beyond peer"),
    ],
)
def test_a_target_is_printed_in_words(target: Target, text: str) -> None:
    assert target.text("ms") == text


def result_with_one_side_missing() -> Result:
    def absent(lab: Lab) -> Round:
        raise Missing("it is not installed")

    sides: dict[str, Callable[[Any], Round]] = {"fakescale": lambda lab: lambda: 2, "peer": absent}
    targets = (Target(at_most=3), Target(at_least=1, times="peer"))
    row = Row(name="row", what="a row", unit="ms", sides=sides, targets=targets)
    with Lab() as lab:
        return measure(row, lab, 7)


def test_a_missing_side_is_reported_and_the_others_are_measured() -> None:
    result = result_with_one_side_missing()
    assert result.samples == {"fakescale": [2] * 7}
    assert [verdict.word for verdict in result.verdicts] == ["reached", "not measured: no peer"]
    text = report.one(result)
    assert "not measured: it is not installed" in text
    assert report.summary([result]).count("\n") == 1


def test_the_json_has_every_round() -> None:
    kept = report.as_json(report.machine(), [result_with_one_side_missing()])
    read = json.loads(json.dumps(kept, allow_nan=False))
    assert read["machine"]["cores"] >= 1
    [row] = read["rows"]
    assert row["samples"] == {"fakescale": [2] * 7}
    assert row["missing"] == {"peer": "it is not installed"}
    assert [target["figure"] for target in row["targets"]] == [2, None]


def test_the_table_is_written_between_its_marks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, page = tmp_path / "run.json", tmp_path / "page.md"
    kept = report.as_json(report.machine(), [result_with_one_side_missing()])
    run.write_text(json.dumps(kept), "utf-8")
    page.write_text("before\n<!-- results -->\nold\n<!-- end of results -->\nafter\n", "utf-8")
    monkeypatch.setattr(report.write_table, "__defaults__", (page,))
    for _ in range(2):  # the second run replaces the first
        assert command.main(["--table", str(run)]) == 0
        text = page.read_text("utf-8")
        assert text.startswith("before\n<!-- results -->\n\nResults of ")
        assert text.endswith("\n\n<!-- end of results -->\nafter\n")
        assert text.count("| `row` | a row |") == 2
        assert "| `row` | a row | 2.00 | 2.00 … 2.00 | ≤ 3 ms | reached |\n" in text
        assert "| `row` | a row | - | - … - | ≥ 1 × peer | not measured |\n" in text
    with pytest.raises(ValueError, match="no place"):
        report.write_table(kept, run)


def test_the_table_of_the_manual_has_the_form_of_the_command() -> None:
    """No figure is typed by hand; before the first run, the table is empty."""
    found = report.PLACE.search(report.PAGE.read_text("utf-8"))
    assert found is not None
    if not found[0]:
        return
    empty = report.table({"machine": report.machine(), "rows": []}).splitlines()
    lines = found[0].splitlines()
    assert re.fullmatch(r"Results of \d{4}-\d\d-\d\d, with .* at the start:", lines[1])
    assert [lines[0], *lines[2:5]] == [empty[0], *empty[2:5]]
    assert lines[-1] == empty[-1] == ""
    number = r"(-|-?[\d,]+(\.\d+)?)"
    names = set()
    for line in lines[5:-1]:
        row = re.fullmatch(
            rf"\| `([\w-]+)` \| [^|]+ \| {number} \| {number} … {number} \| [^|]+ \|"
            r" (reached|missed|unclear|not measured) \|",
            line,
        )
        assert row is not None, line
        names.add(row[1])
    assert names <= {row.name for row in ROWS}


def test_figures_of_wrk_are_read() -> None:
    report_of_wrk = (
        "  Latency Distribution\n     50%  1.20ms\n     99%  {}\nRequests/sec:   5123.45\n"
    )
    for text, milliseconds in (("950.00us", 0.95), ("12.50ms", 12.5), ("1.02s", 1020)):
        assert p99_by_wrk(report_of_wrk.format(text)) == pytest.approx(milliseconds)
    assert rate_by_wrk(report_of_wrk) == 5123.45


def test_a_busy_machine_is_reported() -> None:
    idle = {**report.machine(), "load": 0.1}
    assert "busy" not in report.about(idle)
    assert "busy" in report.about({**idle, "load": 1.5})


def test_the_names_of_rows_are_unique_and_targets_name_existing_sides() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    for row in ROWS:
        everything = {name: [1.0] for name in row.sides}
        for target in row.targets:
            assert target.missing(everything) is None, row.name
            assert (target.at_least is None) != (target.at_most is None), row.name


def test_the_list_names_every_row_with_its_targets(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list"]) == 0
    listed = capsys.readouterr().out
    for row in ROWS:
        assert f"\n{row.name} " in f"\n{listed}"
    assert "≥ 1.6 × pytest-httpserver" in listed


@pytest.mark.parametrize("arguments", [["--rounds", "6"], ["--rounds", "x"], ["no-such-row"]])
def test_too_few_rounds_and_unknown_rows_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command.main(["--list", *arguments])
    assert repr(arguments[-1]) in capsys.readouterr().err


def test_a_creation_is_accepted_and_has_400_bytes() -> None:
    with FakeScale().serve() as fake, Client(int(fake.url.split(":")[2][:-3])) as client:
        first, second = (json.loads(client.ask(requests_sent.create())) for _ in range(2))
        assert first["unique_id"] != second["unique_id"]
        assert first.keys() == requests_sent.TASK.keys()
        assert [len(it.body) for it in fake.requests] == [requests_sent.BODY_SIZE] * 2
        with pytest.raises(ValueError, match="404 Not Found"):
            client.ask(requests_sent.request("GET", "/v1/nothing"))


KEPT = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CLOSED = KEPT.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")
OLD = KEPT.replace(b"HTTP/1.1", b"HTTP/1.0")
ENDLESS = b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n{}"  # until the connection ends


@pytest.mark.parametrize(
    ("answer", "connections"), [(KEPT, 1), (CLOSED, 3), (OLD, 3), (ENDLESS, 3)]
)
def test_the_raw_client_keeps_a_connection_if_the_server_does(
    answer: bytes, connections: int
) -> None:
    accepted: list[socket.socket] = []

    def serve(listener: socket.socket) -> None:
        while len(accepted) < connections:
            accepted.append(listener.accept()[0])
            with accepted[-1] as connection:
                while connection.recv(65536):
                    connection.sendall(answer[:30])
                    connection.sendall(answer[30:])
                    if connections > 1:
                        break

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        with Client(listener.getsockname()[1]) as client:
            assert [client.ask(b"x") for _ in range(3)] == [b"{}"] * 3
        thread.join()
    assert len(accepted) == connections


def test_eight_connections_are_used_at_once() -> None:
    with FakeScale().serve() as fake:
        port = int(fake.url.split(":")[2][:-3])
        taken = latencies(port, requests_sent.create, 0, connections=8)
        assert len(taken) == len(fake.tasks) == 8


def test_a_process_that_is_measured_ends_with_the_block() -> None:
    code = "print('ready'); [print(2 * float(it), flush=True) for it in iter(input, 'never')]"
    with running(sys.executable, "-uc", code) as child:
        assert child.line() == "ready"
        assert child.ask(21) == 42
        assert child.process.poll() is None
    assert child.process.poll() is not None
    with pytest.raises(RuntimeError, match="no answer"), running(sys.executable, "-c", "") as child:
        child.line()
