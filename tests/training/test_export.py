"""The exported graph: any number of images, the same probabilities as Keras, and no version when it differs."""

from typing import Any

import numpy as np
import pytest

from training.architectures import build, served
from training.errors import ExportError
from training.export import input_side, litert_probabilities, parity, to_litert
from training.settings import ModelType

IMAGES = np.random.default_rng(7).integers(0, 256, (5, 64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def model() -> Any:
    return served(build(ModelType.CUSTOM, classes=3, seed=4, quick=True), temperature=1.7)


@pytest.fixture(scope="module")
def exported(model: Any) -> bytes:
    return to_litert(model)


@pytest.mark.parametrize("batch", [1, 2, 64])
def test_litert_computes_what_keras_does_in_batches_of_any_size(model: Any, exported: bytes, batch: int) -> None:
    found = litert_probabilities(exported, IMAGES, batch=batch)
    assert parity(found, model.predict(IMAGES, verbose=0)) <= 1e-4


def test_the_input_is_bytes_of_the_networks_size(exported: bytes) -> None:
    assert input_side(exported) == (64, 64)


def test_exporting_prints_nothing_to_stdout(model: Any, capfd: pytest.CaptureFixture[str]) -> None:
    to_litert(model)
    assert capfd.readouterr().out == ""


def test_a_difference_is_refused_with_its_size() -> None:
    keras = np.array([[0.6, 0.4]], np.float32)
    with pytest.raises(ExportError, match=r"differs by 0\.001 .* wanted at most 0\.0001; no version was made"):
        parity(keras + np.float32(0.001), keras)


def test_no_number_is_refused_too() -> None:
    with pytest.raises(ExportError, match="differs by nan"):
        parity(np.array([[np.nan, 0]], np.float32), np.array([[0.5, 0.5]], np.float32))
