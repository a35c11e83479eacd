"""What the clients of a soak ask: good requests in every form, bad ones, and halves of both."""

import base64
import json
from dataclasses import dataclass

from predictor.image import decode
from tests.fixtures.net import SIZE, picture
from tests.hostile.test_images import BOMBS, OTHERS
from tests.hostile.wire import request

V1, V2 = "/v1/models/shapes:predict", "/v2/models/shapes/infer"
BATCH = 16


@dataclass(frozen=True)
class Question:
    """HTTP as bytes, the statuses it may be answered with, and how many images a good answer classifies."""

    kind: str
    content: bytes
    statuses: tuple[int, ...]
    images: int = 0


def good() -> list[Question]:
    files = [picture(seed, "JPEG" if seed % 2 else "PNG") for seed in range(BATCH)]
    texts = [base64.b64encode(file).decode() for file in files]
    pixels = decode(files[0], width=SIZE, height=SIZE)
    raw = pixels.astype("<f4").tobytes()
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": texts[:1]}
    numbers = {"name": "image", "datatype": "UINT8", "shape": [1, SIZE, SIZE, 3], "data": pixels.ravel().tolist()}
    binary = {"name": "image", "datatype": "FP32", "shape": [1, SIZE, SIZE, 3]}
    head = json.dumps({"inputs": [{**binary, "parameters": {"binary_data_size": len(raw)}}]}).encode()
    parts = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="files"; filename="x"\r\n\r\n' + file + b"\r\n" for file in files
    )
    form = "Content-Type: multipart/form-data; boundary=b"
    asked = {
        "v1 base64": (_json(V1, {"instances": [{"image_bytes": {"b64": texts[1]}}]}), 1),
        "v1 pixels": (_json(V1, {"instances": [pixels.tolist()]}), 1),
        f"v1 {BATCH} images": (_json(V1, {"instances": texts}), BATCH),
        "v1 file": (request("POST", V1, files[0], "Content-Type: image/png"), 1),
        "v2 base64": (_json(V2, {"id": "s", "inputs": [tensor]}), 1),
        "v2 numbers": (_json(V2, {"inputs": [numbers]}), 1),
        "v2 raw": (request("POST", V2, head + raw, f"Inference-Header-Content-Length: {len(head)}"), 1),
        f"form of {BATCH}": (request("POST", "/predict/batch", parts + b"--b--\r\n", form), BATCH),
        "metadata": (request("GET", "/v2/models/shapes", length=False), 0),
        "health": (request("GET", "/health", length=False), 0),
    }
    return [Question(f"good: {kind}", content, (200,), images) for kind, (content, images) in asked.items()]


def bad() -> list[Question]:
    text = base64.b64encode(picture(0)).decode()
    asked: dict[str, tuple[bytes, int]] = {
        "no JSON": (request("POST", V1, b"{"), 400),
        "no instances": (_json(V1, {}), 400),
        "no image": (_json(V1, {"instances": ["aGFsbG8="]}), 400),
        "cut off": (request("POST", V1, picture(0)[:-30], "Content-Type: image/png"), 400),
        "65 images": (_json(V1, {"instances": [text] * 65}), 400),
        "other model": (_json("/v1/models/other:predict", {}), 404),
        "no route": (request("GET", "/nowhere", length=False), 404),
        "method": (request("DELETE", V1), 405),
        "shape": (_json(V2, {"inputs": [{"name": "a", "datatype": "FP32", "shape": [-1], "data": [1]}]}), 400),
        "deep": (request("POST", V2, b"[" * 10_000), 400),
    }
    files = {"bomb": (BOMBS, (400, 413)), "format": (OTHERS, (400,))}
    return [
        *(Question(f"bad: {kind}", content, (status,)) for kind, (content, status) in asked.items()),
        *(
            Question(f"bad: {kind}", request("POST", V1, content, "Content-Type: image/png"), statuses)
            for kind, (contents, statuses) in files.items()
            for content in contents.values()
        ),
    ]


def _json(path: str, document: object) -> bytes:
    return request("POST", path, json.dumps(document).encode(), "Content-Type: application/json")
