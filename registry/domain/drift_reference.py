"""What is no drift: references, how far off they may be, and how much more counts vary than independent answers would.

A card's reference is held-out images, which are independent. The class mix has production's own as reference: an
average week, in cells of six hours, so that no day counts twice and a mix that differs by the hour is no drift.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from registry.domain.documents import Fields
from registry.domain.drift_evidence import Array, Box, tolerance
from registry.domain.errors import InvalidDocument
from registry.domain.policy import DriftPolicy

PARTS = 4
"""Of a day; a week has 7 · PARTS cells."""

DAY = 86400.0
APART = 4.0
"""Standard errors by which a cell's share must differ from the week's to be one of its own."""

HEIGHT = math.pi / 2
"""A swing over the day is at its height so many times as far from the week as the mean of its highest cell shows, where
that is its rising or falling quarter: 1 ÷ the mean of a sine over a quarter of its period. Other cells show more."""

COARSE = 20
"""Ticks in a coarse one."""

FEWEST = 20
"""Ticks from which overdispersion is estimated."""

ERRORS = 2.0
"""Standard errors by which it is taken to be larger than it showed: one that is too small cries."""


@dataclass(frozen=True)
class Spread:
    """How counts of ticks vary: sums over ticks of counts, of their squares over the tick's size, and of sizes.

    What varies is any vector of counts out of `size` answers: classes, or cumulated bins of a histogram.
    """

    ticks: int = 0
    size: float = 0.0
    counts: tuple[float, ...] = ()
    squares: tuple[float, ...] = ()

    def add(self, counts: Sequence[float], size: float) -> "Spread":
        """With one more tick of at least one answer; what has another length begins anew."""
        before = self if len(self.counts) == len(counts) else Spread()
        old = zip(before.counts or [0.0] * len(counts), before.squares or [0.0] * len(counts), counts, strict=True)
        sums = [(total + count, square + count * count / size) for total, square, count in old]
        return Spread(
            before.ticks + 1, before.size + size, tuple(one for one, _ in sums), tuple(other for _, other in sums)
        )

    def document(self) -> dict[str, Any]:
        return {"ticks": self.ticks, "size": self.size, "counts": list(self.counts), "squares": list(self.squares)}

    def dispersion(self, weights: Array, cells: Array | None = None) -> float | None:
        """φ: the weighted mean over counts of how many times the binomial variance they have, ERRORS standard
        errors upwards, at least 1; None from too few ticks.

        cells: the counts (cells, K) of parts that have shares of their own; what differs between them is no variance.
        """
        counts = np.asarray(self.counts)
        parts = counts[None] if cells is None else cells[cells.sum(axis=1) > 0]
        free = self.ticks - len(parts)
        if free < FEWEST:
            return None
        shares = counts / self.size
        # a tick's squares less those of its cell's mean; a coarse tick that is open is in the cells already
        mean = counts * shares
        if cells is not None:
            mean = (parts**2 / parts.sum(axis=1, keepdims=True)).sum(axis=0) * (self.size / parts.sum())
        known = (shares > 0) & (shares < 1) & (weights > 0)
        if not known.any():
            return 1.0
        variances = (np.asarray(self.squares) - mean)[known] / (shares * (1 - shares))[known] / free
        found = float((variances * weights[known]).sum() / weights[known].sum())
        freedom = free * (1 if cells is None else max(int(known.sum()) - 1, 1))  # cumulated shares move together
        return max(1.0, found * (1 + ERRORS * float(np.sqrt(2 / freedom))))


@dataclass(frozen=True)
class Spreads:
    """Of ticks and of coarse ticks: what varies slowly shows in those only.

    gathered, size, ticks: of the coarse tick that is open.
    """

    fine: Spread = Spread()
    coarse: Spread = Spread()
    gathered: tuple[float, ...] = ()
    size: float = 0.0
    ticks: int = 0

    def add(self, counts: Sequence[float], size: float) -> "Spreads":
        """With one more tick."""
        before = self.gathered if len(self.gathered) == len(counts) else (0.0,) * len(counts)
        gathered = tuple(old + new for old, new in zip(before, counts, strict=True))
        fine, total, ticks = self.fine.add(counts, size), self.size + size, self.ticks + 1
        if ticks < COARSE:
            return Spreads(fine, self.coarse, gathered, total, ticks)
        return Spreads(fine, self.coarse.add(gathered, total))

    def dispersion(self, weights: Array, cells: Array | None = None) -> float | None:
        """φ, the larger of both; None from too few ticks. cells: as of a `Spread`, where there are ticks enough."""
        fine, coarse = self.fine.dispersion(weights, cells), self.coarse.dispersion(weights, cells)
        known = [each for each in (fine, coarse) if each is not None]
        return max(known) if known else self.fine.dispersion(weights)

    def document(self) -> dict[str, Any]:
        """As `parse_spreads` reads it."""
        return {
            "fine": self.fine.document(),
            "coarse": self.coarse.document(),
            "gathered": list(self.gathered),
            "size": self.size,
            "ticks": self.ticks,
        }


def parse_spreads(fields: Fields) -> Spreads:
    """Read `Spreads.document`; raises InvalidDocument."""
    gathered, size, ticks = fields.numbers("gathered"), fields.number("size", minimum=0), fields.integer("ticks")
    return Spreads(_parse_spread(fields.object("fine")), _parse_spread(fields.object("coarse")), gathered, size, ticks)


def _parse_spread(fields: Fields) -> Spread:
    counts, squares = fields.numbers("counts"), fields.numbers("squares")
    if len(counts) != len(squares):
        raise InvalidDocument("overdispersion: wanted as many counts as squares")
    return Spread(fields.integer("ticks"), fields.number("size", minimum=0), counts, squares)


def cell(now: datetime) -> int:
    """The part of the week, from Monday 0:00 UTC on."""
    return now.weekday() * PARTS + now.hour * PARTS // 24


@dataclass(frozen=True)
class Week:
    """Class counts of production by part of the week, and seconds that each part was watched."""

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    seconds: tuple[float, ...]

    @classmethod
    def empty(cls, classes: Sequence[str]) -> "Week":
        return cls(tuple(classes), ((0,) * len(classes),) * (7 * PARTS), (0.0,) * (7 * PARTS))

    @property
    def answers(self) -> int:
        return sum(map(sum, self.counts))

    @property
    def watched(self) -> float:
        """Seconds."""
        return sum(self.seconds)

    def add(self, counts: Sequence[int], *, place: int, seconds: float) -> "Week":
        """With one more tick, in the cell `place`."""
        row = tuple(old + new for old, new in zip(self.counts[place], counts, strict=True))
        lasted = self.seconds[place] + seconds
        return Week(
            self.classes,
            (*self.counts[:place], row, *self.counts[place + 1 :]),
            (*self.seconds[:place], lasted, *self.seconds[place + 1 :]),
        )

    def suffices(self, policy: DriftPolicy, dispersion: float) -> bool:
        """Whether there are as many answers as say what the policy's minimum of independent ones would, over enough
        time."""
        return self.answers >= policy.minimum * dispersion and self.watched >= policy.days * DAY

    def dispersion(self, spreads: Spreads) -> float | None:
        """φ inside the parts of the week: Pearson's statistic over its degrees of freedom; None from too few ticks.

        spreads: of the ticks that are counted here.
        """
        if len(spreads.fine.counts) != len(self.classes) or not spreads.fine.ticks:
            return None
        shares = np.asarray(spreads.fine.counts) / spreads.fine.size
        return spreads.dispersion(1 - shares, np.asarray(self.counts, dtype=np.float64))

    def mean(self) -> tuple[Array, float]:
        """Shares of an average week, and how many answers that is worth: each cell by its own rate of answers, over as
        long as it was watched, at most once through."""
        counts = np.asarray(self.counts, dtype=np.float64)
        sizes, seconds = counts.sum(axis=1), np.asarray(self.seconds)
        seen = (sizes > 0) & (seconds > 0)
        if not seen.any():
            raise InvalidDocument("reference of the classes: counts nothing, wanted answers in some part of the week")
        weights = sizes[seen] / seconds[seen] * np.minimum(seconds[seen], DAY / PARTS)
        weights /= weights.sum()
        shares = (weights[:, None] * counts[seen] / sizes[seen][:, None]).sum(axis=0)
        return shares, float(1 / (weights**2 / sizes[seen]).sum())

    def box(self, dispersion: float) -> Box:
        """Around the average week, and as wide as the swing that its certainly different parts show."""
        shares, size = self.mean()
        width = tolerance(shares, size, dispersion)
        counts = np.asarray(self.counts, dtype=np.float64)
        sizes = counts.sum(axis=1, keepdims=True)
        parts = np.divide(counts, sizes, out=np.broadcast_to(shares, counts.shape).copy(), where=sizes > 0)
        sizes = np.maximum(sizes, 1.0)
        chance = APART * np.sqrt(dispersion * shares * (1 - shares) / sizes) + 6 * dispersion / sizes
        own = shares + np.where(np.abs(parts - shares) > chance, HEIGHT * (parts - shares), 0.0)
        low, high = np.minimum(shares - width, own.min(axis=0)), np.maximum(shares + width, own.max(axis=0))
        return Box(shares, np.maximum(low, 0.0), np.minimum(high, 1.0))

    def document(self) -> dict[str, Any]:
        """As `parse_week` reads it."""
        return {
            "classes": list(self.classes),
            "counts": [list(row) for row in self.counts],
            "seconds": list(self.seconds),
        }


def parse_week(fields: Fields) -> Week:
    """Read `Week.document`; raises InvalidDocument."""
    classes, seconds = fields.texts("classes"), fields.numbers("seconds")
    rows = fields.document.get("counts")
    if not isinstance(rows, list) or len(rows) != 7 * PARTS or len(seconds) != 7 * PARTS:
        raise InvalidDocument(f"reference of the classes: wanted counts and seconds of {7 * PARTS} parts of the week")
    counts = tuple(Fields({"counts": row}, "reference of the classes").integers("counts") for row in rows)
    if any(len(row) != len(classes) or min(row, default=0) < 0 for row in counts):
        raise InvalidDocument(f"reference of the classes: wanted counts of {len(classes)} classes in each part")
    return Week(classes, counts, seconds)
