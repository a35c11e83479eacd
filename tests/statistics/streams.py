"""Streams of live answers, drawn from a seed: independent ones, clients that ask in groups, days and nights."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from registry.domain.drift import FEWEST
from registry.domain.drift_counts import CLASSES, CONFIDENCE, SIGNALS

Array = npt.NDArray[np.float64]
Shares = Mapping[str, Array]
"""Of every signal, by class or bin."""

START = datetime(2026, 3, 2, tzinfo=UTC)
DAY = 1440
"""Ticks of a minute."""

GROUP = 20
"""Answers that one client asks for at a time, on average."""


@dataclass(frozen=True)
class Stream:
    """What is asked. per_tick: answers, the mean of a day. load: by how much of it they swing over the day. mix: by
    how much (total variation) the class mix swings over it. alike: how much alike a client's answers are: of a
    Dirichlet distribution around the shares with this concentration; None where all are independent."""

    name: str
    per_tick: int = FEWEST
    load: float = 0.0
    mix: float = 0.0
    alike: float | None = None

    def draw(self, dice: np.random.Generator, shares: Array, streams: int, tick: int) -> Array:
        """Counts of one tick (streams, K)."""
        day = math.sin(2 * math.pi * tick / DAY)
        mean = self.per_tick * (1 + self.load * day)
        if self.alike is None:
            sizes = np.maximum(dice.poisson(mean, streams), FEWEST) if self.load else round(mean)
            return dice.multinomial(sizes, shares, size=streams).astype(np.float64)
        groups = max(round(mean / GROUP), 1) + 1  # one more, as a tick waits for its answers
        each = dice.geometric(1 / GROUP, (streams, groups))
        weights = dice.standard_gamma(np.maximum(self.alike * shares, 1e-6), (streams, groups, len(shares))) + 1e-300
        found = dice.multinomial(each, weights / weights.sum(axis=-1, keepdims=True)).sum(axis=1)
        return found.astype(np.float64)

    def shares(self, signal: str, shares: Array, tick: int) -> Array:
        """At this time of the day."""
        if signal != CLASSES or not self.mix:
            return shares
        moved = self.mix * math.sin(2 * math.pi * tick / DAY)
        return shares + np.array([moved, -moved, *[0.0] * (len(shares) - 2)])


def usual() -> Shares:
    """Five classes, a confidence whose mean is .90, features in tenths."""
    bins = np.array([0.005, 0.095, *[0.1] * 8, 0.095, 0.005])
    features = {name: bins for name in SIGNALS if name not in (CLASSES, CONFIDENCE)}
    return {CLASSES: np.full(5, 0.2), CONFIDENCE: sure(0.90), **features}


def sure(mean: float) -> Array:
    """Shares of the confidence's bins as calibrated nets have them: most answers in the last bin, a long tail."""
    middle = np.arange(20) * 0.05 + 0.025
    low, high = 0.0, 60.0
    for _ in range(60):
        slope = (low + high) / 2
        shares = np.exp(slope * middle)
        shares /= shares.sum()
        low, high = (slope, high) if shares @ middle < mean else (low, slope)
    return shares


def moved(shares: Shares, variation: float) -> Shares:
    """A class mix so far away in total variation, from one class to another."""
    classes = shares[CLASSES].copy()
    classes[0] -= variation
    classes[1] += variation
    return {**shares, CLASSES: classes}


IID, SESSIONS = Stream("independent answers"), Stream("groups of 20 by one client, φ ≤ 5", alike=10.0)
LOAD = Stream("load that swings by 80 % over the day", per_tick=1000, load=0.8)
SWING = Stream("load and class mix that swing over the day", per_tick=1000, load=0.8, mix=0.03)


def of(shares: Shares, *names: str) -> Shares:
    """Of these signals alone."""
    return {name: shares[name] for name in names}
