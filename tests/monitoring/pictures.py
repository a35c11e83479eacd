"""Rendered images as traffic, what the tiny net says of them as a card's reference, and the same out of focus."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from PIL import Image, ImageFilter

from predictor.classifier import Classifier
from predictor.image import decode_file
from predictor.query import Predictions
from registry.domain.card import CONFIDENCE_BINS, InputSpec, Reference
from registry.domain.features import measure, reference
from tests.fixtures.versions import CLASSES, NET
from training.shapes import render_many
from training.traffic import Shot, _request

SEED, COUNT = 7, 400
SIDE = 64


def rendered() -> list[bytes]:
    return [image.content for image in render_many(SEED, COUNT)]


def blurred(content: bytes) -> bytes:
    """The same picture as a lens out of focus gives it."""
    made = BytesIO()
    Image.open(BytesIO(content)).convert("RGB").filter(ImageFilter.GaussianBlur(4)).save(made, "PNG")
    return made.getvalue()


def traffic(url: str, model: str, images: Sequence[bytes]) -> tuple[Shot, ...]:
    return tuple(Shot(_request(url, model, image), "") for image in images)


def seen(images: Sequence[bytes]) -> Reference:
    """What a predictor counts when it is asked these images once."""
    decoded = [decode_file(image, width=SIDE, height=SIDE, max_pixels=10**6) for image in images]
    pixels = np.stack([found for found, _ in decoded])
    net = Classifier(NET.read_bytes(), input=InputSpec(SIDE, SIDE), classes=len(CLASSES), interpreters=1)
    found = Predictions.of(net.classify(pixels))
    bins = np.minimum((np.asarray(found.confidence) * CONFIDENCE_BINS).astype(int), CONFIDENCE_BINS - 1)
    rows = [(*row, *file) for row, (_, file) in zip(measure(pixels), decoded, strict=True)]
    return Reference(
        classes=tuple(np.bincount(np.asarray(found.winners), minlength=len(CLASSES)).tolist()),
        confidence=tuple(np.bincount(bins, minlength=CONFIDENCE_BINS).tolist()),
        features=dict(reference(rows)),
    )
