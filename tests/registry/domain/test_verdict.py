"""Verdicts from evidence and plan."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.judge import Clearance, Evidence, StartMixture, Window
from registry.domain.plan import parse_plan
from registry.domain.policy import Policy
from registry.domain.requests import plan_of
from registry.domain.standing import Standing
from registry.domain.verdict import Outcome, Verdict, judge_guard, judge_step

PLAN = plan_of(Policy())
"""Four steps, three signals that may roll back, α = β = .05: back at E ≥ 120, on at A ≥ 80."""

ERRORS_ALONE = ("errors",)

CLEAN = Evidence().add(Window(700, 0, 700, 0), margin=10.0, floor=0.01)
HARMFUL = Evidence().add(Window(500, 20, 500, 0), margin=10.0, floor=0.01)
ENOUGH_OF_BOTH = Evidence(harm=HARMFUL.harm, clearance=CLEAN.clearance)


def judged(
    errors: Evidence,
    *,
    blocking: tuple[str, ...] = ERRORS_ALONE,
    soaked: bool = True,
    problem: str | None = None,
    seconds: float = 60,
    **others: Evidence,
) -> Verdict:
    """At the first step."""
    standing = Standing({"errors": errors, **others}, PLAN, weight=5, seconds=seconds, blocking=blocking)
    return judge_step(standing, soaked=soaked, problem=problem)


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
    needed = verdict.numbers["signals"]["errors"]["cleanNeeded"]
    requests = verdict.numbers["requestsNeeded"]
    assert verdict.reason == "too little evidence"
    assert verdict.message == (
        f"A {verdict.numbers['a']:.3g} of 80 on errors, {needed} clean canary answers more "
        f"(about {requests} requests, {verdict.numbers['secondsNeeded']:.0f} s at the present rate): "
        "canary 1 errors in 300 answers (0.33%), stable 6 errors in 5700 answers (0.11%)"
    )
    assert requests == pytest.approx(needed * 6000 / 300, abs=1)
    assert verdict.numbers["secondsNeeded"] == pytest.approx(needed * 60 / 300, abs=0.1)
    assert (verdict.numbers["rollbackAt"], verdict.numbers["advanceAt"], verdict.numbers["margin"]) == (120, 80, 10)


def test_a_step_without_answers_forecasts_nothing() -> None:
    verdict = judged(Evidence())
    assert verdict.message.startswith("A 1 of 80 on errors, 672 clean canary answers more, none seen at this step yet")
    assert (verdict.numbers["requestsNeeded"], verdict.numbers["secondsNeeded"]) == (None, None)


@pytest.mark.parametrize("name", ["latency", "refused", "low_confidence"])
def test_every_blocking_signal_must_be_cleared(name: str) -> None:
    missing = judged(CLEAN, blocking=("errors", name))
    assert (missing.outcome, missing.numbers["signal"]) == (Outcome.HOLD, name)
    passed = judged(CLEAN, blocking=("errors", name), **{name: CLEAN})
    assert (passed.outcome, passed.reason) == (Outcome.PROMOTE, "every signal acceptable")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("latency", "slow answers above the stable's"), ("restarts", "restarts above the stable's")],
)
def test_each_signal_that_may_rolls_back_alone(name: str, reason: str) -> None:
    verdict = judged(CLEAN, **{name: HARMFUL})
    assert (verdict.outcome, verdict.reason, verdict.numbers["signal"]) == (Outcome.ROLLBACK, reason, name)


@pytest.mark.parametrize("name", ["refused", "low_confidence"])
def test_what_only_blocks_never_rolls_back(name: str) -> None:
    assert judged(CLEAN, blocking=("errors", name), **{name: HARMFUL}).outcome is Outcome.HOLD


def test_evidence_of_a_signal_that_the_plan_has_not_is_not_read() -> None:
    first = parse_plan({key: value for key, value in PLAN.document().items() if key != "floors"} | {"floor": 0.01})
    assert first.floors == {"errors": 0.01}
    standing = Standing({"errors": CLEAN, "latency": HARMFUL}, first, weight=5, seconds=60, blocking=ERRORS_ALONE)
    assert judge_step(standing, soaked=True, problem=None).outcome is Outcome.PROMOTE


@pytest.mark.parametrize(
    ("canary", "stable", "outcome"),
    [(50, 950, Outcome.PROMOTE), (70, 930, Outcome.PROMOTE), (0, 1000, Outcome.ERROR), (150, 850, Outcome.ERROR)],
)
def test_requests_that_do_not_follow_the_route_are_an_error(canary: int, stable: int, outcome: Outcome) -> None:
    split = Evidence().add(Window(canary, 0, stable, 0), margin=10.0, floor=0.0, rolls_back=False, blocks=False)
    verdict = judged(CLEAN, ratio=split)
    assert verdict.outcome is outcome
    assert verdict.numbers["split"]["canaryShare"] == canary / 1000


def test_harm_counts_also_where_requests_do_not_follow_the_route() -> None:
    split = Evidence().add(Window(900, 0, 100, 0), margin=10.0, floor=0.0, blocks=False)
    assert judged(HARMFUL, ratio=split).outcome is Outcome.ROLLBACK


def test_the_bounds_follow_from_alpha_beta_steps_and_signals() -> None:
    assert (PLAN.rollback_bound, PLAN.advance_bound, PLAN.split_bound) == (120.0, 80.0, 80.0)
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
