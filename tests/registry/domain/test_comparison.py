from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.checklist import Candidate
from registry.domain.comparison import compare, document, holm_adjusted, mcnemar
from registry.domain.errors import NotFound, NotVerified
from registry.domain.evaluation import Baseline
from registry.domain.paired import Pairs
from tests.registry.domain.builders import IMAGES, V1, V2, candidate, digest


def test_the_interval_holds_the_difference_and_a_large_one_is_significant():
    found = compare(candidate(V1, wrong=8), candidate(V2, wrong=40)).accuracy
    assert found.pairs.difference == pytest.approx(-32 / IMAGES)
    assert found.low < -0.08 < found.high < 0
    assert found.significant


def test_equal_versions_differ_by_nothing_that_is_significant():
    found = compare(candidate(V1), candidate(V2))
    assert not found.accuracy.significant
    assert found.accuracy.p == 1
    assert found.accuracy.low < 0 < found.accuracy.high


def test_the_other_way_round_everything_is_mirrored():
    there, back = (
        compare(*sides).accuracy
        for sides in ((candidate(V1), candidate(V2, wrong=40)), (candidate(V2, wrong=40), candidate(V1)))
    )
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert there.p == back.p


def test_classes_come_in_the_order_of_the_card():
    assert [found.name for found in compare(candidate(V1), candidate(V2)).classes] == ["circle", "square"]


def elsewhere(found):
    """The same version, tested on other images."""
    return replace(found, evaluation=replace(found.evaluation, test_digest="other"))


def test_different_images_are_no_pairs_and_the_message_says_what_to_do():
    with pytest.raises(NotFound, match=r"tested on different images \(test and other\).*`geometry train --baseline 1`"):
        compare(candidate(V1), elsewhere(candidate(V2)))


@pytest.mark.parametrize("swapped", [False, True])
def test_what_was_asked_of_the_baseline_makes_pairs_of_different_images(swapped):
    newer = elsewhere(candidate(V2))
    answers = candidate(V1, wrong=20).evaluation.images
    baseline = Baseline(V1, digest(V1), tuple(image.fp32 for image in answers))
    newer = replace(newer, evaluation=replace(newer.evaluation, baseline=baseline))
    sides = (newer, candidate(V1)) if swapped else (candidate(V1), newer)
    found = compare(*sides).accuracy
    assert found.pairs.difference == pytest.approx((-12 if swapped else 12) / IMAGES)


def test_a_version_that_does_not_verify_is_named():
    with pytest.raises(NotVerified, match="altered"):
        compare(candidate(V1), Candidate(V2, verification_error="card.json: altered"))


def test_the_document_holds_size_slo_and_calibration():
    found = document(compare(candidate(V1), candidate(V2)))
    assert found["calibration"] == {"base": 0.01, "candidate": 0.01}
    assert found["slo"]["base"] == {"availability": 0.999, "seconds": 0.1, "objective": 0.99}
    assert found["variants"]["base"]["fp32"]["file"] == "model.tflite"


@pytest.mark.parametrize(("lost", "won", "p"), [(0, 0, 1.0), (0, 5, 0.0625), (1, 9, 0.021484375), (3, 3, 1.0)])
def test_mcnemar_is_exact(lost, won, p):
    assert mcnemar(Pairs(100, 90, lost, won)) == pytest.approx(p)


def test_holm_multiplies_the_smallest_by_all_and_never_falls():
    assert holm_adjusted([0.04, 0.01, 0.03]) == pytest.approx((0.06, 0.03, 0.06))


@given(st.lists(st.floats(0, 1), max_size=12))
def test_adjusting_never_makes_anything_more_significant(ps):
    adjusted = holm_adjusted(ps)
    assert all(before <= after <= 1 for before, after in zip(ps, adjusted, strict=True))
    assert all(
        adjusted[low] <= adjusted[high] for low in range(len(ps)) for high in range(len(ps)) if ps[low] < ps[high]
    )
