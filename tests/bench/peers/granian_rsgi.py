"""The yardstick: one handler written by hand for granian's RSGI, without a protocol, validation, metrics or limits.

It decodes with our decoder and runs our runtime with one thread, as each of our processes does: only the server
differs. It must be started with `GEOMETRY_NET` and runs once in every worker process.
"""

import base64
import json
import os
from pathlib import Path

import numpy as np
import orjson
from ai_edge_litert.interpreter import Interpreter

from predictor.image import decode

DIRECTORY = Path(os.environ["GEOMETRY_NET"])
CARD = json.loads((DIRECTORY / "card.json").read_bytes())
CLASSES, SIDE = CARD["classes"], CARD["input"]["width"]
PREDICT = "/v1/models/custom:predict"
JSON = [("content-type", "application/json")]

interpreter = Interpreter(model_path=str(DIRECTORY / "model.tflite"), num_threads=1)
interpreter.allocate_tensors()
SOURCE = interpreter.get_input_details()[0]["index"]
TARGET = interpreter.get_output_details()[0]["index"]


def classify(body: bytes) -> bytes:
    predictions = []
    for instance in orjson.loads(body)["instances"]:
        pixels = decode(base64.b64decode(instance["image"]["b64"]), width=SIDE, height=SIDE)
        interpreter.set_tensor(SOURCE, pixels[np.newaxis])
        interpreter.invoke()
        probabilities = interpreter.get_tensor(TARGET)[0].tolist()
        best = max(probabilities)
        predictions.append(
            {
                "class": CLASSES[probabilities.index(best)],
                "confidence": best,
                "probabilities": dict(zip(CLASSES, probabilities, strict=True)),
            }
        )
    return orjson.dumps({"predictions": predictions, "model_version": "1"})


async def app(scope, protocol):
    if scope.path == PREDICT:
        protocol.response_bytes(200, JSON, classify(await protocol()))
    else:
        protocol.response_bytes(200, JSON, b"{}")
