import asyncio
import base64
import json

import httpx
import numpy as np
import pytest
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

from predictor.classifier import Probabilities
from predictor.image import decode
from predictor.served import Served
from tests.predictor.conftest import RunningServer

PATH = "/v2/models/shapes/infer"


def tensor(datatype: str, shape: list[int], data: object) -> dict[str, object]:
    return {"inputs": [{"name": "image", "datatype": datatype, "shape": shape, "data": data}]}


def forms(png: bytes) -> dict[str, dict[str, object]]:
    pixels = decode(png, width=64, height=64)
    file = base64.b64encode(png).decode()
    return {
        "BYTES": tensor("BYTES", [1], [file]),
        "BYTES column": tensor("BYTES", [1, 1], [[file]]),
        "UINT8": tensor("UINT8", [1, 64, 64, 3], pixels.ravel().tolist()),
        "FP32 nested": tensor("FP32", [1, 64, 64, 3], [pixels.astype(float).tolist()]),
    }


@pytest.mark.parametrize("form", ["BYTES", "BYTES column", "UINT8", "FP32 nested"])
def test_every_datatype_gets_the_nets_answer(
    client: httpx.Client, png: bytes, expected: Probabilities, served: Served, form: str
) -> None:
    answer = client.post(PATH, json={**forms(png)[form], "id": "q1"}).json()
    outputs = {output["name"]: output for output in answer["outputs"]}
    assert outputs["class"]["data"] == [served.classes[expected.argmax()]]
    assert (outputs["class"]["datatype"], outputs["confidence"]["datatype"]) == ("BYTES", "FP32")
    assert outputs["probabilities"]["shape"] == [1, 8]
    np.testing.assert_allclose(outputs["probabilities"]["data"], expected, rtol=1e-5)
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("q1", "shapes", "1")
    assert answer["parameters"] == {"version": "1", "digest": served.digest}


def test_only_the_outputs_that_are_asked_for_come_back(client: httpx.Client, png: bytes) -> None:
    answer = client.post(PATH, json={**forms(png)["BYTES"], "outputs": [{"name": "confidence"}]}).json()
    assert [output["name"] for output in answer["outputs"]] == ["confidence"]


def test_kserves_own_client_is_answered(server: RunningServer, png: bytes, expected: Probabilities) -> None:
    async def ask() -> list[float]:
        tensor = InferInput("image", [1], "BYTES", [base64.b64encode(png).decode()])
        client = InferenceRESTClient(RESTConfig(protocol="v2"))
        answer = await client.infer(server.url, InferRequest("shapes", [tensor]), model_name="shapes")
        return list(answer.outputs[2].data)

    np.testing.assert_allclose(asyncio.run(ask()), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "path", ["/health", "/v2/health/ready", "/v2/health/live", "/v2/models/shapes/ready", "/v1/models/shapes"]
)
def test_a_server_with_its_model_is_ready(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 200


def test_metadata_tells_the_tensors(client: httpx.Client, served: Served) -> None:
    answer = client.get("/v2/models/shapes")
    assert answer.json()["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1]}]
    assert answer.json()["outputs"][2] == {"name": "probabilities", "datatype": "FP32", "shape": [-1, 8]}
    assert answer.headers["x-model-digest"] == served.digest


@pytest.mark.parametrize("verb", ["load", "unload"])
def test_models_cannot_be_changed_over_the_network(client: httpx.Client, verb: str) -> None:
    assert client.post(f"/v2/repository/models/shapes/{verb}").status_code == 404
    assert client.get("/v2/models/shapes/ready").status_code == 200
    assert "model_repository_extension" not in client.get("/v2").text


def test_datatypes_are_taken_in_any_case(client: httpx.Client, png: bytes, expected: Probabilities) -> None:
    answer = client.post(PATH, json=tensor("bytes", [1], [base64.b64encode(png).decode()])).json()
    np.testing.assert_allclose(answer["outputs"][2]["data"], expected, rtol=1e-5)


def test_a_raw_item_may_be_base64_as_kserves_clients_send_text(
    client: httpx.Client, png: bytes, expected: Probabilities
) -> None:
    item = base64.b64encode(png)
    raw = len(item).to_bytes(4, "little") + item
    image = {"name": "image", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"inputs": [image]}).encode()
    headers = {"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"}
    answer = client.post(PATH, content=head + raw, headers=headers).json()
    np.testing.assert_allclose(answer["outputs"][2]["data"], expected, rtol=1e-5)
