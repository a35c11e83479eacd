"""Requests as bytes, good and bad, that both servers are asked."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from predictor.image import decode
from tests.fixtures.net import SIZE, picture

V1, V2 = "/v1/models/shapes:predict", "/v2/models/shapes/infer"
JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Question:
    """An HTTP request."""

    name: str
    method: str
    path: str
    content: bytes = b""
    headers: dict[str, str] | None = None


FILES = [picture(seed, kind) for seed, kind in enumerate(["PNG", "JPEG", "BMP", "GIF", "WEBP"])]
TEXTS = [base64.b64encode(file).decode() for file in FILES]
PIXELS = np.stack([decode(file, width=SIZE, height=SIZE) for file in FILES])
FLOATS = PIXELS.astype(np.float32)


def questions() -> list[Question]:
    """All of them; names are unique."""
    return [*_reading(), *_v1(), *_v2(), *_v2_beside(), *_v2_raw()]


def _reading() -> Iterator[Question]:
    for path in ("/v1/models", "/v1/models/shapes", "/v1/models/other", "/v2/models", "/v2/models/shapes"):
        yield Question(f"GET {path}", "GET", path)
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/shapes/ready", "/v2/models/other/ready"):
        yield Question(f"GET {path}", "GET", path)


def _v1() -> Iterator[Question]:
    good = {
        "image_bytes": [{"image_bytes": {"b64": TEXTS[0]}}],
        "image": [{"image": {"b64": TEXTS[1]}}],
        "b64": [{"b64": TEXTS[1]}],
        "key": [{"image_bytes": {"b64": TEXTS[0]}, "key": "1"}],
        "bare": TEXTS[:1],
        "every format": TEXTS,
        "64 images": (TEXTS * 13)[:64],
        "65 images": TEXTS * 13,
        "pixels": PIXELS[:1].tolist(),
        "pixels as floats": FLOATS[:2].tolist(),
        "pixels and files": [PIXELS[0].tolist(), TEXTS[1]],
    }
    bad: dict[str, Any] = {
        "no instances": [],
        "a number": [7],
        "not base64": ["?"],
        "no image": ["aGFsbG8="],
        "cut off": [base64.b64encode(FILES[0][:-40]).decode()],
        "wrong shape": PIXELS[:1, :32].tolist(),
        "too bright": [[[[256.0] * 3] * SIZE] * SIZE],
        "an object": {"a": 1},
        "nothing": None,
    }
    for name, instances in {**good, **bad}.items():
        yield Question(f"v1 {name}", "POST", V1, json.dumps({"instances": instances}).encode(), JSON)
    beside = json.dumps({"signature_name": "x", "instances": TEXTS[:1], "parameters": {"a": 1}}, indent=2).encode()
    charset = {"content-type": "application/json; charset=utf-8"}
    yield Question("v1 spaces and more keys", "POST", V1, beside, JSON)
    yield Question("v1 charset", "POST", V1, json.dumps({"instances": TEXTS[:1]}).encode(), charset)
    yield Question("v1 escapes", "POST", V1, json.dumps({"instances": TEXTS[:1]}).encode().replace(b"/", b"\\/"), JSON)
    yield Question("v1 no JSON", "POST", V1, b"{", JSON)
    yield Question("v1 a list", "POST", V1, b"[]", JSON)
    yield Question("v1 other model", "POST", "/v1/models/other:predict", b"{}", JSON)
    yield Question("v1 explain", "POST", "/v1/models/shapes:explain", beside, JSON)


def tensor(datatype: str, data: Any, *shape: int, **fields: Any) -> dict[str, Any]:
    """A v2 tensor in JSON."""
    return {"name": "image", "datatype": datatype, "shape": list(shape), "data": data, **fields}


def _v2() -> Iterator[Question]:
    size = (SIZE, SIZE, 3)
    tensors = {
        "BYTES": tensor("BYTES", TEXTS[:1], 1),
        "BYTES column": tensor("BYTES", [[TEXTS[0]], [TEXTS[1]]], 2, 1),
        "BYTES flat column": tensor("BYTES", TEXTS[:2], 2, 1),
        "every format": tensor("BYTES", TEXTS, 5),
        "64 images": tensor("BYTES", (TEXTS * 13)[:64], 64),
        "65 images": tensor("BYTES", TEXTS * 13, 65),
        "UINT8 flat": tensor("UINT8", PIXELS[:2].ravel().tolist(), 2, *size),
        "UINT8 nested": tensor("UINT8", PIXELS[:2].tolist(), 2, *size),
        "FP32 flat": tensor("FP32", FLOATS[:1].ravel().tolist(), 1, *size),
        "FP32 nested": tensor("FP32", FLOATS[:1].tolist(), 1, *size),
        "FP32 in whole numbers": tensor("FP32", PIXELS[:1].ravel().tolist(), 1, *size),
        "lower case": tensor("uint8", PIXELS[:1].ravel().tolist(), 1, *size),
        "another name": tensor("BYTES", TEXTS[:1], 1, name="input-0"),
        "tensor with parameters": tensor("BYTES", TEXTS[:1], 1, parameters={"content_type": "base64"}),
        "no image": tensor("BYTES", ["aGFsbG8="], 1),
        "too few": tensor("BYTES", TEXTS[:1], 2),
        "wrong rank": tensor("FP32", [0.5] * SIZE * SIZE * 3, *size),
        "unknown datatype": tensor("FP99", [1], 1),
        "negative": tensor("UINT8", [-1] * SIZE * SIZE * 3, 1, *size),
        "no data": {"name": "image", "datatype": "BYTES", "shape": [1]},
    }
    for name, one in tensors.items():
        yield Question(f"v2 {name}", "POST", V2, json.dumps({"id": "7", "inputs": [one]}).encode(), JSON)


def _v2_beside() -> Iterator[Question]:
    """What may stand beside the tensor."""
    one = tensor("BYTES", TEXTS[:1], 1)
    beside = {
        "no id": {},
        "parameters": {"id": "a", "parameters": {"priority": 1, "name": "x", "on": True}},
        "one output": {"id": "a", "outputs": [{"name": "class"}]},
        "two outputs": {"id": "a", "outputs": [{"name": "probabilities"}, {"name": "confidence"}]},
        "no outputs": {"id": "a", "outputs": []},
        "output with parameters": {"id": "a", "outputs": [{"name": "class", "parameters": {"classification": 2}}]},
        "unknown output": {"id": "a", "outputs": [{"name": "x"}]},
        "two tensors": {"id": "a", "inputs": [one, {**one, "name": "b"}]},
        "more keys": {"id": "a", "model_name": "shapes"},
        "id as a number": {"id": 3},
        "raw outputs": {"id": "a", "parameters": {"binary_data_output": True}},
        "raw output": {"id": "a", "outputs": [{"name": "class", "parameters": {"binary_data": True}}]},
    }
    for name, fields in beside.items():
        document = {"inputs": [one], **fields}
        yield Question(f"v2 {name}", "POST", V2, json.dumps(document).encode(), JSON)


def _v2_raw() -> Iterator[Question]:
    """The extension for raw tensors. Stock KServe reads no raw image files: it takes BYTES for text."""
    size = (SIZE, SIZE, 3)
    raws = {
        "UINT8": ((2, *size), PIXELS[:2].tobytes()),
        "FP32": ((1, *size), FLOATS[:1].tobytes()),
        "BYTES": ((1,), len(TEXTS[0]).to_bytes(4, "little") + TEXTS[0].encode()),
    }
    for (datatype, (shape, raw)), both in [(item, both) for item in raws.items() for both in (False, True)]:
        one = {"name": "image", "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": len(raw)}}
        document = {"id": "b", "inputs": [one], **({"parameters": {"binary_data_output": True}} if both else {})}
        head = json.dumps(document).encode()
        headers = {"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"}
        yield Question(f"v2 raw {datatype}, {'raw' if both else 'JSON'} answer", "POST", V2, head + raw, headers)
