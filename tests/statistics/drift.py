"""How often drift is cried without any, and how late it is found: streams drawn from a seed, through the real evidence.

`python -m tests.statistics.drift`: a table and plots. Many streams go on side by side against one reference that was
learned from a stream of its own, with the overdispersion that it showed; then there is another reference.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

from registry.domain.drift import FEWEST
from registry.domain.drift_counts import CLASSES, CONFIDENCE, SIGNALS
from registry.domain.drift_reference import Spreads, Week, cell
from registry.domain.drift_signals import ClassEvidence, HistogramEvidence, confidence_reference
from registry.domain.drift_watch import LOG_BOUND, mean_of

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


@dataclass(frozen=True)
class Known:
    """References, learned: the class mix and all overdispersions from a stream, the rest from held-out images."""

    week: Week
    dispersions: Mapping[str, float]
    cards: Mapping[str, Array]

    @classmethod
    def learn(cls, dice: np.random.Generator, stream: Stream, shares: Shares, *, size: int, held_out: int) -> "Known":
        """From so many answers of production at least, and so many images."""
        week, spreads = Week.empty([str(place) for place in range(len(shares[CLASSES]))]), {}
        cards = {
            name: dice.multinomial(held_out, shares[name]).astype(np.float64) for name in shares if name != CLASSES
        }
        tick = 0
        while week.answers < size:
            for name in shares:
                counts = stream.draw(dice, stream.shares(name, shares[name], tick), 1, tick)[0]
                if name == CLASSES:
                    place = cell(START + timedelta(minutes=tick))
                    week = week.add([int(count) for count in counts], place=place, seconds=60)
                    watched = counts
                else:
                    watched = np.cumsum(counts)[np.array(_reference(cards[name]).bets.edges) - 1]
                spreads[name] = spreads.get(name, Spreads()).add([float(count) for count in watched], counts.sum())
            tick += 1
        found = {name: each.dispersion(np.ones(len(each.fine.counts))) for name, each in spreads.items()}
        found[CLASSES] = week.dispersion(spreads[CLASSES])
        return cls(week, {name: phi or 1.0 for name, phi in found.items()}, cards)


def _reference(counts: Array):  # type: ignore[no-untyped-def]  # a reference of any number of bins
    return replace(confidence_reference([int(count) for count in counts]), inner=())


@dataclass
class Watched:
    """So many streams against one reference, as a watch has them."""

    known: Known
    streams: int
    evidence: dict[str, ClassEvidence | HistogramEvidence] = field(default_factory=dict)

    def __post_init__(self) -> None:
        phi = self.known.dispersions[CLASSES]
        self.box = self.known.week.box(phi)
        self.bets = {name: _reference(counts).bets for name, counts in self.known.cards.items()}
        self.evidence = {name: HistogramEvidence() for name in SIGNALS}
        self.evidence[CLASSES] = ClassEvidence.empty(len(self.known.week.classes), self.streams)

    def add(self, counts: Mapping[str, Array]) -> Array:
        """After one more tick: log of the mean of all e-detectors, of each stream."""
        for name, found in counts.items():
            before, phi = self.evidence[name], self.known.dispersions[name]
            if isinstance(before, ClassEvidence):
                self.evidence[name] = before.add(found, self.box, phi)
            else:
                self.evidence[name] = before.add(found, self.bets[name], phi)
        return mean_of([self.evidence[name].log for name in SIGNALS])


@dataclass(frozen=True)
class Cry:
    """False alarms. lived: ticks of all streams until their first one; signals: how many were watched."""

    name: str
    ticks: int
    alarms: int
    signals: int
    dispersion: float
    seconds: float

    @property
    def kept(self) -> bool:
        return self.alarms <= 2


def cries(stream: Stream, *, ticks: int, seed: int, shares: Shares, streams: int = 50, each: int = 2000) -> Cry:
    """Ticks without drift, over streams that go on for `each` of them against one reference."""
    dice, began = np.random.default_rng(seed), time.monotonic()
    lived = alarms = 0
    dispersions = []
    while lived < ticks:
        size = 10_000 if not stream.mix else 7 * DAY * stream.per_tick
        known = Known.learn(dice, stream, shares, size=size, held_out=16_000)
        dispersions.append(known.dispersions[CLASSES])
        watched, living = Watched(known, streams), np.ones(streams, dtype=bool)
        for tick in range(each):
            log = watched.add(
                {name: stream.draw(dice, stream.shares(name, shares[name], tick), streams, tick) for name in shares}
            )
            lived += int(living.sum())
            alarms += int((living & (log >= LOG_BOUND)).sum())
            living &= log < LOG_BOUND
            if lived >= ticks:
                break
    return Cry(stream.name, lived, alarms, len(shares), float(np.median(dispersions)), time.monotonic() - began)


@dataclass(frozen=True)
class Delay:
    """How late a drift is found, in answers: median and 95th percentile over runs. missed: runs that never did."""

    name: str
    runs: int
    median: float
    late: float
    missed: int
    wanted: float
    false: int

    @property
    def kept(self) -> bool:
        return self.median <= self.wanted


def delays(
    name: str,
    stream: Stream,
    before: Shares,
    after: Shares,
    *,
    wanted: float,
    runs: int,
    seed: int,
    learn: Callable[..., Known] = Known.learn,
    references: int = 5,
    most: int = 600,
) -> Delay:
    """Streams that drift after 60 ticks, against several references."""
    dice = np.random.default_rng(seed)
    found: list[Array] = []
    false, streams = 0, max(runs // references, 1)
    for _ in range(references):
        known = learn(dice, stream, before, size=10_000, held_out=16_000)
        watched, answers, late = Watched(known, streams), np.zeros(streams), np.full(streams, np.inf)
        for tick in range(-60, most):
            shares = before if tick < 0 else after
            counts = {each: stream.draw(dice, shares[each], streams, tick) for each in shares}
            log = watched.add(counts)
            if tick < 0:
                false += int((log >= LOG_BOUND).sum())
                continue
            answers += counts[CLASSES].sum(axis=1)
            late = np.where((log >= LOG_BOUND) & np.isinf(late), answers, late)
            if np.isfinite(late).all():
                break
        found.append(late)
    every = np.concatenate(found)
    missed = int(np.isinf(every).sum())
    return Delay(name, len(every), float(np.median(every)), float(np.quantile(every, 0.95, method="lower")), missed,
                 wanted, false)  # fmt: skip


IID, SESSIONS = Stream("independent answers"), Stream("groups of 20 by one client, φ ≤ 5", alike=10.0)
LOAD = Stream("load that swings by 80 % over the day", per_tick=1000, load=0.8)
SWING = Stream("load and class mix that swing over the day", per_tick=1000, load=0.8, mix=0.03)
QUIET = (IID, SESSIONS, LOAD, SWING)


def drifts(runs: int) -> list[Delay]:
    """The figures that the detectors were built for."""
    shares, found = usual(), []
    for stream, factor in ((IID, 1), (SESSIONS, 4)):
        for place, (variation, wanted) in enumerate(((0.2, 400), (0.1, 1200), (0.05, 5000))):
            name = f"class mix by TV {variation:g}, {stream.name}"
            found.append(
                delays(name, stream, _of(shares, CLASSES), _of(moved(shares, variation), CLASSES),
                       wanted=wanted * factor, runs=runs, seed=place)
            )  # fmt: skip
    lower = {**shares, CONFIDENCE: sure(0.85)}
    found.append(delays("confidence .90 → .85", IID, _of(shares, CLASSES, CONFIDENCE), _of(lower, CLASSES, CONFIDENCE),
                        wanted=500, runs=runs, seed=9))  # fmt: skip
    return [*found, *faults(runs)]


def _of(shares: Shares, *names: str) -> Shares:
    return {name: shares[name] for name in names}


def faults(runs: int) -> list[Delay]:
    """Pictures with a fault, as `tests.statistics.corruptions` measured them: every signal of the same images."""
    kept = json.loads(Path(__file__).with_name("corruptions.json").read_text())
    found = []
    for of, changes in (("shapes", None), ("settled", ("inversion", "rotation 90°"))):
        seen = kept[of]["changes"]
        names = [name for name in seen if name != "unchanged"] if changes is None else changes
        for place, name in enumerate(names):
            before, after = _measured(kept[of]["reference"]), _measured(seen[name])
            title = f"{name}, {of}"
            found.append(delays(title, IID, before, after, wanted=1000, runs=runs, seed=20 + place, most=60))
    return found


def _measured(counts: Mapping[str, Sequence[int]]) -> Shares:
    """Shares; without a net the class mix is not known, and stays."""
    found = {name: np.array(each) / sum(each) for name, each in counts.items()}
    return {CLASSES: np.full(8, 0.125), **found}
