"""gRPC messages that lie, calls that are given up, methods that do not exist."""

import struct
from collections.abc import Callable

import grpc
import numpy as np
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub as Stub

from tests.fixtures.net import picture
from tests.hostile.oracle import LEAKS, LONGEST
from tests.hostile.wire import Wire
from tests.predictor.conftest import RunningServer

Tensor = pb.ModelInferRequest.InferInputTensor
Contents = pb.InferTensorContents
PNG = picture(0)
FRAMED = struct.pack("<I", len(PNG)) + PNG
PIXELS = np.full((1, 64, 64, 3), 7, "<f4")
SIZE = [1, 64, 64, 3]


def message(
    datatype: str,
    shape: list[int],
    *raw: bytes,
    contents: Contents | None = None,
    name: str = "image",
    tensors: int = 1,
) -> pb.ModelInferRequest:
    tensor = Tensor(name=name, datatype=datatype, shape=shape, contents=contents)
    return pb.ModelInferRequest(model_name="shapes", inputs=[tensor] * tensors, raw_input_contents=raw)


def with_value(value: float) -> bytes:
    changed = PIXELS.copy()
    changed[0, 63, 63, 2] = value
    return changed.tobytes()


BAD: dict[str, pb.ModelInferRequest] = {
    "no tensor": pb.ModelInferRequest(model_name="shapes"),
    "no contents": message("BYTES", [1]),
    "two tensors": message("BYTES", [1], FRAMED, FRAMED, tensors=2),
    "one tensor, two contents": message("BYTES", [1], FRAMED, FRAMED),
    "raw and typed": message("BYTES", [1], FRAMED, contents=Contents(bytes_contents=[PNG])),
    "typed of another kind": message("BYTES", [1], contents=Contents(int_contents=[1])),
    "typed of two kinds": message("UINT8", SIZE, contents=Contents(uint_contents=[7] * 12288, fp32_contents=[7])),
    "a negative shape": message("BYTES", [-1], FRAMED),
    "the most negative shape": message("BYTES", [-(2**63)], FRAMED),
    "a shape of none": message("BYTES", [0], b""),
    "no shape": message("BYTES", [], FRAMED),
    "a huge shape": message("BYTES", [2**63 - 1], FRAMED),
    "a shape whose product wraps": message("FP32", [2**32, 2**32, 64, 3], PIXELS.tobytes()),
    "a negative height": message("FP32", [1, -64, -64, 3], PIXELS.tobytes()),
    "channels first": message("FP32", [1, 3, 64, 64], PIXELS.tobytes()),
    "sixty-five": message("BYTES", [65], FRAMED * 65),
    "two for one": message("BYTES", [2], FRAMED),
    "one for two": message("BYTES", [1], FRAMED * 2),
    "a byte missing": message("FP32", SIZE, PIXELS.tobytes()[:-1]),
    "a byte too many": message("FP32", SIZE, PIXELS.tobytes() + b"\0"),
    "UINT8 for FP32": message("UINT8", SIZE, PIXELS.tobytes()),
    "too few typed": message("FP32", SIZE, contents=Contents(fp32_contents=[7] * 12287)),
    "too many typed": message("FP32", SIZE, contents=Contents(fp32_contents=[7] * 12289)),
    "a typed value too bright": message("UINT8", SIZE, contents=Contents(uint_contents=[300] * 12288)),
    "NaN": message("FP32", SIZE, with_value(np.nan)),
    "infinity": message("FP32", SIZE, with_value(np.inf)),
    "negative": message("FP32", SIZE, with_value(-1)),
    "typed NaN": message("FP32", SIZE, contents=Contents(fp32_contents=[np.nan] * 12288)),
    "the longest file": message("BYTES", [1], b"\xff\xff\xff\xff"),
    "half a length": message("BYTES", [1], b"\x01\x00"),
    "a length one too long": message("BYTES", [1], struct.pack("<I", len(PNG) + 1) + PNG),
    "a length one too short": message("BYTES", [1], struct.pack("<I", len(PNG) - 1) + PNG),
    "an empty file": message("BYTES", [1], bytes(4)),
    "no image": message("BYTES", [1], struct.pack("<I", 5) + b"hallo"),
    "a cut-off image": message("BYTES", [1], struct.pack("<I", 60) + PNG[:60]),
    "a million empty files": message("BYTES", [1], bytes(4_000_000)),
    "another datatype": message("INT64", [1], bytes(8)),
    "no datatype": message("", [1], FRAMED),
    "a thousand dimensions": message("BYTES", [1] * 1000, FRAMED),
}


def refused(future: grpc.Future, *codes: grpc.StatusCode) -> str:
    """The words of a refusal with one of these codes."""
    assert future.code() in codes
    words = future.details()
    assert words.isprintable()
    assert 0 < len(words) <= LONGEST
    assert not LEAKS.search(words), words
    return words


@pytest.mark.parametrize("name", BAD)
def test_a_message_that_lies_is_refused(stub: Stub, name: str) -> None:
    refused(stub.ModelInfer.future(BAD[name], timeout=10), grpc.StatusCode.INVALID_ARGUMENT)


@pytest.mark.parametrize("output", ["x", "", "class\x00", "CLASS"])
def test_an_output_that_does_not_exist_is_refused(stub: Stub, output: str) -> None:
    request = message("BYTES", [1], FRAMED)
    request.outputs.add(name=output)
    refused(stub.ModelInfer.future(request, timeout=10), grpc.StatusCode.INVALID_ARGUMENT)


def test_an_output_twice_is_refused(stub: Stub) -> None:
    request = message("BYTES", [1], FRAMED)
    request.outputs.extend([pb.ModelInferRequest.InferRequestedOutputTensor(name="class")] * 2)
    refused(stub.ModelInfer.future(request, timeout=10), grpc.StatusCode.INVALID_ARGUMENT)


@pytest.mark.parametrize(("model", "version"), [("", ""), ("other", ""), ("shapes", "2"), ("shapes", "1 "), ("é", "é")])
def test_another_model_or_version_is_not_found(stub: Stub, model: str, version: str) -> None:
    request = message("BYTES", [1], FRAMED)
    request.model_name, request.model_version = model, version
    refused(stub.ModelInfer.future(request, timeout=10), grpc.StatusCode.NOT_FOUND)


@pytest.mark.parametrize("path", ["/inference.GRPCInferenceService/X", "/x/y", "/", "/inference.GRPCInferenceService/"])
def test_a_method_that_does_not_exist_is_said_not_to(server: RunningServer, path: str) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
        future = channel.unary_unary(path).future(b"", timeout=10)
        assert future.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_stream_where_one_message_is_wanted_is_answered_or_refused(server: RunningServer) -> None:
    content = message("BYTES", [1], FRAMED).SerializeToString()
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
        future = channel.stream_unary("/inference.GRPCInferenceService/ModelInfer").future(
            iter([content] * 3), timeout=10
        )
        assert future.code() in (grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED)


def test_a_deadline_that_is_over_is_kept(stub: Stub) -> None:
    futures = [stub.ModelInfer.future(message("BYTES", [64], FRAMED * 64), timeout=0.0001) for _ in range(50)]
    assert {future.code() for future in futures} == {grpc.StatusCode.DEADLINE_EXCEEDED}


def test_a_call_that_is_given_up_leaves_nothing_behind(stub: Stub, idle: Callable[[], None]) -> None:
    futures = [stub.ModelInfer.future(message("BYTES", [64], FRAMED * 64)) for _ in range(50)]
    for future in futures:
        future.cancel()
    idle()
    assert stub.ModelInfer(message("BYTES", [1], FRAMED), timeout=10).outputs


def test_http_1_at_the_grpc_port_is_no_harm(server: RunningServer, stub: Stub) -> None:
    with Wire(server.grpc) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").closed()
    assert stub.ServerLive(pb.ServerLiveRequest(), timeout=10).live
