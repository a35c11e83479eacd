"""What the exported graph is worth on held-out images: the numbers of the card and of the pictures in MLflow."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from registry.domain.card import CONFIDENCE_BINS, Metrics, Reference
from registry.domain.features import reference

BINS = 15
"""Equal-mass bins of the calibration error."""
LOW_CONFIDENCE = 0.05
"""Quantile of the top probability below which an answer counts as unsure."""

Probabilities = NDArray[np.float32]


@dataclass(frozen=True)
class Bin:
    """One bin of the reliability curve: images, mean top probability, share that is right."""

    images: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Report:
    """confusion[i][j]: images of class i taken for class j. ece and hard_ece: expected calibration error.

    hard_accuracy and hard_ece: on the hard subset; NaN when there is none.
    """

    classes: tuple[str, ...]
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    confusion: NDArray[np.int64]
    reliability: tuple[Bin, ...]
    accuracy: float
    ece: float
    hard_accuracy: float
    hard_ece: float

    @property
    def recall(self) -> dict[str, float]:
        """Per class: share of its images that are found."""
        return dict(zip(self.classes, _shares(np.diag(self.confusion), self.confusion.sum(axis=1)), strict=True))

    @property
    def precision(self) -> dict[str, float]:
        """Per class: share of what is taken for it that is it; 0 when nothing is."""
        return dict(zip(self.classes, _shares(np.diag(self.confusion), self.confusion.sum(axis=0)), strict=True))

    @property
    def low_confidence(self) -> float:
        """The 5 % quantile of the top probability."""
        return float(np.quantile(self.confidence, LOW_CONFIDENCE))

    def metrics(self) -> Metrics:
        """For the card."""
        return Metrics(self.accuracy, self.ece, self.recall)

    def reference(self, features: Sequence[Sequence[float]]) -> Reference:
        """For the card: what drift is measured against. features: of the same images, as `Split.features` has them."""
        places = np.minimum((self.confidence * CONFIDENCE_BINS).astype(np.int64), CONFIDENCE_BINS - 1)
        return Reference(
            classes=tuple(np.bincount(self.predicted, minlength=len(self.classes)).tolist()),
            confidence=tuple(np.bincount(places, minlength=CONFIDENCE_BINS).tolist()),
            features=reference(features),
        )


def evaluate(
    probabilities: Probabilities, labels: NDArray[np.int64], hard: NDArray[np.bool_], *, classes: tuple[str, ...]
) -> Report:
    """Compare probabilities (N, classes) with labels (N,); `hard` marks the hard subset."""
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = predicted == labels
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    return Report(
        classes=classes,
        predicted=predicted,
        confidence=confidence,
        confusion=confusion,
        reliability=reliability(confidence, right),
        accuracy=float(right.mean()),
        ece=calibration_error(reliability(confidence, right)),
        hard_accuracy=float(right[hard].mean()) if hard.any() else float("nan"),
        hard_ece=calibration_error(reliability(confidence[hard], right[hard])) if hard.any() else float("nan"),
    )


def reliability(confidence: NDArray[np.float64], right: NDArray[np.bool_], *, bins: int = BINS) -> tuple[Bin, ...]:
    """Bins of (almost) as many images each, by rising confidence; fewer bins when there are fewer images."""
    order = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return tuple(Bin(len(part), float(confidence[part].mean()), float(right[part].mean())) for part in parts)


def calibration_error(curve: tuple[Bin, ...]) -> float:
    """Expected calibration error: mean distance of confidence and accuracy, weighted by images."""
    images = sum(part.images for part in curve)
    return sum(part.images * abs(part.confidence - part.accuracy) for part in curve) / images


def worst_mistakes(report: Report, labels: NDArray[np.int64], *, count: int) -> tuple[int, ...]:
    """Places of the wrong answers of highest confidence, the worst first."""
    wrong = np.flatnonzero(report.predicted != labels)
    return tuple(wrong[np.argsort(-report.confidence[wrong], kind="stable")][:count].tolist())


def _shares(part: NDArray[np.int64], whole: NDArray[np.int64]) -> list[float]:
    shares: list[float] = (part / np.maximum(whole, 1)).tolist()
    return shares
