"""From the figures of single rounds to one figure with an interval, and whether a goal is met.

The interval of a median is read from the ordered figures themselves: the true median lies between the k-th smallest and
the k-th largest with a probability that follows from fair coins. No shape of the figures is assumed, nothing is drawn
at random, and few rounds give an honestly wide interval (seven: the whole range); a bootstrap's would be too narrow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, comb, isnan, nan
from typing import Literal

COVERAGE = 0.95


@dataclass(frozen=True)
class Figure:
    """The median of rounds, and bounds that hold with probability `coverage` (less than .95 below six rounds)."""

    median: float
    low: float
    high: float
    coverage: float


@dataclass(frozen=True)
class Goal:
    """A bound, and which part of a figure must keep it."""

    sign: Literal["≥", "≤"]
    bound: float
    part: Literal["median", "low", "high"] = "median"

    def met(self, figure: Figure) -> bool:
        found = float(getattr(figure, self.part))
        return found >= self.bound if self.sign == "≥" else found <= self.bound


def figure(rounds: Sequence[float]) -> Figure:
    """Of at least one round; not a number when a round had none."""
    if any(isnan(value) for value in rounds):
        return Figure(nan, nan, nan, 0.0)
    ordered, count = sorted(rounds), len(rounds)
    outside = 0
    while outside + 1 < (count + 1) // 2 and coverage(count, outside + 1) >= COVERAGE:
        outside += 1
    middle = (ordered[(count - 1) // 2] + ordered[count // 2]) / 2
    return Figure(middle, ordered[outside], ordered[-1 - outside], coverage(count, outside))


def coverage(count: int, outside: int) -> float:
    """How often the interval that leaves `outside` of `count` figures out at each end holds the true median."""
    return 1 - 2 * sum(comb(count, k) for k in range(outside + 1)) / 2**count


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all do not exceed; not a number when there are none."""
    ordered = sorted(values)
    place = max(0, ceil(share * len(ordered)) - 1)
    return ordered[place] if ordered else float("nan")
