"""An API server that fails, controllers that come and go: every Promotion is taken once and gets where it should."""

import random

import pytest

from tests.registry.cluster_objects.conftest import Namespace

FAULTS = (409, 429, 500, 503, 0)
"""Statuses; 0 hangs up."""


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("number", range(0, 6, 2))
def test_one_failed_call_changes_nothing_but_the_time(fake, served: Namespace, fault: int, number: int) -> None:
    name = served.promote("2")
    fake.fails = [*[None] * number, fault]
    served.until(lambda: served.phase(name) == "Succeeded")
    assert served.kinds().count("requested") == 2
    assert served.kinds().count("promoted") == 2


@pytest.mark.parametrize("seed", range(2))
def test_many_failed_calls_and_restarts_change_nothing_but_the_time(fake, served: Namespace, seed: int) -> None:
    dice, name = random.Random(seed), served.promote("2")

    def goes_wrong() -> bool:
        fake.fails = [dice.choice((None, None, *FAULTS)) for _ in range(6)]
        if dice.random() < 0.2:
            served.start()
        return served.state().production == "2" and served.state().guarding is None

    served.until(goes_wrong)
    fake.fails = []
    served.until(lambda: served.phase(name) == "Succeeded")
    assert served.kinds().count("requested") == 2
    assert "aborted" not in served.kinds()


def test_a_controller_that_is_started_anew_again_and_again_tells_the_same(fake, served: Namespace) -> None:
    name, phases = served.promote("2"), []

    def restarted() -> bool:
        phases.append(served.phase(name))
        if len(phases) % 4 == 0:  # between two starts there is time for a window of evidence
            served.start()
        return phases[-1] == "Succeeded"

    served.until(restarted)
    assert list(dict.fromkeys(filter(None, phases))) == ["Progressing", "Guarding", "Succeeded"]


def test_a_server_that_is_away_for_long_stops_no_rollout(fake, served: Namespace) -> None:
    name = served.promote("2")
    served.until(lambda: served.phase(name) == "Progressing")
    fake.fails = [500] * 10_000
    for _ in range(20):
        served.turn()
    assert served.state().production == "2"
    fake.fails = []
    served.until(lambda: served.phase(name) == "Succeeded")


def test_the_view_says_nothing_of_an_api_server_that_could_not_be_told(fake, served: Namespace) -> None:
    name = served.promote("2")
    served.until(lambda: served.phase(name) == "Progressing")
    fake.fails = [500] * 100
    served.turn()
    assert served.controller.known["shapes"].told.state.rollout is not None
    assert not (served.home.root / "run" / "views" / "shapes.json").read_text().count("injected")
