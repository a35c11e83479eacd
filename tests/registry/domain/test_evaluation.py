"""Predictions of a version for every test image."""

from dataclasses import replace

import pytest

from registry.domain.errors import InvalidDocument
from registry.domain.evaluation import Baseline, EvaluatedImage, Evaluation, parse_evaluation

EVALUATION = Evaluation(
    "digest",
    (EvaluatedImage("a", "circle", "circle"), EvaluatedImage("b", "square", "circle", int8="square")),
    Baseline("1", "0" * 64, ("circle", "square")),
)


@pytest.mark.parametrize("evaluation", [EVALUATION, replace(EVALUATION, baseline=None), Evaluation("digest", ())])
def test_an_evaluation_survives_its_bytes(evaluation: Evaluation) -> None:
    assert parse_evaluation(evaluation.content()) == evaluation


def test_a_baseline_has_one_class_per_image() -> None:
    short = replace(EVALUATION, baseline=Baseline("1", "0" * 64, ("circle",)))
    with pytest.raises(InvalidDocument, match="1 classes for 2 images"):
        parse_evaluation(short.content())


def test_an_image_without_prediction_is_named() -> None:
    with pytest.raises(InvalidDocument, match=r"images\[0\]: fp32 is missing"):
        parse_evaluation(EVALUATION.content().replace(b'"fp32":"circle","id":"a"', b'"id":"a"'))
