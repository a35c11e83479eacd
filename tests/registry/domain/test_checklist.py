"""What a version must pass, and the numbers it is told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from registry.domain.card import Card, InputSpec, Lineage, Metrics, Reference, Slo
from registry.domain.checklist import Candidate, CheckResult, Outcome, examine, examine_latency, passes
from registry.domain.evaluation import Baseline, EvaluatedImage, Evaluation
from registry.domain.manifest import Manifest
from registry.domain.observation import Latency
from registry.domain.rules import Check, CheckRule
from registry.domain.version import Model, Version

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
IMAGES = 4000
NAMES = ("circle", "square")


def card(version: str) -> Card:
    return Card(
        model=Model("shapes"),
        version=Version(version),
        classes=NAMES,
        input=InputSpec(64, 64),
        metrics=Metrics(0.97, 0.01, {"circle": 0.98, "square": 0.96}),
        reference=Reference((1, 1), (0,) * 20),
        low_confidence=0.6,
        slo=Slo(),
        variants={"fp32": {"file": "model.tflite", "parity": 1e-6}, "int8": {"file": "i", "gate": 0.004, "ece": 0.06}},
        lineage=Lineage("run", "data", "code"),
    )


def predictions(wrong: range) -> list[str]:
    """Of IMAGES circles and squares in turn, those in `wrong` are taken for the other."""
    return [NAMES[(number + (number in wrong)) % 2] for number in range(IMAGES)]


def version(name: str, wrong: range, *, tested_on: str = "test", baseline: Baseline | None = None) -> Candidate:
    images = tuple(EvaluatedImage(f"{n}", NAMES[n % 2], seen) for n, seen in enumerate(predictions(wrong)))
    manifest = Manifest(Model("shapes"), Version(name), NOON, ())
    return Candidate(
        Version(name), manifest, card=card(name), evaluation=Evaluation(tested_on, images, baseline=baseline)
    )


def changed(**fields: object) -> Candidate:
    """A good version whose card says something else."""
    found = version("2", range(9))
    return replace(found, card=replace(card("2"), **fields))


PRODUCTION = version("1", range(200))


def ask(
    candidate: Candidate,
    production: Candidate | None = PRODUCTION,
    rules: tuple[CheckRule, ...] = (),
    *,
    now: datetime = NOON,
    variant: str = "fp32",
) -> dict[Check, CheckResult]:
    recorded = Manifest(Model("shapes"), candidate.version, NOON, ()).digest
    results = examine(candidate, production, recorded_digest=recorded, rules=rules, now=now, variant=variant)
    return {result.check: result for result in results}


def test_a_better_version_passes_everything() -> None:
    results = ask(version("2", range(100)))
    assert list(results) == [check for check in Check if check is not Check.LATENCY]
    assert {result.outcome for result in results.values()} == {Outcome.PASS}
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
    assert {check for check, result in results.items() if result.passed} == {Check.INT8}
    assert results[Check.SIGNATURE].outcome is Outcome.FAIL
    assert results[Check.SIGNATURE].got == "model.tflite: found sha256 012, wanted 345"


@pytest.mark.parametrize(("recorded", "outcome"), [("0" * 64, Outcome.FAIL), (None, Outcome.UNKNOWN)])
def test_another_digest_than_the_published_one_is_refused(recorded: str | None, outcome: Outcome) -> None:
    results = examine(version("2", range(9)), None, recorded_digest=recorded, rules=(), now=NOON)
    assert results[0].check is Check.DIGEST
    assert results[0].outcome is outcome


def test_a_class_without_metric_is_named() -> None:
    result = ask(changed(metrics=Metrics(0.9, 0.1, {"circle": 1.0})))[Check.METRICS]
    assert (result.outcome, result.got) == (Outcome.FAIL, "no metric for square")


def test_metrics_older_than_the_rule_allows_fail_and_without_a_rule_none_are_too_old() -> None:
    later, rules = NOON + timedelta(seconds=61), (CheckRule(Check.METRICS, maximum=60),)
    result = ask(version("2", range(9)), rules=rules, now=later)[Check.METRICS]
    assert (result.outcome, result.got[-8:]) == (Outcome.FAIL, "61 s ago")
    assert ask(version("2", range(9)), rules=rules, now=NOON + timedelta(seconds=60))[Check.METRICS].passed
    assert ask(version("2", range(9)), now=NOON + timedelta(days=3000))[Check.METRICS].passed


def test_a_class_that_loses_fails_although_accuracy_does_not() -> None:
    """40 of 2,000 squares gained hide 130 of 2,000 circles lost, within the limit of a rule."""
    found = version("2", range(200))
    assert found.evaluation
    images = tuple(
        replace(image, fp32="square") if 200 <= n < 460 and n % 2 == 0 else image
        for n, image in enumerate(found.evaluation.images)
    )
    worse = replace(found, evaluation=replace(found.evaluation, images=images))
    results = ask(worse, rules=(CheckRule(Check.ACCURACY, minimum=-0.1),))
    assert results[Check.ACCURACY].passed
    assert results[Check.RECALL].outcome is Outcome.FAIL
    assert results[Check.RECALL].got.startswith("circle 88.5 % − 95.0 % = −6.5 points (95.0 % bound −7.5, n=2000)")
    assert results[Check.RECALL].want == "≥ −5.0 points in every class (Holm)"


def test_recall_of_a_class_without_test_images_is_unknown() -> None:
    result = ask(changed(classes=(*NAMES, "star")))[Check.RECALL]
    assert (result.outcome, result.got) == (Outcome.UNKNOWN, "no test image of star")


@pytest.mark.parametrize(
    ("candidate", "check", "got"),
    [
        (changed(lineage=Lineage("", "data", " ")), Check.LINEAGE, "no run, code"),
        (changed(lineage=Lineage("run", "", "code")), Check.DATA, "trained on nothing named, tested on test"),
        (version("2", range(9), tested_on=""), Check.DATA, "trained on data, tested on nothing named"),
        (changed(metrics=Metrics(0.9, 0.051, {"circle": 1.0, "square": 1.0})), Check.CALIBRATION, "ece 0.0510"),
        (changed(variants={"fp32": {"file": "f", "parity": 2e-4}}), Check.PARITY, "0.0002"),
    ],
)
def test_a_number_beyond_its_limit_fails(candidate: Candidate, check: Check, got: str) -> None:
    result = ask(candidate)[check]
    assert (result.outcome, result.got) == (Outcome.FAIL, got)


def test_a_parity_that_nobody_measured_is_unknown() -> None:
    result = ask(changed(variants={"fp32": {"file": "f"}}))[Check.PARITY]
    assert (result.outcome, result.got) == (Outcome.UNKNOWN, "the card has no parity of fp32")


def test_int8_is_asked_for_where_the_policy_serves_it() -> None:
    without = changed(variants={"fp32": {"file": "f", "parity": 0}})
    assert ask(without)[Check.INT8].passed
    assert ask(without, variant="int8")[Check.INT8].outcome is Outcome.FAIL
    assert ask(version("2", range(9)), variant="int8")[Check.INT8].got == "offered, loses at most 0.40%"


def test_where_int8_serves_its_own_answers_are_compared() -> None:
    found = version("2", range(9))
    assert found.evaluation
    assert ask(found, variant="int8")[Check.ACCURACY].got == "no answers of int8 in evaluation.json"
    images = tuple(replace(image, int8="circle") for image in found.evaluation.images)
    worse = replace(found, evaluation=replace(found.evaluation, images=images))
    assert ask(worse)[Check.ACCURACY].passed
    assert ask(worse, variant="int8")[Check.ACCURACY].got.startswith("50.0 % − 95.0 %")


def test_calibration_is_that_of_the_net_that_serves() -> None:
    result = ask(version("2", range(9)), variant="int8")[Check.CALIBRATION]
    assert (result.outcome, result.got) == (Outcome.FAIL, "ece 0.0600")


def test_an_advisory_check_is_told_and_refuses_nothing() -> None:
    rules = (CheckRule(Check.ACCURACY, required=False), CheckRule(Check.RECALL, required=False))
    results = ask(version("2", range(1000)), rules=rules)
    assert (results[Check.ACCURACY].outcome, results[Check.ACCURACY].required) == (Outcome.FAIL, False)
    assert passes(tuple(results.values()))


@pytest.mark.parametrize(
    ("latency", "rules", "outcome", "words"),
    [
        (Latency(100, 0, 0.1), (), Outcome.PASS, "p99 100 ms of 100 requests, 0 failed"),
        (Latency(100, 0, 0.101), (), Outcome.FAIL, "p99 101 ms"),
        (Latency(100, 1, 0.01), (), Outcome.FAIL, "1 failed"),
        (Latency(99, 0, 0.01), (), Outcome.FAIL, "too slowly or not at all"),
        (Latency(100, 0, 0.15), (CheckRule(Check.LATENCY, maximum=0.2),), Outcome.PASS, "p99 150 ms"),
        (Latency(20, 0, 0.01), (CheckRule(Check.LATENCY, requests=20),), Outcome.PASS, "of 20 requests"),
        (Latency(100, 100, None), (), Outcome.FAIL, "100 failed"),
        (None, (), Outcome.UNKNOWN, "no staging revision was ready to be asked"),
    ],
)
def test_the_latency_of_the_staging_revision_is_held_against_the_slo_or_a_rule(
    latency: Latency | None, rules: tuple[CheckRule, ...], outcome: Outcome, words: str
) -> None:
    result = examine_latency(version("2", range(9)), latency, rules=rules, slo=Slo())
    assert result.outcome is outcome
    assert words in result.got
