"""One part of a data set as arrays, and how processes make its pieces."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.image import Pixels
from registry.domain.features import FILE, measure

CHUNK = 250  # images a process makes at a time
_ID_DIGITS = 16


@dataclass(frozen=True)
class Split:
    """N images. images: uint8 (N, height, width, 3). labels: int64 (N,), indices into the classes. ids: `image_id` of
    each file. hard: bool (N,), the named hard subset. files: float64 (N, 2), `features.FILE` of each; None for pixels
    that come of no files."""

    images: Pixels
    labels: NDArray[np.int64]
    ids: tuple[str, ...]
    hard: NDArray[np.bool_]
    files: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def digest(self) -> str:
        """sha256 over ids and labels, in order: `test_digest` of an evaluation."""
        lines = (f"{image} {label}\n" for image, label in zip(self.ids, self.labels.tolist(), strict=True))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def only(self, places: list[int]) -> "Split":
        """The images at these places, in this order."""
        files = None if self.files is None else self.files[places]
        ids = tuple(self.ids[place] for place in places)
        return Split(self.images[places], self.labels[places], ids, self.hard[places], files)

    def features(self) -> list[tuple[float, ...]]:
        """`features.NAMES` of each image, as a predictor measures them; of PIXELS alone where there are no files."""
        parts = (self.images[start : start + CHUNK] for start in range(0, len(self), CHUNK))
        pixels = [row for part in parts for row in measure(part)]
        if self.files is None:
            return list(pixels)
        return [(*row, *file) for row, file in zip(pixels, self.files.tolist(), strict=True)]


def image_id(content: bytes) -> str:
    """The name of an image everywhere: the first 16 digits of the sha256 of its file's bytes."""
    return hashlib.sha256(content).hexdigest()[:_ID_DIGITS]


def joined(pieces: Iterable[Split], *, count: int, width: int, height: int) -> Split:
    """Pieces made of `count` files in all, one after the other. Each is let go before the next, to need memory once."""
    images = np.empty((count, height, width, 3), np.uint8)
    labels, hard = np.empty(count, np.int64), np.empty(count, np.bool_)
    files = np.empty((count, len(FILE)), np.float64)
    ids: list[str] = []
    for piece in pieces:
        here = slice(len(ids), len(ids) + len(piece))
        images[here], labels[here], hard[here] = piece.images, piece.labels, piece.hard
        files[here] = piece.files
        ids.extend(piece.ids)
    return Split(images[: len(ids)], labels[: len(ids)], tuple(ids), hard[: len(ids)], files[: len(ids)])


@contextmanager
def workers(count: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """An order-keeping `map` over processes, or within this one when `count` images are too few to be worth it.

    Processes are spawned: forking one that runs TensorFlow's threads may hang.
    """
    processes = os.cpu_count() or 1
    if processes == 1 or count <= 2 * CHUNK:
        yield map
        return
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        yield pool.map
