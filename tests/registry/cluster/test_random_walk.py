"""Rollouts at random with faults at random: whatever happens, nobody has weight without pods, and it ends as released.

The releases are those of a fold (`registry.domain.state.release`): a canary comes, steps, is promoted, goes back.
"""

import random
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from registry.domain.state import canary_replicas
from tests.registry.cluster.driver import Driver
from tests.registry.cluster.server import SILENCE, Object

PODS = 3
STEPS = (0, 5, 25, 50)
FAULTS = (409, 429, 500, SILENCE)


@dataclass
class Walk:
    """What a journal would say. previous: in the rollback window. step: of the canary, None without one."""

    chance: random.Random
    production: str | None = None
    previous: str | None = None
    canary: str | None = None
    step: int = 0
    free: list[str] = field(default_factory=lambda: ["1", "2", "3"])

    def shown(self) -> tuple[str | None, ...]:
        if self.production is None:
            return (f"{self.canary}:0",) if self.canary else (None,)
        if self.canary is not None:
            weight = STEPS[self.step]
            return f"{self.production}:{100 - weight}", f"{self.canary}:{weight}:{canary_replicas(PODS, weight)}"
        return (f"{self.production}:100", *([f"{self.previous}:0"] if self.previous else []))

    def move(self) -> None:
        moves = (
            [self._step, self._step, self._promote, self._abort]
            if self.canary
            else [self._begin, self._begin, self._back]
        )
        self.chance.choice(moves)()

    def _begin(self) -> None:
        self.previous = None
        self.canary, self.step = self.chance.choice([one for one in ("1", "2", "3") if one != self.production]), 0

    def _step(self) -> None:
        self.step = min(self.step + 1, len(STEPS) - 1)

    def _promote(self) -> None:
        self.previous, self.production, self.canary = self.production, self.canary, None

    def _abort(self) -> None:
        self.canary = None

    def _back(self) -> None:
        if self.previous is not None:
            self.production, self.previous = self.previous, None


def disturbed(driver: Driver, chance: random.Random) -> Iterator[Driver]:
    """Turns with faults: the controller is killed, the API server and the gateway fail, pods are slow."""
    while True:
        kind = chance.randrange(8)
        driver.cluster.deaf = kind == 0
        driver.cluster.slow = (
            {f"shapes-v{chance.randint(1, 3)}"} - driver.cluster.ready().keys() if kind == 1 else set()
        )
        if kind == 2:
            driver = driver.again()
        if kind in (3, 4):
            driver.server.fail(
                "PATCH", chance.choice(["inferenceservices", "httproutes"]), chance.choice(FAULTS), after=kind == 4
            )
        yield driver


def jumped(before: Mapping[str, int], now: Mapping[str, int], ready: Collection[str]) -> set[str]:
    """Who got requests without a trace of them before, while others could answer."""
    if not any(share > 1 and app in ready for app, share in before.items()):
        return set()
    return {app for app, share in now.items() if share > 1 and not before.get(app)}


def serving(driver: Driver) -> set[str]:
    return {app for app, weight in driver.cluster.weights().items() if weight}


@pytest.mark.parametrize("seed", range(6))
def test_nobody_has_weight_without_pods_and_it_ends_as_released(driver: Driver, seed: int) -> None:
    chance = random.Random(seed)
    walk, admitted = Walk(chance), driver.server.admit
    refused: list[str] = []

    def admit(new: Object, old: Object | None) -> None:
        try:
            admitted(new, old)
        except Exception as error:
            refused.append(str(error))
            raise

    driver.server.admit = admit
    disturbances = disturbed(driver, chance)
    taken: dict[str, int] = {}
    for _ in range(14):
        walk.move()
        stable, *canaries = walk.shown()
        driver.sequence += 1
        wanted = driver.release(stable, *canaries, pods=PODS)
        for _ in range(chance.randint(1, 6)):
            driver = next(disturbances)
            ready = driver.cluster.ready()
            driver.turn(wanted)
            if not driver.cluster.deaf:
                assert jumped(taken, driver.cluster.shares(), ready) == set()
                taken = driver.cluster.shares()
            assert serving(driver) <= {pod.app for pod in driver.cluster.pods.values()}
            assert serving(driver) <= driver.cluster.ready().keys()
    driver.cluster.slow, driver.cluster.deaf, driver.server.faults = set(), False, []
    driver.turn(wanted, 20)
    assert driver.cluster.weights() == {f"shapes-v{one.version}": one.weight for one in wanted.live if wanted.weights}
    assert driver.cluster.ready().keys() == {f"shapes-v{one.version}" for one in wanted.live}
    assert refused == []
