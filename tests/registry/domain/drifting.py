"""A stream of live answers as counters of processes, and the watch of them; time passes in the real look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from registry.domain.drift import Finding, look
from registry.domain.drift_counts import CONFIDENCE, Bins, LiveCounts
from registry.domain.drift_signals import Reference, confidence_reference
from registry.domain.drift_watch import Subject, Watch, parse_watch
from registry.domain.policy import DriftPolicy
from registry.domain.version import Version

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
NAMES = ("circle", "square", "star", "hexagon", "ellipse")
MIX = (0.3, 0.25, 0.2, 0.15, 0.1)
SURE = tuple(float(share) for share in np.exp(np.linspace(-5, 0, 20)) / np.exp(np.linspace(-5, 0, 20)).sum())
"""Shares of the confidence's bins; the mean is .81."""

EDGES = tuple(round(0.05 * step, 2) for step in range(1, 21))


def none_yet(subject: Subject) -> LiveCounts:
    """Of a process that answered nothing."""
    return LiveCounts(dict.fromkeys(subject.classes, 0), {CONFIDENCE: Bins(EDGES, (0,) * 21)})


QUICK = DriftPolicy(minimum=1000, days=0.01)
"""The reference of the classes is there after some 25 ticks."""


def subject(
    version: str = "1", *, classes: Sequence[str] = NAMES, card: Sequence[float] = SURE, n: int = 4000
) -> Subject:
    """A version whose card counts `n` held-out images."""
    counts = [round(share * n) for share in card]
    references: Mapping[str, Reference] = {CONFIDENCE: confidence_reference(counts)} if sum(counts) else {}
    return Subject(
        Version(version), f"digest of {version}", tuple(classes), (n // len(classes),) * len(classes), references
    )


@dataclass
class Stream:
    """Answers of one version by `processes`; each reading is `seconds` after the last one."""

    subject: Subject = field(default_factory=subject)
    policy: DriftPolicy = QUICK
    processes: int = 1
    seed: int = 0
    now: datetime = MONDAY
    seconds: float = 60.0
    watch: Watch = field(default_factory=Watch)
    findings: list[Finding] = field(default_factory=list)
    counted: dict[str, LiveCounts] = field(default_factory=dict)
    restarts: bool = False

    def __post_init__(self) -> None:
        self.generator = np.random.default_rng(self.seed)
        self.splitter = np.random.default_rng(self.seed + 1)
        for process in range(self.processes):
            self.counted[f"pod-{process}"] = none_yet(self.subject)
        self.read()

    def answer(self, n: int, mix: Sequence[float] = MIX, sure: Sequence[float] = SURE) -> None:
        """So many answers, each by some process."""
        names = self.generator.choice(len(mix), size=n, p=np.asarray(mix) / sum(mix))
        bins = self.generator.choice(len(sure), size=n, p=np.asarray(sure) / sum(sure))
        by = self.splitter.choice(self.processes, size=n)
        for place, process in enumerate(sorted(self.counted)):
            mine = by == place
            classes = np.bincount(names[mine], minlength=len(mix))
            sures = (*map(int, np.bincount(bins[mine], minlength=20)), 0)
            new = LiveCounts(
                dict(zip(self.subject.classes, map(int, classes), strict=True)), {CONFIDENCE: Bins(EDGES, sures)}
            )
            self.counted[process] = self.counted[process] + new

    def read(self) -> tuple[Finding, ...]:
        """One reading, by a controller that was started again where `restarts`."""
        self.now += timedelta(seconds=self.seconds)
        if self.restarts:
            self.watch = parse_watch(self.watch.content())
        self.watch, found = look(self.watch, self.subject, dict(self.counted), self.now, self.policy)
        self.findings += found
        return found

    def ticks(self, count: int, n: int = 100, **how: Sequence[float]) -> "Stream":
        """So many ticks."""
        for _ in range(count):
            self.answer(n, **how)
            self.read()
        return self

    def until(self, signal: str, *, most: int, n: int = 100, **how: Sequence[float]) -> int:
        """Answers until a signal alarms."""
        for tick in range(1, most + 1):
            self.answer(n, **how)
            if any((found.what, found.signal) == ("alarm", signal) for found in self.read()):
                return tick * n
        raise AssertionError(f"no alarm of {signal} in {most} ticks; logs: {self.logs()}")

    def logs(self) -> dict[str, float]:
        return {name: round(found.log, 2) for name, found in self.watch.signals.items()}

    def what(self) -> list[tuple[str, str]]:
        return [(found.what, found.signal) for found in self.findings]


def promoted(stream: Stream, subject: Subject) -> None:
    """Another version is in production, with processes of its own."""
    stream.subject = subject
    stream.counted = {f"{subject.version}-{name}": none_yet(subject) for name in stream.counted}
    stream.read()
