from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.observation import Counters
from registry.domain.signals import LATENCY_EDGES
from registry.domain.traffic import SPAN, Readings
from tests.registry.domain.builders import NOON


def counters(good, *, errors=0, refused=0, proxy=None, slow=0, confidence=0.9, incarnation="a"):
    """`good` answers of one image, `slow` of them beyond every edge and the others between 5 and 10 ms."""
    within = (0, *[good - slow] * (len(LATENCY_EDGES) - 1))
    told = None if confidence is None else confidence * good
    return Counters(good, refused, errors, proxy, incarnation, within, good, 0, confidence=told)


def readings(*taken, pace=1.0):
    found = Readings()
    for number, seen in enumerate(taken):
        found = found.add(NOON + timedelta(seconds=pace * number), seen)
    return found


def test_before_the_first_reading_there_is_nothing_to_show():
    assert Readings().traffic() is None


def test_totals_are_of_the_process_and_the_rest_of_the_span():
    shown = readings(counters(1000, errors=50, refused=7), counters(1090, errors=60, refused=7)).traffic()
    assert (shown.requests, shown.seconds, shown.recent) == (1157, 1.0, 100)
    assert shown.errors == pytest.approx(0.1)
    assert shown.p95 == pytest.approx(0.00975)
    assert shown.confidence == pytest.approx(0.9)


def test_errors_are_the_larger_of_both_counts():
    assert readings(counters(0, proxy=0), counters(90, errors=2, proxy=10)).traffic().errors == pytest.approx(0.1)


def test_what_is_older_than_the_span_does_not_count():
    shown = readings(counters(0), counters(10), counters(30), pace=SPAN.total_seconds() * 0.7).traffic()
    assert (shown.recent, shown.requests) == (20, 30)


def test_a_replaced_process_begins_anew():
    shown = readings(counters(900), counters(5, incarnation="b")).traffic()
    assert (shown.requests, shown.recent, shown.errors) == (5, 0, None)


def test_what_lies_beyond_the_last_edge_is_at_least_that():
    assert readings(counters(0), counters(100, slow=50)).traffic().p95 == LATENCY_EDGES[-1]


def test_what_is_not_told_is_not_shown():
    shown = readings(counters(0, confidence=None), counters(9, errors=1, confidence=None)).traffic()
    assert (shown.recent, shown.errors, shown.confidence) == (10, 0.1, None)


def test_without_answers_nothing_but_the_total_is_shown():
    shown = readings(counters(9), counters(9)).traffic()
    assert (shown.requests, shown.recent, shown.errors, shown.p95, shown.confidence) == (9, 0, None, None, None)


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=90))
def test_shares_are_shares_whatever_comes(steps):
    found, good, bad, refused = Readings(), 0, 0, 0
    for second, (more, errors, junk) in enumerate(steps):
        good, bad, refused = good + more, bad + errors, refused + junk
        found = found.add(NOON + timedelta(seconds=second), counters(good, errors=bad, refused=refused))
    shown = found.traffic()
    assert 0 <= (shown.errors or 0) <= 1
    assert 0 <= shown.recent <= shown.requests
    assert shown.p95 is None or 0 <= shown.p95 <= 0.01
    assert shown.seconds <= SPAN.total_seconds()
