"""Rows: sides that take turns, and targets that are judged by the rounds."""

import dataclasses
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

#: One round of one side; returns a figure in the row's unit.
Round = Callable[[], float]
#: The figures of each side, one for each round.
Samples = Mapping[str, Sequence[float]]

CERTAINTY = 0.9


class Missing(Exception):
    """A side cannot be measured on this machine; the text says why."""


def take_turns(sides: Mapping[str, Round], rounds: int) -> dict[str, list[float]]:
    """Measure A B A B …, ``rounds`` times each, after a warm-up that does not count."""
    for measure in sides.values():
        measure()
    samples: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, measure in sides.items():
            samples[name].append(measure())
    return samples


def interval(values: Iterable[float]) -> tuple[float, float]:
    """Return the two values between which the true median lies with ``CERTAINTY``.

    For any distribution, the chance that the median is below the k-th smallest of n values is
    the chance of fewer than k heads in n throws of a coin. With fewer than 5 values the
    certainty is less.
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
    """The outcome of a target."""

    #: The target in words.
    target: str
    figure: float
    #: The ends of the confidence interval of the figure.
    low: float
    high: float
    #: ``reached``, ``missed``, ``unclear: …`` or ``not measured: …``.
    word: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """A bound on the figure of a side: a lower one or an upper one."""

    at_least: float | None = None
    at_most: float | None = None
    side: str = "fakescale"
    #: Another side; the bound is then on the ratio of the two figures.
    times: str | None = None
    #: Another side; the bound is then on the difference of the two figures.
    beyond: str | None = None
    #: Whether the bound is on each round instead of the median.
    always: bool = False

    def text(self, unit: str) -> str:
        """Return the target in words."""
        sign, bound = ("≥", self.at_least) if self.at_most is None else ("≤", self.at_most)
        who = "" if self.side == "fakescale" else f"{self.side}: "
        what = f"× {self.times}" if self.times else unit
        what += f" beyond {self.beyond}" if self.beyond else ""
        return f"{who}{'always ' if self.always else ''}{sign} {bound:g} {what}"

    def missing(self, samples: Samples) -> str | None:
        """Return a side that the target needs and that was not measured, or None."""
        needed = [self.side, self.times or self.side, self.beyond or self.side]
        return next((name for name in needed if name not in samples), None)

    def figures(self, samples: Samples) -> list[float]:
        """Return the bounded figure of each round; a ratio compares sides of the same round."""
        mine = samples[self.side]
        if self.times:
            return [a / b for a, b in zip(mine, samples[self.times], strict=True)]
        if self.beyond:
            return [a - b for a, b in zip(mine, samples[self.beyond], strict=True)]
        return list(mine)

    def judge(self, samples: Samples, unit: str) -> Verdict:
        """Return the verdict; it is ``unclear`` if the bound is inside the interval."""
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
    """One row of the benchmark."""

    name: str
    #: A description of the figure.
    what: str
    unit: str
    #: Each side prepares a measurement in a lab; it raises Missing if it cannot be measured.
    sides: Mapping[str, Callable[[Any], Round]]
    targets: Sequence[Target] = ()
    #: Adjacent rows of the same group share their servers.
    group: str | None = None


@dataclasses.dataclass(frozen=True)
class Result:
    """The outcome of a row."""

    row: Row
    samples: Samples
    #: The reasons why sides have no samples.
    missing: Mapping[str, str]

    @property
    def verdicts(self) -> list[Verdict]:
        """The verdicts of the targets, in their order."""
        return [target.judge(self.samples, self.row.unit) for target in self.row.targets]


def measure(row: Row, lab: Any, rounds: int) -> Result:
    """Measure a row without the sides that are missing on this machine."""
    sides, missing = {}, {}
    for name, prepare in row.sides.items():
        try:
            sides[name] = prepare(lab)
        except Missing as reason:
            missing[name] = str(reason)
    return Result(row, take_turns(sides, rounds) if sides else {}, missing)
