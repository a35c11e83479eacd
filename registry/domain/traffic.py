"""What live traffic at a revision looks like to people: requests, errors, p95 and confidence. No judge reads this."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from registry.domain.observation import Counters
from registry.domain.signals import LATENCY_EDGES

SPAN = timedelta(seconds=60)
"""Of so long the recent numbers are."""


@dataclass(frozen=True)
class Traffic:
    """Live traffic at one revision. requests: since its process began; the rest: of the last `seconds`.

    errors: share of answers that are server errors (the larger of the predictor's count and the proxy's). p95: seconds,
    interpolated between bucket edges. confidence: mean top probability. None where nothing was answered or counted.
    """

    requests: int
    seconds: float
    recent: int
    errors: float | None = None
    p95: float | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class Readings:
    """Counters of one revision over the last SPAN, oldest first."""

    taken: tuple[tuple[datetime, Counters], ...] = ()

    def add(self, now: datetime, counters: Counters) -> "Readings":
        """With a newer reading; what is older than SPAN goes, and everything when the process was replaced."""
        kept = [
            (time, before)
            for time, before in self.taken
            if now - SPAN <= time < now and before.incarnation == counters.incarnation
        ]
        return Readings((*kept, (now, counters)))

    def traffic(self) -> Traffic | None:
        """None before the first reading."""
        if not self.taken:
            return None
        (began, first), (ended, last) = self.taken[0], self.taken[-1]
        errors, refused, good = _errors(last) - _errors(first), last.refused - first.refused, last.good - first.good
        answers = max(good + errors, 0)
        return Traffic(
            requests=last.good + last.refused + _errors(last),
            seconds=(ended - began).total_seconds(),
            recent=max(answers + refused, 0),
            errors=max(errors, 0) / answers if answers else None,
            p95=_quantile(0.95, first, last),
            confidence=_mean(first, last),
        )


def _errors(counters: Counters) -> int:
    return max(counters.predictor_errors, counters.proxy_errors or 0)


def _mean(first: Counters, last: Counters) -> float | None:
    if first.confidence is None or last.confidence is None or last.images <= first.images:
        return None
    return (last.confidence - first.confidence) / (last.images - first.images)


def _quantile(share: float, first: Counters, last: Counters) -> float | None:
    """As Prometheus' histogram_quantile: linear inside a bucket, the last edge for what lies beyond it."""
    counts = [after - before for before, after in zip(first.within, last.within, strict=True)]
    wanted = share * (last.good - first.good)
    low, below = 0.0, 0
    for edge, count in zip(LATENCY_EDGES, counts, strict=True):
        if 0 < wanted <= count:
            return low + (edge - low) * (wanted - below) / (count - below)
        low, below = edge, count
    return low if wanted > 0 else None
