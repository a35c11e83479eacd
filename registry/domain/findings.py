"""What a comparison found: per signal both rates, their ratio and difference with intervals, and which is better."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.domain.judge import EMPTY, Window
from registry.domain.ratio import ALPHA, Interval, difference_interval, ratio_interval
from registry.domain.signals import ERRORS, LATENCY, LOW_CONFIDENCE, REFUSED, SIGNALS

COMPARED = (ERRORS, LATENCY, REFUSED, LOW_CONFIDENCE)
"""Signals of which both revisions count bad events under live requests."""

CANARY, STABLE = "candidate", "base"
UNKNOWN = "not known yet"


@dataclass(frozen=True)
class Finding:
    """One signal. window: all that was counted. routed: the canary's share of the route, in (0, 1).

    level: both have the same load per pod; otherwise speed is no merit of the one with less.
    """

    signal: str
    window: Window
    routed: float
    level: bool = True

    @property
    def ratio(self) -> float | None:
        """The canary's rate over the stable's, as counted; None where that is not a number."""
        window = self.window
        if not window.canary_exposure or not window.stable_bad:
            return None
        return (window.canary_bad / window.canary_exposure) / (window.stable_bad / window.stable_exposure)

    @property
    def interval(self) -> Interval:
        """Of the ratio."""
        return ratio_interval(self.window, routed=self.routed)

    @property
    def better(self) -> str | None:
        """The side with the lower rate; None while that is not known, or no merit of its own."""
        if not self.level:
            return None
        interval = self.interval
        return CANARY if interval.high < 1 else STABLE if interval.low > 1 else None

    def document(self) -> dict[str, Any]:
        """Rates and differences are fractions. null: not a number, or nothing bounds it."""
        window = self.window
        return {
            STABLE: _side(window.stable_bad, window.stable_exposure),
            CANARY: _side(window.canary_bad, window.canary_exposure),
            "ratio": {"value": self.ratio, **_ends(self.interval)},
            "difference": _ends(difference_interval(window)),
            "equalLoad": self.level,
            "better": self.better,
        }


def findings(numbers: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Read off the numbers of a verdict; without any, nothing was counted yet."""
    signals, routed = numbers.get("signals", {}), numbers.get("weight", 50) / 100
    found = []
    for name in COMPARED:
        own = signals.get(name, {})
        window = Window(**own["step"]) if "step" in own else EMPTY
        # Latency is held against the canary's advance exactly where loads are equal.
        found.append(Finding(name, window, routed, level=name != LATENCY or not signals or "a" in own))
    return tuple(found)


def document(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """For programs: how sure an interval is at every look, and the findings per signal."""
    return {"confidence": 1 - ALPHA, "signals": {found.signal: found.document() for found in findings(numbers)}}


def _side(bad: int, exposure: int) -> dict[str, Any]:
    return {"bad": bad, "exposure": exposure, "rate": bad / exposure if exposure else None}


def _ends(interval: Interval) -> dict[str, float | None]:
    return {"low": interval.low, "high": interval.high if math.isfinite(interval.high) else None}


def told(found: Finding, *, base: str, candidate: str) -> dict[str, str]:
    """For people, by column. base, candidate: their versions. The difference is in points of 1 %."""
    window, interval, difference = found.window, found.interval, difference_interval(found.window)
    better = {CANARY: f"version {candidate}", STABLE: f"version {base}"}.get(found.better or "", UNKNOWN)
    cells = (
        SIGNALS[found.signal].bad,
        _share(window.stable_bad, window.stable_exposure),
        _share(window.canary_bad, window.canary_exposure),
        "-" if found.ratio is None else f"{found.ratio:.3g}",
        f"{interval.low:.3g} … {'∞' if math.isinf(interval.high) else f'{interval.high:.3g}'}",
        f"{_points(difference.low)} … {_points(difference.high)}",
        better if found.level else "not known, as their load is unequal",
    )
    return dict(zip(columns(base, candidate), cells, strict=True))


def columns(base: str, candidate: str) -> tuple[str, ...]:
    """Of a table of findings."""
    return ("what", f"version {base}", f"version {candidate}", "ratio", "interval", "difference", "better")


def _share(bad: int, exposure: int) -> str:
    rate = f" ({bad / exposure:.2%})" if exposure else ""
    return f"{bad:,} of {exposure:,}{rate}"


def _points(difference: float) -> str:
    return f"{100 * difference:+.2f}".replace("-", "−")
