"""The promises of drift's detectors, counted over a few seeded streams; `make simulate` draws many."""

import pytest

from registry.domain.drift_counts import CLASSES, CONFIDENCE
from tests.statistics.drift import MIXES, cries, delays, faults
from tests.statistics.streams import IID, LOAD, SESSIONS, Stream, moved, of, sure, usual

MIX = of(usual(), CLASSES)


@pytest.mark.parametrize("stream", [IID, SESSIONS, LOAD], ids=lambda stream: stream.name)
def test_nothing_is_cried_where_nothing_drifts(stream: Stream) -> None:
    shares = of(usual(), CLASSES, CONFIDENCE)
    assert cries(stream, ticks=2000, seed=5, shares=shares, streams=20, each=100).alarms == 0


@pytest.mark.parametrize(("variation", "wanted"), MIXES[:2])
@pytest.mark.parametrize(("stream", "factor"), [(IID, 1), (SESSIONS, 4)], ids=["independent", "groups"])
def test_a_class_mix_that_moves_is_found_in_time(stream: Stream, factor: int, variation: float, wanted: float) -> None:
    after = of(moved(usual(), variation), CLASSES)
    found = delays("", stream, MIX, after, wanted=factor * wanted, runs=20, seed=1, references=2)
    assert (found.kept, found.false) == (True, 0)


def test_confidence_that_falls_by_five_points_is_found_in_time() -> None:
    before = of(usual(), CLASSES, CONFIDENCE)
    found = delays("", IID, before, {**before, CONFIDENCE: sure(0.85)}, wanted=500, runs=20, seed=2, references=2)
    assert (found.kept, found.false) == (True, 0)


def test_faults_of_pictures_are_found_in_time() -> None:
    assert [found.name for found in faults(4, references=1) if not found.kept or found.false] == []


def test_a_reference_without_tolerance_cries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counts above can fail."""
    monkeypatch.setattr("registry.domain.drift_reference.tolerance", lambda shares, *_: 0 * shares + 1e-9)
    assert cries(IID, ticks=8_000, seed=5, shares=MIX, streams=10, each=800).alarms > 2
