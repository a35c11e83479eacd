"""What a version must pass, and the numbers it is told."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.card import Card, InputSpec, Lineage, Metrics, Reference, Slo
from registry.domain.checklist import Candidate, CheckResult, Outcome, examine, lower_bound, passes
from registry.domain.evaluation import Baseline, EvaluatedImage, Evaluation
from registry.domain.manifest import Manifest
from registry.domain.rules import Check, CheckRule
from registry.domain.version import Model, Version

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
IMAGES = 4000


def card(version: str) -> Card:
    return Card(
        model=Model("shapes"),
        version=Version(version),
        classes=("circle", "square"),
        input=InputSpec(64, 64),
        metrics=Metrics(0.97, 0.01, {"circle": 0.98, "square": 0.96}),
        reference=Reference((1, 1), (0,) * 20),
        low_confidence=0.6,
        slo=Slo(),
        variants={"fp32": {"file": "model.tflite"}},
        lineage=Lineage("run", "data", "code"),
    )


def predictions(wrong: range) -> list[str]:
    """Of IMAGES circles, those in `wrong` are taken for squares."""
    return ["square" if number in wrong else "circle" for number in range(IMAGES)]


def version(name: str, wrong: range, *, tested_on: str = "test", baseline: Baseline | None = None) -> Candidate:
    images = tuple(EvaluatedImage(f"{n}", "circle", seen) for n, seen in enumerate(predictions(wrong)))
    manifest = Manifest(Model("shapes"), Version(name), NOON, ())
    return Candidate(
        Version(name), manifest, card=card(name), evaluation=Evaluation(tested_on, images, baseline=baseline)
    )


PRODUCTION = version("1", range(200))


def ask(
    candidate: Candidate, production: Candidate | None = PRODUCTION, rules: tuple[CheckRule, ...] = ()
) -> dict[Check, CheckResult]:
    recorded = Manifest(Model("shapes"), candidate.version, NOON, ()).digest
    results = examine(candidate, production, recorded_digest=recorded, rules=rules)
    return {result.check: result for result in results}


def test_a_better_version_passes_everything() -> None:
    results = ask(version("2", range(100)))
    assert [result.outcome for result in results.values()] == [Outcome.PASS] * 4
    assert passes(tuple(results.values()))


def test_nothing_asked_is_nothing_passed() -> None:
    assert not passes(())


def test_a_much_worse_version_fails_with_its_numbers() -> None:
    result = ask(version("2", range(1000)))[Check.ACCURACY]
    assert result.outcome is Outcome.FAIL
    assert result.got == "75.0 % − 95.0 % = −20.0 points (95 % bound −21.1, n=4000, b=800, c=0)"
    assert result.want == "≥ −1.0 points"


def test_a_version_worse_by_less_than_the_limit_fails_when_the_bound_is_below() -> None:
    result = ask(version("2", range(150, 382)))[Check.ACCURACY]
    assert "= −0.8 points" in result.got
    assert result.outcome is Outcome.FAIL


def test_a_rule_changes_the_limit() -> None:
    rules = (CheckRule(Check.ACCURACY, minimum=-0.3), CheckRule(Check.ACCURACY))
    assert ask(version("2", range(1000)), rules=rules)[Check.ACCURACY].outcome is Outcome.PASS


def test_the_first_version_has_nothing_to_be_compared_with() -> None:
    result = ask(version("1", range(1000)), production=None)[Check.ACCURACY]
    assert (result.outcome, result.got) == (Outcome.PASS, "first: no production to compare with")


def test_its_own_pairs_with_production_count_when_the_data_changed() -> None:
    baseline = Baseline("1", PRODUCTION.digest or "", tuple(predictions(range(50))))
    result = ask(version("2", range(100), tested_on="new", baseline=baseline))[Check.ACCURACY]
    assert "97.5 % − 98.8 % = −1.2 points" in result.got
    assert "b=50, c=0" in result.got


def test_pairs_are_joined_by_image_and_not_by_order() -> None:
    candidate = version("2", range(200))
    assert candidate.evaluation
    images = candidate.evaluation.images[::-1]
    shuffled = replace(candidate, evaluation=replace(candidate.evaluation, images=images))
    assert "b=0, c=0" in ask(shuffled)[Check.ACCURACY].got


@pytest.mark.parametrize(
    ("candidate", "production", "message"),
    [
        (version("2", range(9), tested_on="new"), PRODUCTION, "tested on new, not against production 1"),
        (version("2", range(9), tested_on="new", baseline=Baseline("1", "0" * 64, ())), PRODUCTION, "--baseline 1"),
        (version("2", range(9)), replace(PRODUCTION, evaluation=None), "none that can be read"),
        (version("2", range(9)), replace(PRODUCTION, evaluation=Evaluation("test", ())), "other images"),
        (replace(version("2", range(9)), evaluation=Evaluation("test", ())), PRODUCTION, "no evaluated images"),
        (Candidate(Version("2"), verification_error="card.json: found sha256"), PRODUCTION, r"card\.json"),
    ],
)
def test_accuracy_that_cannot_be_compared_is_unknown(candidate: Candidate, production: Candidate, message: str) -> None:
    result = ask(candidate, production)[Check.ACCURACY]
    assert result.outcome is Outcome.UNKNOWN
    assert message.replace("\\", "") in result.got


def test_a_version_that_does_not_verify_passes_nothing() -> None:
    candidate = Candidate(Version("2"), verification_error="model.tflite: found sha256 012, wanted 345")
    results = ask(candidate)
    assert [result.passed for result in results.values()] == [False] * 4
    assert results[Check.SIGNATURE].outcome is Outcome.FAIL
    assert results[Check.SIGNATURE].got == "model.tflite: found sha256 012, wanted 345"


@pytest.mark.parametrize(("recorded", "outcome"), [("0" * 64, Outcome.FAIL), (None, Outcome.UNKNOWN)])
def test_another_digest_than_the_published_one_is_refused(recorded: str | None, outcome: Outcome) -> None:
    results = examine(version("2", range(9)), None, recorded_digest=recorded, rules=())
    assert results[0].check is Check.DIGEST
    assert results[0].outcome is outcome


def test_a_class_without_metric_is_named() -> None:
    candidate = replace(version("2", range(9)), card=replace(card("2"), metrics=Metrics(0.9, 0.1, {"circle": 1.0})))
    result = ask(candidate)[Check.METRICS]
    assert (result.outcome, result.got) == (Outcome.FAIL, "no metric for square")


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 5000))
def test_the_bound_is_below_the_difference_and_falls_with_every_loss(lost: int, won: int, alike: int) -> None:
    images = lost + won + alike + 1
    bound = lower_bound(lost=lost, won=won, images=images)
    assert -1 <= bound <= (won - lost) / images
    assert lower_bound(lost=lost + 1, won=won, images=images + 1) <= bound + 1e-12


def test_the_bound_is_that_of_the_score_test_at_no_discordant_pair() -> None:
    """Then the statistic is √(n·d/(1−d)), so that the bound is −z²/(n + z²)."""
    assert lower_bound(lost=0, won=0, images=4000) == pytest.approx(-(1.6448536**2) / (4000 + 1.6448536**2), rel=1e-6)


@pytest.mark.parametrize(("lose", "win"), [(0.01, 0.01), (0.02, 0.01), (0.005, 0.001), (0.2, 0.05), (0.0025, 0.03)])
def test_the_bound_covers_in_at_least_93_of_100_cases(lose: float, win: float) -> None:
    draws = np.random.default_rng(20260301).multinomial(IMAGES, [lose, win, 1 - lose - win], size=2000)
    bounds = [lower_bound(lost=int(lost), won=int(won), images=IMAGES) for lost, won, _ in draws]
    covered = float(np.mean(np.asarray(bounds) <= win - lose))
    assert 0.93 <= covered <= 0.97
