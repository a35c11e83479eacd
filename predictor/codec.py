"""Requests and answers of the KServe protocols as pure functions: bytes in, images out; probabilities in, bytes out.

v1 and v2 REST are whole here. gRPC brings its tensors to `tensor_images` and takes its answer from `predictions`.
Everything a client can get wrong raises BadRequest here, before a pixel is decoded.
"""

import base64
import binascii
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from predictor.classifier import Pixels, Probabilities
from predictor.errors import BadRequest
from predictor.served import Served
from registry.domain.card import InputSpec

OUTPUTS = ("class", "confidence", "probabilities")
_NUMBERS: Mapping[str, np.dtype[Any]] = {"UINT8": np.dtype(np.uint8), "FP32": np.dtype("<f4")}
DATATYPES = ("BYTES", *_NUMBERS)

# An image file, or pixels (height, width, 3) with values 0–255.
Image = bytes | Pixels


@dataclass(frozen=True)
class Limits:
    """What one image is and how many a request may bring."""

    input: InputSpec
    images: int


@dataclass(frozen=True)
class Query:
    """What a client asks, whatever the protocol. `outputs`: names of the v2 tensors it wants back."""

    images: Sequence[Image]
    id: str = ""
    outputs: tuple[str, ...] = OUTPUTS


@dataclass(frozen=True)
class Predictions:
    """Probabilities (n, classes) with the winner of each image and its probability."""

    classes: list[str]
    confidence: Probabilities
    probabilities: Probabilities


def predictions(probabilities: Probabilities, served: Served) -> Predictions:
    """Name the winners."""
    classes = [served.classes[winner] for winner in probabilities.argmax(1).tolist()]
    return Predictions(classes, probabilities.max(1), probabilities)


def v1_query(body: bytes, content_type: str, limits: Limits) -> Query:
    """A v1 predict body: `{"instances": […]}`, or one image file when the content type says image/*."""
    if content_type.startswith("image/"):
        return Query((body,))
    instances = _object(body).get("instances")
    if not isinstance(instances, list):
        raise BadRequest(f"instances: found {_kind(instances)}, wanted a list of images")
    _check_count(len(instances), "instances", limits)
    return Query([_instance(item, f"instances[{index}]", limits) for index, item in enumerate(instances)])


def v1_answer(probabilities: Probabilities, served: Served) -> bytes:
    """`{"predictions": [{class, confidence, probabilities}], "model_version", "model_digest"}`."""
    named = predictions(probabilities, served)
    return _json(
        {
            "predictions": [
                {"class": name, "confidence": confidence, "probabilities": dict(zip(served.classes, row, strict=True))}
                for name, confidence, row in zip(named.classes, named.confidence, probabilities, strict=True)
            ],
            "model_version": served.version,
            "model_digest": served.digest,
        }
    )


def v2_query(body: bytes, limits: Limits) -> Query:
    """A v2 infer body in JSON with one input tensor."""
    document = _object(body)
    inputs = document.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise BadRequest(f"inputs: found {_kind(inputs)}, wanted a list of one tensor")
    tensor = inputs[0]
    if "data" not in tensor:
        raise BadRequest("inputs[0]: data is missing")
    datatype = tensor.get("datatype")
    images = tensor_images(datatype, tensor.get("shape"), tensor["data"], limits)
    if datatype == "BYTES":
        images = [_base64(item, f"inputs[0].data[{index}]") for index, item in enumerate(images)]
    return Query(images, id=_id(document.get("id")), outputs=_outputs(document.get("outputs")))


def v2_answer(query: Query, probabilities: Probabilities, served: Served) -> bytes:
    """The v2 answer in JSON; version and digest are in its parameters."""
    named = predictions(probabilities, served)
    data = {"class": named.classes, "confidence": named.confidence, "probabilities": probabilities.ravel()}
    shapes = output_shapes(len(probabilities), served)
    return _json(
        {
            "model_name": served.model,
            "model_version": served.version,
            **({"id": query.id} if query.id else {}),
            "parameters": {"version": served.version, "digest": served.digest},
            "outputs": [
                {"name": name, "datatype": output_datatype(name), "shape": shapes[name], "data": data[name]}
                for name in query.outputs
            ],
        }
    )


def output_shapes(images: int, served: Served) -> Mapping[str, list[int]]:
    """Shape of each output tensor for so many images (-1: any number)."""
    return {"class": [images], "confidence": [images], "probabilities": [images, len(served.classes)]}


def output_datatype(name: str) -> str:
    """BYTES for the class, FP32 for numbers."""
    return "BYTES" if name == "class" else "FP32"


def tensor_images(datatype: object, shape: object, data: object, limits: Limits) -> list[Any]:
    """Images of a v2 tensor: the items of BYTES as they are, or pixels (height, width, 3) each.

    data: a list, nested or flat, or the raw bytes of the tensor.
    """
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        raise BadRequest(f"inputs[0].datatype: found {_short(datatype)}, wanted {', '.join(DATATYPES)}")
    count = _count(datatype, shape, limits)
    if datatype == "BYTES":
        return _items(split_bytes(data) if isinstance(data, bytes) else data, count)
    size = (count, limits.input.height, limits.input.width, limits.input.channels)
    array = _raw(data, _NUMBERS[datatype], size) if isinstance(data, bytes) else _listed(data)
    return list(_pixels(array, size, "inputs[0].data"))


def split_bytes(raw: bytes) -> list[bytes]:
    """Items of a raw BYTES tensor: each after its length as 4 bytes, little-endian."""
    items, start = [], 0
    while start < len(raw):
        size = struct.unpack_from("<I", raw, start)[0] if start + 4 <= len(raw) else len(raw)
        start += 4 + size
        if start > len(raw):
            raise BadRequest(f"raw BYTES tensor: found {len(raw)} bytes, its lengths want {start} or more")
        items.append(raw[start - size : start])
    return items


def _count(datatype: object, shape: object, limits: Limits) -> int:
    """Number of images a shape declares; raises BadRequest for a shape that is not (n) or (n, 1), or (n, h, w, 3)."""
    image = [limits.input.height, limits.input.width, limits.input.channels]
    tails: tuple[list[int], ...] = ([], [1]) if datatype == "BYTES" else (image,)
    whole = isinstance(shape, list) and all(type(size) is int for size in shape)
    if not isinstance(shape, list) or not whole or not shape or shape[1:] not in tails:
        wanted = " or ".join(str(["n", *tail]).replace("'", "") for tail in tails)
        raise BadRequest(f"inputs[0].shape: found {_short(shape)}, wanted {wanted} for {datatype}")
    _check_count(shape[0], "inputs[0].shape", limits)
    return int(shape[0])


def _check_count(count: int, where: str, limits: Limits) -> None:
    if not 1 <= count <= limits.images:
        raise BadRequest(f"{where}: found {count} images, wanted 1 to {limits.images} a request")


def _instance(item: object, where: str, limits: Limits) -> Image:
    if isinstance(item, list):
        size = (limits.input.height, limits.input.width, limits.input.channels)
        return _pixels(_listed(item), size, where)
    if isinstance(item, dict):
        for key in ("image_bytes", "image"):
            if key in item:
                item, where = item[key], f"{where}.{key}"
                break
    if isinstance(item, dict):
        item, where = item.get("b64"), f"{where}.b64"
    return _base64(item, where)


def _base64(item: object, where: str) -> bytes:
    if not isinstance(item, str):
        raise BadRequest(f"{where}: found {_kind(item)}, wanted an image file in base64")
    try:
        return base64.b64decode(item, validate=True)
    except (binascii.Error, ValueError):
        found = f"{len(item)} characters that are not base64"
        raise BadRequest(f"{where}: found {found}, wanted an image file in base64") from None


def _listed(data: object) -> Pixels:
    try:
        return np.array(data)
    except ValueError:
        return np.array(None)  # ragged: of no shape that is wanted


def _raw(data: bytes, dtype: np.dtype[Any], size: tuple[int, ...]) -> Pixels:
    wanted = dtype.itemsize * int(np.prod(size))
    if len(data) != wanted:
        raise BadRequest(f"raw tensor: found {len(data)} bytes, wanted {wanted} for shape {list(size)}")
    return np.frombuffer(data, dtype)


def _pixels(array: Pixels, size: tuple[int, ...], where: str) -> Pixels:
    """The array in `size`: numbers 0–255, nested as in `size` or flat. Raises BadRequest."""
    if array.dtype.kind not in "iuf" or (array.shape != size and array.shape != (int(np.prod(size)),)):
        found = f"shape {list(array.shape)}" if array.dtype.kind in "iuf" else "no even nesting of numbers"
        raise BadRequest(f"{where}: found {found}, wanted numbers in shape {list(size)}")
    lowest, highest = array.min(), array.max()
    if not (lowest >= 0 and highest <= 255):
        raise BadRequest(f"{where}: found values from {lowest} to {highest}, wanted 0 to 255")
    return array.reshape(size)


def _items(items: object, count: int) -> list[Any]:
    """Items of a BYTES tensor, each bare or in a list of its own."""
    if not isinstance(items, list):
        raise BadRequest(f"inputs[0].data: found {_kind(items)}, wanted a list")
    if len(items) != count:
        raise BadRequest(f"inputs[0].data: found {len(items)} items, wanted {count} as the shape says")
    return [item[0] if isinstance(item, list) and len(item) == 1 else item for item in items]


def _outputs(requested: object) -> tuple[str, ...]:
    if requested is None:
        return OUTPUTS
    names = (
        [item.get("name") for item in requested if isinstance(item, dict)] if isinstance(requested, list) else [None]
    )
    return wanted_outputs(names)


def wanted_outputs(names: Sequence[object]) -> tuple[str, ...]:
    """The output tensors a client names, all of them when it names none; raises BadRequest for an unknown one."""
    for name in names:
        if name not in OUTPUTS:
            raise BadRequest(f"outputs: found {_short(name)}, wanted names among {', '.join(OUTPUTS)}")
    return tuple(str(name) for name in names) or OUTPUTS


def _id(value: object) -> str:
    if value is not None and not isinstance(value, str):
        raise BadRequest(f"id: found {_kind(value)}, wanted a string")
    return value or ""


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadRequest(f"body: found {len(body)} bytes that are not JSON, wanted a JSON object") from None
    if not isinstance(document, dict):
        raise BadRequest(f"body: found {_kind(document)}, wanted a JSON object")
    return document


def _json(document: Mapping[str, Any]) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


_KINDS = {type(None): "nothing", dict: "an object", list: "a list", str: "a string", bool: "a boolean"}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "a number")


def _short(value: object) -> str:
    """A client's value in a message: at most 60 characters of printable text."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
