"""From Keras to LiteRT, the graph that is served, and the proof that both compute the same."""

from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from predictor.image import Pixels
from training.errors import ExportError
from training.evaluate import Probabilities

if TYPE_CHECKING:
    import keras

PARITY = 1e-4
"""Largest difference of a probability that is let pass."""
_BATCH = 64
_THREADS = 2


def to_litert(model: "keras.Model") -> bytes:
    """`model.tflite`: FP32, uint8 images (N, height, width, 3) in, probabilities (N, classes) out; N can be resized."""
    import tensorflow as tf

    with TemporaryDirectory() as directory:
        model.export(directory, verbose=False)  # the converter's own call would print to stdout, which is data
        return bytes(tf.lite.TFLiteConverter.from_saved_model(directory).convert())


def litert_probabilities(content: bytes, images: Pixels, *, batch: int = _BATCH) -> Probabilities:
    """Run an exported graph as it is served, in batches."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=_THREADS)
    entrance, way_out = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    answers = []
    for start in range(0, len(images), batch):
        part = np.ascontiguousarray(images[start : start + batch])
        if start == 0 or len(part) != batch:
            interpreter.resize_tensor_input(entrance, part.shape)
            interpreter.allocate_tensors()
        interpreter.set_tensor(entrance, part)
        interpreter.invoke()
        answers.append(interpreter.get_tensor(way_out))
    return np.concatenate(answers)


def input_side(content: bytes) -> tuple[int, int]:
    """Width and height of the images an exported graph takes."""
    from ai_edge_litert.interpreter import Interpreter

    _, height, width, _ = Interpreter(model_content=content).get_input_details()[0]["shape"]
    return int(width), int(height)


def parity(served: Probabilities, keras_probabilities: Probabilities) -> float:
    """The largest difference of a probability. Raises ExportError when it is above PARITY or no number."""
    difference = float(np.abs(served.astype(np.float64) - keras_probabilities).max())
    if not difference <= PARITY:
        raise ExportError(
            f"export: a probability differs by {difference:.2g} between LiteRT and Keras, wanted at most {PARITY:g}; "
            "no version was made"
        )
    return difference
