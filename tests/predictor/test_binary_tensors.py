"""v2's binary tensor data extension, with requests that the real clients write and answers that they read."""

import json
from collections.abc import Mapping
from typing import Any

import kserve
import numpy as np
import pytest
import tritonclient.http as triton

from predictor import v2
from predictor.errors import BadRequest
from predictor.query import OUTPUTS, Limits, Predictions, Query
from predictor.served import Served
from registry.domain.card import InputSpec

LIMITS = Limits(InputSpec(width=3, height=2), images=4)
JPEG = b"\xff\xd8\xff\xe0 not whole, but nobody looks"
PIXELS = np.arange(36, dtype=np.uint8).reshape(2, 2, 3, 3)
TENSORS = {
    "BYTES": np.array([JPEG, b"\x00\xff" + JPEG], object),
    "UINT8": PIXELS,
    "FP32": PIXELS.astype(np.float32) / 3,
}
PREDICTIONS = Predictions.of(np.array([[0.25, 0.5, 0.0, 0.25, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0]], np.float32))


def length(size: int | None) -> dict[bytes, bytes]:
    return {} if size is None else {b"inference-header-content-length": str(size).encode()}


def tritons(datatype: str, *, binary: bool = True, **more: Any) -> tuple[bytes, Mapping[bytes, bytes]]:
    tensor = triton.InferInput("image", list(TENSORS[datatype].shape), datatype)
    tensor.set_data_from_numpy(TENSORS[datatype], binary_data=binary)
    body, size = triton.InferenceServerClient.generate_request_body([tensor], **more)
    return body, length(size)


def kserves(datatype: str) -> tuple[bytes, Mapping[bytes, bytes]]:
    tensor = kserve.InferInput("image", list(TENSORS[datatype].shape), datatype)
    tensor.set_data_from_numpy(TENSORS[datatype], binary_data=True)
    body, size = kserve.InferRequest("shapes", [tensor], request_id="k1").to_rest()
    return body, length(size)


@pytest.mark.parametrize("datatype", TENSORS)
@pytest.mark.parametrize("client", [tritons, kserves])
def test_tensors_of_the_clients_arrive_as_they_were_sent(client: Any, datatype: str) -> None:
    query = v2.FORM.read(*client(datatype), LIMITS)
    assert all(np.array_equal(found, sent) for found, sent in zip(query.images, TENSORS[datatype], strict=True))


def test_pixels_are_not_copied() -> None:
    body, headers = tritons("FP32")
    assert np.shares_memory(v2.FORM.read(body, headers, LIMITS).images, np.frombuffer(body, np.uint8))


@pytest.mark.parametrize(
    ("wishes", "raw"),
    [
        ({}, set(OUTPUTS)),
        ({"outputs": [triton.InferRequestedOutput("class", binary_data=False)]}, set()),
        (
            {
                "outputs": [
                    triton.InferRequestedOutput("confidence", binary_data=True),
                    triton.InferRequestedOutput("class", binary_data=False),
                ]
            },
            {"confidence"},
        ),
    ],
)
@pytest.mark.parametrize("binary", [True, False])
def test_tritons_client_reads_the_outputs_it_asked_for(
    served: Served, wishes: dict[str, Any], raw: set[str], binary: bool
) -> None:
    query = v2.FORM.read(*tritons("UINT8", binary=binary, request_id="t1", **wishes), LIMITS)
    assert query.binary == raw
    body = v2.FORM.write(query, PREDICTIONS, served)
    found = triton.InferenceServerClient.parse_response_body(body.content, header_length=body.json_length)
    assert found.get_response()["id"] == "t1"
    assert found.as_numpy("class").astype(str).tolist() == ["ellipse", "circle"]
    if "confidence" in query.outputs:
        assert found.as_numpy("confidence").tolist() == [0.5, 1.0]
    if "probabilities" in query.outputs:
        assert np.array_equal(found.as_numpy("probabilities"), PREDICTIONS.probabilities)


def test_kserves_client_reads_a_raw_answer(served: Served) -> None:
    body = v2.FORM.write(Query((JPEG,), "k1", binary=frozenset(OUTPUTS)), PREDICTIONS, served)
    assert body.content_type == b"application/octet-stream"
    found = kserve.InferResponse.from_bytes(body.content, body.json_length)
    assert found.id == "k1"
    assert [output.data for output in found.outputs[:2]] == [["ellipse", "circle"], [0.5, 1.0]]
    assert found.parameters == {"version": "1", "digest": served.digest}


def test_an_outputs_own_wish_has_the_last_word() -> None:
    document = {
        **json.loads(request("BYTES", [1], 4)),
        "parameters": {"binary_data_output": True},
        "outputs": [{"name": "class", "parameters": {"binary_data": False}}, {"name": "confidence"}],
    }
    text = json.dumps(document).encode()
    query = v2.FORM.read(text + bytes(4), length(len(text)), LIMITS)
    assert (query.outputs, query.binary) == (("class", "confidence"), {"confidence"})


def request(datatype: str, shape: list[int], size: object, **more: object) -> bytes:
    tensor = {"name": "image", "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}, **more}
    return json.dumps({"inputs": [tensor]}).encode()


TEXT = request("FP32", [1, 2, 3, 3], 72)
FILES = request("BYTES", [2], 16)
ITEMS = b"\x04\x00\x00\x00abcd" * 2
REFUSED = [
    (TEXT, bytes(71), str(len(TEXT)), "found 71 bytes behind the JSON, wanted binary_data_size 72"),
    (TEXT, bytes(73), str(len(TEXT)), "found 73 bytes behind the JSON, wanted binary_data_size 72"),
    (TEXT, bytes(72), None, "are not JSON"),
    (TEXT, b"", None, "found 0 bytes behind the JSON, wanted binary_data_size 72"),
    (TEXT, bytes(72), str(len(TEXT) - 1), "are not JSON"),
    (TEXT, bytes(72), str(len(TEXT) + 1), "are not JSON"),
    (TEXT, bytes(72), "99999", "Content-Length: found '99999', wanted the length of the JSON in a body of"),
    (TEXT, bytes(72), "-1", "Content-Length: found '-1'"),
    (TEXT, bytes(72), "", "Content-Length: found ''"),
    (TEXT, bytes(72), "0", "found 0 bytes that are not JSON"),
    (TEXT, bytes(72), "9" * 5000, "Content-Length: found '999"),
    (request("FP32", [2, 2, 3, 3], 72), bytes(72), "", "Content-Length"),
    (request("FP32", [2, 2, 3, 3], 72), bytes(72), "all", "raw tensor: found 72 bytes, wanted 144"),
    (request("UINT8", [1, 2, 3, 3], 72), bytes(72), "all", "raw tensor: found 72 bytes, wanted 18"),
    (request("FP32", [1, 2, 3, 3], -72), bytes(72), "all", "wanted binary_data_size -72"),
    (request("FP32", [1, 2, 3, 3], 72.0), bytes(72), "all", "wanted binary_data_size 72.0"),
    (request("FP32", [1, 2, 3, 3], True), b"a", "all", "wanted binary_data_size True"),
    (request("FP32", [1, 2, 3, 3], "72"), bytes(72), "all", "wanted binary_data_size '72'"),
    (request("FP32", [1, 2, 3, 3], 72, data=[1] * 18), bytes(72), "all", "found both data and binary_data_size"),
    (TEXT, np.full(18, np.nan, "<f4").tobytes(), "all", "found values from nan to nan, wanted 0 to 255"),
    (TEXT, np.full(18, np.inf, "<f4").tobytes(), "all", "found values from inf to inf, wanted 0 to 255"),
    (TEXT, np.full(18, -1, "<f4").tobytes(), "all", "found values from -1 to -1, wanted 0 to 255"),
    (FILES, ITEMS[:8] + b"\x05\x00\x00\x00abcd", "all", "found 16 bytes, wanted 17 or more for item 1"),
    (FILES, b"\xff\xff\xff\xff" + ITEMS[4:], "all", "wanted 4294967299 or more for item 0"),
    (FILES, b"\x03\x00\x00\x00abc" + ITEMS[:8] + b"x", "all", "found 16 bytes, wanted 15 for 2 items"),
    (request("BYTES", [3], 16), ITEMS, "all", "found 16 bytes, wanted 20 or more for item 2"),
    (request("BYTES", [1], 16), ITEMS, "all", "found 16 bytes, wanted 8 for 1 items"),
    (request("FP16", [1, 2, 3, 3], 36), bytes(36), "all", "datatype: found 'FP16', wanted BYTES, UINT8, FP32"),
]


@pytest.mark.parametrize(("text", "behind", "header", "words"), REFUSED)
def test_lengths_that_do_not_add_up_are_refused(text: bytes, behind: bytes, header: str | None, words: str) -> None:
    headers = (
        {}
        if header is None
        else length(0)
        | {b"inference-header-content-length": str(len(text)).encode() if header == "all" else header.encode()}
    )
    with pytest.raises(BadRequest) as refused:
        v2.FORM.read(text + behind, headers, LIMITS)
    assert words in str(refused.value)
