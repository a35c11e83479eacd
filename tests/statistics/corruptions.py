"""What each fault of a camera or a client does to the signals that drift is found by.

`python -m tests.statistics.corruptions VERSION_DIRECTORY` renders pictures that no training has seen, spoils their
files, and prints how far every histogram then is from the reference of the version's card: the total-variation
distance, which is the share of images that changed their bucket at least. `--write` keeps the histograms beside this
file, so that detectors can be tried on them without a net.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps, JpegImagePlugin

from predictor.image import decode_file
from registry.domain.card import CARD, Card, Reference, parse_card
from registry.domain.features import NAMES, histogram, measure, reference
from training.evaluate import Report, evaluate
from training.export import litert_probabilities
from training.shapes import render_batch

SEED = 20_261_130
KEPT = Path(__file__).with_name("corruptions.json")

Picture = Image.Image
Change = Callable[[Picture, np.random.Generator], Picture]
Counts = Mapping[str, tuple[int, ...]]
"""Signal → images per bucket."""


def blurred(picture: Picture, _: np.random.Generator) -> Picture:
    """Out of focus by 1.5 pixels of 64."""
    return picture.filter(ImageFilter.GaussianBlur(max(picture.size) * 1.5 / 64))


def noisy(picture: Picture, dice: np.random.Generator) -> Picture:
    """Sensor noise with a standard deviation of 20, the mildest that is usual in tests of robustness."""
    pixels = np.asarray(picture, np.float64)
    return Image.fromarray(np.clip(np.rint(pixels + dice.normal(0, 20, pixels.shape)), 0, 255).astype(np.uint8))


def inverted(picture: Picture, _: np.random.Generator) -> Picture:
    return ImageOps.invert(picture)


def turned(degrees: float) -> Change:
    """Turned, with black corners, or upright again after 90°."""
    return lambda picture, _: picture.rotate(degrees, Image.Resampling.BILINEAR, expand=degrees % 90 == 0)


def lit(factor: float) -> Change:
    return lambda picture, _: picture.point([min(255, round(value * factor)) for value in range(256)] * 3)


def unchanged(picture: Picture, _: np.random.Generator) -> Picture:
    return picture


CHANGES: Mapping[str, Change] = {
    "unchanged": unchanged,
    "blur": blurred,
    "noise": noisy,
    "inversion": inverted,
    "rotation 90°": turned(90),
    "rotation 15°": turned(15),
    "JPEG q10": unchanged,
    "brightness +30 %": lit(1.3),
    "brightness −30 %": lit(0.7),
}
BY_NATURE = ("inversion", "rotation 90°")
"""Shapes are drawn in any direction, dark on light as often as light on dark: as many of these pictures occur anyway,
the net knows them, and nothing has drifted. `settled` pictures have one ground and one direction, as most users' do."""


def spoiled(content: bytes, name: str, dice: np.random.Generator) -> bytes:
    """A file after a change: in its own format and, of a JPEG, at its own quality."""
    with Image.open(BytesIO(content)) as image:
        picture = CHANGES[name](image.convert("RGB"), dice)
        file = BytesIO()
        if name == "JPEG q10":
            picture.save(file, "JPEG", quality=10)
        elif isinstance(image, JpegImagePlugin.JpegImageFile):
            tables = {place: image.quantization[min(place, len(image.quantization) - 1)] for place in (0, 1)}
            picture.save(file, "JPEG", qtables=tables, subsampling=max(0, JpegImagePlugin.get_sampling(image)))
        else:
            picture.save(file, image.format)
        return file.getvalue()


def settled(content: bytes, dice: np.random.Generator) -> bytes:
    """The picture on a light ground, and lying where it is not square."""
    with Image.open(BytesIO(content)) as image:
        if np.asarray(image.convert("L")).mean() < 128:
            content = spoiled(content, "inversion", dice)
        return spoiled(content, "rotation 90°", dice) if image.height > image.width else content


@dataclass(frozen=True)
class Net:
    """A version: its card and its graph."""

    card: Card
    content: bytes

    def report(self, images: NDArray[np.uint8]) -> Report:
        """What it answers for images whose labels are in turn those of the card, as rendered ones are."""
        labels = np.arange(len(images)) % len(self.card.classes)
        answers = litert_probabilities(self.content, images)
        return evaluate(answers, labels, np.zeros(len(images), np.bool_), classes=self.card.classes)


@dataclass(frozen=True)
class Seen:
    """What a change did. accuracy: of a net, that is not known in production; None without one."""

    counts: Counts
    accuracy: float | None = None


def rows(contents: Iterable[bytes]) -> tuple[NDArray[np.uint8], list[tuple[float, ...]]]:
    """Pixels (n, 64, 64, 3) and features of files, as a predictor has them."""
    decoded = [decode_file(content, width=64, height=64) for content in contents]
    images = np.stack([pixels for pixels, _ in decoded])
    return images, [(*row, *file) for row, (_, file) in zip(measure(images), decoded, strict=True)]


def seen(contents: Sequence[bytes], change: str, held_out: Reference, net: Net | None = None) -> Seen:
    """Every signal after a change, in the reference's buckets; of a net's answers with a net alone."""
    dice = np.random.default_rng(SEED)
    images, measured = rows(spoiled(content, change, dice) for content in contents)
    values = dict(zip(NAMES, np.array(measured).T, strict=True))
    edges = {name: held_out.features[name][0] for name in NAMES if name in held_out.features}
    counts = {name: histogram(edges[name], values[name])[1] for name in edges}
    if net is None:
        return Seen(counts)
    report = net.report(images)
    answers = report.reference(measured)
    return Seen({**counts, "confidence": answers.confidence, "classes": answers.classes}, report.accuracy)


def expected(held_out: Reference) -> Counts:
    """The reference's own counts; of features alone where it has no answers."""
    features = {name: counts for name, (_, counts) in held_out.features.items()}
    answers = {"confidence": held_out.confidence, "classes": held_out.classes}
    return {**features, **answers} if all(answers.values()) else features


def distance(one: Sequence[int], other: Sequence[int]) -> float:
    """Total variation of two histograms, 0 to 1."""
    shares = np.array(one) / sum(one) - np.array(other) / sum(other)
    return float(np.abs(shares).sum() / 2)


def distances(before: Counts, after: Counts) -> Mapping[str, float]:
    return {signal: distance(before[signal], after[signal]) for signal in after}


def pictures(seed: int, count: int) -> list[bytes]:
    return [image.content for image in render_batch(seed, 0, count)]


def of_pictures(contents: Sequence[bytes]) -> Reference:
    """A reference of features alone."""
    return Reference((), (), reference(rows(contents)[1]))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.statistics.corruptions", description=__doc__)
    parser.add_argument("version", type=Path, help="Directory of a version, such as .geometry/store/models/shapes/1.")
    parser.add_argument("--images", type=int, default=2000, help="Pictures of each kind.")
    parser.add_argument("--write", action="store_true", help=f"Keep the histograms in {KEPT.name}.")
    given = parser.parse_args(arguments)
    card = parse_card((given.version / CARD).read_bytes())
    if tuple(sorted(card.reference.features)) != tuple(sorted(NAMES)):
        print(f"{given.version}: its card lacks features, wanted a version that this release trained", file=sys.stderr)
        return 1
    net = Net(card, (given.version / card.file("fp32")).read_bytes())
    files = pictures(SEED, given.images)
    found = {change: seen(files, change, card.reference, net) for change in CHANGES}
    print(table(f"{card.model} {card.version}: {sum(card.reference.classes)} held-out images", card.reference, found))
    lying = [settled(content, np.random.default_rng(SEED)) for content in files]
    known, live = of_pictures(lying[::2]), lying[1::2]
    changed = {change: seen(live, change, known) for change in ("unchanged", *BY_NATURE)}
    print(table("The same pictures, all on light ground and lying", known, changed))
    if given.write:
        kept = {"shapes": _kept(card.reference, found), "settled": _kept(known, changed)}
        KEPT.write_text(json.dumps(kept, ensure_ascii=False) + "\n")
    return 0


def table(title: str, held_out: Reference, found: Mapping[str, Seen]) -> str:
    """A row a change, a column a signal; the largest distance of a row is marked."""
    one = next(iter(found.values()))
    columns = [*one.counts, *(() if one.accuracy is None else ("accuracy",))]
    lines = [title, " " * 18 + "".join(f"{column:>14}" for column in columns)]
    for change, one in found.items():
        away = distances(expected(held_out), one.counts)
        cells = [f"{value:.2f}{'*' if value == max(away.values()) else ' '}" for value in away.values()]
        cells += [] if one.accuracy is None else [f"{one.accuracy:.3f} "]
        lines.append(f"{change:18}" + "".join(f"{cell:>14}" for cell in cells))
    return "\n".join(lines) + "\n"


def _kept(held_out: Reference, found: Mapping[str, Seen]) -> Mapping[str, object]:
    return {
        "edges": {name: edges for name, (edges, _) in held_out.features.items()},
        "reference": expected(held_out),
        "changes": {change: one.counts for change, one in found.items()},
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
