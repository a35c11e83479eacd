"""What is answered to what was asked."""

from collections.abc import Callable

import pytest

from registry.domain.checklist import Candidate
from registry.domain.rules import Check
from registry.domain.stages import Stage
from tests.registry.domain.builders import (
    V1,
    V2,
    V3,
    Installation,
    candidate,
    idle,
    kinds,
    promoted,
    stepping,
    traffic,
)


def settled() -> Installation:
    """Version 2 in production, its window over, version 1 before it."""
    place = promoted()
    place.turns(lambda it: it.state.guarding is None, each=lambda: traffic(place))
    return place


def back_in_window() -> Installation:
    """Version 2 was rolled back from inside its window."""
    place = promoted()
    place.ask("rollback")
    place.turn()
    return place


def test_a_worse_version_is_refused_with_the_numbers_of_the_checklist() -> None:
    place = idle()
    place.candidates[V2] = candidate(V2, wrong=80)
    place.ask("promote", V2, "production")
    (refused,) = place.turn().drafts
    assert refused.data["reason"].startswith("accuracy: got 80.0 % − 98.0 % = −18.0 points (95 % bound −2")
    assert "n=400, b=72, c=0), wanted ≥ −1.0 points; recall: got " in refused.data["reason"]
    assert [check["check"] for check in refused.data["checks"]] == list(Check)


def test_a_version_that_no_longer_verifies_is_refused_and_the_file_is_named() -> None:
    place = idle()
    place.candidates[V2] = Candidate(V2, verification_error="model.tflite: another sha256")
    place.ask("promote", V2, "staging")
    (refused,) = place.turn().drafts
    assert "signature: got model.tflite: another sha256" in refused.data["reason"]


def test_staging_takes_the_place_of_the_version_before() -> None:
    place = idle()
    place.ask("promote", V2, "staging")
    assert kinds(place.turn().drafts) == ["staged"]
    place.ask("promote", V3, "staging", "development")
    place.turn()
    assert (place.state.staging, place.state.version(V2).stage) == (V3, Stage.DEVELOPMENT)


@pytest.mark.parametrize(
    ("staged", "source", "wanted"),
    [
        (False, None, ["staged", "started"]),
        (False, "development", ["staged", "started"]),
        (True, "staging", ["started"]),
    ],
)
def test_a_promotion_to_production_passes_staging_on_the_way(
    staged: bool, source: str | None, wanted: list[str]
) -> None:
    place = idle()
    if staged:
        place.ask("promote", V2, "staging")
        place.turn()
    place.ask("promote", V2, "production", source)
    drafts = place.turn().drafts
    assert kinds(drafts) == wanted
    assert (drafts[-1].data["base"], drafts[-1].data["digest"]) == (V1, place.state.version(V2).digest)
    assert set(drafts[-1].data["policy"]) == {"text", "sha256"}


def test_an_archived_version_can_be_promoted_again() -> None:
    place = back_in_window()
    place.ask("promote", V2, "production")
    assert kinds(place.turn().drafts) == ["staged", "started"]


def test_a_promotion_killed_after_its_first_entry_goes_on() -> None:
    place = idle()
    place.ask("promote", V2, "production", "development")
    place.record(place.decide().drafts[0])
    place.restart()
    assert kinds(place.turn().drafts) == ["started"]
    assert place.state.rollout is not None


def test_a_promotion_in_the_rollback_window_closes_it_first() -> None:
    place = promoted()
    place.ask("promote", V3, "production")
    assert kinds(place.turn().drafts) == ["evidence", "verdict", "staged", "started"]
    assert place.state.guarding is None
    assert set(place.running) == {V2, V3}


def test_staging_a_version_leaves_the_rollback_window_open() -> None:
    place = promoted()
    place.ask("promote", V3, "staging")
    place.turn()
    assert (place.state.staging, place.state.guarding is not None) == (V3, True)


def test_a_rollback_before_the_swap_ends_the_rollout_without_blame() -> None:
    place = stepping()
    asked = place.ask("rollback")
    (aborted,) = place.turn().drafts
    assert (aborted.kind, aborted.actor, aborted.data["request"]) == ("aborted", "ann", asked)
    assert (place.state.production, place.state.version(V2).stage) == (V1, Stage.DEVELOPMENT)
    assert (place.state.rollout, place.state.staging) == (None, None)


def test_a_rollback_in_the_window_starts_nothing() -> None:
    place = promoted()
    asked = place.ask("rollback")
    (back,) = place.turn().drafts
    assert (back.kind, back.data["request"], back.data["to"]) == ("rolled_back", asked, V1)
    assert (place.state.production, place.state.version(V2).stage) == (V1, Stage.ARCHIVED)


def test_a_later_rollback_returns_the_version_before_without_steps() -> None:
    place = settled()
    begin = len(place.entries)
    place.ask("rollback")
    place.turns(lambda it: it.state.production == V1)
    assert kinds(place.entries[begin:]) == ["requested", "started", "promoted"]
    assert place.state.guarding is not None
    assert place.state.guarding.previous == V2


@pytest.mark.parametrize("begin", [stepping, settled, back_in_window])
def test_a_rollback_of_a_version_that_left_by_itself_goes_no_further_back(
    begin: Callable[[], Installation],
) -> None:
    place = begin()
    place.ask("rollback", V3)
    (entry,) = place.turn().drafts
    assert entry.kind == "refused"
    assert "version 3 is neither in production nor on its way there any more" in entry.data["reason"]


def test_a_later_rollback_can_be_ended_before_the_old_version_is_ready() -> None:
    place = settled()
    place.obeys = False
    place.ask("rollback")
    place.turn()
    place.turn()
    place.ask("rollback")
    assert kinds(place.turn().drafts) == ["aborted"]
    assert place.state.version(V1).stage is Stage.ARCHIVED


@pytest.mark.parametrize("begin", [promoted, settled])
def test_two_rollbacks_asked_for_at_once_are_one(begin: Callable[[], Installation]) -> None:
    place = begin()
    place.ask("rollback")
    place.ask("rollback")
    place.turns(lambda it: not it.state.requests and it.state.rollout is None)
    assert place.state.production == V1
    assert kinds(place.entries).count("refused") == 1


def test_the_same_promotion_asked_for_twice_starts_one_rollout() -> None:
    place = idle()
    for _ in range(2):
        place.ask("promote", V2, "production")
    place.turns(lambda it: not it.state.requests)
    assert kinds(place.entries)[-3:] == ["started", "stepped", "refused"]
