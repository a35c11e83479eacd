"""The evidence of one signal, tick by tick: of class counts in a window of ticks and of coarser ones, of a histogram in
bets on its cumulated shares."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from registry.domain.documents import Fields
from registry.domain.drift_counts import CONFIDENCE, Bins
from registry.domain.drift_evidence import NONE, STARTS, Array, Bets, Box, bets, mixture, value
from registry.domain.drift_reference import COARSE
from registry.domain.errors import InvalidDocument

CONFIDENCE_BINS = 20


@dataclass(frozen=True)
class ClassEvidence:
    """Class counts of the last STARTS ticks and of the last STARTS coarse ones, newest last; each (…, n, K).

    gathered: of the coarse tick that is open (…, K), after so many `ticks`. logs: of the detector over ticks, and of
    the one over coarse ticks, each (…).
    """

    fine: Array
    coarse: Array
    gathered: Array
    ticks: int
    logs: tuple[Array, Array]

    @classmethod
    def empty(cls, classes: int, *leading: int) -> "ClassEvidence":
        none = np.zeros((*leading, 0, classes))
        return cls(none, none, np.zeros((*leading, classes)), 0, (np.full(leading, NONE), np.full(leading, NONE)))

    def add(self, counts: Array, null: Box, dispersion: float) -> "ClassEvidence":
        """After one more tick (…, K). Of one class alone nothing can drift."""
        if counts.shape[-1] < 2:
            return self
        fine = _last(self.fine, counts)
        gathered, ticks, coarse, late = self.gathered + counts, self.ticks + 1, self.coarse, self.logs[1]
        if ticks == COARSE:
            coarse = _last(coarse, gathered)
            late = mixture(coarse / dispersion, null) + math.log(COARSE)  # each start stands for COARSE ticks
            gathered, ticks = np.zeros_like(gathered), 0
        return ClassEvidence(fine, coarse, gathered, ticks, (mixture(fine / dispersion, null), late))

    @property
    def log(self) -> Array:
        """Of the mean of both detectors (…)."""
        return np.asarray(np.logaddexp(*self.logs) - math.log(2), dtype=np.float64)

    def document(self) -> dict[str, Any]:
        return {
            "fine": self.fine.astype(int).tolist(),
            "coarse": self.coarse.astype(int).tolist(),
            "gathered": self.gathered.astype(int).tolist(),
            "ticks": self.ticks,
            "logs": [float(log) for log in self.logs],
        }


def parse_classes(fields: Fields) -> ClassEvidence:
    """Read `ClassEvidence.document`; raises InvalidDocument."""
    gathered, logs = fields.integers("gathered"), fields.numbers("logs")
    if len(logs) != 2:
        raise InvalidDocument("evidence of the classes: wanted the logs of two detectors")
    return ClassEvidence(
        _rows(fields, "fine", len(gathered)),
        _rows(fields, "coarse", len(gathered)),
        np.asarray(gathered, dtype=np.float64),
        fields.integer("ticks"),
        (np.asarray(logs[0]), np.asarray(logs[1])),
    )


def _last(ticks: Array, counts: Array) -> Array:
    """The last STARTS ticks, with one more."""
    return np.concatenate([ticks, counts[..., None, :]], axis=-2)[..., -STARTS:, :]


def _rows(fields: Fields, key: str, width: int) -> Array:
    rows = fields.document.get(key)
    if not isinstance(rows, list) or len(rows) > STARTS:
        raise InvalidDocument(f"evidence of the classes: {key} are no counts of at most {STARTS} ticks")
    found = [Fields({key: row}, "evidence of the classes").integers(key) for row in rows]
    if any(len(row) != width or min(row) < 0 for row in found):
        raise InvalidDocument(f"evidence of the classes: {key} has rows that are no counts of {width} classes")
    return np.asarray(found, dtype=np.float64).reshape(len(found), width)


@dataclass(frozen=True)
class HistogramEvidence:
    """The logs of all bets on a histogram (…, edges, bets); None before the first tick."""

    logs: Array | None = None

    def add(self, counts: Array, on: Bets, dispersion: float) -> "HistogramEvidence":
        """After one more tick (…, bins)."""
        nothing = on.nothing(*counts.shape[:-1])
        before = self.logs if self.logs is not None and self.logs.shape == nothing.shape else nothing
        return HistogramEvidence(on.add(before, counts / dispersion))

    @property
    def log(self) -> Array:
        """Of the mean of all bets (…)."""
        return np.asarray(NONE) if self.logs is None else value(self.logs)

    def document(self) -> dict[str, Any]:
        return {"logs": None if self.logs is None else self.logs.tolist()}


def parse_histogram(fields: Fields) -> HistogramEvidence:
    """Read `HistogramEvidence.document`; raises InvalidDocument."""
    rows = fields.document.get("logs")
    if rows is None:
        return HistogramEvidence()
    if not isinstance(rows, list) or len({len(row) if isinstance(row, list) else -1 for row in rows}) > 1:
        raise InvalidDocument("evidence of a histogram: wanted as many bets on each edge")
    found = [Fields({"logs": row}, "evidence of a histogram").numbers("logs") for row in rows]
    return HistogramEvidence(np.asarray(found, dtype=np.float64))


@dataclass(frozen=True)
class Reference:
    """A card's histogram. inner: edges between its bins, one fewer than counts."""

    inner: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def size(self) -> int:
        return sum(self.counts)

    @property
    def bets(self) -> Bets:
        return _bets(self.counts)

    def binned(self, found: Bins) -> tuple[int, ...] | None:
        """The counts of `found` in these bins; None where it lacks one of the edges between them."""
        places = [-1]
        for edge in self.inner:
            near = [place for place, other in enumerate(found.edges) if math.isclose(edge, other, rel_tol=1e-9)]
            if len(near) != 1:
                return None
            places.append(near[0])
        places.append(len(found.counts) - 1)
        return tuple(sum(found.counts[first + 1 : last + 1]) for first, last in pairwise(places))


@lru_cache(maxsize=64)
def _bets(counts: tuple[int, ...]) -> Bets:
    return bets(counts)


def confidence_reference(counts: Sequence[int]) -> Reference:
    """Of the top probability, in bins of .05."""
    return Reference(tuple(round(0.05 * step, 2) for step in range(1, CONFIDENCE_BINS)), tuple(counts))


def feature_reference(edges: Sequence[float], counts: Sequence[int]) -> Reference | None:
    """Of an input feature, from the card's n + 1 edges and n counts; None where they do not fit each other."""
    rising = all(low < high for low, high in pairwise(edges))
    if len(edges) != len(counts) + 1 or not rising or min(counts, default=-1) < 0:
        return None
    return Reference(tuple(edges[1:-1]), tuple(counts))


def label(name: str, reference: Reference, place: int) -> str:
    """A bin for people: `0.85–0.9`."""
    first, last = ("0", "1") if name == CONFIDENCE else ("", "")
    low = f"{reference.inner[place - 1]:g}" if place else first
    high = f"{reference.inner[place]:g}" if place < len(reference.inner) else last
    return f"{low}–{high}" if low and high else f"≥ {low}" if low else f"< {high}"
