"""`/predict` and `/predict/batch`: for people without a KServe client."""

import httpx
import pytest

from tests.predictor.conftest import message
from tests.predictor.protocols import answers
from tests.predictor.protocols.conftest import Right


def parts(pictures: list[bytes], name: str) -> list[tuple[str, tuple[str, bytes, str]]]:
    return [(name, (f"{index}.png", content, "image/png")) for index, content in enumerate(pictures)]


@pytest.mark.parametrize("name", ["file", "image", "anything"])
def test_a_file_of_a_form_is_classified(client: httpx.Client, pictures: list[bytes], right: Right, name: str) -> None:
    answer = client.post("/predict", files=parts(pictures[:1], name))
    right(answers.plain(answer.json(), answer.headers))
    assert answer.json()["model"] == "shapes"


@pytest.mark.parametrize("images", [1, 2, 63, 64])
def test_files_of_a_form_are_answered_in_order(
    client: httpx.Client, pictures: list[bytes], right: Right, images: int
) -> None:
    answer = client.post("/predict/batch", files=parts(pictures[:images], "files"))
    right(answers.plain(answer.json(), answer.headers), images)


def test_a_file_is_classified_as_it_is(client: httpx.Client, pictures: list[bytes], right: Right) -> None:
    answer = client.post("/predict", content=pictures[0], headers={"content-type": "image/png"})
    right(answers.plain(answer.json(), answer.headers))


def test_an_image_in_json_is_classified(client: httpx.Client, texts: list[str], right: Right) -> None:
    answer = client.post("/predict", json={"image": texts[0]})
    right(answers.plain(answer.json(), answer.headers))


@pytest.mark.parametrize("name", ["images", "instances"])
@pytest.mark.parametrize("images", [1, 2, 63, 64])
def test_images_in_json_are_answered_in_order(
    client: httpx.Client, texts: list[str], right: Right, name: str, images: int
) -> None:
    answer = client.post("/predict/batch", json={name: texts[:images]})
    right(answers.plain(answer.json(), answer.headers), images)


def test_one_more_image_than_the_limit_is_refused(
    client: httpx.Client, pictures: list[bytes], texts: list[str]
) -> None:
    as_json = client.post("/predict/batch", json={"images": [*texts, texts[0]]})
    as_form = client.post("/predict/batch", files=parts([*pictures, pictures[0]], "files"))
    for answer in (as_json, as_form):
        assert (answer.status_code, "64" in message(answer)) == (400, True)


def test_one_image_is_wanted_where_one_is_classified(client: httpx.Client, pictures: list[bytes]) -> None:
    answer = client.post("/predict", files=parts(pictures[:2], "file"))
    assert (answer.status_code, "2" in message(answer)) == (400, True)
