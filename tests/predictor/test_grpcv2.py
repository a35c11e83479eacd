"""v2 over gRPC as messages, without a server: what the real clients send is read, what is answered they read."""

import json
import subprocess
import sys
from typing import Any

import kserve
import numpy as np
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from predictor import grpcv2
from predictor.errors import BadRequest
from predictor.query import OUTPUTS, Limits, Predictions
from predictor.served import Served
from registry.domain.card import InputSpec

LIMITS = Limits(InputSpec(width=3, height=2), images=4)
Tensor = pb.ModelInferRequest.InferInputTensor
Contents = pb.InferTensorContents
PIXELS = np.arange(36, dtype=np.uint8).reshape(2, 2, 3, 3)
SHAPE = [2, 2, 3, 3]
FILES = [b"\xff\xd8\xff\xe0", b"\x89PNG"]
PREDICTIONS = Predictions.of(np.array([[0.25, 0.5, 0.0, 0.25, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0]], np.float32))
TYPED = {
    "BYTES": Tensor(name="image", datatype="BYTES", shape=[2], contents=Contents(bytes_contents=FILES)),
    "UINT8": Tensor(name="image", datatype="UINT8", shape=SHAPE, contents=Contents(uint_contents=PIXELS.ravel())),
    "FP32": Tensor(name="image", datatype="FP32", shape=SHAPE, contents=Contents(fp32_contents=PIXELS.ravel() / 3)),
}
RAW = {
    "BYTES": b"".join(len(file).to_bytes(4, "little") + file for file in FILES),
    "UINT8": PIXELS.tobytes(),
    "FP32": (PIXELS / 3).astype("<f4").tobytes(),
}
SENT: dict[str, Any] = {"BYTES": FILES, "UINT8": PIXELS, "FP32": (PIXELS / 3).astype(np.float32)}


def typed(datatype: str) -> Any:
    return pb.ModelInferRequest(model_name="shapes", id="g1", inputs=[TYPED[datatype]])


def raw(datatype: str) -> Any:
    request = typed(datatype)
    request.inputs[0].ClearField("contents")
    request.raw_input_contents.append(RAW[datatype])
    return request


@pytest.mark.parametrize("datatype", RAW)
@pytest.mark.parametrize("form", [raw, typed])
def test_tensors_arrive_as_they_were_sent(form: Any, datatype: str) -> None:
    query = grpcv2.read(form(datatype), LIMITS)
    assert np.array_equal(query.images, SENT[datatype])
    assert (query.id, query.outputs) == ("g1", OUTPUTS)


def test_fields_of_another_protocol_version_are_passed_over() -> None:
    request = pb.ModelInferRequest.FromString(typed("FP32").SerializeToString())
    contents = Contents.FromString(request.inputs[0].contents.SerializeToString() + b"\xfa\x01\x04abcd")
    request.inputs[0].contents.CopyFrom(contents)
    assert np.array_equal(grpcv2.read(request, LIMITS).images, SENT["FP32"])


def test_kserves_client_reads_what_it_is_answered(served: Served) -> None:
    for data in (SENT["FP32"], SENT["FP32"].ravel().tolist()):
        tensor = kserve.InferInput("image", SHAPE, "FP32", data)
        request = kserve.InferRequest("shapes", [tensor], request_id="k1").to_grpc()
        query = grpcv2.read(request, LIMITS)
        assert query.binary == (set(OUTPUTS) if request.raw_input_contents else set())
        found = kserve.InferResponse.from_grpc(grpcv2.write(query, PREDICTIONS, served))
        names, confidence, probabilities = (output.as_numpy() for output in found.outputs)
        assert (found.id, found.model_version) == ("k1", "1")
        assert [bytes(name).decode() for name in names] == ["ellipse", "circle"]
        assert confidence.tolist() == [0.5, 1.0]
        assert np.array_equal(probabilities, PREDICTIONS.probabilities)


# Triton's client in a process of its own: its messages have the names of KServe's, which one process cannot hold twice.
TRITON = """
import json, sys
from tritonclient.grpc import InferResult, service_pb2
found = InferResult(service_pb2.ModelInferResponse.FromString(sys.stdin.buffer.read()))
names, probabilities = found.as_numpy("class").astype(str), found.as_numpy("probabilities")
digest = found.get_response().parameters["digest"].string_param
print(json.dumps([names.tolist(), probabilities.tolist(), found.as_numpy("confidence"), digest]))
"""


def test_tritons_client_reads_what_it_is_answered(served: Served) -> None:
    query = grpcv2.read(with_outputs("class", "probabilities"), LIMITS)
    answer = grpcv2.write(query, PREDICTIONS, served).SerializeToString()
    found = subprocess.run([sys.executable, "-c", TRITON], input=answer, stdout=subprocess.PIPE, check=True).stdout
    assert json.loads(found) == [["ellipse", "circle"], PREDICTIONS.probabilities.tolist(), None, served.digest]


def changed(of: str = "FP32", *, content: bytes | None = None, **fields: Any) -> Any:
    request = raw(of)
    if content is not None:
        request.raw_input_contents[0] = content
    for name, value in fields.items():
        if name == "shape":
            del request.inputs[0].shape[:]
            request.inputs[0].shape.extend(value)
        else:
            setattr(request.inputs[0], name, value)
    return request


def with_both() -> Any:
    request = typed("BYTES")
    request.raw_input_contents.append(RAW["BYTES"])
    return request


def with_outputs(*names: str) -> Any:
    request = raw("BYTES")
    for name in names:
        request.outputs.add(name=name)
    return request


def tensors(*inputs: Any, contents: int = 0) -> Any:
    return pb.ModelInferRequest(inputs=inputs, raw_input_contents=[b""] * contents)


REFUSED = [
    (tensors(), "inputs: found 0 tensors and 0 raw contents, wanted one tensor"),
    (tensors(TYPED["BYTES"], TYPED["BYTES"]), "inputs: found 2 tensors and 0 raw contents, wanted one tensor"),
    (tensors(TYPED["BYTES"], contents=2), "inputs: found 1 tensors and 2 raw contents, wanted one tensor"),
    (with_both(), "inputs[0]: found raw and typed contents, wanted one of them"),
    (changed(datatype="INT64"), "datatype: found 'INT64', wanted BYTES, UINT8, FP32"),
    (changed(shape=[2, 3, 2, 3]), "shape: found [2, 3, 2, 3], wanted [n, 2, 3, 3] for FP32"),
    (changed(shape=[-1, 2, 3, 3]), "shape: found -1 images, wanted 1 to 4"),
    (changed(shape=[2**63 - 1, 2, 3, 3]), "shape: found 9223372036854775807 images"),
    (changed(shape=[1] * 100_000), "shape: found [1, 1, 1, 1, 1, 1, 1, 1, 1], wanted"),
    (changed(content=b"abc"), "raw tensor: found 3 bytes, wanted 144"),
    (changed(content=np.full(36, np.nan, "<f4").tobytes()), "found values from nan to nan, wanted 0 to 255"),
    (
        changed("BYTES", content=b"\xff\xff\xff\xff"),
        "found 4 bytes, wanted 4294967299 or more for item 0",
    ),
    (tensors(Tensor(datatype="FP32", shape=SHAPE)), "found no contents, wanted 36 fp32_contents"),
    (
        tensors(Tensor(datatype="FP32", shape=SHAPE, contents=Contents(fp64_contents=[1] * 36))),
        "found 36 fp64_contents, wanted 36 fp32_contents",
    ),
    (
        tensors(Tensor(datatype="UINT8", shape=SHAPE, contents=Contents(uint_contents=[256] * 36))),
        "found values from 256 to 256, wanted 0 to 255",
    ),
    (with_outputs("x"), "outputs: found 'x', wanted names among class, confidence, probabilities"),
    (with_outputs("class", "class"), "outputs: found class, class, wanted every name once"),
]


@pytest.mark.parametrize(("request_", "words"), REFUSED)
def test_a_wrong_request_is_told_what_was_wanted(request_: Any, words: str) -> None:
    with pytest.raises(BadRequest) as refused:
        grpcv2.read(request_, LIMITS)
    assert words in str(refused.value)
