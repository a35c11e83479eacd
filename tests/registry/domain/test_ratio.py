"""Intervals that hold at every look: how often they miss, and what their ends do."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.judge import Window
from registry.domain.ratio import Interval, difference_interval, rate_interval, ratio_interval

RUNS = 200
LOOKS = [20, 60, 150, 400, 1000, 2500, 6000, 15000]
SHARES = st.sampled_from([0.05, 0.1, 0.25, 0.5])


@st.composite
def windows(draw: st.DrawFn, smallest: int = 0) -> Window:
    """Counts of two revisions that both had something to answer."""
    bad = draw(st.integers(smallest, 2000)), draw(st.integers(smallest, 2000))
    good = draw(st.integers(1, 10**6)), draw(st.integers(1, 10**6))
    return Window(bad[0] + good[0], bad[0], bad[1] + good[1], bad[1])


def swapped(window: Window) -> Window:
    return Window(window.stable_exposure, window.stable_bad, window.canary_exposure, window.canary_bad)


def times(window: Window, factor: int) -> Window:
    return Window(*(factor * count for count in vars(window).values()))


def looked_at(rate: float, ratio: float, share: float, *, seed: int) -> np.ndarray:
    """Counts of RUNS services at each of LOOKS: runs × looks × the fields of a window."""
    random, counts = np.random.default_rng(seed), []
    for requests in np.diff([0, *LOOKS]):
        canary = random.binomial(requests, share, RUNS)
        stable = requests - canary
        counts.append([canary, random.binomial(canary, rate * ratio), stable, random.binomial(stable, rate)])
    return np.cumsum(counts, axis=0).transpose(2, 0, 1)


@pytest.mark.parametrize(
    ("rate", "ratio", "share"),
    [(0.02, 1.0, 0.5), (0.002, 4.0, 0.05), (0.3, 0.5, 0.1), (0.02, 3.0, 0.5)],
)
def test_at_most_one_in_twenty_services_misses_the_true_ratio_at_any_look(
    rate: float, ratio: float, share: float
) -> None:
    runs = [[Window(*map(int, look)) for look in run] for run in looked_at(rate, ratio, share, seed=7)]
    missed = sum(any(ratio not in ratio_interval(look, routed=share) for look in run) for run in runs)
    assert missed <= 0.05 * RUNS


def test_at_most_one_in_twenty_services_misses_the_true_difference_at_any_look() -> None:
    runs = [[Window(*map(int, look)) for look in run] for run in looked_at(0.02, 2.0, 0.5, seed=8)]
    missed = sum(any(0.02 not in difference_interval(look) for look in run) for run in runs)
    assert missed <= 0.05 * RUNS


@given(windows(smallest=1), SHARES)
def test_what_was_counted_lies_inside(window: Window, routed: float) -> None:
    canary = window.canary_bad / window.canary_exposure
    stable = window.stable_bad / window.stable_exposure
    assert canary / stable in ratio_interval(window, routed=routed)
    assert canary - stable in difference_interval(window)
    assert canary in rate_interval(window.canary_bad, window.canary_exposure)


@given(windows(), SHARES)
def test_swapped_sides_give_the_mirrored_interval(window: Window, routed: float) -> None:
    one = ratio_interval(window, routed=routed)
    other = ratio_interval(swapped(window), routed=1 - routed)
    assert other.low == pytest.approx(1 / one.high, rel=1e-6, abs=0)
    assert 1 / other.high == pytest.approx(one.low, rel=1e-6, abs=0)


@given(windows(smallest=1), SHARES, st.integers(2, 50))
def test_more_of_the_same_gives_a_shorter_interval(window: Window, routed: float, factor: int) -> None:
    def length(found: Window) -> float:
        interval = ratio_interval(found, routed=routed)
        return math.log(interval.high) - math.log(interval.low)

    assert length(times(window, factor)) < length(window)


@given(windows(smallest=1), SHARES)
def test_a_lower_alpha_gives_a_longer_interval(window: Window, routed: float) -> None:
    wide, narrow = (ratio_interval(window, routed=routed, alpha=alpha) for alpha in (0.01, 0.1))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_without_bad_events_or_without_one_side_nothing_bounds_the_ratio() -> None:
    nothing = Interval(0.0, math.inf)
    for window in (Window(0, 0, 0, 0), Window(500, 0, 500, 0), Window(500, 3, 0, 0), Window(0, 0, 500, 3)):
        assert ratio_interval(window, routed=0.5) == nothing
    assert ratio_interval(Window(500, 9, 500, 0), routed=0.5).high == math.inf
    assert ratio_interval(Window(500, 0, 500, 9), routed=0.5).low == 0.0


def test_counts_of_years_keep_their_precision() -> None:
    found = ratio_interval(Window(10**9, 10**6, 10**9, 10**6), routed=0.5)
    assert found.low * found.high == pytest.approx(1, rel=1e-6)
    assert 1.005 < found.high < 1.007


def test_a_canary_that_refuses_more_has_less_to_answer_and_is_compared_by_what_it_had() -> None:
    """Half of what the route sends it counts, at the stable's rate: neither is better."""
    found = ratio_interval(Window(50_000, 1000, 100_000, 2000), routed=0.5)
    assert found.low < 1 < found.high < 1.2
