"""What is counted of one kind of traffic, and where in its cells each number is.

Counts are kept per bucket, not cumulated: an observation is one increment, and a histogram's count is the sum of its
buckets, so that both agree at whatever moment they are read.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from predictor.errors import REASONS
from predictor.query import Predictions
from registry.domain.card import Edges
from registry.domain.features import upper_edges

Traffic = Literal["live", "pinned"]
TRAFFIC: tuple[Traffic, ...] = ("live", "pinned")

# Upper edges of the buckets; above the last latency edge there is one more.
LATENCY_EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
CONFIDENCE_EDGES = tuple(round(0.05 * step, 2) for step in range(1, 21))

# Without the last: a probability that rounding made larger than 1 belongs to the last bin.
_INNER_EDGES = CONFIDENCE_EDGES[:-1]

_LATENCY = 0
_LATENCY_SUM = _LATENCY + len(LATENCY_EDGES) + 1
_CONFIDENCE = _LATENCY_SUM + 1
_CONFIDENCE_SUM = _CONFIDENCE + len(CONFIDENCE_EDGES)
_LOW = _CONFIDENCE_SUM + 1
_SHED = _LOW + 1
_ERRORS = _SHED + 1
_CLASSES = _ERRORS + len(REASONS)
_REASON_CELLS = {reason: _ERRORS + place for place, reason in enumerate(REASONS)}


class Layout:
    """Where a version's own numbers are. classes: how many. edges: of each feature, in the order of an image's row.

    size: how many cells a tally takes. features: per feature the cell of its sum, which its buckets follow, and the
    upper edges of all buckets but the last.
    """

    def __init__(self, classes: int, edges: Sequence[Edges] = ()) -> None:
        self.classes = slice(_CLASSES, _CLASSES + classes)
        self.size = _CLASSES + classes
        features = []
        for upper in map(upper_edges, edges):
            features.append((self.size, upper))
            self.size += 1 + len(upper) + 1
        self.features = tuple(features)


@dataclass(frozen=True)
class Histogram:
    """Observations per bucket; the last is of those above all edges."""

    edges: Sequence[float]
    counts: Sequence[float]
    sum: float


class Tally:
    """Counts in some cells: shared ones to count in, or a list of sums to read."""

    def __init__(self, cells: "memoryview[float] | list[float]", layout: Layout) -> None:
        self._cells = cells
        self._layout = layout

    def answered(self, predictions: Predictions, *, seconds: float, low: float) -> None:
        """A good answer: one latency; per image its class, its confidence, low when below `low`, and its features."""
        cells = self._cells
        for winner, confidence in zip(predictions.winners, predictions.confidence, strict=True):
            cells[_CLASSES + winner] += 1.0
            cells[_CONFIDENCE_SUM] += confidence
            cells[_CONFIDENCE + bisect_left(_INNER_EDGES, confidence)] += 1.0
            if confidence < low:
                cells[_LOW] += 1.0
        features = self._layout.features
        for row in predictions.features:
            for (place, edges), value in zip(features, row, strict=False):  # an image that came as no file has fewer
                cells[place] += value
                cells[place + 1 + bisect_left(edges, value)] += 1.0
        cells[_LATENCY_SUM] += seconds
        cells[_LATENCY + bisect_left(LATENCY_EDGES, seconds)] += 1.0

    def refused(self, reason: str) -> None:
        """A request without a good answer; reason: one of REASONS."""
        self._cells[_REASON_CELLS[reason]] += 1.0

    def shed(self) -> None:
        """A request that overload turned away."""
        self._cells[_SHED] += 1.0

    def __add__(self, other: "Tally") -> "Tally":
        """Both together, to read."""
        return Tally([one + another for one, another in zip(self._cells, other._cells, strict=True)], self._layout)

    @property
    def requests(self) -> float:
        """Good answers."""
        return sum(self.latency)

    @property
    def images(self) -> float:
        return sum(self.confidence)

    @property
    def latency(self) -> Sequence[float]:
        """Good answers per bucket; the last is of those above all edges."""
        return self._cells[_LATENCY:_LATENCY_SUM]

    @property
    def latency_sum(self) -> float:
        """Seconds."""
        return self._cells[_LATENCY_SUM]

    @property
    def confidence(self) -> Sequence[float]:
        """Images per bin."""
        return self._cells[_CONFIDENCE:_CONFIDENCE_SUM]

    @property
    def confidence_sum(self) -> float:
        return self._cells[_CONFIDENCE_SUM]

    @property
    def low_confidence(self) -> float:
        """Images."""
        return self._cells[_LOW]

    @property
    def turned_away(self) -> float:
        """Requests that overload turned away."""
        return self._cells[_SHED]

    @property
    def errors(self) -> dict[str, float]:
        """Requests per reason."""
        return {reason: self._cells[cell] for reason, cell in _REASON_CELLS.items()}

    @property
    def classes(self) -> Sequence[float]:
        """Images per class, in the order of the card's classes."""
        return self._cells[self._layout.classes]

    @property
    def features(self) -> list[Histogram]:
        """Images that it was measured of, for each feature."""
        cells = self._cells
        return [
            Histogram(edges, cells[place + 1 : place + 2 + len(edges)], cells[place])
            for place, edges in self._layout.features
        ]


def cumulated(edges: Sequence[float], counts: Sequence[float]) -> list[tuple[str, float]]:
    """Buckets as Prometheus has them: each upper edge, `+Inf` last, with the observations up to it."""
    running = list(accumulate(counts))
    return [*zip(map(str, edges), running, strict=False), ("+Inf", running[-1])]
