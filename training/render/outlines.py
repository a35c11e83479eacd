"""Outlines: closed polygons of the eight classes in a plane of their own, and what can be measured on them.

An outline is a float array of shape (n, 2), its last point joined to its first. Curves are polygons of many corners.
"""

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from training.render.dice import Dice

Points = NDArray[np.float64]

CURVED = frozenset({"circle", "ellipse"})
ROUND = frozenset({"circle", "square"})  # as wide as high, whatever the camera does
LONG = frozenset({"ellipse", "rectangle"})
_CURVE_POINTS = 64
_POINTED = {"pentagon": 5, "hexagon": 6}


def outline(name: str, dice: Dice) -> Points:
    """A flat, centred outline of radius 1, as the class is drawn in a book."""
    if name in CURVED:
        return _stretched(_circle(), name, dice)
    if name in ("square", "rectangle"):
        return _stretched(_SQUARE, name, dice)
    if name == "triangle":
        return _triangle(dice)
    if name == "star":
        return _star(dice)
    return _regular(_POINTED[name])


def aspect(points: Points) -> float:
    """How much longer than wide: the ratio of the principal axes of the outlined area, ≥ 1.

    From the area's second moments, so it is 1 for a circle and every regular polygon, and for any affine picture of
    those the ratio of the map's singular values: a for a rectangle of sides 1 and a.
    """
    x, y = (np.concatenate([points, points[:1]]) - points[0]).T
    x, u, y, v = x[:-1], x[1:], y[:-1], y[1:]
    cross = x * v - u * y
    area = float(cross.sum()) / 2
    cx, cy = float((x + u) @ cross) / (6 * area), float((y + v) @ cross) / (6 * area)
    xx = float((x * x + x * u + u * u) @ cross) / (12 * area) - cx * cx
    yy = float((y * y + y * v + v * v) @ cross) / (12 * area) - cy * cy
    xy = float((x * v + 2 * x * y + 2 * u * v + u * y) @ cross) / (24 * area) - cx * cy
    middle, half = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    return math.sqrt((middle + half) / (middle - half))


def along(points: Points, count: int) -> Points:
    """`count` points at equal distances along the outline, starting at its first point."""
    closed = np.concatenate([points, points[:1]])
    steps = np.diff(closed, axis=0)
    travelled = np.concatenate([[0.0], np.cumsum(np.hypot(steps[:, 0], steps[:, 1]))])
    at = np.arange(count) * (travelled[-1] / count)
    return np.stack([np.interp(at, travelled, closed[:, 0]), np.interp(at, travelled, closed[:, 1])], axis=1)


@cache
def _circle() -> Points:
    return _regular(_CURVE_POINTS)


@cache
def _regular(corners: int) -> Points:
    angles = np.arange(corners) * (2 * math.pi / corners)
    points: Points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points.flags.writeable = False
    return points


_SQUARE: Points = np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]]) / math.sqrt(2)


def _stretched(points: Points, name: str, dice: Dice) -> Points:
    length = dice.uniform(1.55, 2.3) if name in LONG else dice.uniform(1.0, 1.03)
    return np.asarray(points * (1.0, 1 / length))


def _triangle(dice: Dice) -> Points:
    """Any triangle whose angles are all ≥ 37°: an inscribed angle is half of the arc it looks at."""
    least = math.radians(75)
    rest = 2 * math.pi - 3 * least
    first, second = sorted((dice.uniform(0, rest), dice.uniform(0, rest)))
    angles = np.array([0.0, least + first, 2 * least + second])
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _star(dice: Dice) -> Points:
    rays = dice.weighted(((5, 0.8), (6, 0.2)))
    inner = dice.uniform(0.36, 0.5)
    points = _regular(2 * rays).copy()
    points[1::2] *= inner
    return points
