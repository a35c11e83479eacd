"""What a v2 request over REST is told that is not one."""

import base64
import json

import pytest

from predictor import v2
from predictor.errors import BadRequest
from predictor.query import Limits
from registry.domain.card import InputSpec

LIMITS = Limits(InputSpec(width=3, height=2), images=4)
FILE = base64.b64encode(b"\xff\xd8\xff\xe0").decode()


def changed(**fields: object) -> dict[str, object]:
    whole = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [FILE], **fields}
    return {"inputs": [{name: value for name, value in whole.items() if value != "left out"}]}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "inputs: found nothing, wanted a list of one tensor"),
        ({"inputs": []}, "inputs: found 0 tensors, wanted a list of one tensor"),
        ({"inputs": changed()["inputs"] * 2}, "inputs: found 2 tensors, wanted a list of one tensor"),
        ({"inputs": [7]}, r"inputs\[0\]: found a number, wanted an object"),
        (changed(name="left out"), r"inputs\[0\]\.name: found nothing, wanted a string"),
        (changed(name=3), r"inputs\[0\]\.name: found a number, wanted a string"),
        (changed(datatype="INT64"), r"datatype: found 'INT64', wanted BYTES, UINT8, FP32"),
        (changed(datatype="FP64"), r"datatype: found 'FP64', wanted BYTES, UINT8, FP32"),
        (changed(datatype=["FP32"]), r"datatype: found a list, wanted BYTES, UINT8, FP32"),
        (changed(shape=None), r"shape: found nothing, wanted \[n\] or \[n, 1\] for BYTES"),
        (changed(shape=[]), r"shape: found \[\], wanted \[n\] or \[n, 1\] for BYTES"),
        (changed(shape=[1, 2]), r"shape: found \[1, 2\], wanted \[n\] or \[n, 1\] for BYTES"),
        (changed(shape=[1] * 10_000), r"shape: found a list, wanted"),
        (changed(shape=[[1]]), r"shape: found \['a list'\], wanted"),
        (changed(shape=[True]), r"shape: found \[True\], wanted"),
        (changed(shape=[1.0]), r"shape: found \[1.0\], wanted"),
        (changed(shape=[0]), r"shape: found 0 images, wanted 1 to 4 a request"),
        (changed(shape=[-1]), r"shape: found -1 images, wanted 1 to 4 a request"),
        (changed(shape=[2**63]), r"shape: found 9223372036854775808 images"),
        (changed(shape="x" * 900), r"shape: found 'xxx"),
        (changed(datatype="FP32", shape=[1, 3, 2, 3]), r"wanted \[n, 2, 3, 3\] for FP32"),
        (changed(datatype="FP32", shape=[1, 2, 3, 3], data=[1] * 17), r"found 17 numbers, wanted 18 in shape"),
        (changed(data="left out"), r"found neither data nor binary_data_size, wanted one of them"),
        (changed(data={}), r"inputs\[0\]\.data: found an object, wanted a list"),
        (changed(shape=[2]), r"inputs\[0\]\.data: found 1 items, wanted 2 as the shape says"),
        (changed(data=[7]), r"inputs\[0\]\.data\[0\]: found a number, wanted an image file in base64"),
        (changed(parameters=[]), r"inputs\[0\]\.parameters: found a list, wanted an object"),
        (changed() | {"id": 3}, "id: found a number, wanted a string"),
        (changed() | {"outputs": {}}, "outputs: found an object, wanted a list of tensors"),
        (changed() | {"outputs": [{"name": "x"}]}, "outputs: found 'x', wanted names among class, confidence"),
        (changed() | {"outputs": [{}]}, "outputs: found nothing, wanted names among"),
        (changed() | {"outputs": [{"name": "class"}] * 2}, "outputs: found class, class, wanted every name once"),
        (changed() | {"outputs": [{"name": "class"}] * 9}, "outputs: found 9 tensors, wanted names among"),
        (changed() | {"outputs": [1]}, r"outputs\[0\]: found a number, wanted an object"),
        (changed() | {"parameters": {"binary_data_output": 1}}, "binary_data_output: found a number, wanted true"),
    ],
)
def test_a_wrong_v2_request_is_told_what_was_wanted(document: object, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        v2.FORM.read(json.dumps(document).encode(), {}, LIMITS)
