"""Bounds of differences on paired images."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.paired import Pairs, holm, lower_bound

IMAGES = 4000


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 5000))
def test_the_bound_is_below_the_difference_and_falls_with_every_loss(lost: int, won: int, alike: int) -> None:
    images = lost + won + alike + 1
    bound = lower_bound(lost=lost, won=won, images=images)
    assert -1 <= bound <= (won - lost) / images
    assert lower_bound(lost=lost + 1, won=won, images=images + 1) <= bound + 1e-12


def test_the_bound_is_that_of_the_score_test_at_no_discordant_pair() -> None:
    """Then the statistic is √(n·d/(1−d)), so that the bound is −z²/(n + z²)."""
    assert lower_bound(lost=0, won=0, images=4000) == pytest.approx(-(1.6448536**2) / (4000 + 1.6448536**2), rel=1e-6)


@pytest.mark.parametrize(("lose", "win"), [(0.01, 0.01), (0.02, 0.01), (0.005, 0.001), (0.2, 0.05), (0.0025, 0.03)])
def test_the_bound_covers_in_at_least_93_of_100_cases(lose: float, win: float) -> None:
    draws = np.random.default_rng(20260301).multinomial(IMAGES, [lose, win, 1 - lose - win], size=2000)
    bounds = [lower_bound(lost=int(lost), won=int(won), images=IMAGES) for lost, won, _ in draws]
    covered = float(np.mean(np.asarray(bounds) <= win - lose))
    assert 0.93 <= covered <= 0.97


def pairs(images: int, lost: int, won: int = 0) -> Pairs:
    return Pairs(images, images - lost, lost, won)


def test_the_clearest_of_eight_classes_must_hold_at_the_eighth_part_of_alpha_and_the_last_at_all_of_it() -> None:
    found = holm({str(lost): pairs(500, lost) for lost in range(8)}, minimum=-0.05)
    assert [one.name for one in found] == [str(lost) for lost in range(8)]
    assert [round(1 - one.confidence, 6) for one in found] == [round(0.05 / left, 6) for left in range(8, 0, -1)]


def test_one_class_alone_is_bounded_as_without_holm() -> None:
    (found,) = holm({"circle": pairs(300, 4, 2)}, minimum=-0.05)
    assert found.bound == lower_bound(lost=4, won=2, images=300)


CLASSES = st.dictionaries(
    st.sampled_from("abcdefgh"),
    st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 400)).map(
        lambda drawn: pairs(sum(drawn) + 1, drawn[0], drawn[1])
    ),
    min_size=1,
)


@given(CLASSES, st.floats(-0.3, -0.01))
def test_all_hold_exactly_when_holm_rejects_every_class(classes: Mapping[str, Pairs], minimum: float) -> None:
    """Stepping down through the p-values, as the procedure is written."""
    found = holm(classes, minimum=minimum)
    rejected = 0
    for one in found:
        if one.bound < minimum:
            break
        rejected += 1
    assert (rejected == len(found)) == all(one.bound >= minimum for one in found)
    assert [one.confidence for one in found] == sorted((one.confidence for one in found), reverse=True)


def test_eight_classes_of_which_one_is_five_points_worse_pass_in_at_most_5_of_100_cases() -> None:
    """The harmful class alone decides; seven perfect ones give it all of alpha and no more."""
    draws = np.random.default_rng(20260301).binomial(500, 0.05, size=1000)
    good = {name: pairs(500, 0) for name in "bcdefgh"}
    passed = [
        all(one.bound >= -0.05 for one in holm({"a": pairs(500, int(lost)), **good}, minimum=-0.05)) for lost in draws
    ]
    assert 0.01 <= float(np.mean(passed)) <= 0.065
