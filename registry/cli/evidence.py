"""The judge's e-values against their bounds, as bars that people can read at a glance."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.domain.signals import AGREEMENT, LABELS

BAR = 20
"""Characters of a full bar."""


@dataclass(frozen=True)
class Gauge:
    """One e-value on its way to a bound. what: what happens there."""

    signal: str
    letter: str
    value: float
    bound: float
    what: str

    @property
    def share(self) -> float:
        """How far it is, on a logarithmic scale: 0 at 1 or below, 1 at the bound."""
        if self.value <= 1 or self.bound <= 1:
            return float(self.value >= self.bound)
        return min(1.0, math.log(self.value) / math.log(self.bound))

    @property
    def bar(self) -> str:
        return bar(self.share)

    def __str__(self) -> str:
        return f"{self.signal:<15} {self.letter} {self.bar} {self.value:.3g} of {self.bound:g}: {self.what}"


def bar(share: float) -> str:
    """Full at 1."""
    filled = int(BAR * min(max(share, 0.0), 1.0))
    return "█" * filled + "░" * (BAR - filled)


def evidence(numbers: Mapping[str, Any]) -> list[Gauge]:
    """Gauges of a verdict's numbers: of harm, which rolls back, and of health, which advances."""
    found = []
    for signal, own in (numbers.get("signals") or {numbers.get("signal", "errors"): numbers}).items():
        of = {**numbers, **own}
        for letter, value, bound, what in (
            ("E", "e", "rollbackAt", "goes back"),
            ("A", "a", "advanceAt", "goes on"),
        ):
            if own.get(value) is not None and of.get(bound) is not None:
                found.append(Gauge(signal, letter, float(own[value]), float(of[bound]), what))
    return found


def pairs(numbers: Mapping[str, Any]) -> list[str]:
    """What canary and stable said to the same images since the first step, and what labels say of it."""
    signals, lines = numbers.get("signals") or {}, []
    if AGREEMENT in signals:
        total = signals[AGREEMENT]["total"]
        made, apart = total["canary_exposure"], total["canary_bad"]
        share = f", {(made - apart) / made:.2%} agree".replace("%", " %") if made else ""
        lines.append(f"pairs           {made}{share}")
    if LABELS in signals:
        total = signals[LABELS]["total"]
        alone = f"the canary alone is wrong in {total['canary_bad']}, the stable alone in {total['stable_bad']}"
        lines.append(f"labelled pairs  {total['canary_exposure']}: {alone}")
    return lines
