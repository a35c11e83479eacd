"""A service under a rollout, drawn from a seed: traffic, failures, restarts; the controller's turns are the real ones.

A turn draws how many requests came, how the route split them, and how many of them were bad in which way: binomially,
as requests are independent but for what both revisions share. Only time is simulated.
"""

import math
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np

from registry.domain.policy import Policy, RolloutPolicy
from registry.domain.verdict import Outcome
from registry.domain.version import Version
from tests.registry.domain.builders import UNMEASURED, V1, V2, Installation, idle

DAY = 86400.0


@dataclass(frozen=True)
class Rates:
    """Shares of answers that fail, that are slow, and of images of low confidence; of requests that are refused."""

    errors: float = 0.001
    slow: float = 0.005
    low: float = 0.05
    refused: float = 0.01


HEALTHY = Rates()


@dataclass(frozen=True)
class Scene:
    """What happens to a canary. after: seconds from its first step until it is `worse`, before that as the stable.

    diurnal: traffic swings by so much of its mean. bursts: every twenty minutes two minutes with three times the
    traffic and errors of 5 % at both revisions. junk: share of requests that are refused whoever gets them. restarts:
    mean per hour of each pod of stable and canary, and of the controller. split: what the canary really gets of its
    share of requests.
    """

    per_minute: float
    stable: Rates = HEALTHY
    worse: Rates | None = None
    after: float = 0.0
    diurnal: float = 0.0
    bursts: bool = False
    junk: float = 0.0
    restarts: tuple[float, float] = (0.0, 0.0)
    controller_restarts: float = 0.0
    split: float = 1.0


@dataclass
class Course:
    """How it went. end: promoted, returned (after its promotion), rolled_back, expired or undecided.

    seconds: until then. passed: steps it left upwards. damage: its errors. worse: its errors and requests since it
    became worse, and the seconds of that. signal: which one decided a rollback.
    """

    end: str = "undecided"
    seconds: float = 0.0
    passed: int = 0
    damage: int = 0
    answers: int = 0
    since: dict[str, float] = field(default_factory=dict)
    signal: str = ""
    errors: set[str] = field(default_factory=set)


@cache
def _begun(policy: RolloutPolicy) -> Installation:
    """Version 2 at its first step, the first reading taken."""
    place = idle()
    place.policy = Policy(checklist=(UNMEASURED,), rollout=policy)
    place.ask("promote", V2, "production")
    place.turns(lambda it: it.state.rollout is not None and it.state.rollout.step == 0)
    for _ in range(4):
        place.turn()
    return place


@dataclass
class Service:
    """One rollout of a scene."""

    scene: Scene
    policy: RolloutPolicy
    generator: np.random.Generator

    def __post_init__(self) -> None:
        begun = _begun(self.policy)
        self.place = replace(begun, running={version: replace(seen) for version, seen in begun.running.items()})
        self.course = Course()
        self._began, self._entries = self.place.now, len(self.place.entries)
        self._lives = 0

    def run(self, *, seconds: float, turn: float, guarded: bool = False) -> Course:
        """Turns of so many seconds until it has ended or that time is over; guarded: until the window has as well."""
        place = self.place
        while (place.state.rollout is not None or (guarded and place.state.guarding is not None)) and (
            self.elapsed < seconds
        ):
            if self._happens(self.scene.controller_restarts, turn):
                place.restart()
            down = self._restart_pods(turn)
            self._traffic(turn)
            verdict = place.turn(turn).verdict
            if verdict is not None and verdict.outcome is Outcome.ERROR:
                self.course.errors.add(verdict.reason)
            for version in down:
                if version in place.running:
                    place.running[version].ready = True
        return self._ended()

    @property
    def elapsed(self) -> float:
        return (self.place.now - self._began).total_seconds()

    @property
    def _worse(self) -> bool:
        return self.scene.worse is not None and self.elapsed >= self.scene.after

    def _ended(self) -> Course:
        kinds = [entry.kind.value for entry in self.place.entries[self._entries :]]
        ends = {"promoted": "promoted", "rolled_back": "rolled_back", "expired": "expired"}
        found = [ends[kind] for kind in kinds if kind in ends]
        self.course.end = "returned" if found == ["promoted", "rolled_back"] else found[-1] if found else "undecided"
        self.course.seconds, self.course.passed = self.elapsed, self._passed()
        back = [entry for entry in self.place.entries[self._entries :] if entry.kind.value == "rolled_back"]
        if back:
            self.course.signal = str(back[-1].data.get("numbers", {}).get("signal", "fault"))
        return self.course

    def _passed(self) -> int:
        """Steps left upwards: a step that is taken again after the canary was away is none."""
        later = self.place.entries[self._entries :]
        steps = {entry.data["step"] for entry in later if entry.kind.value == "stepped"} - {0}
        return len(steps) + any(entry.kind.value == "promoted" for entry in later)

    def _happens(self, per_hour: float, turn: float) -> bool:
        return bool(per_hour) and self.generator.random() < per_hour * turn / 3600

    def _restart_pods(self, turn: float) -> list[Version]:
        """New processes count from 0. The canary's only one is away for a turn; of the stable's there are others."""
        down = []
        for version, per_hour in zip((V1, V2), self.scene.restarts, strict=True):
            running = self.place.running.get(version)
            if running is not None and self._happens(per_hour, turn):
                self._lives += 1
                running.restarts, running.incarnation = running.restarts + 1, f"life {self._lives}"
                running.good = running.errors = running.refused = running.slow = running.low = 0
                running.proxy_errors = 0
                if version == V2 and self.place.state.rollout is not None:
                    running.ready = False
                    down.append(version)
        return down

    def _traffic(self, turn: float) -> None:
        scene, weights = self.scene, self.place.route.weights if self.place.route else {}
        wave = 1 + scene.diurnal * math.sin(2 * math.pi * self.elapsed / DAY)
        burst = scene.bursts and self.elapsed % 1200 < 120
        came = int(self.generator.poisson(scene.per_minute * turn / 60 * wave * (3 if burst else 1)))
        share = weights.get(V2, 0) / 100
        canary = int(self.generator.binomial(came, min(share * scene.split if share < 1 else share, 1.0)))
        for version, number in ((V2, canary), (V1, came - canary)):
            if version in self.place.running:
                rates = scene.worse if scene.worse and self._worse and version == V2 else scene.stable
                self._answer(version, number, replace(rates, errors=max(rates.errors, 0.05)) if burst else rates)
        if self._worse:
            self.course.since["seconds"] = self.course.since.get("seconds", 0.0) + turn

    def _answer(self, version: Version, number: int, rates: Rates) -> None:
        draw = self.generator.binomial
        refused = int(draw(number, min(rates.refused + self.scene.junk, 1.0)))
        errors = int(draw(number - refused, rates.errors))
        good = number - refused - errors
        slow, low = int(draw(good, rates.slow)), int(draw(good, rates.low))
        self.place.count(version, good, errors, slow=slow, low=low, refused=refused)
        if version == V2:
            self.course.damage += errors
            self.course.answers += number
            if self._worse:
                self.course.since["errors"] = self.course.since.get("errors", 0.0) + errors
                self.course.since["requests"] = self.course.since.get("requests", 0.0) + number


def courses(
    scene: Scene, policy: RolloutPolicy, *, runs: int, seed: int, seconds: float, turn: float, guarded: bool = False
) -> list[Course]:
    """So many rollouts of a scene."""
    generator = np.random.default_rng(seed)
    return [Service(scene, policy, generator).run(seconds=seconds, turn=turn, guarded=guarded) for _ in range(runs)]


def share(found: list[Course], *ends: str) -> float:
    return sum(course.end in ends for course in found) / len(found)


def at_most(promised: float, runs: int) -> float:
    """A share that a judge who keeps `promised` exceeds once in a thousand seeds."""
    return promised + 3 * math.sqrt(promised * (1 - promised) / runs)
