"""The promises of the judge, counted over seeded rollouts that run through the real decisions, by every signal.

A few runs of each kind; `make simulate` draws many, at every rate of traffic, and makes the table and the plots.
"""

from dataclasses import replace
from statistics import median

import numpy as np
import pytest

from registry.domain.judge import StartMixture, guard
from registry.domain.policy import Policy, RolloutPolicy, Step
from registry.domain.requests import plan_of
from registry.domain.verdict import Outcome, judge_guard
from tests.statistics import labels
from tests.statistics.reference import ROWS, Row, shares
from tests.statistics.scenes import HARSH, LONG, ONE_STEP, SHIPPED, unacceptable
from tests.statistics.service import HEALTHY, Rates, Scene, at_most, courses, share

MINUTE, HOUR = 60.0, 3600.0


def test_a_healthy_canary_is_promoted_in_minutes_where_traffic_is_plenty() -> None:
    found = courses(Scene(6000), SHIPPED, runs=60, seed=1, seconds=15 * MINUTE, turn=15)
    assert share(found, "promoted") >= 0.95


def test_a_healthy_canary_is_promoted_in_two_hours_where_traffic_is_modest() -> None:
    found = courses(Scene(600), SHIPPED, runs=30, seed=2, seconds=2 * HOUR, turn=60)
    assert share(found, "promoted") >= 0.90


def test_forty_times_the_errors_go_back_after_a_few_of_them() -> None:
    scene = Scene(6000, worse=replace(HEALTHY, errors=0.04))
    found = courses(scene, SHIPPED, runs=200, seed=3, seconds=HOUR, turn=2)
    assert share(found, "rolled_back") >= 0.99
    assert median(course.damage for course in found) <= 10


@pytest.mark.parametrize(
    "scene",
    [
        Scene(600, stable=Rates(errors=0.005, slow=0.01)),
        Scene(600, stable=Rates(errors=0.03, slow=0.05, low=0.15)),
        HARSH,
        Scene(600, junk=0.6),
    ],
)
def test_no_worse_canary_goes_back_more_often_than_alpha(scene: Scene) -> None:
    found = courses(scene, SHIPPED, runs=50, seed=4, seconds=40 * MINUTE, turn=60)
    assert share(found, "rolled_back") <= at_most(0.05, 50)


@pytest.mark.parametrize(
    ("scene", "policy"),
    [(unacceptable(name, policy, per_minute=600), policy)
     for name in ("errors", "refused", "low") for policy in (SHIPPED, ONE_STEP)]
    + [(unacceptable("slow", ONE_STEP, per_minute=600), ONE_STEP)],
)  # fmt: skip
def test_an_unacceptable_canary_passes_a_step_no_more_often_than_beta(scene: Scene, policy: RolloutPolicy) -> None:
    found = courses(scene, policy, runs=50, seed=5, seconds=20 * MINUTE, turn=60)
    assert sum(course.passed > 0 for course in found) / 50 <= at_most(0.05, 50)


@pytest.mark.parametrize("worse", [replace(HEALTHY, errors=0.04), replace(HEALTHY, slow=0.1)])
def test_a_canary_that_turns_bad_after_an_hour_goes_back_in_minutes(worse: Rates) -> None:
    scene = Scene(6000, worse=worse, after=HOUR)
    found = courses(scene, LONG, runs=8, seed=6, seconds=2 * HOUR, turn=30)
    assert share(found, "rolled_back") == 1
    assert median(course.since["seconds"] for course in found) <= 3 * MINUTE


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
    found = [guarded(generator, 0.04, per_window=200, windows=200) for _ in range(100)]
    assert all(back for back, _ in found)
    assert median(errors for _, errors in found) <= 30


def test_a_quiet_service_holds() -> None:
    found = courses(Scene(6), SHIPPED, runs=10, seed=9, seconds=HOUR, turn=60)
    assert share(found, "undecided") == 1
    assert {course.passed for course in found} == {0}


def test_a_promise_is_broken_where_the_judge_is_not_asked_for_it() -> None:
    """The counts above can fail: with β of .9 an unacceptable canary passes."""
    lax = RolloutPolicy(steps=(Step(50),), beta=0.9)
    found = courses(unacceptable("errors", lax, per_minute=600), lax, runs=50, seed=5, seconds=20 * MINUTE, turn=60)
    assert sum(course.passed > 0 for course in found) / 50 > at_most(0.05, 50)


@pytest.mark.parametrize("row", [ROWS[2], ROWS[3], ROWS[4]], ids=lambda row: row.name)
def test_the_e_processes_decide_as_often_as_an_independent_simulation_found(row: Row) -> None:
    runs = 800
    found = shares(row, runs=runs, seed=10)
    for got, wanted in zip(found, (row.back, row.promoted), strict=True):
        assert abs(got - wanted) <= 0.02 + 3 * (wanted * (1 - wanted) / runs) ** 0.5


@pytest.mark.parametrize(("row", "runs"), [(labels.ROWS[1], 40), (labels.ROWS[2], 100), (labels.ROWS[5], 40)])
def test_labels_keep_alpha_and_beta_and_find_two_points_in_as_few_pairs_as_is_known(row: labels.Row, runs: int) -> None:
    assert labels.measure(row, runs=runs, seed=11).kept


def test_a_canary_of_half_the_accuracy_goes_back_by_its_labels() -> None:
    row = labels.Row("98 % / 49 %", 0.49, 0.0, 0.02, 200)
    found = labels.measure(row, runs=20, seed=12)
    assert (found.alone, found.back) == (1, 1)
    assert found.pairs <= 75
    assert not replace(found, row=replace(row, promise="goes back")).kept
