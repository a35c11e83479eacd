"""The lens and the file: light over the scene, blur, sensor noise, and the bytes of an image file."""

import math
from functools import cache
from io import BytesIO

import numpy as np
import simplejpeg
from PIL import Image, ImageChops, ImageFilter

from training.render.camera import Frame
from training.render.dice import Dice
from training.render.surfaces import gradient, grain

_FORMATS = (("JPEG", 0.9), ("PNG", 0.07), ("WEBP", 0.03))


def light(image: Image.Image, frame: Frame, dice: Dice) -> None:
    """Let one side lie in the shade: up to 35 % darker."""
    shade = gradient(frame, dice).point(_shares(round(dice.uniform(10, 35))))
    image.paste((0, 0, 0), None, shade)


def cast_shadow(image: Image.Image, mask: Image.Image, frame: Frame, dice: Dice) -> None:
    """A soft shadow of what `mask` covers, a little beside it."""
    angle, reach = dice.uniform(0, 2 * math.pi), frame.long * dice.uniform(0.015, 0.04)
    soft = mask.filter(ImageFilter.BoxBlur(max(1.0, reach / 2)))
    shadow = ImageChops.offset(soft, round(reach * math.cos(angle)), round(reach * math.sin(angle)))
    image.paste((0, 0, 0), None, shadow.point(_shares(round(dice.uniform(20, 45)))))


def blur(image: Image.Image, frame: Frame, *, share: float) -> Image.Image:
    """Out of focus by `share` of the picture's side."""
    return image.filter(ImageFilter.BoxBlur(share * frame.long))


def noise(image: Image.Image, frame: Frame, dice: Dice, *, strength: int) -> Image.Image:
    """Sensor noise of strength 0–3."""
    return ImageChops.add(image, grain(frame, dice, strength=strength), 1, -128)


def encode(image: Image.Image, dice: Dice, *, quality: tuple[int, int], grey: bool) -> bytes:
    """The bytes of an image file: mostly JPEG, some PNG and WEBP. quality: 0–100, for JPEG and WEBP."""
    name = dice.weighted(_FORMATS)
    level = round(dice.uniform(*quality))
    if grey:
        image = image.convert("L")
    if name == "JPEG":
        return _jpeg(image, level, "444" if dice.chance(0.3) else "420")
    buffer = BytesIO()
    if name == "PNG":
        image.save(buffer, "PNG", compress_level=1)
    else:
        image.save(buffer, "WEBP", quality=level, method=0)
    return buffer.getvalue()


@cache
def _shares(percent: int) -> list[int]:
    """A table that takes a percentage of each level of a mask."""
    return [round(level * percent / 100) for level in range(256)]


def _jpeg(image: Image.Image, quality: int, subsampling: str) -> bytes:
    pixels = np.asarray(image)
    if image.mode == "L":
        return bytes(simplejpeg.encode_jpeg(pixels[:, :, None], quality, "GRAY", "Gray"))
    return bytes(simplejpeg.encode_jpeg(pixels, quality, "RGB", subsampling))
