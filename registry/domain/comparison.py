"""Two versions side by side, from what each was signed with: nothing is measured again.

Accuracy and recall are compared image by image, so that chance in the choice of images says nothing about either.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.domain.card import Card
from registry.domain.checklist import Candidate
from registry.domain.errors import NotFound, NotVerified
from registry.domain.evaluation import Evaluation
from registry.domain.manifest import Manifest
from registry.domain.paired import Pairs, lower_bound, paired, total
from registry.domain.version import Version

ALPHA = 0.05
"""Of intervals (two-sided) and of what is called significant (all classes together, after Holm)."""


@dataclass(frozen=True)
class Difference:
    """A share of right answers of both. low, high: two-sided 95 % interval of candidate − base. p: McNemar's, exact;
    for a class it is adjusted after Holm over all classes."""

    name: str
    pairs: Pairs
    low: float
    high: float
    p: float

    @property
    def base(self) -> float:
        return self.pairs.production_right / self.pairs.images

    @property
    def candidate(self) -> float:
        return self.pairs.candidate_right / self.pairs.images

    @property
    def significant(self) -> bool:
        return self.p < ALPHA


@dataclass(frozen=True)
class Side:
    """What a verified version says of itself."""

    version: Version
    manifest: Manifest
    card: Card
    evaluation: Evaluation


@dataclass(frozen=True)
class Comparison:
    """candidate against base. classes: in the order of the candidate's card."""

    base: Side
    candidate: Side
    accuracy: Difference
    classes: tuple[Difference, ...]


def compare(base: Candidate, candidate: Candidate) -> Comparison:
    """Raises NotVerified for a version that cannot be read, NotFound where both were not tested on the same images."""
    left, right = _side(base), _side(candidate)
    by_class = _pairs(left, right)
    order = [name for name in right.card.classes if name in by_class]
    order += sorted(by_class.keys() - set(order))
    ps = holm_adjusted([mcnemar(by_class[name]) for name in order])
    classes = tuple(_difference(name, by_class[name], p) for name, p in zip(order, ps, strict=True))
    whole = total(by_class.values())
    return Comparison(left, right, _difference("accuracy", whole, mcnemar(whole)), classes)


def _side(candidate: Candidate) -> Side:
    manifest, card, evaluation = candidate.manifest, candidate.card, candidate.evaluation
    if manifest is None or card is None or evaluation is None:
        raise NotVerified(
            candidate.verification_error
            or f"version {candidate.version}: has no card.json or no evaluation.json, wanted both"
        )
    return Side(candidate.version, manifest, card, evaluation)


def _pairs(base: Side, candidate: Side) -> Mapping[str, Pairs]:
    found = paired(candidate.evaluation, base.evaluation, version=base.version, digest=base.manifest.digest)
    if not isinstance(found, str):
        return found
    other = paired(base.evaluation, None, version=candidate.version, digest=candidate.manifest.digest)
    if not isinstance(other, str):  # the base was trained later and says what the candidate answered
        return {name: Pairs(p.images, p.production_right, lost=p.won, won=p.lost) for name, p in other.items()}
    raise NotFound(
        f"versions {base.version} and {candidate.version} were tested on different images "
        f"({base.evaluation.test_digest[:12]} and {candidate.evaluation.test_digest[:12]}), so there are no pairs; "
        f"train the newer one again with `geometry train --baseline {base.version}`, which asks {base.version} the "
        "same images"
    )


def _difference(name: str, pairs: Pairs, p: float) -> Difference:
    sure = 1 - ALPHA / 2
    low = lower_bound(lost=pairs.lost, won=pairs.won, images=pairs.images, confidence=sure)
    high = -lower_bound(lost=pairs.won, won=pairs.lost, images=pairs.images, confidence=sure)
    return Difference(name, pairs, low, high, p)


def mcnemar(pairs: Pairs) -> float:
    """Two-sided exact p that both are right equally often: of the images on which one is wrong, half fall on each.

    McNemar, "Note on the sampling error of the difference between correlated proportions or percentages", Psychometrika
    12 (1947) 153-157, with the binomial instead of its approximation.
    """
    discordant = pairs.lost + pairs.won
    tail = sum(math.comb(discordant, count) for count in range(min(pairs.lost, pairs.won) + 1))
    return min(1.0, float(2 * tail / 2**discordant))


def holm_adjusted(ps: Sequence[float]) -> tuple[float, ...]:
    """p-values that may be compared with α all together (Holm 1979), in the order given."""
    adjusted, highest = [0.0] * len(ps), 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=lambda index: ps[index])):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = highest
    return tuple(adjusted)


def document(comparison: Comparison) -> dict[str, Any]:
    """The comparison for programs; keys are never renamed or taken away."""
    base, candidate = comparison.base, comparison.candidate
    return {
        "model": candidate.card.model,
        "base": base.version,
        "candidate": candidate.version,
        "images": comparison.accuracy.pairs.images,
        "accuracy": _difference_document(comparison.accuracy),
        "classes": {found.name: _difference_document(found) for found in comparison.classes},
        "calibration": {"base": base.card.metrics.ece, "candidate": candidate.card.metrics.ece},
        "slo": {"base": slo_document(base.card), "candidate": slo_document(candidate.card)},
        "variants": {"base": variants(base), "candidate": variants(candidate)},
    }


def _difference_document(found: Difference) -> dict[str, Any]:
    return {
        "images": found.pairs.images,
        "base": found.base,
        "candidate": found.candidate,
        "difference": found.pairs.difference,
        "low": found.low,
        "high": found.high,
        "lost": found.pairs.lost,
        "won": found.pairs.won,
        "p": found.p,
        "significant": found.significant,
    }


def slo_document(card: Card) -> dict[str, float] | None:
    """What the version promises of itself; None leaves it to the policy."""
    slo = card.slo
    if slo is None:
        return None
    return {"availability": slo.availability, "seconds": slo.latency_seconds, "objective": slo.latency_objective}


def variants(side: Side) -> dict[str, dict[str, Any]]:
    """Per variant its file, size in bytes, and what was measured of it."""
    sizes = {entry.path: entry.size for entry in side.manifest.files}
    return {name: {**found, "bytes": sizes.get(str(found["file"]))} for name, found in side.card.variants.items()}
