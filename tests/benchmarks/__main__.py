"""`python -m tests.benchmarks`: measure all rows or the named ones."""

import argparse
import itertools
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks import measure, report
from tests.benchmarks.lab import Lab
from tests.benchmarks.measure import Row
from tests.benchmarks.rows import ROWS
from tests.benchmarks.venvs import CACHE

_FEWEST_ROUNDS = 7


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 if a row failed, and 0 even if targets are missed."""
    options = _parser().parse_args(arguments)
    if options.table:
        report.write_table(json.loads(options.table.read_text("utf-8")))
        return 0
    rows = [row for row in ROWS if not options.rows or row.name in options.rows]
    if options.list:
        print("\n".join(_listed(row) for row in rows))
        return 0
    rounds, lab = options.rounds, {}
    if options.quick:
        print("This quick run only checks that everything works; its figures mean nothing.")
        rounds, lab = 2, {"seconds": 0.02, "scale": 0.01}
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's start compiles nothing
    machine = report.machine()
    print(report.about(machine), f"rounds: {rounds}", sep="\n", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # an orderly exit ends all processes
    (CACHE / "log.txt").unlink(missing_ok=True)  # of the previous run
    results, failed = [], []
    for _, group in itertools.groupby(rows, lambda row: row.group or row.name):
        with Lab(**lab) as shared:
            for row in group:
                begin = time.perf_counter()
                try:
                    results.append(measure.measure(row, shared, rounds))
                except Exception:
                    failed.append(row.name)
                    print(f"\n{row.name}: {traceback.format_exc()}", flush=True)
                    continue
                taken = f"  in {time.perf_counter() - begin:.0f} s"
                print(f"\n{report.one(results[-1])}\n{taken}", flush=True)
    print(f"\n{report.summary(results)}")
    if failed:
        print(f"failed: {', '.join(failed)}")
    if options.json:
        options.json.write_text(json.dumps(report.as_json(machine, results), indent=1), "utf-8")
    return 1 if failed else 0


def _listed(row: Row) -> str:
    targets = "; ".join(target.text(row.unit) for target in row.targets) or "no target"
    return f"{row.name:15} {row.what}\n{'':15} {', '.join(row.sides)}\n{'':15} {targets}"


def _name(text: str) -> str:
    if text not in {row.name for row in ROWS}:
        raise argparse.ArgumentTypeError(f"{text!r} is not a row; see --list")
    return text


def _rounds(text: str) -> int:
    if not text.isdigit() or int(text) < _FEWEST_ROUNDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least {_FEWEST_ROUNDS}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measure fakescale and its peers. The first run makes a virtual environment for"
        " each peer in .bench/.",
    )
    parser.add_argument(
        "rows", nargs="*", type=_name, metavar="ROW", help="Measure only these rows; see --list."
    )
    parser.add_argument(
        "--rounds",
        type=_rounds,
        default=11,
        help="Measure each side this many times (%(default)s).",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="Write all measurements to this file."
    )
    parser.add_argument(
        "--table",
        type=Path,
        metavar="FILE",
        help="Write the measurements in this file, of a run with --json, into docs/design.md as a"
        " table, and exit.",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="Only check that everything works, in two short rounds.",
    )
    parser.add_argument("--list", action="store_true", help="List the rows and exit.")
    return parser


if __name__ == "__main__":
    sys.exit(main())
