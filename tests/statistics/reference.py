"""The table that the judge's design rests on, made again with its own parts.

Ten checks of a minute at 5, 5, 10, 10, 20, 20, 30, 30, 50, 50 % driven by the clock; the event e-process without start
mixture at 1/α, and P alone with a margin of 2 at 1/β; α = β = .05. The wanted numbers are those of an independent
simulation of 20,000 runs.
"""

import math
from dataclasses import dataclass

import numpy as np

from registry.domain.judge import RATIOS, Clearance, StartMixture, Window, harm

WEIGHTS = (0.05, 0.05, 0.10, 0.10, 0.20, 0.20, 0.30, 0.30, 0.50, 0.50)
MARGIN, BOUND = 2.0, math.log(1 / 0.05)


@dataclass(frozen=True)
class Row:
    """Requests a minute, error rates, and the shares of runs that go back and that are promoted."""

    per_minute: int
    stable: float
    canary: float
    back: float
    promoted: float

    @property
    def name(self) -> str:
        return f"{self.per_minute}/min, {self.stable:.1%} / {self.canary:.1%}"


ROWS = (
    Row(60, 0.005, 0.005, back=0.002, promoted=0.0),
    Row(60, 0.005, 0.02, back=0.103, promoted=0.0),
    Row(600, 0.005, 0.005, back=0.010, promoted=0.124),
    Row(600, 0.012, 0.012, back=0.011, promoted=0.537),
    Row(600, 0.005, 0.02, back=0.934, promoted=0.0),
    Row(6000, 0.005, 0.005, back=0.010, promoted=0.977),
    Row(6000, 0.012, 0.012, back=0.008, promoted=0.994),
    Row(6000, 0.005, 0.02, back=1.0, promoted=0.0),
    Row(60000, 0.005, 0.02, back=1.0, promoted=0.0),
)


def run(generator: np.random.Generator, row: Row) -> str:
    """One run: `back`, `promoted` or `undecided`."""
    logs, clearance = [0.0] * len(RATIOS), Clearance()
    for weight in WEIGHTS:
        canary = round(row.per_minute * weight)
        stable = row.per_minute - canary
        bad = int(generator.binomial(canary, row.canary)), int(generator.binomial(stable, row.stable))
        window = Window(canary, bad[0], stable, bad[1])
        if any(bad):
            # The mixture after its first window is that window's likelihood ratio, times the weight of its start.
            logs = [log + one + math.log(2) for log, one in zip(logs, harm(StartMixture(), window).logs, strict=True)]
        clearance = clearance.add(window, margin=MARGIN, floor=0.01)
        if math.log(sum(map(math.exp, logs)) / len(logs)) >= BOUND:
            return "back"
        if clearance.log_p >= BOUND:
            return "promoted"
    return "undecided"


def shares(row: Row, *, runs: int, seed: int) -> tuple[float, float]:
    """The shares of runs that went back and that were promoted."""
    generator = np.random.default_rng(seed)
    ends = [run(generator, row) for _ in range(runs)]
    return ends.count("back") / runs, ends.count("promoted") / runs
