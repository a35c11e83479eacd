"""v2 tensors over REST that lie about themselves: shapes, datatypes, values, lengths, names."""

import json
import struct
from typing import Any

import httpx
import numpy as np
import pytest

from tests.hostile.conftest import V2
from tests.hostile.oracle import bounced, refused

LENGTH = "inference-header-content-length"
PIXELS = np.full((1, 64, 64, 3), 7, np.uint8)
GOOD = PIXELS.astype("<f4").tobytes()

SHAPES: dict[str, Any] = {
    "negative": [-1],
    "most negative": [-(2**63)],
    "none": [0],
    "no dimension": [],
    "a fraction": [1.5],
    "a whole fraction": [1.0],
    "a text": ["1"],
    "a truth": [True],
    "null": [None],
    "not a list": 1,
    "missing": ...,
    "nested": [[1]],
    "two to the 31": [2**31],
    "two to the 63": [2**63 - 1],
    "two to the 64": [2**64],
    "a hundred digits": [10**100],
    "sixty-five": [65],
    "two for one": [2],
    "a matrix": [1, 2],
    "a thousand dimensions": [1] * 1000,
    "an overflowing product": [2**32, 2**32, 64, 3],
    "a product that wraps to one": [2**32 + 1, 1],
}
PIXEL_SHAPES: dict[str, list[int]] = {
    "channels first": [1, 3, 64, 64],
    "no batch": [64, 64, 3],
    "flat": [12288],
    "one pixel": [1, 1, 1, 3],
    "grey": [1, 64, 64, 1],
    "alpha": [1, 64, 64, 4],
    "huge": [1, 2**31, 2**31, 3],
    "zero high": [1, 0, 64, 3],
    "two for one": [2, 64, 64, 3],
    "a negative height": [1, -64, -64, 3],
    "no images": [0, 64, 64, 3],
}
VALUES: dict[str, Any] = {
    "too bright": 256,
    "too dark": -1,
    "a fraction too bright": 255.5,
    "a huge int": 10**30,
    "a text": "1",
    "a truth": True,
    "null": None,
    "a list": [1],
    "an object": {},
}
DATATYPES = ["BOOL", "INT8", "INT64", "UINT64", "FP16", "BF16", "FP64", "", "STRING", "BYTES\x00", 3, None, ["BYTES"]]


def tensor(**fields: Any) -> dict[str, Any]:
    whole = {"name": "image", "datatype": "BYTES", "shape": [1], "data": ["aGFsbG8="], **fields}
    return {name: value for name, value in whole.items() if value is not ...}


def ask(http: httpx.Client, **fields: Any) -> httpx.Response:
    return http.post(V2, content=json.dumps({"inputs": [tensor(**fields)]}))


def pixels(changed: Any, place: int, *, datatype: str = "FP32", **fields: Any) -> dict[str, Any]:
    data: list[Any] = [7] * PIXELS.size
    data[place] = changed
    return {"datatype": datatype, "shape": [1, 64, 64, 3], "data": data, **fields}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_of_no_list_of_files_is_refused(http: httpx.Client, text: str, shape: str) -> None:
    refused(ask(http, shape=SHAPES[shape], data=[text]))


@pytest.mark.parametrize("datatype", ["UINT8", "FP32"])
@pytest.mark.parametrize("shape", PIXEL_SHAPES)
def test_a_shape_of_no_pixels_is_refused(http: httpx.Client, datatype: str, shape: str) -> None:
    refused(ask(http, datatype=datatype, shape=PIXEL_SHAPES[shape], data=[7] * 12288))


@pytest.mark.parametrize("datatype", ["UINT8", "FP32"])
@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("place", [0, 12287])
def test_a_value_that_is_no_pixel_is_refused(http: httpx.Client, datatype: str, value: str, place: int) -> None:
    refused(ask(http, **pixels(VALUES[value], place, datatype=datatype)))


@pytest.mark.parametrize("literal", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"0x10", b"1_0", b"01"])
def test_a_literal_that_is_no_number_of_json_is_refused(http: httpx.Client, literal: bytes) -> None:
    body = json.dumps({"inputs": [tensor(**pixels("@", 5))]}).encode().replace(b'"@"', literal)
    refused(http.post(V2, content=body))


@pytest.mark.parametrize("datatype", DATATYPES)
def test_another_datatype_is_refused(http: httpx.Client, datatype: Any) -> None:
    assert "datatype" in refused(ask(http, datatype=datatype))


@pytest.mark.parametrize("count", [0, 1, 12287, 12289, 24576])
def test_too_few_or_too_many_numbers_are_refused(http: httpx.Client, count: int) -> None:
    refused(ask(http, datatype="UINT8", shape=[1, 64, 64, 3], data=[7] * count))


DOCUMENTS: dict[str, dict[str, Any]] = {
    "no tensor": {"inputs": []},
    "two tensors": {"inputs": [tensor(), tensor(name="b")]},
    "the same name twice": {"inputs": [tensor(), tensor()]},
    "a tensor that is none": {"inputs": [7]},
    "no data": {"inputs": [tensor(data=...)]},
    "data of another kind": {"inputs": [tensor(data="aGFsbG8=")]},
    "a name that is none": {"inputs": [tensor(name=7)]},
    "no name": {"inputs": [tensor(name=...)]},
    "an id that is none": {"inputs": [tensor()], "id": 7},
    "parameters that are none": {"inputs": [tensor()], "parameters": 7},
    "a tensor's parameters that are none": {"inputs": [tensor(parameters=[])]},
    "outputs that are none": {"inputs": [tensor()], "outputs": {}},
    "an output that is none": {"inputs": [tensor()], "outputs": ["class"]},
    "an unknown output": {"inputs": [tensor()], "outputs": [{"name": "x"}]},
    "an output twice": {"inputs": [tensor()], "outputs": [{"name": "class"}, {"name": "class"}]},
    "a hundred thousand outputs": {"inputs": [tensor()], "outputs": [{"name": "class"}] * 100_000},
    "shared memory": {"inputs": [tensor(data=..., parameters={"shared_memory_region": "a"})]},
}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_that_is_no_request_is_refused(http: httpx.Client, text: str, document: str) -> None:
    content = json.dumps(DOCUMENTS[document]).replace("aGFsbG8=", text)
    refused(http.post(V2, content=content))


def raw(http: httpx.Client, raw: bytes, *, size: Any = ..., length: str | None = None, **fields: Any) -> httpx.Response:
    """Ask with a raw tensor; size and length: what the request says of them, when it is not the truth."""
    parameters = {"binary_data_size": len(raw) if size is ... else size}
    one = tensor(**{"data": ..., "parameters": parameters, **fields})
    head = json.dumps({"inputs": [one]}).encode()
    said = str(len(head)) if length is None else length
    headers = {LENGTH: said.encode(), "content-type": "application/octet-stream"}
    return http.post(V2, content=head + raw, headers=headers)


FP32 = {"datatype": "FP32", "shape": [1, 64, 64, 3]}
LENGTHS = ["", "-1", "0", "1", "99999999", "1e3", "0x10", "1.5", "١", "9" * 400, "+10", "10, 10", "NaN"]


@pytest.mark.parametrize("length", LENGTHS)
def test_a_header_that_lies_about_the_json_is_refused(http: httpx.Client, length: str) -> None:
    answer = http.post(
        V2,
        content=json.dumps({"inputs": [tensor(data=..., parameters={"binary_data_size": 49152}, **FP32)]}).encode()
        + GOOD,
        headers={LENGTH: length.encode(), "content-type": "application/octet-stream"},
    )
    refused(answer)


@pytest.mark.parametrize("size", [0, -1, 1, 49151, 49153, 10**30, 1.5, "49152", True, None, [49152]])
def test_a_size_that_is_not_the_tensors_is_refused(http: httpx.Client, size: Any) -> None:
    refused(raw(http, GOOD, size=size, **FP32))


@pytest.mark.parametrize("content", [b"", GOOD[:-1], GOOD[:-4], GOOD + b"\0", GOOD * 2])
def test_surplus_or_missing_bytes_are_refused(http: httpx.Client, content: bytes) -> None:
    refused(raw(http, content, **FP32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1, 255.5, 3e38, -1e-3])
@pytest.mark.parametrize("place", [0, 6000, 12287])
def test_a_raw_value_that_is_no_pixel_is_refused(http: httpx.Client, value: float, place: int) -> None:
    changed = np.frombuffer(GOOD, "<f4").copy()
    changed[place] = value
    refused(raw(http, changed.tobytes(), **FP32))


def test_numbers_too_small_to_matter_are_pixels(http: httpx.Client) -> None:
    changed = np.frombuffer(GOOD, "<f4").copy()
    changed[:3] = (1e-45, -0.0, 1e-38)
    assert bounced(raw(http, changed.tobytes(), **FP32)) == 200


FRAMES: dict[str, bytes] = {
    "no length": b"",
    "half a length": b"\x01\x00",
    "the longest": b"\xff\xff\xff\xff",
    "negative": struct.pack("<i", -5) + b"hallo",
    "one too long": struct.pack("<I", 6) + b"hallo",
    "one too short": struct.pack("<I", 4) + b"hallo",
    "big-endian": struct.pack(">I", 5) + b"hallo",
    "empty item": struct.pack("<I", 0),
    "two items": (struct.pack("<I", 5) + b"hallo") * 2,
    "no image": struct.pack("<I", 5) + b"hallo",
    "a million empty items": struct.pack("<I", 0) * 1_000_000,
}


@pytest.mark.parametrize("frames", FRAMES)
def test_files_whose_lengths_lie_are_refused(http: httpx.Client, frames: str) -> None:
    refused(raw(http, FRAMES[frames]))


def test_raw_bytes_nobody_speaks_for_are_refused(http: httpx.Client, text: str) -> None:
    head = json.dumps({"inputs": [tensor(data=[text])]}).encode()
    refused(http.post(V2, content=head + b"surplus", headers={LENGTH: str(len(head))}))


def test_data_twice_is_refused(http: httpx.Client, text: str) -> None:
    refused(raw(http, GOOD, data=[1], **FP32))
