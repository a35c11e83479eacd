"""Tensors of the v2 protocol, for REST and gRPC alike: one comes in with images, up to three go out.

An input's contents are the raw bytes of the tensor or, from JSON and typed gRPC fields, values; both end as files or
pixels. Shapes are checked before contents are looked at.
"""

import struct
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from predictor.errors import BadRequest
from predictor.imagefile import from_raw
from predictor.jsontext import shown
from predictor.pixels import image_size, pixels
from predictor.query import OUTPUTS, Limits, Pixels, Predictions
from predictor.served import Served

NUMBERS: Mapping[str, np.dtype[Any]] = {"UINT8": np.dtype(np.uint8), "FP32": np.dtype("<f4")}
DATATYPES = ("BYTES", *NUMBERS)

MAX_RANK = 8


def named_datatype(found: object) -> str:
    """One of DATATYPES, written in any case as KServe takes it; raises BadRequest."""
    name = found.upper() if isinstance(found, str) else ""
    if name not in DATATYPES:
        raise BadRequest(f"inputs[0].datatype: found {shown(found)}, wanted {', '.join(DATATYPES)}")
    return name


def tensor_size(datatype: str, shape: object, limits: Limits) -> tuple[int, ...]:
    """The shape of an input: (n) or (n, 1) files for BYTES, else (n, height, width, 3); raises BadRequest."""
    tails = ((), (1,)) if datatype == "BYTES" else (image_size(limits),)
    whole = isinstance(shape, list) and 1 <= len(shape) <= MAX_RANK and all(type(size) is int for size in shape)
    if not isinstance(shape, list) or not whole or tuple(shape[1:]) not in tails:
        wanted = " or ".join(str(["n", *tail]).replace("'", "") for tail in tails)
        raise BadRequest(f"inputs[0].shape: found {shown(shape)}, wanted {wanted} for {datatype}")
    if not 1 <= shape[0] <= limits.images:
        raise BadRequest(f"inputs[0].shape: found {shape[0]} images, wanted 1 to {limits.images} a request")
    return tuple(shape)


def raw_images(datatype: str, size: tuple[int, ...], content: bytes | memoryview) -> Sequence[bytes] | Pixels:
    """Files or pixels in the raw bytes of a tensor, which are not copied; raises BadRequest."""
    if datatype == "BYTES":
        return [from_raw(item) for item in split_bytes(content, size[0])]
    dtype = NUMBERS[datatype]
    wanted = dtype.itemsize * prod(size)
    if len(content) != wanted:
        raise BadRequest(f"raw tensor: found {len(content)} bytes, wanted {wanted} for shape {list(size)}")
    return pixels(np.frombuffer(content, dtype), "raw tensor", size)


def split_bytes(content: bytes | memoryview, count: int) -> list[bytes]:
    """The items of a raw BYTES tensor, each after its length as 4 bytes, little-endian; raises BadRequest."""
    items, start = [], 0
    for index in range(count):
        size = struct.unpack_from("<I", content, start)[0] if start + 4 <= len(content) else 0
        end = start + 4 + size
        if end > len(content):
            raise BadRequest(f"raw BYTES tensor: found {len(content)} bytes, wanted {end} or more for item {index}")
        items.append(bytes(content[start + 4 : end]))
        start = end
    if start != len(content):
        raise BadRequest(f"raw BYTES tensor: found {len(content)} bytes, wanted {start} for {count} items")
    return items


def wanted_outputs(names: Sequence[object]) -> tuple[str, ...]:
    """The output tensors a client names, all of them when it names none; raises BadRequest."""
    for name in names:
        if name not in OUTPUTS:
            raise BadRequest(f"outputs: found {shown(name)}, wanted names among {', '.join(OUTPUTS)}")
    if len(set(names)) < len(names):
        raise BadRequest(f"outputs: found {', '.join(map(str, names))}, wanted every name once")
    return tuple(str(name) for name in names) or OUTPUTS


def output_datatype(name: str) -> str:
    """BYTES for the class, FP32 for numbers."""
    return "BYTES" if name == "class" else "FP32"


def output_shape(name: str, images: int, served: Served) -> list[int]:
    """Shape of an output tensor for so many images (-1: any number)."""
    return [images, len(served.classes)] if name == "probabilities" else [images]


def output_values(name: str, predictions: Predictions, served: Served) -> list[Any]:
    """Contents of an output tensor as plain values."""
    if name == "class":
        return [served.classes[winner] for winner in predictions.winners]
    if name == "confidence":
        return predictions.confidence
    values: list[float] = predictions.probabilities.ravel().tolist()
    return values


def output_bytes(name: str, predictions: Predictions, served: Served) -> bytes:
    """Contents of an output tensor as raw bytes."""
    if name == "class":
        names = [served.classes[winner].encode() for winner in predictions.winners]
        return b"".join(len(name).to_bytes(4, "little") + name for name in names)
    if name == "confidence":
        return np.array(predictions.confidence, "<f4").tobytes()
    return predictions.probabilities.astype("<f4", copy=False).tobytes()
