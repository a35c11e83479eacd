from collections.abc import Iterator

import grpc
import httpx
import numpy as np
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from predictor.classifier import Probabilities
from predictor.image import decode
from predictor.served import Served
from tests.predictor.conftest import RunningServer

Tensor = pb.ModelInferRequest.InferInputTensor


@pytest.fixture
def stub(server: RunningServer) -> Iterator[GRPCInferenceServiceStub]:
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
        yield GRPCInferenceServiceStub(channel)


def raw(datatype: str, shape: list[int], content: bytes) -> pb.ModelInferRequest:
    tensor = Tensor(name="image", datatype=datatype, shape=shape)
    return pb.ModelInferRequest(model_name="shapes", inputs=[tensor], raw_input_contents=[content])


def requests(png: bytes) -> dict[str, pb.ModelInferRequest]:
    pixels = decode(png, width=64, height=64)
    contents = pb.InferTensorContents(bytes_contents=[png])
    typed = Tensor(name="image", datatype="BYTES", shape=[1], contents=contents)
    return {
        "raw BYTES": raw("BYTES", [1], len(png).to_bytes(4, "little") + png),
        "raw UINT8": raw("UINT8", [1, 64, 64, 3], pixels.tobytes()),
        "raw FP32": raw("FP32", [1, 64, 64, 3], pixels.astype("<f4").tobytes()),
        "typed BYTES": pb.ModelInferRequest(model_name="shapes", inputs=[typed]),
    }


@pytest.mark.parametrize("form", ["raw BYTES", "raw UINT8", "raw FP32"])
def test_every_form_gets_the_nets_answer(
    stub: GRPCInferenceServiceStub, png: bytes, expected: Probabilities, served: Served, form: str
) -> None:
    answer, call = stub.ModelInfer.with_call(requests(png)[form], metadata=[("x-request-id", "g-1")])
    assert [output.name for output in answer.outputs] == ["class", "confidence", "probabilities"]
    assert answer.raw_output_contents[0][4:].decode() == served.classes[expected.argmax()]
    np.testing.assert_allclose(np.frombuffer(answer.raw_output_contents[2], "<f4"), expected, rtol=1e-5)
    assert answer.parameters["digest"].string_param == served.digest
    metadata = dict(call.trailing_metadata())
    assert (metadata["x-request-id"], metadata["x-model-digest"]) == ("g-1", served.digest)


def test_typed_contents_are_answered_with_typed_ones(
    stub: GRPCInferenceServiceStub, png: bytes, expected: Probabilities, served: Served
) -> None:
    answer = stub.ModelInfer(requests(png)["typed BYTES"])
    assert answer.outputs[0].contents.bytes_contents == [served.classes[expected.argmax()].encode()]
    np.testing.assert_allclose(answer.outputs[2].contents.fp32_contents, expected, rtol=1e-5)


def test_live_requests_are_told_by_their_metadata(
    stub: GRPCInferenceServiceStub, client: httpx.Client, png: bytes
) -> None:
    name = 'ml_geometry_prediction_latency_seconds_count{model="shapes",traffic="live",version="1"}'
    before = sample(client, name)
    stub.ModelInfer(requests(png)["raw BYTES"], metadata=[("x-traffic", "live")])
    assert sample(client, name) == before + 1


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        (raw("BYTES", [1], b"\x05\x00\x00\x00hallo"), grpc.StatusCode.INVALID_ARGUMENT, "image 0: found 5 bytes"),
        (raw("BYTES", [1], b"\xff\xff\xff\xff"), grpc.StatusCode.INVALID_ARGUMENT, "raw BYTES tensor: found 4 bytes"),
        (raw("UINT8", [1, 64, 64, 3], b"abc"), grpc.StatusCode.INVALID_ARGUMENT, "found 3 bytes, wanted 12288"),
        (raw("INT64", [1], b""), grpc.StatusCode.INVALID_ARGUMENT, "found 'INT64', wanted BYTES, UINT8, FP32"),
        (pb.ModelInferRequest(model_name="shapes"), grpc.StatusCode.INVALID_ARGUMENT, "inputs: found 0 tensors"),
        (pb.ModelInferRequest(model_name="other"), grpc.StatusCode.NOT_FOUND, "wanted shapes version 1"),
    ],
)
def test_a_bad_request_is_told_what_was_wanted(
    stub: GRPCInferenceServiceStub, request_: pb.ModelInferRequest, code: grpc.StatusCode, words: str
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        stub.ModelInfer(request_)
    assert refused.value.code() == code
    assert words in refused.value.details()


def test_models_cannot_be_changed_over_grpc(stub: GRPCInferenceServiceStub) -> None:
    for method, request in (
        (stub.RepositoryModelLoad, pb.RepositoryModelLoadRequest(model_name="shapes")),
        (stub.RepositoryModelUnload, pb.RepositoryModelUnloadRequest(model_name="shapes")),
    ):
        with pytest.raises(grpc.RpcError) as refused:
            method(request)
        assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert stub.ModelReady(pb.ModelReadyRequest(name="shapes")).ready


def test_readiness_and_metadata_are_answered(stub: GRPCInferenceServiceStub) -> None:
    assert stub.ServerLive(pb.ServerLiveRequest()).live
    assert stub.ServerReady(pb.ServerReadyRequest()).ready
    assert list(stub.ServerMetadata(pb.ServerMetadataRequest()).extensions) == ["binary_tensor_data"]
    metadata = stub.ModelMetadata(pb.ModelMetadataRequest(name="shapes"))
    assert [output.name for output in metadata.outputs] == ["class", "confidence", "probabilities"]
    with pytest.raises(grpc.RpcError) as refused:
        stub.ModelReady(pb.ModelReadyRequest(name="shapes", version="2"))
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


def sample(client: httpx.Client, name: str) -> float:
    lines = client.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith(f"{name} ")).rsplit(" ", 1)[1])


def test_clients_that_leave_early_are_no_errors_and_leave_no_line_in_the_log(
    server: RunningServer, stub: GRPCInferenceServiceStub, client: httpx.Client, png: bytes
) -> None:
    name = 'ml_geometry_errors_total{model="shapes",reason="deadline",traffic="pinned",version="1"}'
    before, lines = sample(client, name), len(server.log)
    many = Tensor(name="image", datatype="BYTES", shape=[64])
    item = len(png).to_bytes(4, "little") + png
    request = pb.ModelInferRequest(model_name="shapes", inputs=[many], raw_input_contents=[item * 64])
    futures = [stub.ModelInfer.future(request, timeout=0.0005 * (index % 8 + 1)) for index in range(64)]
    for future in futures[::4]:
        future.cancel()
    assert grpc.StatusCode.INTERNAL not in {future.code() for future in futures}
    assert stub.ModelInfer(requests(png)["raw BYTES"]).model_name == "shapes"
    assert sample(client, name) == before
    assert server.log[lines:] == []
