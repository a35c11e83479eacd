"""Answers of the REST routes as bytes, without a server."""

import base64
import json

import numpy as np

from predictor import plain, v1, v2
from predictor.query import Form, Limits, Predictions, Query
from predictor.served import Served
from registry.domain.card import InputSpec

LIMITS = Limits(InputSpec(width=3, height=2), images=4)
FILE = base64.b64encode(b"\xff\xd8\xff\xe0").decode()

PREDICTIONS = Predictions.of(np.array([[0.25, 0.5, 0.0, 0.25, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0]], np.float32))


def answer(form: Form, served: Served, query: Query | None = None, count: int = 2) -> dict[str, object]:
    predictions = Predictions.of(PREDICTIONS.probabilities[:count])
    body = form.write(query or Query((b"",) * count), predictions, served)
    assert (body.content_type, body.json_length) == (b"application/json", None)
    return dict(json.loads(body.content))


def test_a_v1_answer_has_a_prediction_for_every_image(served: Served) -> None:
    found = answer(v1.FORM, served)
    first, second = found.pop("predictions")
    assert (first["class"], first["confidence"], second["class"]) == ("ellipse", 0.5, "circle")
    assert first["probabilities"] == dict(zip(served.classes, PREDICTIONS.probabilities[0].tolist(), strict=True))
    assert found == {"model_version": "1", "model_digest": served.digest}


def test_a_plain_answer_is_flat_for_one_image_and_a_list_for_a_batch(served: Served) -> None:
    who = {"model": "shapes", "version": "1", "digest": served.digest}
    single, batch = answer(plain.SINGLE, served, count=1), answer(plain.BATCH, served, count=1)
    assert (single["class"], single["confidence"]) == ("ellipse", 0.5)
    assert single == {**batch.pop("predictions")[0], **who}
    assert batch == who


def test_a_v2_answer_has_the_wanted_outputs_and_the_id(served: Served) -> None:
    document = tensor([1], [FILE], id="q1", outputs=[{"name": "confidence"}, {"name": "class"}])
    found = answer(v2.FORM, served, read(document))
    assert found == {
        "model_name": "shapes",
        "model_version": "1",
        "id": "q1",
        "parameters": {"version": "1", "digest": served.digest},
        "outputs": [
            {"name": "confidence", "datatype": "FP32", "shape": [2], "data": [0.5, 1.0]},
            {"name": "class", "datatype": "BYTES", "shape": [2], "data": ["ellipse", "circle"]},
        ],
    }


def test_a_v2_answer_without_wishes_has_all_outputs_and_no_id(served: Served) -> None:
    found = answer(v2.FORM, served, read(tensor([1, 1], [[FILE]], outputs=[])))
    assert "id" not in found
    assert found["outputs"][2]["shape"] == [2, 8]
    assert found["outputs"][2]["data"] == PREDICTIONS.probabilities.ravel().tolist()


def tensor(shape: list[int], data: object, **more: object) -> dict[str, object]:
    return {"inputs": [{"name": "image", "datatype": "BYTES", "shape": shape, "data": data}], **more}


def read(document: object) -> Query:
    return v2.FORM.read(json.dumps(document).encode(), {}, LIMITS)
