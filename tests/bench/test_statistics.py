"""One figure from many rounds: the arithmetic of its interval, and what meeting a goal means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.statistics import COVERAGE, Figure, Goal, coverage, figure, quantile


@given(st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=40))
def test_the_interval_holds_the_median_and_covers_what_it_says(rounds):
    found = figure(rounds)
    assert found.low <= found.median <= found.high
    assert found.coverage >= COVERAGE


@pytest.mark.parametrize(("count", "low", "high"), [(6, 1, 6), (7, 1, 7), (9, 2, 8), (20, 6, 15)])
def test_the_interval_leaves_out_as_much_at_its_ends_as_it_may(count, low, high):
    assert (figure(range(1, count + 1)).low, figure(range(1, count + 1)).high) == (low, high)


def test_few_rounds_do_not_pretend():
    assert figure([1, 2, 3]) == Figure(2, 1, 3, 0.75)
    assert figure([2]).coverage == 0


def test_coverage_is_that_of_fair_coins():
    assert coverage(7, 0) == 1 - 2 / 2**7
    assert coverage(20, 5) == pytest.approx(0.9586, abs=1e-4)


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (Goal("≥", 0.97), True),
        (Goal("≥", 0.97, "low"), False),
        (Goal("≤", 1.05), True),
        (Goal("≤", 1.05, "high"), False),
    ],
)
def test_a_goal_is_met_by_the_part_of_the_figure_it_names(goal, met):
    assert goal.met(Figure(1.0, 0.9, 1.1, 0.95)) is met


def test_no_answers_meet_no_goal():
    assert not Goal("≤", 50).met(figure([1.0, quantile([], 0.99), 2.0]))


def test_a_quantile_is_a_value_that_was_seen():
    assert [quantile([4, 1, 3, 2], share) for share in (0, 0.5, 0.99)] == [1, 2, 4]
