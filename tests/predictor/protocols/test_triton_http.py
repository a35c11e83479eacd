"""Triton's HTTP client, unmodified; it asks for raw answers unless it is told otherwise."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput, InferResult
from tritonclient.utils import InferenceServerException

from tests.predictor.conftest import RunningServer
from tests.predictor.protocols.answers import Answer
from tests.predictor.protocols.conftest import Right

OUTPUTS = ("class", "confidence", "probabilities")
Pixels = NDArray[np.uint8]

NOT_HERE: dict[str, Callable[[InferenceServerClient], Any]] = {
    "statistics": lambda client: client.get_inference_statistics("shapes"),
    "configuration": lambda client: client.get_model_config("shapes"),
    "repository": lambda client: client.get_model_repository_index(),
    "load": lambda client: client.load_model("shapes"),
    "unload": lambda client: client.unload_model("shapes"),
    "trace": lambda client: client.get_trace_settings(),
    "trace of a model": lambda client: client.update_trace_settings("shapes", {"trace_level": ["OFF"]}),
    "log": lambda client: client.update_log_settings({"log_info": False}),
    "shared memory": lambda client: client.get_system_shared_memory_status(),
    "registering shared memory": lambda client: client.register_system_shared_memory("a", "/a", 1),
    "unregistering shared memory": lambda client: client.unregister_system_shared_memory(),
    "CUDA shared memory": lambda client: client.get_cuda_shared_memory_status(),
}


@pytest.fixture
def triton(server: RunningServer) -> Iterator[InferenceServerClient]:
    with InferenceServerClient(f"127.0.0.1:{server.http}") as client:
        yield client


def tensor(data: NDArray[Any], datatype: str, *, raw: bool) -> list[InferInput]:
    tensor = InferInput("image", list(data.shape), datatype)
    tensor.set_data_from_numpy(data, binary_data=raw)
    return [tensor]


def read(result: InferResult) -> Answer:
    outputs = {name: result.as_numpy(name) for name in OUTPUTS}
    document = result.get_response()
    return Answer(
        classes=[text.decode() if isinstance(text, bytes) else text for text in outputs["class"].tolist()],
        confidence=outputs["confidence"].tolist(),
        probabilities=outputs["probabilities"],
        version=document["model_version"],
        digest=document["parameters"]["digest"],
        id=document.get("id", ""),
    )


@pytest.mark.parametrize("datatype", ["BYTES", "UINT8", "FP32"])
@pytest.mark.parametrize("raw_answer", [True, False, None])
def test_raw_tensors_are_told_what_the_net_says(
    triton: InferenceServerClient,
    pictures: list[bytes],
    pixels: Pixels,
    right: Right,
    datatype: str,
    raw_answer: bool | None,
) -> None:
    data = {"BYTES": np.array(pictures[:2], object), "UINT8": pixels[:2], "FP32": pixels[:2].astype(np.float32)}
    outputs = None if raw_answer is None else [InferRequestedOutput(name, binary_data=raw_answer) for name in OUTPUTS]
    asked = tensor(data[datatype], datatype, raw=True)
    answer = read(triton.infer("shapes", asked, outputs=outputs, request_id="t-1"))
    right(answer, 2)
    assert answer.id == "t-1"


@pytest.mark.parametrize("raw_answer", [True, False])
def test_tensors_in_json_are_told_what_the_net_says(
    triton: InferenceServerClient, texts: list[str], right: Right, raw_answer: bool
) -> None:
    outputs = [InferRequestedOutput(name, binary_data=raw_answer) for name in OUTPUTS]
    asked = tensor(np.array(texts[:2], object), "BYTES", raw=False)
    right(read(triton.infer("shapes", asked, model_version="1", outputs=outputs)), 2)


def test_everything_is_live_ready_and_described(triton: InferenceServerClient) -> None:
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("shapes")
    assert triton.is_model_ready("shapes", "1")
    assert set(triton.get_server_metadata()) == {"name", "version", "extensions"}
    metadata = triton.get_model_metadata("shapes", "1")
    assert (metadata["name"], metadata["versions"], bool(metadata["platform"])) == ("shapes", ["1"], True)
    assert [output["name"] for output in metadata["outputs"]] == list(OUTPUTS)


def test_another_model_is_not_ready(triton: InferenceServerClient) -> None:
    assert not triton.is_model_ready("other")
    assert not triton.is_model_ready("shapes", "2")


@pytest.mark.parametrize("what", NOT_HERE)
def test_what_triton_has_beyond_the_protocol_is_refused_cleanly(triton: InferenceServerClient, what: str) -> None:
    with pytest.raises(InferenceServerException) as refused:
        NOT_HERE[what](triton)
    assert refused.value.status() in ("404", "405", "501")
    assert len(refused.value.message().splitlines()) == 1


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_a_compressed_request_is_refused_with_a_word_for_it(
    triton: InferenceServerClient, texts: list[str], algorithm: str
) -> None:
    asked = tensor(np.array(texts[:1], object), "BYTES", raw=False)
    with pytest.raises(InferenceServerException) as refused:
        triton.infer("shapes", asked, request_compression_algorithm=algorithm)
    assert refused.value.status() in ("400", "415")
    assert algorithm in refused.value.message()
