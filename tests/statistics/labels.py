"""Labels of a mirrored canary, drawn from a seed: the paired test alone, and rollouts through the real decisions.

Of each labelled pair the canary alone is wrong, the stable alone, both or none. Three quarters of the mistakes of the
better version are those of the other too, as two nets that learned from the same images have it.
"""

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from registry.domain.judge import StartMixture, Window, harm
from registry.domain.policy import Policy, RolloutPolicy, Step
from registry.domain.version import Version
from tests.registry.domain.builders import UNMEASURED, V1, V2, Installation, stepping

FILE = 25
"""Labels that come at once."""

ALPHA = 0.05
"""And β."""

LONG = RolloutPolicy(steps=(Step(0, 7200, mirror=100), Step(50, 5)), rollback_window=60)
"""A mirror that outlasts all labels."""

WAITING = RolloutPolicy(steps=(Step(0, 5, mirror=100), Step(50, 5)), block=("labels",), rollback_window=60)
"""A mirror that ends when labels clear the canary."""


@dataclass(frozen=True)
class Row:
    """Shares of labelled pairs in which the canary alone is wrong, the stable alone, and both.

    alone: the share of runs in which the paired test by itself reaches 1/α, known independently. promise: what of a
    rollout is at most .05: `goes back`, or `passes` where the mirror waits for labels.
    """

    name: str
    canary: float
    stable: float
    both: float
    pairs: int
    alone: float | None = None
    promise: str = ""


ROWS = (
    Row("98 % / 98 %", 0.005, 0.005, 0.015, 3000, promise="goes back"),
    Row("80 % / 80 %, independent", 0.16, 0.16, 0.04, 1000, promise="goes back"),
    Row("98 % / 96 %", 0.025, 0.005, 0.015, 733, alone=0.80),
    Row("98 % / 96 %", 0.025, 0.005, 0.015, 2000),
    Row("95 % / 90 %", 0.0625, 0.0125, 0.0375, 1000, promise="passes"),
    Row("at floor and margin", 0.05, 0.025, 0.02, 1000, promise="passes"),
)


@dataclass(frozen=True)
class Result:
    """Shares of runs. pairs: median of those that a rollout had which went back, NaN without any."""

    row: Row
    runs: int
    alone: float
    back: float
    passed: float
    pairs: float

    @property
    def kept(self) -> bool:
        """Whether α, β and the power known before are."""
        slack, wanted = 3 * math.sqrt(ALPHA * (1 - ALPHA) / self.runs), self.row.alone
        promised = {"goes back": max(self.alone, self.back), "passes": self.passed, "": 0.0}[self.row.promise]
        known = wanted is None or abs(self.alone - wanted) <= 0.02 + 3 * math.sqrt(wanted * (1 - wanted) / self.runs)
        return known and promised <= ALPHA + slack


def measure(row: Row, *, runs: int, seed: int) -> Result:
    """So many runs of a row: of the test alone, and of rollouts."""
    generator = np.random.default_rng(seed)
    alone = sum(_alone(generator, row) for _ in range(runs)) / runs
    ends = [_rollout(generator, row) for _ in range(runs)]
    back = [pairs for end, pairs in ends if end == "goes back"]
    passed = sum(end == "passes" for end, _ in ends) / runs
    return Result(row, runs, alone, len(back) / runs, passed, float(np.median(back)) if back else math.nan)


def _drawn(generator: np.random.Generator, row: Row, pairs: int) -> np.ndarray:
    """Per pair 0: nobody is wrong, 1: the canary alone, 2: the stable alone, 3: both."""
    shares = [1 - row.canary - row.stable - row.both, row.canary, row.stable, row.both]
    return generator.choice(4, size=pairs, p=shares)


def _alone(generator: np.random.Generator, row: Row) -> bool:
    """Whether the mixture, begun with the first pair, ever reaches 1/α; it is looked at after every pair."""
    canary = stable = 0
    for drawn in _drawn(generator, row, row.pairs):
        if drawn not in (1, 2):
            continue
        canary, stable = canary + (drawn == 1), stable + (drawn == 2)
        # With one window the mixture is the likelihood ratio times the weight of that start, one half.
        logs = harm(StartMixture(), Window(canary + stable, int(canary), canary + stable, int(stable))).logs
        if 2 * np.mean(np.exp(logs)) >= 1 / ALPHA:
            return True
    return False


@cache
def _begun(policy: RolloutPolicy) -> Installation:
    """Version 2 gets copies."""
    return stepping(Policy(checklist=(UNMEASURED,), rollout=policy))


def _rollout(generator: np.random.Generator, row: Row) -> tuple[str, int]:
    """`goes back`, `passes` or `waits`, and after how many labelled pairs."""
    begun = _begun(WAITING if row.promise == "passes" else LONG)
    place = replace(begun, running={version: replace(seen) for version, seen in begun.running.items()})
    drawn = _drawn(generator, row, row.pairs)
    for start in range(0, row.pairs, FILE):
        _label(place, drawn[start : start + FILE], start)
        place.turn()
        if place.state.rollout is None:
            return "goes back", min(start + FILE, row.pairs)
        if place.state.rollout.step > 0:
            return "passes", min(start + FILE, row.pairs)
    return "waits", row.pairs


def _label(place: Installation, drawn: np.ndarray, start: int) -> None:
    """What both said to images that are circles, and the labels of these."""
    ids = [f"r{start + number}" for number in range(len(drawn))]
    said: dict[Version, tuple[int, ...]] = {V2: (1, 3), V1: (2, 3)}
    for version, wrong in said.items():
        place.answers.pop(version, None)  # those before have their labels already
        place.say(version, **{id: "star" if one in wrong else "circle" for id, one in zip(ids, drawn, strict=True)})
    place.label(f"file {start}", **dict.fromkeys(ids, "circle"))


def table(results: list[Result]) -> str:
    """As Markdown."""
    lines = [
        "| accuracy stable / canary | labelled pairs | runs | test ≥ 1/α (known) | goes back | passes "
        "| pairs until it goes back | promises |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        row = result.row
        known = f" ({row.alone:.2f})" if row.alone is not None else ""
        lines.append(
            f"| {row.name} | {row.pairs} | {result.runs} | {result.alone:.3f}{known} | {result.back:.3f} "
            f"| {result.passed:.3f} | {result.pairs:g} | {'kept' if result.kept else 'BROKEN'} |"
        )
    return "\n".join(lines) + "\n"
