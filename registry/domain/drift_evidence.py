"""E-detectors: evidence that counts left what is no drift, valid whenever one looks, with a bound on false alarms.

A Shiryaev–Roberts e-detector is the sum, over all ticks at which a change may have begun, of an e-value of what came
since (Shin, Ramdas, Rinaldo: "E-detectors", 2023). Without drift it grows by at most one a tick in expectation, so that
it takes at least A ticks on average until it reaches A; so does any average of such detectors.

* `mixture`: of class counts, over the last STARTS ticks. A Dirichlet-multinomial bet around the reference against the
  likeliest shares inside a box, by which a reference that was estimated is no false alarm.
* `Bets`: of histograms. Bets on each of some cumulated shares being above or below its interval; they are products over
  ticks, so that all starts since ever are one number a bet.

Counts that vary more than independent ones are divided: those of classes by their overdispersion, those of a bet by
what keeps its expectation where answers come in clumps (`divisors`): simulated, proved for independent answers only.
Arrays have any leading axes, over which everything is done at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

STARTS = 100
"""Ticks that a change in class counts may be old; what is slower is seen in coarser ticks."""

CONCENTRATIONS = (15.0, 150.0)
"""Of the Dirichlet bets: far from the reference and near to it, with equal weight."""

ODDS = (0.15, 0.3, 0.6, 1.2, 2.4)
"""By how much, in log odds, bets say that a cumulated share left its interval."""

QUANTILES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
"""Of the reference: the edges next to them are bet on."""

RARE, RAREST = 0.02, 0.1
"""Nothing is bet on shares below RARE · (φ − 1), at most RAREST: where answers come in clumps, those are a few."""

NONE = -1e9
"""The log of no evidence, where a file has no infinities."""

_ROUNDS = 12


@dataclass(frozen=True)
class Box:
    """Shares that are no drift: each of K between `low` and `high`, around `centre`. 0 ≤ low ≤ centre ≤ high ≤ 1."""

    centre: Array
    low: Array
    high: Array


def tolerance(shares: Array, size: float, dispersion: float) -> Array:
    """How far off a share may be that was estimated from `size` answers: three standard errors, and what a share that
    was never seen may be (ε = 3·sqrt(φ·p(1 − p)/n₀), at least the 99.7 % bound 6·φ/n₀ of none in n₀)."""
    found = 3 * np.sqrt(dispersion * shares * (1 - shares) / size)
    return np.asarray(np.maximum(found, 6 * dispersion / size), dtype=np.float64)


def box(counts: Array, dispersion: float) -> Box:
    """Around the shares of these counts, which are more than none."""
    size = float(counts.sum())
    shares = counts / size
    width = tolerance(shares, size, dispersion)
    return Box(shares, np.maximum(shares - width, 0.0), np.minimum(shares + width, 1.0))


def mixture(ticks: Array, null: Box) -> Array:
    """Log of the e-detector after `ticks` (…, n, K), the newest last, n ≤ STARTS: a sum over starts, so (…)."""
    since = np.cumsum(ticks[..., ::-1, :], axis=-2)
    bets = np.stack([_marginal(since, concentration * null.centre + 0.5) for concentration in CONCENTRATIONS])
    return log_sum(log_sum(bets, axis=0) - np.log(len(bets)) - likeliest(since, null), axis=-1)


def _marginal(counts: Array, prior: Array) -> Array:
    """Log probability of a sequence with these counts (…, K) under a Dirichlet prior."""
    each = (log_gamma(prior + counts) - log_gamma(prior)).sum(axis=-1)
    total = np.asarray(prior.sum(axis=-1))
    return np.asarray(each - log_gamma(total + counts.sum(axis=-1)) + log_gamma(total), dtype=np.float64)


def likeliest(counts: Array, null: Box) -> Array:
    """Log likelihood of counts (…, K) under the likeliest shares of the box that add up to one, or slightly above it.

    It is the Lagrangian dual at a multiplier close to the best one: any multiplier gives an upper bound, so that an
    e-value with it below stays one however well the search went.
    """
    total = counts.sum(axis=-1, keepdims=True)
    shares = counts / np.maximum(total, 1e-300)
    low, high = np.zeros_like(total), np.full_like(total, 1e9)
    scale = np.ones_like(total)
    for _ in range(_ROUNDS):
        free = (shares * scale > null.low) & (shares * scale < null.high)
        found = np.clip(shares * scale, null.low, null.high)
        excess = found.sum(axis=-1, keepdims=True) - 1
        if np.all(np.abs(excess) < 1e-9):
            break
        low, high = np.where(excess < 0, scale, low), np.where(excess > 0, scale, high)
        slope = (shares * free).sum(axis=-1, keepdims=True)
        newton = scale - excess / np.maximum(slope, 1e-12)
        scale = np.where((newton > low) & (newton < high), newton, np.sqrt(np.maximum(low, 1e-3) * high))
    found = np.clip(shares * scale, null.low, null.high)
    logs = np.where(counts > 0, np.log(np.maximum(found, 1e-300)), 0.0)
    value = (counts * logs - total * found / scale).sum(axis=-1) + (total / scale)[..., 0]
    return np.asarray(value, dtype=np.float64)


def log_gamma(x: Array) -> Array:
    """Of positive numbers, by Stirling's series seven steps further up; good to 1e-12 of its size."""
    shifted = x + 7
    product = x * (x + 1) * (x + 2) * (x + 3) * (x + 4) * (x + 5) * (x + 6)
    square = 1 / (shifted * shifted)
    series = (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680))) / shifted
    value = (shifted - 0.5) * np.log(shifted) - shifted + 0.5 * np.log(2 * np.pi) + series - np.log(product)
    return np.asarray(value, dtype=np.float64)


def log_sum(logs: Array, axis: int) -> Array:
    """Log of a sum of numbers given by their logs."""
    top = np.max(logs, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.exp(logs - top).sum(axis=axis)) + np.squeeze(top, axis), dtype=np.float64)


@dataclass(frozen=True)
class Bets:
    """Bets on a histogram's cumulated shares. edges: how many bins lie below each share that is bet on; low, high: its
    interval. A bet that it is above is a likelihood ratio to `high`, which expects at most one for every share below.
    """

    edges: tuple[int, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @cached_property
    def weights(self) -> tuple[Array, Array]:
        """Log e-value of each bet of one answer below the edge, and of one above it: two arrays (edges, 2·ODDS)."""
        below, above = [], []
        for low, high in zip(self.low, self.high, strict=True):
            pairs = [(bound, _shifted(bound, sign * odds)) for bound, sign in ((high, 1), (low, -1)) for odds in ODDS]
            below.append([_ratio(bet, bound) for bound, bet in pairs])
            above.append([_ratio(1 - bet, 1 - bound) for bound, bet in pairs])
        return np.array(below), np.array(above)

    def nothing(self, *leading: int) -> Array:
        """The logs of all bets before the first tick."""
        return np.full((*leading, len(self.edges), 2 * len(ODDS)), NONE)

    def add(self, logs: Array, counts: Array, dispersion: float) -> Array:
        """The logs of all bets after one more tick (…, bins)."""
        if not self.edges:
            return logs
        cumulated = np.cumsum(counts, axis=-1)
        below = cumulated[..., np.array(self.edges) - 1]
        above = cumulated[..., -1:] - below
        hits, misses = self.weights
        by = divisors(np.maximum(hits, misses), dispersion)
        after = np.logaddexp(0.0, logs) + below[..., None] * hits / by + above[..., None] * misses / by
        rare = np.minimum(self.low, 1 - np.asarray(self.high)) < min(RARE * (dispersion - 1), RAREST)
        return np.where(rare[:, None], NONE, after)


def divisors(gains: Array, dispersion: float) -> Array:
    """By what to divide counts of which each gains so much for a bet, so that it still expects at most one.

    Answers in clumps of geometric size, of mean g = (φ + 1)/2, have the overdispersion φ. Their log moment generating
    function at gain/ψ, per expected answer, is (M(gain/ψ) − 1)/g; ψ is the smallest that keeps it below what the bet
    takes in return, (exp(gain) − 1)/ψ. Without clumps ψ = 1, for small gains ψ = φ, for large ones more.
    """
    size = (dispersion + 1) / 2
    low, high = np.full_like(gains, dispersion), np.full_like(gains, 64 * dispersion)
    for _ in range(24):
        middle = np.sqrt(low * high)
        rise = np.exp(gains / middle)
        room = size - (size - 1) * rise
        moment = np.where(room > 0, rise / np.where(room > 0, room, 1.0), np.inf)
        fits = (moment - 1) / size <= (np.exp(gains) - 1) / middle * (1 + 1e-12)
        low, high = np.where(fits, low, middle), np.where(fits, middle, high)
    return np.asarray(np.where(dispersion > 1, high, 1.0), dtype=np.float64)


def _shifted(share: float, odds: float) -> float:
    """A share with other odds; 0 and 1 stay."""
    raised = share * np.exp(odds)
    return float(raised / (raised + 1 - share))


def _ratio(bet: float, bound: float) -> float:
    """log(bet / bound); 0 where both are 0, as nothing is bet there."""
    return float(np.log(bet / bound)) if bound > 0 else 0.0


def bets(counts: Sequence[float], dispersion: float = 1.0) -> Bets:
    """On the cumulated shares of a reference histogram, which has more than no counts."""
    cumulated = np.cumsum(np.asarray(counts, dtype=np.float64))
    size = float(cumulated[-1])
    shares = cumulated[:-1] / size
    edges = sorted({_nearest(shares, wanted) for wanted in QUANTILES} if len(shares) else ())
    chosen = shares[edges]
    width = tolerance(chosen, size, dispersion)
    low, high = np.maximum(chosen - width, 0.0), np.minimum(chosen + width, 1.0)
    return Bets(tuple(edge + 1 for edge in edges), tuple(map(float, low)), tuple(map(float, high)))


def _nearest(shares: Array, wanted: float) -> int:
    """The place of the share next to `wanted`; of equal ones the one beside the bins that count something."""
    above = int(np.searchsorted(shares, wanted, side="right"))
    near = [place for place in (above - 1, above) if 0 <= place < len(shares)]
    return min(near, key=lambda place: abs(float(shares[place]) - wanted))


def value(logs: Array) -> Array:
    """Log of the average of bets (…, edges, bets): one detector."""
    flat = logs.reshape(*logs.shape[:-2], -1)
    if not flat.shape[-1]:
        return np.full(flat.shape[:-1], NONE)
    return np.asarray(log_sum(flat, axis=-1) - np.log(flat.shape[-1]), dtype=np.float64)
