"""What a version must pass before it gets a stage: asked of its own signed files and of production's.

A check that could not be asked is `unknown` and refuses as a failed one does, but says so. Limits come from the policy.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist

from registry.domain.card import Card
from registry.domain.evaluation import Evaluation
from registry.domain.manifest import Manifest
from registry.domain.policy import Check, CheckRule
from registry.domain.version import Version

CONFIDENCE = 0.95
_Z = NormalDist().inv_cdf(CONFIDENCE)


class Outcome(StrEnum):
    """unknown: could not be asked."""

    PASS = "pass"  # noqa: S105 - an outcome, no password
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class CheckResult:
    """One answer of the checklist, as people read it."""

    check: Check
    outcome: Outcome
    got: str
    want: str

    @property
    def passed(self) -> bool:
        return self.outcome is Outcome.PASS


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


@dataclass(frozen=True)
class Pairs:
    """Two versions on the same images. lost: the candidate alone is wrong; won: production alone is wrong."""

    images: int
    candidate_right: int
    lost: int
    won: int

    @property
    def difference(self) -> float:
        """Accuracy of the candidate − accuracy of production."""
        return (self.won - self.lost) / self.images

    @property
    def production_right(self) -> int:
        return self.candidate_right - self.won + self.lost


def examine(
    candidate: Candidate, production: Candidate | None, *, recorded_digest: str | None, rules: Sequence[CheckRule]
) -> tuple[CheckResult, ...]:
    """Ask everything of `candidate`; rules change limits, none takes a check away.

    production: None before the first one. recorded_digest: the one in the candidate's `published` entry.
    """
    return (
        _digest(candidate, recorded_digest),
        _signature(candidate),
        _metrics(candidate),
        _accuracy(candidate, production, minimum=_accuracy_minimum(rules)),
    )


def passes(results: Sequence[CheckResult]) -> bool:
    """Whether every check was asked and passed."""
    return bool(results) and all(result.passed for result in results)


def lower_bound(*, lost: int, won: int, images: int) -> float:
    """One-sided 95 % lower bound of the difference of two accuracies on the same images.

    Inverts the score test of Tango, "Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design", Statistics in Medicine 17 (1998) 891-908; it stays right when few or no pairs disagree.
    """
    low, high = -1.0, (won - lost) / images
    for _ in range(60):
        middle = (low + high) / 2
        if _score(middle, lost=lost, won=won, images=images) > _Z:
            low = middle
        else:
            high = middle
    return low


def _score(difference: float, *, lost: int, won: int, images: int) -> float:
    """Tango's statistic for a true `difference`, standard normal under it."""
    b = (2 * images - won + lost) * difference - won - lost
    c = -lost * difference * (1 - difference)
    loss = (math.sqrt(max(0.0, b * b - 8 * images * c)) - b) / (4 * images)
    variance = images * (2 * loss + difference * (1 - difference))
    return (won - lost - images * difference) / math.sqrt(variance) if variance > 0 else math.inf


def _digest(candidate: Candidate, published: str | None) -> CheckResult:
    want = f"{published[:12]}, as published" if published else "the digest of its published entry"
    if published is None:
        return CheckResult(Check.DIGEST, Outcome.UNKNOWN, "the journal has no published entry of it", want)
    if candidate.digest is None:
        return CheckResult(Check.DIGEST, Outcome.UNKNOWN, _unverified(candidate), want)
    outcome = Outcome.PASS if candidate.digest == published else Outcome.FAIL
    return CheckResult(Check.DIGEST, outcome, candidate.digest[:12], want)


def _signature(candidate: Candidate) -> CheckResult:
    outcome = Outcome.PASS if candidate.manifest else Outcome.FAIL
    got = "verified" if candidate.manifest else _unverified(candidate)
    return CheckResult(Check.SIGNATURE, outcome, got, "a trusted signature and the files it lists")


def _unverified(candidate: Candidate) -> str:
    return candidate.verification_error or "not verified"


def _metrics(candidate: Candidate) -> CheckResult:
    want = "accuracy, ece and every class measured"
    if candidate.card is None:
        return CheckResult(Check.METRICS, Outcome.UNKNOWN, candidate.verification_error or "no card.json", want)
    metrics = candidate.card.metrics
    missing = [name for name in candidate.card.classes if name not in metrics.per_class]
    if missing:
        return CheckResult(Check.METRICS, Outcome.FAIL, f"no metric for {', '.join(missing)}", want)
    got = f"accuracy {_percent(metrics.accuracy)}, ece {metrics.ece:.4f}, {len(metrics.per_class)} classes"
    return CheckResult(Check.METRICS, Outcome.PASS, got, want)


def _accuracy(candidate: Candidate, production: Candidate | None, *, minimum: float) -> CheckResult:
    want = f"≥ {_points(minimum)} points"
    if production is None:
        return CheckResult(Check.ACCURACY, Outcome.PASS, "first: no production to compare with", want)
    pairs = _pairs(candidate, production)
    if isinstance(pairs, str):
        return CheckResult(Check.ACCURACY, Outcome.UNKNOWN, pairs, want)
    bound = lower_bound(lost=pairs.lost, won=pairs.won, images=pairs.images)
    got = (
        f"{_percent(pairs.candidate_right / pairs.images)} − {_percent(pairs.production_right / pairs.images)} "
        f"= {_points(pairs.difference)} points "
        f"(95 % bound {_points(bound)}, n={pairs.images}, b={pairs.lost}, c={pairs.won})"
    )
    return CheckResult(Check.ACCURACY, Outcome.PASS if bound >= minimum else Outcome.FAIL, got, want)


def _accuracy_minimum(rules: Sequence[CheckRule]) -> float:
    """The last rule's; accuracy may fall by one point when no rule says otherwise."""
    limits = [rule.minimum for rule in rules if rule.check is Check.ACCURACY]
    return next((limit for limit in reversed(limits) if limit is not None), -0.01)


def _pairs(candidate: Candidate, production: Candidate) -> Pairs | str:
    """Pairs with production on the same test images; or why there are none."""
    evaluation = candidate.evaluation
    if evaluation is None or not evaluation.images:
        return candidate.verification_error or "no evaluated images in evaluation.json"
    baseline = evaluation.baseline
    if baseline is not None and (baseline.version, baseline.digest) == (production.version, production.digest):
        return _count(evaluation, baseline.classes)
    other = production.evaluation
    if other is None or other.test_digest != evaluation.test_digest:
        found = "has none that can be read" if other is None else f"was tested on {other.test_digest[:12]}"
        return (
            f"no pairs: tested on {evaluation.test_digest[:12]}, not against production {production.version}, "
            f"which {found}; train with --baseline {production.version}"
        )
    predicted = {image.id: image.fp32 for image in other.images}
    if {image.id for image in evaluation.images} != predicted.keys():
        return f"no pairs: the same test digest as production {production.version}, but other images"
    return _count(evaluation, [predicted[image.id] for image in evaluation.images])


def _count(evaluation: Evaluation, production: Sequence[str]) -> Pairs:
    right = [(i.fp32 == i.label, other == i.label) for i, other in zip(evaluation.images, production, strict=True)]
    return Pairs(
        images=len(right),
        candidate_right=sum(mine for mine, _ in right),
        lost=right.count((False, True)),
        won=right.count((True, False)),
    )


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"


def _points(fraction: float) -> str:
    return f"{100 * fraction:.1f}".replace("-", "−")
