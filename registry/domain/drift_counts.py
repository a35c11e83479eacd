"""What predictors count of their answers: classes, and histograms of confidence and input features, by process.

Counters are cumulative, so that only their differences within one process mean something. Sums of differences do not
depend on how many processes there are, nor on when they were read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from registry.domain.documents import Fields
from registry.domain.errors import InvalidDocument

CLASSES, CONFIDENCE = "classes", "confidence"
FEATURES = ("brightness", "contrast", "edge_density", "aspect", "size_bytes")
"""As `registry.domain.features` has them, which needs numpy: what only reads counts starts without it."""

HISTOGRAMS = (CONFIDENCE, *FEATURES)
SIGNALS = (CLASSES, *HISTOGRAMS)
"""What may drift."""


@dataclass(frozen=True)
class Bins:
    """Counts in bins. edges: upper ones of all bins but the last, which has none."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    def __add__(self, other: "Bins") -> "Bins":
        """Raises InvalidDocument for other edges."""
        if self.edges != other.edges:
            raise InvalidDocument(f"histogram: found edges {other.edges} beside {self.edges}")
        return Bins(self.edges, tuple(map(sum, zip(self.counts, other.counts, strict=True))))


@dataclass(frozen=True)
class LiveCounts:
    """Answers counted by class and in histograms; a histogram that nobody counts is not there."""

    classes: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    histograms: Mapping[str, Bins] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def answers(self) -> int:
        """Classified images."""
        return sum(self.classes.values())

    def __add__(self, other: "LiveCounts") -> "LiveCounts":
        """Raises InvalidDocument when a histogram has other edges."""
        classes = {
            name: self.classes.get(name, 0) + other.classes.get(name, 0) for name in {**self.classes, **other.classes}
        }
        histograms = {**self.histograms, **other.histograms}
        for name in self.histograms.keys() & other.histograms.keys():
            histograms[name] = self.histograms[name] + other.histograms[name]
        return LiveCounts(classes, histograms)

    def since(self, before: "LiveCounts | None") -> "LiveCounts | None":
        """What came since `before`; all of it when that is None. None when a count went back, which no process that
        lives does: then neither reading is a base."""
        if before is None:
            return self
        classes = {name: count - before.classes.get(name, 0) for name, count in self.classes.items()}
        histograms = {}
        for name, found in self.histograms.items():
            old = before.histograms.get(name)
            if old is not None and old.edges == found.edges:
                pairs = zip(found.counts, old.counts, strict=True)
                histograms[name] = Bins(found.edges, tuple(later - earlier for later, earlier in pairs))
        counts = [*classes.values(), *(count for each in histograms.values() for count in each.counts)]
        return LiveCounts(classes, histograms) if min(counts, default=0) >= 0 else None

    def document(self) -> dict[str, Any]:
        """As `parse_counts` reads it."""
        return {
            "classes": dict(self.classes),
            "histograms": {
                name: {"edges": list(found.edges), "counts": list(found.counts)}
                for name, found in self.histograms.items()
            },
        }


NOTHING = LiveCounts()


def parse_counts(fields: Fields) -> LiveCounts:
    """Read `LiveCounts.document`; raises InvalidDocument."""
    classes, histograms = fields.object("classes"), fields.object("histograms")
    found = {name: histograms.object(name) for name in histograms}
    return LiveCounts(
        {name: classes.integer(name, minimum=0) for name in classes},
        {name: Bins(each.numbers("edges"), each.integers("counts")) for name, each in found.items()},
    )


ByProcess = Mapping[str, LiveCounts]
"""Cumulative, by the name of a process, which no other one ever has."""

REMEMBERED = 256
"""Processes that are remembered, the last ones that answered; one that is forgotten and answers again counts twice."""


def gained(before: ByProcess, now: ByProcess) -> tuple[LiveCounts, ByProcess, tuple[str, ...]]:
    """What all processes counted since `before`; what to compare the next reading with; and those that went back.

    A process that is new since counts from its start. One that does not answer is remembered: its counts come later, or
    never, when it is gone. One whose counts went back gives nothing, and is counted from here on.
    """
    total, wrong = NOTHING, []
    for name, found in sorted(now.items()):
        new = found.since(before.get(name))
        if new is None:
            wrong.append(name)
        else:
            total += new
    others = [(name, found) for name, found in before.items() if name not in now]
    room = max(REMEMBERED - len(now), 0)
    return total, {**dict(others[len(others) - room :] if room < len(others) else others), **now}, tuple(wrong)
