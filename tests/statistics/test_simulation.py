"""The promises of the judge, counted over seeded rollouts that run through the real decisions.

Each rollout is a controller's: turns, windows, settling, soaks, recorded evidence. Only time is simulated.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import median

import numpy as np
import pytest

from registry.domain.judge import StartMixture, guard
from registry.domain.policy import Policy, RolloutPolicy, Step
from registry.domain.requests import plan_of
from registry.domain.verdict import Outcome, judge_guard
from tests.registry.domain.builders import QUICK, V1, V2, Installation, stepping

DEFAULT = RolloutPolicy().steps
"""5, 10, 25, 50 % of 60 s; α = β = .05 and the floor of 1 % are the defaults too."""

ONE_STEP = (Step(50, 60),)
TURN = 30
"""Seconds between two turns: fewer looks than a controller has, which costs the judge time and saves the test's."""


@dataclass(frozen=True)
class Course:
    """How a rollout went. end: promoted, rolled_back, or undecided. stepped: how many steps it took or passed."""

    end: str
    minutes: float
    errors: int
    stepped: int


@cache
def begun(steps: tuple[Step, ...]) -> Installation:
    return stepping(replace(QUICK, rollout=RolloutPolicy(steps=steps, rollback_window=60)))


def rollout(
    generator: np.random.Generator,
    steps: tuple[Step, ...],
    *,
    per_minute: int,
    stable: float,
    canary: float,
    minutes: int,
) -> Course:
    """One rollout under Poisson traffic and independent errors of these rates, for at most so many minutes."""
    place = replace(begun(steps), running={v: replace(seen) for v, seen in begun(steps).running.items()})
    rates, errors, begin, before = {V1: stable, V2: canary}, 0, place.now, len(place.entries)
    while place.state.rollout is not None and (place.now - begin).total_seconds() < 60 * minutes:
        assert place.route is not None
        answers = generator.poisson(per_minute * TURN / 60)
        share = place.route.weights.get(V2, 0) / 100
        for version, number in zip((V2, V1), generator.multinomial(answers, [share, 1 - share]), strict=True):
            bad = int(generator.binomial(number, rates[version]))
            place.count(version, int(number) - bad, bad)
            errors += bad if version == V2 else 0
        place.turn(TURN)
    kinds = [entry.kind.value for entry in place.entries[before:]]
    end = next((kind for kind in reversed(kinds) if kind in ("promoted", "rolled_back")), "undecided")
    return Course(end, (place.now - begin).total_seconds() / 60, errors, kinds.count("stepped"))


def rollouts(seed: int, runs: int, steps: tuple[Step, ...] = DEFAULT, **traffic: float) -> Sequence[Course]:
    generator = np.random.default_rng(seed)
    return [rollout(generator, steps, **traffic) for _ in range(runs)]  # type: ignore[arg-type]


def share(courses: Sequence[Course], *ends: str) -> float:
    return sum(course.end in ends for course in courses) / len(courses)


def at_most(promised: float, runs: int) -> float:
    """A share that a judge who keeps `promised` exceeds once in a thousand seeds."""
    return promised + 3 * math.sqrt(promised * (1 - promised) / runs)


def test_a_healthy_canary_is_promoted_in_minutes_where_traffic_is_plenty() -> None:
    courses = rollouts(1, 60, per_minute=6000, stable=0.001, canary=0.001, minutes=15)
    assert share(courses, "promoted") >= 0.95


def test_a_healthy_canary_is_promoted_in_two_hours_where_traffic_is_modest() -> None:
    courses = rollouts(2, 40, per_minute=600, stable=0.001, canary=0.001, minutes=120)
    assert share(courses, "promoted") >= 0.90


def test_forty_times_the_errors_go_back_after_a_few_of_them() -> None:
    courses = rollouts(3, 200, per_minute=6000, stable=0.001, canary=0.04, minutes=60)
    assert share(courses, "rolled_back") >= 0.99
    assert median(course.errors for course in courses) <= 10


@pytest.mark.parametrize("rate", [0.005, 0.03])
def test_no_worse_canary_goes_back_more_often_than_alpha(rate: float) -> None:
    courses = rollouts(4, 100, per_minute=600, stable=rate, canary=rate, minutes=40)
    assert share(courses, "rolled_back") <= at_most(0.05, 100)


@pytest.mark.parametrize(
    ("steps", "stable", "canary"),
    [
        (ONE_STEP, 0.01, 0.02),  # at the margin of 2
        (ONE_STEP, 0.0, 0.01),  # at the floor
        (DEFAULT, 0.001, 0.01),  # at the first margin and at the floor
    ],
)
def test_an_unacceptable_canary_passes_a_step_no_more_often_than_beta(
    steps: tuple[Step, ...], stable: float, canary: float
) -> None:
    courses = rollouts(5, 100, steps, per_minute=600, stable=stable, canary=canary, minutes=60)
    passed = sum(course.stepped > 0 or course.end == "promoted" for course in courses) / len(courses)
    assert passed <= at_most(0.05, 100)


def guarded(generator: np.random.Generator, rate: float, *, per_window: int, windows: int) -> tuple[bool, int]:
    """Whether the guard returns a promoted version with this rate, and after how many errors."""
    mixture, plan, bad = StartMixture(), plan_of(Policy()), 0
    for _ in range(windows):
        errors = int(generator.binomial(per_window, rate))
        bad += errors
        mixture = guard(mixture, exposure=per_window, bad=errors, floor=plan.floor)
        if judge_guard(mixture, plan, good=0, bad=bad, problem=None).outcome is Outcome.ROLLBACK:
            return True, bad
    return False, bad


def test_the_guard_returns_a_version_at_its_floor_no_more_often_than_alpha() -> None:
    generator = np.random.default_rng(7)
    back = [guarded(generator, 0.01, per_window=200, windows=200)[0] for _ in range(200)]
    assert sum(back) / 200 <= at_most(0.05, 200)


def test_the_guard_returns_a_version_of_four_times_the_floor_after_a_few_errors() -> None:
    generator = np.random.default_rng(8)
    courses = [guarded(generator, 0.04, per_window=200, windows=200) for _ in range(100)]
    assert all(back for back, _ in courses)
    assert median(errors for _, errors in courses) <= 30


def test_a_quiet_service_holds() -> None:
    courses = rollouts(6, 10, per_minute=6, stable=0.001, canary=0.001, minutes=60)
    assert share(courses, "undecided") == 1
    assert {course.stepped for course in courses} == {0}
