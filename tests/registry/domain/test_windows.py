"""From cumulative counters to windows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain import windows
from registry.domain.judge import Window
from registry.domain.observation import Counters, ObservedRevision
from registry.domain.version import Version
from registry.domain.windows import Answering, Counted, Reading, Segment, Uptime, answering, restarts

OLD, NEW = Version("1"), Version("2")
ZERO = Counters(
    good=100,
    refused=7,
    predictor_errors=3,
    proxy_errors=4,
    incarnation="a",
    within=(80, 85, 90, 92, 95, 96, 97, 98, 99),
    images=200,
    low_confidence=10,
)
COUNTERS = ("good", "refused", "predictor_errors", "proxy_errors", "within", "images", "low_confidence")
SLO = 0.1
"""95 of the first 100 answers took no longer."""


def read(segment: Segment | None, counters: Mapping[Version, Counters], versions: Sequence[Version]) -> Reading:
    return windows.read(segment, counters, versions, slow_after=SLO)


def errors(reading: Reading) -> Mapping[Version, Counted] | None:
    """What the window has of errors."""
    return reading.window and {version: counts["errors"] for version, counts in reading.window.items()}


def quicker(counters: Counters, good: int) -> Counters:
    """So many more good answers, none of them slow."""
    return replace(counters, good=counters.good + good, within=tuple(count + good for count in counters.within))


def begun(counters: Counters = ZERO) -> Segment:
    segment = read(None, {NEW: counters}, (NEW,)).segment
    assert segment is not None
    return segment


def test_the_first_reading_only_sets_the_base() -> None:
    reading = read(None, {NEW: ZERO}, (NEW,))
    assert (reading.window, reading.problem) == (None, None)
    assert errors(read(reading.segment, {NEW: ZERO}, (NEW,))) == {NEW: Counted(0, 0)}


def test_a_window_is_what_came_since_the_last_reading_without_refusals() -> None:
    later = replace(ZERO, good=150, refused=90, predictor_errors=5, proxy_errors=5)
    assert errors(read(begun(), {NEW: later}, (NEW,))) == {NEW: Counted(52, 2)}


@pytest.mark.parametrize(("predictor", "proxy", "bad"), [(6, 0, 6), (0, 9, 9), (6, 6, 6), (2, 9, 9)])
def test_errors_are_the_larger_of_both_counts(predictor: int, proxy: int, bad: int) -> None:
    later = replace(ZERO, predictor_errors=3 + predictor, proxy_errors=4 + proxy)
    assert errors(read(begun(), {NEW: later}, (NEW,))) == {NEW: Counted(bad, bad)}


def test_an_error_that_both_show_in_different_readings_counts_once() -> None:
    first = read(begun(), {NEW: replace(ZERO, proxy_errors=5)}, (NEW,))
    second = read(first.segment, {NEW: replace(ZERO, proxy_errors=5, predictor_errors=4)}, (NEW,))
    assert errors(first) == {NEW: Counted(1, 1)}
    assert errors(second) == {NEW: Counted(0, 0)}


def test_without_a_proxy_the_predictor_counts_alone() -> None:
    alone = replace(ZERO, proxy_errors=None)
    assert errors(read(begun(alone), {NEW: replace(alone, predictor_errors=5)}, (NEW,))) == {NEW: Counted(2, 2)}


@pytest.mark.parametrize("counter", COUNTERS)
def test_a_counter_that_goes_backwards_closes_no_window(counter: str) -> None:
    reading = read(begun(), {NEW: replace(ZERO, good=900) if counter != "good" else ZERO}, (NEW,))
    lower = {counter: (*ZERO.within[:-1], 98) if counter == "within" else getattr(ZERO, counter) - 1}
    back = read(reading.segment, {NEW: replace(ZERO, **({"good": 950} | lower))}, (NEW,))
    assert back.window is None
    assert back.problem == "counters of 2: went backwards without a restart"


def test_a_reading_that_went_backwards_is_no_base_for_the_next_one() -> None:
    back = read(begun(replace(ZERO, good=900)), {NEW: replace(ZERO, good=450)}, (NEW,))
    again = read(back.segment, {NEW: replace(ZERO, good=950)}, (NEW,))
    assert (again.window, again.problem) == (None, None)
    assert errors(read(again.segment, {NEW: replace(ZERO, good=960)}, (NEW,))) == {NEW: Counted(10, 0)}


def test_a_new_incarnation_begins_a_new_segment() -> None:
    other = replace(ZERO, incarnation="b")
    reading = read(begun(), {NEW: other}, (NEW,))
    assert (reading.window, reading.problem) == (None, None)
    later = replace(quicker(other, 7), predictor_errors=4)
    assert errors(read(reading.segment, {NEW: later}, (NEW,))) == {NEW: Counted(8, 1)}


def test_a_revision_that_gives_no_counters_is_named_and_its_window_goes_on_later() -> None:
    both = {OLD: ZERO, NEW: ZERO}
    segment = read(None, both, (NEW, OLD)).segment
    missing = read(segment, {OLD: ZERO}, (NEW, OLD))
    assert (missing.window, missing.problem) == (None, "no counters of 2")
    later = read(missing.segment, {OLD: ZERO, NEW: replace(ZERO, good=130)}, (NEW, OLD))
    assert errors(later) == {NEW: Counted(30, 0), OLD: Counted(0, 0)}


def test_a_proxy_that_vanished_is_missed_until_it_answers_again() -> None:
    segment = begun()
    for good in (200, 300):
        reading = read(segment, {NEW: replace(ZERO, good=good, proxy_errors=None)}, (NEW,))
        assert reading.window is None
        assert reading.problem == "counters of 2: the proxy gave none, and did before"
        assert reading.segment is not None
        segment = reading.segment
    back = read(segment, {NEW: replace(ZERO, good=400, proxy_errors=6)}, (NEW,))
    assert errors(back) == {NEW: Counted(302, 2)}


def test_a_proxy_that_answers_for_the_first_time_begins_a_new_segment() -> None:
    reading = read(begun(replace(ZERO, proxy_errors=None)), {NEW: ZERO}, (NEW,))
    assert reading.window is None
    assert errors(read(reading.segment, {NEW: replace(ZERO, proxy_errors=5)}, (NEW,))) == {NEW: Counted(1, 1)}


growths = st.lists(st.tuples(*[st.integers(0, 50)] * 6), min_size=1)


@given(growths)
def test_windows_sum_to_what_the_segment_counted(growth: list[tuple[int, ...]]) -> None:
    segment: Segment | None = begun()
    now, summed = ZERO, dict.fromkeys(("errors", "latency", "refused", "low_confidence", "ratio"), Counted(0, 0))
    for good, slow, refused, predictor, proxy, low in growth:
        now = replace(
            quicker(now, good),
            good=now.good + good + slow,
            refused=now.refused + refused,
            predictor_errors=now.predictor_errors + predictor,
            proxy_errors=(now.proxy_errors or 0) + proxy,
            images=now.images + low,
            low_confidence=now.low_confidence + low,
        )
        reading = read(segment, {NEW: now}, (NEW,))
        segment = reading.segment
        assert reading.window is not None
        for name, counted in reading.window[NEW].items():
            assert 0 <= counted.bad <= counted.exposure
            summed[name] = Counted(summed[name].exposure + counted.exposure, summed[name].bad + counted.bad)
    good, slow, refused, predictor, proxy, low = (sum(row[place] for row in growth) for place in range(6))
    bad = max(predictor, proxy)
    answers = good + slow + bad
    assert summed == {
        "errors": Counted(answers, bad),
        "latency": Counted(answers, slow),
        "refused": Counted(answers + refused, refused),
        "low_confidence": Counted(low, low),
        "ratio": Counted(answers + refused, 0),
    }


def test_a_bad_image_that_was_read_before_its_exposure_waits_for_it() -> None:
    early = read(begun(), {NEW: replace(ZERO, low_confidence=11)}, (NEW,))
    late = read(early.segment, {NEW: replace(ZERO, images=201, low_confidence=11)}, (NEW,))
    assert early.window is not None
    assert late.window is not None
    assert [found[NEW]["low_confidence"] for found in (early.window, late.window)] == [Counted(0, 0), Counted(1, 1)]


@pytest.mark.parametrize(("slo", "slow"), [(0.005, 20), (0.1, 5), (2.5, 1)])
def test_slow_is_what_took_longer_than_the_edge(slo: float, slow: int) -> None:
    none = replace(ZERO, good=0, within=(0,) * 9)
    window = windows.read(begun(none), {NEW: ZERO}, (NEW,), slow_after=slo).window
    assert window is not None
    assert window[NEW]["latency"] == Counted(100, slow)


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_revision_answers_since_its_processes_were_first_seen_to() -> None:
    later = NOON + timedelta(seconds=9)
    silent = replace(ZERO, good=0)
    seen = answering({}, {OLD: ZERO, NEW: silent}, NOON)
    assert seen == {OLD: Answering("a", NOON)}
    again = answering(seen, {OLD: ZERO, NEW: replace(ZERO, incarnation="b")}, later)
    assert again == {OLD: Answering("a", NOON), NEW: Answering("b", later)}
    assert answering(again, {NEW: ZERO}, later + timedelta(seconds=1))[NEW].incarnation == "a"


def uptime(seconds: float, *, canary: int, stable: int, pods: int = 4) -> Uptime:
    """Restarts of a canary of one pod and a stable of four."""

    def revision(version: Version, restarts: int, ready: int) -> ObservedRevision:
        return ObservedRevision(version, ready=True, digest=None, restarts=restarts, pods=ready)

    return Uptime(NOON + timedelta(seconds=seconds), revision(NEW, canary, 1), revision(OLD, stable, pods))


def test_restarts_are_counted_beside_the_time_of_pods() -> None:
    assert restarts(uptime(0, canary=3, stable=5), uptime(2, canary=4, stable=5)) == Window(2000, 1, 8000, 0)


def test_a_revision_without_a_ready_pod_is_exposed_all_the_same() -> None:
    assert restarts(uptime(0, canary=3, stable=5, pods=0), uptime(1, canary=3, stable=6)) == Window(1000, 0, 1000, 1)


@pytest.mark.parametrize(("canary", "stable"), [(2, 5), (3, 4)])
def test_restarts_that_went_back_are_no_evidence(canary: int, stable: int) -> None:
    assert restarts(uptime(0, canary=3, stable=5), uptime(2, canary=canary, stable=stable)) is None
