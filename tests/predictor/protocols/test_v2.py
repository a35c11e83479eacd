"""v2 REST over a plain HTTP client: JSON, and the extension for raw tensors, both ways."""

import json
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.predictor.conftest import message
from tests.predictor.protocols import answers
from tests.predictor.protocols.answers import Answer, framed
from tests.predictor.protocols.conftest import Right

PATH = "/v2/models/shapes/infer"
LENGTH = "inference-header-content-length"
RAW = {"parameters": {"binary_data_output": True}}
COUNTS = pytest.mark.parametrize("images", [1, 2, 63, 64])
DATATYPES = pytest.mark.parametrize("datatype", ["BYTES", "UINT8", "FP32"])
Pixels = NDArray[np.uint8]


def tensor(datatype: str, images: int, **fields: object) -> dict[str, Any]:
    shape = [images] if datatype == "BYTES" else [images, 64, 64, 3]
    return {"name": "image", "datatype": datatype, "shape": shape, **fields}


def ask_json(client: httpx.Client, document: dict[str, Any]) -> Answer:
    answer = client.post(PATH, json=document)
    assert answer.status_code == 200, answer.text
    return answers.v2(answer.json(), answer.headers)


def ask_raw(client: httpx.Client, document: dict[str, Any], raw: bytes) -> httpx.Response:
    head = json.dumps(document).encode()
    headers = {LENGTH: str(len(head)), "content-type": "application/octet-stream"}
    answer = client.post(PATH, content=head + raw, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


def raw_of(datatype: str, pictures: list[bytes], pixels: Pixels) -> bytes:
    return {
        "BYTES": framed(*pictures),
        "UINT8": pixels.tobytes(),
        "FP32": pixels.astype("<f4").tobytes(),
    }[datatype]


@COUNTS
def test_images_in_base64(client: httpx.Client, texts: list[str], right: Right, images: int) -> None:
    inputs = [tensor("BYTES", images, data=texts[:images])]
    right(ask_json(client, {"id": "q1", "inputs": inputs}), images)


@pytest.mark.parametrize("datatype", ["UINT8", "FP32"])
@pytest.mark.parametrize("nested", [True, False])
def test_pixels_as_numbers(client: httpx.Client, pixels: Pixels, right: Right, datatype: str, nested: bool) -> None:
    two = pixels[:2].astype(float if datatype == "FP32" else int)
    data = two.tolist() if nested else two.ravel().tolist()
    right(ask_json(client, {"inputs": [tensor(datatype, 2, data=data)]}), 2)


@COUNTS
@DATATYPES
def test_raw_tensors_both_ways(
    client: httpx.Client, pictures: list[bytes], pixels: Pixels, right: Right, datatype: str, images: int
) -> None:
    raw = raw_of(datatype, pictures[:images], pixels[:images])
    document = {"inputs": [tensor(datatype, images, parameters={"binary_data_size": len(raw)})], **RAW}
    answer = ask_raw(client, document, raw)
    right(answers.v2_binary(answer.content, answer.headers), images)


@DATATYPES
def test_a_raw_request_may_be_answered_in_json(
    client: httpx.Client, pictures: list[bytes], pixels: Pixels, right: Right, datatype: str
) -> None:
    raw = raw_of(datatype, pictures[:1], pixels[:1])
    answer = ask_raw(client, {"inputs": [tensor(datatype, 1, parameters={"binary_data_size": len(raw)})]}, raw)
    right(answers.v2(answer.json(), answer.headers))


def test_a_json_request_may_be_answered_raw(client: httpx.Client, texts: list[str], right: Right) -> None:
    answer = client.post(PATH, json={"inputs": [tensor("BYTES", 1, data=texts[:1])], **RAW})
    right(answers.v2_binary(answer.content, answer.headers))


def test_one_output_may_be_raw_and_the_next_in_json(client: httpx.Client, texts: list[str]) -> None:
    outputs = [{"name": "probabilities", "parameters": {"binary_data": True}}, {"name": "class"}]
    answer = client.post(PATH, json={"inputs": [tensor("BYTES", 1, data=texts[:1])], "outputs": outputs})
    length = int(answer.headers[LENGTH])
    first, second = json.loads(answer.content[:length])["outputs"]
    assert (first["name"], first["parameters"], "data" in first) == ("probabilities", {"binary_data_size": 32}, False)
    assert (second["name"], len(second["data"])) == ("class", 1)
    assert np.frombuffer(answer.content[length:], "<f4").sum() == pytest.approx(1)


def test_an_id_comes_back_and_none_is_made_up(client: httpx.Client, texts: list[str]) -> None:
    inputs = [tensor("BYTES", 1, data=texts[:1])]
    assert ask_json(client, {"id": "q-7", "inputs": inputs}).id == "q-7"
    assert ask_json(client, {"inputs": inputs}).id == ""


def test_outputs_come_in_the_order_they_are_asked_for(client: httpx.Client, texts: list[str]) -> None:
    outputs = [{"name": "probabilities"}, {"name": "class"}]
    answer = client.post(PATH, json={"inputs": [tensor("BYTES", 1, data=texts[:1])], "outputs": outputs})
    assert [output["name"] for output in answer.json()["outputs"]] == ["probabilities", "class"]


@pytest.mark.parametrize("path", [PATH, "/v2/models/shapes/versions/1/infer"])
def test_one_more_image_than_the_limit_is_refused(client: httpx.Client, texts: list[str], path: str) -> None:
    answer = client.post(path, json={"inputs": [tensor("BYTES", 65, data=[*texts, texts[0]])]})
    assert (answer.status_code, "65" in message(answer), "64" in message(answer)) == (400, True, True)


def test_a_version_may_be_named(client: httpx.Client, texts: list[str], right: Right) -> None:
    document = {"inputs": [tensor("BYTES", 1, data=texts[:1])]}
    answer = client.post("/v2/models/shapes/versions/1/infer", json=document)
    right(answers.v2(answer.json(), answer.headers))
    assert client.post("/v2/models/shapes/versions/2/infer", json=document).status_code == 404
