from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from predictor.counters import Counters
from predictor.errors import REASONS
from predictor.query import Predictions
from predictor.tally import CONFIDENCE_EDGES, LATENCY_EDGES, Layout, Tally, cumulated

CLASSES, SLOTS, LOW = 3, 4, 0.5
EDGES = {"one": (0.0, 1.0, 2.5, 9.0), "other": (0.0, 9.0)}
LAYOUT = Layout(CLASSES, tuple(EDGES.values()))

probabilities = st.one_of(st.sampled_from(CONFIDENCE_EDGES), st.floats(0, 1))
values = st.one_of(st.sampled_from((0.0, 1.0, 2.5, 9.0)), st.floats(0, 20))
features = st.one_of(st.tuples(values), st.tuples(values, values))
images = st.lists(st.tuples(st.integers(0, CLASSES - 1), probabilities, features), max_size=5)
seconds = st.one_of(st.sampled_from(LATENCY_EDGES), st.floats(0, 10))
events = st.lists(st.tuples(st.integers(0, SLOTS - 1), st.one_of(st.sampled_from(REASONS), st.tuples(images, seconds))))


def predictions(answer: list[tuple[int, float, tuple[float, ...]]]) -> Predictions:
    winners, confidence, measured = (list(part) for part in zip(*answer, strict=True)) if answer else ([], [], [])
    return Predictions(winners, confidence, [], np.empty(0, np.float32), measured)


@given(events)
def test_the_slots_add_up_to_a_plain_tally_however_the_work_was_split(happened) -> None:
    counters = Counters(cells=LAYOUT.size, slots=SLOTS)
    for slot, event in happened:
        tally = Tally(counters.slot(slot)[: LAYOUT.size], LAYOUT)
        if isinstance(event, str):
            tally.refused(event)
        else:
            tally.answered(predictions(event[0]), seconds=event[1], low=LOW)
    total = Tally(counters.total()[: LAYOUT.size], LAYOUT)
    answers = [event for _, event in happened if not isinstance(event, str)]
    every = [image for answer, _ in answers for image in answer]
    refusals = Counter(event for _, event in happened if isinstance(event, str))
    assert total.errors == {reason: refusals[reason] for reason in REASONS}
    assert list(total.classes) == [sum(winner == one for winner, _, _ in every) for one in range(CLASSES)]
    assert total.low_confidence == sum(confidence < LOW for _, confidence, _ in every)
    assert (total.requests, total.images) == (len(answers), len(every))
    measured = [[row[place] for _, _, row in every if place < len(row)] for place in range(len(EDGES))]
    for edges, counts, observed in (
        (LATENCY_EDGES, total.latency, [took for _, took in answers]),
        (CONFIDENCE_EDGES, total.confidence, [confidence for _, confidence, _ in every]),
        *((found.edges, found.counts, seen) for found, seen in zip(total.features, measured, strict=True)),
    ):
        for edge, count in cumulated(edges, counts):
            assert count == sum(one <= float(edge) for one in observed)
    assert np.allclose([found.sum for found in total.features], [sum(seen) for seen in measured])
    assert np.isclose(total.confidence_sum, sum(confidence for _, confidence, _ in every))
    assert np.isclose(total.latency_sum, sum(took for _, took in answers))


def test_a_probability_rounded_above_1_is_in_the_last_bin() -> None:
    tally = Tally([0.0] * LAYOUT.size, LAYOUT)
    tally.answered(predictions([(0, 1.0000001, ())]), seconds=0, low=LOW)
    assert cumulated(CONFIDENCE_EDGES, tally.confidence)[-2:] == [("1.0", 1), ("+Inf", 1)]


@given(st.lists(st.tuples(st.integers(0, SLOTS - 1), st.floats(0, 1e6)), max_size=30))
def test_a_sum_of_fractions_never_falls(added) -> None:
    counters = Counters(cells=1, slots=SLOTS)
    last = 0.0
    for slot, amount in added:
        counters.slot(slot)[0] += amount
        assert counters.total()[0] >= last
        last = counters.total()[0]
