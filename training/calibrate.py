"""The temperature: one number that makes probabilities mean what they say, without changing which class is on top.

Guo et al., "On Calibration of Modern Neural Networks" (2017), section 4.2.
"""

import math

import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST = 0.05, 20.0
_GOLDEN = (math.sqrt(5) - 1) / 2
_STEPS = 40  # narrow the logarithm's range of 6 to 3e-8


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Row-wise, without overflow."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return probabilities


def negative_log_likelihood(logits: NDArray[np.floating], labels: NDArray[np.int64], *, temperature: float) -> float:
    """Mean over images, in nats, of `softmax(logits / temperature)`."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    right = scaled[np.arange(len(labels)), labels]
    return float(np.mean(np.log(np.exp(scaled).sum(axis=1)) - right))


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """The temperature from LOWEST to HIGHEST with the least negative log-likelihood, by golden-section search.

    The likelihood is concave in 1/temperature, so there is one minimum, also along the logarithm.
    """
    low, high = math.log(LOWEST), math.log(HIGHEST)
    for _ in range(_STEPS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        at_left = negative_log_likelihood(logits, labels, temperature=math.exp(left))
        at_right = negative_log_likelihood(logits, labels, temperature=math.exp(right))
        low, high = (low, right) if at_left <= at_right else (left, high)
    return math.exp((low + high) / 2)
