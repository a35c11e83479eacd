"""The int8 variant: what is offered, what is not, and the arithmetic in between."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.classifier import Classifier
from predictor.served import open_version
from registry.domain.card import Lineage
from registry.domain.evaluation import EVALUATION, parse_evaluation
from registry.domain.version import Model
from registry.store.home import Home
from training.architectures import build, served
from training.dataset import Dataset
from training.evaluate import Report, evaluate
from training.export import litert_probabilities, to_litert
from training.int8 import GATE, Attempt, Comparison, Gate, attempt, representative
from training.publish import Candidate, publish, signing_key
from training.settings import ModelType
from training.split import Split

# TensorFlow's converter uses it itself.
pytestmark = pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated:UserWarning")

IMAGES = np.random.default_rng(7).integers(0, 256, (64, 64, 64, 3), np.uint8)
CLASSES = ("circle", "square", "triangle")
SMALL = Gate(images=64, loss=0.2, ece=1.0)
COUNTS = st.integers(0, 500)


@pytest.fixture(scope="module")
def model() -> Any:
    return served(build(ModelType.CUSTOM, classes=3, seed=4, quick=True), temperature=1.7)


@pytest.fixture(scope="module")
def fp32(model: Any) -> bytes:
    return to_litert(model)


@pytest.fixture(scope="module")
def dataset(fp32: bytes) -> Dataset:
    """Images of which FP32 knows all: what int8 takes for something else is its loss."""
    labels = litert_probabilities(fp32, IMAGES).argmax(axis=1)
    split = Split(IMAGES, labels, tuple(f"{place:016x}" for place in range(64)), np.zeros(64, np.bool_))
    return Dataset(CLASSES, split, split, split, split)


@pytest.fixture(scope="module")
def report(fp32: bytes, dataset: Dataset) -> Report:
    return evaluate(litert_probabilities(fp32, IMAGES), dataset.test.labels, dataset.test.hard, classes=CLASSES)


@pytest.fixture(scope="module")
def passed(model: Any, dataset: Dataset, report: Report) -> Attempt:
    return attempt(model, dataset, report, gate=SMALL)


def candidate(fp32: bytes, dataset: Dataset, report: Report, found: Attempt) -> Candidate:
    return Candidate(
        model=Model("shapes"),
        model_type=ModelType.CUSTOM,
        litert=fp32,
        side=64,
        parity=1e-6,
        report=report,
        test=dataset.test,
        baseline=None,
        lineage=Lineage("a" * 32, "b" * 64, "c" * 40),
        int8=found.offered,
    )


def test_what_passes_is_published_and_answers_as_it_was_measured(
    fp32: bytes, dataset: Dataset, report: Report, passed: Attempt, tmp_path: Path
) -> None:
    home = Home(tmp_path)
    made = candidate(fp32, dataset, report, passed)
    publish(made, None, home=home, key=signing_key(home, print), created=datetime(2026, 3, 1, tzinfo=UTC))
    found = open_version(home.store / "models/shapes/1", home.keys, model="shapes", digest=None, variant="int8")
    answers = Classifier(found.net, input=found.card.input, classes=3, interpreters=1).classify(IMAGES)
    evaluated = parse_evaluation((home.store / "models/shapes/1" / EVALUATION).read_bytes())
    assert [image.int8 for image in evaluated.images] == [CLASSES[place] for place in answers.argmax(axis=1)]
    assert found.card.variants["int8"]["gate"] == passed.comparison.bound


def test_what_passes_says_what_it_loses_beside_the_limit(passed: Attempt) -> None:
    assert passed.told.startswith("offered: it loses ")
    assert "wanted at most 20.00; n=64, lost " in passed.told
    assert passed.figures()["int8_loss_bound"] == passed.comparison.bound


def test_what_cannot_show_enough_is_not_offered_and_leaves_no_file(
    model: Any, fp32: bytes, dataset: Dataset, report: Report, capfd: pytest.CaptureFixture[str]
) -> None:
    found = attempt(model, dataset, report, gate=Gate(images=64, ece=1.0))
    made = candidate(fp32, dataset, report, found)
    assert found.told.startswith("not offered: it loses ")
    assert found.comparison is not None
    assert (list(made.nets()), made.evaluation().images[0].int8) == (["model.tflite"], None)
    assert capfd.readouterr().out == ""


def test_too_few_images_end_it_before_anything_is_converted(dataset: Dataset, report: Report) -> None:
    found = attempt(None, dataset, report)
    assert found == Attempt("not offered: 64 test images, wanted at least 10000 to measure what it costs")
    assert found.figures() == {}


def test_a_net_that_cannot_be_converted_is_one_line_and_no_failure(dataset: Dataset, report: Report) -> None:
    import keras

    images = keras.Input((64, 64, 3), dtype="uint8")
    flow = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images))
    nothing_to_convert = keras.Model(images, keras.layers.Dense(3, activation="softmax")(flow))
    found = attempt(nothing_to_convert, dataset, report, gate=SMALL)
    assert found.told.startswith("not offered: the int8 converter failed (")
    assert "\n" not in found.told


def test_int8_takes_any_number_of_images(passed: Attempt) -> None:
    content = passed.offered.content
    assert np.allclose(litert_probabilities(content, IMAGES), litert_probabilities(content, IMAGES, batch=1), atol=1e-6)


def test_pixels_and_probabilities_stay_as_exact_as_in_fp32(passed: Attempt) -> None:
    from ai_edge_litert.interpreter import Interpreter

    tensors = Interpreter(model_content=passed.offered.content).get_tensor_details()
    parts = ("contrast", "Relu", "logits")
    types = {part: {np.dtype(tensor["dtype"]).name for tensor in tensors if part in tensor["name"]} for part in parts}
    assert types == {"contrast": {"float32"}, "Relu": {"int8"}, "logits": {"float32"}}


def test_ranges_are_set_by_images_of_the_whole_calibration_split() -> None:
    images = np.arange(4000, dtype=np.uint8).reshape(4000, 1, 1, 1)
    split = Split(images, np.zeros(4000, np.int64), ("",) * 4000, np.zeros(4000, np.bool_))
    chosen = representative(Dataset(CLASSES, split, split, split, split))
    assert (len(chosen), chosen[0].item(), chosen[-1].item()) == (500, 0, 3999 % 256)


@given(st.integers(1000, 20_000), COUNTS, COUNTS)
def test_the_bound_is_above_the_loss_and_rises_with_each_image_lost(images: int, lost: int, won: int) -> None:
    found = Comparison(images, lost, won, ece=0.0, fp32_ece=0.0)
    assert found.bound > found.loss
    assert Comparison(images, lost + 1, won, ece=0.0, fp32_ece=0.0).bound > found.bound
    assert found.passes(GATE) == (images >= 10_000 and found.bound <= 0.005)


@pytest.mark.parametrize(
    ("images", "lost", "won", "passes"),
    [
        (10_000, 0, 0, True),
        (9_999, 0, 0, False),
        (10_000, 36, 0, True),
        (10_000, 42, 0, False),
        (10_000, 100, 90, True),
        (10_000, 400, 390, False),
    ],
)
def test_half_a_point_may_be_lost_with_certainty(images: int, lost: int, won: int, passes: bool) -> None:
    assert Comparison(images, lost, won, ece=0.0, fp32_ece=0.0).passes(GATE) == passes


@pytest.mark.parametrize(
    ("ece", "fp32_ece", "passes"),
    [(0.01, 0.002, True), (0.011, 0.002, False), (0.024, 0.02, True), (0.026, 0.02, False), (float("nan"), 0.0, False)],
)
def test_calibration_may_be_as_promised_or_little_worse_than_fp32s(ece: float, fp32_ece: float, passes: bool) -> None:
    assert Comparison(10_000, 0, 0, ece=ece, fp32_ece=fp32_ece).passes(GATE) == passes
