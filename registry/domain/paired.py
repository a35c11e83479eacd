"""Two versions on the same images: pairs, and how much worse the one may be at most.

Both answer the same questions, so only the images count on which exactly one of them is right.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from registry.domain.evaluation import Evaluation
from registry.domain.version import Version

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Pairs:
    """Two versions on the same images. lost: the candidate alone is wrong; won: production alone is wrong."""

    images: int
    candidate_right: int
    lost: int
    won: int

    @property
    def difference(self) -> float:
        """Share of right answers of the candidate − that of production."""
        return (self.won - self.lost) / self.images

    @property
    def production_right(self) -> int:
        return self.candidate_right - self.won + self.lost


@dataclass(frozen=True)
class Bounded:
    """The recall of one class. bound: lower bound of the difference at `confidence`, which Holm gave this class."""

    name: str
    pairs: Pairs
    bound: float
    confidence: float


def paired(
    mine: Evaluation, other: Evaluation | None, *, version: Version, digest: str | None, int8: bool = False
) -> Mapping[str, Pairs] | str:
    """Pairs on the images of `mine`, by the class they show; or why there are none.

    other: of production, which is `version` with `digest`. What it said of these very images counts before that. int8:
    the answers of that net of `mine`, which is the one that would serve.
    """
    baseline = mine.baseline
    if baseline is not None and (baseline.version, baseline.digest) == (version, digest):
        return _by_class(mine, baseline.classes, int8=int8)
    if other is None or other.test_digest != mine.test_digest:
        found = "has none that can be read" if other is None else f"was tested on {other.test_digest[:12]}"
        return (
            f"no pairs: tested on {mine.test_digest[:12]}, not against production {version}, "
            f"which {found}; train with --baseline {version}"
        )
    predicted = {image.id: image.fp32 for image in other.images}
    if {image.id for image in mine.images} != predicted.keys():
        return f"no pairs: the same test digest as production {version}, but other images"
    return _by_class(mine, [predicted[image.id] for image in mine.images], int8=int8)


def _by_class(evaluation: Evaluation, other: Sequence[str], *, int8: bool) -> Mapping[str, Pairs]:
    right: defaultdict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for image, predicted in zip(evaluation.images, other, strict=True):
        mine = image.int8 if int8 else image.fp32
        right[image.label].append((mine == image.label, predicted == image.label))
    return {name: _count(found) for name, found in right.items()}


def _count(right: Sequence[tuple[bool, bool]]) -> Pairs:
    return Pairs(
        images=len(right),
        candidate_right=sum(mine for mine, _ in right),
        lost=right.count((False, True)),
        won=right.count((True, False)),
    )


def total(pairs: Iterable[Pairs]) -> Pairs:
    """All of them as one."""
    found = tuple(pairs)
    return Pairs(
        images=sum(one.images for one in found),
        candidate_right=sum(one.candidate_right for one in found),
        lost=sum(one.lost for one in found),
        won=sum(one.won for one in found),
    )


def lower_bound(*, lost: int, won: int, images: int, confidence: float = CONFIDENCE) -> float:
    """One-sided lower bound of the difference of two accuracies on the same images.

    Inverts the score test of Tango, "Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design", Statistics in Medicine 17 (1998) 891-908; it stays right when few or no pairs disagree.
    """
    z = NormalDist().inv_cdf(confidence)
    low, high = -1.0, (won - lost) / images
    for _ in range(60):
        middle = (low + high) / 2
        if _score(middle, lost=lost, won=won, images=images) > z:
            low = middle
        else:
            high = middle
    return low


def holm(classes: Mapping[str, Pairs], *, minimum: float) -> tuple[Bounded, ...]:
    """Every class against "worse by more than `minimum`" at once, the clearest first: all may be believed together.

    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979) 65-70:
    of m classes the clearest must hold at 1 − α/m, the next at 1 − α/(m − 1), the last at 1 − α. All of them are above
    `minimum` when every bound here is.
    """
    clearest = sorted(classes.items(), key=lambda item: -_statistic(item[1], minimum))
    return tuple(_bounded(name, pairs, left=len(clearest) - rank) for rank, (name, pairs) in enumerate(clearest))


def _bounded(name: str, pairs: Pairs, *, left: int) -> Bounded:
    confidence = 1 - (1 - CONFIDENCE) / left
    bound = lower_bound(lost=pairs.lost, won=pairs.won, images=pairs.images, confidence=confidence)
    return Bounded(name, pairs, bound, confidence)


def _statistic(pairs: Pairs, difference: float) -> float:
    return _score(difference, lost=pairs.lost, won=pairs.won, images=pairs.images)


def _score(difference: float, *, lost: int, won: int, images: int) -> float:
    """Tango's statistic for a true `difference`, standard normal under it."""
    b = (2 * images - won + lost) * difference - won - lost
    c = -lost * difference * (1 - difference)
    loss = (math.sqrt(max(0.0, b * b - 8 * images * c)) - b) / (4 * images)
    variance = images * (2 * loss + difference * (1 - difference))
    return (won - lost - images * difference) / math.sqrt(variance) if variance > 0 else math.inf
