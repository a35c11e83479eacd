"""A custom model as KServe's documentation shows it: Pillow, ONNX Runtime, a synchronous `predict`, `ModelServer`.

The session is made at the first request, because KServe pickles the model into its workers when there are several.
"""

import base64
import io
import os

import numpy as np
import onnxruntime
from kserve import InferRequest, InferResponse, Model, ModelServer
from kserve.utils.utils import get_predict_response
from PIL import Image

from training.shapes import CLASSES


class Naive(Model):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.session = None
        self.ready = True

    def predict(self, payload, headers=None):
        if self.session is None:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            self.session = onnxruntime.InferenceSession(os.environ["GEOMETRY_ONNX"], options)
            self.input = self.session.get_inputs()[0].name
        if isinstance(payload, InferRequest):
            return self.tensors(payload)
        images = np.stack([self.image(instance) for instance in payload["instances"]])
        return {"predictions": [self.prediction(row) for row in self.run(images)]}

    def tensors(self, request: InferRequest) -> InferResponse:
        return get_predict_response(request, self.run(request.inputs[0].as_numpy()), self.name)

    def image(self, instance):
        if isinstance(instance, list):
            return np.asarray(instance)
        content = base64.b64decode(instance["image"]["b64"])
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))

    def run(self, images):
        (probabilities,) = self.session.run(None, {self.input: images.astype(np.uint8)})
        return probabilities

    def prediction(self, row):
        best = int(row.argmax())
        probabilities = dict(zip(CLASSES, row.tolist(), strict=True))
        return {"class": CLASSES[best], "confidence": float(row[best]), "probabilities": probabilities}


if __name__ == "__main__":
    ModelServer().start([Naive("custom")])
