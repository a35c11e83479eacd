"""What a version must pass before it gets a stage: asked of its own signed files and of production's.

A check that could not be asked is `unknown` and refuses as a failed one does, but says so. Limits come from the policy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from registry.domain.card import Card, Slo
from registry.domain.evaluation import Evaluation
from registry.domain.manifest import Manifest
from registry.domain.observation import Latency
from registry.domain.paired import Bounded, Pairs, holm, lower_bound, paired, total
from registry.domain.policy import FP32, INT8
from registry.domain.rules import Check, CheckRule, Rules
from registry.domain.version import Version


class Outcome(StrEnum):
    """unknown: could not be asked."""

    PASS = "pass"  # noqa: S105 - an outcome, no password
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class CheckResult:
    """One answer of the checklist, as people read it. required: False where the policy makes it advisory."""

    check: Check
    outcome: Outcome
    got: str
    want: str
    required: bool = True

    @property
    def passed(self) -> bool:
        return self.outcome is Outcome.PASS

    @property
    def refuses(self) -> bool:
        return self.required and not self.passed


@dataclass(frozen=True)
class Candidate:
    """What could be read of a version's directory.

    manifest: None where it does not verify, and then `verification_error` says why. card and evaluation: None where the
    file is not listed, or breaks its schema (then `verification_error` names it).
    """

    version: Version
    manifest: Manifest | None = None
    verification_error: str | None = None
    card: Card | None = None
    evaluation: Evaluation | None = None

    @property
    def digest(self) -> str | None:
        return self.manifest.digest if self.manifest else None


def examine(
    candidate: Candidate,
    production: Candidate | None,
    *,
    recorded_digest: str | None,
    rules: Sequence[CheckRule],
    now: datetime,
    variant: str = FP32,
) -> tuple[CheckResult, ...]:
    """Ask everything of `candidate` that needs no running revision; rules change limits, none takes a check away.

    production: None before the first one. recorded_digest: the one in the candidate's `published` entry. variant: the
    one that the policy wants to serve.
    """
    asked = Rules(rules)
    pairs = None if production is None else _pairs(candidate, production, int8=variant == INT8)
    results = (
        _digest(candidate, recorded_digest),
        _signature(candidate),
        _lineage(candidate),
        _data(candidate),
        _metrics(candidate, now, oldest=asked.limit(Check.METRICS)),
        _accuracy(pairs, minimum=asked.bound(Check.ACCURACY)),
        _recall(candidate, pairs, minimum=asked.bound(Check.RECALL)),
        _calibration(candidate, variant, maximum=asked.bound(Check.CALIBRATION)),
        _parity(candidate, maximum=asked.bound(Check.PARITY)),
        _int8(candidate, variant),
    )
    return tuple(replace(result, required=asked.required(result.check)) for result in results)


def examine_latency(
    candidate: Candidate, latency: Latency | None, *, rules: Sequence[CheckRule], slo: Slo, problem: str | None = None
) -> CheckResult:
    """The answer of the staging revision. latency: None where none was ready to be asked. slo: for a card without.

    problem: what keeps it from being ready, in the substrate's words.
    """
    asked = Rules(rules)
    limit = asked.limit(Check.LATENCY)
    if limit is None and candidate.card is not None:
        limit = (candidate.card.slo or slo).latency_seconds
    want = f"99 % of {asked.requests} requests within {_milliseconds(limit)}"
    result = CheckResult(Check.LATENCY, Outcome.UNKNOWN, "", want, required=asked.required(Check.LATENCY))
    if latency is None:
        told = f" ({problem})" if problem is not None else ""
        return replace(result, got=f"no staging revision was ready to be asked{told}")
    if limit is None:
        return replace(result, got="no card.json, so no objective")
    got = f"p99 {_milliseconds(latency.p99)} of {latency.requests} requests, {latency.failed} failed"
    if latency.requests < asked.requests:
        return replace(result, got=f"{got}: it answered too slowly or not at all", outcome=Outcome.FAIL)
    good = not latency.failed and latency.p99 is not None and latency.p99 <= limit
    return replace(result, got=got, outcome=Outcome.PASS if good else Outcome.FAIL)


def passes(results: Sequence[CheckResult]) -> bool:
    """Whether every required check was asked and passed."""
    return bool(results) and not any(result.refuses for result in results)


def _judged(check: Check, got: str, want: str, *, good: bool) -> CheckResult:
    return CheckResult(check, Outcome.PASS if good else Outcome.FAIL, got, want)


def _unknown(check: Check, got: str, want: str) -> CheckResult:
    return CheckResult(check, Outcome.UNKNOWN, got, want)


def _digest(candidate: Candidate, published: str | None) -> CheckResult:
    want = f"{published[:12]}, as published" if published else "the digest of its published entry"
    if published is None:
        return _unknown(Check.DIGEST, "the journal has no published entry of it", want)
    if candidate.digest is None:
        return _unknown(Check.DIGEST, _unverified(candidate), want)
    return _judged(Check.DIGEST, candidate.digest[:12], want, good=candidate.digest == published)


def _signature(candidate: Candidate) -> CheckResult:
    got = "verified" if candidate.manifest else _unverified(candidate)
    want = "a trusted signature and the files it lists"
    return _judged(Check.SIGNATURE, got, want, good=candidate.manifest is not None)


def _unverified(candidate: Candidate) -> str:
    return candidate.verification_error or "not verified"


def _no_card(candidate: Candidate) -> str:
    return candidate.verification_error or "no card.json"


def _lineage(candidate: Candidate) -> CheckResult:
    want = "run, data and code it was made from"
    if candidate.card is None:
        return _unknown(Check.LINEAGE, _no_card(candidate), want)
    lineage = candidate.card.lineage
    named = {"run": lineage.run_id, "data": lineage.data_digest, "code": lineage.code_version}
    missing = [name for name, value in named.items() if not value.strip()]
    told = ", ".join(f"{name} {value[:12]}" for name, value in named.items())
    return _judged(Check.LINEAGE, f"no {', '.join(missing)}" if missing else told, want, good=not missing)


def _data(candidate: Candidate) -> CheckResult:
    """What it was tested on must be told as well: without it no later version can be compared with this one."""
    want = "digests of the data it was trained and tested on"
    if candidate.card is None:
        return _unknown(Check.DATA, _no_card(candidate), want)
    if candidate.evaluation is None:
        return _unknown(Check.DATA, candidate.verification_error or "no evaluation.json", want)
    trained, tested = candidate.card.lineage.data_digest.strip(), candidate.evaluation.test_digest.strip()
    got = f"trained on {trained[:12] or 'nothing named'}, tested on {tested[:12] or 'nothing named'}"
    return _judged(Check.DATA, got, want, good=bool(trained and tested))


def _metrics(candidate: Candidate, now: datetime, *, oldest: float | None) -> CheckResult:
    want = "accuracy, ece and every class measured"
    if oldest is not None:
        want += f", at most {oldest:g} s ago"
    if candidate.card is None or candidate.manifest is None:
        return _unknown(Check.METRICS, _no_card(candidate), want)
    metrics, age = candidate.card.metrics, (now - candidate.manifest.created).total_seconds()
    missing = [name for name in candidate.card.classes if name not in metrics.per_class]
    if missing:
        return _judged(Check.METRICS, f"no metric for {', '.join(missing)}", want, good=False)
    got = f"accuracy {_percent(metrics.accuracy)}, ece {metrics.ece:.4f}, {len(metrics.per_class)} classes"
    if oldest is not None:
        got += f", {age:.0f} s ago"
    return _judged(Check.METRICS, got, want, good=oldest is None or age <= oldest)


def _pairs(candidate: Candidate, production: Candidate, *, int8: bool) -> Mapping[str, Pairs] | str:
    evaluation = candidate.evaluation
    if evaluation is None or not evaluation.images:
        return candidate.verification_error or "no evaluated images in evaluation.json"
    if int8 and any(image.int8 is None for image in evaluation.images):
        return "no answers of int8 in evaluation.json"
    other, digest = production.evaluation, production.digest
    return paired(evaluation, other, version=production.version, digest=digest, int8=int8)


def _accuracy(pairs: Mapping[str, Pairs] | str | None, *, minimum: float) -> CheckResult:
    want = f"≥ {_points(minimum)} points"
    if pairs is None:
        return CheckResult(Check.ACCURACY, Outcome.PASS, "first: no production to compare with", want)
    if isinstance(pairs, str):
        return _unknown(Check.ACCURACY, pairs, want)
    whole = total(pairs.values())
    bound = lower_bound(lost=whole.lost, won=whole.won, images=whole.images)
    got = (
        f"{_percent(whole.candidate_right / whole.images)} − {_percent(whole.production_right / whole.images)} "
        f"= {_points(whole.difference)} points "
        f"(95 % bound {_points(bound)}, n={whole.images}, b={whole.lost}, c={whole.won})"
    )
    return _judged(Check.ACCURACY, got, want, good=bound >= minimum)


def _recall(candidate: Candidate, pairs: Mapping[str, Pairs] | str | None, *, minimum: float) -> CheckResult:
    want = f"≥ {_points(minimum)} points in every class (Holm)"
    if pairs is None:
        return CheckResult(Check.RECALL, Outcome.PASS, "first: no production to compare with", want)
    if isinstance(pairs, str):
        return _unknown(Check.RECALL, pairs, want)
    untested = [name for name in (candidate.card.classes if candidate.card else ()) if name not in pairs]
    if untested:
        return _unknown(Check.RECALL, f"no test image of {', '.join(untested)}", want)
    bounded = holm(pairs, minimum=minimum)
    low = [found for found in bounded if found.bound < minimum]
    worst = min(low or bounded, key=lambda found: found.bound - minimum)
    others = f"; too low also {', '.join(found.name for found in low if found is not worst)}" if len(low) > 1 else ""
    return _judged(Check.RECALL, f"{_class(worst)}, the lowest of {len(bounded)}{others}", want, good=not low)


def _class(found: Bounded) -> str:
    pairs = found.pairs
    return (
        f"{found.name} {_percent(pairs.candidate_right / pairs.images)} − "
        f"{_percent(pairs.production_right / pairs.images)} = {_points(pairs.difference)} points "
        f"({_percent(found.confidence)} bound {_points(found.bound)}, n={pairs.images})"
    )


def _calibration(candidate: Candidate, variant: str, *, maximum: float) -> CheckResult:
    want = f"ece ≤ {maximum:g}"
    if candidate.card is None:
        return _unknown(Check.CALIBRATION, _no_card(candidate), want)
    ece = candidate.card.metrics.ece
    if variant != FP32:
        served = candidate.card.variants.get(variant, {}).get("ece")
        if served is None:
            return _unknown(Check.CALIBRATION, f"the card has no ece of {variant}", want)
        ece = served
    return _judged(Check.CALIBRATION, f"ece {ece:.4f}", want, good=ece <= maximum)


def _parity(candidate: Candidate, *, maximum: float) -> CheckResult:
    want = f"≤ {maximum:g} between the net as trained and as exported"
    if candidate.card is None:
        return _unknown(Check.PARITY, _no_card(candidate), want)
    parity = candidate.card.variants[FP32].get("parity")
    if parity is None:
        return _unknown(Check.PARITY, "the card has no parity of fp32", want)
    return _judged(Check.PARITY, f"{parity:.2g}", want, good=parity <= maximum)


def _int8(candidate: Candidate, variant: str) -> CheckResult:
    want = "int8 offered where the policy serves it"
    if variant != INT8:
        return CheckResult(Check.INT8, Outcome.PASS, f"the policy serves {variant}", want)
    if candidate.card is None:
        return _unknown(Check.INT8, _no_card(candidate), want)
    found = candidate.card.variants.get(INT8)
    if found is None:
        got = "not offered: it lost too much, or could not be told, when the version was made"
        return _judged(Check.INT8, got, want, good=False)
    gate = found.get("gate")
    return _judged(Check.INT8, "offered" if gate is None else f"offered, loses at most {gate:.2%}", want, good=True)


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"


def _points(fraction: float) -> str:
    return f"{100 * fraction:.1f}".replace("-", "−")


def _milliseconds(seconds: float | None) -> str:
    return "the SLO" if seconds is None else f"{1000 * seconds:.3g} ms"
