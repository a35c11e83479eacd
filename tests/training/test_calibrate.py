"""The temperature, on logits whose right temperature is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.calibrate import HIGHEST, LOWEST, fit_temperature, negative_log_likelihood, softmax

DICE = np.random.default_rng(3)
LOGITS = DICE.normal(0, 2, (20_000, 4))
LABELS = np.array([DICE.choice(4, p=p) for p in softmax(LOGITS)])


@pytest.mark.parametrize("factor", [0.25, 1.0, 3.0])
def test_logits_that_are_too_large_by_a_factor_get_that_temperature(factor: float) -> None:
    assert fit_temperature(LOGITS * factor, LABELS) == pytest.approx(factor, rel=0.05)


@given(st.floats(LOWEST, HIGHEST))
@settings(max_examples=25, deadline=None)
def test_no_other_temperature_is_likelier(other: float) -> None:
    logits, labels = LOGITS[:300], LABELS[:300]
    best = fit_temperature(logits, labels)
    least = negative_log_likelihood(logits, labels, temperature=best)
    assert least <= negative_log_likelihood(logits, labels, temperature=other) + 1e-9


def test_labels_without_a_mistake_get_the_lowest_temperature() -> None:
    assert fit_temperature(np.eye(3) * 5, np.arange(3)) == pytest.approx(LOWEST, rel=1e-3)


def test_labels_that_are_never_right_get_the_highest_temperature() -> None:
    assert fit_temperature(np.eye(3) * 5, np.array([1, 2, 0])) == pytest.approx(HIGHEST, rel=1e-3)


def test_huge_logits_do_not_overflow() -> None:
    assert softmax(np.array([[1e4, 0.0]])).tolist() == [[1.0, 0.0]]
    assert negative_log_likelihood(np.array([[1e4, 0.0]]), np.array([1]), temperature=1.0) == pytest.approx(1e4)
