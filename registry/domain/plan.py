"""The numbers a rollout keeps from its first entry on: later edits of the policy affect later rollouts only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.domain.signals import ERRORS, LATENCY_EDGES


@dataclass(frozen=True)
class StepPlan:
    """One judged step: percent of live requests, and the seconds it lasts at least."""

    weight: int
    soak: float


@dataclass(frozen=True)
class Plan:
    """The numbers of the policy that a rollout keeps from its first entry on. Seconds and fractions.

    margins: (up to this weight, rate ratio), ascending. floors: per judged signal the rate below which nothing is
    unacceptable. signals: how many of them may roll back (m). slow_after: an answer is slow beyond it, a bucket edge.
    """

    steps: tuple[StepPlan, ...]
    margins: tuple[tuple[int, float], ...]
    alpha: float
    beta: float
    floors: Mapping[str, float]
    signals: int
    slow_after: float
    warmup: float
    deadline: float
    rollback_window: float
    min_replicas: int

    def margin(self, weight: int) -> float:
        """The rate ratio that is unacceptable at a step of this weight."""
        return ratio_at(weight, self.margins)

    @property
    def floor(self) -> float:
        """The floor of errors, which the guard watches too."""
        return self.floors[ERRORS]

    @property
    def split_bound(self) -> float:
        """The e-value at which requests do not follow the route: at most α of all rollouts meet it by chance."""
        return max(len(self.steps), 1) / self.alpha

    @property
    def rollback_bound(self) -> float:
        """E at which a signal rolls back: 2m/α; one half of α is the rollout's, the other the guard's."""
        return 2 * self.signals / self.alpha

    @property
    def advance_bound(self) -> float:
        """A at which a step is passed: 1/β_k with β_k = β ÷ judged steps."""
        return len(self.steps) / self.beta

    def document(self) -> dict[str, Any]:
        return {
            "steps": [{"weight": step.weight, "soak": step.soak} for step in self.steps],
            "margins": [{"upTo": up_to, "ratio": ratio} for up_to, ratio in self.margins],
            "alpha": self.alpha,
            "beta": self.beta,
            "floors": dict(self.floors),
            "signals": self.signals,
            "slowAfter": self.slow_after,
            "warmup": self.warmup,
            "deadline": self.deadline,
            "rollbackWindow": self.rollback_window,
            "minReplicas": self.min_replicas,
        }


def parse_plan(document: Mapping[str, Any]) -> Plan:
    """Inverse of `Plan.document`."""
    return Plan(
        steps=tuple(StepPlan(step["weight"], step["soak"]) for step in document["steps"]),
        margins=tuple((margin["upTo"], margin["ratio"]) for margin in document["margins"]),
        alpha=document["alpha"],
        beta=document["beta"],
        # The first plans named one floor, as errors were all that was judged.
        floors=document["floors"] if "floors" in document else {ERRORS: document["floor"]},
        signals=document["signals"],
        slow_after=document.get("slowAfter", LATENCY_EDGES[-1]),
        warmup=document["warmup"],
        deadline=document["deadline"],
        rollback_window=document["rollbackWindow"],
        min_replicas=document["minReplicas"],
    )


def ratio_at(weight: int, margins: Sequence[tuple[int, float]]) -> float:
    """The ratio of the first margin that reaches up to `weight`, the last one's beyond them; margins are ascending."""
    return next((ratio for up_to, ratio in margins if weight <= up_to), margins[-1][1])
