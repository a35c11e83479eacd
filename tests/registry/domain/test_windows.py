"""From cumulative counters to windows."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.observation import Counters
from registry.domain.version import Version
from registry.domain.windows import Counted, Segment, read

OLD, NEW = Version("1"), Version("2")
ZERO = Counters(good=100, refused=7, predictor_errors=3, proxy_errors=4, incarnation="a")


def begun(counters: Counters = ZERO) -> Segment:
    segment = read(None, {NEW: counters}, (NEW,)).segment
    assert segment is not None
    return segment


def test_the_first_reading_only_sets_the_base() -> None:
    reading = read(None, {NEW: ZERO}, (NEW,))
    assert (reading.window, reading.problem) == (None, None)
    assert read(reading.segment, {NEW: ZERO}, (NEW,)).window == {NEW: Counted(0, 0)}


def test_a_window_is_what_came_since_the_last_reading_without_refusals() -> None:
    later = replace(ZERO, good=150, refused=90, predictor_errors=5, proxy_errors=5)
    assert read(begun(), {NEW: later}, (NEW,)).window == {NEW: Counted(52, 2)}


@pytest.mark.parametrize(("predictor", "proxy", "bad"), [(6, 0, 6), (0, 9, 9), (6, 6, 6), (2, 9, 9)])
def test_errors_are_the_larger_of_both_counts(predictor: int, proxy: int, bad: int) -> None:
    later = replace(ZERO, predictor_errors=3 + predictor, proxy_errors=4 + proxy)
    assert read(begun(), {NEW: later}, (NEW,)).window == {NEW: Counted(bad, bad)}


def test_an_error_that_both_show_in_different_readings_counts_once() -> None:
    first = read(begun(), {NEW: replace(ZERO, proxy_errors=5)}, (NEW,))
    second = read(first.segment, {NEW: replace(ZERO, proxy_errors=5, predictor_errors=4)}, (NEW,))
    assert first.window == {NEW: Counted(1, 1)}
    assert second.window == {NEW: Counted(0, 0)}


def test_without_a_proxy_the_predictor_counts_alone() -> None:
    alone = replace(ZERO, proxy_errors=None)
    assert read(begun(alone), {NEW: replace(alone, predictor_errors=5)}, (NEW,)).window == {NEW: Counted(2, 2)}


@pytest.mark.parametrize("counter", ["good", "refused", "predictor_errors", "proxy_errors"])
def test_a_counter_that_goes_backwards_closes_no_window(counter: str) -> None:
    reading = read(begun(), {NEW: replace(ZERO, good=900) if counter != "good" else ZERO}, (NEW,))
    lower = {counter: getattr(ZERO, counter) - 1}
    back = read(reading.segment, {NEW: replace(ZERO, **({"good": 950} | lower))}, (NEW,))
    assert back.window is None
    assert back.problem == "counters of 2: went backwards without a restart"


def test_a_reading_that_went_backwards_is_no_base_for_the_next_one() -> None:
    back = read(begun(replace(ZERO, good=900)), {NEW: replace(ZERO, good=450)}, (NEW,))
    again = read(back.segment, {NEW: replace(ZERO, good=950)}, (NEW,))
    assert (again.window, again.problem) == (None, None)
    assert read(again.segment, {NEW: replace(ZERO, good=960)}, (NEW,)).window == {NEW: Counted(10, 0)}


def test_a_new_incarnation_begins_a_new_segment() -> None:
    reading = read(begun(), {NEW: Counters(2, 0, 0, 0, "b")}, (NEW,))
    assert (reading.window, reading.problem) == (None, None)
    assert read(reading.segment, {NEW: Counters(9, 0, 1, 0, "b")}, (NEW,)).window == {NEW: Counted(8, 1)}


def test_a_revision_that_gives_no_counters_is_named_and_its_window_goes_on_later() -> None:
    both = {OLD: ZERO, NEW: ZERO}
    segment = read(None, both, (NEW, OLD)).segment
    missing = read(segment, {OLD: ZERO}, (NEW, OLD))
    assert (missing.window, missing.problem) == (None, "no counters of 2")
    later = read(missing.segment, {OLD: ZERO, NEW: replace(ZERO, good=130)}, (NEW, OLD))
    assert later.window == {NEW: Counted(30, 0), OLD: Counted(0, 0)}


def test_a_proxy_that_vanished_is_missed_until_it_answers_again() -> None:
    segment = begun()
    for good in (200, 300):
        reading = read(segment, {NEW: replace(ZERO, good=good, proxy_errors=None)}, (NEW,))
        assert reading.window is None
        assert reading.problem == "counters of 2: the proxy gave none, and did before"
        assert reading.segment is not None
        segment = reading.segment
    back = read(segment, {NEW: replace(ZERO, good=400, proxy_errors=6)}, (NEW,))
    assert back.window == {NEW: Counted(302, 2)}


def test_a_proxy_that_answers_for_the_first_time_begins_a_new_segment() -> None:
    reading = read(begun(replace(ZERO, proxy_errors=None)), {NEW: ZERO}, (NEW,))
    assert reading.window is None
    assert read(reading.segment, {NEW: replace(ZERO, proxy_errors=5)}, (NEW,)).window == {NEW: Counted(1, 1)}


@given(st.lists(st.tuples(*[st.integers(0, 50)] * 4), min_size=1))
def test_windows_sum_to_what_the_segment_counted(growth: list[tuple[int, int, int, int]]) -> None:
    segment: Segment | None = begun()
    now, exposure, bad = ZERO, 0, 0
    for good, refused, predictor, proxy in growth:
        now = Counters(
            now.good + good,
            now.refused + refused,
            now.predictor_errors + predictor,
            (now.proxy_errors or 0) + proxy,
            now.incarnation,
        )
        reading = read(segment, {NEW: now}, (NEW,))
        segment = reading.segment
        assert reading.window is not None
        assert 0 <= reading.window[NEW].bad <= reading.window[NEW].exposure
        exposure, bad = exposure + reading.window[NEW].exposure, bad + reading.window[NEW].bad
    errors = max(sum(row[2] for row in growth), sum(row[3] for row in growth))
    assert (exposure, bad) == (sum(row[0] for row in growth) + errors, errors)
