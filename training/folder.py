"""A user's images: one folder per class → labelled, distinct files → four lists of them.

Which part a file belongs to follows from its content, so a copy under another name never crosses a split, and files
added later move (almost) none of the old ones.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from predictor.errors import InvalidImage
from predictor.image import decode_file
from registry.domain.features import FILE
from training.errors import DatasetError
from training.split import CHUNK, Split, image_id, joined, workers

PARTS = ("train", "validation", "calibration", "test")
MIN_IMAGES = 20  # per class
MAX_FILE = 64_000_000  # bytes
_SHARES = {"validation": 0.1, "calibration": 0.1, "test": 0.1}  # the rest trains
_LONGEST_NAME = 64


@dataclass(frozen=True)
class Piece:
    """What one process read: paths beside the images of `split`, and the unreadable ones with the reason."""

    split: Split
    paths: tuple[Path, ...]
    unreadable: tuple[tuple[Path, str], ...]


def class_names(directory: Path) -> tuple[str, ...]:
    """The names of the folders in `directory`, sorted; hidden ones are ignored. Raises DatasetError."""
    try:
        names = sorted(entry.name for entry in directory.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise DatasetError(
            f"{directory}: not a folder that can be read ({error.strerror}), wanted one folder per class"
        ) from error
    if len(names) < 2:
        raise DatasetError(
            f"{directory}: found {len(names)} class folders, wanted at least 2, such as circle/ and square/"
        )
    for name in names:
        if not name.isprintable() or not name.strip() or len(name) > _LONGEST_NAME:
            raise DatasetError(
                f"{directory}: class folder {name!r}, wanted 1 to {_LONGEST_NAME} printable characters: rename it"
            )
    return tuple(names)


def read(
    directory: Path, classes: tuple[str, ...], *, width: int, height: int, skip_unreadable: bool
) -> tuple[Split, tuple[Path, ...]]:
    """All distinct images and the skipped paths; raises DatasetError for unreadable files unless told to skip them, and
    for a file that is in two classes."""
    files = [(path, label) for label, name in enumerate(classes) for path in _files(directory / name)]
    chunks = [files[start : start + CHUNK] for start in range(0, len(files), CHUNK)]
    paths: list[Path] = []
    unreadable: list[tuple[Path, str]] = []

    def splits(pieces: list[Piece]) -> list[Split]:
        for piece in pieces:
            paths.extend(piece.paths)
            unreadable.extend(piece.unreadable)
        return [piece.split for piece in pieces]

    with workers(len(files)) as mapped:
        pieces = list(mapped(read_piece, chunks, [width] * len(chunks), [height] * len(chunks)))
    every = joined(splits(pieces), count=len(files), width=width, height=height)
    if unreadable and not skip_unreadable:
        raise DatasetError(_unreadable(unreadable))
    return every.only(_distinct(every, paths, classes)), tuple(path for path, _ in unreadable)


def read_piece(files: Sequence[tuple[Path, int]], width: int, height: int) -> Piece:
    """Read, hash and decode some files."""
    images, labels, ids, paths, measured = [], [], [], [], []
    unreadable: list[tuple[Path, str]] = []
    for path, label in files:
        try:
            content = _content(path)
            image, file = decode_file(content, width=width, height=height)
        except (InvalidImage, OSError) as error:
            unreadable.append((path, error.strerror or "" if isinstance(error, OSError) else str(error)))
            continue
        labels.append(label)
        ids.append(image_id(content))
        paths.append(path)
        images.append(image)
        measured.append(file)
    pixels = np.stack(images) if images else np.empty((0, height, width, 3), np.uint8)
    features = np.array(measured, np.float64).reshape(len(ids), len(FILE))
    split = Split(pixels, np.array(labels, np.int64), tuple(ids), np.zeros(len(ids), np.bool_), features)
    return Piece(split, tuple(paths), tuple(unreadable))


def parts(every: Split, classes: tuple[str, ...]) -> dict[str, list[int]]:
    """Places of the images of each part, by content; raises DatasetError when a class has too few images."""
    counts = Counter(every.labels.tolist())
    if any(counts[label] < MIN_IMAGES for label in range(len(classes))):
        found = ", ".join(f"{name} {counts[label]}" for label, name in enumerate(classes))
        raise DatasetError(
            f"found different images per class: {found}; wanted at least {MIN_IMAGES} of each: add images"
        )
    places: dict[str, list[int]] = {part: [] for part in PARTS}
    for label in range(len(classes)):
        mine = [int(place) for place in np.flatnonzero(every.labels == label)]
        for part, chosen in _divided(sorted(mine, key=lambda place: every.ids[place]), every.ids).items():
            places[part].extend(chosen)
    return places


def _divided(places: list[int], ids: tuple[str, ...]) -> dict[str, list[int]]:
    """One class by thresholds on its ids, which are uniform; a part that stays empty takes the next one in line."""
    divided: dict[str, list[int]] = {part: [] for part in PARTS}
    for place in places:
        share, part = int(ids[place], 16) / 16 ** len(ids[place]), "train"
        for name, width in _SHARES.items():
            if 0 <= share < width:
                part = name
            share -= width
        divided[part].append(place)
    for part in PARTS:
        if not divided[part]:
            divided[part].append(max(divided.values(), key=len).pop(0))
    return divided


def _files(folder: Path) -> list[Path]:
    """Visible files below a class folder, at any depth; a link to a file counts, a link to a folder is not followed."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def _content(path: Path) -> bytes:
    size = path.stat().st_size
    if size > MAX_FILE:
        raise InvalidImage(f"found {size} bytes, wanted an image file of at most {MAX_FILE} bytes")
    return path.read_bytes()


def _distinct(every: Split, paths: list[Path], classes: tuple[str, ...]) -> list[int]:
    """Places of the first copy of each image."""
    first: dict[str, int] = {}
    for place, name in enumerate(every.ids):
        other = first.setdefault(name, place)
        if every.labels[other] != every.labels[place]:
            raise DatasetError(
                f"{paths[other]} and {paths[place]} are the same image in two classes, "
                f"{classes[every.labels[other]]} and {classes[every.labels[place]]}: remove one"
            )
    return list(first.values())


def _unreadable(found: list[tuple[Path, str]]) -> str:
    shown = "".join(f"\n  {path}: {reason}" for path, reason in found[:20])
    more = f"\n  and {len(found) - 20} more" if len(found) > 20 else ""
    return f"{len(found)} files are no readable images: remove them or pass --skip-unreadable{shown}{more}"
