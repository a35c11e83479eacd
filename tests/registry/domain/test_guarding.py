"""The rollback window after a promotion."""

from datetime import timedelta

import pytest

from registry.domain.stages import Stage
from tests.registry.domain.builders import (
    QUICK,
    V1,
    V2,
    Installation,
    digest,
    kinds,
    promoted,
    traffic,
    with_policy,
)


def first() -> Installation:
    """Version 1, the first one ever, inside its rollback window, the first reading taken."""
    place = Installation()
    place.publish(V1)
    place.turn()
    place.ask("promote", V1, "production")
    place.turns(lambda it: it.state.production == V1)
    for _ in range(5):
        place.turn()
    return place


def test_errors_above_the_floor_return_production_to_the_version_that_waits() -> None:
    place = promoted()
    place.count(V2, 50, errors=10)
    decision = place.turn()
    assert kinds(decision.drafts) == ["evidence", "verdict", "rolled_back"]
    assert (place.state.production, place.state.guarding) == (V1, None)
    assert (place.state.version(V1).stage, place.state.version(V2).stage) == (Stage.PRODUCTION, Stage.ARCHIVED)
    assert place.state.production in place.running  # no process had to start


def test_a_version_that_was_rolled_back_from_is_not_what_a_rollback_returns_to() -> None:
    place = promoted()
    place.count(V2, 50, errors=10)
    place.turn()
    assert place.state.previous is None


def test_a_quiet_window_ends_and_the_old_version_is_dropped() -> None:
    place = promoted()
    place.turns(lambda it: it.state.guarding is None, each=lambda: traffic(place))
    assert place.entries[-1].data["reason"] == "rollback window over"
    assert set(place.running) == {V2}
    assert (place.state.production, place.state.previous) == (V2, V1)


def test_evidence_of_harm_at_the_end_of_the_window_is_still_acted_upon() -> None:
    place = promoted()
    place.turns(lambda it: it.state.guarding is None or (it.now - it.state.guarding.since).total_seconds() >= 300)
    place.count(V2, 50, errors=10)
    assert "rolled_back" in kinds(place.turn().drafts)
    assert place.state.production == V1


@pytest.mark.parametrize(("bad", "back"), [(10, False), (20, False), (80, True)])
def test_errors_are_judged_against_the_floor_and_not_against_what_was(bad: int, back: bool) -> None:
    place = promoted()
    place.count(V2, 2000 - bad, errors=bad)
    place.turn()
    assert (place.state.production == V1) is back


@pytest.mark.parametrize(
    "fault", [{"digest": "0" * 64}, {"ready": False, "restarts": 5}, {"ready": False, "unready_since": 61}]
)
def test_an_absolute_fault_goes_back_at_once(fault: dict[str, object]) -> None:
    place = promoted()
    for name, value in fault.items():
        moment = place.now - timedelta(seconds=value) if isinstance(value, int) and name == "unready_since" else value
        setattr(place.running[V2], name, moment)
    assert kinds(place.turn().drafts) == ["rolled_back"]
    assert place.state.production == V1


@pytest.mark.parametrize("change", [{"ready": False}, {"digest": None}, {"digest": "0" * 64}])
def test_nobody_goes_back_to_a_version_that_is_not_proven_ready(change: dict[str, object]) -> None:
    place = promoted()
    for name, value in change.items():
        setattr(place.running[V1], name, value)
    for _ in range(5):
        place.count(V2, 0, errors=100)
        place.turn()
    assert place.state.production == V2
    assert place.state.guarding is not None
    assert place.state.guarding.verdict == ("rollback", "errors above 1.00%")
    place.running[V1].ready, place.running[V1].digest = True, digest(V1)
    place.turn()
    assert place.state.production == V1


def test_the_first_version_has_nothing_to_go_back_to() -> None:
    place = first()
    for _ in range(5):
        place.count(V1, 0, errors=100)
        place.turn()
    assert (place.state.production, place.entries[-1].kind) == (V1, "verdict")


def test_missing_counters_are_an_error_and_nothing_else() -> None:
    place = promoted()
    place.unanswered = {V2}
    for _ in range(100):
        place.turn()
    assert place.state.guarding is not None
    assert place.state.guarding.verdict == ("error", "evidence could not be read")
    assert place.state.production == V2


def test_evidence_is_recorded_each_minute() -> None:
    place = promoted()
    begin = len(place.entries)
    for _ in range(185):
        traffic(place)
        place.turn()
    assert kinds(place.entries[begin:]) == ["evidence"] * 3


def test_a_restarted_controller_goes_on_from_the_recorded_evidence() -> None:
    place = promoted()
    for _ in range(70):
        place.count(V2, 9, errors=0)
        place.turn()
    assert place.state.guarding is not None
    kept = place.state.guarding
    place.restart()
    place.turn()
    assert (place.memory.mixture, place.memory.good) == (kept.mixture, kept.good)
    assert 0 < place.memory.good < 70 * 9


@pytest.mark.parametrize("seconds", [61, 7200])
def test_a_jump_of_the_clock_does_not_end_the_window_in_its_turn(seconds: int) -> None:
    place = promoted()
    assert place.turn(seconds).drafts == ()
    assert place.state.guarding is not None


def test_the_window_lasts_as_long_as_the_policy_of_its_rollout_said() -> None:
    place = promoted(with_policy(QUICK, rollback_window=60))
    begin = place.now
    place.policy = QUICK
    place.turns(lambda it: it.state.guarding is None)
    assert place.now - begin < timedelta(seconds=61)
