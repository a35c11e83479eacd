"""v1 over a plain HTTP client: every form of an instance, and every number of them."""

from collections.abc import Callable

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.predictor.conftest import message
from tests.predictor.protocols import answers
from tests.predictor.protocols.conftest import Right

PATH = "/v1/models/shapes:predict"
Pixels = NDArray[np.uint8]

FORMS: dict[str, Callable[[str, Pixels], object]] = {
    "image_bytes": lambda text, pixels: {"image_bytes": {"b64": text}},
    "image": lambda text, pixels: {"image": {"b64": text}},
    "image as text": lambda text, pixels: {"image": text},
    "b64": lambda text, pixels: {"b64": text},
    "bare base64": lambda text, pixels: text,
    "data URL": lambda text, pixels: f"data:image/png;base64,{text}",
    "with a key": lambda text, pixels: {"key": "7", "image_bytes": {"b64": text}},
    "nested list": lambda text, pixels: pixels.tolist(),
    "nested list of floats": lambda text, pixels: pixels.astype(float).tolist(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_told_what_the_net_says(
    client: httpx.Client, texts: list[str], pixels: Pixels, right: Right, form: str
) -> None:
    answer = client.post(PATH, json={"instances": [FORMS[form](texts[0], pixels[0])]})
    right(answers.v1(answer.json(), answer.headers))


@pytest.mark.parametrize("images", [1, 2, 63, 64])
@pytest.mark.parametrize("form", ["image_bytes", "nested list"])
def test_images_are_answered_in_order(
    client: httpx.Client, texts: list[str], pixels: Pixels, right: Right, form: str, images: int
) -> None:
    instances = [FORMS[form](texts[index], pixels[index]) for index in range(images)]
    answer = client.post(PATH, json={"instances": instances})
    right(answers.v1(answer.json(), answer.headers), images)


def test_forms_may_be_mixed(client: httpx.Client, texts: list[str], pixels: Pixels, right: Right) -> None:
    instances = [form(texts[index], pixels[index]) for index, form in enumerate(list(FORMS.values())[:5])]
    answer = client.post(PATH, json={"instances": instances})
    right(answers.v1(answer.json(), answer.headers), 5)


def test_one_more_image_than_the_limit_is_refused(client: httpx.Client, texts: list[str]) -> None:
    answer = client.post(PATH, json={"instances": [*texts, texts[0]]})
    assert (answer.status_code, "65" in message(answer), "64" in message(answer)) == (400, True, True)


def test_a_request_id_comes_back(client: httpx.Client, texts: list[str]) -> None:
    answer = client.post(PATH, json={"instances": texts[:1]}, headers={"x-request-id": "q-1"})
    assert answer.headers["x-request-id"] == "q-1"


def test_readiness_of_the_model(client: httpx.Client) -> None:
    assert client.get("/v1/models").json() == {"models": ["shapes"]}
    ready = client.get("/v1/models/shapes")
    assert (ready.status_code, ready.json()["name"]) == (200, "shapes")
