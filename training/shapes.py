"""Images of shapes, rendered from a seed: the data set that needs no download, and whose labels are certain.

Each image is a scene of its own (colours, surfaces, strokes, light, camera, file format), fixed by seed and index
alone: the same on every run and in any number of processes. The modules of `training.render` do the work.
"""

import math
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from PIL import Image

from training.render import lens, strokes, surfaces
from training.render.camera import Frame, occlude, place, project
from training.render.dice import Dice
from training.render.outlines import Points, aspect, outline

CLASSES = ("circle", "ellipse", "hexagon", "pentagon", "rectangle", "square", "star", "triangle")
HARD_SUBSET = "hard"  # the named part of hard images, about one in ten

_HARD_SHARE = 0.1
_TROUBLES = ("faint", "covered", "tilted")
_SIDES = ((64, 0.42), (48, 0.05), (80, 0.15), (96, 0.18), (128, 0.13), (192, 0.04), (320, 0.03))
_RATIOS = ((1.0, 0.8), (4 / 3, 0.15), (3 / 2, 0.05))
_STYLES = (("filled", 0.4), ("bordered", 0.14), ("outlined", 0.22), ("dashed", 0.08), ("by hand", 0.16))
_CHUNK = 250  # images a process renders at a time


@dataclass(frozen=True)
class Rendered:
    """content: bytes of an image file. label: index into CLASSES. hard: whether it is of the hard subset.

    aspect: of the outline in the picture (`outlines.aspect`). visible: share of the outline that nothing covers.
    """

    content: bytes
    label: int
    hard: bool
    aspect: float
    visible: float


def render(seed: int, index: int) -> Rendered:
    """One image; the same bytes for the same seed and index. Every eight consecutive images have all eight classes."""
    dice = Dice(seed=seed, index=index)
    label = index % len(CLASSES)
    trouble = dice.choice(_TROUBLES) if dice.chance(_HARD_SHARE) else None
    frame, style = _frame(dice), dice.weighted(_STYLES)
    width = frame.long * dice.uniform(0.028, 0.06)
    points = _outline(CLASSES[label], frame, style, dice, width=width, tilted=trouble == "tilted")
    image = _scene(points, frame, style, dice, width=width, faint=trouble == "faint")
    visible = _cover(image, points, CLASSES[label], frame, dice, heavily=trouble == "covered")
    image = _photograph(image, frame, dice, faint=trouble == "faint")
    content = lens.encode(image, dice, quality=(45, 95), grey=dice.chance(0.08))
    return Rendered(content, label, trouble is not None, aspect(points), visible)


def render_batch(seed: int, start: int, count: int) -> list[Rendered]:
    """The images start … start + count − 1."""
    return [render(seed, index) for index in range(start, start + count)]


def render_many(seed: int, count: int, *, processes: int | None = None) -> list[Rendered]:
    """The first `count` images, rendered in `processes` (default: one per core); their number changes nothing."""
    processes = processes or os.cpu_count() or 1
    if processes == 1 or count <= _CHUNK:
        return render_batch(seed, 0, count)
    starts = range(0, count, _CHUNK)
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        batches = pool.map(render_batch, [seed] * len(starts), starts, [min(_CHUNK, count - s) for s in starts])
        return [rendered for batch in batches for rendered in batch]


def _frame(dice: Dice) -> Frame:
    long = dice.weighted(_SIDES)
    short = round(long / dice.weighted(_RATIOS))
    return Frame(long, short) if dice.chance(0.5) else Frame(short, long)


def _outline(name: str, frame: Frame, style: str, dice: Dice, *, width: float, tilted: bool) -> Points:
    """Where the outline runs in the picture, in pixels."""
    steepest = math.radians(40 if tilted else 20)
    seen = project(outline(name, dice), name, dice, tilt=steepest)
    if style == "by hand":
        seen = strokes.unsteady(seen, dice, reach=dice.uniform(0.01, 0.03))
    size = (0.4, 0.55) if tilted else (0.5, 0.92)
    return place(seen, frame, dice, size=size, margin=width / 2 + 0.02 * frame.short)


def _scene(points: Points, frame: Frame, style: str, dice: Dice, *, width: float, faint: bool) -> Image.Image:
    """The shape on its ground."""
    tones = surfaces.tones(dice, contrast=(28, 45) if faint else (65, 190))
    image = surfaces.surface(frame, surfaces.colour(tones.ground, dice), tones.spread, dice)
    ink = surfaces.colour(tones.ink, dice)
    if style in ("filled", "bordered"):
        _paint_area(image, points, frame, dice, ink=ink, spread=tones.spread)
    if style == "bordered":
        border = surfaces.colour(dice.uniform(surfaces.DARKEST, surfaces.LIGHTEST), dice)
        image.paste(border, None, strokes.outlined(frame, points, width))
    elif style == "outlined":
        image.paste(ink, None, strokes.outlined(frame, points, width))
    elif style == "dashed":
        image.paste(ink, None, strokes.dashed(frame, points, width, dice))
    elif style == "by hand":
        image.paste(ink, None, strokes.by_hand(frame, points, width, dice))
    return image


def _paint_area(
    image: Image.Image, points: Points, frame: Frame, dice: Dice, *, ink: surfaces.Colour, spread: float
) -> None:
    mask = strokes.filled(frame, points)
    if dice.chance(0.3):
        lens.cast_shadow(image, mask, frame, dice)
    if dice.chance(0.6):
        image.paste(ink, None, mask)
    else:
        image.paste(surfaces.surface(frame, ink, spread, dice), None, mask)


def _cover(image: Image.Image, points: Points, name: str, frame: Frame, dice: Dice, *, heavily: bool) -> float:
    """Put something in front, sometimes; returns the share of the outline left to see."""
    if not heavily and not dice.chance(0.12):
        return 1.0
    hidden = dice.uniform(0.2, 0.36) if heavily else dice.uniform(0.05, 0.18)
    occlusion = occlude(points, name, frame, dice, hidden=hidden)
    paint = surfaces.colour(dice.uniform(surfaces.DARKEST, surfaces.LIGHTEST), dice)
    image.paste(paint, None, strokes.filled(frame, occlusion.corners))
    return occlusion.visible


def _photograph(image: Image.Image, frame: Frame, dice: Dice, *, faint: bool) -> Image.Image:
    if dice.chance(0.35):
        lens.light(image, frame, dice)
    if faint or dice.chance(0.25):
        image = lens.blur(image, frame, share=dice.uniform(0.006, 0.016))
    if faint or dice.chance(0.35):
        image = lens.noise(image, frame, dice, strength=dice.integer(2 if faint else 4))
    return image
