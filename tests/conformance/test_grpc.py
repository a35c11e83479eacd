"""The protocol over gRPC: whatever message arrives, it is answered or refused, and never blamed on the server."""

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub as Stub

from tests.conformance.conftest import CASES, cases
from tests.predictor.conftest import RunningServer

Tensor = pb.ModelInferRequest.InferInputTensor
Output = pb.ModelInferRequest.InferRequestedOutputTensor
CODES = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}

int64 = st.integers(-(2**63), 2**63 - 1)
names = st.one_of(st.sampled_from(["image", "class", "probabilities", ""]), st.text(max_size=8))
datatypes = st.one_of(st.sampled_from(["BYTES", "UINT8", "FP32", "FP16", "INT64", "BOOL"]), st.text(max_size=5))
shapes = st.one_of(
    st.sampled_from([[1], [1, 1], [1, 64, 64, 3], [2, 64, 64, 3], [0], [-1], []]), st.lists(int64, max_size=5)
)
parameters = st.dictionaries(
    st.text(max_size=5),
    st.one_of(
        st.builds(pb.InferParameter, bool_param=st.booleans()),
        st.builds(pb.InferParameter, int64_param=int64),
        st.builds(pb.InferParameter, string_param=st.text(max_size=5)),
        st.just(pb.InferParameter()),
    ),
    max_size=2,
)
contents = st.one_of(
    st.none(),
    st.builds(
        pb.InferTensorContents,
        bytes_contents=st.lists(st.binary(max_size=20), max_size=3),
        uint_contents=st.lists(st.integers(0, 2**32 - 1), max_size=3),
        int_contents=st.lists(st.integers(-(2**31), 2**31 - 1), max_size=2),
        int64_contents=st.lists(int64, max_size=2),
        fp32_contents=st.lists(st.floats(width=32), max_size=3),
        fp64_contents=st.lists(st.floats(), max_size=2),
        bool_contents=st.lists(st.booleans(), max_size=2),
    ),
)
tensors = st.builds(Tensor, name=names, datatype=datatypes, shape=shapes, parameters=parameters, contents=contents)
outputs = st.builds(Output, name=names, parameters=parameters)
models = st.sampled_from(["shapes", "shapes", "shapes", "other", ""])
versions = st.sampled_from(["", "", "1", "2"])


def requests(png: bytes) -> st.SearchStrategy[pb.ModelInferRequest]:
    """Messages of which many begin like good ones."""
    framed = len(png).to_bytes(4, "little") + png
    raws = st.one_of(st.binary(max_size=40), st.just(framed), st.binary(max_size=4).map(framed.__add__))
    return st.builds(
        pb.ModelInferRequest,
        model_name=models,
        model_version=versions,
        id=st.text(max_size=10),
        parameters=parameters,
        inputs=st.lists(tensors, max_size=2),
        outputs=st.lists(outputs, max_size=2),
        raw_input_contents=st.lists(raws, max_size=2),
    )


@pytest.fixture
def channel(server: RunningServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
        yield channel


@pytest.fixture
def code() -> Callable[..., grpc.StatusCode]:
    def call(method: Callable[..., Any], request: Any) -> grpc.StatusCode:
        CASES["gRPC"] += 1
        future = method.future(request, timeout=5)
        if future.code() != grpc.StatusCode.OK:
            assert len(future.details().splitlines()) == 1
            assert future.details().isprintable()
        return future.code()

    return call


def test_any_message_is_answered_or_refused(channel: grpc.Channel, code: Any, times: int, png: bytes) -> None:
    stub = Stub(channel)

    @cases(60 * times)
    @given(request=requests(png))
    def check(request: pb.ModelInferRequest) -> None:
        assert code(stub.ModelInfer, request) in CODES

    check()
    assert stub.ModelReady(pb.ModelReadyRequest(name="shapes")).ready


def test_a_good_message_with_anything_beside_its_tensor_is_answered(
    channel: grpc.Channel, code: Any, times: int, png: bytes
) -> None:
    stub = Stub(channel)
    framed = len(png).to_bytes(4, "little") + png

    @cases(15 * times)
    @given(id=st.text(max_size=20), parameters=parameters)
    def check(id: str, parameters: dict[str, pb.InferParameter]) -> None:
        tensor = Tensor(name="image", datatype="BYTES", shape=[1])
        request = pb.ModelInferRequest(
            model_name="shapes", id=id, parameters=parameters, inputs=[tensor], raw_input_contents=[framed]
        )
        assert code(stub.ModelInfer, request) == grpc.StatusCode.OK

    check()


def test_any_name_is_ready_or_not_found(channel: grpc.Channel, code: Any, times: int) -> None:
    stub = Stub(channel)

    @cases(5 * times)
    @given(name=st.one_of(models, st.text()), version=st.one_of(versions, st.text()))
    def check(name: str, version: str) -> None:
        here = name == "shapes" and version in ("", "1")
        wanted = grpc.StatusCode.OK if here else grpc.StatusCode.NOT_FOUND
        assert code(stub.ModelReady, pb.ModelReadyRequest(name=name, version=version)) == wanted
        assert code(stub.ModelMetadata, pb.ModelMetadataRequest(name=name, version=version)) == wanted

    check()


def test_bytes_that_are_no_message_are_refused(channel: grpc.Channel, code: Any, times: int) -> None:
    """gRPC cannot parse them: it says so itself, with a code that blames nobody's logic."""
    raw = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")

    @cases(10 * times)
    @given(content=st.binary(max_size=60))
    def check(content: bytes) -> None:
        assert code(raw, content) in CODES

    check()
