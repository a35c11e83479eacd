"""Clients as users have them, through the cluster's gateway: v1, v2 and gRPC."""

import asyncio
import base64

import numpy as np
import pytest

from tests.cluster.installation import Installation
from training.shapes import render_batch

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def picture() -> bytes:
    (found,) = render_batch(11, 0, 1)
    return found.content


@pytest.fixture(scope="module")
def address(installation: Installation) -> str:
    return installation.gateway.removeprefix("http://")


def test_kserve_client_speaks_v1(installation, picture):
    from kserve import InferenceRESTClient, RESTConfig

    client = InferenceRESTClient(RESTConfig(protocol="v1"))
    body = {"instances": [{"image": {"b64": base64.b64encode(picture).decode()}}]}
    asked = client.infer(installation.gateway, body, model_name="shapes", headers={"Host": installation.host})
    assert asyncio.run(asked)["predictions"][0]["probabilities"]


def test_triton_client_speaks_v2_with_a_binary_body(installation, address, picture):
    import tritonclient.http as triton

    given = triton.InferInput("images", [1], "BYTES")
    given.set_data_from_numpy(np.array([picture], dtype=object), binary_data=True)
    client = triton.InferenceServerClient(address)
    answer = client.infer("shapes", [given], headers={"Host": installation.host})
    assert answer.as_numpy("probabilities").sum() == pytest.approx(1, abs=1e-5)


def test_kserve_client_speaks_grpc(installation, address, picture):
    from kserve import InferenceGRPCClient, InferInput, InferRequest

    given = InferInput("images", [1], "BYTES")
    given.set_data_from_numpy(np.array([picture], dtype=object))

    async def ask():
        authority = [("grpc.default_authority", installation.host)]
        async with InferenceGRPCClient(address, channel_args=authority) as client:
            return await client.infer(InferRequest("shapes", [given]))

    outputs = {output.name: output for output in asyncio.run(ask()).outputs}
    assert outputs["probabilities"].as_numpy().sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("path", ["/metrics", "/outcomes", "/v2/repository/index"])
def test_what_is_not_for_the_public_is_not_reached(installation, path):
    import httpx

    assert httpx.get(installation.gateway + path, headers={"Host": installation.host}).status_code == 404
