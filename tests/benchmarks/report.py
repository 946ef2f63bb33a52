"""The report, as text and as JSON."""

import datetime as dt
import importlib.metadata
import math
import os
import platform
import re
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.children import ROOT
from tests.benchmarks.measure import Result, Verdict, interval
from tests.benchmarks.venvs import PEERS

_SHOWN = ("fakescale", "werkzeug", "jsonschema-rs", "orjson", "requests", "httpx", "scaleapi")

#: The page of the manual that has the table of results.
PAGE = ROOT / "docs" / "design.md"
#: The place of the table in the page, between two comments.
PLACE = re.compile(r"(?<=<!-- results -->\n).*(?=<!-- end of results -->\n)", re.DOTALL)


def machine() -> dict[str, Any]:
    """Return the machine and the versions of the packages."""
    return {
        "date": dt.date.today().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load": os.getloadavg()[0],
        "versions": " ".join(f"{name} {importlib.metadata.version(name)}" for name in _SHOWN),
        "peers": " ".join(pinned[0] for name, pinned in PEERS.items() if name != "fakescale"),
    }


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text("utf-8").splitlines() if described.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def about(machine: dict[str, Any]) -> str:
    """Return the machine in words, with a warning if it is busy."""
    lines = [f"{name}: {it}" for name, it in machine.items()]
    if machine["load"] > 0.5:
        lines.append("This machine is busy with other work; trust no single figure.")
    return "\n".join(lines)


def one(result: Result) -> str:
    """Return the lines of a row's result."""
    row = result.row
    lines = [f"{row.name}: {row.what} ({row.unit})"]
    for name in row.sides:
        if name in result.missing:
            lines.append(f"  {name:20} not measured: {result.missing[name]}")
        else:
            values = result.samples[name]
            low, high = interval(values)
            median = number(statistics.median(values))
            spread = f"{number(low)} … {number(high)}"
            whole = f"all {number(min(values))} … {number(max(values))}"
            lines.append(f"  {name:20} {median:>10}   {spread:24} {whole}")
    lines += [f"  target {_judged(verdict)}" for verdict in result.verdicts]
    return "\n".join(lines)


def summary(results: Iterable[Result]) -> str:
    """Return the table of targets."""
    lines = [
        f"{result.row.name:15} {_judged(verdict)}"
        for result in results
        for verdict in result.verdicts
    ]
    return "\n".join(lines)


def _judged(verdict: Verdict) -> str:
    if verdict.word.startswith("not"):
        return f"{verdict.target:34} {verdict.word}"
    spread = f"({number(verdict.low)} … {number(verdict.high)})"
    return f"{verdict.target:34} {number(verdict.figure):>8} {spread:20} {verdict.word}"


def number(value: float) -> str:
    """Return a figure with three significant digits or more, and separated thousands."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def as_json(machine: dict[str, Any], results: Sequence[Result]) -> dict[str, Any]:
    """Return all measurements as JSON-able data."""
    return {
        "machine": machine,
        "rows": [
            {
                "name": result.row.name,
                "what": result.row.what,
                "unit": result.row.unit,
                "samples": result.samples,
                "missing": result.missing,
                "targets": [
                    {name: _finite(it) for name, it in vars(verdict).items()}
                    for verdict in result.verdicts
                ],
            }
            for result in results
        ],
    }


def table(kept: dict[str, Any]) -> str:
    """Return the table of targets as Markdown, given all measurements as JSON-able data."""
    about = kept["machine"]
    lines = [
        "",
        f"Results of {about['date']}, with {about['python']}, {about['cores']} cores"
        f" ({about['processor']}), load {about['load']:.1f} at the start:",
        "",
        "| row | figure | median | interval | target | |",
        "|---|---|---|---|---|---|",
    ]
    for row in kept["rows"]:
        for target in row["targets"]:
            ends = (target["figure"], target["low"], target["high"])
            figure, low, high = ("-" if it is None else number(it) for it in ends)
            cells = (
                f"`{row['name']}`",
                row["what"],
                figure,
                f"{low} … {high}",
                target["target"],
                target["word"].partition(":")[0],
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", ""])


def write_table(kept: dict[str, Any], page: Path = PAGE) -> None:
    """Write the table into the page, in place of the one that is there."""
    text = page.read_text("utf-8")
    if not PLACE.search(text):
        raise ValueError(f"{page} has no place for the table: {PLACE.pattern}")
    page.write_text(PLACE.sub(lambda _: table(kept), text), "utf-8")


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
