"""A query's images as the one array that the net takes, and what is measured of them."""

import numpy as np

from predictor.errors import InvalidImage
from predictor.image import decode, file_features
from predictor.query import Features, Pixels, Query
from registry.domain.card import InputSpec
from registry.domain.features import measure


def pixels(query: Query, spec: InputSpec, *, max_pixels: int) -> Pixels:
    """Pixels (n, height, width, 3); raises InvalidImage naming which image is wrong, or declares too many pixels."""
    images = query.images
    if isinstance(images, np.ndarray):
        return images
    if len(images) == 1:
        return _decoded(images[0], 0, spec, max_pixels)[None]
    return np.stack([_decoded(image, index, spec, max_pixels) for index, image in enumerate(images)])


def features(query: Query, images: Pixels) -> list[Features]:
    """What is measured of each of a query's images, given the pixels that they became."""
    rows: list[Features] = [*measure(images)]
    if isinstance(query.images, np.ndarray):
        return rows
    return [
        (*row, *file_features(file)) if isinstance(file, bytes) else row
        for row, file in zip(rows, query.images, strict=True)
    ]


def _decoded(image: bytes | Pixels, index: int, spec: InputSpec, max_pixels: int) -> Pixels:
    if not isinstance(image, bytes):
        return image
    try:
        return decode(image, width=spec.width, height=spec.height, max_pixels=max_pixels)
    except InvalidImage as error:
        raise InvalidImage(f"image {index}: {error}") from error
