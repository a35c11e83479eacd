"""The numbers a rollout keeps from its first entry on: later edits of the policy affect later rollouts only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.domain.signals import ERRORS, LATENCY_EDGES


@dataclass(frozen=True)
class StepPlan:
    """One step: percent of live requests, and the seconds it lasts at least. mirror: percent of them sent as copies.

    With weight 0 it is not judged: the canary is reached by header, or mirrored to, and goes on after the soak.
    """

    weight: int
    soak: float
    mirror: int = 0

    @property
    def name(self) -> str:
        if self.weight:
            return f"{self.weight} %"
        return f"mirror {self.mirror} %" if self.mirror else "header only"

    def document(self) -> dict[str, Any]:
        return {"weight": self.weight, "soak": self.soak, **({"mirror": self.mirror} if self.mirror else {})}


def parse_step(document: Mapping[str, Any]) -> StepPlan:
    """Inverse of `StepPlan.document`."""
    return StepPlan(document["weight"], document["soak"], document.get("mirror", 0))


@dataclass(frozen=True)
class Plan:
    """The numbers of the policy that a rollout keeps from its first entry on. Seconds and fractions.

    margins: (up to this weight, rate ratio), ascending. floors: per judged signal the rate below which nothing is
    unacceptable. signals: how many of them may roll back (m). block: signals that a step with a mirror waits for.
    slow_after: an answer is slow beyond it, a bucket edge. comparison: it ends after its one step and promotes nothing.
    """

    steps: tuple[StepPlan, ...]
    margins: tuple[tuple[int, float], ...]
    alpha: float
    beta: float
    floors: Mapping[str, float]
    signals: int
    block: tuple[str, ...]
    slow_after: float
    warmup: float
    deadline: float
    rollback_window: float
    min_replicas: int
    comparison: bool = False

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
        return max(self.judged_steps, 1) / self.alpha

    @property
    def rollback_bound(self) -> float:
        """E at which a signal rolls back: 2m/α; one half of α is the rollout's, the other the guard's."""
        return 2 * self.signals / self.alpha

    @property
    def advance_bound(self) -> float:
        """A at which a step is passed: 1/β_k with β_k = β ÷ judged steps."""
        return self.judged_steps / self.beta

    @property
    def judged_steps(self) -> int:
        """Steps that end by evidence: the canary has a share of the live requests, or labels are waited for."""
        return sum(1 for step in self.steps if step.weight or (step.mirror and self.block))

    @property
    def mirrors(self) -> bool:
        """Whether any step sends the canary copies, so that there are pairs."""
        return any(step.mirror for step in self.steps)

    def document(self) -> dict[str, Any]:
        return {
            "steps": [step.document() for step in self.steps],
            "margins": [{"upTo": up_to, "ratio": ratio} for up_to, ratio in self.margins],
            "alpha": self.alpha,
            "beta": self.beta,
            "floors": dict(self.floors),
            "signals": self.signals,
            "block": list(self.block),
            "slowAfter": self.slow_after,
            "warmup": self.warmup,
            "deadline": self.deadline,
            "rollbackWindow": self.rollback_window,
            "minReplicas": self.min_replicas,
            **({"comparison": True} if self.comparison else {}),
        }


def parse_plan(document: Mapping[str, Any]) -> Plan:
    """Inverse of `Plan.document`."""
    return Plan(
        steps=tuple(parse_step(step) for step in document["steps"]),
        margins=tuple((margin["upTo"], margin["ratio"]) for margin in document["margins"]),
        alpha=document["alpha"],
        beta=document["beta"],
        # The first plans named one floor, as errors were all that was judged.
        floors=document["floors"] if "floors" in document else {ERRORS: document["floor"]},
        signals=document["signals"],
        block=tuple(document["block"]),
        slow_after=document.get("slowAfter", LATENCY_EDGES[-1]),
        warmup=document["warmup"],
        deadline=document["deadline"],
        rollback_window=document["rollbackWindow"],
        min_replicas=document["minReplicas"],
        comparison=document.get("comparison", False),
    )


def ratio_at(weight: int, margins: Sequence[tuple[int, float]]) -> float:
    """The ratio of the first margin that reaches up to `weight`, the last one's beyond them; margins are ascending."""
    return next((ratio for up_to, ratio in margins if weight <= up_to), margins[-1][1])
