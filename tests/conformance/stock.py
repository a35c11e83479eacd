"""What a user of KServe alone would run: a `kserve.Model` on its own ModelServer, REST and gRPC untouched.

`python -m tests.conformance.stock --home HOME …KServe's flags`: the same version and the same decoder as the server
under test, so that whatever differs between the two answers is protocol.
"""

import argparse
import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kserve
import numpy as np
from kserve import InferOutput, InferRequest, InferResponse
from kserve.errors import InvalidInput
from kserve.model_server import parser as flags
from kserve.utils.utils import generate_uuid
from numpy.typing import NDArray

from predictor.errors import InvalidImage
from predictor.image import decode
from predictor.served import Served, open_version
from tests.fixtures.net import SIZE, Net

OUTPUTS = ("class", "confidence", "probabilities")
MOST = 64


class StockModel(kserve.Model):  # type: ignore[misc]  # kserve ships no types
    """A classifier of images as KServe's documentation has one written."""

    def __init__(self, served: Served) -> None:
        super().__init__(served.model)
        self.served = served

    def load(self) -> bool:
        self.net = Net(self.served.net)
        self.ready = True
        return self.ready

    def get_input_types(self) -> list[dict[str, Any]]:
        return [{"name": "image", "datatype": "BYTES", "shape": [-1]}]

    def get_output_types(self) -> list[dict[str, Any]]:
        shapes = {"class": [-1], "confidence": [-1], "probabilities": [-1, len(self.served.classes)]}
        return [{"name": name, "datatype": datatype(name), "shape": shapes[name]} for name in OUTPUTS]

    def predict(self, payload: Any, headers: Mapping[str, str] | None = None) -> Any:
        if isinstance(payload, InferRequest):
            return self._v2(payload)
        if not isinstance(payload, dict):
            raise InvalidInput("found bytes, wanted JSON")
        images = [_instance(item) for item in payload["instances"]]
        probabilities = self._classify(images)
        return {
            "predictions": [
                {
                    "class": self.served.classes[row.argmax()],
                    "confidence": float(row.max()),
                    "probabilities": dict(zip(self.served.classes, row.tolist(), strict=True)),
                }
                for row in probabilities
            ],
            "model_version": self.served.version,
            "model_digest": self.served.digest,
        }

    def _v2(self, request: InferRequest) -> InferResponse:
        if len(request.inputs) != 1:
            raise InvalidInput(f"found {len(request.inputs)} tensors, wanted one")
        tensor = request.inputs[0]
        if tensor.datatype == "BYTES":
            images = [_file(item) for item in tensor.as_numpy().ravel()]
        else:
            images = [_pixels(image) for image in tensor.as_numpy()]
        probabilities = self._classify(images)
        wanted = [output.name for output in request.request_outputs or ()] or list(OUTPUTS)
        values = {
            "class": np.array([self.served.classes[winner] for winner in probabilities.argmax(1)], object),
            "confidence": probabilities.max(1),
            "probabilities": probabilities,
        }
        if not set(wanted) <= set(values):
            raise InvalidInput(f"found outputs {wanted}, wanted {OUTPUTS}")
        outputs = []
        for name in wanted:
            output = InferOutput(name, list(values[name].shape), datatype(name))
            output.set_data_from_numpy(values[name], binary_data=request.use_binary_outputs)
            outputs.append(output)
        return InferResponse(
            response_id=request.id or generate_uuid(),
            model_name=self.name,
            model_version=self.served.version,
            infer_outputs=outputs,
            parameters={"version": self.served.version, "digest": self.served.digest},
            use_binary_outputs=request.use_binary_outputs,
            requested_outputs=request.request_outputs,
        )

    def _classify(self, images: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        if not 1 <= len(images) <= MOST:
            raise InvalidInput(f"found {len(images)} images, wanted 1 to {MOST}")
        return self.net.of_pixels(np.stack(images))


def datatype(output: str) -> str:
    return "BYTES" if output == "class" else "FP32"


def _instance(item: Any) -> NDArray[np.uint8]:
    if isinstance(item, list):
        return _pixels(np.array(item))
    for key in ("image_bytes", "image", "b64"):
        if isinstance(item, dict) and key in item:
            return _instance(item[key])
    return _file(item)


def _file(item: Any) -> NDArray[np.uint8]:
    """An image file as it is, or in base64."""
    try:
        text = isinstance(item, str)
        return decode(base64.b64decode(item, validate=True) if text else bytes(item), width=SIZE, height=SIZE)
    except (InvalidImage, binascii.Error, TypeError, ValueError) as error:
        raise InvalidInput(f"found no image: {error}") from error


def _pixels(image: NDArray[Any]) -> NDArray[np.uint8]:
    if image.shape != (SIZE, SIZE, 3) or image.dtype.kind not in "iuf" or not ((image >= 0) & (image <= 255)).all():
        raise InvalidInput(f"found pixels of shape {image.shape}, wanted {SIZE} × {SIZE} × 3 from 0 to 255")
    return np.rint(image).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(parents=[flags])
    parser.add_argument("--home", type=Path, required=True)
    home = parser.parse_args().home
    model = StockModel(open_version(home / "store/models/shapes/1", home / "keys", model=None, digest=None))
    model.load()
    kserve.ModelServer().start([model])


if __name__ == "__main__":
    main()
