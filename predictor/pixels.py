"""Pixels that come as numbers: lists in JSON and raw tensors, checked to be what the net takes.

simdjson turns nested lists into one flat buffer, whatever their nesting. That they nest as they should is told by
the text's brackets and commas alone, once it is known that nothing but numbers is between them.
"""

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.errors import BadRequest
from predictor.jsontext import Array, shown
from predictor.query import Limits, Pixels

_NO_NESTING = bytes(set(range(256)) - set(b"[],"))


def image_size(limits: Limits) -> tuple[int, int, int]:
    """Height, width and channels of one image."""
    return limits.input.height, limits.input.width, limits.input.channels


def skeleton(size: tuple[int, ...]) -> bytes:
    """Brackets and commas of lists of numbers nested as in `size`."""
    first, *inner = size
    return b"[" + b",".join([_skeleton(tuple(inner))] * first) + b"]"


def numbers(data: Array, where: str, size: tuple[int, ...]) -> NDArray[np.float64]:
    """The numbers in a list, however nested; raises BadRequest unless there are as many as `size` has."""
    try:
        found = np.frombuffer(data.as_buffer(of_type="d"))
    except (TypeError, ValueError):
        raise BadRequest(f"{where}: found no even nesting of numbers, wanted numbers in shape {list(size)}") from None
    if len(found) != prod(size):
        raise BadRequest(f"{where}: found {len(found)} numbers, wanted {prod(size)} in shape {list(size)}")
    return found


def nested(data: Array, where: str, size: tuple[int, ...], *, whole: bool = False) -> Pixels:
    """Pixels in lists nested as in `size`, `whole` ones as `pixels` has them; raises BadRequest."""
    found = numbers(data, where, size)
    check_nesting(_text(data).translate(None, _NO_NESTING) == skeleton(size), where, size)
    return pixels(found, where, size, whole=whole)


def is_flat(data: Array) -> bool:
    """Whether a list has no list in it; for one that `numbers` takes."""
    return _text(data).count(b"[") == 1


def check_nesting(even: bool, where: str, size: tuple[int, ...]) -> None:
    """Raise BadRequest for lists that hold enough numbers but not as `size` says."""
    if not even:
        raise BadRequest(f"{where}: found no even nesting of numbers, wanted numbers in shape {list(size)}")


def pixels(values: NDArray[Any], where: str, size: tuple[int, ...], *, whole: bool = False) -> Pixels:
    """Values in shape `size`: float32, or uint8 for `whole` ones; raises BadRequest unless they are 0 to 255."""
    if values.dtype == np.uint8:
        return values.reshape(size)
    lowest, highest = values.min(), values.max()
    if not (lowest >= 0 and highest <= 255):  # also when they are NaN
        raise BadRequest(f"{where}: found values from {lowest:g} to {highest:g}, wanted 0 to 255")
    if not whole:
        return values.astype(np.float32, copy=False).reshape(size)
    rounded = values.astype(np.uint8)
    if (rounded != values).any():
        broken = float(values[rounded != values][0])
        raise BadRequest(f"{where}: found {shown(broken)}, wanted whole numbers for UINT8")
    return rounded.reshape(size)


def _text(data: Array) -> bytes:
    text: Any = data.mini  # bytes, whatever its stub says
    return bytes(text)


@lru_cache(maxsize=8)
def _skeleton(size: tuple[int, ...]) -> bytes:
    return skeleton(size) if size else b""
