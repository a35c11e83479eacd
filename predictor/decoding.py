"""A query's images as the one array that the net takes, and what is measured of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from predictor.errors import InvalidImage
from predictor.image import decode_file
from predictor.query import Features, Pixels, Query
from registry.domain.card import InputSpec
from registry.domain.features import measure


class Decoded(NamedTuple):
    """images: (n, height, width, 3). files: `features.FILE` of each; empty for one, or for all, that came as pixels."""

    images: Pixels
    files: Sequence[Features] = ()


def decoded(query: Query, spec: InputSpec, *, max_pixels: int) -> Decoded:
    """A query's images; raises InvalidImage naming which one is wrong, or declares too many pixels."""
    images = query.images
    if isinstance(images, np.ndarray):
        return Decoded(images)
    if len(images) == 1:
        pixels, file = _decoded(images[0], 0, spec, max_pixels)
        return Decoded(pixels[None], (file,))
    parts = [_decoded(image, index, spec, max_pixels) for index, image in enumerate(images)]
    return Decoded(np.stack([pixels for pixels, _ in parts]), [file for _, file in parts])


def features(found: Decoded) -> Sequence[Features]:
    """What is measured of each image."""
    rows = measure(found.images)
    return [(*row, *file) for row, file in zip(rows, found.files, strict=True)] if found.files else rows


def _decoded(image: bytes | Pixels, index: int, spec: InputSpec, max_pixels: int) -> tuple[Pixels, Features]:
    if not isinstance(image, bytes):
        return image, ()
    try:
        return decode_file(image, width=spec.width, height=spec.height, max_pixels=max_pixels)
    except InvalidImage as error:
        raise InvalidImage(f"image {index}: {error}") from error
