"""The judge's e-processes: against their definitions, and their expectations by exact enumeration."""

import json
import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.judge import (
    EMPTY,
    GUARD_RATIO,
    RATIOS,
    Clearance,
    Evidence,
    StartMixture,
    Window,
    guard,
    harm,
    parse_evidence,
)

FLOOR = 0.01
log_ratios = st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3)), max_size=12)


@st.composite
def windows(draw: st.DrawFn, most: int = 1000) -> Window:
    canary, stable = draw(st.integers(0, most)), draw(st.integers(0, most))
    return Window(canary, draw(st.integers(0, canary)), stable, draw(st.integers(0, stable)))


def direct(history: list[tuple[float, float]]) -> float:
    """E as defined: per alternative Σ_s 1/(s(s+1)) Π_{t ≥ s} L_t, the rest of the mass at 1; then their mean."""
    count, values = len(history), []
    for alternative in range(2):
        begun = sum(
            math.exp(sum(ratios[alternative] for ratios in history[start - 1 :])) / (start * (start + 1))
            for start in range(1, count + 1)
        )
        values.append(begun + 1 / (count + 1))
    return sum(values) / len(values)


@given(log_ratios)
def test_evidence_over_unknown_starts_is_the_sum_over_all_starts(history: list[tuple[float, float]]) -> None:
    mixture = StartMixture()
    for ratios in history:
        mixture = mixture.add(ratios)
    assert math.exp(mixture.log_e) == pytest.approx(direct(history), rel=1e-9)


def answers(exposure: int, rate: float) -> list[tuple[int, float]]:
    """Numbers of bad ones among `exposure` answers, with their probabilities."""
    return [(bad, math.comb(exposure, bad) * rate**bad * (1 - rate) ** (exposure - bad)) for bad in range(exposure + 1)]


def outcomes(sizes: list[tuple[int, int]], canary: float, stable: float) -> list[tuple[list[Window], float]]:
    """Every course that windows of these exposures can take, with its probability."""
    each = [
        [(Window(n, x, m, y), p * q) for (x, p), (y, q) in product(answers(n, canary), answers(m, stable))]
        for n, m in sizes
    ]
    return [([window for window, _ in course], math.prod(chance for _, chance in course)) for course in product(*each)]


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.9])
@pytest.mark.parametrize("canary_share", [1.0, 0.5])
def test_harm_is_expected_to_stay_at_one_while_the_canary_is_no_worse(rate: float, canary_share: float) -> None:
    expectation = 0.0
    for course, chance in outcomes([(2, 3), (1, 4), (3, 3)], rate * canary_share, rate):
        mixture = StartMixture()
        for window in course:
            mixture = harm(mixture, window)
        expectation += chance * math.exp(mixture.log_e)
    assert expectation <= 1 + 1e-9


@pytest.mark.parametrize(
    ("margin", "floor", "canary", "stable"),
    [
        (10.0, 0.01, 0.5, 0.05),  # at the margin, far above the floor
        (2.0, 0.01, 0.6, 0.3),
        (2.0, 0.2, 0.2, 0.1),  # at both
        (4.0, 0.2, 0.2, 0.0),  # at the floor beside a stable without errors
        (4.0, 0.05, 0.9, 0.1),  # far beyond both
    ],
)
def test_clearance_is_expected_to_stay_at_one_while_the_canary_is_unacceptable(
    margin: float, floor: float, canary: float, stable: float
) -> None:
    expectation = 0.0
    for course, chance in outcomes([(2, 3), (3, 2), (4, 4)], canary, stable):
        clearance = Clearance()
        for window in course:
            clearance = clearance.add(window, margin=margin, floor=floor)
        expectation += chance * math.exp(clearance.log_a)
    assert expectation <= 1 + 1e-9


@pytest.mark.parametrize("rate", [0.0, FLOOR / 2, FLOOR])
def test_the_guard_is_expected_to_stay_at_one_up_to_its_floor(rate: float) -> None:
    expectation = 0.0
    for course in product(answers(5, rate), answers(8, rate), answers(3, rate)):
        mixture = StartMixture()
        for (bad, _), exposure in zip(course, (5, 8, 3), strict=True):
            mixture = guard(mixture, exposure=exposure, bad=bad, floor=FLOOR)
        expectation += math.prod(chance for _, chance in course) * math.exp(mixture.log_e)
    assert expectation <= 1 + 1e-9


def test_harm_mixes_the_ratios_of_one_window() -> None:
    share = 0.25
    logs = harm(StartMixture(), Window(100, 3, 300, 1)).logs
    wanted = [
        math.log(1 / 2) + 3 * math.log(ratio / (share * ratio + 1 - share)) - math.log(share * ratio + 1 - share)
        for ratio in RATIOS
    ]
    assert logs == pytest.approx(wanted)


def test_the_guard_counts_four_for_an_error_and_less_than_one_for_a_good_answer() -> None:
    (log,) = guard(StartMixture(), exposure=10, bad=2, floor=FLOOR).logs
    good = math.log((1 - GUARD_RATIO * FLOOR) / (1 - FLOOR))
    assert log == pytest.approx(math.log(1 / 2) + 2 * math.log(4) + 8 * good)


@pytest.mark.parametrize("window", [Window(100, 5, 0, 0), Window(0, 0, 100, 5), Window(40, 0, 60, 0), EMPTY])
def test_a_window_without_errors_or_without_one_side_is_no_evidence_of_harm(window: Window) -> None:
    assert harm(StartMixture(), window) == StartMixture()


@pytest.mark.parametrize("window", [Window(0, 0, 100, 5), Window(100, 5, 0, 0)])
def test_one_side_alone_says_nothing_about_the_ratio(window: Window) -> None:
    assert Clearance().add(window, margin=2.0, floor=FLOOR).log_p == 0.0


@pytest.mark.parametrize(("steps", "answers"), [(1, 486), (2, 579), (4, 672)])
def test_a_flawless_step_is_passed_after_some_hundred_answers(steps: int, answers: int) -> None:
    bound = steps / 0.05
    short, enough = (
        Clearance().add(Window(number, 0, number, 0), margin=10.0, floor=FLOOR) for number in (answers - 1, answers)
    )
    assert Clearance().clean_answers_needed(bound=bound, floor=FLOOR) == answers
    assert short.log_a < math.log(bound) <= enough.log_a


@given(windows(), st.sampled_from([2.0, 4.0, 10.0]))
def test_the_clean_answers_needed_are_enough_and_one_fewer_is_not(window: Window, margin: float) -> None:
    bound = 40.0
    clearance = Clearance().add(window, margin=margin, floor=FLOOR)
    needed = clearance.clean_answers_needed(bound=bound, floor=FLOOR)

    def after(good: int) -> float:
        return clearance.add(Window(good, 0, 0, 0), margin=margin, floor=FLOOR).log_a

    assert after(needed) >= math.log(bound) - 1e-9
    assert needed == 0 or after(needed - 1) < math.log(bound) + 1e-9


@given(windows(most=10**12), st.sampled_from([2.0, 4.0, 10.0]))
def test_counts_of_any_size_give_finite_evidence(window: Window, margin: float) -> None:
    evidence = Evidence().add(window, margin=margin, floor=FLOOR)
    guarded = guard(StartMixture(), exposure=window.canary_exposure, bad=window.canary_bad, floor=FLOOR)
    assert math.isfinite(evidence.harm.log_e)
    assert math.isfinite(evidence.clearance.log_a)
    assert math.isfinite(guarded.log_e)
    assert evidence.clearance.clean_answers_needed(bound=40.0, floor=FLOOR) >= 0


@given(st.lists(windows(), max_size=5))
def test_evidence_is_read_back_from_the_journal_as_it_was(history: list[Window]) -> None:
    evidence = Evidence()
    for window in history:
        evidence = evidence.add(window, margin=4.0, floor=FLOOR)
    assert parse_evidence(json.loads(json.dumps(evidence.document()))) == evidence


def test_a_new_step_begins_its_clearance_anew_and_keeps_the_evidence_of_harm() -> None:
    evidence = Evidence().add(Window(300, 2, 700, 1), margin=10.0, floor=FLOOR)
    following = evidence.next_step()
    assert (following.clearance, following.step) == (Clearance(), EMPTY)
    assert (following.harm, following.total) == (evidence.harm, evidence.total)


def test_more_bad_answers_than_answers_are_refused() -> None:
    with pytest.raises(ValueError, match="6 bad of 5"):
        Window(5, 6, 10, 0)
