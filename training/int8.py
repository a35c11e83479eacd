"""The int8 variant of a net: converted, run beside FP32 on the same held-out images, offered only if its gate passes.

It shall cost next to no accuracy, shown with 95 % confidence, and its probabilities shall mean what they say. A variant
that cannot be had is no failure of the run: the version is published with FP32 alone, and one line says why.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from predictor.image import Pixels
from registry.domain.paired import lower_bound
from training.dataset import Dataset
from training.errors import ExportError
from training.evaluate import Report, evaluate
from training.export import litert_probabilities, to_int8

if TYPE_CHECKING:
    import keras

REPRESENTATIVE = 500
"""Images of the calibration split that set the ranges: more take longer and make it no better."""


@dataclass(frozen=True)
class Gate:
    """What int8 must show. images: the fewest to show it on. loss: of accuracy, as a fraction, that its upper bound may
    reach. The calibration error may reach `ece`, or exceed FP32's by `ece_rise`."""

    images: int = 10_000
    loss: float = 0.005
    # What FP32 is held to after a full training.
    ece: float = 0.01
    # As much as chance makes of a calibrated net in 19 of 20 cases, at 10,000 images and an accuracy of 97 %.
    ece_rise: float = 0.005


GATE = Gate()


@dataclass(frozen=True)
class Comparison:
    """Both nets on the same images. lost: int8 alone is wrong; won: FP32 alone is."""

    images: int
    lost: int
    won: int
    ece: float
    fp32_ece: float

    @property
    def loss(self) -> float:
        """Accuracy of FP32 − accuracy of int8."""
        return (self.lost - self.won) / self.images

    @property
    def bound(self) -> float:
        """One-sided 95 % upper bound of the loss."""
        return -lower_bound(lost=self.lost, won=self.won, images=self.images)

    def ece_limit(self, gate: Gate) -> float:
        """The highest calibration error that is let pass."""
        return max(gate.ece, self.fp32_ece + gate.ece_rise)

    def passes(self, gate: Gate) -> bool:
        """Whether int8 may be offered."""
        return self.images >= gate.images and self.bound <= gate.loss and self.ece <= self.ece_limit(gate)

    def told(self, gate: Gate) -> str:
        """The numbers beside their limits."""
        return (
            f"it loses {_points(self.loss)} points of accuracy (95 % bound {_points(self.bound)}, "
            f"wanted at most {_points(gate.loss)}; n={self.images}, lost {self.lost}, won {self.won}), "
            f"ECE {self.ece:.4f} (FP32 {self.fp32_ece:.4f}, wanted at most {self.ece_limit(gate):.4f})"
        )


@dataclass(frozen=True)
class Int8:
    """A net that passed its gate. predicted: place of the winning class for each test image."""

    content: bytes
    predicted: NDArray[np.int64]
    comparison: Comparison


@dataclass(frozen=True)
class Attempt:
    """told: in one line, whether int8 is offered and why. comparison: None when it was not measured."""

    told: str
    comparison: Comparison | None = None
    offered: Int8 | None = None

    def figures(self) -> Mapping[str, float]:
        """For MLflow: what was measured."""
        found = self.comparison
        return {"int8_loss": found.loss, "int8_loss_bound": found.bound, "int8_ece": found.ece} if found else {}


def attempt(model: "keras.Model", dataset: Dataset, fp32: Report, *, gate: Gate = GATE) -> Attempt:
    """Convert `model` and compare it with what its FP32 graph answered for the test images. Never raises ExportError.

    Too few test images can show nothing: then nothing is converted, which takes no time.
    """
    test = dataset.test
    if len(test) < gate.images:
        return Attempt(f"not offered: {len(test)} test images, wanted at least {gate.images} to measure what it costs")
    try:
        content = to_int8(model, representative(dataset))
        probabilities = litert_probabilities(content, test.images)
    except (ExportError, ValueError, RuntimeError) as error:  # the last two are what LiteRT raises
        return Attempt(f"not offered: {' '.join(str(error).split())}")
    report = evaluate(probabilities, test.labels, test.hard, classes=dataset.classes)
    found = compare(report, fp32, test.labels)
    if not found.passes(gate):
        return Attempt(f"not offered: {found.told(gate)}", found)
    return Attempt(f"offered: {found.told(gate)}", found, Int8(content, report.predicted, found))


def compare(int8: Report, fp32: Report, labels: NDArray[np.int64]) -> Comparison:
    """Count the images on which only one of both is right."""
    right, fp32_right = int8.predicted == labels, fp32.predicted == labels
    return Comparison(
        images=len(labels),
        lost=int((fp32_right & ~right).sum()),
        won=int((right & ~fp32_right).sum()),
        ece=int8.ece,
        fp32_ece=fp32.ece,
    )


def representative(dataset: Dataset) -> Pixels:
    """Images that taught the net nothing, from the whole of the calibration split: folders are in order of class."""
    images = dataset.calibration.images
    places = np.linspace(0, len(images) - 1, min(REPRESENTATIVE, len(images))).astype(np.int64)
    return images[places]


def _points(fraction: float) -> str:
    return f"{100 * fraction:.2f}".replace("-", "−")
