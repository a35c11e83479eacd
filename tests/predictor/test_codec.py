import base64
import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.codec import Limits, Query, split_bytes, tensor_images, v1_query, v2_query
from predictor.errors import BadRequest
from registry.domain.card import InputSpec

LIMITS = Limits(InputSpec(width=3, height=2), images=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ("name", "datatype", "shape", "data", "b64", "image", "image_bytes")
DATATYPES = st.sampled_from(["BYTES", "UINT8", "FP32", "INT8"])
OBJECTS = st.dictionaries(st.sampled_from(FIELDS), JSON | DATATYPES | st.just([1]) | st.just([2, 2, 3, 3]))


def pixels(bits: int = 8) -> st.SearchStrategy[list[list[list[list[int]]]]]:
    """1 to 4 images of 2 × 3 pixels."""
    pixel = st.lists(st.integers(0, 2**bits - 1), min_size=3, max_size=3)
    row = st.lists(pixel, min_size=3, max_size=3)
    return st.lists(st.lists(row, min_size=2, max_size=2), min_size=1, max_size=4)


@given(pixels())
def test_pixels_arrive_as_they_were_sent(images: list[object]) -> None:
    query = v1_query(json.dumps({"instances": images}).encode(), "", LIMITS)
    assert np.array_equal(np.stack(query.images), np.array(images))


@given(pixels(), st.sampled_from(["UINT8", "FP32"]))
def test_a_tensor_is_the_same_flat_and_nested(images: list[object], datatype: str) -> None:
    shape = list(np.array(images).shape)
    flat, nested = (
        v2_query(json.dumps({"inputs": [{"datatype": datatype, "shape": shape, "data": data}]}).encode(), LIMITS)
        for data in (np.array(images).ravel().tolist(), images)
    )
    assert np.array_equal(np.stack(flat.images), np.stack(nested.images))


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_raw_bytes_split_into_their_items(items: list[bytes]) -> None:
    raw = b"".join(len(item).to_bytes(4, "little") + item for item in items)
    assert split_bytes(raw) == items


@given(st.binary(max_size=40))
def test_other_bytes_are_split_or_refused(raw: bytes) -> None:
    try:
        items = split_bytes(raw)
    except BadRequest:
        return
    assert b"".join(len(item).to_bytes(4, "little") + item for item in items) == raw


@given(st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=4))
def test_files_in_base64_arrive_as_they_were_sent(files: list[bytes]) -> None:
    texts = [base64.b64encode(file).decode() for file in files]
    v1 = v1_query(json.dumps({"instances": texts}).encode(), "application/json", LIMITS)
    tensor = {"datatype": "BYTES", "shape": [len(files)], "data": texts}
    assert list(v1.images) == list(v2_query(json.dumps({"inputs": [tensor]}).encode(), LIMITS).images) == files


@given(JSON | st.fixed_dictionaries({"instances": st.lists(JSON | OBJECTS, max_size=5)}))
def test_any_v1_json_is_understood_or_refused(document: object) -> None:
    assert_understood_or_refused(lambda: v1_query(json.dumps(document).encode(), "", LIMITS))


@given(
    st.fixed_dictionaries(
        {"inputs": st.lists(JSON | OBJECTS, max_size=2)}, optional={"id": JSON, "outputs": JSON, "parameters": JSON}
    )
)
def test_any_v2_json_is_understood_or_refused(document: object) -> None:
    assert_understood_or_refused(lambda: v2_query(json.dumps(document).encode(), LIMITS))


@given(st.binary(max_size=60))
def test_any_bytes_are_understood_or_refused(body: bytes) -> None:
    assert_understood_or_refused(lambda: v1_query(body, "", LIMITS))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.001, 255.001])
def test_values_outside_of_a_pixel_are_refused(value: float) -> None:
    content = np.full(18, value, "<f4").tobytes()
    with pytest.raises(BadRequest, match="wanted 0 to 255"):
        tensor_images("FP32", [1, 2, 3, 3], content, LIMITS)


def assert_understood_or_refused(read: Callable[[], Query]) -> None:
    try:
        count, words = len(read().images), ""
    except BadRequest as error:
        count, words = 1, str(error)
    assert 1 <= count <= 4
    assert len(words) < 250
    assert "\n" not in words
