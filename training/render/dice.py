"""The chances one image is made of: a stream of decisions that its seed and index fix for ever."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
_AHEAD = 96  # decisions most images need; drawn at once because a single draw costs as much as a hundred


class Dice:
    """Decisions drawn from PCG64 seeded with (seed, index): equal on every machine and in every process."""

    def __init__(self, *, seed: int, index: int) -> None:
        self._next = _uniform(np.random.Generator(np.random.PCG64((seed, index)))).__next__

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self._next()

    def chance(self, probability: float) -> bool:
        return self._next() < probability

    def integer(self, count: int) -> int:
        """0 … count − 1."""
        return int(self._next() * count)

    def choice(self, options: Sequence[T]) -> T:
        return options[self.integer(len(options))]

    def weighted(self, options: Sequence[tuple[T, float]]) -> T:
        """One of the options by weights that sum to 1."""
        left = self._next()
        for option, weight in options:
            left -= weight
            if left < 0:
                return option
        return options[-1][0]


def _uniform(generator: np.random.Generator) -> Iterator[float]:
    while True:
        yield from generator.random(_AHEAD).tolist()
