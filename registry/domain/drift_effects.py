"""How large a drift is, for people: PSI and JS of recent counts against the reference, and what moved most.

Effect sizes never alarm: on few answers they are large by chance, and on many a drift that matters is small in them.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from registry.domain.drift_counts import CLASSES
from registry.domain.drift_signals import label
from registry.domain.drift_watch import Signal, Subject, Watch

MOST = 3
"""Classes or bins that are named."""

LEAST = 0.005
"""By how much a share must have moved to be named."""


class Moved(NamedTuple):
    """A class or a bin, and its share in the reference and now."""

    name: str
    expected: float
    seen: float


class Effect(NamedTuple):
    """psi: population stability index; js: Jensen–Shannon divergence in nats; answers: that it is measured on; size: of
    the reference. against: `production`, or `card`."""

    psi: float
    js: float
    answers: int
    size: int
    against: str
    moved: tuple[Moved, ...]

    def document(self) -> dict[str, Any]:
        """For the journal, and for programs."""
        moved = [{"name": each.name, "expected": round(each.expected, 4), "seen": round(each.seen, 4)}
                 for each in self.moved]  # fmt: skip
        return {"psi": round(self.psi, 4), "js": round(self.js, 4), "answers": self.answers, "reference": self.size,
                "against": self.against, "moved": moved}  # fmt: skip


def divergences(seen: Sequence[float], expected: Sequence[float]) -> tuple[list[float], float]:
    """PSI, bin by bin, and JS of two counts, each with half a count more a bin, so that empty ones are finite."""
    one, other = _shares(seen), _shares(expected)
    psi = [(p - q) * math.log(p / q) for p, q in zip(one, other, strict=True)]
    middle = [(p + q) / 2 for p, q in zip(one, other, strict=True)]
    js = sum(p * math.log(p / m) + q * math.log(q / m) for p, q, m in zip(one, other, middle, strict=True)) / 2
    return psi, max(js, 0.0)


def _shares(counts: Sequence[float]) -> list[float]:
    total = sum(counts) + len(counts) / 2
    return [(count + 0.5) / total for count in counts]


def effect(watch: Watch, name: str, signal: Signal, subject: Subject, *, ticks: int) -> Effect | None:
    """Of the last `ticks` of a signal, as far as they are known; None without any, or without a reference."""
    expected, size, against = _expected(watch, name, subject)
    seen = [sum(column) for column in zip(*signal.counts[-max(ticks, 1) :], strict=True)]
    if not seen or len(seen) != len(expected) or not sum(expected) > 0:
        return None
    parts, js = divergences(seen, expected)
    shares = [count / sum(expected) for count in expected]
    moved = [Moved(_name(name, place, subject), shares[place], count / sum(seen)) for place, count in enumerate(seen)]
    most = sorted(range(len(seen)), key=lambda place: -parts[place])[:MOST]
    named = tuple(moved[place] for place in most if abs(moved[place].seen - moved[place].expected) >= LEAST)
    return Effect(sum(parts), js, sum(seen), size, against, named)


def _expected(watch: Watch, name: str, subject: Subject) -> tuple[Sequence[float], int, str]:
    """The reference's counts, how many there are, and where it comes from: while the class mix of production is learned
    it is shown against the card's."""
    if name != CLASSES:
        reference = subject.references.get(name)
        return (reference.counts, reference.size, "card") if reference is not None else ((), 0, "card")
    if watch.week is not None and watch.dispersions is not None:
        shares, _ = watch.week.mean()
        size = watch.week.answers
        return [float(share) * size for share in shares], size, "production"
    return subject.mix, 0, "card"


def _name(name: str, place: int, subject: Subject) -> str:
    return subject.classes[place] if name == CLASSES else label(name, subject.references[name], place)
