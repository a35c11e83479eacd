"""Which executions there are: found by going through a way undisturbed, or by searching schedules."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.proofs.execution import Case, Outcome, Proof
from tests.proofs.machine import DEADLY, Fault, Point
from tests.proofs.oracle import Violation
from tests.proofs.schedule import Boundary, search
from tests.proofs.ways import WAYS

VISIBLE = frozenset({"link", "start", "stop", "route", "anchor"})
"""What changes the journal or the cluster for others. Between two of them a kill leaves a file aside at most, so that
pairs of kills are taken at these.
"""

WINDOW = 6
"""Boundaries at a time whose schedules are all executed."""


@dataclass
class Tally:
    """Executions of one way. unlike: how many came to rest with the old production instead."""

    way: str
    points: int = 0
    executions: int = 0
    unlike: int = 0
    violations: list[str] = field(default_factory=list)

    def execute(self, proof: Proof, case: Case) -> Outcome | None:
        """The outcome; None when it broke a promise."""
        self.executions += 1
        try:
            outcome = proof.execute(case)
        except Violation as violation:
            self.violations.append(str(violation))
            return None
        self.unlike += not outcome.as_unkilled
        return outcome

    def __iadd__(self, other: "Tally") -> "Tally":
        self.points, self.executions = self.points + other.points, self.executions + other.executions
        self.unlike, self.violations = self.unlike + other.unlike, self.violations + other.violations
        return self

    def executed(self, proof: Proof, cases: Iterable[Case]) -> "Tally":
        for case in cases:
            self.execute(proof, case)
        return self


def kill_points(proof: Proof, way: str) -> list[Point]:
    return [point for point in proof.undisturbed(way).points if point.faults & DEADLY]


def kills(proof: Proof, way: str) -> list[Case]:
    """One kill before, or in the middle of, every effect."""
    return [
        Case(way, ((point.index, fault),))
        for point in kill_points(proof, way)
        for fault in sorted(point.faults & DEADLY)
    ]


def faults(proof: Proof, way: str) -> list[Case]:
    """One of everything else at every point."""
    points = proof.undisturbed(way).points
    return [Case(way, ((point.index, fault),)) for point in points for fault in sorted(point.faults - DEADLY)]


def first_kills(proof: Proof, way: str) -> list[int]:
    """Where the first kill of a pair strikes."""
    return _visible(proof.undisturbed(way).points)


def pairs(proof: Proof, way: str, first: int, *, dice: random.Random | None = None) -> Tally:
    """A kill, and another one on the way from there to rest: at every point, or at one that is drawn."""
    tally = Tally(way, points=1)
    outcome = tally.execute(proof, _killed(way, first))
    seconds = [] if outcome is None else _visible(outcome.points[first + 1 :])
    for second in dice.sample(seconds, min(1, len(seconds))) if dice else seconds:
        tally.execute(proof, _killed(way, first, second))
    return tally


def _visible(points: Iterable[Point]) -> list[int]:
    return [point.index for point in points if point.verb in VISIBLE]


def _killed(way: str, *at: int) -> Case:
    return Case(way, tuple((index, Fault.KILL) for index in at))


def schedules(proof: Proof, way: str, start: int, *, preemptions: int) -> Tally:
    """Every schedule of two controllers and a user with so many preemptions within WINDOW boundaries from `start`."""
    tally = Tally(way, points=len(proof.undisturbed_race(way).boundaries[start : start + WINDOW]))

    def execute(moves: tuple[tuple[int, str], ...]) -> tuple[Boundary, ...]:
        outcome = tally.execute(proof, Case(way, moves=moves, controllers=2))
        return () if outcome is None else outcome.boundaries

    search(execute, preemptions=preemptions, window=range(start, start + WINDOW))
    return tally


def drawn_schedule(proof: Proof, way: str, dice: random.Random) -> Case:
    """Three preemptions somewhere."""
    boundaries = proof.undisturbed_race(way).boundaries
    chosen = sorted(dice.sample(boundaries, min(3, len(boundaries))), key=lambda it: it.index)
    return Case(way, moves=tuple((it.index, dice.choice(it.moves)) for it in chosen), controllers=2)


def drawn(seed: int) -> Case:
    """Faults and, for every other seed, moves of two controllers, all drawn from the seed."""
    names = sorted(WAYS)
    return Case(names[seed % len(names)], seed=seed, controllers=1 + (seed // len(names)) % 2)
