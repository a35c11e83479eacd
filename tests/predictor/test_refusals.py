"""What a client that is wrong is told: one line of ours, and nothing of what is inside."""

import base64
import json

import httpx
import pytest

from tests.predictor.conftest import RunningServer, message

V1, V2 = "/v1/models/shapes:predict", "/v2/models/shapes/infer"
TEXT = base64.b64encode(b"hallo").decode()
LEAKS = ("Traceback", "Error(", "Exception", ".py", "predictor.", "kserve", "pydantic", "orjson", "numpy", "PIL")


def instances(*items: object) -> str:
    return json.dumps({"instances": items})


def tensor(**fields: object) -> str:
    whole = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [TEXT], **fields}
    return json.dumps({"inputs": [{name: value for name, value in whole.items() if value is not None}]})


BAD = [
    (V1, "", 400, "body: found 0 bytes that are not JSON"),
    (V1, "[" * 5000, 400, "body: found 5000 bytes that are not JSON"),
    (V1, "[]", 400, "body: found a list, wanted a JSON object"),
    (V1, "{}", 400, "instances: found nothing, wanted a list"),
    (V1, instances(), 400, "instances: found 0 images, wanted 1 to 64"),
    (V1, instances(*[TEXT] * 65), 400, "instances: found 65 images, wanted 1 to 64"),
    (V1, instances(7), 400, "instances[0]: found a number, wanted an image file in base64"),
    (V1, instances({"image": {"b64": None}}), 400, "instances[0].image.b64: found nothing"),
    (V1, instances("not base64!"), 400, "instances[0]: found 11 characters that are not base64"),
    (V1, instances(TEXT), 400, "image 0: found 5 bytes that begin with 68 61 6c 6c, wanted a PNG"),
    (V1, instances([[1, 2], [3, 4]]), 400, "instances: found 4 numbers, wanted 12288 in shape [1, 64, 64, 3]"),
    (V1, instances([0] * 12288), 400, "instances: found no even nesting of numbers, wanted numbers in shape"),
    (V1, instances([["1"] * 3] * 4096), 400, "found no even nesting of numbers"),
    (V1, instances([[[256] * 3] * 64] * 64), 400, "found values from 256 to 256, wanted 0 to 255"),
    (V2, "{}", 400, "inputs: found nothing, wanted a list of one tensor"),
    (V2, tensor(data=None), 400, "inputs[0]: found neither data nor binary_data_size"),
    (V2, tensor(datatype="INT64"), 400, "datatype: found 'INT64', wanted BYTES, UINT8, FP32"),
    (V2, tensor(shape=[-1]), 400, "shape: found -1 images, wanted 1 to 64"),
    (V2, tensor(shape=[2]), 400, "found 1 items, wanted 2 as the shape says"),
    (V2, tensor(shape="x" * 900), 400, "inputs[0].shape: found 'xxx"),
    (V2, tensor(datatype="FP32", shape=[1, 64, 64, 3], data=[-1] * 12288), 400, "found values from -1 to -1"),
    (V2, tensor(datatype="FP32", shape=[1, 3, 64, 64], data=[1]), 400, "wanted [n, 64, 64, 3]"),
    (V2, tensor(data={"a": 1}), 400, "inputs[0].data: found an object, wanted a list"),
    (V2, json.dumps({**json.loads(tensor()), "outputs": [{"name": "x"}]}), 400, "outputs: found 'x'"),
    (V2, json.dumps({**json.loads(tensor()), "id": 3}), 400, "id: found a number, wanted a string"),
    ("/v1/models/other:predict", "{}", 404, "wanted shapes version 1"),
    ("/v2/models/other/infer", "{}", 404, "wanted shapes version 1"),
    ("/v1/models/shapes:explain", "{}", 501, "wanted predict"),
]


@pytest.mark.parametrize(("path", "body", "status", "words"), BAD)
def test_a_bad_request_is_told_what_was_found_and_wanted(
    client: httpx.Client, path: str, body: str, status: int, words: str
) -> None:
    answer = client.post(path, content=body)
    assert answer.status_code == status
    assert words in message(answer)
    assert len(message(answer)) < 200
    assert not [leak for leak in LEAKS if leak in answer.text]
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_a_body_over_the_limit_is_refused_by_its_header(client: httpx.Client) -> None:
    answer = client.post(V1, content=b"x" * 10_000_001)
    assert (answer.status_code, message(answer)) == (413, "body: found 10000001 bytes, wanted at most 10000000")


def test_a_body_over_the_limit_is_refused_while_it_arrives(client: httpx.Client) -> None:
    answer = client.post(V1, content=iter([b"x" * 1_000_000] * 11))
    assert answer.status_code == 413
    assert "wanted at most 10000000" in message(answer)


def test_predicting_wants_post(client: httpx.Client) -> None:
    assert message(client.get(V1)) == "found GET, wanted POST"


def test_bad_requests_leave_no_line_in_the_log(server: RunningServer, client: httpx.Client) -> None:
    before = len(server.log)
    for path, body, *_ in BAD:
        client.post(path, content=body)
    client.get("/v1/models/other")
    assert server.log[before:] == []
