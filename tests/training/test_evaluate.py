"""Figures of an evaluation, against values worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from registry.domain.features import NAMES
from training.evaluate import Report, calibration_error, evaluate, reliability, worst_mistakes

CLASSES = ("circle", "square")


def report() -> Report:
    """Four images: a circle is sure and right, one is wrong; of the squares one is wrong with less confidence."""
    probabilities = np.array([[0.98, 0.02], [0.1, 0.9], [0.3, 0.7], [0.6, 0.4]], np.float32)
    return evaluate(probabilities, np.array([0, 0, 1, 1]), np.array([False, True, False, False]), classes=CLASSES)


def test_rows_of_the_confusion_matrix_are_labels() -> None:
    assert report().confusion.tolist() == [[1, 1], [1, 1]]


def test_accuracy_recall_and_precision() -> None:
    found = evaluate(
        np.array([[1, 0], [1, 0], [1, 0], [0, 1]], np.float32),
        np.array([0, 0, 1, 1]),
        np.zeros(4, np.bool_),
        classes=CLASSES,
    )
    assert found.accuracy == 0.75
    assert found.recall == {"circle": 1.0, "square": 0.5}
    assert found.precision == {"circle": pytest.approx(2 / 3), "square": 1.0}


def test_a_class_that_is_never_predicted_has_precision_zero() -> None:
    found = evaluate(np.array([[1, 0]], np.float32), np.array([1]), np.array([False]), classes=CLASSES)
    assert found.precision == {"circle": 0.0, "square": 0.0}


def test_the_hard_subset_counts_by_itself() -> None:
    assert report().hard_accuracy == 0.0
    assert report().hard_ece == pytest.approx(0.9, abs=1e-6)


def test_without_a_hard_subset_there_is_no_figure_for_it() -> None:
    found = evaluate(np.array([[1, 0]], np.float32), np.array([0]), np.array([False]), classes=CLASSES)
    assert math.isnan(found.hard_ece)


def test_the_reference_counts_predictions_and_confidences() -> None:
    rows = [(10.0 * place, 1.0, 0.5, 1.0, 900.0) for place in range(4)]
    reference = report().reference(rows)
    assert reference.classes == (2, 2)
    assert sum(reference.confidence) == 4
    assert {name: sum(counts) for name, (_, counts) in reference.features.items()} == dict.fromkeys(NAMES, 4)
    assert reference.confidence[19] == 1  # .98 lies in the last bin of .05


def test_full_confidence_lies_in_the_last_bin() -> None:
    found = evaluate(np.array([[1, 0]], np.float32), np.array([0]), np.array([False]), classes=CLASSES)
    assert found.reference([(1.0, 1.0, 1.0)]).confidence == (*[0] * 19, 1)


def test_the_worst_mistake_is_the_most_confident_one() -> None:
    assert worst_mistakes(report(), np.array([0, 0, 1, 1]), count=5) == (1, 3)


def test_the_calibration_error_is_the_mean_distance_of_the_bins() -> None:
    confidence = np.array([0.6] * 10 + [0.9] * 10)
    right = np.array([True] * 4 + [False] * 6 + [True] * 10)
    assert calibration_error(reliability(confidence, right, bins=2)) == pytest.approx((0.2 + 0.1) / 2)


@given(arrays(np.float64, st.integers(1, 60), elements=st.floats(0, 1)), st.integers(0, 2**60))
def test_bins_hold_every_image_once_and_almost_equally_many(confidence: np.ndarray, seed: int) -> None:
    right = np.random.default_rng(seed).random(len(confidence)) < 0.5
    curve = reliability(confidence, right)
    images = [part.images for part in curve]
    assert (sum(images), max(images) - min(images) <= 1) == (len(confidence), True)
    assert 0 <= calibration_error(curve) <= 1
