"""What every protocol's request and answer come down to: the values that codecs, engine and metrics share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from predictor.served import Served
from registry.domain.card import InputSpec

Pixels = NDArray[np.generic]
Probabilities = NDArray[np.float32]

# An image file, or pixels (height, width, 3) with values 0–255.
Image = bytes | Pixels

OUTPUTS = ("class", "confidence", "probabilities")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one image is, and how much a request may bring.

    images: files or pixel arrays. pixels: sum of what its image files declare, in pixels. depth: nesting of JSON.
    """

    input: InputSpec
    images: int
    pixels: int = 16_000_000
    depth: int = 32


class Query(NamedTuple):
    """What a client asks, whatever the protocol.

    images: files, or pixels (n, height, width, 3). outputs: names of the v2 tensors it wants back. binary: those of
    them that are to come as raw bytes.
    """

    images: Sequence[Image] | Pixels
    id: str = ""
    outputs: tuple[str, ...] = OUTPUTS
    binary: frozenset[str] = frozenset()


Features = tuple[float, ...]
"""`features.NAMES` of one image, or `features.PIXELS` alone when it came as no file."""


class Predictions(NamedTuple):
    """Per image: place of the winning class, its probability, and the probabilities, as rows and as (n, classes).

    features: what was measured of each image; none where nobody measures.
    """

    winners: list[int]
    confidence: list[float]
    rows: list[list[float]]
    probabilities: Probabilities
    features: Sequence[Features] = ()

    @classmethod
    def of(cls, probabilities: Probabilities, features: Sequence[Features] = ()) -> "Predictions":
        """Name the winners of probabilities (n, classes)."""
        rows = probabilities.tolist()  # for so few numbers Python's own max is faster than an array's
        confidence = [max(row) for row in rows]
        winners = [row.index(most) for row, most in zip(rows, confidence, strict=True)]
        return cls(winners, confidence, rows, probabilities, features)


class Body(NamedTuple):
    """An answer's body. json_length: of a v2 answer with raw tensors, the length of its JSON part in bytes."""

    content: bytes
    content_type: bytes = b"application/json"
    json_length: int | None = None


class Form(Protocol):
    """One way to ask over REST."""

    def read(self, body: bytes, headers: Mapping[bytes, bytes], limits: Limits) -> Query:
        """The question; raises PredictorError. headers: lower-case names."""

    def write(self, query: Query, predictions: Predictions, served: Served) -> Body:
        """The answer."""
