import pytest

from predictor.query import Predictions
from predictor.summary import quantile, summarise
from predictor.tally import Layout, Tally
from registry.domain.features import DEFAULT_EDGES

EDGES = (1.0, 2.0, 4.0)
LAYOUT = Layout(2, tuple(DEFAULT_EDGES.values()))


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [
        ([10, 0, 0, 0], 0.5, 0.5),
        ([0, 10, 0, 0], 0.5, 1.5),
        ([5, 0, 5, 0], 0.5, 1.0),
        ([5, 0, 5, 0], 0.75, 3.0),
        ([0, 0, 0, 3], 0.5, 4.0),
        ([1, 0, 0, 99], 0.005, 0.5),
        ([0, 0, 0, 0], 0.5, None),
    ],
)
def test_a_quantile_is_what_histogram_quantile_says(counts: list[float], share: float, expected: float | None) -> None:
    assert quantile(EDGES, counts, share) == pytest.approx(expected)


def test_a_pod_that_answered_nothing_has_neither_latency_nor_confidence() -> None:
    found = summarise(Tally([0.0] * LAYOUT.size, LAYOUT), ("circle", "star"))
    assert found["latency"] == {"p50": None, "p95": None, "p99": None}
    assert found["mean_confidence"] is None
    assert found["mean_inputs"] == dict.fromkeys(DEFAULT_EDGES)
    assert found["classes"] == {"circle": 0, "star": 0}


def test_a_summary_says_what_was_counted() -> None:
    tally = Tally([0.0] * LAYOUT.size, LAYOUT)
    features = [(100.0, 30.0, 1.5, 1.0, 900.0), (50.0, 30.0, 1.5)]
    tally.answered(Predictions([1, 1], [0.5, 1.0], [], None, features), seconds=0.02, low=0.6)
    tally.refused("bad_image")
    found = summarise(tally, ("circle", "star"))
    assert (found["requests"], found["images"], found["low_confidence"]) == (1, 2, 1)
    assert found["classes"] == {"circle": 0, "star": 2}
    assert found["mean_confidence"] == 0.75
    assert (found["mean_inputs"]["brightness"], found["mean_inputs"]["size_bytes"]) == (75, 900)
    assert found["errors"]["bad_image"] == 1
    assert found["latency"]["p50"] == pytest.approx(0.0175)
