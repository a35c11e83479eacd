"""KServe's own Python clients, unmodified."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, InferResponse, RESTConfig
from numpy.typing import NDArray

from tests.predictor.conftest import RunningServer
from tests.predictor.protocols import answers
from tests.predictor.protocols.answers import Answer
from tests.predictor.protocols.conftest import Right

Pixels = NDArray[np.uint8]


def rest(server: RunningServer, protocol: str, data: InferRequest | dict[str, Any]) -> tuple[Any, dict[str, str]]:
    headers: dict[str, str] = {}

    async def ask() -> Any:
        client = InferenceRESTClient(RESTConfig(protocol=protocol))
        return await client.infer(server.url, data, model_name="shapes", response_headers=headers)

    return asyncio.run(ask()), headers


def grpc(server: RunningServer, call: Callable[[InferenceGRPCClient], Awaitable[Any]]) -> Any:
    async def ask() -> Any:
        async with InferenceGRPCClient(f"127.0.0.1:{server.grpc}") as client:
            return await call(client)

    return asyncio.run(ask())


def read(response: InferResponse, headers: dict[str, str] | None, digest: str) -> Answer:
    outputs = {output.name: output.as_numpy() for output in response.outputs}
    winners = [text.decode() if isinstance(text, bytes) else text for text in outputs["class"].tolist()]
    return Answer(
        classes=winners,
        confidence=outputs["confidence"].tolist(),
        probabilities=outputs["probabilities"],
        version=response.model_version or "1",  # its REST client drops the version
        digest=digest,
        id=response.id,
        headers=headers,
    )


def tensor(datatype: str, pictures: list[bytes], pixels: Pixels) -> InferInput:
    """With raw bytes, as the client makes them of numpy."""
    data = {
        "BYTES": np.array(pictures, dtype=np.object_),
        "UINT8": pixels,
        "FP32": pixels.astype(np.float32),
    }[datatype]
    tensor = InferInput("image", list(data.shape), datatype)
    tensor.set_data_from_numpy(data)
    return tensor


def test_the_rest_client_asks_v1(server: RunningServer, texts: list[str], right: Right) -> None:
    right(answers.v1(*rest(server, "v1", {"instances": [{"image": {"b64": text}} for text in texts[:2]]})), 2)


def test_the_rest_client_asks_v2_in_json(server: RunningServer, texts: list[str], right: Right) -> None:
    tensor = InferInput("image", [2], "BYTES", texts[:2])
    response, headers = rest(server, "v2", InferRequest("shapes", [tensor], request_id="k-1"))
    answer = read(response, headers, response.parameters["digest"])
    right(answer, 2)
    assert answer.id == "k-1"


@pytest.mark.parametrize("datatype", ["BYTES", "UINT8", "FP32"])
@pytest.mark.parametrize("raw_answer", [True, False])
def test_the_rest_client_asks_v2_with_raw_tensors(
    server: RunningServer, pictures: list[bytes], pixels: Pixels, right: Right, datatype: str, raw_answer: bool
) -> None:
    parameters = {"binary_data_output": True} if raw_answer else None
    request = InferRequest("shapes", [tensor(datatype, pictures[:2], pixels[:2])], parameters=parameters)
    response, headers = rest(server, "v2", request)
    assert ("inference-header-content-length" in headers) == raw_answer
    right(read(response, headers, response.parameters["digest"]), 2)


@pytest.mark.parametrize("datatype", ["BYTES", "UINT8", "FP32"])
def test_the_grpc_client_asks_with_raw_contents(
    server: RunningServer, pictures: list[bytes], pixels: Pixels, right: Right, datatype: str
) -> None:
    request = InferRequest("shapes", [tensor(datatype, pictures[:2], pixels[:2])], request_id="k-2")
    response = grpc(server, lambda client: client.infer(request))
    answer = read(response, None, response.parameters["digest"].string_param)
    right(answer, 2)
    assert (answer.id, answer.version) == ("k-2", "1")


def test_the_grpc_client_asks_with_typed_contents(server: RunningServer, pictures: list[bytes], right: Right) -> None:
    request = InferRequest("shapes", [InferInput("image", [2], "BYTES", pictures[:2])])
    response = grpc(server, lambda client: client.infer(request))
    right(read(response, None, response.parameters["digest"].string_param), 2)


@pytest.mark.parametrize("protocol", ["v1", "v2"])
def test_the_rest_client_sees_the_model_ready(server: RunningServer, protocol: str) -> None:
    async def ask() -> bool:
        return bool(await InferenceRESTClient(RESTConfig(protocol=protocol)).is_model_ready(server.url, "shapes"))

    assert asyncio.run(ask())


def test_the_rest_client_sees_the_server_live_and_ready(server: RunningServer) -> None:
    async def ask() -> list[bool]:
        client = InferenceRESTClient(RESTConfig(protocol="v2"))
        return [await client.is_server_live(server.url), await client.is_server_ready(server.url)]

    assert asyncio.run(ask()) == [True, True]


def test_the_grpc_client_sees_everything_live_and_ready(server: RunningServer) -> None:
    assert grpc(server, lambda client: client.is_server_live())
    assert grpc(server, lambda client: client.is_server_ready())
    assert grpc(server, lambda client: client.is_model_ready("shapes"))
