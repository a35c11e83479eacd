"""How often drift is cried without any, and how late it is found: streams drawn from a seed, through the real evidence.

`python -m tests.statistics.drift`: a table and plots. Many streams go on side by side against one reference that was
learned from a stream of its own, with the overdispersion that it showed; then there is another reference.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np

from registry.domain.drift_counts import CLASSES, CONFIDENCE, SIGNALS
from registry.domain.drift_reference import Spreads, Week, cell
from registry.domain.drift_signals import ClassEvidence, HistogramEvidence, Reference
from registry.domain.drift_watch import LOG_BOUND, mean_of
from tests.statistics.plots import draw_delays
from tests.statistics.streams import (
    DAY,
    IID,
    LOAD,
    SESSIONS,
    START,
    SWING,
    Array,
    Shares,
    Stream,
    moved,
    of,
    sure,
    usual,
)


@dataclass(frozen=True)
class Known:
    """References, learned: the class mix and all overdispersions from a stream, the rest from held-out images."""

    week: Week
    dispersions: Mapping[str, float]
    cards: Mapping[str, Array]

    @classmethod
    def learn(cls, dice: np.random.Generator, stream: Stream, shares: Shares, *, size: int, held_out: int) -> "Known":
        """From so many answers of production at least, and so many images."""
        week = Week.empty([str(place) for place in range(len(shares[CLASSES]))])
        spreads: dict[str, Spreads] = {}
        cards = {
            name: dice.multinomial(held_out, shares[name]).astype(np.float64) for name in shares if name != CLASSES
        }
        edges = {name: np.array(_reference(counts).bets.edges) - 1 for name, counts in cards.items()}
        tick = 0
        while week.answers < size:
            for name in shares:
                counts = stream.draw(dice, stream.shares(name, shares[name], tick), 1, tick)[0]
                if name == CLASSES:
                    place = cell(START + timedelta(minutes=tick))
                    week = week.add([int(count) for count in counts], place=place, seconds=60)
                    watched = counts
                else:
                    watched = np.cumsum(counts)[edges[name]]
                spreads[name] = spreads.get(name, Spreads()).add([float(count) for count in watched], counts.sum())
            tick += 1
        found = {name: each.dispersion(np.ones(len(each.fine.counts))) for name, each in spreads.items()}
        found[CLASSES] = week.dispersion(spreads[CLASSES])
        return cls(week, {name: phi or 1.0 for name, phi in found.items()}, cards)


def _reference(counts: Array) -> Reference:
    """Of any number of bins."""
    return Reference((), tuple(int(count) for count in counts))


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
    """How late a drift is found, in answers: median and 95th percentile over runs. missed: runs that never did. wanted:
    of the median, 0 where nothing is; false: alarms before it began."""

    name: str
    runs: int
    median: float
    late: float
    missed: int
    wanted: float
    false: int

    @property
    def kept(self) -> bool:
        return not self.wanted or self.median <= self.wanted


def delays(
    name: str,
    stream: Stream,
    before: Shares,
    after: Shares,
    *,
    wanted: float,
    runs: int,
    seed: int,
    size: int = 10_000,
    references: int = 5,
    most: int = 600,
) -> Delay:
    """Streams that drift after 60 ticks, against several references."""
    dice = np.random.default_rng(seed)
    found: list[Array] = []
    false, streams = 0, max(runs // references, 1)
    for _ in range(references):
        known = Known.learn(dice, stream, before, size=size, held_out=16_000)
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


QUIET: Mapping[Stream, tuple[str, ...]] = {
    IID: SIGNALS,
    SESSIONS: (CLASSES, CONFIDENCE),
    LOAD: (CLASSES, CONFIDENCE),
    SWING: (CLASSES, CONFIDENCE),
}
"""Streams without drift, and the signals that are watched in them; each signal is drawn by itself."""


def quiet(stream: Stream, *, ticks: int, seed: int) -> Cry:
    """False alarms of one of them."""
    return cries(stream, ticks=ticks, seed=seed, shares=of(usual(), *QUIET[stream]))


MIXES = ((0.2, 400), (0.1, 1200), (0.05, 5000))
"""Total variations of the class mix, and the answers in which independent ones must show it; clients' groups in four
times as many."""


def drifts(runs: int) -> list[Delay]:
    """The figures that the detectors were built for."""
    shares, found = usual(), []
    for stream, factor, size in ((IID, 1, 10_000), (SESSIONS, 4, 45_000)):
        for place, (variation, wanted) in enumerate(MIXES):
            name = f"class mix by TV {variation:g}, {stream.name}, reference of {size}"
            before, after = of(shares, CLASSES), of(moved(shares, variation), CLASSES)
            found.append(delays(name, stream, before, after, wanted=wanted * factor, runs=runs, seed=place, size=size))
    lower = {**shares, CONFIDENCE: sure(0.85)}
    found.append(delays("confidence .90 → .85", IID, of(shares, CLASSES, CONFIDENCE), of(lower, CLASSES, CONFIDENCE),
                        wanted=500, runs=runs, seed=9))  # fmt: skip
    return [*found, *faults(runs)]


BY_NATURE = ("inversion", "rotation 90°")


def faults(runs: int, *, references: int = 5) -> list[Delay]:
    """Pictures with a fault, as `tests.statistics.corruptions` measured them: every signal of the same images."""
    kept = json.loads(Path(__file__).with_name("corruptions.json").read_text())
    found = []
    for kind, changes in (("shapes", None), ("settled", BY_NATURE)):
        seen = kept[kind]["changes"]
        names = [name for name in seen if name != "unchanged"] if changes is None else changes
        for place, name in enumerate(names):
            before, after = _measured(kept[kind]["reference"]), _measured(seen[name])
            title = f"{name}, {kind}"
            found.append(
                delays(
                    title,
                    IID,
                    before,
                    after,
                    wanted=_wanted(kind, name),
                    runs=runs,
                    seed=20 + place,
                    most=60,
                    references=references,
                )
            )
    return found


def _wanted(kind: str, name: str) -> float:
    """Nothing of a change that these pictures have by nature: as many of them are so anyway, and nothing drifted."""
    return 0.0 if kind == "shapes" and name in BY_NATURE else 1000.0


def _measured(counts: Mapping[str, Sequence[int]]) -> Shares:
    """Shares; without a net the class mix is not known, and stays."""
    found = {name: np.array(each) / sum(each) for name, each in counts.items()}
    return {CLASSES: np.full(8, 0.125), **found}


def table(cried: Sequence[Cry], found: Sequence[Delay]) -> str:
    """As Markdown."""
    lines = ["| without drift | signals | φ | ticks | false alarms | ≤ 2 |", "|---|---|---|---|---|---|"]
    for cry in cried:
        kept = "kept" if cry.kept else "BROKEN"
        lines.append(f"| {cry.name} | {cry.signals} | {cry.dispersion:.2f} | {cry.ticks:,} | {cry.alarms} | {kept} |")
    lines += ["", "| drift | runs | answers until it is found (median, 95 %) | never | before it began | median |"]
    lines.append("|---|---|---|---|---|---|")
    for delay in found:
        wanted = f"≤ {delay.wanted:,.0f}: {'kept' if delay.kept else 'BROKEN'}" if delay.wanted else ""
        numbers = f"{delay.median:,.0f}, {delay.late:,.0f}"
        lines.append(f"| {delay.name} | {delay.runs} | {numbers} | {delay.missed} | {delay.false} | {wanted} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Returns 1 when a figure is missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.statistics.drift", description=__doc__)
    parser.add_argument("--ticks", type=int, default=1_000_000, help="Of each stream without drift (default: 10⁶).")
    parser.add_argument("--runs", type=int, default=400, help="Of each drift (default: 400).")
    parser.add_argument("--output", type=Path, default=Path(".geometry/simulate"))
    given = parser.parse_args(arguments)
    given.output.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        crying = [pool.submit(quiet, stream, ticks=given.ticks, seed=seed) for seed, stream in enumerate(QUIET)]
        drifting = pool.submit(drifts, given.runs)
        found, cried = drifting.result(), [each.result() for each in crying]
    (given.output / "drift.md").write_text(table(cried, found))
    rows = [*map(asdict, cried), *map(asdict, found)]
    (given.output / "drift.json").write_text(json.dumps(rows, indent=1))
    draw_delays(found, given.output / "drift.png")
    print(table(cried, found))
    return 0 if all(cry.kept for cry in cried) and all(delay.kept for delay in found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
