"""Pause, resume and abort at every moment of a rollout."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from registry.domain.journal import Entry
from registry.domain.policy import Step
from registry.domain.stages import Stage
from registry.domain.state import Rollout, release
from tests.registry.domain.builders import (
    QUICK,
    V1,
    V2,
    Installation,
    idle,
    kinds,
    promoted,
    soaking,
    stepping,
    traffic,
    with_policy,
)


def starting() -> Installation:
    """Version 2 is started and not ready yet."""
    place = idle()
    place.obeys = False
    place.ask("promote", V2, "production")
    place.turn()
    place.act()
    place.running[V2].ready = False
    return place


def withheld() -> Installation:
    place = stepping()
    place.running[V2].ready = False
    place.turn()
    return place


def headed() -> Installation:
    """Version 2 runs and is reached by header only."""
    return stepping(with_policy(QUICK, steps=(Step(0, 600), Step(50, 5))))


def waiting() -> Installation:
    """Version 2 is in staging on its way to production and was not measured yet."""
    place = idle(replace(QUICK))
    place.policy = replace(QUICK, checklist=())
    place.ask("promote", V2, "production")
    place.turn()
    return place


def pause(place: Installation) -> Installation:
    place.ask("pause", by="bob", reason="lunch")
    place.turn()
    return place


def rollout(place: Installation) -> Rollout:
    assert place.state.rollout is not None
    return place.state.rollout


def answered(place: Installation, action: str) -> Entry:
    asked = place.ask(action, by="bob")
    place.turn()
    return next(entry for entry in place.entries if entry.data.get("request") == asked)


RUNNING = [starting, stepping, withheld, headed]


@pytest.mark.parametrize("begin", RUNNING)
def test_a_rollout_can_be_paused_and_resumed_at_every_moment(begin: Callable[[], Installation]) -> None:
    place = begin()
    weights = release(place.state).weights
    entry = answered(place, "pause")
    assert (entry.kind, entry.actor, entry.data["version"]) == ("paused", "bob", V2)
    assert (rollout(place).paused, release(place.state).weights) == (entry.time, weights)
    assert answered(place, "resume").kind == "resumed"
    assert rollout(place).paused is None


@pytest.mark.parametrize("begin", RUNNING)
def test_an_abort_takes_the_canary_out_of_the_release_without_blame(begin: Callable[[], Installation]) -> None:
    place = begin()
    entry = answered(place, "abort")
    assert (entry.kind, entry.actor, entry.data["to"]) == ("aborted", "bob", V1)
    assert (place.state.production, place.state.version(V2).stage) == (V1, Stage.DEVELOPMENT)
    assert release(place.state).weights == {V1: 100}


@pytest.mark.parametrize(
    ("begin", "action", "words"),
    [
        (idle, "pause", "no rollout is in progress; there is nothing to pause"),
        (idle, "resume", "no rollout is in progress; there is nothing to resume"),
        (idle, "abort", "no rollout is in progress; there is nothing to abort"),
        (promoted, "pause", "version 2 is in production and its rollback window runs; there is nothing to pause"),
        (promoted, "abort", "`geometry rollback` goes back"),
        (stepping, "resume", "the rollout of 2 is not paused; `geometry status` shows what it waits for"),
        (lambda: pause(stepping()), "pause", "the rollout of 2 is paused already; `geometry resume` goes on"),
        (waiting, "pause", "the promotion that waits has not begun; there is nothing to pause"),
    ],
)
def test_where_there_is_nothing_to_control_it_is_refused(
    begin: Callable[[], Installation], action: str, words: str
) -> None:
    entry = answered(begin(), action)
    assert entry.kind == "refused"
    assert words in entry.data["reason"]


def test_a_paused_rollout_takes_no_step_up_and_goes_on_collecting_evidence() -> None:
    place = pause(soaking())
    for _ in range(100):
        traffic(place)
        place.turn()
    assert (rollout(place).step, rollout(place).verdict) == (0, ("hold", "paused"))
    assert place.evidence().step.canary_exposure == 4_000


def test_a_pause_after_the_soak_holds_what_would_be_promoted() -> None:
    place = stepping()
    for _ in range(10):
        place.turn()
    pause(place)
    for _ in range(20):
        traffic(place)
        place.turn()
    assert (rollout(place).step, rollout(place).verdict) == (0, ("hold", "paused"))
    place.ask("resume")
    place.turns(lambda it: rollout(it).step == 1, each=lambda: traffic(place))


def test_a_pause_does_not_count_as_soak() -> None:
    place = soaking()
    before = rollout(place).stepped
    place.turn(50)
    pause(place)
    for _ in range(20):
        place.turn(50)
    place.ask("resume")
    place.turn()
    after = rollout(place).stepped
    assert before is not None
    assert after is not None
    assert (after - before).total_seconds() == 20 * 50 + 1
    assert not rollout(place).soaked(place.now)


def test_before_the_first_step_a_paused_canary_waits_at_weight_0() -> None:
    place = pause(starting())
    place.running[V2].ready = True
    assert place.turn().drafts == ()
    place.ask("resume")
    place.turn()
    assert kinds(place.turn().drafts) == ["stepped"]


def test_a_paused_canary_that_comes_back_gets_the_weight_it_had() -> None:
    place = pause(withheld())
    place.running[V2].ready = True
    assert kinds(place.turn().drafts) == ["stepped"]
    assert (rollout(place).weight, rollout(place).paused is not None) == (10, True)
    place.ask("resume")
    place.turn()
    assert rollout(place).stepped == place.now


def test_harm_goes_back_although_it_is_paused() -> None:
    place = pause(stepping())
    place.count(V1, 900)
    place.count(V2, 60, errors=40)
    assert kinds(place.turn().drafts)[-1] == "rolled_back"


def test_a_wrong_digest_goes_back_although_it_is_paused() -> None:
    place = pause(stepping())
    place.running[V2].digest = "0" * 64
    assert kinds(place.turn().drafts) == ["rolled_back"]


def test_the_deadline_runs_on_while_it_is_paused() -> None:
    place = pause(stepping(with_policy(QUICK, deadline=600)))
    place.turns(lambda it: it.state.rollout is None)
    assert place.entries[-1].kind == "expired"


def test_a_killed_controller_finds_the_pause_again() -> None:
    place = pause(stepping())
    place.restart()
    for _ in range(50):
        traffic(place)
        place.turn()
    assert (rollout(place).step, rollout(place).paused is not None) == (0, True)


def test_an_abort_withdraws_a_promotion_that_waits() -> None:
    place = waiting()
    (promotion,) = place.state.requests
    entry = answered(place, "abort")
    assert (entry.kind, entry.data["promotion"]) == ("aborted", promotion.id)
    assert (place.state.requests, place.state.rollout, place.state.production) == ((), None, V1)


def test_an_abort_does_not_withdraw_what_was_asked_after_it() -> None:
    place = idle()
    place.ask("abort")
    place.now += timedelta(seconds=1)
    place.ask("promote", V2, "production")
    place.turns(lambda it: it.state.rollout is not None)
    assert "refused" in kinds(place.entries)
