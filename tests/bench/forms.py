"""Requests as bytes, made before anything is measured: every form in which pictures are asked about; one answer read.

All servers of a row get the same bytes.
"""

import base64
import http.client
import json
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import orjson

from predictor.image import Pixels, decode
from tests.bench.http2 import call
from tests.bench.nets import Nets

MODEL = "custom"
MANY = 32
"""Pictures in one request of the form that has many."""
_JSON = {"Content-Type": "application/json"}


def http1(method: str, path: str, body: bytes = b"", headers: Mapping[str, str] = _JSON) -> bytes:
    """A whole HTTP/1.1 request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


LIVE = (http1("GET", "/v2/health/live", headers={"Connection": "close"}),)


def jpeg(nets: Nets) -> list[bytes]:
    """v1, one file in base64."""
    return [_base64(MODEL, [picture]) for picture in nets.pictures(64)]


def jpegs(nets: Nets) -> list[bytes]:
    """v1, 32 files in base64."""
    return [_base64(MODEL, nets.pictures(64)[:MANY])]


def large_jpeg(nets: Nets) -> list[bytes]:
    """v1, one larger file for EfficientNetB0."""
    return [_base64("efficientnet", [picture]) for picture in nets.pictures(256)]


def nested(nets: Nets) -> list[bytes]:
    """v1, pixels as nested lists of whole numbers."""
    bodies = ({"instances": [pixels.tolist()]} for pixels in _pixels(nets))
    return [http1("POST", f"/v1/models/{MODEL}:predict", orjson.dumps(body)) for body in bodies]


def v2_json(nets: Nets) -> list[bytes]:
    """v2, FP32 as a flat list."""
    bodies = (
        {"inputs": [{**_tensor(pixels), "data": pixels.astype(float).ravel().tolist()}]} for pixels in _pixels(nets)
    )
    return [http1("POST", f"/v2/models/{MODEL}/infer", orjson.dumps(body)) for body in bodies]


def v2_binary(nets: Nets) -> list[bytes]:
    """v2, FP32 as raw bytes behind the JSON."""
    return [_binary(pixels) for pixels in _pixels(nets)]


def grpc(nets: Nets) -> list[bytes]:
    """gRPC, FP32 as raw contents."""
    return [call("/inference.GRPCInferenceService/ModelInfer", _message(pixels)) for pixels in _pixels(nets)]


FORMS: Mapping[str, Callable[[Nets], list[bytes]]] = {
    form.__name__: form for form in (jpeg, jpegs, large_jpeg, nested, v2_json, v2_binary, grpc)
}


def ask(port: int, request: bytes, *, timeout: float = 30) -> dict:
    """Send one request of v1 or v2 and read its answer; raises OSError or ValueError when there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    connection.connect()
    connection.sock.sendall(request)
    answer = http.client.HTTPResponse(connection.sock)
    answer.begin()
    content = answer.read()
    connection.close()
    if answer.status != 200:
        raise ValueError(f"status {answer.status}: {content[:200]!r}")
    return json.loads(content)


def ask_grpc(port: int, nets: Nets) -> dict:
    """Ask about the first picture through a real client; the answer as v2 JSON has it. Raises ValueError."""
    # Its messages and KServe's, which have the same names, cannot both be in one process: tests have KServe's.
    from tritonclient.grpc import InferenceServerClient, InferInput
    from tritonclient.utils import InferenceServerException

    pixels = _pixels(nets)[0].astype(np.float32)[np.newaxis]
    tensor = InferInput("image", list(pixels.shape), "FP32")
    tensor.set_data_from_numpy(pixels)
    with InferenceServerClient(f"127.0.0.1:{port}") as client:
        try:
            answer = client.infer(MODEL, [tensor])
        except InferenceServerException as error:
            raise ValueError(str(error)) from error
    names = [output.name for output in answer.get_response().outputs]
    return {"outputs": [{"name": name, "data": answer.as_numpy(name).ravel().tolist()} for name in names]}


def _base64(model: str, pictures: Iterable[bytes]) -> bytes:
    body = {"instances": [{"image": {"b64": base64.b64encode(picture).decode()}} for picture in pictures]}
    return http1("POST", f"/v1/models/{model}:predict", orjson.dumps(body))


def _pixels(nets: Nets) -> list[Pixels]:
    return [decode(picture, width=64, height=64) for picture in nets.pictures(64)]


def _tensor(pixels: Pixels) -> dict:
    return {"name": "image", "datatype": "FP32", "shape": [1, *pixels.shape]}


def _binary(pixels: Pixels) -> bytes:
    raw = pixels.astype("<f4").tobytes()
    head = orjson.dumps({"inputs": [{**_tensor(pixels), "parameters": {"binary_data_size": len(raw)}}]})
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    return http1("POST", f"/v2/models/{MODEL}/infer", head + raw, headers)


def _message(pixels: Pixels) -> bytes:
    # Its messages and KServe's, which have the same names, cannot both be in one process: tests have KServe's.
    from tritonclient.grpc import service_pb2

    tensor = service_pb2.ModelInferRequest.InferInputTensor(**_tensor(pixels))
    raw = pixels.astype("<f4").tobytes()
    request = service_pb2.ModelInferRequest(model_name=MODEL, inputs=[tensor], raw_input_contents=[raw])
    return bytes(request.SerializeToString())
