"""Strokes: an outline and a style → masks (mode L) of what is painted.

Drawn at twice the size by Pillow's C code and averaged down, which antialiases; large pictures are drawn as they are,
since the network sees them shrunk.
"""

import math

import numpy as np
from PIL import Image, ImageDraw

from training.render.camera import Frame
from training.render.dice import Dice
from training.render.outlines import Points, along

_LARGE = 160  # from this side on, no oversampling
_HAND_POINTS = 48


class Canvas:
    """A mask being drawn; coordinates and widths are in pixels of the picture."""

    def __init__(self, frame: Frame) -> None:
        self._scale = 1 if frame.long >= _LARGE else 2
        self._mask = Image.new("L", (frame.width * self._scale, frame.height * self._scale))
        self._draw = ImageDraw.Draw(self._mask)

    def area(self, points: Points) -> None:
        self._draw.polygon(self._pixels(points), fill=255)

    def line(self, points: Points, width: float) -> None:
        self._draw.line(self._pixels(points), fill=255, width=max(1, round(width * self._scale)))

    def dots(self, points: Points, width: float) -> None:
        radius = width * self._scale / 2
        for x, y in (points * self._scale).tolist():
            self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)

    def mask(self) -> Image.Image:
        return self._mask if self._scale == 1 else self._mask.reduce(self._scale)

    def _pixels(self, points: Points) -> list[float]:
        scaled: list[float] = (points * self._scale).ravel().tolist()
        return scaled


def filled(frame: Frame, points: Points) -> Image.Image:
    """The whole area."""
    canvas = Canvas(frame)
    canvas.area(points)
    return canvas.mask()


def outlined(frame: Frame, points: Points, width: float) -> Image.Image:
    """One closed line with round corners."""
    canvas = Canvas(frame)
    canvas.line(np.concatenate([points, points[:1]]), width)
    if len(points) <= _CORNERS:
        canvas.dots(points, width)
    return canvas.mask()


def dashed(frame: Frame, points: Points, width: float, dice: Dice) -> Image.Image:
    """Dashes, as a draughtsman sets them: every corner is in the middle of one."""
    canvas = Canvas(frame)
    period, duty = max(frame.long * dice.uniform(0.09, 0.14), 2.5 * width), dice.uniform(0.6, 0.72)
    if len(points) > _CORNERS:
        _dashed_curve(canvas, points, width, period, duty)
    else:
        for start, end in zip(points, np.roll(points, -1, axis=0), strict=True):
            _dashed_edge(canvas, start, end, width, period, duty)
        canvas.dots(points, width)
    return canvas.mask()


def by_hand(frame: Frame, points: Points, width: float, dice: Dice) -> Image.Image:
    """A quick sketch: one to three unsteady strokes that overshoot where they meet."""
    canvas = Canvas(frame)
    passes = dice.choice((1, 2, 2, 3))
    for _ in range(passes):
        rounds = np.concatenate([points, points[: 2 + dice.integer(4)]])
        drift = np.array([dice.uniform(-1, 1), dice.uniform(-1, 1)]) * (width * 0.4 * (passes > 1))
        canvas.line(rounds + drift, width if passes == 1 else width * 0.7)
    return canvas.mask()


def unsteady(points: Points, dice: Dice, *, reach: float) -> Points:
    """The outline as a hand draws it: more points, corners kept, each up to `reach` of the radius astray, smoothly."""
    dense = _with_corners(points)
    centre = dense.mean(axis=0)
    spokes = dense - centre
    angle = np.arctan2(spokes[:, 1], spokes[:, 0])
    wave = sum(np.sin(order * angle + dice.uniform(0, 2 * math.pi)) * dice.uniform(0.2, 1) for order in (3, 4, 5, 7))
    return np.asarray(centre + spokes * (1 + reach / 3 * wave)[:, None])


_CORNERS = 12  # an outline of more points is a curve


def _with_corners(points: Points) -> Points:
    if len(points) > _CORNERS:
        return points
    share = np.arange(_HAND_POINTS // len(points)) / (_HAND_POINTS // len(points))
    ends = np.roll(points, -1, axis=0)
    edges = points[:, None, :] + (ends - points)[:, None, :] * share[None, :, None]
    return edges.reshape(-1, 2)


def _dashed_edge(canvas: Canvas, start: Points, end: Points, width: float, period: float, duty: float) -> None:
    count = max(2, round(float(np.hypot(*(end - start))) / period))
    for dash in range(count + 1):
        first, last = max(0.0, (dash - duty / 2) / count), min(1.0, (dash + duty / 2) / count)
        canvas.line(np.stack([start + (end - start) * first, start + (end - start) * last]), width)


def _dashed_curve(canvas: Canvas, points: Points, width: float, period: float, duty: float) -> None:
    steps = np.roll(points, -1, axis=0) - points
    count = max(8, round(float(np.hypot(steps[:, 0], steps[:, 1]).sum()) / period))
    fine = along(points, count * 8)
    length = round(8 * duty)
    for dash in range(count):
        canvas.line(fine[dash * 8 : dash * 8 + length + 1], width)
