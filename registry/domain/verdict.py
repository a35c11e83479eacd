"""Verdicts: promote, hold, rollback or error, always with the numbers that made them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from registry.domain.judge import Evidence, StartMixture
from registry.domain.plan import Plan


class Outcome(StrEnum):
    """`error` acts as `hold`: evidence could not be had."""

    PROMOTE = "promote"
    HOLD = "hold"
    ROLLBACK = "rollback"
    ERROR = "error"


@dataclass(frozen=True)
class Verdict:
    """reason: a short phrase, the same as long as nothing changes in kind. message: a sentence with the numbers."""

    outcome: Outcome
    reason: str
    message: str
    numbers: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, str]:
        """What decides whether a verdict is news."""
        return (self.outcome.value, self.reason)


def judge_step(evidence: Evidence, plan: Plan, *, weight: int, soaked: bool, problem: str | None) -> Verdict:
    """The verdict on a canary at a step. Rollback wins; a problem holds; nothing advances before its soak."""
    bound = plan.advance_bound
    needed = evidence.clearance.clean_answers_needed(bound=bound, floor=plan.floor)
    numbers = {
        "signal": "errors",
        "weight": weight,
        "canary": {"answers": evidence.step.canary_exposure, "errors": evidence.step.canary_bad},
        "stable": {"answers": evidence.step.stable_exposure, "errors": evidence.step.stable_bad},
        "rollout": {"answers": evidence.total.canary_exposure, "errors": evidence.total.canary_bad},
        "e": _number(evidence.harm.log_e),
        "rollbackAt": plan.rollback_bound,
        "a": _number(evidence.clearance.log_a),
        "advanceAt": bound,
        "margin": plan.margin(weight),
        "floor": plan.floor,
        "cleanAnswersNeeded": needed,
    }
    counts = (
        f"canary {_share(evidence.step.canary_bad, evidence.step.canary_exposure)}, "
        f"stable {_share(evidence.step.stable_bad, evidence.step.stable_exposure)}"
    )
    harmful = f"E {numbers['e']:.3g} of {plan.rollback_bound:g}"
    cleared = f"A {numbers['a']:.3g} of {bound:g}"
    if evidence.harm.log_e >= math.log(plan.rollback_bound):
        return Verdict(Outcome.ROLLBACK, "errors above the stable's", f"{harmful}: {counts}", numbers)
    if problem is not None:
        return Verdict(Outcome.ERROR, "evidence could not be read", problem, numbers)
    if not soaked:
        return Verdict(Outcome.HOLD, "soaking", f"{cleared}: {counts}", numbers)
    if evidence.clearance.log_a >= math.log(bound):
        return Verdict(Outcome.PROMOTE, "errors acceptable", f"{cleared}: {counts}", numbers)
    message = f"{cleared}, {needed} clean canary answers more: {counts}"
    return Verdict(Outcome.HOLD, "too little evidence", message, numbers)


def judge_guard(mixture: StartMixture, plan: Plan, *, good: int, bad: int, problem: str | None) -> Verdict:
    """The verdict on a promoted version inside its rollback window."""
    numbers = {
        "signal": "errors",
        "answers": good + bad,
        "errors": bad,
        "e": _number(mixture.log_e),
        "rollbackAt": plan.rollback_bound,
        "floor": plan.floor,
    }
    message = f"E {numbers['e']:.3g} of {plan.rollback_bound:g}: {_share(bad, good + bad)}"
    if mixture.log_e >= math.log(plan.rollback_bound):
        return Verdict(Outcome.ROLLBACK, f"errors above {plan.floor:.2%}", message, numbers)
    if problem is not None:
        return Verdict(Outcome.ERROR, "evidence could not be read", problem, numbers)
    return Verdict(Outcome.HOLD, "guarding", message, numbers)


def _share(bad: int, exposure: int) -> str:
    return f"{bad} errors in {exposure} answers" + (f" ({bad / exposure:.2%})" if exposure else "")


def _number(log: float) -> float:
    """exp(log), capped so that it stays a JSON number."""
    return float(f"{math.exp(min(log, 700)):.6g}")
