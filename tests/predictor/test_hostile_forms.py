"""Whatever bytes come, every form understands them or refuses them in one line, and raises nothing else."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from predictor import grpcv2, plain, v1, v2
from predictor.errors import PredictorError
from predictor.imagefile import check_pixels
from predictor.query import Form, Limits, Query
from registry.domain.card import InputSpec

LIMITS = Limits(InputSpec(width=3, height=2), images=4, pixels=1000, depth=8)
FORMS: dict[str, Form] = {"v1": v1.FORM, "v2": v2.FORM, "/predict": plain.SINGLE, "/predict/batch": plain.BATCH}
FILE = base64.b64encode(b"\xff\xd8\xff\xe0").decode()
PIXELS = [[[0, 127.5, 255]] * 3] * 2
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    [
        *("inputs", "outputs", "id", "parameters", "name", "datatype", "shape", "data"),
        *("instances", "images", "image", "image_bytes", "b64"),
        *("binary_data", "binary_data_size", "binary_data_output", "\0name"),
    ]
)
FITTING = st.sampled_from(
    [
        "BYTES",
        "UINT8",
        "FP32",
        "FP64",
        "class",
        FILE,
        [1],
        [1, 2, 3, 3],
        [0],
        [-1],
        PIXELS,
        [PIXELS],
        [1] * 18,
        72,
        True,
    ]
)
ANSWERS = st.recursive(
    JSON | FITTING,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=20,
)
HEADERS = st.dictionaries(
    st.sampled_from([b"content-type", b"inference-header-content-length"]),
    st.sampled_from(
        [
            b"image/png",
            b"application/json",
            b"multipart/form-data; boundary=x",
            b"multipart/form-data",
            b"2",
            b"0",
            b"-1",
        ]
    )
    | st.binary(max_size=20),
)
TENSOR = {"name": "image", "datatype": "FP32", "shape": [1, 2, 3, 3], "data": [PIXELS]}
RAW = {"name": "image", "datatype": "FP32", "shape": [1, 2, 3, 3], "parameters": {"binary_data_size": 72}}
TEXT = json.dumps({"inputs": [RAW]}).encode()
VALID = [
    json.dumps({"instances": [{"image_bytes": {"b64": FILE}, "key": "1"}, FILE]}).encode(),
    json.dumps({"instances": [PIXELS]}).encode(),
    json.dumps({"images": [FILE, PIXELS]}).encode(),
    json.dumps({"image": FILE}).encode(),
    json.dumps({"inputs": [TENSOR], "outputs": [{"name": "class"}], "id": "1"}).encode(),
    TEXT + bytes(72),
    b'--x\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\nabc\r\n--x--',
]


def assert_understood_or_refused(read: Callable[[], Query]) -> None:
    try:
        query = read()
        check_pixels(query.images, LIMITS)
    except PredictorError as refused:
        words = str(refused)
        assert 10 < len(words) < 400
        assert words.isprintable()
        assert "found" in words
        assert "wanted" in words
        return
    assert 1 <= len(query.images) <= 4
    for image in query.images:
        assert isinstance(image, bytes) or (image.shape == (2, 3, 3) and 0 <= image.min() <= image.max() <= 255)


def assert_every_form_is_safe(body: bytes, headers: Mapping[bytes, bytes]) -> None:
    for form in FORMS.values():
        assert_understood_or_refused(lambda form=form: form.read(body, headers, LIMITS))


@given(st.binary(max_size=80), HEADERS)
@settings(max_examples=300, deadline=None)
def test_any_bytes(body: bytes, headers: dict[bytes, bytes]) -> None:
    assert_every_form_is_safe(body, headers)


@given(ANSWERS | st.dictionaries(NAMES, ANSWERS, max_size=5), HEADERS)
@settings(max_examples=300, deadline=None)
def test_any_json(document: object, headers: dict[bytes, bytes]) -> None:
    assert_every_form_is_safe(json.dumps(document).encode("utf-8", "surrogatepass"), headers)


@given(st.dictionaries(st.sampled_from(list(TENSOR)), ANSWERS), st.dictionaries(NAMES, ANSWERS, max_size=2))
@settings(max_examples=300, deadline=None)
def test_any_tensor(fields: dict[str, object], beside: dict[str, object]) -> None:
    body = json.dumps({**beside, "inputs": [{**TENSOR, **fields}]}).encode()
    assert_every_form_is_safe(body, {})


@given(st.sampled_from(VALID), st.data())
@settings(max_examples=500, deadline=None)
def test_any_damage_to_a_good_request(content: bytes, data: st.DataObject) -> None:
    body = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(body)))
        end = min(len(body), start + data.draw(st.integers(0, 4)))
        body[start:end] = data.draw(st.binary(max_size=3) | st.sampled_from([b"[", b"]", b",", b"{", b'"', b"9"]))
    length = {b"inference-header-content-length": str(len(TEXT)).encode()} if content.startswith(TEXT) else {}
    form = {b"content-type": b"multipart/form-data; boundary=x"} if content.startswith(b"--x") else {}
    assert_every_form_is_safe(bytes(body), {**length, **form})


Tensor = pb.ModelInferRequest.InferInputTensor
TYPED = Tensor(name="i", datatype="FP32", shape=[1, 2, 3, 3], contents=pb.InferTensorContents(fp32_contents=[1] * 18))
MESSAGES = [
    pb.ModelInferRequest(inputs=[TYPED]).SerializeToString(),
    pb.ModelInferRequest(
        inputs=[Tensor(name="i", datatype="UINT8", shape=[1, 2, 3, 3])], raw_input_contents=[bytes(18)]
    ).SerializeToString(),
    pb.ModelInferRequest(
        inputs=[Tensor(datatype="BYTES", shape=[1])], raw_input_contents=[b"\x02\0\0\0ab"], id="g"
    ).SerializeToString(),
]


@given(st.sampled_from(MESSAGES), st.data())
@settings(max_examples=300, deadline=None)
def test_any_damage_to_a_good_message(content: bytes, data: st.DataObject) -> None:
    body = bytearray(content)
    for place in data.draw(st.lists(st.integers(0, len(body) - 1), min_size=1, max_size=3)):
        body[place] = data.draw(st.integers(0, 255))
    try:
        message = pb.ModelInferRequest.FromString(bytes(body))
    except DecodeError:
        return
    assert_understood_or_refused(lambda: grpcv2.read(message, LIMITS))


numbers = st.lists(st.integers(0, 255), max_size=20)
contents = st.fixed_dictionaries(
    {},
    optional={
        "bytes_contents": st.lists(st.binary(max_size=6), max_size=3),
        "uint_contents": numbers | st.just([1] * 18) | st.just([2**32 - 1] * 18),
        "fp32_contents": st.lists(st.floats(width=32), max_size=20) | st.just([1.5] * 18),
        "int64_contents": numbers,
    },
)


@given(
    st.sampled_from(["BYTES", "UINT8", "FP32", "FP64", "", "bytes"]),
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5) | st.sampled_from([[1], [1, 1], [1, 2, 3, 3], [4]]),
    contents,
    st.lists(st.binary(max_size=20) | st.just(bytes(18)) | st.just(np.ones(18, "<f4").tobytes()), max_size=2),
    st.lists(st.sampled_from(["class", "confidence", "x", ""]), max_size=5),
)
@settings(max_examples=300, deadline=None)
def test_any_message(
    datatype: str, shape: list[int], typed: dict[str, Any], raw: list[bytes], outputs: list[str]
) -> None:
    tensor = Tensor(name="i", datatype=datatype, shape=shape)
    if typed:
        tensor.contents.CopyFrom(pb.InferTensorContents(**typed))
    message = pb.ModelInferRequest(inputs=[tensor], raw_input_contents=raw)
    for name in outputs:
        message.outputs.add(name=name)
    assert_understood_or_refused(lambda: grpcv2.read(message, LIMITS))


BIG = {
    "lists": b'{"instances": [' + b"[]," * 300_000 + b"[]]}",
    "objects": b'{"inputs": [' + b'{"a":{}},' * 100_000 + b"{}]}",
    "names": b'{"instances": [{' + b",".join(b'"%d":1' % index for index in range(100_000)) + b"}]}",
    "numbers": b'{"inputs": [{"name":"i","datatype":"FP32","shape":[1,2,3,3],"data":[' + b"1," * 500_000 + b"1]}]}",
    "shape": b'{"inputs": [{"name":"i","datatype":"FP32","shape":[' + b"1," * 500_000 + b'1],"data":[]}]}',
    "strings": b'{"images": [' + b'"",' * 300_000 + b'""]}',
    "nesting beside": b'{"instances": ["YQ=="], "x": ' + b"[" * 1000 + b"]" * 1000 + b"}",
}


@pytest.mark.parametrize("kind", BIG)
def test_endless_json(kind: str) -> None:
    assert_every_form_is_safe(BIG[kind], {})
