"""Requests and answers of the REST routes as bytes, without a server."""

import base64
import json
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor import plain, v1, v2
from predictor.errors import BadRequest
from predictor.instances import lone_file, read_images
from predictor.jsontext import array, fields, parse
from predictor.query import Form, Image, Limits, Query
from registry.domain.card import InputSpec

LIMITS = Limits(InputSpec(width=3, height=2), images=4)
JPEG = b"\xff\xd8\xff\xe0 not whole, but nobody looks"
FORMS: dict[str, Form] = {"v1": v1.FORM, "v2": v2.FORM, "/predict": plain.SINGLE, "/predict/batch": plain.BATCH}


FORMS_OF_A_FILE = (
    lambda text: text,
    lambda text: {"b64": text},
    lambda text: {"image": {"b64": text}},
    lambda text: {"image_bytes": {"b64": text}},
)


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def read(form: Form, document: object, headers: Mapping[bytes, bytes] | None = None) -> Query:
    return form.read(json.dumps(document).encode(), headers or {}, LIMITS)


def tensor(datatype: str, shape: list[int], data: object, **more: object) -> dict[str, object]:
    return {"inputs": [{"name": "image", "datatype": datatype, "shape": shape, "data": data}], **more}


def images(highest: int = 255) -> st.SearchStrategy[list[list[list[list[int]]]]]:
    """1 to 4 images of 2 × 3 pixels."""
    pixel = st.lists(st.integers(0, highest) | st.floats(0, highest, width=32), min_size=3, max_size=3)
    row = st.lists(pixel, min_size=3, max_size=3)
    return st.lists(st.lists(row, min_size=2, max_size=2), min_size=1, max_size=4)


@given(images(), st.sampled_from(["", "key", "signature_name"]), st.integers(0, 4))
@settings(deadline=None)
def test_nested_numbers_arrive_as_they_were_sent(pixels: list[object], beside: str, indent: int) -> None:
    document = {**({beside: "[1,2]"} if beside else {}), "instances": pixels}
    query = v1.FORM.read(json.dumps(document, indent=indent or None).encode(), {}, LIMITS)
    assert np.array_equal(np.stack(query.images), np.array(pixels, np.float32))


@given(images())
@settings(deadline=None)
def test_a_tensor_is_the_same_flat_and_nested(pixels: list[object]) -> None:
    shape = list(np.array(pixels).shape)
    flat = read(v2.FORM, tensor("FP32", shape, np.array(pixels).ravel().tolist()))
    nested = read(v2.FORM, tensor("FP32", shape, pixels))
    chosen = read(v2.FORM, tensor("FP32", shape, pixels, outputs=[{"name": "class"}]))
    for query in (flat, nested, chosen):
        assert np.array_equal(query.images, np.array(pixels, np.float32))


def damaged(pixels: list[list[list[list[object]]]], how: str) -> object:
    row = pixels[0][1]
    if how == "a pixel short, another long":
        row[0], row[1] = row[0][:2], [*row[1], 7]
    elif how == "a number beside pixels":
        row[2] = 7
    elif how == "a level more":
        row[2] = [row[2]]
    elif how == "a list in a pixel":
        row[2] = [row[2][:2], [], 7]
    elif how == "an empty list more":
        row.append([])
    elif how == "rows of different length":
        pixels[0][0], pixels[0][1] = [*row, row[0]], row[:2]
    elif how == "a row that is none":
        pixels[0] = [[1] * 9, [1] * 9]
    else:
        row[2][1] = {"a word": "7", "nothing": None, "a truth": True, "an object": {}, "a list": []}[how]
    return pixels


@pytest.mark.parametrize(
    "how",
    [
        "a pixel short, another long",
        "a number beside pixels",
        "a level more",
        "a list in a pixel",
        "an empty list more",
        "rows of different length",
        "a row that is none",
        "a word",
        "nothing",
        "a truth",
        "an object",
        "a list",
    ],
)
@pytest.mark.parametrize("beside", [{}, {"key": 1}])
def test_numbers_that_do_not_nest_evenly_are_refused(how: str, beside: dict[str, object]) -> None:
    pixels = damaged([[[[1, 2, 3] for _ in range(3)] for _ in range(2)]], how)
    for form, document in (
        (v1.FORM, {"instances": pixels, **beside}),
        (v2.FORM, tensor("FP32", [1, 2, 3, 3], pixels, **beside)),
        (v2.FORM, tensor("UINT8", [1, 2, 3, 3], pixels, **beside)),
        (plain.BATCH, {"images": pixels, **beside}),
    ):
        with pytest.raises(BadRequest, match=r"found (no even nesting|\d+) .*, wanted .*in shape \[(1, )?2, 3, 3\]"):
            read(form, document)


@pytest.mark.parametrize("data", [[[1] * 18], [[1] * 9, [1] * 9], [[1, 2], [], *[1] * 16], [[], *[1] * 18]])
def test_flat_numbers_with_a_list_among_them_are_refused(data: list[object]) -> None:
    with pytest.raises(BadRequest, match=r"inputs\[0\]\.data: found no even nesting of numbers"):
        read(v2.FORM, tensor("FP32", [1, 2, 3, 3], data))


@pytest.mark.parametrize("value", [-1, 256, -0.001, 255.001, 1e308, 2**63])
def test_values_that_no_pixel_has_are_refused(value: float) -> None:
    data = [[[[value, 0, 0]] + [[0, 0, 0]] * 2] * 2]
    for form, document in ((v1.FORM, {"instances": data}), (v2.FORM, tensor("FP32", [1, 2, 3, 3], data))):
        with pytest.raises(BadRequest, match=r"found values from .*, wanted 0 to 255"):
            read(form, document)


def test_uint8_wants_whole_numbers() -> None:
    with pytest.raises(BadRequest, match=r"found 1\.5, wanted whole numbers for UINT8"):
        read(v2.FORM, tensor("UINT8", [1, 2, 3, 3], [1.5] + [0] * 17))


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400])
def test_numbers_that_json_does_not_know_are_refused(literal: str) -> None:
    for body in (f'{{"instances": [[[[{literal}]]]]}}', f'{{"inputs": [{{"data": [{literal}]}}]}}'):
        for form in FORMS.values():
            with pytest.raises(BadRequest, match="not JSON"):
                form.read(body.encode(), {}, LIMITS)


@pytest.mark.parametrize(
    "item",
    [
        {"image_bytes": {"b64": text(JPEG)}, "key": "7"},
        {"image": {"b64": text(JPEG)}},
        {"image": text(JPEG)},
        {"b64": text(JPEG)},
        text(JPEG),
        f"data:image/jpeg;base64,{text(JPEG)}",
        {"image": {"b64": f"data:image/png;charset=x;base64,{text(JPEG)}"}},
    ],
)
def test_every_form_of_a_file_is_read(item: object) -> None:
    for form, name in ((v1.FORM, "instances"), (plain.BATCH, "images"), (plain.SINGLE, "instances")):
        assert list(read(form, {name: [item]}).images) == [JPEG]
    assert list(read(plain.SINGLE, {"image": item}).images) == [JPEG]


def the_long_way(body: bytes) -> list[Image] | None:
    try:
        document = parse(body)
        items = array(fields(document.root, "", ("instances",)).get("instances"), "", "")
        return list(read_images(document, items, "", LIMITS))
    except BadRequest:
        return None


texts = st.one_of(
    st.binary(max_size=9).map(text),
    st.text(st.sampled_from("AQ+/=\\ \n-é{}"), max_size=8),
    st.sampled_from(["data:image/png;base64,QUJD", "QUJD=", "QQ"]),
)
pieces = st.sampled_from(['"', "}", "]", "]}", '"QUJD"', ",", " ", "\f", '"key":1', ""])


@given(st.sampled_from(FORMS_OF_A_FILE), texts, st.sampled_from([None, 0, 1]), st.integers(0, 80), pieces)
def test_one_file_alone_is_read_as_any_other_body_is(form, text, indent: int | None, place: int, piece: str) -> None:
    whole = json.dumps({"instances": [form(text)]}, indent=indent, ensure_ascii=False)
    for body in (whole.encode(), (whole[:place] + piece + whole[place:]).encode()):
        lone = lone_file(body)
        assert lone is None or [lone] == the_long_way(body)


@pytest.mark.parametrize("form", FORMS_OF_A_FILE)
@pytest.mark.parametrize("indent", [None, 0, 3])
def test_one_file_alone_is_read_without_parsing(form, indent: int | None) -> None:
    assert lone_file(json.dumps({"instances": [form(text(JPEG))]}, indent=indent).encode()) == JPEG


def test_files_and_numbers_may_stand_side_by_side() -> None:
    pixels = [[[1, 2, 3]] * 3] * 2
    first, second, third = read(v1.FORM, {"instances": [pixels, text(JPEG), {"image": pixels}]}).images
    assert second == JPEG
    assert np.array_equal(first, pixels)
    assert np.array_equal(third, pixels)


@pytest.mark.parametrize("content_type", [b"image/jpeg", b"IMAGE/PNG", b"application/octet-stream", b"text/plain", b""])
@pytest.mark.parametrize("form", ["v1", "/predict", "/predict/batch"])
def test_a_body_that_is_an_image_file_is_one_image(form: str, content_type: bytes) -> None:
    assert list(FORMS[form].read(JPEG, {b"content-type": content_type}, LIMITS).images) == [JPEG]


def test_a_file_that_claims_to_be_json_is_not_read() -> None:
    with pytest.raises(BadRequest, match="are not JSON"):
        v1.FORM.read(JPEG, {b"content-type": b"application/json"}, LIMITS)


@pytest.mark.parametrize(
    "content_type", [None, b"application/x-www-form-urlencoded", b"text/plain", b"application/json; charset=utf-8"]
)
def test_json_is_read_whatever_the_content_type(content_type: bytes | None) -> None:
    headers = {} if content_type is None else {b"content-type": content_type}
    assert read(v1.FORM, {"instances": [text(JPEG)]}, headers).images == [JPEG]
    assert read(v2.FORM, tensor("BYTES", [1], [text(JPEG)]), headers).images == [JPEG]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "instances: found nothing, wanted a list of images"),
        ({"instances": {}}, "instances: found an object, wanted a list of images"),
        ({"instances": []}, "instances: found 0 images, wanted 1 to 4 a request"),
        ({"instances": ["aa=="] * 5}, "instances: found 5 images, wanted 1 to 4 a request"),
        ({"instances": ["aa==", 7]}, r"instances\[1\]: found a number, wanted an image file in base64"),
        ({"instances": [None]}, r"instances\[0\]: found nothing, wanted an image file in base64"),
        ({"instances": ["käse"]}, r"instances\[0\]: found 4 characters that are not base64"),
        ({"instances": ["YQ"]}, r"instances\[0\]: found 2 characters that are not base64"),
        ({"instances": [{"image": {"b64": None}}]}, r"instances\[0\]\.image\.b64: found nothing, wanted"),
        ({"instances": [{"image": {}}]}, r"instances\[0\]\.image\.b64: found nothing, wanted"),
        ({"instances": [{}]}, r"instances\[0\]: found 0 images, wanted one of image_bytes, image, b64"),
        ({"instances": [{"image": "", "b64": ""}]}, r"instances\[0\]: found 2 images, wanted one of"),
        ({"instances": [1], "x": [[[[[[[]]]]]]] * 5}, "nested 8 levels deep, wanted at most 6"),
    ],
)
def test_a_wrong_v1_request_is_told_what_was_wanted(document: object, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        v1.FORM.read(json.dumps(document).encode(), {}, Limits(LIMITS.input, images=4, depth=6))


@pytest.mark.parametrize(
    ("form", "document", "words"),
    [
        ("/predict", {"images": ["YQ==", "YQ=="]}, r"found 2 images, wanted one \(/predict/batch takes several\)"),
        ("/predict", {}, "found 0 of image, images and instances, wanted one of them"),
        ("/predict/batch", {"image": "YQ==", "images": []}, "found 2 of image, images and instances"),
        ("/predict", {"image": 3}, "^image: found a number, wanted an image file in base64"),
        ("/predict", {"image": {"b64": 3}}, r"^image\.b64: found a number, wanted an image file in base64"),
    ],
)
def test_a_wrong_plain_request_is_told_what_was_wanted(form: str, document: object, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        read(FORMS[form], document)
