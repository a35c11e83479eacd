"""What is measured of every input, so that drift of what a model is asked about can be seen: five numbers an image.

Training measures the held-out images with it and predictors all that they are sent: what is compared was measured by
one piece of code. Three are of the pixels as the net gets them, so that a tensor has them as well; aspect and size are
of files alone. Pixels are looked at on a fixed grid: an image of 224 × 224 costs no more than one of 64 × 64.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import sqrt
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.domain.card import Edges, Histogram

PIXELS = ("brightness", "contrast", "edge_density")
FILE = ("aspect", "size_bytes")
NAMES = (*PIXELS, *FILE)
"""In the order of an image's row: rows of tensors end before those of a file."""

_LIMITS: Mapping[str, tuple[float, float]] = {
    "brightness": (0.0, 255.0),
    "contrast": (0.0, 127.5),
    "edge_density": (0.0, 2.0),
    "aspect": (0.0, 1e5),
    "size_bytes": (0.0, 1e9),
}
_INNER: Mapping[str, Edges] = {
    "brightness": (20.0, 40.0, 60.0, 80.0, 100.0, 120.0, 140.0, 160.0, 180.0, 200.0, 220.0),
    "contrast": (5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 85.0, 100.0),
    "edge_density": (0.3, 0.5, 0.7, 0.85, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.65),
    # Between the usual formats: 9:16, 2:3, 3:4, 4:5, square, 5:4, 4:3, 3:2, 16:9, 2:1.
    "aspect": (0.45, 0.6, 0.7, 0.78, 0.95, 1.05, 1.28, 1.4, 1.6, 1.9, 2.4),
    "size_bytes": (1e3, 2e3, 4e3, 8e3, 16e3, 32e3, 64e3, 128e3, 256e3, 512e3, 1024e3),
}
DEFAULT_EDGES: Mapping[str, Edges] = MappingProxyType(
    {name: (_LIMITS[name][0], *_INNER[name], _LIMITS[name][1]) for name in NAMES}
)
"""Where a card has no reference of a feature."""

# A bucket on either side for what hardly occurred, so that a move beyond all that was held out shows at its full size.
_SHARES = (0.005, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.995)  # one bucket more: card.FEATURE_BUCKETS
_FEWEST = 6
"""Different quantiles below which the values are a few discrete ones; the default edges tell those apart better."""

_ROWS, _COLUMNS = 8, 64
"""Of the path through an image, at least; fewer where the image has fewer pixels, and never twice as many."""
_ONES = np.ones(4 * _ROWS * _COLUMNS)


def measure(images: NDArray[Any]) -> list[tuple[float, float, float]]:
    """PIXELS of images (n, height, width, 3) with values 0–255, each from the green values along a path through it.

    brightness: mean. contrast: standard deviation. edge_density: root mean square of the second differences ÷ that of
    the first ones, whatever the contrast: √2 for sharp edges, √(2/w) for edges that take w pixels to rise, √3 for white
    noise; 0 without any edge. Sums are of whole numbers: neither the machine nor an image's neighbours in the request
    change a digit.
    """
    _, height, width, channels = images.shape
    places = _path(height, width, channels)
    paths = [image.take(places) for image in images]
    whole = paths if images.dtype == np.uint8 else map(np.rint, paths)
    return [_features(path.astype(np.float64)) for path in whole]


def _features(path: NDArray[np.float64]) -> tuple[float, float, float]:
    """Of every pixel between two neighbours on the path.

    All sums of products come of those of pixels none, one and two steps apart, less the ends: one call into numpy
    brings them, and a predictor whose net has just swept the processor's caches pays for each call.
    """
    count = len(path) - 2
    here, near, far = np.correlate(path, path[:-2]).tolist()  # Σ p[i]·p[i], p[i]·p[i+1], p[i]·p[i+2], i < count
    total = float(path.dot(_ONES[: count + 2]))
    (first, second), (last_but_one, last) = path[:2].tolist(), path[-2:].tolist()
    middle = here - first * first + last_but_one * last_but_one  # Σ p[i+1]²
    beyond = middle - second * second + last * last  # Σ p[i+2]²
    neighbours = 2 * near - first * second + last_but_one * last  # Σ p[i]·p[i+1] + p[i+1]·p[i+2]
    mean = (total - first - last) / count
    slopes = here + 2 * middle + beyond - 2 * neighbours  # Σ (p[i+1]−p[i])² + (p[i+2]−p[i+1])²
    bends = here + 4 * middle + beyond - 4 * neighbours + 2 * far  # Σ (p[i] − 2·p[i+1] + p[i+2])²
    variance = max(0.0, middle / count - mean * mean)
    return mean, sqrt(variance), sqrt(2 * bends / slopes) if slopes else 0.0


@lru_cache(maxsize=4)
def _path(height: int, width: int, channels: int) -> NDArray[np.intp]:
    """Places in a flat image, at least three: along rows to and fro, so that all neighbours are the picture's."""
    row, down, across = max(1, height // _ROWS), max(1, height // _COLUMNS), max(1, width // _COLUMNS)
    columns = range(0, width, across)
    rows = range(row // 2, height, row)
    path: list[int] = []
    for place, y in enumerate(rows):
        there = columns if place % 2 == 0 else columns[::-1]
        path += [y * width + x for x in there]
        if place + 1 < len(rows):
            path += [between * width + there[-1] for between in range(y + down, rows[place + 1], down)]
    path += path[-1:] * (3 - len(path))
    return np.array(path) * channels + 1


def measure_file(width: int, height: int, size: int) -> tuple[float, float]:
    """FILE of an image file. width, height: as its header declares them; size: its bytes."""
    return width / height, float(size)


def edges_of(name: str, values: NDArray[np.float64]) -> Edges:
    """Edges that show a move of these values in either direction: quantiles, or the default ones where few differ."""
    inner = sorted({float(f"{quantile:.4g}") for quantile in np.quantile(values, _SHARES)})
    low, high = _LIMITS[name]
    inner = [edge for edge in inner if low < edge < high]
    return (low, *inner, high) if len(inner) >= _FEWEST else DEFAULT_EDGES[name]


def histogram(edges: Edges, values: NDArray[np.float64]) -> Histogram:
    """Values counted per bucket."""
    places = np.searchsorted(upper_edges(edges), values, side="left")
    return edges, tuple(np.bincount(places, minlength=len(edges) - 1).tolist())


def reference(rows: Sequence[Sequence[float]]) -> Mapping[str, Histogram]:
    """For a card: histograms of held-out images' rows, FILE among them only where every image was a file."""
    measured = np.array([row[: min(map(len, rows))] for row in rows], np.float64)
    found = {}
    for name, values in zip(NAMES, measured.T, strict=False):
        found[name] = histogram(edges_of(name, values), values)
    return found


def upper_edges(edges: Edges) -> Edges:
    """Of every bucket but the last, which has none: the `le` of a histogram in Prometheus, `+Inf` left out."""
    return edges[1:-1]


def every_edges(features: Mapping[str, Histogram]) -> Mapping[str, Edges]:
    """Of each feature the edges that a card's reference has, or the default ones."""
    return {name: features[name][0] if name in features else DEFAULT_EDGES[name] for name in NAMES}
