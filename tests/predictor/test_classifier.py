from dataclasses import replace

import numpy as np
import pytest

from predictor.classifier import Classifier
from predictor.served import Served
from registry.domain.errors import InvalidDocument


@pytest.fixture(scope="module")
def classifier(served: Served) -> Classifier:
    return Classifier(served.net, input=served.card.input, classes=8, interpreters=2)


def images(count: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)


def test_probabilities_sum_to_one(classifier: Classifier) -> None:
    np.testing.assert_allclose(classifier.classify(images(3)).sum(1), 1, rtol=1e-5)


def test_an_answer_does_not_depend_on_its_neighbours(classifier: Classifier) -> None:
    together = classifier.classify(images(5))
    assert np.array_equal(together, np.concatenate([classifier.classify(image[None]) for image in images(5)]))


def test_float_pixels_are_rounded_for_a_net_of_whole_numbers(classifier: Classifier) -> None:
    assert np.array_equal(classifier.classify(images(1) // 2 + 0.4), classifier.classify(images(1) // 2))


@pytest.mark.parametrize(
    ("classes", "changes"), [(7, {}), (8, {"width": 32}), (8, {"height": 32}), (8, {"dtype": "float32"})]
)
def test_a_net_that_is_not_what_its_card_says_is_refused(
    served: Served, classes: int, changes: dict[str, object]
) -> None:
    with pytest.raises(InvalidDocument, match="its card wants one of"):
        Classifier(served.net, input=replace(served.card.input, **changes), classes=classes, interpreters=1)


@pytest.mark.parametrize("content", [b"", b"no net at all, but some bytes"])
def test_bytes_that_are_no_net_are_refused_in_one_line(served: Served, content: bytes) -> None:
    with pytest.raises(InvalidDocument, match="LiteRT cannot load the net") as refused:
        Classifier(content, input=served.card.input, classes=8, interpreters=1)
    assert "\n" not in str(refused.value)
