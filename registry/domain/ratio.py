"""Intervals of rates, of their ratio and of their difference that hold however often one looks.

A bad event falls on the canary with probability π(θ) = wθ / (wθ + 1 − w), w the canary's share of the exposure and θ
the ratio of the rates (`judge.py`). Against each π the bad events x of the canary and y of the stable are weighed by
the likelihood ratio of a Beta(a, b) mixture, B(a+x, b+y) / (B(a, b) π^x (1−π)^y), which is an e-process when π is the
truth (Robbins 1970). What it has not refuted, all π below 1/α, contains the truth at every look with probability
≥ 1 − α (Ville). The same holds of one version's rate, with its good answers in the place of y.

Bad events are taken to be independent, and θ and the split not to change; rates may, for both alike.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from registry.domain.judge import Window, log_beta

ALPHA = 0.05
"""How often an interval may miss the truth at any look."""

CONCENTRATION = 10.0
"""a + b of the mixture for a ratio, centred at equal rates. With ratios from ¼ to 4, 20 to 1,000 bad events and 5 to
50 % its intervals of log θ are up to a fifth shorter than those of a = b = ½ and at most 7 % longer; with 30 they would
be a twentieth shorter at equal rates and a fifth longer at a ratio of 4."""

HALF = (0.5, 0.5)
"""The mixture for a rate, of which nothing is known before."""

FAR = 600.0
"""Natural logarithm of odds that no interval with an end reaches."""


@dataclass(frozen=True)
class Interval:
    """low ≤ high; high is infinite where nothing bounds it."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def ratio_interval(window: Window, *, routed: float, alpha: float = ALPHA) -> Interval:
    """The canary's rate over the stable's. routed: the share of requests that the route sends to the canary, in (0, 1).

    The mixture is centred at the route's share, which is known before. w is the share that came of this exposure: where
    one revision refuses more, it is not the route's.
    """
    share = window.canary_share
    if not 0 < share < 1:
        return Interval(0.0, math.inf)
    mixture = (CONCENTRATION * routed, CONCENTRATION * (1 - routed))
    low, high = _log_odds(window.canary_bad, window.stable_bad, mixture, alpha)
    equal = math.log(share / (1 - share))
    return Interval(math.exp(low - equal), math.exp(high - equal))


def rate_interval(bad: int, exposure: int, *, alpha: float = ALPHA) -> Interval:
    """The rate of one revision, a fraction."""
    low, high = _log_odds(bad, exposure - bad, HALF, alpha)
    return Interval(1 / (1 + math.exp(-low)), 1 / (1 + math.exp(-high)))


def difference_interval(window: Window, *, alpha: float = ALPHA) -> Interval:
    """The canary's rate less the stable's, fractions: from the intervals of both, each with half of α."""
    canary = rate_interval(window.canary_bad, window.canary_exposure, alpha=alpha / 2)
    stable = rate_interval(window.stable_bad, window.stable_exposure, alpha=alpha / 2)
    return Interval(canary.low - stable.high, canary.high - stable.low)


def _log_odds(one: int, other: int, mixture: tuple[float, float], alpha: float) -> tuple[float, float]:
    """Ends of the interval of log π/(1 − π), after `one` event of probability π and `other` of 1 − π."""
    first, second = mixture
    bound = math.log(1 / alpha) - log_beta(first + one, second + other) + log_beta(first, second)

    def kept(odds: float) -> bool:
        return one * _softplus(-odds) + other * _softplus(odds) < bound

    likeliest = math.log(one / other) if one and other else FAR if one else -FAR
    low = _end(likeliest, -FAR, kept) if one else -math.inf
    high = _end(likeliest, FAR, kept) if other else math.inf
    return low, high


def _end(inside: float, outside: float, kept: Callable[[float], bool]) -> float:
    """Where what is kept ends, from the side that is not kept; bisection until floats have no middle."""
    while True:
        middle = (inside + outside) / 2
        if middle in (inside, outside):
            return outside
        inside, outside = (middle, outside) if kept(middle) else (inside, middle)


def _softplus(value: float) -> float:
    """log(1 + e^value), without overflow."""
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))
