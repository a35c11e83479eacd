"""Verdicts from evidence and plan."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.judge import Clearance, Evidence, StartMixture, Window
from registry.domain.plan import parse_plan
from registry.domain.policy import Policy
from registry.domain.requests import plan_of
from registry.domain.verdict import Outcome, Verdict, judge_guard, judge_step

PLAN = plan_of(Policy())
"""Four steps, α = β = .05: back at E ≥ 40, on at A ≥ 80."""

CLEAN = Evidence().add(Window(700, 0, 700, 0), margin=10.0, floor=0.01)
HARMFUL = Evidence().add(Window(500, 20, 500, 0), margin=10.0, floor=0.01)
ENOUGH_OF_BOTH = Evidence(harm=HARMFUL.harm, clearance=CLEAN.clearance)


def judged(evidence: Evidence, *, soaked: bool = True, problem: str | None = None) -> Verdict:
    return judge_step(evidence, PLAN, weight=5, soaked=soaked, problem=problem)


@pytest.mark.parametrize(
    ("evidence", "soaked", "problem", "outcome"),
    [
        (CLEAN, True, None, Outcome.PROMOTE),
        (CLEAN, False, None, Outcome.HOLD),
        (CLEAN, True, "no counters of 2", Outcome.ERROR),
        (Evidence(), True, None, Outcome.HOLD),
        (HARMFUL, True, None, Outcome.ROLLBACK),
        (HARMFUL, False, None, Outcome.ROLLBACK),
        (HARMFUL, True, "no counters of 1", Outcome.ROLLBACK),
        (ENOUGH_OF_BOTH, True, None, Outcome.ROLLBACK),
    ],
)
def test_verdicts(evidence: Evidence, soaked: bool, problem: str | None, outcome: Outcome) -> None:
    assert judged(evidence, soaked=soaked, problem=problem).outcome is outcome


def test_a_verdict_says_its_numbers() -> None:
    verdict = judged(Evidence().add(Window(300, 1, 5700, 6), margin=10.0, floor=0.01))
    assert verdict.reason == "too little evidence"
    assert verdict.message == (
        f"A {verdict.numbers['a']:.3g} of 80, {verdict.numbers['cleanAnswersNeeded']} clean canary answers more: "
        "canary 1 errors in 300 answers (0.33%), stable 6 errors in 5700 answers (0.11%)"
    )
    assert (verdict.numbers["rollbackAt"], verdict.numbers["advanceAt"], verdict.numbers["margin"]) == (40, 80, 10)


def test_the_bounds_follow_from_alpha_beta_steps_and_signals() -> None:
    assert (PLAN.rollback_bound, PLAN.advance_bound) == (40.0, 80.0)
    changed = replace(PLAN, alpha=0.1, beta=0.2, signals=2, steps=PLAN.steps[:2])
    assert (changed.rollback_bound, changed.advance_bound) == (40.0, 10.0)


@pytest.mark.parametrize(("weight", "ratio"), [(1, 10), (10, 10), (11, 4), (30, 4), (31, 2), (50, 2)])
def test_the_margin_is_the_first_that_reaches_the_weight(weight: int, ratio: float) -> None:
    assert PLAN.margin(weight) == ratio


def test_a_plan_is_read_back_as_it_was() -> None:
    assert parse_plan(PLAN.document()) == PLAN


@given(st.floats(0, 5000))
def test_evidence_beyond_every_float_stays_a_number(log: float) -> None:
    evidence = Evidence(harm=StartMixture(1, (log,) * 8), clearance=Clearance(log, -log))
    verdict = judged(evidence)
    assert verdict.numbers["e"] < float("inf")
    assert verdict.numbers["a"] < float("inf")


@pytest.mark.parametrize(
    ("log", "problem", "outcome"),
    [
        (0.0, None, Outcome.HOLD),
        (0.0, "no counters of 2", Outcome.ERROR),
        (9.0, None, Outcome.ROLLBACK),
        (9.0, "no counters of 2", Outcome.ROLLBACK),
    ],
)
def test_verdicts_of_the_guard(log: float, problem: str | None, outcome: Outcome) -> None:
    mixture = StartMixture(1, (log,))
    assert judge_guard(mixture, PLAN, good=90, bad=10, problem=problem).outcome is outcome
