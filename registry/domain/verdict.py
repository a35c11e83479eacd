"""Verdicts: promote, hold, rollback or error, always with the numbers that made them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from registry.domain.judge import Evidence, StartMixture, Window, window_document
from registry.domain.plan import Plan
from registry.domain.signals import AGREEMENT, ERRORS, LABELS, SIGNALS
from registry.domain.standing import Standing, number


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


def judge_step(standing: Standing, *, soaked: bool, problem: str | None) -> Verdict:
    """The verdict on a canary at a step; its message names the signal that decided or is missing.

    Rollback wins. A problem holds, and requests that do not follow the route are one. Nothing advances before its soak,
    nor without evidence of health on every blocking signal; a comparison never does.
    """
    numbers, plan, name = standing.numbers, standing.plan, standing.decides
    if standing.harmful:
        return Verdict(Outcome.ROLLBACK, _harm(name, plan), _told_harm(standing), numbers)
    if problem is not None:
        return Verdict(Outcome.ERROR, "evidence could not be read", problem, numbers)
    if standing.split_wrong:
        return Verdict(Outcome.ERROR, "requests do not follow the route", _split(numbers["split"]), numbers)
    if plan.comparison:
        return Verdict(Outcome.HOLD, "comparing", _told_harm(standing), numbers)
    if not standing.blocking:
        outcome, reason = (Outcome.PROMOTE, "no harm seen") if soaked else (Outcome.HOLD, "soaking")
        return Verdict(outcome, reason, _told_pairs(standing), numbers)
    counts = _compared(name, standing.of(name).step)
    evidence = f"A {number(standing.of(name).clearance.log_a):.3g} of {plan.advance_bound:g} on {name}"
    if not standing.cleared:
        message = f"{evidence}, {standing.needed(name)} clean canary {SIGNALS[name].exposed} more{_when(standing)}"
        return Verdict(Outcome.HOLD, "too little evidence" if soaked else "soaking", f"{message}: {counts}", numbers)
    if not soaked:
        return Verdict(Outcome.HOLD, "soaking", f"{evidence}: {counts}", numbers)
    return Verdict(Outcome.PROMOTE, "every signal acceptable", f"{evidence}, the least: {counts}", numbers)


def _harm(name: str, plan: Plan) -> str:
    """The reason of a rollback."""
    above = f"{plan.floors[name]:.2%}" if SIGNALS[name].alone else "the stable's"
    return f"{SIGNALS[name].bad} above {above}"


def _told_harm(standing: Standing) -> str:
    """The evidence of harm, on the signal with the most."""
    e, bound, total = standing.numbers["e"], standing.plan.rollback_bound, standing.of(standing.worst).total
    return f"E {e:.3g} of {bound:g} on {standing.worst}: {_compared(standing.worst, total)}"


def _told_pairs(standing: Standing) -> str:
    pairs, labelled = standing.of(AGREEMENT).total, standing.of(LABELS).total
    harm = f"E {standing.numbers['e']:.3g} of {standing.plan.rollback_bound:g} on {standing.worst}"
    return f"{harm}; {_share(AGREEMENT, pairs.canary_bad, pairs.canary_exposure)}, {labelled.canary_exposure} labelled"


def _when(standing: Standing) -> str:
    """How many requests and how long that takes."""
    forecast = standing.forecast
    if forecast is None:
        return ", none seen at this step yet"
    far = forecast.seconds >= 120
    duration = f"{forecast.seconds / 60:.0f} min" if far else f"{forecast.seconds:.0f} s"
    requests = f"about {forecast.requests} requests, " if forecast.requests else ""
    return f" ({requests}{duration} at the present rate)"


def _split(split: Mapping[str, Any]) -> str:
    return (
        f"{split['canaryShare']:.2%} of {split['requests']} requests reached the canary, wanted {split['routed']:.0%} "
        f"(E {split['e']:.3g} of {split['failsAt']:g}); look for what sends past the route"
    )


def _compared(name: str, window: Window) -> str:
    canary = _share(name, window.canary_bad, window.canary_exposure)
    if SIGNALS[name].alone:
        return canary
    return f"canary {canary}, stable {_share(name, window.stable_bad, window.stable_exposure)}"


def judge_guard(mixture: StartMixture, plan: Plan, *, good: int, bad: int, problem: str | None) -> Verdict:
    """The verdict on a promoted version inside its rollback window."""
    numbers = {
        "signal": "errors",
        "answers": good + bad,
        "errors": bad,
        "e": number(mixture.log_e),
        "rollbackAt": plan.rollback_bound,
        "floor": plan.floor,
    }
    message = f"E {numbers['e']:.3g} of {plan.rollback_bound:g}: {_share(ERRORS, bad, good + bad)}"
    if mixture.log_e >= math.log(plan.rollback_bound):
        return Verdict(Outcome.ROLLBACK, f"errors above {plan.floor:.2%}", message, numbers)
    if problem is not None:
        return Verdict(Outcome.ERROR, "evidence could not be read", problem, numbers)
    return Verdict(Outcome.HOLD, "guarding", message, numbers)


def judge_labels(evidence: Evidence, plan: Plan) -> Verdict | None:
    """The verdict on a promoted version whose labels came late; None unless they send it back.

    Its evidence goes on from the rollout's, and so does its part of α.
    """
    if LABELS not in plan.floors or evidence.harm.log_e < math.log(plan.rollback_bound):
        return None
    e, total = number(evidence.harm.log_e), evidence.total
    numbers = {"signal": LABELS, "e": e, "rollbackAt": plan.rollback_bound, "total": window_document(total)}
    message = f"E {e:.3g} of {plan.rollback_bound:g} on {LABELS}: {_compared(LABELS, total)}"
    return Verdict(Outcome.ROLLBACK, _harm(LABELS, plan), message, numbers)


def _share(name: str, bad: int, exposure: int) -> str:
    signal = SIGNALS[name]
    rate = f" ({bad / exposure:.2%})" if exposure and signal.unit == 1 else ""
    return f"{bad} {signal.bad} in {exposure / signal.unit:.0f} {signal.exposed}{rate}"
