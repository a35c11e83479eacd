"""The camera: how an outline lies in the picture, and how much of it something in front leaves to see.

Only points are projected, never pixels: it is exact, and a thousand times cheaper.
"""

import math
from dataclasses import dataclass

import numpy as np

from training.render.dice import Dice
from training.render.outlines import LONG, ROUND, Points, along, aspect

MOST_ROUND = 1.12  # aspect of a circle or square in the picture
LEAST_LONG = 1.4  # aspect of an ellipse or rectangle in the picture
LEAST_VISIBLE = 0.6  # of an outline's length
_SLACK = 0.02  # what an unsteady hand may add
_SAMPLES = 100  # per outline, to measure what is hidden


@dataclass(frozen=True)
class Frame:
    """A picture's size in pixels."""

    width: int
    height: int

    @property
    def short(self) -> int:
        return min(self.width, self.height)

    @property
    def long(self) -> int:
        return max(self.width, self.height)


@dataclass(frozen=True)
class Occlusion:
    """Something in front. corners: the polygon it fills, in pixels. visible: share of the outline left to see."""

    corners: Points
    visible: float


def project(points: Points, name: str, dice: Dice, *, tilt: float) -> Points:
    """Turn the outline, tilt it by up to `tilt` radians and look at it from near by.

    The tilt shrinks until the label stays true: aspect ≤ 1.12 for circle and square, ≥ 1.4 for ellipse and rectangle.
    """
    turned = points @ _rotation(dice.uniform(0, 2 * math.pi))
    axis, distance = _rotation(dice.uniform(0, 2 * math.pi)), dice.uniform(3.5, 7)
    angle = dice.uniform(0, tilt)
    while True:
        seen = _tilted(turned @ axis, angle, distance)
        if _true(name, seen):
            return seen
        angle = angle * 0.7 if angle > 0.01 else 0.0


def place(points: Points, frame: Frame, dice: Dice, *, size: tuple[float, float], margin: float) -> Points:
    """Scale to a share of the short side (at least 36 % of the long one) and put it somewhere wholly inside."""
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    room = np.array([frame.width, frame.height]) - 2 * margin
    wanted = max(dice.uniform(*size) * frame.short, 0.36 * frame.long)
    scale = min(wanted / extent.max(), (room / extent).min())
    free = room - extent * scale
    corner = np.array([dice.uniform(0, 1), dice.uniform(0, 1)]) * free + margin
    return np.asarray((points - low) * scale + corner)


def occlude(points: Points, name: str, frame: Frame, dice: Dice, *, hidden: float) -> Occlusion:
    """Put a sheet's edge or a bar over `hidden` of the outline (at most 40 %), from a random side.

    Neither is one of the classes: both run out of the picture. How much they hide is exact by construction: the
    outline's points are sorted along a direction and the wanted share of them is covered. A class that is told by how
    long it is gets no sheet, which could hide just that.
    """
    hidden = min(hidden, 1 - LEAST_VISIBLE)
    angle = dice.uniform(0, 2 * math.pi)
    across = np.array([math.cos(angle), math.sin(angle)])
    depth = along(points, _SAMPLES) @ across
    ranked = np.sort(depth)
    count = int(hidden * _SAMPLES)
    if name not in LONG | ROUND and dice.chance(0.5):
        near, far = float(ranked[-count - 1]), float(ranked[-1]) + 2.0 * frame.long
    else:
        first = int(dice.uniform(0.1, 0.9) * (_SAMPLES - count - 1))
        near, far = float(ranked[first]), float(ranked[first + count])
    side = np.array([-across[1], across[0]]) * (2 * frame.long)
    middle = points.mean(axis=0) - across * float(points.mean(axis=0) @ across)
    corners = np.stack([middle + across * near + side, middle + across * near - side, middle + across * far - side,
                        middle + across * far + side])  # fmt: skip
    return Occlusion(corners, float(((depth <= near) | (depth >= far)).mean()))


def _tilted(points: Points, angle: float, distance: float) -> Points:
    x, y = points[:, 0], points[:, 1]
    nearness = distance / (distance + y * math.sin(angle))
    return np.stack([x * nearness, y * (math.cos(angle) * nearness)], axis=1)


def _true(name: str, points: Points) -> bool:
    if name in ROUND:
        return aspect(points) <= MOST_ROUND - _SLACK
    return name not in LONG or aspect(points) >= LEAST_LONG + _SLACK


def _rotation(angle: float) -> Points:
    return np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
