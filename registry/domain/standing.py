"""Where a canary stands at its step: every signal's evidence beside its bound, and what is missing still."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from registry.domain.judge import NOTHING, Evidence, Window, split_log_e, window_document
from registry.domain.plan import Plan
from registry.domain.signals import AGREEMENT, ERRORS, RATIO, SIGNALS


class Forecast(NamedTuple):
    """Live requests to both revisions, and the seconds until they have come at the rate since the step began.

    Where the canary has no live requests, there are none.
    """

    requests: int
    seconds: float


@dataclass(frozen=True)
class Standing:
    """evidence: per signal. weight: of the step, percent. seconds: since the step began.

    blocking: the signals without whose evidence of health nothing advances at this step, none where it only soaks.
    """

    evidence: Mapping[str, Evidence]
    plan: Plan
    weight: int
    seconds: float
    blocking: tuple[str, ...]

    def of(self, name: str) -> Evidence:
        """The evidence on one signal."""
        return self.evidence.get(name, NOTHING)

    @cached_property
    def worst(self) -> str:
        """The signal with the most evidence of harm."""
        judged = (name for name in self.plan.floors if SIGNALS[name].rolls_back)
        return max(judged, key=lambda name: self.of(name).harm.log_e)

    @property
    def harmful(self) -> bool:
        """Whether that reaches the bound."""
        return self.of(self.worst).harm.log_e >= math.log(self.plan.rollback_bound)

    @cached_property
    def least(self) -> str | None:
        """The blocking signal with the least evidence of health."""
        return min(self.blocking, key=lambda name: self.of(name).clearance.log_a, default=None)

    @property
    def cleared(self) -> bool:
        """Whether even that reaches the bound."""
        bound = math.log(self.plan.advance_bound)
        return self.least is None or self.of(self.least).clearance.log_a >= bound

    @property
    def split_wrong(self) -> bool:
        """Whether requests do not follow the route."""
        return self._split_log_e >= math.log(self.plan.split_bound)

    @cached_property
    def decides(self) -> str:
        """The signal that decided; while none did, the one that will take longest."""
        if self.harmful or self.least is None:
            return self.worst
        if self.cleared:
            return self.least
        return max(self.blocking, key=lambda name: self.needed(name) / max(self.of(name).step.canary_exposure, 0.5))

    def needed(self, name: str) -> int:
        """How much more of the canary, all of it good, this signal's A needs."""
        clearance = self.of(name).clearance
        return clearance.clean_answers_needed(bound=self.plan.advance_bound, floor=self.plan.floors[name])

    @property
    def forecast(self) -> Forecast | None:
        """What the deciding signal still needs; None when it needs nothing or nothing came at this step yet."""
        if self.plan.comparison:
            return None
        seen, answers = self.of(self.decides).step.canary_exposure, self.of(ERRORS).step
        if self.harmful or self.cleared or not seen or self.seconds <= 0:
            return None
        times = self.needed(self.decides) / seen
        total = answers.canary_exposure + answers.stable_exposure
        return Forecast(math.ceil(times * total), round(times * self.seconds, 1))

    @property
    def numbers(self) -> dict[str, Any]:
        """All of it, for the journal and whoever shows it. e: the highest of those that may roll back; a: the lowest of
        those that block. canary, stable: of this step; rollout: the canary since the first step."""
        errors, forecast = self.of(ERRORS), self.forecast
        return {
            "signal": self.decides,
            "weight": self.weight,
            "seconds": round(self.seconds, 3),
            "e": number(self.of(self.worst).harm.log_e),
            "rollbackAt": self.plan.rollback_bound,
            "a": None if self.least is None else number(self.of(self.least).clearance.log_a),
            "advanceAt": None if self.plan.comparison else self.plan.advance_bound,
            "margin": self.plan.margin(self.weight),
            "canary": {"answers": errors.step.canary_exposure, "errors": errors.step.canary_bad},
            "stable": {"answers": errors.step.stable_exposure, "errors": errors.step.stable_bad},
            "rollout": {"answers": errors.total.canary_exposure, "errors": errors.total.canary_bad},
            "requestsNeeded": forecast and forecast.requests,
            "secondsNeeded": forecast and forecast.seconds,
            "split": self.split,
            "signals": {name: self._numbers_of(name) for name in self._shown},
        }

    @property
    def _shown(self) -> dict[str, None]:
        """What is judged, and how far both agree even where nothing depends on it."""
        return dict.fromkeys((*self.plan.floors, *((AGREEMENT,) if self.plan.mirrors else ())))

    @property
    def split(self) -> dict[str, Any] | None:
        """How requests were split at this step, and the evidence that this is not the route's doing."""
        if not self.weight:
            return None
        return {
            "canaryShare": float(f"{self._requests.canary_share:.6g}"),
            "routed": self.weight / 100,
            "requests": self._requests.canary_exposure + self._requests.stable_exposure,
            "e": number(self._split_log_e),
            "failsAt": self.plan.split_bound,
        }

    @property
    def _requests(self) -> Window:
        return self.of(RATIO).step

    @property
    def _split_log_e(self) -> float:
        return split_log_e(self._requests, self.weight / 100) if self.weight else 0.0

    def _numbers_of(self, name: str) -> dict[str, Any]:
        """One signal: its counts, E where it may roll back, A where it blocks at this step."""
        found = self.of(name)
        numbers: dict[str, Any] = {"step": window_document(found.step), "total": window_document(found.total)}
        if SIGNALS[name].rolls_back and name in self.plan.floors:
            numbers["e"] = number(found.harm.log_e)
        if name in self.blocking:
            numbers |= {"a": number(found.clearance.log_a), "floor": self.plan.floors[name]}
            numbers["cleanNeeded"] = self.needed(name)
        return numbers


def number(log: float) -> float:
    """exp(log), capped so that it stays a JSON number."""
    return float(f"{math.exp(min(log, 700)):.6g}")
