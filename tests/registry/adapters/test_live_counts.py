import pytest

from predictor.metrics import CONFIDENCE as CONFIDENCE_NAME
from predictor.metrics import PREDICTIONS
from predictor.tally import CONFIDENCE_EDGES
from registry.adapters.live_counts import parse_live
from registry.domain import features
from registry.domain.documents import Fields
from registry.domain.drift_counts import CLASSES, CONFIDENCE, FEATURES, Bins, LiveCounts, parse_counts
from registry.domain.drift_signals import confidence_reference

OWN = frozenset({("model", "shapes"), ("version", "3"), ("traffic", "live")})
LABELS = 'model="shapes",version="3",traffic="live"'
TEXT = "".join(
    [
        f'{PREDICTIONS}{{{LABELS},class="circle"}} 3.0\n{PREDICTIONS}{{{LABELS},class="a \\"b\\""}} 1.0\n',
        f'{PREDICTIONS}{{{LABELS.replace("live", "pinned")},class="circle"}} 99.0\n',
        *(f'{CONFIDENCE_NAME}_bucket{{{LABELS},le="{edge}"}} {min(place, 4)}.0\n'
          for place, edge in enumerate((*CONFIDENCE_EDGES, "+Inf"))),
        *(f'ml_geometry_input_feature_bucket{{{LABELS},feature="brightness",le="{edge}"}} {count}.0\n'
          for edge, count in (("60.0", 1), ("120.0", 1), ("+Inf", 4))),
    ]
)  # fmt: skip


def test_live_answers_are_counted_by_class_confidence_and_feature() -> None:
    found = parse_live(TEXT, OWN, "started")["started"]
    assert found.classes == {"circle": 3, 'a "b"': 1}
    assert found.histograms["brightness"] == Bins((60.0, 120.0), (1, 0, 3))
    assert found.histograms[CONFIDENCE].counts == (0, 1, 1, 1, 1, *[0] * 16)
    assert "contrast" not in found.histograms


def test_the_predictors_bins_of_confidence_are_the_cards() -> None:
    found = parse_live(TEXT, OWN, "started")["started"].histograms[CONFIDENCE]
    assert confidence_reference((1,) * 20).binned(found) == (0, 1, 1, 1, 1, *[0] * 15)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (' 3.0\n', " NaN\n"),
        (' 3.0\n', " 2.5\n"),
        (' 3.0\n', " -1\n"),
        ('le="120.0"} 1.0', 'le="120.0"} 0.0'),
        ('le="120.0"', 'le="wide"'),
        ('brightness",le="+Inf"', 'brightness",le="200"'),
        ('class="circle"} 3', 'class=circle} 3'),
        ('brightness",le="+Inf"} 4.0\n', 'brightness",le="+Inf"} 4'),
        (TEXT, ""),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_no_count_at_all(before: str, after: str) -> None:
    assert parse_live(TEXT.replace(before, after, 1), OWN, "started") == {}


def test_features_are_those_that_predictors_measure() -> None:
    assert features.NAMES == FEATURES


def test_counts_are_read_back_from_their_document() -> None:
    found = parse_live(TEXT, OWN, "started")["started"]
    assert parse_counts(Fields(found.document(), CLASSES)) == LiveCounts(found.classes, found.histograms)
