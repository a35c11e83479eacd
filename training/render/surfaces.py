"""Surfaces: paper, walls, gradients and noise for the ground and for what is painted on it.

Fields and textures are made once per process from a fixed seed; an image takes a random piece of one. Colours are
chosen by their luma, so that a shape that differs is visible on every screen and to every eye.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

from training.render.camera import Frame
from training.render.dice import Dice

Colour = tuple[int, int, int]

_BANK_SEED = 20_150_711
_SIDE = 512  # of a texture; images are smaller, so that pieces differ
_FIELD = 32  # side of a gradient before it is stretched
_LUMA = np.array([0.299, 0.587, 0.114])
_SURFACES = (("plain", 0.4), ("gradient", 0.3), ("textured", 0.3))
DARKEST, LIGHTEST = 22.0, 236.0


@dataclass(frozen=True)
class Tones:
    """Lumas (0–255) of ground and ink, and how far either may stray from its own."""

    ground: float
    ink: float
    spread: float


def tones(dice: Dice, *, contrast: tuple[float, float]) -> Tones:
    """Two lumas at least `contrast[0]` apart even where both stray towards each other."""
    apart = dice.uniform(*contrast)
    ground = dice.uniform(DARKEST, LIGHTEST - apart)
    spread = apart * dice.uniform(0.05, 0.16)
    if dice.chance(0.5):
        return Tones(ground, ground + apart, spread)
    return Tones(ground + apart, ground, spread)


def colour(luma: float, dice: Dice) -> Colour:
    """A random colour of that luma, from grey to vivid."""
    red, green, blue = dice.uniform(-1, 1), dice.uniform(-1, 1), dice.uniform(-1, 1)
    grey = 0.299 * red + 0.587 * green + 0.114 * blue
    offsets = (red - grey, green - grey, blue - grey)
    reach = max(abs(offset) for offset in offsets) + 1e-9
    strength = dice.uniform(0, 1) * min(luma, 255 - luma) / reach
    return _rgb(luma, offsets, strength)


def shifted(base: Colour, by: float) -> Colour:
    """The same colour, lighter or darker."""
    return _rgb(by, base, 1.0)


def surface(frame: Frame, base: Colour, spread: float, dice: Dice) -> Image.Image:
    """A piece of plain, shaded or textured surface; its luma stays within ± `spread` of the colour's."""
    kind = dice.weighted(_SURFACES)
    if kind == "plain":
        return Image.new("RGB", (frame.width, frame.height), base)
    image = Image.new("RGB", (frame.width, frame.height), shifted(base, -spread))
    mask = gradient(frame, dice) if kind == "gradient" else _piece(dice.choice(_textures()), frame, dice)
    image.paste(shifted(base, spread), None, mask)
    return image


def gradient(frame: Frame, dice: Dice) -> Image.Image:
    """A smooth field (mode L, 0–255 over the picture): light that falls from one side or on one spot."""
    return dice.choice(_fields()).resize((frame.width, frame.height), Image.Resampling.BILINEAR)


def grain(frame: Frame, dice: Dice, *, strength: int) -> Image.Image:
    """Sensor noise (RGB around 128); strength 0–3 is a standard deviation of 4, 7, 11 or 16."""
    return _piece(_grains()[strength], frame, dice)


def _piece(texture: Image.Image, frame: Frame, dice: Dice) -> Image.Image:
    left, top = dice.integer(_SIDE - frame.width), dice.integer(_SIDE - frame.height)
    return texture.crop((left, top, left + frame.width, top + frame.height))


def _rgb(luma: float, offsets: tuple[float, ...], strength: float) -> Colour:
    red, green, blue = (min(255, max(0, round(luma + strength * offset))) for offset in offsets)
    return red, green, blue


@cache
def _fields() -> tuple[Image.Image, ...]:
    grid = (np.arange(_FIELD) + 0.5) / _FIELD - 0.5
    x, y = np.meshgrid(grid, grid)
    linear = [np.cos(a) * x + np.sin(a) * y for a in np.arange(12) * (np.pi / 6)]
    spots = [-np.hypot(x - a, y - b) for a in (-0.4, 0.0, 0.4) for b in (-0.4, 0.0, 0.4)]
    return tuple(_grey(field) for field in linear + spots)


@cache
def _textures() -> tuple[Image.Image, ...]:
    generator = np.random.Generator(np.random.PCG64(_BANK_SEED))
    ramp = np.arange(_SIDE)
    clouds, blotches = _clouds(generator, (4, 8, 16, 32, 64)), _clouds(generator, (16, 24, 48))
    wood = _stretched(generator, (6, 96)) + 0.4 * _stretched(generator, (24, 256))
    paper = _clouds(generator, (128, 256)) + 0.6 * generator.standard_normal((_SIDE, _SIDE))
    noise = generator.standard_normal((_SIDE, _SIDE))
    squared = ((ramp[:, None] % 16 < 2) | (ramp[None, :] % 16 < 2)).astype(float)
    lined = np.broadcast_to((ramp[:, None] % 12 < 2).astype(float), (_SIDE, _SIDE))
    weave = np.sin(ramp[:, None] * 0.9) * np.sin(ramp[None, :] * 0.9)
    bases = (clouds, blotches, wood, wood.T, paper, noise, squared, lined, weave)
    return tuple(_grey(base) for base in bases)


@cache
def _grains() -> tuple[Image.Image, ...]:
    generator = np.random.Generator(np.random.PCG64(_BANK_SEED + 1))
    noise = generator.standard_normal((_SIDE, _SIDE, 3))
    noise = 0.7 * noise + 0.7 * noise[..., :1]
    return tuple(
        Image.fromarray(np.clip(noise * deviation + 128, 0, 255).astype(np.uint8)) for deviation in (4, 7, 11, 16)
    )


def _clouds(generator: np.random.Generator, cells: tuple[int, ...]) -> np.ndarray:
    layers = [_stretched(generator, (count, count)) / (1 + level) for level, count in enumerate(cells)]
    return np.asarray(sum(layers))


def _stretched(generator: np.random.Generator, cells: tuple[int, int]) -> np.ndarray:
    coarse = Image.fromarray(generator.standard_normal(cells).astype(np.float32))
    return np.asarray(coarse.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC), np.float64)


def _grey(field: np.ndarray) -> Image.Image:
    low, high = np.percentile(field, (1, 99))
    return Image.fromarray((np.clip((field - low) / max(high - low, 1e-9), 0, 1) * 255).astype(np.uint8))
