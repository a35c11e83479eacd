"""Samples of the rendered shapes as files and on one labelled sheet, to look at before training on them."""

from pathlib import Path

from PIL import Image, ImageDraw

from predictor.image import decode
from training.shapes import CLASSES, HARD_SUBSET, Rendered, render_batch

CONTACT_SHEET = "contact_sheet.png"

_CELL = 96  # pixels
_TITLE = 78  # pixels left of a row for the class
_COLUMNS = 12  # samples per class on the sheet
_INK, _PAPER, _WARNING = (20, 20, 20), (255, 255, 255), (200, 30, 30)
_SUFFIXES = {b"\x89": ".png", b"R": ".webp", b"\xff": ".jpg"}


def write_samples(directory: Path, *, seed: int, count: int) -> tuple[Path, ...]:
    """Write the first `count` images of a seed into folders named like their classes, and `contact_sheet.png`.

    The folders are what `--data` reads. Returns the images' paths; files of the same name are replaced.
    """
    samples = render_batch(seed, 0, count)
    paths = tuple(_path(directory, place, sample) for place, sample in enumerate(samples))
    for path, sample in zip(paths, samples, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sample.content)
    directory.mkdir(parents=True, exist_ok=True)
    sheet(samples).save(directory / CONTACT_SHEET)
    return paths


def sheet(samples: list[Rendered]) -> Image.Image:
    """One row per class, as the network sees them but larger; a red frame marks the hard subset."""
    rows = [[sample for sample in samples if sample.label == label][:_COLUMNS] for label in range(len(CLASSES))]
    columns = max(1, *(len(row) for row in rows))
    image = Image.new("RGB", (_TITLE + columns * _CELL, len(rows) * _CELL + 20), _PAPER)
    draw = ImageDraw.Draw(image)
    for down, row in enumerate(rows):
        draw.text((6, down * _CELL + _CELL / 2 - 6), CLASSES[down], fill=_INK)
        for across, sample in enumerate(row):
            _place(image, draw, sample, _TITLE + across * _CELL, down * _CELL)
    draw.text((6, len(rows) * _CELL + 4), f"red frame: {HARD_SUBSET}", fill=_WARNING)
    return image


def _place(image: Image.Image, draw: ImageDraw.ImageDraw, sample: Rendered, left: int, top: int) -> None:
    side = _CELL - 6
    seen = Image.fromarray(decode(sample.content, width=64, height=64)).resize((side, side))
    image.paste(seen, (left + 3, top + 3))
    if sample.hard:
        draw.rectangle((left, top, left + _CELL - 1, top + _CELL - 1), outline=_WARNING, width=3)


def _path(directory: Path, place: int, sample: Rendered) -> Path:
    return directory / CLASSES[sample.label] / f"{place:06d}{_SUFFIXES[sample.content[:1]]}"
