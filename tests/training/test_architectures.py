"""The networks: sizes that the speed goals rest on, and what a resumed or weighted one must fit."""

from pathlib import Path

import numpy as np
import pytest

from training.architectures import build, continued, multiply_adds, served
from training.errors import ResumeError, TrainingError
from training.settings import ModelType

IMAGES = np.random.default_rng(5).integers(0, 256, (3, 64, 64, 3), np.uint8)


def test_custom_is_the_reference_of_the_speed_goals() -> None:
    network = build(ModelType.CUSTOM, classes=8, seed=1)
    assert network.count_params() <= 300_000
    assert 40e6 <= multiply_adds(network) <= 60e6


def test_quick_is_narrower() -> None:
    assert multiply_adds(build(ModelType.CUSTOM, classes=8, seed=1, quick=True)) < 15e6


def test_the_same_seed_gives_the_same_weights() -> None:
    first, second, other = (
        build(ModelType.CUSTOM, classes=2, seed=seed, quick=True).get_layer("logits").get_weights()[0]
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_what_is_served_takes_bytes_and_gives_probabilities() -> None:
    model = served(build(ModelType.CUSTOM, classes=3, seed=1, quick=True), temperature=2.0)
    probabilities = model(IMAGES).numpy()
    assert (model.input.dtype, probabilities.shape) == ("uint8", (3, 3))
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_a_temperature_above_one_makes_answers_less_sure() -> None:
    network = build(ModelType.CUSTOM, classes=3, seed=1, quick=True)
    cold, warm = (served(network, temperature=t)(IMAGES).numpy() for t in (0.5, 4.0))
    assert (cold.max(axis=1) > warm.max(axis=1)).all()
    assert np.array_equal(cold.argmax(axis=1), warm.argmax(axis=1))


def test_a_continued_network_gives_the_logits_it_gave() -> None:
    network = build(ModelType.CUSTOM, classes=3, seed=1, quick=True)
    again = continued(served(network, temperature=2.0), ModelType.CUSTOM, classes=3)
    assert np.array_equal(again(IMAGES).numpy(), network(IMAGES).numpy())


@pytest.mark.parametrize(("model_type", "classes"), [(ModelType.EFFICIENTNET_B0, 3), (ModelType.CUSTOM, 4)])
def test_another_network_cannot_be_continued(model_type: ModelType, classes: int) -> None:
    model = served(build(ModelType.CUSTOM, classes=3, seed=1, quick=True), temperature=1.0)
    with pytest.raises(ResumeError, match=f"found custom for 3 classes, wanted {model_type} for {classes}"):
        continued(model, model_type, classes=classes)


def test_weights_of_the_network_are_loaded(tmp_path: Path) -> None:
    first = build(ModelType.CUSTOM, classes=2, seed=1, quick=True)
    first.save_weights(tmp_path / "a.weights.h5")
    second = build(ModelType.CUSTOM, classes=2, seed=2, quick=True, weights=tmp_path / "a.weights.h5")
    assert np.array_equal(second(IMAGES).numpy(), first(IMAGES).numpy())


def test_a_file_that_is_no_weights_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.weights.h5"
    path.write_bytes(b"not weights")
    with pytest.raises(TrainingError, match=r"a\.weights\.h5: .*; wanted a Keras weights file"):
        build(ModelType.CUSTOM, classes=2, seed=1, quick=True, weights=path)
