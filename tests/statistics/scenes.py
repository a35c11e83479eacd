"""Policies and scenes that the small tests and `make simulate` share."""

from dataclasses import replace

from registry.domain.policy import RolloutPolicy, Step
from tests.statistics.service import HEALTHY, Rates, Scene

SHIPPED = RolloutPolicy()
"""5, 10, 25, 50 % of 60 s; α = β = .05."""

ONE_STEP = RolloutPolicy(steps=(Step(50),))
"""Where latency blocks, and the margin is 2."""

LONG = RolloutPolicy(steps=(Step(10, 3 * 86400.0),), deadline=4 * 86400.0)
"""One step that soaks for three days: whatever happens, the canary is still under judgement."""

HARSH = Scene(600, diurnal=0.8, bursts=True, junk=0.2, restarts=(2, 2), controller_restarts=4)
"""A canary as good as the stable, while everything else goes wrong for both."""

FLOORS = {"errors": SHIPPED.floors.errors, "slow": 0.02, "low": SHIPPED.floors.low_confidence,
          "refused": SHIPPED.floors.refused}  # fmt: skip


def unacceptable(name: str, policy: RolloutPolicy, *, per_minute: float) -> Scene:
    """A canary just unacceptable on one signal at the first step: at its floor and at the step's margin.

    The stable is as healthy as that allows, so that neither part of A has it easy.
    """
    margin = policy.margin(policy.steps[0].weight)
    stable = replace(HEALTHY, **{name: max(FLOORS[name] / margin, getattr(HEALTHY, name))})
    worse = replace(stable, **{name: max(FLOORS[name], margin * getattr(stable, name))})
    return Scene(per_minute, stable=stable, worse=worse)


def at(per_minute: float, scene: Scene) -> Scene:
    return replace(scene, per_minute=per_minute)


ERRORS_4, ERRORS_50, SLOW_10 = replace(HEALTHY, errors=0.04), replace(HEALTHY, errors=0.5), replace(HEALTHY, slow=0.1)
NOISY = Rates(errors=0.012, slow=0.02, low=0.1, refused=0.05)
