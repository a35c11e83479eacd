"""Data sets: images as pixels with labels, in four parts that share no image.

train teaches, validation stops early, calibration fits the temperature, test is only looked at. Rendered shapes and a
user's folders end in the same value; pixels come from `predictor.image` alone, so training sees what serving sees.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from predictor.image import decode_file
from training import folder
from training.shapes import CLASSES, render_batch
from training.split import CHUNK, Split, image_id, joined, workers

TEST_SEED = 74_207_281  # of the rendered test split whatever `--seed` says, so that versions can be compared

# Parts of one seed's images are ranges of indices that never meet.
_STARTS = {"train": 0, "validation": 1 << 40, "calibration": 2 << 40, "test": 3 << 40}


@dataclass(frozen=True)
class Dataset:
    """Four splits without a common image. skipped: files that could not be read and were left out on request."""

    classes: tuple[str, ...]
    train: Split
    validation: Split
    calibration: Split
    test: Split
    skipped: tuple[Path, ...] = ()

    @cached_property
    def digest(self) -> str:
        """sha256 over the classes and the digests of the four splits: changes with any image, label or place."""
        splits = (self.train, self.validation, self.calibration, self.test)
        lines = [*self.classes, *(split.digest for split in splits)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def rendered(
    *, seed: int, train: int, validation: int, calibration: int, test: int, width: int, height: int
) -> Dataset:
    """Rendered shapes. The test split is the same for every `seed`, and a smaller one is the beginning of a larger.

    Should an image occur twice, test keeps it before calibration, validation and train: training may get fewer images
    than asked for, test never does.
    """
    counts = {"test": test, "calibration": calibration, "validation": validation, "train": train}
    with workers(sum(counts.values())) as mapped:
        pieces = {
            part: _pieces(mapped, TEST_SEED if part == "test" else seed, _STARTS[part], count, width, height)
            for part, count in counts.items()
        }
        splits = {part: joined(pieces[part], count=count, width=width, height=height) for part, count in counts.items()}
    return _dataset(CLASSES, _disjoint(splits))


def folders(directory: Path, *, width: int, height: int, skip_unreadable: bool) -> Dataset:
    """A user's images in folders named like their classes; which split an image is in follows from its content.

    Copies count once. Raises DatasetError for unreadable files (unless they shall be skipped), an image in two classes,
    fewer than two classes, or a class of too few images.
    """
    classes = folder.class_names(directory)
    every, skipped = folder.read(directory, classes, width=width, height=height, skip_unreadable=skip_unreadable)
    splits = {part: every.only(places) for part, places in folder.parts(every, classes).items()}
    return _dataset(classes, splits, skipped)


def render_piece(seed: int, start: int, count: int, width: int, height: int) -> Split:
    """Render some images and see them as the network does."""
    batch = render_batch(seed, start, count)
    decoded = [decode_file(image.content, width=width, height=height) for image in batch]
    return Split(
        images=np.stack([pixels for pixels, _ in decoded]),
        labels=np.array([image.label for image in batch], np.int64),
        ids=tuple(image_id(image.content) for image in batch),
        hard=np.array([image.hard for image in batch], np.bool_),
        files=np.array([file for _, file in decoded]),
    )


def _dataset(classes: tuple[str, ...], splits: Mapping[str, Split], skipped: tuple[Path, ...] = ()) -> Dataset:
    train, validation, calibration, test = (splits[part] for part in folder.PARTS)
    return Dataset(classes, train, validation, calibration, test, skipped)


def _pieces(
    mapped: Callable[..., Iterator[Any]], seed: int, start: int, count: int, width: int, height: int
) -> Iterator[Split]:
    offsets = range(0, count, CHUNK)
    same = len(offsets)
    counts = [min(CHUNK, count - offset) for offset in offsets]
    starts = [start + offset for offset in offsets]
    return mapped(render_piece, [seed] * same, starts, counts, [width] * same, [height] * same)


def _disjoint(splits: dict[str, Split]) -> dict[str, Split]:
    """Leave out of each split what an earlier one, or itself, has already."""
    seen: set[str] = set()
    disjoint: dict[str, Split] = {}
    for part, split in splits.items():
        places = [place for name, place in _first_places(split.ids).items() if name not in seen]
        seen.update(split.ids)
        disjoint[part] = split if len(places) == len(split) else split.only(places)
    return disjoint


def _first_places(ids: tuple[str, ...]) -> dict[str, int]:
    first: dict[str, int] = {}
    for place, name in enumerate(ids):
        first.setdefault(name, place)
    return first
