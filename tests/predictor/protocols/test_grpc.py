"""v2 over gRPC with the protocol's own stub: raw and typed contents, and every method that there is and is not."""

import grpc
import httpx
import numpy as np
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub as Stub
from numpy.typing import NDArray

from tests.predictor.protocols import answers
from tests.predictor.protocols.answers import Answer, framed
from tests.predictor.protocols.conftest import Right

Tensor = pb.ModelInferRequest.InferInputTensor
Pixels = NDArray[np.uint8]
DATATYPES = pytest.mark.parametrize("datatype", ["BYTES", "UINT8", "FP32"])
SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]
OFFERED = {"ServerLive", "ServerReady", "ServerMetadata", "ModelReady", "ModelMetadata", "ModelInfer"}


def raw(datatype: str, pictures: list[bytes], pixels: Pixels) -> pb.ModelInferRequest:
    content = {"BYTES": framed(*pictures), "UINT8": pixels.tobytes(), "FP32": pixels.astype("<f4").tobytes()}[datatype]
    shape = [len(pictures)] if datatype == "BYTES" else pixels.shape
    tensor = Tensor(name="image", datatype=datatype, shape=shape)
    return pb.ModelInferRequest(model_name="shapes", inputs=[tensor], raw_input_contents=[content])


def typed(datatype: str, pictures: list[bytes], pixels: Pixels) -> pb.ModelInferRequest:
    numbers = pixels.ravel().tolist()
    contents = {
        "BYTES": pb.InferTensorContents(bytes_contents=pictures),
        "UINT8": pb.InferTensorContents(uint_contents=numbers),
        "FP32": pb.InferTensorContents(fp32_contents=numbers),
    }[datatype]
    shape = [len(pictures)] if datatype == "BYTES" else pixels.shape
    tensor = Tensor(name="image", datatype=datatype, shape=shape, contents=contents)
    return pb.ModelInferRequest(model_name="shapes", inputs=[tensor])


def ask(stub: Stub, request: pb.ModelInferRequest, *metadata: tuple[str, str]) -> Answer:
    answer, call = stub.ModelInfer.with_call(request, metadata=metadata, timeout=20)
    return answers.grpc(answer, dict(call.trailing_metadata()))


@DATATYPES
@pytest.mark.parametrize("images", [1, 2, 63, 64])
def test_raw_contents(
    stub: Stub, pictures: list[bytes], pixels: Pixels, right: Right, datatype: str, images: int
) -> None:
    right(ask(stub, raw(datatype, pictures[:images], pixels[:images])), images)


@DATATYPES
def test_typed_contents(stub: Stub, pictures: list[bytes], pixels: Pixels, right: Right, datatype: str) -> None:
    right(ask(stub, typed(datatype, pictures[:2], pixels[:2])), 2)


@DATATYPES
def test_raw_is_answered_raw_and_typed_is_answered_typed(
    stub: Stub, pictures: list[bytes], pixels: Pixels, datatype: str
) -> None:
    assert len(stub.ModelInfer(raw(datatype, pictures[:1], pixels[:1])).raw_output_contents) == 3
    answer = stub.ModelInfer(typed(datatype, pictures[:1], pixels[:1]))
    assert list(answer.raw_output_contents) == []
    assert len(answer.outputs[2].contents.fp32_contents) == 8


def test_ids_come_back(stub: Stub, pictures: list[bytes], pixels: Pixels) -> None:
    request = raw("BYTES", pictures[:1], pixels[:1])
    request.id = "q-7"
    answer = ask(stub, request, ("x-request-id", "r-8"))
    assert (answer.id, answer.headers["x-request-id"]) == ("q-7", "r-8")


def test_outputs_come_in_the_order_they_are_asked_for(stub: Stub, pictures: list[bytes], pixels: Pixels) -> None:
    request = raw("BYTES", pictures[:1], pixels[:1])
    for name in ("probabilities", "class"):
        request.outputs.add(name=name)
    assert [output.name for output in stub.ModelInfer(request).outputs] == ["probabilities", "class"]


def test_one_more_image_than_the_limit_is_refused(stub: Stub, pictures: list[bytes], pixels: Pixels) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        stub.ModelInfer(raw("BYTES", [*pictures, pictures[0]], pixels))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "65" in refused.value.details()


def test_the_server_and_its_model_are_described(stub: Stub, client: httpx.Client) -> None:
    server = stub.ServerMetadata(pb.ServerMetadataRequest())
    rest = client.get("/v2").json()
    assert (server.name, server.version, list(server.extensions)) == (rest["name"], rest["version"], rest["extensions"])
    model = stub.ModelMetadata(pb.ModelMetadataRequest(name="shapes", version="1"))
    rest = client.get("/v2/models/shapes").json()
    assert (model.name, list(model.versions), model.platform) == ("shapes", ["1"], rest["platform"])
    tensors = [{"name": item.name, "datatype": item.datatype, "shape": list(item.shape)} for item in model.outputs]
    assert tensors == rest["outputs"]


def test_every_method_of_the_protocol_is_offered_or_changes_nothing(stub: Stub) -> None:
    answered = set()
    for method in SERVICE.methods:
        request = getattr(pb, method.input_type.name)()
        field = "model_name" if "model_name" in method.input_type.fields_by_name else "name"
        if field in method.input_type.fields_by_name:
            setattr(request, field, "shapes")
        try:
            getattr(stub, method.name)(request)
            answered.add(method.name)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNIMPLEMENTED:
                answered.add(method.name)
    assert answered == OFFERED
    assert stub.ModelReady(pb.ModelReadyRequest(name="shapes")).ready
