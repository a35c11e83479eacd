"""The counters under kills, in seconds; `make truth` is the same with a million answers."""

from pathlib import Path

import pytest

from tests.fixtures.versions import publish_tiny
from tests.hostile.conftest import samples, serving
from tests.soak import hostile
from tests.soak.truth import START, Scraped, Trial

GOOD = "ml_geometry_prediction_latency_seconds_count"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("installation")
    publish_tiny(home)
    return home


@pytest.mark.parametrize(("processes", "kills"), [(1, 1), (2, 3)])
def test_as_much_is_scraped_as_was_answered_whatever_is_killed(home: Path, processes: int, kills: int) -> None:
    trial = Trial(home, processes, seed=1)
    try:
        trial.run(1000, kills)
        trial.rest()
    finally:
        trial.stop()
    assert trial.faults == []
    assert (trial.kills, trial.asking.in_flight) == (kills, 0)


def test_hostile_requests_add_no_series(home: Path) -> None:
    with serving(home, workers=2) as server:
        before = set(samples(server))
        hostile.run(server, 400, seed=3)
        assert set(samples(server)) == before


def scrape(start: float, good: float) -> dict[tuple[str, frozenset[str]], float]:
    return {START: start, (GOOD, frozenset({"live"})): good}


def test_a_successor_counts_on_top_of_what_was_scraped_before_even_when_it_has_more() -> None:
    scraped = Scraped()
    assert [scraped.take(found) for found in (scrape(1, 5), scrape(1, 7), scrape(2, 9))] == [[], [], []]
    assert scraped.total(GOOD, "live") == 16


def test_a_counter_that_falls_and_a_series_that_comes_are_faults() -> None:
    scraped = Scraped()
    scraped.take(scrape(1, 5))
    assert ["fell to 4" in fault for fault in scraped.take(scrape(1, 4))] == [True]
    assert len(scraped.take({**scrape(1, 4), ("new_total", frozenset()): 0.0})) == 1
