"""What a row is: sides that take turns, and targets that are judged by the rounds."""

import dataclasses
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

#: One round of one side: returns what was measured, in the row's unit.
Round = Callable[[], float]
#: What was measured, by side: a value for each round.
Samples = Mapping[str, Sequence[float]]

CERTAINTY = 0.9


class Missing(Exception):
    """Why a side cannot be measured on this machine."""


def take_turns(sides: Mapping[str, Round], rounds: int) -> dict[str, list[float]]:
    """Measure A B A B …, each side so many times after a warm-up that does not count."""
    for measure in sides.values():
        measure()
    samples: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, measure in sides.items():
            samples[name].append(measure())
    return samples


def interval(values: Iterable[float]) -> tuple[float, float]:
    """Return the two of the values between which the true median lies with ``CERTAINTY``.

    It is below the k-th smallest of n values with the chance of fewer than k heads in n
    throws of a coin, whatever the distribution. With under 5 values the certainty is less.
    """
    ordered = sorted(values)
    left_out = 0
    while 2 * _fewer_heads(left_out + 2, len(ordered)) <= 1 - CERTAINTY:
        left_out += 1
    return ordered[left_out], ordered[-1 - left_out]


def _fewer_heads(heads: int, throws: int) -> float:
    return sum(math.comb(throws, it) for it in range(heads)) / float(2**throws)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What came of a target: a figure, where it lies for certain, and a word."""

    target: str
    figure: float
    low: float
    high: float
    word: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """A bound on what ``side`` measures, or on how many ``times`` that of another side it is,
    or on how far ``beyond`` that of another side. With ``always`` it is one on each round.
    """

    at_least: float | None = None
    at_most: float | None = None
    side: str = "fakescale"
    times: str | None = None
    beyond: str | None = None
    always: bool = False

    def text(self, unit: str) -> str:
        """Return the target in words."""
        sign, bound = ("≥", self.at_least) if self.at_most is None else ("≤", self.at_most)
        who = "" if self.side == "fakescale" else f"{self.side}: "
        what = f"× {self.times}" if self.times else unit
        what += f" beyond {self.beyond}" if self.beyond else ""
        return f"{who}{'always ' if self.always else ''}{sign} {bound:g} {what}"

    def missing(self, samples: Samples) -> str | None:
        """Return the side that it needs and that was not measured, if there is one."""
        needed = [self.side, self.times or self.side, self.beyond or self.side]
        return next((name for name in needed if name not in samples), None)

    def figures(self, samples: Samples) -> list[float]:
        """Return what it bounds, for each round: both sides of a ratio are of the same one."""
        mine = samples[self.side]
        if self.times:
            return [a / b for a, b in zip(mine, samples[self.times], strict=True)]
        if self.beyond:
            return [a - b for a, b in zip(mine, samples[self.beyond], strict=True)]
        return list(mine)

    def judge(self, samples: Samples, unit: str) -> Verdict:
        """Return what came of it; the word is ``unclear`` where the bound is in the interval."""
        text = self.text(unit)
        if (name := self.missing(samples)) is not None:
            return Verdict(text, math.nan, math.nan, math.nan, f"not measured: no {name}")
        figures = self.figures(samples)
        figure = statistics.median(figures)
        low, high = interval(figures)
        if self.always:
            figure = max(figures) if self.at_least is None else min(figures)
            low, high = (low, figure) if self.at_least is None else (figure, high)
        passed = {self._holds(low), self._holds(high)}
        word = "unclear: the spread is too wide" if len(passed) == 2 else "missed"
        return Verdict(text, figure, low, high, "reached" if passed == {True} else word)

    def _holds(self, figure: float) -> bool:
        if self.at_most is None:
            return figure >= (self.at_least or 0)
        return figure <= self.at_most


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the benchmark.

    ``sides`` prepare what is measured, given the lab; one that cannot raises Missing. Rows
    of the same ``group`` stand together and share their servers.
    """

    name: str
    what: str
    unit: str
    sides: Mapping[str, Callable[[Any], Round]]
    targets: Sequence[Target] = ()
    group: str | None = None


@dataclasses.dataclass(frozen=True)
class Result:
    """What came of a row: the samples, and why some sides have none."""

    row: Row
    samples: Samples
    missing: Mapping[str, str]

    @property
    def verdicts(self) -> list[Verdict]:
        """What came of the targets, in their order."""
        return [target.judge(self.samples, self.row.unit) for target in self.row.targets]


def measure(row: Row, lab: Any, rounds: int) -> Result:
    """Measure a row, without the sides that cannot be measured here."""
    sides, missing = {}, {}
    for name, prepare in row.sides.items():
        try:
            sides[name] = prepare(lab)
        except Missing as reason:
            missing[name] = str(reason)
    return Result(row, take_turns(sides, rounds) if sides else {}, missing)
