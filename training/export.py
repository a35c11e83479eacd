"""From Keras to LiteRT, the graph that is served, and the proof that both compute the same.

FP32 computes what Keras does. int8 is another net that answers almost the same, several times faster: what it is worth
is measured in `training.int8`.
"""

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


def to_int8(model: "keras.Model", representative: Pixels) -> bytes:
    """`model.int8.tflite`: weights and activations int8, the same input and output as FP32.

    representative: images whose activations set the ranges. Raises ExportError when the converter fails.
    """
    import tensorflow as tf

    with TemporaryDirectory() as directory:
        model.export(directory, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(directory)
        try:
            kept = _float_nodes(bytes(converter.convert()))
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([image[None]] for image in representative)
            # The converter itself has no way to leave a node as it is.
            quantiser = tf.lite.experimental.QuantizationDebugger(
                converter=converter,
                debug_options=tf.lite.experimental.QuantizationDebugOptions(denylisted_nodes=kept),
            )
            return bytes(quantiser.get_nondebug_quantized_model())
        except Exception as error:  # the converter passes on what its C++ raises
            words = " ".join(str(error).split())[:200]
            raise ExportError(f"the int8 converter failed ({words}); the FP32 net is not affected") from error


def _float_nodes(content: bytes) -> list[str]:
    """Nodes of an FP32 graph that stay float: what scales the pixels, and logits, temperature and softmax.

    They are hardly any work. In int8 the scaling is slower and loses the contrast of a faint picture, and probabilities
    come in steps of 1/256.
    """
    from ai_edge_litert import schema_py_generated as schema

    operator = schema.BuiltinOperator
    weighted = (operator.CONV_2D, operator.DEPTHWISE_CONV_2D, operator.FULLY_CONNECTED)
    model = schema.Model.GetRootAs(content)
    graph = model.Subgraphs(0)
    nodes = [graph.Operators(place) for place in range(graph.OperatorsLength())]
    kinds = [model.OperatorCodes(node.OpcodeIndex()).BuiltinCode() for node in nodes]
    places = [place for place, kind in enumerate(kinds) if kind in weighted]
    return [graph.Tensors(node.Outputs(0)).Name().decode() for node in nodes[: places[0]] + nodes[places[-1] :]]


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
