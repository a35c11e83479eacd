"""KServe's v2 protocol over gRPC, as pure functions between its messages and ours.

A request with raw contents is answered with raw contents, one with typed contents with typed ones, as KServe does:
its own client and Triton's read what they sent.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from predictor.errors import BadRequest
from predictor.pixels import pixels
from predictor.query import OUTPUTS, Image, Limits, Pixels, Predictions, Query
from predictor.served import Served
from predictor.tensors import (
    MAX_RANK,
    named_datatype,
    output_bytes,
    output_datatype,
    output_shape,
    output_values,
    raw_images,
    tensor_size,
    wanted_outputs,
)

_TYPED = {"BYTES": "bytes_contents", "UINT8": "uint_contents", "FP32": "fp32_contents"}


def read(request: Any, limits: Limits) -> Query:
    """The images, wanted outputs and id of a ModelInferRequest; raises BadRequest."""
    raw = request.raw_input_contents
    if len(request.inputs) != 1 or len(raw) > 1:
        raise BadRequest(f"inputs: found {len(request.inputs)} tensors and {len(raw)} raw contents, wanted one tensor")
    tensor = request.inputs[0]
    datatype = named_datatype(tensor.datatype)
    size = tensor_size(datatype, list(tensor.shape[: MAX_RANK + 1]), limits)
    if raw and tensor.HasField("contents"):
        raise BadRequest("inputs[0]: found raw and typed contents, wanted one of them")
    images = raw_images(datatype, size, raw[0]) if raw else _typed(tensor, datatype, size)
    outputs = wanted_outputs([output.name for output in request.outputs[: len(OUTPUTS) + 1]])
    return Query(images, request.id, outputs, frozenset(outputs if raw else ()))


def write(query: Query, predictions: Predictions, served: Served) -> Any:
    """The ModelInferResponse; version and digest are in its parameters."""
    answer = pb.ModelInferResponse(model_name=served.model, model_version=served.version, id=query.id)
    answer.parameters["version"].string_param = served.version
    answer.parameters["digest"].string_param = served.digest
    for name in query.outputs:
        output = answer.outputs.add(
            name=name,
            datatype=output_datatype(name),
            shape=output_shape(name, len(predictions.winners), served),
        )
        if name in query.binary:
            answer.raw_output_contents.append(output_bytes(name, predictions, served))
        elif name == "class":
            output.contents.bytes_contents.extend(text.encode() for text in output_values(name, predictions, served))
        else:
            output.contents.fp32_contents.extend(output_values(name, predictions, served))
    return answer


def _typed(tensor: Any, datatype: str, size: tuple[int, ...]) -> Sequence[Image] | Pixels:
    """Files or pixels in the typed field of their datatype; raises BadRequest."""
    field = _TYPED[datatype]
    contents = tensor.contents
    contents.DiscardUnknownFields()
    found = {descriptor.name: len(values) for descriptor, values in contents.ListFields()}
    wanted = prod(size)
    if found != {field: wanted}:
        listed = ", ".join(f"{count} {name}" for name, count in found.items()) or "no contents"
        raise BadRequest(f"inputs[0].contents: found {listed}, wanted {wanted} {field} for shape {list(size)}")
    if datatype == "BYTES":
        return list(contents.bytes_contents)
    if datatype == "UINT8":
        values = np.fromiter(contents.uint_contents, np.uint32, count=wanted)
        return pixels(values, "inputs[0].contents", size, whole=True)
    # Packed floats end the message as they are in memory: far faster than one Python number each.
    packed = contents.SerializeToString()
    return pixels(np.frombuffer(packed[-4 * wanted :], "<f4"), "inputs[0].contents", size)
