import base64
from collections.abc import Callable

import httpx
import numpy as np
import pytest

from predictor.classifier import Probabilities
from predictor.image import decode
from predictor.served import Served

PATH = "/v1/models/shapes:predict"


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


FORMS: dict[str, Callable[[bytes], object]] = {
    "image_bytes": lambda png: {"image_bytes": {"b64": encoded(png)}, "key": "7"},
    "image": lambda png: {"image": {"b64": encoded(png)}},
    "b64": lambda png: {"b64": encoded(png)},
    "bare string": encoded,
    "pixels": lambda png: decode(png, width=64, height=64).tolist(),
    "float pixels": lambda png: decode(png, width=64, height=64).astype(float).tolist(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_instance_gets_the_nets_answer(
    client: httpx.Client, png: bytes, expected: Probabilities, served: Served, form: str
) -> None:
    answer = client.post(PATH, json={"instances": [FORMS[form](png)]}).json()
    (prediction,) = answer["predictions"]
    assert list(prediction["probabilities"]) == list(served.classes)
    np.testing.assert_allclose(list(prediction["probabilities"].values()), expected, rtol=1e-5)
    assert prediction["class"] == served.classes[expected.argmax()]
    assert prediction["confidence"] == pytest.approx(expected.max(), rel=1e-5)


def test_a_raw_image_body_is_one_instance(client: httpx.Client, png: bytes, expected: Probabilities) -> None:
    answer = client.post(PATH, content=png, headers={"content-type": "image/png"}).json()
    assert answer["predictions"][0]["confidence"] == pytest.approx(expected.max(), rel=1e-5)


@pytest.mark.parametrize("content_type", [None, "application/x-www-form-urlencoded", "application/octet-stream"])
def test_json_is_read_whatever_the_content_type(client: httpx.Client, png: bytes, content_type: str | None) -> None:
    request = client.build_request("POST", PATH, json={"instances": [encoded(png)]})
    del request.headers["content-type"]
    if content_type:
        request.headers["content-type"] = content_type
    assert client.send(request).status_code == 200


def test_many_images_are_answered_in_order(client: httpx.Client, png: bytes, jpeg: bytes) -> None:
    both = client.post(PATH, json={"instances": [encoded(jpeg), encoded(png)] * 32}).json()["predictions"]
    alone = [client.post(PATH, json={"instances": [encoded(file)]}).json()["predictions"][0] for file in (jpeg, png)]
    assert both == alone * 32


def test_an_answer_names_version_digest_and_request(client: httpx.Client, png: bytes, served: Served) -> None:
    answer = client.post(PATH, json={"instances": [encoded(png)]}, headers={"x-request-id": "abc-1"})
    assert (answer.json()["model_version"], answer.json()["model_digest"]) == ("1", served.digest)
    assert answer.headers["x-model-version"] == "1"
    assert answer.headers["x-model-digest"] == served.digest
    assert answer.headers["x-request-id"] == "abc-1"


def test_a_request_without_a_usable_id_gets_one(client: httpx.Client) -> None:
    ids = {client.get("/health", headers={"x-request-id": "a b"}).headers["x-request-id"] for _ in range(2)}
    assert len(ids) == 2
    assert "a b" not in ids


def test_a_version_in_the_path_is_the_one_served_here(client: httpx.Client, png: bytes) -> None:
    body = {"instances": [encoded(png)]}
    assert client.post("/v1/models/shapes/versions/1:predict", json=body).status_code == 200
    assert client.post("/v1/models/shapes/versions/2:predict", json=body).status_code == 404
